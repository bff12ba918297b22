//! The error detector as its users see it: through the port.

use std::sync::Arc;

use baeum_domain::learning::evaluation::{Answer, ErrorCategory, Evaluator, Verdict};
use baeum_domain::learning::lesson::PASS_SCORE;
use baeum_domain::level::Cefr;
use baeum_ml::learning::error_detector::manifest::sha256;
use baeum_ml::learning::error_detector::{ErrorDetector, LoadError};
use proptest::prelude::*;

/// Right and wrong, of the kind that learners write. None of them is in the training data on purpose.
const PAIRS: [(&str, &str); 30] = [
    ("She has a cat.", "She have a cat."),
    ("He goes to work by bus.", "He go to work by bus."),
    ("They were very happy.", "They was very happy."),
    ("My sister likes music.", "My sister like music."),
    ("I am a student.", "I am student."),
    ("He can go home now.", "He can goes home now."),
    ("I bought an apple.", "I bought a apple."),
    ("She is interested in music.", "She is interested on music."),
    ("Yesterday I went to the park.", "Yesterday I goed to the park."),
    ("Yesterday we met our teacher.", "Yesterday we meet our teacher."),
    ("I have two books.", "I have two book."),
    ("There are many people here.", "There is many people here."),
    ("I want to learn English.", "I want learn English."),
    ("He is taller than me.", "He is more taller than me."),
    ("Thank you for the information.", "Thank you for the informations."),
    ("I saw a beautiful house.", "I saw a beatiful house."),
    ("It is my favourite song.", "It is my favourit song."),
    ("These shoes are new.", "This shoes are new."),
    ("She does not like coffee.", "She do not like coffee."),
    ("He did not come to school.", "He did not came to school."),
    ("I have lived here for three years.", "I have live here for three years."),
    ("We are waiting for the bus.", "We are wait for the bus."),
    ("My brother is very tall.", "My brother very tall."),
    ("I listen to music every day.", "I listen music every day."),
    ("She is a good teacher.", "She is a teacher good."),
    ("We should eat more vegetables.", "We should eating more vegetables."),
    ("The children are playing outside.", "The childrens are playing outside."),
    ("I like swimming in the sea.", "I like swiming in the sea."),
    ("Their house is near the station.", "There house is near the station."),
    ("I do not know where he is.", "I do not knows where he is."),
];

fn detector() -> ErrorDetector {
    ErrorDetector::load().expect("the weights of the crate load")
}

fn verdict(detector: &ErrorDetector, text: &str) -> Verdict {
    detector.evaluate(&Answer { prompt: "", text, level: Cefr::A1, references: &[] }).expect("the model computes")
}

fn part(text: &str, start: u32, end: u32) -> String {
    text.chars().skip(start as usize).take((end - start) as usize).collect()
}

#[test]
fn a_clear_agreement_error_is_found_where_it_stands() {
    let found = verdict(&detector(), "She have a cat.");
    let span = found.spans.first().expect("the error is found");
    assert_eq!((span.start, span.end, span.category), (4, 8, ErrorCategory::Agreement));
    assert_eq!(span.suggestion.as_deref(), Some("has"));
    assert!(span.confidence > 0.3 && span.confidence <= 1.0);
}

#[test]
fn offsets_count_scalar_values_after_korean_and_emoji() {
    let text = "제 친구 이야기 👍🏽: She have a cat.";
    let found = verdict(&detector(), text);
    let parts: Vec<_> = found.spans.iter().map(|s| part(text, s.start, s.end)).collect();
    assert!(parts.contains(&"have".to_owned()), "{parts:?}");
}

#[test]
fn clean_sentences_score_higher_than_corrupted_ones() {
    let detector = detector();
    let score = |text| verdict(&detector, text).score;
    let lost: Vec<_> = PAIRS.iter().filter(|(right, wrong)| score(right) <= score(wrong)).collect();
    assert!(lost.len() <= 3, "{} of {} pairs are lost: {lost:?}", lost.len(), PAIRS.len());
}

#[test]
fn who_writes_correct_sentences_passes_with_a_high_score() {
    let detector = detector();
    let mut right: Vec<f64> = PAIRS.iter().map(|(right, _)| verdict(&detector, right).score).collect();
    let mut wrong: Vec<f64> = PAIRS.iter().map(|(_, wrong)| verdict(&detector, wrong).score).collect();
    right.sort_by(f64::total_cmp);
    wrong.sort_by(f64::total_cmp);
    let middle = PAIRS.len() / 2;
    assert!(right[middle] >= 0.85 && wrong[middle] <= 0.5, "medians {} and {}", right[middle], wrong[middle]);
    let passed = right.iter().filter(|score| **score >= PASS_SCORE).count();
    assert!(passed * 10 >= PAIRS.len() * 9, "{passed} of {} pass: {right:?}", PAIRS.len());
}

#[test]
fn most_clean_sentences_have_no_span() {
    let detector = detector();
    let flagged: Vec<_> = PAIRS.iter().filter(|(right, _)| !verdict(&detector, right).spans.is_empty()).collect();
    assert!(flagged.len() <= 6, "{flagged:?}");
}

#[test]
fn text_without_english_words_scores_nothing_and_has_no_span() {
    let detector = detector();
    for text in ["", " \n\t", "...", "12 + 7", "안녕하세요. 저는 학생입니다.", "👍👍", "\u{0}\u{200d}"]
    {
        let found = verdict(&detector, text);
        assert!(found.score.abs() < f64::EPSILON && found.spans.is_empty(), "{text:?}: {found:?}");
    }
}

#[test]
fn the_same_text_gets_the_same_verdict_from_every_thread() {
    let detector = Arc::new(detector());
    let text = "He go to school yesterday, and she were happy about it. The the end!";
    let first = verdict(&detector, text);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let detector = Arc::clone(&detector);
            std::thread::spawn(move || (0..5).map(|_| verdict(&detector, text)).collect::<Vec<_>>())
        })
        .collect();
    for again in threads.into_iter().flat_map(|t| t.join().expect("the thread ends well")) {
        assert_eq!(again.score.to_bits(), first.score.to_bits());
        assert_eq!(again.spans, first.spans);
    }
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let mut text = "I like this book and I read it every day ".repeat(95);
    text.truncate(3_980);
    text.push_str("\nShe have a cat.");
    let found = verdict(&detector(), &text);
    let last = found.spans.last().expect("the error at the end is found");
    assert_eq!(part(&text, last.start, last.end), "have");
}

#[test]
fn the_verdict_names_the_model_and_its_weights() {
    let detector = detector();
    let found = verdict(&detector, "Hello there.");
    assert_eq!(found.model_id, detector.model_id());
    assert_eq!(found.weights_hash, detector.weights_hash());
    assert_eq!(found.weights_hash.len(), 64);
}

#[test]
fn weights_that_are_not_those_of_the_manifest_are_refused() {
    let manifest = include_str!("../weights/error-detector.json");
    let refused = ErrorDetector::from_bytes(b"other bytes", manifest);
    assert!(matches!(refused, Err(LoadError::Hash { .. })));
    assert!(matches!(ErrorDetector::from_bytes(b"", "{}"), Err(LoadError::Manifest(_))));
}

#[test]
fn no_text_trained_on_forbids_commercial_use() {
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../weights/error-detector.json")).expect("the manifest is JSON");
    let licences: Vec<&str> =
        manifest["data"].as_array().into_iter().flatten().filter_map(|source| source["licence"].as_str()).collect();
    assert!(!licences.is_empty() && licences.iter().all(|licence| !licence.contains("NC")), "{licences:?}");
}

#[test]
fn weights_that_lack_a_tensor_are_refused() {
    let none: Vec<(&str, safetensors::tensor::TensorView<'_>)> = Vec::new();
    let weights = safetensors::serialize(none, None).expect("an empty file is made");
    let shipped: serde_json::Value =
        serde_json::from_str(include_str!("../weights/error-detector.json")).expect("the manifest is JSON");
    let mut manifest = shipped;
    manifest["weights_sha256"] = sha256(&weights).into();
    let refused = ErrorDetector::from_bytes(&weights, &manifest.to_string());
    assert!(matches!(refused, Err(LoadError::Weights(_))));
}

#[test]
fn a_short_answer_takes_a_few_milliseconds() {
    let detector = detector();
    let text = "Yesterday I go to the park with my friends and we played soccer together.";
    let mut times: Vec<u32> = (0..21).map(|_| verdict(&detector, text).latency_us).collect();
    times.sort_unstable();
    // Generous: the figure is in docs/models.md, this only catches a slip by orders of magnitude.
    assert!(times[10] < 100_000, "{} µs", times[10]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_text_gets_a_verdict_in_range(text in "(\\PC|[a-zA-Z' .,!?\n]|[가-힣]|👩‍👩‍👧|\u{0}|\u{301}|İ){0,120}") {
        thread_local! {
            static DETECTOR: ErrorDetector = detector();
        }
        let found = DETECTOR.with(|detector| verdict(detector, &text));
        let length = u32::try_from(text.chars().count()).expect("short text");
        prop_assert!((0.0..=1.0).contains(&found.score));
        let mut before = 0;
        for span in &found.spans {
            prop_assert!(before <= span.start && span.start < span.end && span.end <= length);
            prop_assert!((0.0..=1.0).contains(&span.confidence));
            before = span.end;
        }
    }
}
