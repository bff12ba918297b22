//! The recommender on simulated learners: its reward beside that of other policies, and off-policy estimates beside the
//! truth. The figures in `docs/models.md` are its output.
//!
//! ```sh
//! cargo run --release -p baeum-ml --example simulate-recommender -- contest --seeds 24
//! cargo run --release -p baeum-ml --example simulate-recommender -- off-policy --seeds 6
//! ```

#![allow(clippy::print_stdout, reason = "a command-line tool")]

/// The charts of `baeum irt`.
#[path = "../../server/src/irt/chart.rs"]
#[allow(dead_code, reason = "not every chart needs all of it")]
mod chart;

use std::fmt::Write as _;

use baeum_ml::recommendation::{
    settings::Settings,
    simulation::{
        contest::{Contest, Outcome, Policy},
        off_policy::{Score, Trial, judge},
        world::World,
    },
};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulated learners and a recommender
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Policies side by side in the same worlds
    Contest {
        /// How many worlds, of the seeds from FIRST on
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(2..=1000))]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 1)]
        first: u64,
        /// α of LinUCB
        #[arg(long, default_value_t = Settings::default().exploration)]
        exploration: f64,
        /// τ of the draw
        #[arg(long, default_value_t = Settings::default().temperature)]
        temperature: f64,
        /// Writes the mean reward of each day of each policy, and the gain of each seed, as comma-separated values
        #[arg(long, value_name = "FILE.csv")]
        csv: Option<std::path::PathBuf>,
        /// Draws the mean reward of each day as an SVG file
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<std::path::PathBuf>,
    },
    /// Estimators of other policies from the log of the recommender, against the truth
    OffPolicy {
        /// How many worlds
        #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=1000))]
        seeds: u64,
        /// Choices in a log
        #[arg(long, default_value_t = 2000)]
        choices: usize,
        /// Logs of each world
        #[arg(long, default_value_t = 100)]
        logs: u64,
    },
}

const POLICIES: [Policy; 6] =
    [Policy::Random, Policy::MostPopular, Policy::Als, Policy::Content, Policy::Recommender, Policy::Oracle];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match CommandLine::parse().what {
        What::Contest { seeds, first, exploration, temperature, csv, plot } => {
            let contest = Contest {
                settings: Settings { exploration, temperature, ..Settings::default() },
                ..Contest::default()
            };
            contest.settings.check()?;
            let outcomes = run_contest(&contest, first, seeds);
            if let Some(path) = csv {
                std::fs::write(path, lines(first, &outcomes))?;
            }
            if let Some(path) = plot {
                std::fs::write(path, draw(&contest, seeds, &outcomes))?;
            }
            Ok(())
        }
        What::OffPolicy { seeds, choices, logs } => {
            run_off_policy(seeds, Trial { choices, logs });
            Ok(())
        }
    }
}

/// A mean with half the width of its 95 % interval by Student's t.
fn interval(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (count - 1.0);
    (mean, student(count - 1.0) * (variance / count).sqrt())
}

/// The 97.5 % quantile of Student's t, by the expansion of Cornish and Fisher; within 0.01 from 4 degrees on.
fn student(freedom: f64) -> f64 {
    let z: f64 = 1.959_964;
    let first = (z.powi(3) + z) / (4.0 * freedom);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom);
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * freedom.powi(3));
    z + first + second + third
}

fn run_contest(contest: &Contest, first: u64, seeds: u64) -> Vec<Vec<Outcome>> {
    let mut outcomes: Vec<Vec<Outcome>> = vec![vec![]; POLICIES.len()];
    for seed in first..first + seeds {
        let world = World::new(contest.size, seed);
        for (of, policy) in outcomes.iter_mut().zip(POLICIES) {
            of.push(contest.run(&world, policy, seed));
        }
    }
    let last = |outcome: &Outcome| outcome.days.iter().rev().take(5).sum::<f64>() / 5.0;
    println!(
        "{} contents, {} learners, {} days, seeds {first} to {}; mean reward of a choice ± 95 %\n",
        contest.size.contents,
        contest.size.learners,
        contest.days,
        first + seeds - 1
    );
    println!("| policy | all days | last five days |\n|---|---|---|");
    for (of, policy) in outcomes.iter().zip(POLICIES) {
        let (all, within) = interval(&of.iter().map(Outcome::reward).collect::<Vec<_>>());
        let (end, end_within) = interval(&of.iter().map(last).collect::<Vec<_>>());
        println!("| {policy} | {all:.3} ± {within:.3} | {end:.3} ± {end_within:.3} |");
    }
    println!("\n| the recommender's reward beside | more, by seed, ± 95 % | lowest of a seed |\n|---|---|---|");
    let mine = &outcomes[4];
    for (of, policy) in outcomes.iter().zip(POLICIES).take(4) {
        tell_gain(&policy.to_string(), mine, of.iter().map(Outcome::reward));
    }
    let best = (0..mine.len()).map(|seed| outcomes[..3].iter().map(|of| of[seed].reward()).fold(0.0, f64::max));
    tell_gain("the best of the first three in each world", mine, best);
    outcomes
}

fn lines(first: u64, outcomes: &[Vec<Outcome>]) -> String {
    let mut lines = String::from("seed,policy,day,reward\n");
    for (of, policy) in outcomes.iter().zip(POLICIES) {
        for (seed, outcome) in (first..).zip(of) {
            for (day, reward) in outcome.days.iter().enumerate() {
                let _ = writeln!(lines, "{seed},\"{policy}\",{day},{reward:.6}");
            }
        }
    }
    lines
}

/// The mean over worlds of each day.
fn draw(contest: &Contest, seeds: u64, outcomes: &[Vec<Outcome>]) -> String {
    let days = 1..=u32::try_from(contest.days).unwrap_or(u32::MAX);
    let worlds = f64::from(u32::try_from(seeds).unwrap_or(u32::MAX));
    let line = |(at, (of, policy)): (usize, (&Vec<Outcome>, Policy))| {
        let mean = |day: u32| of.iter().filter_map(|it| it.days.get(day as usize - 1)).sum::<f64>() / worlds;
        chart::Line {
            name: Some(policy.to_string()),
            colour: chart::colour(at),
            width: 2.2,
            opacity: 1.0,
            on_right: false,
            points: days.clone().map(|day| (f64::from(day), mean(day))).collect(),
        }
    };
    let chart = chart::Chart {
        title: "Mean reward of a recommendation, by day (simulated learners)".into(),
        subtitle: format!("{} contents, {} learners, {seeds} worlds", contest.size.contents, contest.size.learners),
        x: chart::Axis { label: "day".into(), range: (1.0, f64::from(*days.end())) },
        y: chart::Axis { label: "share watched to the end".into(), range: (0.0, 0.9) },
        right: None,
        lines: outcomes.iter().zip(POLICIES).enumerate().map(line).collect(),
        dots: (String::new(), vec![]),
        scale: None,
    };
    chart.render()
}

fn tell_gain(name: &str, mine: &[Outcome], others: impl Iterator<Item = f64>) {
    let gains: Vec<f64> = mine.iter().zip(others).map(|(mine, other)| 100.0 * (mine.reward() / other - 1.0)).collect();
    let (gain, within) = interval(&gains);
    let lowest = gains.iter().copied().fold(f64::INFINITY, f64::min);
    println!("| {name} | {gain:.1} % ± {within:.1} | {lowest:.1} % |");
}

fn run_off_policy(seeds: u64, trial: Trial) {
    let contest = Contest::default();
    println!("{} choices a log, {} logs of each of {seeds} worlds (seeds 1 to {seeds})\n", trial.choices, trial.logs);
    println!(
        "| policy | truth | effective choices | estimator | bias | RMSE | 95 % covers |\n|---|---|---|---|---|---|---|"
    );
    let judged: Vec<_> =
        (1..=seeds).map(|seed| judge(&contest, trial, &World::new(contest.size, seed), seed)).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (mut sum, mut count) = (0.0, 0.0);
        for value in values {
            sum += value;
            count += 1.0;
        }
        sum / count
    };
    for policy in 0..judged[0].len() {
        let of = || judged.iter().map(|world| &world[policy]);
        for estimator in 0..4 {
            let score = |get: fn(&Score) -> f64| mean(&mut of().map(|it| get(&it.scores[estimator].1)));
            println!(
                "| {} | {:.3} | {:.0} | {} | {:+.4} | {:.4} | {:.1} % |",
                of().next().map_or("", |it| it.policy),
                mean(&mut of().map(|it| it.truth)),
                mean(&mut of().map(|it| it.effective)),
                judged[0][policy].scores[estimator].0,
                score(|it| it.bias),
                mean(&mut of().map(|it| it.scores[estimator].1.rmse.powi(2))).sqrt(),
                100.0 * score(|it| it.coverage),
            );
        }
    }
}
