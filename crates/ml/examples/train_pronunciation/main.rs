//! Trains the speech model and measures it. `docs/models.md` says where the data come from.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on standard output")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a corpus are far below where these lose anything"
)]
#![allow(unreachable_pub, reason = "an example has no users")]

mod align;
/// The charts of `baeum irt`.
#[path = "../../../server/src/irt/chart.rs"]
#[allow(dead_code, reason = "not every chart needs all of it")]
mod chart;
mod corpus;
mod fit;
mod learn;
mod measure;
#[path = "../train_error_detector/rng.rs"]
mod rng;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baeum_domain::learning::speech::{Listener, Speech};
use baeum_ml::learning::error_detector::manifest::{Manifest, Source, sha256};
use baeum_ml::learning::pronunciation::lexicon::Lexicon;
use baeum_ml::learning::pronunciation::model::Network;
use baeum_ml::learning::pronunciation::verdict::Thresholds;
use baeum_ml::learning::pronunciation::{Heard, MANIFEST, PRIOR_WEIGHT, PhoneModel, WEIGHTS};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use clap::{Args, Parser, Subcommand};
use serde_json::{Value, json};

use corpus::Utterance;
use learn::Learner;
use measure::{MEASURE_SEED, Plant, cases, errors, lowest, planted, short, strangers};
use rng::Rng;

/// Whatever went wrong, in a line.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The system allocator is several times slower on the many short-lived tensors of training.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODEL_ID: &str = "baeum-pronunciation-1";
/// Share of right sounds below which one is shown as another.
const SHOWN: f64 = 0.05;
/// Share of words that were said which is taken for left out. To be told that one left out a word that one said is worse than
/// to be told that one said it badly.
const REFUSED_WORDS: f64 = 0.05;
/// Share of recordings of the text that are refused as other words.
const REFUSED_TEXTS: f64 = 0.02;

/// What goes with the weights wherever they go, so it is a part of their file.
const NOTICES: &str = concat!(
    "Trained on speechocean762 (Zhang et al., 2021), CC BY 4.0, https://github.com/jimbozhang/speechocean762. ",
    "Pronunciations from the CMU Pronouncing Dictionary, of which this is the notice:\n\n",
    include_str!("../../../../docs/licences/cmudict.txt")
);

/// Before anything is fitted.
const UNFITTED: Thresholds = Thresholds { text: 0.0, word: 0.0, sound: 0.0 };

/// Trains and measures the speech model.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Data {
    /// Folder of speechocean762: WAVE, train, test, resource.
    #[arg(long)]
    corpus: PathBuf,
    /// Folder of the CMU Pronouncing Dictionary.
    #[arg(long)]
    cmudict: PathBuf,
    /// Folder with weights and manifest.
    #[arg(long, default_value = "speech-model")]
    weights: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Trains, measures, and writes weights and manifest.
    Train {
        #[command(flatten)]
        data: Data,
        /// Passes over the data.
        #[arg(long, default_value_t = 22)]
        epochs: u32,
        /// Seed of everything random.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Highest learning rate.
        #[arg(long, default_value_t = 2e-3)]
        rate: f64,
        /// Threads, 1 or 2: the same bits, sooner.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Folder of weights to go on from, instead of from chance.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Fits the judge and the thresholds to a trained network again, measures, and writes weights and manifest.
    Calibrate {
        #[command(flatten)]
        data: Data,
        /// Measures on every so many-th recording of the test part only.
        #[arg(long, default_value_t = 1)]
        every: usize,
        /// Stops before the test part is looked at, and writes nothing: for choosing.
        #[arg(long)]
        blind: bool,
        /// Draws the ROC curves of planted mistakes as an SVG file.
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Measures how much faster than speech verdicts are, one after the other.
    Speed {
        #[command(flatten)]
        data: Data,
    },
    /// Prints the verdict on a recording.
    Show {
        /// Folder with weights and manifest.
        #[arg(long, default_value = "speech-model")]
        weights: PathBuf,
        /// An audio file.
        audio: PathBuf,
        /// What was to be said.
        text: String,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Train { data, epochs, seed, rate, threads, from } => {
            train(&data, epochs, seed, rate, threads, from.as_deref())
        }
        Command::Calibrate { data, every, blind, plot } => calibrate(&data, every, blind, plot.as_deref()),
        Command::Speed { data } => speed(&data),
        Command::Show { weights, audio, text } => {
            let verdict = PhoneModel::load(&weights)?.listen(&Speech { audio: &fs::read(audio)?, text: &text })?;
            println!("{:#}", serde_json::to_value(verdict)?);
            Ok(())
        }
    }
}

fn train(data: &Data, epochs: u32, seed: u64, peak: f64, threads: usize, from: Option<&Path>) -> Result<()> {
    let started = Instant::now();
    let lexicon = corpus::lexicon(&data.cmudict, &data.corpus)?;
    let corpus = corpus::read(&data.corpus, &lexicon)?;
    let hours = |part: &[Utterance]| part.iter().map(|u| u.frames[0].len()).sum::<usize>() as f64 / 180_000.0;
    println!(
        "recordings: train {}, validation {}, test {}; hours without silence at the ends: {:.2}, {:.2}, {:.2}; {} pronunciations; {:.0} s",
        corpus.train.len(),
        corpus.validation.len(),
        corpus.test.len(),
        hours(&corpus.train),
        hours(&corpus.validation),
        hours(&corpus.test),
        lexicon.len(),
        started.elapsed().as_secs_f64()
    );
    let mut rng = Rng::new(seed);
    let before = from.map(stored).transpose()?;
    let gaussians = if before.is_some() { align::Gaussians::fit(&[]) } else { align::Gaussians::fit(&corpus.train) };
    println!("flat start: {:.0} s", started.elapsed().as_secs_f64());
    let cores = std::env::var("RAYON_NUM_THREADS").map(|n| format!("RAYON_NUM_THREADS={n} ")).unwrap_or_default();
    let mut command = format!(
        "{cores}cargo run --release -p baeum-ml --example train-pronunciation -- train --corpus speechocean762 --cmudict cmudict --epochs {epochs} --seed {seed} --rate {peak}"
    );
    let mut learner = Learner::new(&corpus.train, gaussians, threads, &mut rng)?;
    if let Some((tensors, manifest)) = before {
        command = format!("{}; then {command} --from the weights of that", manifest.training_command);
        learner.go_on_from(&tensors)?;
    }
    let mut manifest = manifest(command, seed);
    for epoch in 0..epochs {
        let rate = |part: f64| {
            let done = (f64::from(epoch) + part) / f64::from(epochs);
            peak * (done * f64::from(epochs)).min(1.0) * (0.5 + 0.5 * (done * std::f64::consts::PI).cos()).max(0.01)
        };
        let loss = learner.epoch(&corpus.train, epoch, rate, &mut rng)?;
        let heard = heard(&learner.tensors(), &learner.prior, &corpus.validation, 0)?;
        let found = cases(&corpus.validation, &heard, Plant::Uniform, &mut Rng::new(MEASURE_SEED));
        let found: Vec<_> =
            found.iter().flatten().map(|case| (f64::from(case.evidence.values[1]), case.right)).collect();
        println!(
            "epoch {:>2}: loss {loss:.4}, AUC without a judge {:.4} on validation, {:.0} s",
            epoch + 1,
            measure::auc(&found),
            started.elapsed().as_secs_f64()
        );
        // What is there so far: `calibrate` makes a whole model of it, should the run be cut off.
        let weights = serialized(&shipped(&learner, &lexicon)?, UNFITTED)?;
        manifest.weights_sha256 = sha256(&weights);
        write(&data.weights, &weights, &manifest)?;
    }
    finish(shipped(&learner, &lexicon)?, &manifest, &corpus, &data.weights, None)
}

/// The tensors of the file, but for those that are fitted after training.
fn shipped(learner: &Learner, lexicon: &Lexicon) -> Result<HashMap<String, Tensor>> {
    let mut tensors = learner.tensors();
    tensors.insert("prior".to_owned(), Tensor::new(learner.prior.as_slice(), &Device::Cpu)?);
    tensors.insert("lexicon".to_owned(), Tensor::new(lexicon.text().as_bytes(), &Device::Cpu)?);
    Ok(tensors)
}

/// The tensors in a folder, and their manifest.
fn stored(folder: &Path) -> Result<(HashMap<String, Tensor>, Manifest)> {
    let manifest: Manifest = serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST))?)?;
    let weights = fs::read(folder.join(WEIGHTS))?;
    if sha256(&weights) != manifest.weights_sha256 {
        return Err("these weights are not those of their manifest".into());
    }
    Ok((candle_core::safetensors::load_buffer(&weights, &Device::Cpu)?, manifest))
}

fn calibrate(data: &Data, every: usize, blind: bool, plot: Option<&Path>) -> Result<()> {
    let (tensors, manifest) = stored(&data.weights)?;
    let lexicon = tensors.get("lexicon").ok_or("the weights have no dictionary")?.to_vec1::<u8>()?;
    let lexicon = Lexicon::parse(String::from_utf8(lexicon)?);
    let mut corpus = corpus::read(&data.corpus, &lexicon)?;
    corpus.test = corpus.test.into_iter().step_by(every).collect();
    if blind {
        let figures = judged(tensors, &manifest, &corpus)?.figures;
        println!("{figures:#}");
        return Ok(());
    }
    finish(tensors, &manifest, &corpus, &data.weights, plot)
}

/// What a network hears in a version of recordings.
fn heard(tensors: &HashMap<String, Tensor>, prior: &[f32], part: &[Utterance], version: usize) -> Result<Vec<Heard>> {
    let network = Network::new(&VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu))?;
    part.iter().map(|u| Ok(Heard::new(network.run(&u.frames[version].values)?, prior, PRIOR_WEIGHT))).collect()
}

/// A model of tensors, its file, and its manifest, which names the hash of that.
fn model(
    tensors: &HashMap<String, Tensor>,
    thresholds: Thresholds,
    manifest: &Manifest,
) -> Result<(Vec<u8>, PhoneModel, Manifest)> {
    let weights = serialized(tensors, thresholds)?;
    let manifest = Manifest { weights_sha256: sha256(&weights), ..manifest.clone() };
    let model = PhoneModel::from_bytes(&weights, &serde_json::to_string(&manifest)?)?;
    Ok((weights, model, manifest))
}

/// A whole model, and how well it does on the validation part.
struct Judged {
    weights: Vec<u8>,
    model: PhoneModel,
    manifest: Manifest,
    prior: Vec<f32>,
    tensors: HashMap<String, Tensor>,
    figures: Value,
}

/// Fits the judge to the training part and the thresholds to the validation part.
fn judged(mut tensors: HashMap<String, Tensor>, manifest: &Manifest, corpus: &corpus::Corpus) -> Result<Judged> {
    let started = Instant::now();
    for (name, tensor) in &mut tensors {
        if !matches!(name.as_str(), "lexicon" | "prior" | "thresholds") {
            // As it will be stored, so that the judge is fitted to what is shipped.
            *tensor = tensor.to_dtype(DType::F16)?.to_dtype(DType::F32)?;
        }
    }
    let prior = tensors.get("prior").ok_or("the weights have no prior")?.to_vec1::<f32>()?;
    let versions = corpus.train.first().map_or(0, |u| u.frames.len());
    let versions = (0..versions).map(|version| heard(&tensors, &prior, &corpus.train, version));
    let versions = versions.collect::<Result<Vec<_>>>()?;
    let mut rng = Rng::new(manifest.seed);
    let fitted = fit::rounds(&corpus.train, &versions, &mut rng);
    println!("heard and planted: {:.0} s", started.elapsed().as_secs_f64());
    tensors.extend(fit::judge(&fitted, &mut rng)?);
    println!("judge: {:.0} s", started.elapsed().as_secs_f64());
    let (_, unfitted, _) = model(&tensors, UNFITTED, manifest)?;
    let (part, heard) = (&corpus.validation, heard(&tensors, &prior, &corpus.validation, 0)?);
    let [words, texts] = strangers(&unfitted, part, &heard, MEASURE_SEED + 1)?;
    let mut figures = serde_json::Map::new();
    let mut right = Vec::new();
    for (name, plant) in [("uniform", Plant::Uniform), ("confused", Plant::Confused)] {
        let (scores, sounds) = measure::judged(&unfitted, part, &heard, plant, None)?;
        figures.insert(format!("{name}_auc"), json!(short(measure::auc(&scores))));
        figures.insert(format!("{name}_auc_within_sounds"), json!(short(measure::within(&scores, &sounds))));
        right.extend(scores);
    }
    let thresholds = Thresholds {
        text: lowest(&texts, REFUSED_TEXTS),
        word: lowest(&words, REFUSED_WORDS),
        sound: lowest(&right, SHOWN),
    };
    figures.insert("words_that_nobody_said".into(), errors(&words, thresholds.word));
    figures.insert("texts_of_other_recordings".into(), errors(&texts, thresholds.text));
    let (weights, model, manifest) = model(&tensors, thresholds, manifest)?;
    Ok(Judged { weights, model, manifest, prior, tensors, figures: Value::Object(figures) })
}

/// Fits judge and thresholds, measures, and writes weights and manifest.
fn finish(
    tensors: HashMap<String, Tensor>,
    manifest: &Manifest,
    corpus: &corpus::Corpus,
    out: &Path,
    plot: Option<&Path>,
) -> Result<()> {
    let started = Instant::now();
    let Judged { weights, model, mut manifest, prior, tensors, figures } = judged(tensors, manifest, corpus)?;
    println!("validation: {figures}, {:.0} s", started.elapsed().as_secs_f64());
    let test = heard(&tensors, &prior, &corpus.test, 0)?;
    let thresholds = model.thresholds();
    let [words, texts] = strangers(&model, &corpus.test, &test, MEASURE_SEED + 2)?;
    let metrics = json!({
        "measured_on": {"recordings": corpus.test.len(), "of_the_part": "test", "speakers_not_learned_from": true},
        "thresholds": {"text": short(thresholds.text), "word": short(thresholds.word), "sound": short(thresholds.sound)},
        "planted_uniform": planted(&model, &corpus.test, &test, Plant::Uniform, MEASURE_SEED)?,
        "planted_confused": planted(&model, &corpus.test, &test, Plant::Confused, MEASURE_SEED)?,
        "validation": figures,
        "words_that_nobody_said": errors(&words, thresholds.word),
        "texts_of_other_recordings": errors(&texts, thresholds.text),
    });
    manifest.metrics = metrics;
    write(out, &weights, &manifest)?;
    if let Some(plot) = plot {
        fs::write(plot, draw(&model, &corpus.test, &test)?)?;
    }
    println!("{:#}\n{} bytes, {:.0} s", manifest.metrics, weights.len(), started.elapsed().as_secs_f64());
    Ok(())
}

/// ROC curves of planted mistakes as an SVG file.
fn draw(model: &PhoneModel, utterances: &[Utterance], heard: &[Heard]) -> Result<String> {
    let kinds = [
        ("any other, adults", Plant::Uniform, false),
        ("any other, children", Plant::Uniform, true),
        ("confused with it, adults", Plant::Confused, false),
        ("confused with it, children", Plant::Confused, true),
    ];
    let line = |(at, (name, plant, child)): (usize, &(&str, Plant, bool))| -> Result<chart::Line> {
        let (scores, _) = measure::judged(model, utterances, heard, *plant, Some(*child))?;
        Ok(chart::Line {
            name: Some(format!("{name}: {:.3}", measure::auc(&scores))),
            colour: chart::colour(at),
            width: 2.2,
            opacity: 1.0,
            on_right: false,
            points: measure::roc(&scores),
        })
    };
    let chart = chart::Chart {
        title: "Mistakes planted into transcripts: found against falsely taken".into(),
        subtitle: "Speakers that nothing was learned from; with the area under each curve".into(),
        x: chart::Axis { label: "sounds left as they were that are taken for planted".into(), range: (0.0, 1.0) },
        y: chart::Axis { label: "planted sounds that are found".into(), range: (0.0, 1.0) },
        right: None,
        lines: kinds.iter().enumerate().map(line).collect::<Result<_>>()?,
        dots: (String::new(), vec![]),
        scale: None,
    };
    Ok(chart.render())
}

fn write(out: &Path, weights: &[u8], manifest: &Manifest) -> Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join(WEIGHTS), weights)?;
    fs::write(out.join(MANIFEST), format!("{}\n", serde_json::to_string_pretty(&manifest)?))?;
    Ok(())
}

/// The weights file: tensors as f16, the dictionary as bytes, shares and thresholds.
fn serialized(tensors: &HashMap<String, Tensor>, thresholds: Thresholds) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (name, tensor) in tensors.iter().filter(|(name, _)| *name != "thresholds") {
        let kept = matches!(name.as_str(), "lexicon" | "prior");
        all.push((name.clone(), if kept { tensor.clone() } else { tensor.to_dtype(DType::F16)? }));
    }
    all.push(("thresholds".to_owned(), Tensor::new(&thresholds.to_values(), &Device::Cpu)?));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let notices = HashMap::from([("notices".to_owned(), NOTICES.to_owned())]);
    Ok(safetensors::serialize(all, Some(notices))?)
}

/// From bytes to verdict, one recording after the other.
fn speed(data: &Data) -> Result<()> {
    let model = PhoneModel::load(&data.weights)?;
    let (mut seconds, mut took, mut count) = (0.0, 0.0, 0);
    let texts = fs::read_to_string(data.corpus.join("test/text"))?;
    let files = fs::read_to_string(data.corpus.join("test/wav.scp"))?;
    for (text, file) in texts.lines().zip(files.lines()).take(500) {
        let (Some((id, text)), Some((same, file))) = (text.split_once('\t'), file.split_once('\t')) else { continue };
        if id != same {
            continue;
        }
        let audio = fs::read(data.corpus.join(file))?;
        let started = Instant::now();
        let verdict = model.listen(&Speech { audio: &audio, text });
        took += started.elapsed().as_secs_f64();
        seconds += (audio.len() as f64 - 44.0) / 32_000.0;
        count += usize::from(verdict.is_ok());
    }
    println!(
        "{}",
        json!({"verdicts": count, "audio_s": short(seconds), "took_s": short(took), "real_time_factor": took / seconds})
    );
    Ok(())
}

fn manifest(training_command: String, seed: u64) -> Manifest {
    let source = |name: &str, licence: &str, address: &str| Source {
        name: name.into(),
        licence: licence.into(),
        address: address.into(),
    };
    Manifest {
        kind: None,
        model_id: MODEL_ID.into(),
        weights_sha256: String::new(),
        training_command,
        seed,
        data: vec![
            source(
                "speechocean762, training part",
                "CC BY 4.0; free for commercial and non-commercial purposes",
                "https://github.com/jimbozhang/speechocean762",
            ),
            source("CMU Pronouncing Dictionary", "BSD-2-Clause", "https://github.com/cmusphinx/cmudict"),
        ],
        metrics: Value::Null,
    }
}
