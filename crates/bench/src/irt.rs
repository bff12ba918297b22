//! Calibration of items: how long it takes, and how near it comes to the truth that the answers were drawn from.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use baeum_ml::assessment::irt::{
    CalibratedItem, Calibration, Model, Options, calibrate,
    simulate::{Design, Simulation, rmse},
};
use serde::Serialize;

use crate::Failure;

/// Persons and items.
const SIZES: [(usize, usize); 3] = [(1_000, 50), (10_000, 100), (100_000, 200)];

/// One calibration, repeated.
#[derive(Debug, Serialize)]
struct Row {
    bench: &'static str,
    persons: usize,
    items: usize,
    threads: usize,
    /// Median of the rounds: from the matrix in memory to parameters with their standard errors.
    seconds: f64,
    fastest: f64,
    steps: u32,
    converged: bool,
    rmse_a: f64,
    rmse_b: f64,
    /// What the errors would be with estimates of full efficiency: the root mean square of the standard errors.
    bound_a: f64,
    bound_b: f64,
    seed: u64,
}

/// Measures every size with one thread and with one a core, and prints a table.
pub(crate) fn run(rounds: u32, seed: u64, json: Option<&Path>) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows = vec![];
    for (persons, items) in SIZES {
        let simulation = Design { persons, items, model: Model::TwoPl, missing: 0.0, seed }.simulate();
        for threads in [1, cores] {
            rows.push(measure(&simulation, threads, rounds.max(1), seed)?);
        }
    }
    print!("2PL, {cores} cores, load average after {}\n\n{}", load(), markdown(&rows));
    if let Some(path) = json {
        let lines: Vec<_> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        fs::write(path, lines.join("\n") + "\n")
            .map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
    }
    Ok(())
}

fn measure(simulation: &Simulation, threads: usize, rounds: u32, seed: u64) -> Result<Row, Failure> {
    let options = Options::new(Model::TwoPl).threads(threads);
    let mut times = vec![];
    let mut last: Option<Calibration> = None;
    for _ in 0..rounds {
        let began = Instant::now();
        let calibration = calibrate(&simulation.responses, &options, |_| {})?;
        times.push(began.elapsed().as_secs_f64());
        if last.is_some_and(|last| last != calibration) {
            return Err("two calibrations of the same answers differ".into());
        }
        last = Some(calibration);
    }
    times.sort_by(f64::total_cmp);
    let calibration = last.ok_or("no round")?;
    let errors = |of: fn(&CalibratedItem) -> f64| rmse(calibration.items.iter().map(|item| (of(item), 0.0)));
    let pairs = || calibration.items.iter().zip(&simulation.curves);
    Ok(Row {
        bench: "irt",
        persons: simulation.responses.persons(),
        items: simulation.curves.len(),
        threads,
        seconds: times[times.len() / 2],
        fastest: times[0],
        steps: calibration.iterations,
        converged: calibration.converged,
        rmse_a: rmse(pairs().map(|(item, truth)| (item.a, truth.a))),
        rmse_b: rmse(pairs().map(|(item, truth)| (item.b, truth.b))),
        bound_a: errors(|item| item.se_a),
        bound_b: errors(|item| item.se_b),
        seed,
    })
}

fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| persons × items | threads | seconds | fastest | steps | converged | RMSE a | bound | RMSE b | bound | seed |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} × {} | {} | {:.3} | {:.3} | {} | {} | {:.4} | {:.4} | {:.4} | {:.4} | {} |",
            row.persons,
            row.items,
            row.threads,
            row.seconds,
            row.fastest,
            row.steps,
            row.converged,
            row.rmse_a,
            row.bound_a,
            row.rmse_b,
            row.bound_b,
            row.seed,
        );
    }
    text
}

fn load() -> String {
    let told = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    told.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
