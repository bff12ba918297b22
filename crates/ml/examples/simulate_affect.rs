//! The affect filter on simulated learners. The figures in `docs/models.md` are its output, and say nothing about people.
//!
//! ```sh
//! cargo run --release -p baeum-ml --example simulate-affect -- --seeds 20
//! ```

#![allow(clippy::print_stdout, reason = "a command-line tool")]

/// The charts of `baeum irt`.
#[path = "../../server/src/irt/chart.rs"]
#[allow(dead_code, reason = "not every chart needs all of it")]
mod chart;

use baeum_ml::emotion::simulation::{Learners, Moment, STATES, one_against_rest, simulate, taken_for_troubled};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulated learners, and how well the filter tells their states apart
#[derive(Parser)]
struct CommandLine {
    /// How many groups of learners, of the seeds from 1 on
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=1000))]
    seeds: u64,
    /// Learners of a group
    #[arg(long, default_value_t = 400)]
    learners: u64,
    /// Signals of a learner
    #[arg(long, default_value_t = 60)]
    signals: usize,
    /// Draws the ROC curve of each state of the first group as an SVG file
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<std::path::PathBuf>,
}

fn main() -> std::io::Result<()> {
    let line = CommandLine::parse();
    let group = |seed: u64, pace: f64| simulate(&Learners { number: line.learners, signals: line.signals, pace, seed });
    println!(
        "SIMULATION: {} learners, {} signals each, seeds 1 to {}; AUC of each state against the rest, mean and range over seeds\n",
        line.learners, line.signals, line.seeds
    );
    let groups: Vec<Vec<Moment>> = (1..=line.seeds).map(|seed| group(seed, 1.0)).collect();
    println!("| state | share of moments | filter | range | latest signal alone |\n|---|---|---|---|---|");
    for (at, state) in STATES.iter().enumerate() {
        let of = |what: fn(&Moment) -> [f64; 4]| -> Vec<f64> {
            groups.iter().filter_map(|moments| one_against_rest(moments, what)[at]).collect()
        };
        let (filtered, alone) = (of(|moment| moment.filtered), of(|moment| moment.alone));
        let moments = || groups.iter().flatten();
        let share = mean(moments().map(|moment| f64::from(u8::from(moment.truth == *state))));
        let lowest = filtered.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = filtered.iter().copied().fold(0.0, f64::max);
        println!(
            "| {state} | {:.0} % | {:.3} | {lowest:.3} to {highest:.3} | {:.3} |",
            100.0 * share,
            mean(filtered.iter().copied()),
            mean(alone.iter().copied())
        );
    }
    println!("\n| pace | moments engaged that are taken for confused or frustrated |\n|---|---|");
    for (name, pace) in [
        ("1.6 times as fast", 0.625),
        ("as the tables suppose", 1.0),
        ("1.6 times slower", 1.6),
        ("2.5 times slower", 2.5),
    ] {
        let shares = (1..=line.seeds.min(5)).map(|seed| taken_for_troubled(&group(seed, pace)));
        println!("| {name} | {:.0} % |", 100.0 * mean(shares));
    }
    line.plot.map_or(Ok(()), |path| std::fs::write(path, draw(&groups[0])))
}

/// How many of the moments in a state are found, by how many of the others are taken for it.
fn draw(moments: &[Moment]) -> String {
    let curve = |at: usize| {
        let mut ranked: Vec<(f64, bool)> =
            moments.iter().map(|moment| (moment.filtered[at], moment.truth == STATES[at])).collect();
        ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
        let (mut found, mut taken, mut points) = (0.0, 0.0, vec![(0.0, 0.0)]);
        for (rank, (_, is)) in ranked.iter().enumerate() {
            if *is {
                found += 1.0;
            } else {
                taken += 1.0;
            }
            if rank.is_multiple_of(50) || rank + 1 == ranked.len() {
                points.push((taken, found));
            }
        }
        points.into_iter().map(|(x, y)| (x / taken, y / found)).collect()
    };
    let line = |(at, state): (usize, &baeum_domain::emotion::affect::Affect)| chart::Line {
        name: Some(state.to_string()),
        colour: chart::colour(at),
        width: 2.2,
        opacity: 1.0,
        on_right: false,
        points: curve(at),
    };
    let chart = chart::Chart {
        title: "Affect filter: each state against the rest".into(),
        subtitle: "SIMULATED learners; it says nothing about people".into(),
        x: chart::Axis { label: "others taken for it".into(), range: (0.0, 1.0) },
        y: chart::Axis { label: "moments in the state that are found".into(), range: (0.0, 1.0) },
        right: None,
        lines: STATES.iter().enumerate().map(line).collect(),
        dots: (String::new(), vec![]),
        scale: None,
    };
    chart.render()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
