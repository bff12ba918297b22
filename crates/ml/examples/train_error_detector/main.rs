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
mod counts;
mod draft;
mod engine;
mod learn;
mod lexicon;
mod measure;
mod mistakes_choice;
mod mistakes_form;
mod mistakes_function;
mod mistakes_word;
mod plain;
mod plots;
mod rng;
mod rounds;
mod score;
mod start;
mod tagger;
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

use corpus::anyhow_lite::{Context, Result};
use corpus::{Clean, Example, Pair};
use corrupt::Corruptor;
use counts::{Counts, word_keys};
use learn::Learner;
use lexicon::Lexicon;
use rng::Rng;
use rounds::{Dealer, Texts};

/// The system allocator is several times slower on the many short-lived tensors of training.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WEIGHTS: &str = "error-detector.safetensors";
const MANIFEST: &str = "error-detector.json";
const MODEL_ID: &str = "baeum-error-detector-1";
/// Seed of the corruption that is measured on: the same for every run.
const MEASURE_SEED: u64 = 20_260_101;
/// Sentences left as they are. With the corruptor's rate, about one token in eight is wrong, as in essays of learners.
const CLEAN_SHARE: f64 = 0.25;

/// Before anything is fitted.
const UNFITTED: Calibration = Calibration { temperature: 1.0, threshold: 0.5, slope: 1.0, offset: 0.0 };
/// What precision on the validation part is enough for: spans are shown as hints, so more of them are worth more than
/// the last false one. The threshold is the lowest that has it, or that of the best F0.5 where this is lower still.
const PRECISION: f64 = 0.75;

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
        /// Rounds. Weights are written after every fourth, with a calibration that is not fitted yet.
        #[arg(long, default_value_t = 60)]
        rounds: u32,
        /// Sentences of a round.
        #[arg(long, default_value_t = 24_000)]
        sentences: usize,
        /// Seed of everything random.
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Weights of an earlier training to begin with, instead of random ones.
        #[arg(long)]
        start: Option<PathBuf>,
        /// Highest learning rate.
        #[arg(long, default_value_t = 2e-3)]
        rate: f64,
    },
    /// Fits temperature, threshold and score to weights again, measures, and writes weights and manifest.
    Calibrate {
        #[command(flatten)]
        data: Data,
        /// Folder with weights and manifest.
        #[arg(long, default_value = "crates/ml/weights")]
        weights: PathBuf,
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
        /// Draws the calibration of marks into this folder, as SVG.
        #[arg(long)]
        plots: Option<PathBuf>,
    },
    /// Prints sentences with the mistakes that training puts into them, each mistake followed by its category.
    Sample {
        #[command(flatten)]
        data: Data,
        /// How many.
        #[arg(long, default_value_t = 40)]
        sentences: usize,
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
        Command::Train { data, out, rounds, sentences, seed, start, rate } => {
            train(&data, &out, &Plan { rounds, sentences, seed, start, rate })
        }
        Command::Calibrate { data, weights } => calibrate(&data, &weights),
        Command::Evaluate { data, weights, write, plots } => evaluate(&data, &weights, write, plots.as_deref()),
        Command::Sample { data, sentences } => {
            let Read { plain, lexicon, .. } = texts(&data)?;
            let corruptor = Corruptor::new(&lexicon, CLEAN_SHARE);
            let mut rng = Rng::new(MEASURE_SEED);
            for _ in 0..sentences {
                let Some(words) = rng.pick(&plain).map(|words| lexicon.tagged(words)) else { continue };
                println!("{}", corruptor.example(&words, &mut rng).marked());
            }
            Ok(())
        }
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
    let weights = fs::read(folder.join(WEIGHTS))?;
    let manifest = fs::read_to_string(folder.join(MANIFEST))?;
    Ok(ErrorDetector::from_bytes(&weights, &manifest)?)
}

/// What was read, and what is known of its words.
struct Read {
    clean: Clean,
    plain: Vec<Vec<String>>,
    lexicon: Arc<Lexicon>,
}

/// All clean sentences, and what is known of their words.
fn texts(data: &Data) -> Result<Read> {
    let mut clean = corpus::treebanks(&data.data)?;
    let plain = plain::sentences_below(&data.data.join("text"))?;
    let mut lexicon = Lexicon::learn(&clean.train);
    let own = corpus::catalogue(&data.catalog, &lexicon);
    lexicon.count_plain(&plain);
    let misspellings = data.data.join("codespell/codespell_lib/data/dictionary.txt");
    lexicon.read_misspellings(&fs::read_to_string(&misspellings).context(|| misspellings.display().to_string())?);
    println!(
        "sentences: treebanks {}, catalogue {}, plain {} ({} words), validation {}, test {}",
        clean.train.len(),
        own.len(),
        plain.len(),
        plain.iter().map(Vec::len).sum::<usize>(),
        clean.validation.len(),
        clean.test.len()
    );
    clean.train.extend(own);
    Ok(Read { clean, plain, lexicon: Arc::new(lexicon) })
}

fn evaluate(data: &Data, weights: &Path, write: bool, plots: Option<&Path>) -> Result<()> {
    let Read { clean, lexicon, .. } = texts(data)?;
    let detector = load(weights)?;
    if let Some(folder) = plots {
        draw(&detector, folder, &data.data, &clean, &lexicon)?;
    }
    let metrics = measured(&detector, &data.data, &clean, &lexicon)?;
    println!("{metrics:#}");
    if write {
        let path = weights.join(MANIFEST);
        let mut manifest: Manifest = serde_json::from_str(&fs::read_to_string(&path)?)?;
        manifest.metrics = metrics;
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(&manifest)?))?;
    }
    Ok(())
}

/// Reliability of marks on the validation part, with mistakes put in, and on the FCE test part where it is there.
fn draw(detector: &ErrorDetector, folder: &Path, data: &Path, clean: &Clean, lexicon: &Arc<Lexicon>) -> Result<()> {
    fs::create_dir_all(folder)?;
    let threshold = detector.calibration().threshold;
    let put = |name: &str, title: &str, examples: &[Example]| -> Result<()> {
        let bins = plots::bins(&measure::look(detector, examples)?);
        let path = folder.join(name);
        Ok(fs::write(path, plots::reliability(title, &bins, measure::short(threshold)))?)
    };
    put("reliability-validation.svg", "EWT validation, mistakes put in", &validation(clean, lexicon))?;
    if let Ok(examples) = corpus::fce(data) {
        put("reliability-fce-test.svg", "FCE test, mistakes of learners", &examples)?;
    }
    Ok(())
}

/// The validation part with mistakes put in, always the same.
fn validation(clean: &Clean, lexicon: &Arc<Lexicon>) -> Vec<Example> {
    let mut rng = Rng::new(MEASURE_SEED + 1);
    let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
    clean.validation.iter().map(|words| corruptor.example(words, &mut rng)).collect()
}

fn calibrate(data: &Data, folder: &Path) -> Result<()> {
    let Read { clean, lexicon, .. } = texts(data)?;
    let manifest: Manifest = serde_json::from_str(&fs::read_to_string(folder.join(MANIFEST))?)?;
    let weights = fs::read(folder.join(WEIGHTS))?;
    if sha256(&weights) != manifest.weights_sha256 {
        return Err("these weights are not those of their manifest".into());
    }
    let mut tensors = candle_core::safetensors::load_buffer(&weights, &Device::Cpu)?;
    tensors.remove("calibration");
    finish(&tensors, manifest, (&data.data, folder), &clean, &lexicon)
}

/// Fits what is fitted after training, measures, and writes weights and manifest. From f16 or f32, the same.
fn finish(
    tensors: &HashMap<String, Tensor>,
    mut manifest: Manifest,
    (data, out): (&Path, &Path),
    clean: &Clean,
    lexicon: &Arc<Lexicon>,
) -> Result<()> {
    let mut with = |calibration: Calibration| -> Result<(Vec<u8>, ErrorDetector)> {
        let weights = serialized(tensors, calibration)?;
        manifest.weights_sha256 = sha256(&weights);
        let detector = ErrorDetector::from_bytes(&weights, &serde_json::to_string(&manifest)?)?;
        Ok((weights, detector))
    };
    let (_, detector) = with(UNFITTED)?;
    let calibration = calibrated(detector, clean, lexicon)?;
    let (weights, detector) = with(calibration)?;
    manifest.metrics = measured(&detector, data, clean, lexicon)?;
    write(out, &weights, &manifest)?;
    println!("{:#}\n{} bytes", manifest.metrics, weights.len());
    Ok(())
}

fn write(out: &Path, weights: &[u8], manifest: &Manifest) -> Result<()> {
    fs::create_dir_all(out)?;
    fs::write(out.join(WEIGHTS), weights)?;
    fs::write(out.join(MANIFEST), format!("{}\n", serde_json::to_string_pretty(manifest)?))?;
    Ok(())
}

/// How long and how fast to train.
struct Plan {
    rounds: u32,
    sentences: usize,
    seed: u64,
    start: Option<PathBuf>,
    rate: f64,
}

fn train(data: &Data, out: &Path, plan: &Plan) -> Result<()> {
    let started = Instant::now();
    let Read { clean, plain, lexicon } = texts(data)?;
    let vocabulary_text = lexicon.vocabulary();
    let vocabulary = Vocabulary::parse(&vocabulary_text);
    let treebanks = clean.train.iter().map(|words| word_keys(words.iter().map(|word| word.form.as_str())));
    let counted = treebanks.chain(plain.iter().map(|words| word_keys(words.iter().map(String::as_str))));
    let counts = Counts::of(counted);
    let paired = trained_pairs(&corpus::blimp(&data.data)?);
    println!("vocabulary {}, pairs {}, counted keys {}", vocabulary.len(), paired.len(), counts.len());

    let mut rng = Rng::new(plan.seed);
    let mut learner = Learner::new(&lexicon.tags(), plan.rate, &mut rng);
    if let Some(path) = &plan.start {
        println!("from {}: {}", path.display(), learner.begin_with(path, &vocabulary_text)?.join(" "));
    }
    let mut dealer = Dealer::new(plain.len(), &mut rng);
    let texts = Texts {
        tagged: &clean.train,
        plain: &plain,
        paired: &paired,
        lexicon: &lexicon,
        corruptor: &Corruptor::new(&lexicon, CLEAN_SHARE),
        vocabulary: &vocabulary,
        counts: &counts,
    };
    let shipped = |learner: &Learner| -> Result<HashMap<String, Tensor>> {
        let mut tensors = learner.tensors()?;
        tensors.insert("vocabulary".to_owned(), Tensor::new(vocabulary_text.as_bytes(), &Device::Cpu)?);
        tensors.insert("levels".to_owned(), Tensor::new(counts.evidence.bytes(), &Device::Cpu)?);
        Ok(tensors)
    };
    for round in 1..=plan.rounds {
        let rows = texts.round(plan.sentences, &mut dealer, &learner, &mut rng);
        let loss = learner.round(rows, &mut rng)?;
        println!("round {round:>2}: loss {loss:.4}, {:.0} s", started.elapsed().as_secs_f64());
        if round % 4 == 0 && round < plan.rounds {
            let weights = serialized(&shipped(&learner)?, UNFITTED)?;
            let so_far = Manifest { weights_sha256: sha256(&weights), ..manifest(plan, round) };
            write(out, &weights, &so_far)?;
        }
    }
    let tensors = shipped(&learner)?;
    finish(&tensors, manifest(plan, plan.rounds), (&data.data, out), &clean, &lexicon)
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

/// The weights file: tensors as f16 (vocabulary and evidence stay bytes), and the calibration.
fn serialized(tensors: &HashMap<String, Tensor>, calibration: Calibration) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (name, tensor) in tensors {
        let dtype = if tensor.dtype() == DType::U8 { DType::U8 } else { DType::F16 };
        all.push((name.clone(), tensor.to_dtype(dtype)?));
    }
    all.push(("calibration".to_owned(), Tensor::new(&calibration.to_values(), &Device::Cpu)?));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(safetensors::serialize(all, None)?)
}

/// Temperature by the log loss, then threshold, then the curve of the score, all on the validation part.
fn calibrated(mut detector: ErrorDetector, clean: &Clean, lexicon: &Arc<Lexicon>) -> Result<Calibration> {
    let examples = validation(clean, lexicon);
    let mut best = (f64::INFINITY, UNFITTED);
    for temperature in [0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75] {
        detector = detector.with_calibration(Calibration { temperature, ..UNFITTED });
        let seen = measure::look(&detector, &examples)?;
        let loss = measure::log_loss(&seen);
        if loss < best.0 {
            let (optimum, precise) = (measure::best_threshold(&seen), measure::precise_threshold(&seen, PRECISION));
            println!(
                "temperature {temperature}: log loss {loss:.4}; best F0.5 from {optimum}, precision from {precise:?}"
            );
            let threshold = precise.map_or(optimum, |precise| precise.min(optimum));
            best = (loss, Calibration { temperature, threshold, ..UNFITTED });
        } else {
            // The loss is convex in the reciprocal of the temperature: it only rises from here on.
            break;
        }
    }
    detector = detector.with_calibration(best.1);
    let (sound, flawed) = score::parts(&clean.validation, lexicon, MEASURE_SEED + 2);
    let (slope, offset) = score::fitted(&score::doubts(&detector, &sound)?, &score::doubts(&detector, &flawed)?)?;
    let calibration = Calibration { slope, offset, ..best.1 };
    println!("validation: log loss {:.4}, {calibration:?}", best.0);
    Ok(calibration)
}

/// Every figure of the manifest.
fn measured(detector: &ErrorDetector, data: &Path, clean: &Clean, lexicon: &Arc<Lexicon>) -> Result<Value> {
    let mut rng = Rng::new(MEASURE_SEED);
    let corruptor = Corruptor::new(lexicon, CLEAN_SHARE);
    let examples: Vec<Example> = clean.test.iter().map(|s| corruptor.example(s, &mut rng)).collect();
    let threshold = detector.calibration().threshold;
    let seen = measure::look(detector, &examples)?;
    let mut figures = json!({
        "calibration": {"temperature": measure::short(detector.calibration().temperature), "threshold": measure::short(threshold),
            "score_slope": measure::short(detector.calibration().slope), "score_offset": measure::short(detector.calibration().offset)},
        "synthetic_test": measure::as_json(&seen, threshold),
        "synthetic_test_details": measure::details(&seen, threshold),
    });
    let (sound, flawed) = score::parts(&clean.test, lexicon, MEASURE_SEED + 3);
    figures["score_test"] = score::figures(detector, &sound, &flawed)?;
    if let Ok(examples) = corpus::fce(data) {
        let seen = measure::look(detector, &examples)?;
        figures["fce_test"] = measure::as_json(&seen, threshold);
        figures["fce_test"]["sound_sentences_flagged"] = measure::sound(&seen, threshold).1.into();
        let at = |t: f64| measure::as_json(&seen, t);
        let (flawed, sound): (Vec<Example>, Vec<Example>) =
            examples.into_iter().partition(|example| example.tags.iter().any(|tag| *tag != 0));
        figures["fce_test_sentence_scores"] = score::figures(detector, &sound, &flawed)?;
        figures["fce_test_at_other_thresholds"] = json!([at(0.2), at(0.35), at(0.5), at(0.65), at(0.77), at(0.8)]);
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

fn manifest(Plan { sentences, seed, start, rate, .. }: &Plan, rounds: u32) -> Manifest {
    let start = if start.is_some() { " --start START" } else { "" };
    let threads = std::env::var("RAYON_NUM_THREADS").map(|n| format!("RAYON_NUM_THREADS={n} ")).unwrap_or_default();
    let source = |name: &str, licence: &str, address: &str| Source {
        name: name.into(),
        licence: licence.into(),
        address: address.into(),
    };
    Manifest {
        kind: Some("error-detector".to_owned()),
        model_id: MODEL_ID.into(),
        weights_sha256: String::new(),
        training_command: format!(
            "{threads}cargo run --release -p baeum-ml --example train-error-detector -- train --data DATA --rounds {rounds} --sentences {sentences} --seed {seed} --rate {rate}{start}"
        ),
        seed: *seed,
        data: vec![
            source(
                "UD English EWT, training documents",
                "CC BY-SA 4.0",
                "https://github.com/UniversalDependencies/UD_English-EWT",
            ),
            source("UD English PUD", "CC BY-SA 3.0", "https://github.com/UniversalDependencies/UD_English-PUD"),
            source("BLiMP, nine paradigms", "CC BY", "https://github.com/alexwarstadt/blimp"),
            source(
                "Standard Ebooks, 17 works of fiction by authors dead for 70 years and more",
                "public domain; edition CC0 1.0",
                "https://github.com/standardebooks",
            ),
            source("GSM8K, questions", "MIT", "https://github.com/openai/grade-school-math"),
            source(
                "WikiSplit, simple sentences of tune, validation and test",
                "CC BY-SA 4.0",
                "https://github.com/google-research-datasets/wiki-split",
            ),
            source(
                "codespell dictionary, misspellings",
                "CC BY-SA 3.0",
                "https://github.com/codespell-project/codespell",
            ),
            source("Baeum catalogue and sentence templates", "own", "catalog/"),
        ],
        metrics: Value::Null,
    }
}
