//! With random weights: what an embedding means is nothing, how it is come by must hold.

use std::{collections::HashMap, sync::Arc};

use baeum_domain::{
    learning::evaluation::{Answer, Evaluator, EvaluatorError, ModelRef, Verdict},
    level::Cefr,
};
use candle_core::{Device, Tensor};

use super::{SentenceEncoder, WithMeaning, similarity};
use crate::learning::encoder::{
    network::{Size, bert_tensors},
    word_pieces::WordPieces,
};

const PIECES: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nshe\nhave\na\ncat\n.\n,\ni\nlike\nread\n##ing\nbook\n##s\nit\nhe\ngo\nan\n";
const TEXTS: [&str; 6] = [
    "She have a cat.",
    "I like reading books, and he go.",
    "it",
    "",
    "고양이!",
    "a cat like a book like a cat like a book like a cat like a book like a cat like a book like a cat",
];

/// As wide as MiniLM, because how products are summed hangs on that; the same values each time.
fn encoder() -> Arc<SentenceEncoder> {
    let size = Size { pieces: PIECES.lines().count(), width: 384, inner: 1_536, layers: 2 };
    let mut state = 7u64;
    let mut value = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(state >> 48).expect("16 bits")) / 32_768.0 - 1.0
    };
    let mut all = HashMap::new();
    for (name, dims) in bert_tensors(size) {
        let scale = if name.contains("norm") { 1.0 } else { 0.1 };
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| value() * scale).collect();
        all.insert(name, Tensor::from_vec(values, dims, &Device::Cpu).expect("the values fill the tensor"));
    }
    let model = ModelRef { model_id: "tiny".into(), weights_hash: "11".into() };
    Arc::new(SentenceEncoder::new(&all, WordPieces::parse(PIECES), model).expect("the weights fit"))
}

/// A verdict by the length of the text; none for a text that says so.
struct ByLength;

impl Evaluator for ByLength {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        if answer.text == "fail" {
            return Err(EvaluatorError::Failed { model_id: "by-length".into(), reason: "as it was asked to".into() });
        }
        Ok(Verdict {
            score: f64::from(u32::try_from(answer.text.len()).expect("a short text")),
            spans: vec![],
            model_id: "by-length".into(),
            weights_hash: "00".into(),
            latency_us: 1,
            meaning: None,
        })
    }

    fn model_id(&self) -> &'static str {
        "by-length"
    }

    fn weights_hash(&self) -> &'static str {
        "00"
    }
}

fn answer<'a>(text: &'a str, references: &'a [String]) -> Answer<'a> {
    Answer { prompt: "", text, level: Cefr::A1, references }
}

fn references(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_text_has_the_same_embedding_to_the_bit_whatever_is_embedded_beside_it() {
    let encoder = encoder();
    let bits = |it: &super::Embedding| it.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let alone: Vec<_> = TEXTS.map(|text| bits(&encoder.embed(&[text]).expect("it computes")[0])).into();
    for (at, one) in alone.iter().enumerate() {
        assert!(alone[..at].iter().all(|other| other != one), "{:?} is embedded as another text is", TEXTS[at]);
    }
    for turn in 0..TEXTS.len() {
        let order: Vec<usize> = (0..40).map(|at| (at + turn) % TEXTS.len()).collect();
        let texts: Vec<&str> = order.iter().map(|at| TEXTS[*at]).collect();
        for (at, found) in order.iter().zip(encoder.embed(&texts).expect("it computes")) {
            assert_eq!(bits(&found), alone[*at], "{:?} beside others", TEXTS[*at]);
        }
    }
}

#[test]
fn a_text_means_what_it_means_whatever_its_capitals_and_blanks() {
    let encoder = encoder();
    let found = encoder.embed(&["She have a cat.", "  she HAVE a\n cat. ", "she have a book."]).expect("it computes");
    assert_eq!(similarity(&found[0], &found[1]).to_bits(), 1.0f64.to_bits());
    assert!(similarity(&found[0], &found[2]) < 1.0);
}

#[test]
fn no_more_is_read_of_a_text_than_has_places() {
    let encoder = encoder();
    let (long, longer) = ("cat ".repeat(super::MOST - 2), "cat ".repeat(super::MOST) + "she have a book");
    let found = encoder.embed(&[&long, &longer, "cat"]).expect("it computes");
    assert_eq!(found[0], found[1]);
    assert!(similarity(&found[0], &found[2]) < 1.0);
}

#[test]
fn the_nearest_reference_is_told_and_the_score_stays_what_it_is() {
    let evaluator = WithMeaning::new(Arc::new(ByLength), encoder());
    let known = references(&["it", "She have a cat.", "He go."]);
    let verdict = evaluator.evaluate(&answer("she have a cat.", &known)).expect("a verdict");
    let meaning = verdict.meaning.expect("a meaning");
    assert_eq!((meaning.similarity.to_bits(), meaning.reference), (1.0f64.to_bits(), 1));
    assert_eq!(meaning.model, ModelRef { model_id: "tiny".into(), weights_hash: "11".into() });
    assert_eq!((verdict.score.to_bits(), verdict.model_id.as_str()), (15.0f64.to_bits(), "by-length"));
    let other = evaluator.evaluate(&answer("a book", &known)).expect("a verdict").meaning.expect("a meaning");
    assert!(other.similarity < 1.0);
    let none = evaluator.evaluate(&answer("she have a cat.", &[])).expect("a verdict");
    assert_eq!((none.meaning, none.latency_us), (None, 1));
}

#[test]
fn an_answer_has_the_same_meaning_alone_and_in_any_batch_and_a_failed_one_has_failed() {
    let known = [references(&["it", "He go."]), vec![], references(&["She have a cat.", "a cat", "an book"])];
    let texts = || TEXTS.iter().chain(&["fail"]);
    let answers: Vec<_> = known.iter().flat_map(|known| texts().map(|&text| answer(text, known))).collect();
    let bits = |verdict: Result<Verdict, EvaluatorError>| {
        let meaning = |verdict: &Verdict| verdict.meaning.clone().map(|it| (it.similarity.to_bits(), it.reference));
        verdict.map(|it| (it.score.to_bits(), meaning(&it)))
    };
    let fresh = || WithMeaning::new(Arc::new(ByLength), encoder());
    // An evaluator of its own for each, so that no embedding was kept.
    let alone: Vec<_> = answers.iter().map(|it| bits(fresh().evaluate(it))).collect();
    assert_eq!(alone.iter().filter(|it| it.is_err()).count(), known.len());
    assert_eq!(alone.iter().flatten().filter(|(_, meaning)| meaning.is_none()).count(), TEXTS.len());
    for size in [2, 5, answers.len()] {
        let evaluator = fresh();
        let together: Vec<_> = answers.chunks(size).flat_map(|it| evaluator.evaluate_batch(it)).map(bits).collect();
        assert_eq!(together, alone, "in batches of {size}");
        let again: Vec<_> = answers.chunks(size).flat_map(|it| evaluator.evaluate_batch(it)).map(bits).collect();
        assert_eq!(again, alone, "in batches of {size}, by embeddings that were kept");
    }
}
