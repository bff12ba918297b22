//! From probabilities of tokens to spans and one score.
//!
//! With p the probability that a token is wrong and n the judged tokens of a sentence, a sentence is acceptable to
//! `exp(min(1, 8/n) · Σ ln(1 − p))`: the chance that no token is wrong, for a sentence of up to eight tokens, and
//! what eight such tokens would have for a longer one, so that length alone costs nothing. The score of a text is
//! the mean over its sentences, weighted by n, times the share of its words that were judged at all (a text in
//! Korean has none, and scores 0). It is rounded to four places, as are confidences.

use baeum_domain::learning::evaluation::{ErrorCategory, ErrorSpan};

use super::features::Vocabulary;
use super::model::small;
use super::suggest::suggest;
use super::tags::TAGS;
use super::tokenize::Token;

/// Judged tokens from which on length no longer counts.
const FULL_LENGTH: f64 = 8.0;

/// What was fitted on the validation part after training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Divides the logits; above 0.
    pub temperature: f64,
    /// Probability of an error from which on a token is flagged, 0 to 1.
    pub threshold: f64,
}

impl Calibration {
    /// From the tensor of the weights: temperature, threshold.
    pub fn from_values(values: &[f32]) -> Self {
        let value = |at: usize, default: f64| values.get(at).map_or(default, |v| f64::from(*v));
        Self { temperature: value(0, 1.0).max(0.05), threshold: value(1, 0.5) }
    }
}

/// What was found in a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// How acceptable it is, 0 to 1.
    pub score: f64,
    /// What is likely wrong, in order.
    pub spans: Vec<ErrorSpan>,
}

/// Gathers the sentences of one text.
#[derive(Debug)]
pub struct Judge {
    calibration: Calibration,
    spans: Vec<ErrorSpan>,
    acceptable: f64,
    judged: f64,
    words: f64,
}

impl Judge {
    /// Begins with nothing.
    pub fn new(calibration: Calibration) -> Self {
        Self { calibration, spans: Vec::new(), acceptable: 0.0, judged: 0.0, words: 0.0 }
    }

    /// Adds a sentence and the probabilities of its tokens.
    pub fn add(&mut self, sentence: &[Token], rows: &[[f32; TAGS.len()]], vocabulary: &Vocabulary) {
        let judged = small(sentence.iter().filter(|t| t.is_judged()).count());
        self.words += small(sentence.iter().filter(|t| t.is_word()).count());
        self.judged += judged;
        if judged > 0.0 {
            let log: f64 = rows.iter().map(|row| libm::log(1.0 - error(row).min(0.9999))).sum();
            self.acceptable += judged * libm::exp(log * (FULL_LENGTH / judged).min(1.0));
        }
        let threshold = self.calibration.threshold;
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| error(row) >= threshold) {
            let suggestion = suggest(sentence, at, vocabulary);
            let (start, end) = (sentence[at].start, sentence[at].end);
            self.push(ErrorSpan { start, end, category: category(row), confidence: round(error(row)), suggestion });
        }
    }

    /// Adds a span, or lengthens the last where both are parts of one mistake: words swapped, or word and clitic.
    fn push(&mut self, span: ErrorSpan) {
        if let Some(last) = self.spans.last_mut() {
            let touches = last.end == span.start;
            let swapped = span.category == ErrorCategory::Order && last.end + 1 == span.start;
            if last.category == span.category && (touches || swapped) {
                last.end = span.end;
                last.confidence = last.confidence.max(span.confidence);
                last.suggestion = None;
                return;
            }
        }
        self.spans.push(span);
    }

    /// The judgement of all sentences.
    pub fn finish(self) -> Judgement {
        let score =
            if self.judged > 0.0 { self.acceptable / self.judged * (self.judged / self.words).min(1.0) } else { 0.0 };
        Judgement { score: round(score), spans: self.spans }
    }
}

/// Probability that the token is wrong.
pub fn error(row: &[f32; TAGS.len()]) -> f64 {
    row[1..].iter().map(|p| f64::from(*p)).sum::<f64>().clamp(0.0, 1.0)
}

/// The likeliest category of mistake.
pub fn category(row: &[f32; TAGS.len()]) -> ErrorCategory {
    let best = (1..TAGS.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
    best.and_then(|at| TAGS[at]).unwrap_or(ErrorCategory::Unspecified)
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::super::tokenize::tokenize;
    use super::*;

    const CALIBRATION: Calibration = Calibration { temperature: 1.0, threshold: 0.5 };

    fn row(category: Option<ErrorCategory>, probability: f32) -> [f32; TAGS.len()] {
        let mut row = [0.0; TAGS.len()];
        row[0] = 1.0 - probability;
        row[super::super::tags::index(category)] += probability;
        row
    }

    fn judged(text: &str, rows: &[[f32; TAGS.len()]]) -> Judgement {
        let mut judge = Judge::new(CALIBRATION);
        judge.add(&tokenize(text), rows, &Vocabulary::default());
        judge.finish()
    }

    #[test]
    fn a_short_sentence_scores_the_chance_that_nothing_is_wrong() {
        let rows = [row(Some(ErrorCategory::Tense), 0.5), row(Some(ErrorCategory::Tense), 0.2)];
        assert!((judged("he go", &rows).score - 0.4).abs() < 1e-3);
    }

    #[test]
    fn length_alone_costs_nothing_from_eight_words_on() {
        let all = vec![row(Some(ErrorCategory::Tense), 0.05); 24];
        let eight = judged(&"word ".repeat(8), &all[..8]).score;
        assert!((judged(&"word ".repeat(24), &all).score - eight).abs() < 1e-3);
    }

    #[test]
    fn words_that_were_not_judged_take_their_share_of_the_score() {
        let mut judge = Judge::new(CALIBRATION);
        judge.add(&tokenize("good 좋아"), &[row(None, 0.0), row(None, 0.0)], &Vocabulary::default());
        assert!((judge.finish().score - 0.5).abs() < 1e-3);
    }

    #[test]
    fn swapped_words_are_one_span_and_two_mistakes_are_two() {
        let order = row(Some(ErrorCategory::Order), 0.9);
        assert_eq!(judged("teacher good", &[order, order]).spans.len(), 1);
        let tense = row(Some(ErrorCategory::Tense), 0.9);
        assert_eq!(judged("teached goed", &[tense, tense]).spans.len(), 2);
    }
}
