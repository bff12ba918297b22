//! Trains the large error detector from MiniLM and measures it. `docs/models.md` says where the data come from.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on standard output")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "counts of a corpus are far below where these lose anything"
)]
#![allow(unreachable_pub, dead_code, reason = "an example has no users, and shares modules with another")]

mod base;
mod check;
#[path = "../train_error_detector/corpus.rs"]
mod corpus;
#[path = "../train_error_detector/corrupt.rs"]
mod corrupt;
mod course;
#[path = "../train_error_detector/draft.rs"]
mod draft;
mod learn;
#[path = "../train_error_detector/lexicon.rs"]
mod lexicon;
#[path = "../train_error_detector/measure.rs"]
mod measure;
#[path = "../train_error_detector/mistakes_choice.rs"]
mod mistakes_choice;
#[path = "../train_error_detector/mistakes_form.rs"]
mod mistakes_form;
#[path = "../train_error_detector/mistakes_function.rs"]
mod mistakes_function;
#[path = "../train_error_detector/mistakes_word.rs"]
mod mistakes_word;
mod optimizer;
#[path = "../train_error_detector/plots.rs"]
mod plots;
#[path = "../train_error_detector/rng.rs"]
mod rng;
#[path = "../train_error_detector/score.rs"]
mod score;
#[path = "../train_error_detector/tagger.rs"]
mod tagger;
#[path = "../train_error_detector/wordlists.rs"]
mod wordlists;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use baeum_ml::learning::encoder::{EncoderDetector, MANIFEST, WEIGHTS};
use baeum_ml::learning::error_detector::manifest::{Manifest, Source, sha256};
use baeum_ml::learning::error_detector::verdict::Calibration;
use candle_core::{DType, Device, Tensor};
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use corpus::anyhow_lite::Result;
use course::{Course, Tensors, Texts};
use lexicon::Lexicon;
use rng::Rng;

/// The system allocator is several times slower on the many short-lived tensors of training.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODEL_ID: &str = "baeum-error-encoder-1";
/// Sentences at the end of FCE's training part that are not trained on: it came without a development part.
const DEV: usize = 2_000;

/// Trains and measures the large error detector.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains, measures, and writes the folder.
    Train {
        #[command(flatten)]
        data: Data,
        /// Folder of scripts/minilm.
        #[arg(long)]
        base: PathBuf,
        /// Folder to write to.
        #[arg(long)]
        out: PathBuf,
        /// Passes over FCE's training part.
        #[arg(long, default_value_t = 3)]
        epochs: u32,
        /// Passes over sentences with made mistakes before that.
        #[arg(long, default_value_t = 1)]
        made: u32,
        /// Seed of everything random.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Highest learning rate of the last layer.
        #[arg(long, default_value_t = 1.5e-4)]
        rate: f64,
        /// Part of the sentences to train on, for trials.
        #[arg(long, default_value_t = 1.0)]
        part: f64,
    },
    /// Fits temperature, threshold and score again, measures, and writes the folder.
    Calibrate {
        #[command(flatten)]
        data: Data,
        /// The folder.
        #[arg(long)]
        model: PathBuf,
    },
    /// Measures a folder again and prints the figures.
    Evaluate {
        #[command(flatten)]
        data: Data,
        /// The folder.
        #[arg(long)]
        model: PathBuf,
    },
    /// Measures how long a verdict takes.
    Latency {
        /// The folder.
        #[arg(long)]
        model: PathBuf,
    },
    /// Prints what the detector says of each argument.
    Show {
        /// The folder.
        #[arg(long)]
        model: PathBuf,
        /// Texts to judge.
        texts: Vec<String>,
    },
}

#[derive(Args)]
struct Data {
    /// Folder with ud/ and fce/, and for measuring jfleg/.
    #[arg(long)]
    data: PathBuf,
    /// The catalogue.
    #[arg(long, default_value = "catalog")]
    catalog: PathBuf,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Train { data, base, out, epochs, made, seed, rate, part } => {
            train(&data, &base, &out, &Run { epochs, made, seed, rate, part })
        }
        Command::Calibrate { data, model } => calibrate(&data, &model),
        Command::Evaluate { data, model } => {
            let texts = texts(&data)?;
            let detector = EncoderDetector::load(&model)?;
            println!("{:#}", check::measured(&detector, &data.data, &texts.dev, &texts.clean, &texts.lexicon)?);
            Ok(())
        }
        Command::Latency { model } => {
            println!("{:#}", check::latency(&EncoderDetector::load(&model)?)?);
            Ok(())
        }
        Command::Show { model, texts } => show(&model, &texts),
    }
}

fn show(model: &Path, texts: &[String]) -> Result<()> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let judgements = EncoderDetector::load(model)?.judge(&texts)?;
    for (text, judgement) in texts.iter().zip(judgements) {
        println!("{:.4}  {text}", judgement.score);
        for span in judgement.spans {
            let range = (span.end - span.start) as usize;
            let part: String = text.chars().skip(span.start as usize).take(range).collect();
            println!("        {part:?} {} {:.2} {:?}", span.category, span.confidence, span.suggestion);
        }
    }
    Ok(())
}

fn texts(data: &Data) -> Result<Texts> {
    let mut clean = corpus::treebanks(&data.data)?;
    let own = corpus::catalogue(&data.catalog, &Lexicon::learn(&clean.train));
    clean.train.extend(own);
    let lexicon = Arc::new(Lexicon::learn(&clean.train));
    let mut fce = corpus::fce_part(&data.data, "train")?;
    let dev = fce.split_off(fce.len().saturating_sub(DEV));
    println!("sentences: clean {}, FCE {}, development {}", clean.train.len(), fce.len(), dev.len());
    Ok(Texts { clean, lexicon, fce, dev })
}

struct Run {
    epochs: u32,
    made: u32,
    seed: u64,
    rate: f64,
    part: f64,
}

fn train(data: &Data, base: &Path, out: &Path, run: &Run) -> Result<()> {
    let mut texts = texts(data)?;
    texts.fce.truncate((texts.fce.len() as f64 * run.part) as usize);
    texts.clean.train.truncate((texts.clean.train.len() as f64 * run.part) as usize);
    let sound = course::sound(&texts.fce, &texts.lexicon);
    println!("sentences of FCE without a mistake: {}", sound.len());
    texts.clean.train.extend(sound);
    let mut rng = Rng::new(run.seed);
    let (tensors, pieces) = base::read(base, &mut rng)?;
    gemm::set_threading_threshold(usize::MAX);

    // What there is after each pass is written, so that a run that is cut short leaves a model.
    let write = |tensors: &Tensors, passes: u32| -> Result<()> {
        let (_, _, detector) = packed(tensors, &pieces, &texts.lexicon, manifest(run), check::UNFITTED)?;
        let calibration = check::calibrated(detector, &texts.dev)?;
        let (weights, mut manifest, _) = packed(tensors, &pieces, &texts.lexicon, manifest(run), calibration)?;
        manifest.metrics = json!({"passes": passes, "of": run.made + run.epochs});
        written(out, &weights, &manifest)
    };
    let course = Course { texts: &texts, pieces: &pieces, rate: run.rate, started: Instant::now() };
    let begun = course.stage(tensors, run.made, false, &mut rng, write)?;
    let mut rng = Rng::new(rng.next());
    let found = course.stage(begun, run.epochs, true, &mut rng, |tensors, pass| write(tensors, run.made + pass))?;
    finish(&found, &pieces, manifest(run), (&data.data, out), &texts)
}

/// Weights, their manifest, and a detector of both.
fn packed(
    tensors: &Tensors,
    pieces: &str,
    lexicon: &Lexicon,
    mut manifest: Manifest,
    calibration: Calibration,
) -> Result<(Vec<u8>, Manifest, EncoderDetector)> {
    let mut all = Vec::new();
    for (name, tensor) in tensors {
        all.push((name.clone(), tensor.to_dtype(DType::F16)?));
    }
    all.push(("word_pieces".to_owned(), Tensor::new(pieces.as_bytes(), &Device::Cpu)?));
    all.push(("vocabulary".to_owned(), Tensor::new(lexicon.vocabulary().as_bytes(), &Device::Cpu)?));
    all.push(("calibration".to_owned(), Tensor::new(&calibration.to_values(), &Device::Cpu)?));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let weights = safetensors::serialize(all, None)?;
    manifest.weights_sha256 = sha256(&weights);
    let detector = EncoderDetector::from_bytes(&weights, &serde_json::to_string(&manifest)?)?;
    Ok((weights, manifest, detector))
}

/// Fits what is fitted after training, measures, and writes the folder.
fn finish(
    tensors: &Tensors,
    pieces: &str,
    manifest: Manifest,
    (data, out): (&Path, &Path),
    texts: &Texts,
) -> Result<()> {
    let (_, manifest, detector) = packed(tensors, pieces, &texts.lexicon, manifest, check::UNFITTED)?;
    let calibration = check::calibrated(detector, &texts.dev)?;
    let (weights, mut manifest, detector) = packed(tensors, pieces, &texts.lexicon, manifest, calibration)?;
    manifest.metrics = check::measured(&detector, data, &texts.dev, &texts.clean, &texts.lexicon)?;
    written(out, &weights, &manifest)?;
    println!("{:#}\n{} bytes", manifest.metrics, weights.len());
    Ok(())
}

fn written(out: &Path, weights: &[u8], manifest: &Manifest) -> Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join(WEIGHTS), weights)?;
    Ok(fs::write(out.join(MANIFEST), format!("{}\n", serde_json::to_string_pretty(manifest)?))?)
}

fn calibrate(data: &Data, folder: &Path) -> Result<()> {
    let texts = texts(data)?;
    let manifest: Manifest = serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST))?)?;
    let weights = fs::read(folder.join(WEIGHTS))?;
    if sha256(&weights) != manifest.weights_sha256 {
        return Err("these weights are not those of their manifest".into());
    }
    let mut tensors = candle_core::safetensors::load_buffer(&weights, &Device::Cpu)?;
    tensors.retain(|name, _| !matches!(name.as_str(), "calibration" | "vocabulary"));
    let pieces = tensors.remove("word_pieces").ok_or("the weights have no word pieces")?.to_vec1::<u8>()?;
    finish(&tensors, &String::from_utf8(pieces)?, manifest, (&data.data, folder), &texts)
}

fn manifest(run: &Run) -> Manifest {
    let source = |name: &str, licence: &str, address: &str| Source {
        name: name.into(),
        licence: licence.into(),
        address: address.into(),
    };
    let Run { epochs, made, seed, rate, part } = run;
    let part = if *part < 1.0 { format!(" --part {part}") } else { String::new() };
    Manifest {
        kind: Some("encoder".to_owned()),
        model_id: MODEL_ID.into(),
        weights_sha256: String::new(),
        training_command: format!(
            "cargo run --release -p baeum-ml --example train-encoder -- train --data DATA --base BASE --out OUT \
             --epochs {epochs} --made {made} --seed {seed} --rate {rate}{part}"
        ),
        seed: *seed,
        data: vec![
            source(
                "MiniLM-L6-H384-uncased as all-MiniLM-L6-v2 (weights that training begins with, and word pieces)",
                "Apache-2.0",
                "https://github.com/UKPLab/sentence-transformers",
            ),
            source(
                "FCE, training part (error detection tokens)",
                "research and education only, not commercial: these weights are not to be passed on",
                "https://github.com/adsglass/NGram-ErrorDetection",
            ),
            source(
                "UD English EWT, training documents",
                "CC BY-SA 4.0",
                "https://github.com/UniversalDependencies/UD_English-EWT",
            ),
            source("UD English PUD", "CC BY-SA 3.0", "https://github.com/UniversalDependencies/UD_English-PUD"),
            source("Baeum catalogue", "own", "catalog/"),
        ],
        metrics: Value::Null,
    }
}
