//! An evaluator that tells the meaning of an answer beside what another finds in it.

use std::{sync::Arc, time::Instant};

use baeum_domain::learning::evaluation::{Answer, Evaluator, EvaluatorError, Verdict};

use super::SentenceEncoder;

/// Another evaluator's verdicts with [`Verdict::meaning`] filled in, for answers that have references. Model, score and
/// spans are the other's.
pub struct WithMeaning {
    inner: Arc<dyn Evaluator>,
    encoder: Arc<SentenceEncoder>,
}

impl WithMeaning {
    /// Asks `inner`, then `encoder`.
    pub fn new(inner: Arc<dyn Evaluator>, encoder: Arc<SentenceEncoder>) -> Self {
        Self { inner, encoder }
    }
}

impl Evaluator for WithMeaning {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        let verdicts = self.add(vec![self.inner.evaluate(answer)], std::slice::from_ref(answer));
        let failed =
            || EvaluatorError::Failed { model_id: self.model_id().to_owned(), reason: "no verdict came".to_owned() };
        verdicts.into_iter().next().unwrap_or_else(|| Err(failed()))
    }

    fn evaluate_batch(&self, answers: &[Answer<'_>]) -> Vec<Result<Verdict, EvaluatorError>> {
        self.add(self.inner.evaluate_batch(answers), answers)
    }

    fn model_id(&self) -> &str {
        self.inner.model_id()
    }

    fn weights_hash(&self) -> &str {
        self.inner.weights_hash()
    }
}

impl WithMeaning {
    /// Fills in meanings. A verdict is not lost because its meaning is: it stays without.
    fn add(
        &self,
        mut verdicts: Vec<Result<Verdict, EvaluatorError>>,
        answers: &[Answer<'_>],
    ) -> Vec<Result<Verdict, EvaluatorError>> {
        if answers.iter().all(|answer| answer.references.is_empty()) {
            return verdicts;
        }
        let started = Instant::now();
        let Ok(meanings) = self.encoder.meanings(answers) else {
            let model = self.encoder.model().model_id.clone();
            metrics::counter!("baeum_meaning_failed_total", "model" => model).increment(1);
            return verdicts;
        };
        let took = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
        for (verdict, meaning) in verdicts.iter_mut().zip(meanings) {
            if let (Ok(verdict), Some(meaning)) = (verdict, meaning) {
                verdict.meaning = Some(meaning);
                verdict.latency_us = verdict.latency_us.saturating_add(took);
            }
        }
        verdicts
    }
}
