use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Condvar, Mutex},
    task::{Context, Waker},
};

use baeum_domain::level::Cefr;
use tokio::sync::mpsc;

use super::*;
use crate::learning::error_detector::ErrorDetector;

/// A model that computes only while its gate is open, and tells what it was asked to compute together.
struct Gated {
    is_open: Mutex<bool>,
    opened: Condvar,
    entered: mpsc::UnboundedSender<Vec<String>>,
}

impl Gated {
    fn new(is_open: bool) -> (Arc<Self>, mpsc::UnboundedReceiver<Vec<String>>) {
        let (entered, batches) = mpsc::unbounded_channel();
        (Arc::new(Self { is_open: Mutex::new(is_open), opened: Condvar::new(), entered }), batches)
    }

    fn open(&self) {
        *self.is_open.lock().expect("a lock") = true;
        self.opened.notify_all();
    }
}

impl Evaluator for Gated {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        self.evaluate_batch(std::slice::from_ref(answer)).remove(0)
    }

    fn evaluate_batch(&self, answers: &[Answer<'_>]) -> Vec<Result<Verdict, EvaluatorError>> {
        let texts: Vec<_> = answers.iter().map(|it| it.text.to_owned()).collect();
        let panics = texts.iter().any(|it| it == "panic");
        self.entered.send(texts).expect("a test listens");
        let gate = self.is_open.lock().expect("a lock");
        drop(self.opened.wait_while(gate, |is_open| !*is_open).expect("a lock"));
        assert!(!panics, "as it was asked to");
        let verdict = |answer: &Answer<'_>| Verdict {
            score: f64::from(u32::try_from(answer.text.len()).expect("a short text")),
            spans: vec![],
            model_id: "gated".into(),
            weights_hash: "00".into(),
            latency_us: 1,
            meaning: None,
        };
        answers.iter().map(|answer| Ok(verdict(answer))).collect()
    }

    fn model_id(&self) -> &'static str {
        "gated"
    }

    fn weights_hash(&self) -> &'static str {
        "00"
    }
}

const LONG: Duration = Duration::from_secs(60);

fn settings(queue: usize, linger: Duration) -> Settings {
    let number = |it| NonZeroUsize::new(it).expect("more than none");
    Settings { threads: number(1), queue: number(queue), linger }
}

fn serve<E: Evaluator + 'static>(model: &Arc<E>, settings: Settings) -> std::io::Result<Batched> {
    Batched::new(model.clone(), settings)
}

fn question(text: &str) -> Question {
    Question { prompt: "Write.".into(), text: text.into(), level: Cefr::B1, references: vec![] }
}

/// Asks, and lets the answer wait: what is given back must be awaited to have the verdict.
fn ask<'a>(served: &'a Batched, text: &str, patience: Duration) -> Evaluating<'a> {
    let mut asked = served.evaluate(question(text), patience);
    let now = Pin::new(&mut asked).poll(&mut Context::from_waker(Waker::noop()));
    assert!(now.is_pending(), "{text}: {now:?}");
    asked
}

#[tokio::test]
async fn answers_of_like_length_are_taken_together_and_the_one_that_waits_longest_first() {
    let (model, mut batches) = Gated::new(false);
    let served = serve(&model, settings(100, Duration::ZERO)).expect("threads");
    let (long, longer) = ("word ".repeat(20), "word ".repeat(22));
    let first = ask(&served, "first", LONG);
    assert_eq!(batches.recv().await, Some(vec!["first".to_owned()]));
    let waiting: Vec<_> = ["a", &long, "b", &longer, "c"].iter().map(|text| ask(&served, text, LONG)).collect();
    model.open();
    assert_eq!(first.await.map(|it| it.score), Ok(5.0));
    for (verdict, score) in waiting.into_iter().zip([1.0, 100.0, 1.0, 110.0, 1.0]) {
        assert_eq!(verdict.await.map(|it| it.score), Ok(score), "each has the verdict on its own answer");
    }
    let texts = |texts: &[&str]| Some(texts.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
    assert_eq!(batches.recv().await, texts(&["a", "b", "c"]));
    assert_eq!(batches.recv().await, texts(&[&long, &longer]));
}

#[tokio::test]
async fn no_more_are_taken_together_than_a_batch_holds_and_a_full_one_waits_for_no_other() {
    let (model, mut batches) = Gated::new(true);
    // A batch that is not full would wait for longer than this test may take.
    let served = serve(&model, settings(100, Duration::from_secs(3_600))).expect("threads");
    let asked: Vec<_> = (0..2 * BATCH).map(|_| ask(&served, "same", Duration::from_secs(7_200))).collect();
    for verdict in asked {
        assert_eq!(verdict.await.map(|it| it.score), Ok(4.0));
    }
    for _ in 0..2 {
        assert_eq!(batches.recv().await.map(|it| it.len()), Some(BATCH));
    }
}

#[tokio::test]
async fn where_as_many_wait_as_are_let_wait_the_next_is_told_so_at_once() {
    let (model, mut batches) = Gated::new(false);
    let served = serve(&model, settings(2, Duration::ZERO)).expect("threads");
    let computed = ask(&served, "first", LONG);
    batches.recv().await.expect("it is being computed");
    let waiting = [ask(&served, "second", LONG), ask(&served, "third", LONG)];
    let refused = served.evaluate(question("fourth"), LONG).await;
    assert_eq!(refused, Err(EvaluatorError::Overloaded { model_id: "gated".into(), waiting: 2 }));
    let [second, third] = waiting;
    // Who has gone makes room.
    drop(third);
    let fourth = ask(&served, "fourth", LONG);
    model.open();
    for verdict in [computed, second, fourth] {
        verdict.await.expect("a verdict");
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_computed() {
    let (model, mut batches) = Gated::new(false);
    let served = serve(&model, settings(100, Duration::ZERO)).expect("threads");
    let first = ask(&served, "first", LONG);
    batches.recv().await.expect("it is being computed");
    let gone = ask(&served, "gone", LONG);
    let impatient = served.evaluate(question("impatient"), Duration::from_millis(1)).await;
    let late = EvaluatorError::Late { model_id: "gated".into(), patience: Duration::from_millis(1) };
    assert_eq!(impatient, Err(late));
    drop(gone);
    let last = ask(&served, "last", LONG);
    model.open();
    first.await.expect("a verdict");
    last.await.expect("a verdict");
    assert_eq!(batches.recv().await, Some(vec!["last".to_owned()]));
}

#[tokio::test]
async fn an_answer_on_which_the_model_panics_has_failed_and_those_beside_and_after_it_have_not() {
    let (model, mut batches) = Gated::new(false);
    let served = serve(&model, settings(100, Duration::ZERO)).expect("threads");
    let first = ask(&served, "first", LONG);
    batches.recv().await.expect("it is being computed");
    let beside: Vec<_> = ["before", "panic", "after"].iter().map(|text| ask(&served, text, LONG)).collect();
    model.open();
    first.await.expect("a verdict");
    let mut verdicts = vec![];
    for verdict in beside {
        verdicts.push(verdict.await.map(|it| it.score));
    }
    let failed = EvaluatorError::Failed { model_id: "gated".into(), reason: "it panicked".into() };
    assert_eq!(verdicts, [Ok(6.0), Err(failed), Ok(5.0)]);
    served.evaluate(question("later"), LONG).await.expect("the thread lives on");
}

#[tokio::test]
async fn who_still_waits_when_the_model_is_shut_down_is_told_so() {
    let (model, mut batches) = Gated::new(false);
    let served = serve(&model, settings(100, Duration::ZERO)).expect("threads");
    let first = ask(&served, "first", LONG);
    batches.recv().await.expect("it is being computed");
    let second = ask(&served, "second", LONG);
    served.queue.close();
    let unavailable = second.await.expect_err("it was not computed");
    assert!(matches!(unavailable, EvaluatorError::Unavailable { .. }), "{unavailable}");
    assert!(matches!(served.evaluate(question("third"), LONG).await, Err(EvaluatorError::Unavailable { .. })));
    model.open();
    first.await.expect("what is being computed is finished");
    drop(served);
    assert_eq!(Arc::strong_count(&model), 1, "the threads have ended");
}

/// Sentences of all lengths, with mistakes of all kinds, alone and several to a text.
fn texts() -> Vec<String> {
    let sentences = [
        "Yesterday my friend have give me a old umbrella because the rain was starting in afternoon.",
        "She go home.",
        "I am interesting in musics and I am wanting to learn to playing piano since three years, but my brother which live \
         in Busan he say that it is more better to begin with a guitar",
        "The childrens are playing outside!",
        "Is raining?",
        "오늘 I bought 2 apple at the market, and then",
    ];
    let mut texts: Vec<String> = sentences.iter().map(|it| (*it).to_owned()).collect();
    for first in sentences {
        texts.extend(sentences.iter().map(|second| format!("{first} {second}")));
    }
    texts.push(sentences.join(" and "));
    texts.push(sentences.join(", ").repeat(4));
    texts.extend(["", "   ", "?", "a"].map(str::to_owned));
    texts
}

/// All of a verdict but how long it took, to the bit.
fn bits(verdict: &Verdict) -> impl PartialEq + std::fmt::Debug + use<> {
    let span = |it: &baeum_domain::learning::evaluation::ErrorSpan| {
        (it.start, it.end, it.category, it.confidence.to_bits(), it.suggestion.clone())
    };
    (verdict.score.to_bits(), verdict.spans.iter().map(span).collect::<Vec<_>>(), verdict.weights_hash.clone())
}

#[test]
fn the_detector_gives_each_answer_in_a_batch_to_the_bit_what_it_gives_it_alone() {
    let (detector, texts) = (ErrorDetector::load().expect("weights"), texts());
    let answers: Vec<_> =
        texts.iter().map(|text| Answer { prompt: "", text, level: Cefr::B1, references: &[] }).collect();
    let alone: Vec<_> = answers.iter().map(|it| bits(&detector.evaluate(it).expect("a verdict"))).collect();
    for size in [2, 3, BATCH, answers.len()] {
        let batches = answers.chunks(size).flat_map(|batch| detector.evaluate_batch(batch));
        let together: Vec<_> = batches.map(|it| bits(&it.expect("a verdict"))).collect();
        assert_eq!(together, alone, "in batches of {size}");
    }
    let scores: BTreeSet<_> = texts.iter().map(|it| detector.judge(it).expect("a score").score.to_bits()).collect();
    assert!(scores.len() > texts.len() / 2, "the texts are judged differently");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_detector_gives_each_of_many_askers_to_the_bit_what_it_gives_them_alone() {
    let (detector, texts) = (Arc::new(ErrorDetector::load().expect("weights")), texts());
    let settings =
        Settings { threads: NonZeroUsize::new(2).expect("two"), ..settings(1_000, Duration::from_millis(5)) };
    let served = Arc::new(serve(&detector, settings).expect("threads"));
    let asked = texts.iter().cycle().take(4 * texts.len()).map(|text| {
        let (served, question) = (served.clone(), question(text));
        tokio::spawn(async move { served.evaluate(question, LONG).await })
    });
    for (verdict, text) in asked.collect::<Vec<_>>().into_iter().zip(texts.iter().cycle()) {
        let alone =
            detector.evaluate(&Answer { prompt: "", text, level: Cefr::B1, references: &[] }).expect("a verdict");
        let served = verdict.await.expect("no panic").expect("a verdict");
        assert_eq!(bits(&served), bits(&alone), "{text}");
    }
}
