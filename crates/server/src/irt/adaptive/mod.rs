//! `baeum irt adaptive`: simulated learners sit an adaptive test, by maximum information alone and with exposure control.

mod plots;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use baeum_domain::{assessment::assessment::StoppingRule, level::Cefr};
use baeum_ml::assessment::{
    adaptive_test::{
        Bank, Rules,
        exposure::control,
        simulation::{Figures, Learners, Simulated, bank, simulate},
    },
    posterior::Prior,
};

use super::{IrtError, exposures, unwritable, write};
use crate::output::tell;

/// What is added to the seed for learners whom no parameter was fitted to.
const FRESH: u64 = 0x0066_7265_7368;

/// What to simulate.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct AdaptiveOptions {
    /// The level test over the catalogue in this folder, rather than a simulated bank
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["items", "guessing"])]
    level_test: Option<PathBuf>,
    /// How many items a simulated bank has: a uniform from 0.5 to 2, b standard normal, four skills
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u16).range(20..=10_000))]
    items: u16,
    /// How many of a hundred who know nothing are right, in a simulated bank
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=50))]
    guessing: u8,
    /// The standard error to end at, in logits [default: 0.3; with --level-test that of the level test]
    #[arg(long, value_name = "LOGITS", value_parser = between::<100, 1_000>)]
    se: Option<Thousandths>,
    /// The fewest items [default: 5; with --level-test that of the level test]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shortest: Option<u32>,
    /// The most items [default: 60; with --level-test that of the level test]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    longest: Option<u32>,
    /// The share of learners that one item may be asked of
    #[arg(long, value_name = "SHARE", default_value = "0.25", value_parser = between::<50, 1_000>)]
    rate: Thousandths,
    /// How many learners sit each test, and each round of fitting exposure control
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    learners: u32,
    /// The same seed gives the same bank, learners and answers
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Writes the items' parameters
    #[arg(long, value_name = "FILE.csv")]
    bank: Option<PathBuf>,
    /// Writes exposure rates, and abilities against the truth, as SVG files
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Writes the exposure-control parameters into the files of the catalogue
    #[arg(long, requires = "level_test")]
    write: bool,
}

/// A number to three places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thousandths(u16);

impl Thousandths {
    fn number(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }
}

/// A number between `LOW` and `HIGH` thousandths.
fn between<const LOW: u16, const HIGH: u16>(text: &str) -> Result<Thousandths, String> {
    let (low, high) = (Thousandths(LOW).number(), Thousandths(HIGH).number());
    let number = text.parse::<f64>().ok().filter(|it| (low..=high).contains(it));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range of two u16")]
    let thousandths = number.map(|it| Thousandths((it * 1_000.0).round() as u16));
    thousandths.ok_or_else(|| format!("give a number from {low} to {high}"))
}

/// A way of testing, and what came of it.
struct Row {
    name: &'static str,
    sittings: Vec<Simulated>,
    figures: Figures,
}

/// Everything that is told.
struct Report {
    rows: Vec<Row>,
    bank: Bank,
    rate: f64,
    subtitle: String,
}

/// Simulates, tells, and writes the files.
///
/// # Errors
/// A catalogue that cannot be read or has no items, or a file that cannot be written.
pub(super) fn run(options: &AdaptiveOptions) -> Result<(), IrtError> {
    let (mut bank, test, given) = if let Some(folder) = &options.level_test {
        (Bank::of(&crate::catalog::load(Some(folder))?), Rules::LEVEL_TEST, StoppingRule::default())
    } else {
        let prior = Prior { mean: 0.0, standard_deviation: 1.0 };
        let rule = StoppingRule { target_standard_error: 0.3, min_items: 5, max_items: 60 };
        (simulated_bank(options), Rules { prior, pretests: 0, ..Rules::LEVEL_TEST }, rule)
    };
    if bank.items().iter().all(|item| item.pretest) {
        let path = options.level_test.as_ref().map_or_else(String::new, |folder| folder.display().to_string());
        return Err(IrtError::NoItems { path });
    }
    let rule = StoppingRule {
        target_standard_error: options.se.map_or(given.target_standard_error, Thousandths::number),
        min_items: options.shortest.unwrap_or(given.min_items),
        max_items: options.longest.unwrap_or(given.max_items),
    };
    let fitted = Learners { number: options.learners, population: test.prior, seed: options.seed };
    let fresh = Learners { seed: options.seed ^ FRESH, ..fitted };
    let rounds = control(&mut bank, &test, rule, fitted, options.rate.number());
    let row = |name, rules: Rules| {
        let sittings = simulate(&bank, &rules, rule, fresh, &bank);
        let figures = Figures::of(&sittings.iter().collect::<Vec<_>>(), bank.items().len(), rule.target_standard_error);
        Row { name, sittings, figures }
    };
    let rows = vec![
        row("maximum information", Rules::maximum_information(test.prior)),
        row("+ skills, one of three", Rules { control_exposure: false, ..test }),
        row("+ Sympson-Hetter", test),
    ];
    let subtitle = format!(
        "{} items, {} learners, ends at a standard error of {} after {} to {} items, seed {}",
        bank.items().len(),
        options.learners,
        rule.target_standard_error,
        rule.min_items,
        rule.max_items,
        options.seed
    );
    let report = Report { rows, bank, rate: options.rate.number(), subtitle };
    if let Some(file) = &options.bank {
        write(file, &bank_csv(&report.bank))?;
    }
    if let Some(folder) = &options.plots {
        fs::create_dir_all(folder).map_err(unwritable(folder))?;
        for (name, svg) in plots::all(&report) {
            write(&folder.join(name), &svg)?;
        }
    }
    if let Some(folder) = options.level_test.as_ref().filter(|_| options.write) {
        let parameters: BTreeMap<_, _> =
            report.bank.items().iter().map(|item| (item.id.clone(), item.exposure)).collect();
        exposures::rewrite(folder, &parameters)?;
    }
    tell(render(&report).trim_end());
    let highest = rounds.last().map_or(1.0, |round| round.highest);
    if highest > options.rate.number() {
        eprintln!(
            "warning: no item was to be asked of more than {} of the learners, and this bank cannot give that: \
             it needs more items, or a higher --rate",
            options.rate.number()
        );
    }
    Ok(())
}

fn simulated_bank(options: &AdaptiveOptions) -> Bank {
    bank(options.items, f64::from(options.guessing) / 100.0, options.seed)
}

fn render(report: &Report) -> String {
    let mut text = format!("{}\n\n", report.subtitle);
    let _ = writeln!(
        text,
        "{:30} {:>6} {:>7} {:>7} {:>6} {:>7} {:>8} {:>7} {:>7} {:>9}",
        "", "items", "reached", "bias", "RMSE", "covered", "exposure", "unused", "overlap", "same band"
    );
    for Row { name, figures: of, .. } in &report.rows {
        let _ = writeln!(
            text,
            "{name:30} {:>6.2} {:>7.3} {:>7.3} {:>6.3} {:>7.3} {:>8.3} {:>7.2} {:>7.3} {:>9.3}",
            of.items,
            of.reached,
            of.bias,
            of.rmse,
            of.covered,
            of.highest_exposure,
            of.unused,
            of.overlap,
            of.same_band
        );
    }
    let Some(last) = report.rows.last() else { return text };
    let _ = writeln!(text, "\n{}, by true ability\n", last.name);
    let _ = writeln!(text, "{:12} {:>8} {:>6} {:>7} {:>6} {:>8}", "", "learners", "items", "bias", "RMSE", "exposure");
    for (name, sittings) in by_ability(&last.sittings) {
        let of = Figures::of(&sittings, report.bank.items().len(), 0.0);
        let _ = writeln!(
            text,
            "{name:12} {:>8} {:>6.2} {:>7.3} {:>6.3} {:>8.3}",
            sittings.len(),
            of.items,
            of.bias,
            of.rmse,
            of.highest_exposure
        );
    }
    text
}

/// The sittings of every band, where there are any.
fn by_ability(sittings: &[Simulated]) -> BTreeMap<String, Vec<&Simulated>> {
    let mut bands = BTreeMap::<String, Vec<&Simulated>>::new();
    for sitting in sittings {
        bands.entry(Cefr::from_theta(sitting.truth).to_string()).or_default().push(sitting);
    }
    bands
}

fn bank_csv(bank: &Bank) -> String {
    bank.items().iter().fold(String::from("name,a,b,c,exposure\n"), |mut text, item| {
        let _ = writeln!(text, "{},{},{},{},{}", item.id, item.curve.a, item.curve.b, item.curve.c, item.exposure);
        text
    })
}
