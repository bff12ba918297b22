//! What is measured of the encoder, and what is fitted after training.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use baeum_domain::learning::evaluation::{Answer, Evaluator};
use baeum_domain::level::Cefr;
use baeum_ml::learning::encoder::{EncoderDetector, Row};
use baeum_ml::learning::error_detector::tokenize::Token;
use baeum_ml::learning::error_detector::verdict::{Calibration, doubt, error};
use serde_json::{Value, json};

use crate::corpus::anyhow_lite::Result;
use crate::corpus::{self, Clean, Example};
use crate::corrupt::Corruptor;
use crate::lexicon::Lexicon;
use crate::measure::{self, Seen, short};
use crate::rng::Rng;
use crate::score;

/// Seed of the corruption that is measured on: that of the small detector, so that figures stand beside each other.
const MEASURE_SEED: u64 = 20_260_101;
const CLEAN_SHARE: f64 = 0.25;
/// Before anything is fitted.
pub(crate) const UNFITTED: Calibration = Calibration { temperature: 1.0, threshold: 0.5, slope: 1.0, offset: 0.0 };

/// Probabilities of every token, over two threads.
fn rows(detector: &EncoderDetector, examples: &[Example]) -> Result<Vec<(Vec<Token>, Vec<Row>)>> {
    let work = |part: &[Example]| -> Result<Vec<(Vec<Token>, Vec<Row>)>> {
        let mut all = Vec::with_capacity(part.len());
        for some in part.chunks(32) {
            let tokens: Vec<Vec<Token>> = some.iter().map(Example::tokens).collect();
            let sentences: Vec<&[Token]> = tokens.iter().map(Vec::as_slice).collect();
            let rows = detector.probabilities(&sentences)?;
            all.extend(tokens.into_iter().zip(rows));
        }
        Ok(all)
    };
    let (left, right) = examples.split_at(examples.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| work(left));
        let own = work(right)?;
        let mut all = other.join().unwrap_or_else(|_| Err("a thread panicked".into()))?;
        all.extend(own);
        Ok(all)
    })
}

/// What the detector says of every token, by sentence.
pub(crate) fn look(detector: &EncoderDetector, examples: &[Example]) -> Result<Vec<Vec<Seen>>> {
    let seen = |((_, rows), example): ((Vec<Token>, Vec<Row>), &Example)| {
        rows.iter().zip(&example.tags).map(|(row, truth)| Seen::new(row, *truth)).collect()
    };
    Ok(rows(detector, examples)?.into_iter().zip(examples).map(seen).collect())
}

fn doubts(detector: &EncoderDetector, examples: &[Example]) -> Result<Vec<f64>> {
    let rows = rows(detector, examples)?;
    Ok(rows.iter().filter_map(|(tokens, rows)| doubt(tokens, rows)).map(|(doubt, _)| doubt).collect())
}

/// Sentences without and with a mistake.
fn parted(examples: &[Example]) -> (Vec<Example>, Vec<Example>) {
    examples.iter().cloned().partition(|example| example.tags.iter().all(|tag| *tag == 0))
}

/// A row as another temperature would have it: the logit of a mistake divided.
fn tempered(row: &Row, temperature: f64) -> Row {
    let wrong = error(row).clamp(1e-7, 1.0 - 1e-7);
    let tempered = 1.0 / (1.0 + libm::exp(-libm::log(wrong / (1.0 - wrong)) / temperature));
    let mut row = row.map(|p| (f64::from(p) * tempered / wrong) as f32);
    row[0] = (1.0 - tempered) as f32;
    row
}

/// The threshold that F0.5 asks of calibrated probabilities. With F = (1 + β²) hits / (β² wrong + marked), one more mark
/// raises it where the mark is right with more than F / (1 + β²), so the best threshold is that of the best F (Lipton et
/// al., 2014, for β = 1). The place of the highest value among measured ones is much more a matter of chance.
fn threshold(seen: &[Vec<Seen>]) -> f64 {
    let [_, _, best] = measure::scores(seen, measure::best_threshold(seen));
    (best / 1.25 * 100.0).round() / 100.0
}

/// Temperature by the log loss, threshold by the best F0.5, then the curve of the score: all on the development part.
pub(crate) fn calibrated(detector: EncoderDetector, dev: &[Example]) -> Result<Calibration> {
    let plain = rows(&detector, dev)?;
    let loss = |temperature: f64| {
        let seen = |((_, rows), example): (&(Vec<Token>, Vec<Row>), &Example)| {
            let pairs = rows.iter().zip(&example.tags);
            pairs.map(|(row, truth)| Seen::new(&tempered(row, temperature), *truth)).collect()
        };
        measure::log_loss(&plain.iter().zip(dev).map(seen).collect::<Vec<_>>())
    };
    let temperatures = (14..=50).map(|twentieth| f64::from(twentieth) / 20.0);
    let temperature = temperatures.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap_or(1.0);
    let detector = detector.with_calibration(Calibration { temperature, ..UNFITTED });
    let (seen, (sound, flawed)) = (look(&detector, dev)?, parted(dev));
    let threshold = threshold(&seen);
    let (slope, offset) = score::fitted(&doubts(&detector, &sound)?, &doubts(&detector, &flawed)?)?;
    let calibration = Calibration { temperature, threshold, slope, offset };
    println!("development part: log loss {:.4}, {}", measure::log_loss(&seen), measure::as_json(&seen, threshold));
    println!("{calibration:?}");
    Ok(calibration)
}

/// Every figure of the manifest.
pub(crate) fn measured(
    detector: &EncoderDetector,
    data: &Path,
    dev: &[Example],
    clean: &Clean,
    lexicon: &Arc<Lexicon>,
) -> Result<Value> {
    let Calibration { temperature, threshold, slope, offset } = detector.calibration();
    let mut figures = json!({"calibration": {"temperature": short(temperature), "threshold": short(threshold),
        "score_slope": short(slope), "score_offset": short(offset)}});
    for (name, examples) in [("fce_dev", dev), ("fce_test", &corpus::fce(data)?)] {
        let seen = look(detector, examples)?;
        let details = measure::details(&seen, threshold);
        figures[name] = measure::as_json(&seen, threshold);
        for key in ["sound_sentences", "sound_sentences_flagged", "calibration_error", "reliability"] {
            figures[name][key] = details[key].clone();
        }
        let at = [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8].map(|threshold| measure::as_json(&seen, threshold));
        figures[format!("{name}_at_other_thresholds")] = json!(at);
        let (sound, flawed) = parted(examples);
        let (sound, flawed) = (doubts(detector, &sound)?, doubts(detector, &flawed)?);
        figures[format!("{name}_sentence_scores")] = score::figures_of(detector.calibration(), &sound, &flawed);
    }
    let mut rng = Rng::new(MEASURE_SEED);
    let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
    let examples: Vec<Example> = clean.test.iter().map(|s| corruptor.example(s, &mut rng)).collect();
    let seen = look(detector, &examples)?;
    figures["synthetic_test"] = measure::as_json(&seen, threshold);
    figures["synthetic_test_details"] = measure::details(&seen, threshold);
    let (sound, flawed) = score::parts(&clean.test, lexicon, MEASURE_SEED + 3);
    let (sound, flawed) = (doubts(detector, &sound)?, doubts(detector, &flawed)?);
    figures["score_test"] = score::figures_of(detector.calibration(), &sound, &flawed);
    if let Ok(pairs) = corpus::jfleg(data) {
        let texts = |of: fn(&corpus::Pair) -> &str| pairs.iter().map(of).collect::<Vec<_>>();
        let scores = |texts: Vec<&str>| -> Result<Vec<f64>> {
            let judged: candle_core::Result<Vec<_>> = texts.chunks(32).map(|part| detector.judge(part)).collect();
            Ok(judged?.into_iter().flatten().map(|judgement| judgement.score).collect())
        };
        let (good, bad) = (scores(texts(|pair| &pair.good))?, scores(texts(|pair| &pair.bad))?);
        let won = |(good, bad): (&f64, &f64)| {
            f64::midpoint(f64::from(u8::from(good > bad)), f64::from(u8::from(good >= bad)))
        };
        let share = good.iter().zip(&bad).map(won).sum::<f64>() / pairs.len().max(1) as f64;
        figures["jfleg_test_pairs"] = json!({"pairs": pairs.len(), "accuracy": short(share)});
    }
    Ok(figures)
}

/// Median and 99th percentile of the time of a verdict, alone and in a batch, on this thread.
pub(crate) fn latency(detector: &EncoderDetector) -> Result<Value> {
    let short = "Yesterday I go to the park with my friends and we played soccer together again.";
    let long = "I like this book because it is funny and she have two more. ".repeat(66);
    let mut figures = serde_json::Map::new();
    let cases = [
        ("16_tokens", short, 1, 200),
        ("16_tokens_in_batches_of_16", short, 16, 40),
        ("4000_characters", long.as_str(), 1, 10),
    ];
    for (name, text, batch, runs) in cases {
        let answers = vec![Answer { prompt: "", text, level: Cefr::A1, references: &[] }; batch];
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let started = Instant::now();
            if batch == 1 {
                detector.evaluate(&answers[0])?;
            } else {
                detector.evaluate_batch(&answers).into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
            }
            times.push(started.elapsed().as_micros() / batch as u128);
        }
        times.sort_unstable();
        let value = json!({"median_us": times[runs / 2].to_string(), "p99_us": times[runs * 99 / 100].to_string()});
        figures.insert(name.to_owned(), value);
    }
    Ok(Value::Object(figures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_calibrated_probabilities_the_threshold_gives_the_best_f() {
        // A hundred tokens at each percent, of which as many are wrong as it says.
        let at = |percent: u32| {
            let token = move |n: u32| {
                let truth = u32::from(n < percent);
                Seen { probability: f64::from(percent) / 100.0, guess: 1, truth }
            };
            (0..100).map(token).collect::<Vec<_>>()
        };
        let seen: Vec<Vec<Seen>> = (1..=60).map(at).collect();
        let (rule, best) = (threshold(&seen), measure::best_threshold(&seen));
        assert!((rule - best).abs() < 0.015, "{rule} and {best}");
        assert!((0.2..0.5).contains(&rule), "{rule}");
    }
}
