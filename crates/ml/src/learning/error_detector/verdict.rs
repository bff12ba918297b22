//! From probabilities of tokens to spans and one score.
//!
//! With p the probability that a token is wrong and n the judged tokens of a sentence, a sentence has the doubt
//! `x = √(min(1, 8/n) · −Σ ln(1 − p))`. Under the root stands the negated logarithm of the chance that no token is
//! wrong, for a sentence of up to eight tokens, and what eight such tokens would have for a longer one, so that length
//! alone costs nothing. That chance is far from 1 for a run of slightly doubtful words, so it is not the score: the
//! score of a sentence is `1 / (1 + exp(slope · x − offset))`, the probability that the sentence is clean, as fitted on
//! clean and on corrupted sentences that weigh the same (why the root: docs/models.md). The score of a text is the
//! mean over its sentences, weighted by n, times the share of its words that were judged at all (a text in Korean has
//! none, and scores 0). It is rounded to four places, as are confidences.

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
    /// Of the logistic curve from doubt to score; not below 0.
    pub slope: f64,
    /// Of the same curve: its logit where there is no doubt.
    pub offset: f64,
}

impl Calibration {
    /// From the tensor of the weights: temperature, threshold, slope, offset. `None` where it has others, or values
    /// that make no sense.
    pub fn from_values(values: &[f32]) -> Option<Self> {
        let [temperature, threshold, slope, offset] = <[f32; 4]>::try_from(values).ok()?.map(f64::from);
        let sound = temperature > 0.0 && slope >= 0.0 && (0.0..=1.0).contains(&threshold);
        (sound && temperature.is_finite() && slope.is_finite() && offset.is_finite()).then_some(Self {
            temperature,
            threshold,
            slope,
            offset,
        })
    }

    /// As [`Self::from_values`] takes it.
    #[allow(clippy::cast_possible_truncation, reason = "stored as f32")]
    pub fn to_values(self) -> [f32; 4] {
        [self.temperature, self.threshold, self.slope, self.offset].map(|value| value as f32)
    }

    /// The probability that a sentence of this doubt is clean.
    pub fn acceptable(&self, doubt: f64) -> f64 {
        1.0 / (1.0 + libm::exp(self.slope.mul_add(doubt, -self.offset)))
    }
}

/// The doubt about a sentence, from 0 on, and the number of its judged tokens; `None` where there is none.
pub fn doubt(sentence: &[Token], rows: &[[f32; TAGS.len()]]) -> Option<(f64, f64)> {
    let judged = small(sentence.iter().filter(|t| t.is_judged()).count());
    let log: f64 = rows.iter().map(|row| libm::log(1.0 - error(row).min(0.9999))).sum();
    (judged > 0.0).then(|| ((-log * (FULL_LENGTH / judged).min(1.0)).max(0.0).sqrt(), judged))
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
        self.words += small(sentence.iter().filter(|t| t.is_word()).count());
        if let Some((doubt, judged)) = doubt(sentence, rows) {
            self.judged += judged;
            self.acceptable += judged * self.calibration.acceptable(doubt);
        }
        let threshold = self.calibration.threshold;
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| error(row) >= threshold) {
            let suggestion = suggest(sentence, at, vocabulary);
            let (start, end) = (sentence[at].start, sentence[at].end);
            // No category is about marks and numbers; only the large detector judges them.
            let category = if sentence[at].is_judged() { category(row) } else { ErrorCategory::Unspecified };
            self.push(ErrorSpan { start, end, category, confidence: round(error(row)), suggestion });
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

    const CALIBRATION: Calibration = Calibration { temperature: 1.0, threshold: 0.5, slope: 1.0, offset: 2.0 };

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
    fn a_short_sentence_scores_by_the_chance_that_nothing_is_wrong() {
        let rows = [row(Some(ErrorCategory::Tense), 0.5), row(Some(ErrorCategory::Tense), 0.2)];
        let score = 1.0 / (1.0 + libm::exp((-libm::log(0.4)).sqrt() - 2.0));
        assert!((judged("he go", &rows).score - score).abs() < 1e-3);
    }

    #[test]
    fn a_more_doubtful_word_never_raises_the_score() {
        let score = |percent: f32| judged("go", &[row(Some(ErrorCategory::Tense), percent / 100.0)]).score;
        let scores: Vec<f64> = (0..=100u8).map(|percent| score(f32::from(percent))).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        assert!(scores[0] > 0.85 && scores[100] < 0.3);
    }

    #[test]
    fn a_calibration_of_other_values_is_refused() {
        assert_eq!(Calibration::from_values(&CALIBRATION.to_values()), Some(CALIBRATION));
        for values in [&[1.1, 0.7][..], &[0.0, 0.7, 1.0, 2.0], &[1.0, 0.7, -1.0, 2.0], &[1.0, 0.7, 1.0, f32::NAN]] {
            assert_eq!(Calibration::from_values(values), None);
        }
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
        assert!((judge.finish().score - CALIBRATION.acceptable(0.0) / 2.0).abs() < 1e-3);
    }

    #[test]
    fn swapped_words_are_one_span_and_two_mistakes_are_two() {
        let order = row(Some(ErrorCategory::Order), 0.9);
        assert_eq!(judged("teacher good", &[order, order]).spans.len(), 1);
        let tense = row(Some(ErrorCategory::Tense), 0.9);
        assert_eq!(judged("teached goed", &[tense, tense]).spans.len(), 2);
    }
}
