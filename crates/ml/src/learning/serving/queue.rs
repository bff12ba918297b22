//! The queue before a model: bounded, and given out in batches of answers of like length.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use baeum_domain::learning::evaluation::{EvaluatorError, Question, Verdict};
use tokio::sync::oneshot;

use super::{BATCH, BUCKETS};

/// An answer that waits for its verdict.
pub(super) struct Waiting {
    pub(super) question: Question,
    /// Since when.
    pub(super) asked: Instant,
    /// From when on nobody waits for it; none for ever.
    pub(super) until: Option<Instant>,
    pub(super) reply: oneshot::Sender<Result<Verdict, EvaluatorError>>,
}

impl Waiting {
    /// Whether somebody still waits.
    fn is_wanted(&self, now: Instant) -> bool {
        !self.reply.is_closed() && self.until.is_none_or(|until| now < until)
    }

    /// Which bucket its length is in.
    fn bucket(&self) -> usize {
        let length = self.question.text.len();
        BUCKETS.iter().position(|longest| length <= *longest).unwrap_or(BUCKETS.len())
    }
}

/// Why an answer cannot wait here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// So many wait.
    Full(usize),
    /// Nothing is computed any more.
    Closed,
}

/// The answers that wait.
pub(super) struct Queue {
    waiting: Mutex<Line>,
    news: Condvar,
    model_id: String,
    longest: usize,
    linger: Duration,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(model_id: String, longest: NonZeroUsize, linger: Duration) -> Self {
        Self { waiting: Mutex::default(), news: Condvar::new(), model_id, longest: longest.get(), linger }
    }

    /// Lets an answer wait.
    pub(super) fn put(&self, waiting: Waiting) -> Result<(), Refused> {
        let mut line = self.line();
        if line.closed {
            return Err(Refused::Closed);
        }
        if line.waiting.len() >= self.longest {
            let now = Instant::now();
            line.waiting.retain(|it| it.is_wanted(now));
        }
        if line.waiting.len() >= self.longest {
            return Err(Refused::Full(line.waiting.len()));
        }
        line.waiting.push_back(waiting);
        self.tell_length(&line);
        drop(line);
        // All, for one that waits to fill its batch may have no use for this answer.
        self.news.notify_all();
        Ok(())
    }

    /// The next batch: the answer that has waited longest that somebody still waits for, with others of its bucket. Blocks
    /// until there is one; `None` once the queue is closed.
    pub(super) fn take(&self) -> Option<Vec<Waiting>> {
        let mut line = self.line();
        loop {
            if line.closed {
                return None;
            }
            let Some(first) = line.waiting.pop_front() else {
                self.tell_length(&line);
                line = self.news.wait(line).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if !first.is_wanted(Instant::now()) {
                continue;
            }
            let (bucket, until) = (first.bucket(), first.asked + self.linger);
            let mut batch = vec![first];
            loop {
                let now = Instant::now();
                line.join(&mut batch, bucket, now);
                let left = until.saturating_duration_since(now);
                if batch.len() == BATCH || left.is_zero() || line.closed {
                    break;
                }
                line = self.news.wait_timeout(line, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            // While it waited for others, some may have gone.
            let now = Instant::now();
            batch.retain(|it| it.is_wanted(now));
            if batch.is_empty() {
                continue;
            }
            self.tell_length(&line);
            drop(line);
            self.tell_batch(&batch);
            return Some(batch);
        }
    }

    /// Lets nothing wait any more, and lets go of what waits.
    pub(super) fn close(&self) {
        let mut line = self.line();
        line.closed = true;
        line.waiting.clear();
        self.tell_length(&line);
        drop(line);
        self.news.notify_all();
    }

    /// Nothing panics while it holds the lock but where memory runs out.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn tell_length(&self, line: &Line) {
        metrics::gauge!("baeum_evaluator_waiting", "model" => self.model_id.clone()).set(line.waiting.len() as f64);
    }

    #[allow(clippy::cast_precision_loss, reason = "a batch is small")]
    fn tell_batch(&self, batch: &[Waiting]) {
        metrics::histogram!("baeum_evaluator_batch_size", "model" => self.model_id.clone()).record(batch.len() as f64);
        let waited = metrics::histogram!("baeum_evaluator_waited_seconds", "model" => self.model_id.clone());
        for it in batch {
            waited.record(it.asked.elapsed());
        }
    }
}

impl Line {
    /// Moves answers of this bucket that somebody waits for into the batch, as long as it has room.
    fn join(&mut self, batch: &mut Vec<Waiting>, bucket: usize, now: Instant) {
        let mut at = 0;
        while batch.len() < BATCH && at < self.waiting.len() {
            if !self.waiting[at].is_wanted(now) {
                self.waiting.remove(at);
            } else if self.waiting[at].bucket() == bucket {
                batch.extend(self.waiting.remove(at));
            } else {
                at += 1;
            }
        }
    }
}
