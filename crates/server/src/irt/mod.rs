//! `baeum irt`: items calibrated from any matrix of answers, and matrices to try it on. No database is opened.

mod adaptive;
mod chart;
mod exposures;
mod plots;
mod simulate;
mod table;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
};

use baeum_domain::assessment::testing::Ability;
use baeum_ml::assessment::irt::{
    Calibration, CalibrationError, Model, Options, Step,
    ability::expected_a_posteriori,
    calibrate,
    dif::{self, Dif},
    fit,
    matrix::{self, Matrix, MatrixError},
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::tell;

/// Above so many items their fit is not computed: the work grows with the cube of their number.
const MOST_ITEMS_FITTED: usize = 500;

/// What to do with items.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum IrtCommand {
    /// Calibrate the items of a matrix of answers by marginal maximum likelihood
    Calibrate(CalibrateOptions),
    /// Let simulated learners sit an adaptive test, and find exposure-control parameters
    Adaptive(adaptive::AdaptiveOptions),
    /// Write a matrix of simulated answers, of which the truth is known
    Simulate(simulate::SimulateOptions),
}

/// How to calibrate.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct CalibrateOptions {
    /// Comma-separated values: a header of item names, a row a person of 0, 1 or nothing; a first column `person` is no item
    #[arg(value_name = "RESPONSES.csv")]
    responses: PathBuf,
    /// Parameters of an item: 1pl (difficulty), 2pl (and discrimination) or 3pl (and guessing)
    #[arg(long, value_name = "MODEL", default_value = "2pl", value_parser = model)]
    model: Model,
    /// Writes the calibration as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes curves, information and abilities as SVG files
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Writes every person's ability (expected a posteriori) and its standard error
    #[arg(long, value_name = "FILE.csv")]
    abilities: Option<PathBuf>,
    /// A column of two groups, to look for items that treat persons of equal scores differently (Mantel–Haenszel)
    #[arg(long, value_name = "COLUMN")]
    group: Option<String>,
    /// How many threads may work; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IrtError {
    #[error("{path} cannot be read: {error}")]
    Read { path: String, error: io::Error },
    #[error("{path}:{error}")]
    Matrix { path: String, error: MatrixError },
    #[error("{path}: {error}")]
    Calibration { path: String, error: CalibrationError },
    #[error("{path}: column '{column}' has {found} groups: give two, and leave it empty for persons of neither")]
    Groups { path: String, column: String, found: usize },
    #[error(transparent)]
    Catalog(#[from] crate::catalog::LoadError),
    #[error("{path} has no items: give a catalogue that has")]
    NoItems { path: String },
    #[error(
        "the exposure of {item} cannot be written into {path}: give it an id and a difficulty on lines of their own"
    )]
    NotRewritten { path: String, item: String },
    #[error("{path} cannot be written: {error}")]
    Write { path: String, error: io::Error },
}

/// Does it.
///
/// # Errors
/// The first thing that keeps it from that.
pub(crate) fn run(command: &IrtCommand) -> Result<(), IrtError> {
    match command {
        IrtCommand::Calibrate(options) => calibrate_file(options),
        IrtCommand::Adaptive(options) => adaptive::run(options),
        IrtCommand::Simulate(options) => simulate::run(options),
    }
}

/// Everything that is told of a matrix.
struct Report {
    matrix: Matrix,
    calibration: Calibration,
    abilities: Vec<Ability>,
    /// Item fit, and how many persons it rests on.
    fits: (Vec<Option<fit::ItemFit>>, usize),
    dif: Option<Groups>,
}

/// Two groups, and what each item makes of them.
struct Groups {
    reference: String,
    focal: String,
    items: Vec<Option<Dif>>,
}

fn calibrate_file(options: &CalibrateOptions) -> Result<(), IrtError> {
    let path = options.responses.display().to_string();
    let text = fs::read(&options.responses).map_err(|error| IrtError::Read { path: path.clone(), error })?;
    let matrix = matrix::parse(&text, options.group.as_deref())
        .map_err(|error| IrtError::Matrix { path: path.clone(), error })?;
    let threads = options.threads.map_or_else(cores, usize::from);
    let settings = Options::new(options.model).threads(threads);
    let bar = ProgressBar::new(BAR).with_style(style());
    let calibration = calibrate(&matrix.responses, &settings, |step| show(&bar, step, settings.tolerance));
    bar.finish_and_clear();
    let calibration = calibration.map_err(|error| IrtError::Calibration { path: path.clone(), error })?;
    let dif = options.group.as_deref().map(|column| groups(&path, column, &matrix)).transpose()?;
    let curves = calibration.curves();
    let fits = if curves.len() <= MOST_ITEMS_FITTED {
        fit::item_fit(&matrix.responses, options.model, &curves, threads)
    } else {
        (vec![None; curves.len()], 0)
    };
    let abilities = expected_a_posteriori(&matrix.responses, &curves);
    let report = Report { matrix, calibration, abilities, fits, dif };
    if let Some(file) = &options.json {
        let json = serde_json::to_string_pretty(&report.calibration).expect("numbers and names are JSON");
        write(file, &(json + "\n"))?;
    }
    if let Some(file) = &options.abilities {
        write(file, &abilities_csv(&report))?;
    }
    if let Some(folder) = &options.plots {
        fs::create_dir_all(folder).map_err(unwritable(folder))?;
        for (name, svg) in plots::all(&report) {
            write(&folder.join(name), &svg)?;
        }
    }
    tell(table::render(&report).trim_end());
    for warning in warnings(&report) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

pub(crate) fn model(word: &str) -> Result<Model, String> {
    [Model::OnePl, Model::TwoPl, Model::ThreePl]
        .into_iter()
        .find(|model| model.to_string() == word)
        .ok_or_else(|| "give 1pl, 2pl or 3pl".to_owned())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

const BAR: u64 = 100;

fn style() -> ProgressStyle {
    let template = "{bar:30} {msg}, {elapsed} gone";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The steps get shorter by a factor each, so the way to the last is measured by the logarithm of their length.
fn show(bar: &ProgressBar, step: Step, tolerance: f64) {
    let left = (step.moved / tolerance).max(1.0).ln() / (1.0 / tolerance).ln();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
    let done = (100.0 * (1.0 - left.min(1.0))) as u64;
    bar.set_position(bar.position().max(done));
    bar.set_message(format!("step {}, log-likelihood {:.2}", step.number, step.log_likelihood));
}

/// The larger group is the reference.
fn groups(path: &str, column: &str, matrix: &Matrix) -> Result<Groups, IrtError> {
    let of_person = matrix.groups.as_deref().unwrap_or_default();
    let mut sizes = BTreeMap::<&str, usize>::new();
    for group in of_person.iter().map(|it| it.trim()).filter(|it| !it.is_empty()) {
        *sizes.entry(group).or_default() += 1;
    }
    let mut by_size: Vec<_> = sizes.iter().collect();
    by_size.sort_by_key(|(_, size)| std::cmp::Reverse(**size));
    let [(reference, _), (focal, _)] = by_size[..] else {
        return Err(IrtError::Groups { path: path.to_owned(), column: column.to_owned(), found: sizes.len() });
    };
    let is_focal = |group: &String| match group.trim() {
        "" => None,
        group => Some(group == *focal),
    };
    let of_person: Vec<_> = of_person.iter().map(is_focal).collect();
    let items = dif::mantel_haenszel(&matrix.responses, &of_person);
    Ok(Groups { reference: (*reference).to_owned(), focal: (*focal).to_owned(), items })
}

fn abilities_csv(report: &Report) -> String {
    let mut text = String::from("person,theta,se\n");
    for (row, ability) in report.abilities.iter().enumerate() {
        let person = match &report.matrix.persons {
            Some(persons) => quoted(&persons[row]),
            None => (row + 1).to_string(),
        };
        let _ = writeln!(text, "{person},{:.6},{:.6}", ability.theta, ability.standard_error);
    }
    text
}

/// A field of comma-separated values (RFC 4180).
fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn warnings(report: &Report) -> Vec<String> {
    let calibration = &report.calibration;
    let mut warnings = vec![];
    if !calibration.converged {
        warnings.push(format!("it has not converged after {} steps: do not use these numbers", calibration.iterations));
    }
    let named = |of: &dyn Fn(usize) -> bool| {
        let names: Vec<_> =
            (0..calibration.items.len()).filter(|at| of(*at)).map(|at| &calibration.items[at].name[..]).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = named(&|at| calibration.items[at].a < 0.0) {
        warnings.push(format!("the able are wrong more often than the others on {names}: is the key reversed?"));
    }
    if let Some(names) = named(&|at| calibration.items[at].b.abs() > 6.0) {
        warnings.push(format!("the difficulty of {names} is beyond every person: these answers say little about it"));
    }
    if let Some(names) = named(&|at| calibration.items[at].a.abs() > 10.0) {
        warnings.push(format!("{names} would separate persons without error: is there a copy of it among the items?"));
    }
    warnings
}

fn write(path: &Path, text: &str) -> Result<(), IrtError> {
    fs::write(path, text).map_err(unwritable(path))
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> IrtError {
    let path = path.display().to_string();
    move |error| IrtError::Write { path, error }
}
