//! The large error detector through the port, with a network of random weights and few layers: what it says means nothing, how it
//! says it must hold.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use baeum_domain::learning::evaluation::{Answer, ErrorCategory, Evaluator, Verdict};
use baeum_domain::level::Cefr;
use baeum_ml::learning::encoder::network::{Size, tensors};
use baeum_ml::learning::encoder::{EncoderDetector, LoadError, MANIFEST, WEIGHTS};
use baeum_ml::learning::error_detector::manifest::sha256;
use baeum_ml::learning::error_detector::tokenize::tokenize;
use candle_core::{Device, Tensor};

const PIECES: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nshe\nhave\na\ncat\n.\n,\ni\nlike\nread\n##ing\nbook\n##s\nit\nhe\ngo\nan\n";
const TEXTS: [&str; 7] = [
    "She have a cat.",
    "I like reading books, and he go.",
    "it",
    "제 친구: She have a cat, I like it. He go a book!",
    "",
    "I like reading it I like reading it I like reading it I like reading it I like reading it I like reading it",
    "12, 7.",
];

/// Weights of any values, the same each time; as wide as MiniLM, because how products are summed hangs on that.
fn weights(layers: usize) -> Vec<(String, Tensor)> {
    let size = Size { pieces: PIECES.lines().count(), width: 384, inner: 1536, layers };
    let mut state = 1u64;
    let mut value = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(state >> 48).expect("16 bits")) / 32_768.0 - 1.0
    };
    let mut all = Vec::new();
    for (name, dims) in tensors(size) {
        let scale = if name.contains("norm") { 1.0 } else { 0.1 };
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| value() * scale).collect();
        all.push((name, Tensor::from_vec(values, dims, &Device::Cpu).expect("the values fill the tensor")));
    }
    let bytes = |text: &str| Tensor::new(text.as_bytes(), &Device::Cpu).expect("bytes are a tensor");
    all.push(("word_pieces".to_owned(), bytes(PIECES)));
    all.push(("vocabulary".to_owned(), bytes("she 9\nhave 8\na 8\ncat 3\n")));
    let calibration = Tensor::new(&[1.0f32, 0.3, 1.0, 2.0], &Device::Cpu).expect("four values are a tensor");
    all.push(("calibration".to_owned(), calibration));
    all
}

fn files(tensors: Vec<(String, Tensor)>) -> (Vec<u8>, String) {
    let weights = safetensors::serialize(tensors, None).expect("the tensors are written");
    let manifest = serde_json::json!({"model_id": "tiny", "weights_sha256": sha256(&weights), "training_command": "",
        "seed": 1, "data": [], "metrics": null});
    (weights, manifest.to_string())
}

fn detector() -> EncoderDetector {
    let (weights, manifest) = files(weights(2));
    EncoderDetector::from_bytes(&weights, &manifest).expect("the weights fit")
}

fn answer(text: &str) -> Answer<'_> {
    Answer { prompt: "", text, level: Cefr::A1, references: &[] }
}

fn said(verdict: &Verdict) -> String {
    format!("{} {:?}", verdict.score.to_bits(), verdict.spans)
}

#[test]
fn what_is_evaluated_beside_an_answer_changes_no_bit_of_its_verdict() {
    let detector = detector();
    let alone = TEXTS.map(|text| said(&detector.evaluate(&answer(text)).expect("the model computes")));
    assert!(alone.iter().any(|verdict| verdict.contains("ErrorSpan")), "no text has a span: nothing is compared");
    for turn in 0..TEXTS.len() {
        let mut order: Vec<usize> = (0..TEXTS.len()).collect();
        order.rotate_left(turn);
        let answers: Vec<Answer<'_>> = order.iter().chain(&order).map(|at| answer(TEXTS[*at])).collect();
        let together = detector.evaluate_batch(&answers);
        for (at, verdict) in order.iter().chain(&order).zip(together) {
            assert_eq!(said(&verdict.expect("the model computes")), alone[*at]);
        }
    }
}

#[test]
fn the_probabilities_of_a_sentence_are_the_same_bits_beside_any_other() {
    let detector = detector();
    let sentences: Vec<_> = TEXTS.iter().map(|text| tokenize(text)).collect();
    let slices: Vec<&[_]> = sentences.iter().map(Vec::as_slice).collect();
    let together = detector.probabilities(&slices).expect("the model computes");
    let bits = |rows: &[[f32; 9]]| rows.iter().flatten().map(|p| p.to_bits()).collect::<Vec<_>>();
    for (slice, rows) in slices.iter().zip(&together) {
        let alone = detector.probabilities(&[slice]).expect("the model computes");
        assert_eq!(bits(&alone[0]), bits(rows));
        for row in rows {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
    }
}

#[test]
fn the_same_text_gets_the_same_verdict_from_every_thread() {
    let detector = Arc::new(detector());
    let first = said(&detector.evaluate(&answer(TEXTS[3])).expect("the model computes"));
    let evaluate = |detector: Arc<EncoderDetector>| {
        std::thread::spawn(move || {
            let verdict = |_| said(&detector.evaluate(&answer(TEXTS[3])).expect("the model computes"));
            (0..5).map(verdict).collect::<Vec<_>>()
        })
    };
    let threads: Vec<_> = (0..4).map(|_| evaluate(Arc::clone(&detector))).collect();
    for again in threads.into_iter().flat_map(|t| t.join().expect("the thread ends well")) {
        assert_eq!(again, first);
    }
}

#[test]
fn text_without_english_words_scores_nothing_and_has_no_span() {
    let detector = detector();
    for text in ["", " \n\t", "...", "12 + 7", "안녕하세요. 저는 학생입니다.", "👍👍", "\u{0}\u{200d}"]
    {
        let found = detector.evaluate(&answer(text)).expect("the model computes");
        assert!(found.score.abs() < f64::EPSILON && found.spans.is_empty(), "{text:?}: {found:?}");
    }
}

#[test]
fn a_sentence_longer_than_the_window_is_judged_to_its_end() {
    let detector = detector();
    let tokens = tokenize(&"I like reading books and it ".repeat(40));
    let rows = detector.probabilities(&[&tokens]).expect("the model computes").remove(0);
    assert_eq!(rows.len(), tokens.len());
    assert!(rows.iter().all(|row| row[0] < 1.0), "a token was not judged");
}

#[test]
fn a_mark_that_is_doubted_has_no_category_and_a_word_of_another_script_is_not_judged() {
    let (weights, manifest) = files(
        weights(2)
            .into_iter()
            .map(|(name, tensor)| match name.as_str() {
                // Everything is a mistake.
                "head.bias" => (name, (tensor + 20.0).expect("a sum")),
                _ => (name, tensor),
            })
            .collect(),
    );
    let detector = EncoderDetector::from_bytes(&weights, &manifest).expect("the weights fit");
    let found = detector.evaluate(&answer("친구 cat, cat")).expect("the model computes");
    let category = |start| found.spans.iter().find(|span| span.start == start).map(|span| span.category);
    assert_eq!(category(0), None);
    assert_eq!(category(6), Some(ErrorCategory::Unspecified));
    assert!(category(8).is_some_and(|category| category != ErrorCategory::Unspecified));
}

#[test]
fn a_folder_is_loaded_and_one_that_does_not_fit_is_refused() {
    let folder = std::env::temp_dir().join(format!("baeum-encoder-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder is made");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("a file is written");
    let (bytes, manifest) = files(weights(1));
    write(MANIFEST, manifest.as_bytes());
    assert!(matches!(EncoderDetector::load(&folder), Err(LoadError::File { .. })));
    write(WEIGHTS, &bytes);
    let loaded = EncoderDetector::load(&folder).expect("the folder is whole");
    assert_eq!((loaded.model_id(), loaded.weights_hash()), ("tiny", sha256(&bytes).as_str()));
    write(WEIGHTS, b"other bytes");
    assert!(matches!(EncoderDetector::load(&folder), Err(LoadError::Hash { .. })));
    for missing in ["layer0.up.bias", "pieces", "word_pieces", "calibration"] {
        let (bytes, manifest) = files(weights(1).into_iter().filter(|(name, _)| name != missing).collect());
        let refused = EncoderDetector::from_bytes(&bytes, &manifest);
        assert!(matches!(refused, Err(LoadError::Weights(_))), "{missing}");
    }
    assert!(matches!(EncoderDetector::load(Path::new("/nowhere")), Err(LoadError::File { .. })));
    fs::remove_dir_all(&folder).expect("the folder goes");
}
