//! What is measured: tokens of corrupted and of learners' sentences, pairs, calibration.

use std::collections::{BTreeMap, BTreeSet};

use baeum_ml::learning::error_detector::ErrorDetector;
use baeum_ml::learning::error_detector::tags::TAGS;
use baeum_ml::learning::error_detector::verdict::error;
use serde_json::{Value, json};

use crate::corpus::anyhow_lite::Result;
use crate::corpus::{Example, Pair};
use crate::plots;

const THREADS: usize = 3;

/// A token with what was said of it and what is true of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Stated probability that it is wrong.
    pub(crate) probability: f64,
    /// Place in `TAGS` of the likeliest mistake.
    pub(crate) guess: usize,
    /// Place in `TAGS` of what is true.
    pub(crate) truth: u32,
}

impl Seen {
    /// The probabilities of a token, and its true tag.
    pub(crate) fn new(row: &[f32; TAGS.len()], truth: u32) -> Self {
        let guess = (1..TAGS.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        Self { probability: error(row), guess, truth }
    }
}

/// What the detector says of every token, by sentence.
pub(crate) fn look(detector: &ErrorDetector, examples: &[Example]) -> Result<Vec<Vec<Seen>>> {
    let one = |example: &Example| -> Result<Vec<Seen>> {
        let rows = detector.probabilities(&example.tokens())?;
        Ok(rows.iter().zip(&example.tags).map(|(row, truth)| Seen::new(row, *truth)).collect())
    };
    shared(examples, one)
}

/// Maps over three threads, in order.
pub(crate) fn shared<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let work = &work;
    let parts: Vec<Result<Vec<R>>> = std::thread::scope(|scope| {
        let size = items.len().div_ceil(THREADS).max(1);
        let handles: Vec<_> =
            items.chunks(size).map(|part| scope.spawn(move || part.iter().map(work).collect())).collect();
        handles.into_iter().map(|h| h.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Precision, recall and F0.5 of flagging tokens at a threshold, any category.
pub(crate) fn scores(seen: &[Vec<Seen>], threshold: f64) -> [f64; 3] {
    let (mut hits, mut flagged, mut wrong) = (0.0, 0.0, 0.0);
    for token in seen.iter().flatten() {
        let flag = token.probability >= threshold;
        flagged += f64::from(u8::from(flag));
        wrong += f64::from(u8::from(token.truth != 0));
        hits += f64::from(u8::from(flag && token.truth != 0));
    }
    let precision = if flagged > 0.0 { hits / flagged } else { 0.0 };
    let recall = if wrong > 0.0 { hits / wrong } else { 0.0 };
    let f_half = if hits > 0.0 { 1.25 * precision * recall / (0.25 * precision + recall) } else { 0.0 };
    [precision, recall, f_half]
}

/// The threshold of the best F0.5.
pub(crate) fn best_threshold(seen: &[Vec<Seen>]) -> f64 {
    let candidates = (5..=95).map(|percent| f64::from(percent) / 100.0);
    candidates.max_by(|a, b| scores(seen, *a)[2].total_cmp(&scores(seen, *b)[2])).unwrap_or(0.5)
}

/// The lowest threshold from which on up the precision is at least that, if there is one.
pub(crate) fn precise_threshold(seen: &[Vec<Seen>], precision: f64) -> Option<f64> {
    let candidates = (5..=95).rev().map(|percent| f64::from(percent) / 100.0);
    candidates.take_while(|threshold| scores(seen, *threshold)[0] >= precision).last()
}

/// Mean −log probability of what is true (wrong or not), for the temperature.
pub(crate) fn log_loss(seen: &[Vec<Seen>]) -> f64 {
    let loss = |t: &Seen| -(if t.truth == 0 { 1.0 - t.probability } else { t.probability }).max(1e-6).ln();
    let count = seen.iter().map(Vec::len).sum::<usize>().max(1);
    seen.iter().flatten().map(loss).sum::<f64>() / count as f64
}

/// Precision, recall and F0.5 as JSON.
pub(crate) fn as_json(seen: &[Vec<Seen>], threshold: f64) -> Value {
    let [precision, recall, f_half] = scores(seen, threshold).map(short);
    let tokens = seen.iter().map(Vec::len).sum::<usize>();
    let wrong = seen.iter().flatten().filter(|t| t.truth != 0).count();
    json!({"sentences": seen.len(), "tokens": tokens, "wrong_tokens": wrong, "threshold": short(threshold),
        "precision": precision, "recall": recall, "f0_5": f_half})
}

/// Sentences without a mistake, and the share of them that has a flag.
pub(crate) fn sound(seen: &[Vec<Seen>], threshold: f64) -> (usize, f64) {
    let sound: Vec<_> = seen.iter().filter(|s| s.iter().all(|t| t.truth == 0)).collect();
    let alarms = sound.iter().filter(|s| s.iter().any(|t| t.probability >= threshold)).count();
    (sound.len(), short(alarms as f64 / sound.len().max(1) as f64))
}

/// Recall by category, share of hits with the right category, sound sentences with a flag, expected calibration error.
pub(crate) fn details(seen: &[Vec<Seen>], threshold: f64) -> Value {
    let mut by_category: BTreeMap<String, (u32, u32, u32)> = BTreeMap::new();
    for token in seen.iter().flatten().filter(|t| t.truth != 0) {
        let name = TAGS.get(token.truth as usize).copied().flatten().map_or_else(String::new, |c| c.to_string());
        let entry = by_category.entry(name).or_default();
        entry.0 += 1;
        if token.probability >= threshold {
            entry.1 += 1;
            entry.2 += u32::from(token.guess == token.truth as usize);
        }
    }
    let (sound, alarms) = sound(seen, threshold);
    let bins = plots::bins(seen);
    let named = |(name, (n, found, right)): (String, (u32, u32, u32))| {
        let recall = short(f64::from(found) / f64::from(n));
        (name, json!({"tokens": n, "recall": recall, "named_right": short(f64::from(right) / f64::from(found.max(1)))}))
    };
    json!({
        "by_category": by_category.into_iter().map(named).collect::<serde_json::Map<_, _>>(),
        "sound_sentences": sound,
        "sound_sentences_flagged": alarms,
        "calibration_error": short(plots::calibration_error(&bins)),
        "reliability": bins.iter().filter(|bin| bin.tokens > 0.0)
            .map(|bin| json!([bin.tokens, short(bin.stated), short(bin.wrong)])).collect::<Vec<_>>(),
    })
}

/// Share of pairs whose first sentence scores higher, a tie counting half; by paradigm.
pub(crate) fn pairs(detector: &ErrorDetector, pairs: &[&Pair]) -> Result<BTreeMap<String, f64>> {
    let one = |pair: &&Pair| -> Result<f64> {
        let (good, bad) = (detector.judge(&pair.good)?.score, detector.judge(&pair.bad)?.score);
        Ok(match good.total_cmp(&bad) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
    };
    let wins = shared(pairs, one)?;
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (pair, win) in pairs.iter().zip(wins) {
        let entry = sums.entry(pair.paradigm.clone()).or_default();
        *entry = (entry.0 + win, entry.1 + 1.0);
    }
    Ok(sums.into_iter().map(|(name, (won, count))| (name, short(won / count))).collect())
}

/// Means over paradigms: trained ones (pairs not trained on), held-out kin of trained ones, all others.
pub(crate) fn pair_summary(found: &BTreeMap<String, f64>, trained: &BTreeSet<&str>, kin: &BTreeSet<&str>) -> Value {
    let mean = |wanted: &dyn Fn(&str) -> bool| {
        let values: Vec<f64> = found.iter().filter(|(name, _)| wanted(name)).map(|(_, v)| *v).collect();
        json!({"paradigms": values.len(), "accuracy": short(values.iter().sum::<f64>() / values.len().max(1) as f64)})
    };
    json!({
        "trained_paradigms_new_pairs": mean(&|name| trained.contains(name)),
        "held_out_morphology": mean(&|name| kin.contains(name)),
        "held_out_all": mean(&|name| !trained.contains(name)),
        "by_held_out_morphology": found.iter().filter(|(name, _)| kin.contains(name.as_str())).collect::<BTreeMap<_, _>>(),
    })
}

/// Rounded to four places.
pub(crate) fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Median and 99th percentile of the time of a verdict, in microseconds, on this thread.
pub(crate) fn latency(detector: &ErrorDetector) -> Result<Value> {
    let short = "Yesterday I go to the park with my friends and we played soccer together again.";
    let long = "I like this book because it is funny and she have two more. ".repeat(66);
    let mut figures = serde_json::Map::new();
    for (name, text, runs) in [("16_tokens", short, 500), ("4000_characters", long.as_str(), 30)] {
        let mut times = Vec::with_capacity(runs);
        for _ in 0..runs {
            let started = std::time::Instant::now();
            detector.judge(text)?;
            times.push(started.elapsed().as_micros());
        }
        times.sort_unstable();
        figures.insert(
            name.to_owned(),
            json!({"median_us": times[runs / 2].to_string(), "p99_us": times[runs * 99 / 100].to_string()}),
        );
    }
    Ok(Value::Object(figures))
}
