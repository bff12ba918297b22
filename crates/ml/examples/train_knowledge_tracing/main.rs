//! Fits and trains knowledge tracing, and measures it on students that it never saw. `docs/models.md` says where the
//! data come from.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on standard output")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts of answers are far below where these lose anything"
)]
#![allow(unreachable_pub, reason = "an example has no users")]

mod assistments;
mod bayes;
mod deep;
#[path = "../train_error_detector/rng.rs"]
#[allow(dead_code, reason = "shared with the other trainer")]
mod rng;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, time::Instant};

use baeum_ml::progress::{dkt, measure::Quality};
use clap::Parser;

use assistments::{Data, PARTS, Student};
use bayes::{Kind, Means, Tracer};
use deep::{LONGEST, Learner, Plan};

/// The system allocator is several times slower on the many short-lived tensors of training.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures knowledge tracing on ASSISTments 2009: three parts to fit, one to choose by, one to measure.
#[derive(Parser)]
struct Cli {
    /// The folder data/assist2009_pid of github.com/arghosh/AKT.
    #[arg(long)]
    data: PathBuf,
    /// Which of the five parts are measured on, each by models that were fitted to others.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..=5))]
    parts: Vec<u8>,
    /// Passes over the data of the network at most; 0 leaves it out.
    #[arg(long, default_value_t = 30)]
    epochs: usize,
    /// Width of its state.
    #[arg(long, default_value_t = 64)]
    hidden: usize,
    /// Its highest learning rate.
    #[arg(long, default_value_t = 5e-3)]
    rate: f64,
    /// Share of its state that is dropped while training.
    #[arg(long, default_value_t = 0.3)]
    dropout: f64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Threads of the training; they change nothing but the time.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where to write the weights of the network of the first part, as safetensors.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), String> {
    let data = assistments::read(&cli.data)?;
    let answers: usize = data.students.iter().map(|student| student.answers.len()).sum();
    println!(
        "{} students, {} rows: {} are of an answer that is there for another skill, {} of a problem answered before; \
         {answers} answers to {} problems of {} sets of skills remain",
        data.students.len(),
        data.rows,
        data.of_another_skill,
        data.again,
        data.problems,
        data.skills.len(),
    );
    let mut all: BTreeMap<usize, (&'static str, Vec<Quality>)> = BTreeMap::new();
    for (number, part) in cli.parts.iter().enumerate() {
        let test = usize::from(part - 1);
        println!("\npart {part}");
        for (place, (name, foretold)) in measure(cli, &data, test, number == 0)?.into_iter().enumerate() {
            let quality = Quality::of(&foretold).ok_or("all answers are the same")?;
            print_quality(name, quality);
            all.entry(place).or_insert((name, vec![])).1.push(quality);
        }
    }
    if cli.parts.len() > 1 {
        println!("\nmean over {} parts", cli.parts.len());
        for (name, qualities) in all.into_values() {
            let mean = |of: fn(&Quality) -> f64| qualities.iter().map(of).sum::<f64>() / qualities.len() as f64;
            let (auc, log_loss, rmse) = (mean(|it| it.auc), mean(|it| it.log_loss), mean(|it| it.rmse));
            let answers = qualities.iter().map(|it| it.answers).sum();
            print_quality(name, Quality { answers, auc, log_loss, rmse });
        }
    }
    Ok(())
}

fn print_quality(name: &str, Quality { answers, auc, log_loss, rmse }: Quality) {
    println!("  {name:<52} AUC {auc:.4}  log loss {log_loss:.4}  RMSE {rmse:.4}  ({answers} answers)");
}

type Foretold = Vec<(&'static str, Vec<(f64, bool)>)>;

/// What every model foretells of the answers of a part, but for the first of each student, which the network has nothing
/// to go by.
fn measure(cli: &Cli, data: &Data, test: usize, write: bool) -> Result<Foretold, String> {
    let validation = (test + 1) % PARTS;
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<&Student> {
        data.students.iter().filter(|student| wanted(student.part)).collect()
    };
    let (train, tested) = (of(&|part| part != test && part != validation), of(&|part| part == test));
    let mut found: Foretold = vec![];
    let means = Means::fit(data, &train);
    let by_means: Vec<_> = tested.iter().flat_map(|it| means.foretell(it).into_iter().skip(1)).collect();
    found.push(("mean of the skill", by_means.iter().map(|(skill, _, right)| (*skill, *right)).collect()));
    found.push(("mean of the problem", by_means.iter().map(|(_, problem, right)| (*problem, *right)).collect()));
    for (name, forgetting, item_weight) in [
        ("BKT", false, None),
        ("BKT with forgetting", true, None),
        ("BKT with forgetting and problems of their own", true, Some(10.0)),
    ] {
        let tracer = Tracer::fit(data, &train, Kind { forgetting, item_weight });
        found.push((name, tested.iter().flat_map(|it| tracer.foretell(it).into_iter().skip(1)).collect()));
    }
    if cli.epochs > 0 {
        let chosen_by = of(&|part| part == validation);
        let foretold = deep(cli, data, [&train, &chosen_by, &tested], write).map_err(|error| error.to_string())?;
        found.push(("DKT", foretold));
    }
    Ok(found)
}

fn deep(
    cli: &Cli,
    data: &Data,
    [train, validation, test]: [&[&Student]; 3],
    write: bool,
) -> candle_core::Result<Vec<(f64, bool)>> {
    let plan = Plan {
        hidden: cli.hidden,
        epochs: cli.epochs,
        patience: 5,
        batch: 32,
        rate: cli.rate,
        dropout: cli.dropout,
        seed: cli.seed,
        threads: cli.threads,
    };
    let sequences = |students: &[&Student]| -> Vec<Vec<dkt::Answer>> {
        let answer = |it: &assistments::Answer| dkt::Answer { skill: it.skill as u32, right: it.right };
        students.iter().map(|student| student.answers.iter().map(answer).collect()).collect()
    };
    let (train, validation, test) = (sequences(train), sequences(validation), sequences(test));
    let cut: Vec<&[dkt::Answer]> = train.iter().flat_map(|it| it.chunks(LONGEST)).filter(|it| it.len() > 1).collect();
    let validation: Vec<&[dkt::Answer]> = validation.iter().map(Vec::as_slice).filter(|it| it.len() > 1).collect();
    let test: Vec<&[dkt::Answer]> = test.iter().map(Vec::as_slice).filter(|it| it.len() > 1).collect();
    let mut learner = Learner::new(data.skills.len(), plan)?;
    let start = Instant::now();
    learner.train(&cut, &validation, |epoch, loss, auc| {
        let seconds = start.elapsed().as_secs();
        println!("  pass {:>2}: loss {loss:.4}, AUC of validation {auc:.4}, {seconds} s", epoch + 1);
    })?;
    if let Some(path) = cli.out.as_ref().filter(|_| write) {
        candle_core::safetensors::save(&learner.tensors()?, path)?;
    }
    learner.foretell(&test)
}
