//! Trains the error detector and measures it. `docs/models.md` says where the data come from.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on standard output")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a corpus are far below where these lose anything"
)]
#![allow(unreachable_pub, reason = "an example has no users")]

mod corpus;
mod corrupt;
mod draft;
mod learn;
mod lexicon;
mod measure;
mod mistakes_form;
mod mistakes_function;
mod mistakes_word;
mod rng;
mod templates;
mod wordlists;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use baeum_domain::learning::evaluation::ErrorCategory;
use baeum_ml::learning::error_detector::ErrorDetector;
use baeum_ml::learning::error_detector::features::Vocabulary;
use baeum_ml::learning::error_detector::manifest::{Manifest, Source, sha256};
use baeum_ml::learning::error_detector::verdict::Calibration;
use candle_core::{DType, Device, Tensor};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use corpus::anyhow_lite::Result;
use corpus::{Clean, Example, Pair};
use corrupt::Corruptor;
use learn::Learner;
use lexicon::Lexicon;
use rng::Rng;

/// The system allocator is several times slower on the many short-lived tensors of training.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODEL_ID: &str = "baeum-error-detector-1";
/// Seed of the corruption that is measured on: the same for every run.
const MEASURE_SEED: u64 = 20_260_101;
/// Sentences left as they are. With the corruptor's rate, about one token in eight is wrong, as in essays of learners.
const CLEAN_SHARE: f64 = 0.25;

/// Paradigms of `BLiMP` that are trained on (nine pairs of ten), with the category of what differs.
const TRAINED: [(&str, ErrorCategory); 9] = [
    ("determiner_noun_agreement_1", ErrorCategory::Agreement),
    ("determiner_noun_agreement_irregular_1", ErrorCategory::Agreement),
    ("determiner_noun_agreement_with_adj_irregular_1", ErrorCategory::Agreement),
    ("determiner_noun_agreement_with_adjective_1", ErrorCategory::Agreement),
    ("regular_plural_subject_verb_agreement_1", ErrorCategory::Agreement),
    ("irregular_plural_subject_verb_agreement_1", ErrorCategory::Agreement),
    ("irregular_past_participle_verbs", ErrorCategory::Tense),
    ("anaphor_number_agreement", ErrorCategory::Agreement),
    ("wh_questions_subject_gap", ErrorCategory::WordChoice),
];
/// Paradigms of morphology that are never trained on.
const HELD_OUT: [&str; 9] = [
    "determiner_noun_agreement_2",
    "determiner_noun_agreement_irregular_2",
    "determiner_noun_agreement_with_adj_2",
    "determiner_noun_agreement_with_adj_irregular_2",
    "regular_plural_subject_verb_agreement_2",
    "irregular_plural_subject_verb_agreement_2",
    "distractor_agreement_relational_noun",
    "distractor_agreement_relative_clause",
    "irregular_past_participle_adjectives",
];

/// Trains and measures the error detector.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains, measures, and writes weights and manifest.
    Train {
        #[command(flatten)]
        data: Data,
        /// Folder to write to.
        #[arg(long, default_value = "crates/ml/weights")]
        out: PathBuf,
        /// Passes over the data.
        #[arg(long, default_value_t = 24)]
        epochs: u32,
        /// Seed of everything random.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Highest learning rate.
        #[arg(long, default_value_t = 2e-3)]
        rate: f64,
    },
    /// Measures weights again and prints the figures.
    Evaluate {
        #[command(flatten)]
        data: Data,
        /// Folder with weights and manifest.
        #[arg(long, default_value = "crates/ml/weights")]
        weights: PathBuf,
        /// Writes the figures into the manifest as well.
        #[arg(long)]
        write: bool,
    },
    /// Measures how long a verdict takes.
    Latency,
    /// Prints what the detector says of each argument.
    Show {
        /// Texts to judge.
        texts: Vec<String>,
    },
}

#[derive(Args)]
struct Data {
    /// Folder with ud/, blimp/, and for measuring fce/ and jfleg/.
    #[arg(long)]
    data: PathBuf,
    /// The catalogue.
    #[arg(long, default_value = "catalog")]
    catalog: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Train { data, out, epochs, seed, rate } => train(&data, &out, epochs, seed, rate),
        Command::Evaluate { data, weights, write } => evaluate(&data, &weights, write),
        Command::Latency => {
            println!("{:#}", measure::latency(&ErrorDetector::load()?)?);
            Ok(())
        }
        Command::Show { texts } => {
            let detector = ErrorDetector::load()?;
            for text in texts {
                let judgement = detector.judge(&text)?;
                println!("{:.4}  {text}", judgement.score);
                for span in judgement.spans {
                    let range = (span.end - span.start) as usize;
                    let part: String = text.chars().skip(span.start as usize).take(range).collect();
                    println!("        {part:?} {} {:.2} {:?}", span.category, span.confidence, span.suggestion);
                }
            }
            Ok(())
        }
    }
}

fn load(folder: &Path) -> Result<ErrorDetector> {
    let weights = fs::read(folder.join("error-detector.safetensors"))?;
    let manifest = fs::read_to_string(folder.join("error-detector.json"))?;
    Ok(ErrorDetector::from_bytes(&weights, &manifest)?)
}

fn evaluate(data: &Data, weights: &Path, write: bool) -> Result<()> {
    let mut clean = corpus::treebanks(&data.data)?;
    let own = corpus::catalogue(&data.catalog, &Lexicon::learn(&clean.train));
    clean.train.extend(own);
    let lexicon = Arc::new(Lexicon::learn(&clean.train));
    calibrated(load(weights)?, &clean, &lexicon)?;
    let metrics = measured(&load(weights)?, &data.data, &clean, &lexicon)?;
    println!("{metrics:#}");
    if write {
        let path = weights.join("error-detector.json");
        let mut manifest: Manifest = serde_json::from_str(&fs::read_to_string(&path)?)?;
        manifest.metrics = metrics;
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(&manifest)?))?;
    }
    Ok(())
}

fn train(data: &Data, out: &Path, epochs: u32, seed: u64, peak: f64) -> Result<()> {
    let started = Instant::now();
    let mut clean = corpus::treebanks(&data.data)?;
    let lexicon = Arc::new(Lexicon::learn(&clean.train));
    let own = corpus::catalogue(&data.catalog, &lexicon);
    println!(
        "sentences: train {}, catalogue {}, validation {}, test {}",
        clean.train.len(),
        own.len(),
        clean.validation.len(),
        clean.test.len()
    );
    clean.train.extend(own);
    let lexicon = Arc::new(Lexicon::learn(&clean.train));
    let vocabulary_text = lexicon.vocabulary();
    let vocabulary = Vocabulary::parse(&vocabulary_text);
    let pairs = corpus::blimp(&data.data)?;
    let paired = trained_pairs(&pairs);
    println!("vocabulary {}, pairs {}", vocabulary.len(), paired.len());

    let mut rng = Rng::new(seed);
    let mut learner = Learner::new(&lexicon.tags(), &mut rng)?;
    let corruptor = Corruptor::new(&lexicon, CLEAN_SHARE);
    for epoch in 0..epochs {
        let mut examples: Vec<Example> = clean.train.iter().map(|s| corruptor.example(s, &mut rng)).collect();
        for _ in 0..6000 {
            let sentence = templates::sentence(&mut rng, &lexicon);
            examples.push(corruptor.example(&sentence, &mut rng));
        }
        for _ in 0..1500 {
            examples.extend(rng.pick(&paired).into_iter().flatten().cloned());
        }
        let rate = |part: f64| {
            let done = (f64::from(epoch) + part) / f64::from(epochs);
            let warm = (done * f64::from(epochs)).min(1.0);
            peak * warm * (0.5 + 0.5 * (done * std::f64::consts::PI).cos()).max(0.01)
        };
        let loss = learner.epoch(&examples, &vocabulary, rate, &mut rng)?;
        println!("epoch {:>2}: loss {loss:.4}, {:.0} s", epoch + 1, started.elapsed().as_secs_f64());
    }

    let calibration = Calibration { temperature: 1.0, threshold: 0.5 };
    let weights = serialized(&learner.tensors(), &vocabulary_text, calibration)?;
    let mut manifest = manifest(epochs, seed, peak, &weights);
    let detector = ErrorDetector::from_bytes(&weights, &serde_json::to_string(&manifest)?)?;
    let calibration = calibrated(detector, &clean, &lexicon)?;
    let weights = serialized(&learner.tensors(), &vocabulary_text, calibration)?;
    manifest.weights_sha256 = sha256(&weights);
    let detector = ErrorDetector::from_bytes(&weights, &serde_json::to_string(&manifest)?)?;
    manifest.metrics = measured(&detector, &data.data, &clean, &lexicon)?;
    fs::create_dir_all(out)?;
    fs::write(out.join("error-detector.safetensors"), &weights)?;
    fs::write(out.join("error-detector.json"), format!("{}\n", serde_json::to_string_pretty(&manifest)?))?;
    println!("{:#}\n{} bytes in {:.0} s", manifest.metrics, weights.len(), started.elapsed().as_secs_f64());
    Ok(())
}

/// The pairs that are trained on, as examples: of ten, nine.
fn trained_pairs(pairs: &[Pair]) -> Vec<[Example; 2]> {
    let category = |pair: &Pair| TRAINED.iter().find(|(name, _)| *name == pair.paradigm).map(|(_, c)| *c);
    let kept = pairs.iter().enumerate().filter(|(at, _)| !is_measured(*at));
    kept.filter_map(|(_, pair)| corpus::pair_examples(pair, category(pair)?)).collect()
}

/// Every tenth pair of a trained paradigm is only measured on.
fn is_measured(index: usize) -> bool {
    index % 10 == 9
}

/// The weights file: tensors as f16, the vocabulary as bytes, temperature and threshold.
fn serialized(tensors: &HashMap<String, Tensor>, vocabulary: &str, calibration: Calibration) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (name, tensor) in tensors {
        all.push((name.clone(), tensor.to_dtype(DType::F16)?));
    }
    all.push(("vocabulary".to_owned(), Tensor::new(vocabulary.as_bytes(), &Device::Cpu)?));
    let values = [calibration.temperature as f32, calibration.threshold as f32];
    all.push(("calibration".to_owned(), Tensor::new(&values, &Device::Cpu)?));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(safetensors::serialize(all, None)?)
}

/// Temperature by the log loss, then threshold by F0.5, on the validation part.
fn calibrated(mut detector: ErrorDetector, clean: &Clean, lexicon: &Arc<Lexicon>) -> Result<Calibration> {
    let mut rng = Rng::new(MEASURE_SEED + 1);
    let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
    let examples: Vec<Example> = clean.validation.iter().map(|s| corruptor.example(s, &mut rng)).collect();
    let mut best = (f64::INFINITY, Calibration { temperature: 1.0, threshold: 0.5 });
    for temperature in [0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75] {
        detector = detector.with_calibration(Calibration { temperature, threshold: 0.5 });
        let seen = measure::look(&detector, &examples)?;
        let loss = measure::log_loss(&seen);
        if loss < best.0 {
            best = (loss, Calibration { temperature, threshold: measure::best_threshold(&seen) });
        }
    }
    println!("validation: log loss {:.4}, {:?}", best.0, best.1);
    Ok(best.1)
}

/// Every figure of the manifest.
fn measured(detector: &ErrorDetector, data: &Path, clean: &Clean, lexicon: &Arc<Lexicon>) -> Result<Value> {
    let mut rng = Rng::new(MEASURE_SEED);
    let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
    let examples: Vec<Example> = clean.test.iter().map(|s| corruptor.example(s, &mut rng)).collect();
    let threshold = detector.calibration().threshold;
    let seen = measure::look(detector, &examples)?;
    let mut figures = json!({
        "calibration": {"temperature": measure::short(detector.calibration().temperature), "threshold": measure::short(threshold)},
        "synthetic_test": measure::as_json(&seen, threshold),
        "synthetic_test_details": measure::details(&seen, threshold),
    });
    if let Ok(examples) = corpus::fce(data) {
        let seen = measure::look(detector, &examples)?;
        figures["fce_test"] = measure::as_json(&seen, threshold);
        let at = |t: f64| measure::as_json(&seen, t);
        figures["fce_test_at_other_thresholds"] = json!([at(0.2), at(0.35), at(0.5), at(0.65), at(0.8)]);
    }
    let pairs = corpus::blimp(data)?;
    let trained: BTreeSet<&str> = TRAINED.iter().map(|(name, _)| *name).collect();
    let kin: BTreeSet<&str> = HELD_OUT.into_iter().collect();
    let shown: Vec<&Pair> = pairs.iter().enumerate().filter(|(at, _)| is_measured(*at)).map(|(_, pair)| pair).collect();
    figures["blimp"] = measure::pair_summary(&measure::pairs(detector, &shown)?, &trained, &kin);
    if let Ok(pairs) = corpus::jfleg(data) {
        figures["jfleg_test_pairs"] = json!({"pairs": pairs.len(), "accuracy": measure::pairs(detector, &pairs.iter().collect::<Vec<_>>())?.get("jfleg")});
    }
    Ok(figures)
}

fn manifest(epochs: u32, seed: u64, rate: f64, weights: &[u8]) -> Manifest {
    let source = |name: &str, licence: &str, address: &str| Source {
        name: name.into(),
        licence: licence.into(),
        address: address.into(),
    };
    Manifest {
        model_id: MODEL_ID.into(),
        weights_sha256: sha256(weights),
        training_command: format!(
            "RAYON_NUM_THREADS=1 cargo run --release -p baeum-ml --example train-error-detector -- train --data DATA --epochs {epochs} --seed {seed} --rate {rate}"
        ),
        seed,
        data: vec![
            source(
                "UD English EWT, training documents",
                "CC BY-SA 4.0",
                "https://github.com/UniversalDependencies/UD_English-EWT",
            ),
            source(
                "UD English GUM, genres news, interview, bio, voyage, textbook, speech",
                "CC BY, CC BY-SA or public domain, by genre",
                "https://github.com/UniversalDependencies/UD_English-GUM",
            ),
            source("UD English PUD", "CC BY-SA 3.0", "https://github.com/UniversalDependencies/UD_English-PUD"),
            source("BLiMP, nine paradigms", "CC BY", "https://github.com/alexwarstadt/blimp"),
            source("Baeum catalogue and sentence templates", "own", "catalog/"),
        ],
        metrics: Value::Null,
    }
}
