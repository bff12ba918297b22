//! `baeum irt simulate`.

use std::{fmt::Write as _, path::PathBuf};

use baeum_ml::assessment::irt::{Model, simulate::Design};

use super::{IrtError, model, write};

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct SimulateOptions {
    /// Where the answers go
    #[arg(value_name = "OUT.csv")]
    answers: PathBuf,
    /// How many persons answer; their abilities are standard normal
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    persons: u32,
    /// How many items there are
    #[arg(long, value_name = "M", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    items: u32,
    /// Which model they follow: 1pl, 2pl or 3pl
    #[arg(long, value_name = "MODEL", default_value = "2pl", value_parser = model)]
    model: Model,
    /// How many answers of a hundred are missing, at random
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=99))]
    missing: u8,
    /// The same seed gives the same answers
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Writes the true parameters of the items
    #[arg(long, value_name = "FILE.csv")]
    truth: Option<PathBuf>,
}

/// Writes the files.
///
/// # Errors
/// When one cannot be written.
pub(super) fn run(options: &SimulateOptions) -> Result<(), IrtError> {
    let design = Design {
        persons: options.persons as usize,
        items: options.items as usize,
        model: options.model,
        missing: f64::from(options.missing) / 100.0,
        seed: options.seed,
    };
    let simulation = design.simulate();
    let responses = &simulation.responses;
    let mut text = format!("person,{}\n", responses.items().join(","));
    for person in 0..responses.persons() {
        let _ = write!(text, "p{}", person + 1);
        for item in 0..responses.items().len() {
            text.push_str(match responses.answer(person, item) {
                Some(true) => ",1",
                Some(false) => ",0",
                None => ",",
            });
        }
        text.push('\n');
    }
    write(&options.answers, &text)?;
    if let Some(file) = &options.truth {
        let mut text = String::from("name,a,b,c\n");
        for (name, curve) in responses.items().iter().zip(&simulation.curves) {
            let _ = writeln!(text, "{name},{:.6},{:.6},{:.6}", curve.a, curve.b, curve.c);
        }
        write(file, &text)?;
    }
    Ok(())
}
