//! A model that many ask at once: a bounded queue before threads of its own, which take answers of like length together.
//!
//! Who asks waits as long as they want to and no longer. What nobody waits for any more is not computed; where as many
//! wait as are let wait, the next is told so at once.

mod queue;
#[cfg(test)]
mod tests;

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use baeum_domain::learning::evaluation::{
    Answer, Evaluating, Evaluator, EvaluatorError, ModelRef, Question, ServedEvaluator, Verdict,
};
use tokio::{sync::oneshot, time::timeout};

use queue::{Queue, Refused, Waiting};

/// How many answers are evaluated together at most.
pub const BATCH: usize = 8;
/// Lengths of answers in bytes up to which they are taken together, each with those of its bucket; what is longer is in one
/// bucket more. About 12, 25, 50, 100 and 200 words.
const BUCKETS: [usize; 5] = [64, 128, 256, 512, 1_024];

/// How a model is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// How many answers may wait to be computed.
    pub queue: NonZeroUsize,
    /// How long the first answer of a batch waits for others at most; none waits where the batch is full.
    pub linger: Duration,
}

/// A served model. Its threads end when it is dropped; an evaluation that is being computed is finished before.
pub struct Batched {
    model: ModelRef,
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Batched {
    /// Serves `evaluator`.
    ///
    /// # Errors
    /// When the system gives no threads.
    #[expect(clippy::needless_pass_by_value, reason = "who serves a model gives it away")]
    pub fn new(evaluator: Arc<dyn Evaluator>, settings: Settings) -> std::io::Result<Self> {
        let model =
            ModelRef { model_id: evaluator.model_id().to_owned(), weights_hash: evaluator.weights_hash().to_owned() };
        let queue = Arc::new(Queue::new(model.model_id.clone(), settings.queue, settings.linger));
        let mut served = Self { model, queue, threads: vec![] };
        for number in 0..settings.threads.get() {
            let (evaluator, queue) = (evaluator.clone(), served.queue.clone());
            let thread = thread::Builder::new().name(format!("evaluator-{number}"));
            served.threads.push(thread.spawn(move || {
                while let Some(batch) = queue.take() {
                    compute(evaluator.as_ref(), batch);
                }
            })?);
        }
        Ok(served)
    }
}

impl Drop for Batched {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic was told where it happened.
            let _ = thread.join();
        }
    }
}

impl ServedEvaluator for Batched {
    fn evaluate(&self, question: Question, patience: Duration) -> Evaluating<'_> {
        Box::pin(async move {
            let model_id = || self.model.model_id.clone();
            let unavailable =
                || EvaluatorError::Unavailable { model_id: model_id(), reason: "it is being shut down".to_owned() };
            let (reply, verdict) = oneshot::channel();
            let asked = Instant::now();
            // An instant that cannot be told is never reached.
            let until = asked.checked_add(patience);
            match self.queue.put(Waiting { question, asked, until, reply }) {
                Ok(()) => {}
                Err(Refused::Full(waiting)) => {
                    return Err(EvaluatorError::Overloaded { model_id: model_id(), waiting });
                }
                Err(Refused::Closed) => return Err(unavailable()),
            }
            match timeout(patience, verdict).await {
                Ok(Ok(verdict)) => verdict,
                // What is late is let go of where it waits, which may be noticed here before the time is up.
                Ok(Err(_)) if asked.elapsed() >= patience => {
                    Err(EvaluatorError::Late { model_id: model_id(), patience })
                }
                Ok(Err(_)) => Err(unavailable()),
                Err(_) => Err(EvaluatorError::Late { model_id: model_id(), patience }),
            }
        })
    }

    fn model(&self) -> &ModelRef {
        &self.model
    }
}

/// Evaluates a batch and tells those who wait.
fn compute(evaluator: &dyn Evaluator, batch: Vec<Waiting>) {
    let answers: Vec<_> = batch.iter().map(|it| it.question.answer()).collect();
    let began = Instant::now();
    let verdicts = together(evaluator, &answers);
    metrics::histogram!("baeum_evaluator_batch_seconds", "model" => evaluator.model_id().to_owned())
        .record(began.elapsed());
    for (waiting, verdict) in batch.into_iter().zip(verdicts) {
        // Who has gone meanwhile wants no answer.
        let _ = waiting.reply.send(verdict);
    }
}

/// What the model says to each answer, in their order. An answer on which it panics has failed, and no other because of it.
fn together(evaluator: &dyn Evaluator, answers: &[Answer<'_>]) -> Vec<Result<Verdict, EvaluatorError>> {
    // The message of a panic may quote the answer, which belongs in no log.
    let failed = |reason: &str| {
        Err(EvaluatorError::Failed { model_id: evaluator.model_id().to_owned(), reason: reason.to_owned() })
    };
    match catch_unwind(AssertUnwindSafe(|| evaluator.evaluate_batch(answers))) {
        Ok(verdicts) if verdicts.len() == answers.len() => verdicts,
        Ok(_) => answers.iter().map(|_| failed("it gave another number of verdicts than there were answers")).collect(),
        Err(_) if answers.len() == 1 => vec![failed("it panicked")],
        Err(_) => answers.chunks(1).flat_map(|alone| together(evaluator, alone)).collect(),
    }
}
