//! The score of a sentence: the curve is fitted here, and measured.

use std::sync::Arc;

use baeum_domain::learning::lesson::PASS_SCORE;
use baeum_ml::learning::error_detector::ErrorDetector;
use baeum_ml::learning::error_detector::verdict::{Calibration, doubt};
use serde_json::{Value, json};

use crate::corpus::anyhow_lite::Result;
use crate::corpus::{Example, Word};
use crate::corrupt::Corruptor;
use crate::lexicon::Lexicon;
use crate::measure::{shared, short};
use crate::rng::Rng;

/// Each sentence as it should be, and each with at least one mistake.
pub(crate) fn parts(clean: &[Vec<Word>], lexicon: &Arc<Lexicon>, seed: u64) -> (Vec<Example>, Vec<Example>) {
    let mut rng = Rng::new(seed);
    let corruptor = Corruptor::new(lexicon, 0.0);
    let sound = |words: &Vec<Word>| Example {
        words: words.iter().map(|w| w.form.clone()).collect(),
        tags: vec![0; words.len()],
        pos: words.iter().map(|w| w.tag.clone()).collect(),
    };
    let flawed = clean.iter().map(|words| corruptor.example(words, &mut rng));
    (clean.iter().map(sound).collect(), flawed.filter(|e| e.tags.iter().any(|tag| *tag != 0)).collect())
}

/// The doubt about each sentence that has words.
pub(crate) fn doubts(detector: &ErrorDetector, examples: &[Example]) -> Result<Vec<f64>> {
    let one = |example: &Example| {
        let tokens = example.tokens();
        let rows = detector.probabilities(&tokens)?;
        Ok(doubt(&tokens, &rows).map(|(doubt, _)| doubt))
    };
    Ok(shared(examples, one)?.into_iter().flatten().collect())
}

/// Slope and offset of the logistic curve for "is clean", by Newton's method; both classes weigh the same.
pub(crate) fn fitted(sound: &[f64], flawed: &[f64]) -> Result<(f64, f64)> {
    let (mut slope, mut offset) = (0.0, 0.0);
    for _ in 0..100 {
        let (mut gradient, mut hessian) = ([0.0; 2], [0.0; 3]);
        for (values, truth) in [(sound, 1.0), (flawed, 0.0)] {
            let weight = 0.5 / values.len().max(1) as f64;
            for x in values {
                let guess = 1.0 / (1.0 + libm::exp(slope * x - offset));
                let (miss, curve) = (weight * (truth - guess), weight * guess * (1.0 - guess));
                gradient = [gradient[0] - miss * x, gradient[1] + miss];
                hessian = [hessian[0] + curve * x * x, hessian[1] - curve * x, hessian[2] + curve];
            }
        }
        let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
        if determinant <= 1e-12 {
            break;
        }
        let step = [
            (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
            (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
        ];
        (slope, offset) = (slope + step[0], offset + step[1]);
        if step[0].abs() + step[1].abs() < 1e-10 {
            break;
        }
    }
    let sound = slope > 0.0 && slope.is_finite() && offset.is_finite();
    if sound { Ok((slope, offset)) } else { Err(format!("no falling curve fits: {slope}, {offset}").into()) }
}

/// Medians, share that passes, Brier score with both classes weighing the same, and area under the ROC curve.
pub(crate) fn figures(detector: &ErrorDetector, sound: &[Example], flawed: &[Example]) -> Result<Value> {
    Ok(figures_of(detector.calibration(), &doubts(detector, sound)?, &doubts(detector, flawed)?))
}

/// The same from doubts.
pub(crate) fn figures_of(calibration: Calibration, sound: &[f64], flawed: &[f64]) -> Value {
    let scores = |doubts: &[f64]| {
        let mut scores: Vec<f64> = doubts.iter().map(|x| calibration.acceptable(*x)).collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    let (sound, flawed) = (scores(sound), scores(flawed));
    let mean = |values: &[f64], of: &dyn Fn(f64) -> f64| {
        values.iter().map(|v| of(*v)).sum::<f64>() / values.len().max(1) as f64
    };
    let part = |scores: &[f64]| {
        let at = |share: f64| scores.get((share * scores.len() as f64) as usize).copied().map(short);
        json!({"sentences": scores.len(), "median": at(0.5), "first_quartile": at(0.25), "third_quartile": at(0.75),
            "pass": short(mean(scores, &|s| f64::from(u8::from(s >= PASS_SCORE))))})
    };
    let brier = f64::midpoint(mean(&sound, &|s| (1.0 - s) * (1.0 - s)), mean(&flawed, &|s| s * s));
    json!({
        "clean": part(&sound),
        "wrong": part(&flawed),
        "pass_mark": PASS_SCORE,
        "brier": short(brier),
        "auc": short(mean(&sound, &|s| rank(&flawed, s))),
    })
}

/// The share of the sorted values that lie below, an equal one counting half.
fn rank(sorted: &[f64], value: f64) -> f64 {
    let (below, up_to) = (sorted.partition_point(|v| *v < value), sorted.partition_point(|v| *v <= value));
    f64::midpoint(below as f64, up_to as f64) / sorted.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_of_known_shares_is_found() {
        // At 0 three of four are clean, at 2 one of four: the logits are ±ln 3.
        let (sound, flawed) = ([0.0, 0.0, 0.0, 2.0], [0.0, 2.0, 2.0, 2.0]);
        let (slope, offset) = fitted(&sound, &flawed).expect("a curve fits");
        assert!((slope - libm::log(3.0)).abs() < 1e-6 && (offset - libm::log(3.0)).abs() < 1e-6);
        assert!(fitted(&flawed, &sound).is_err(), "a rising curve is refused");
    }

    #[test]
    fn a_rank_counts_ties_half() {
        assert!((rank(&[0.1, 0.5, 0.5, 0.9], 0.5) - 0.5).abs() < 1e-9);
    }
}
