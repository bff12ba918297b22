//! Marginal maximum likelihood (Bock & Aitkin, 1981).

use super::{
    Model, Responses,
    curve::{Curve, Slope},
    expectation::Expectation,
    information, maximization,
    responses::Patterns,
    squarem::{self, Limits},
};

pub use super::priors::Priors;

/// How to calibrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How many parameters an item has.
    pub model: Model,
    /// Priors on them.
    pub priors: Priors,
    /// How many threads may work. The result does not depend on it.
    pub threads: usize,
    /// The calibration has converged when a step of EM moves no slope, intercept or logit of guessing further.
    pub tolerance: f64,
    /// How many steps of EM to take at most.
    pub most_iterations: u32,
}

impl Options {
    /// The usual options of a model: its usual priors, one thread.
    pub fn new(model: Model) -> Self {
        Self { model, priors: Priors::usual(model), threads: 1, tolerance: 1e-5, most_iterations: 2_000 }
    }

    /// The same with another number of threads.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: threads.max(1), ..self }
    }
}

/// Calibrated items, with what there is to say about how it went.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Calibration {
    /// Which model.
    pub model: Model,
    /// Logarithm of the marginal likelihood, without priors.
    pub log_likelihood: f64,
    /// Steps of EM.
    pub iterations: u32,
    /// Whether the last step was short enough. Where it was not, do not use the parameters.
    pub converged: bool,
    /// The items, in the order of the columns.
    pub items: Vec<CalibratedItem>,
}

/// An item with standard errors. A parameter that is not estimated has the standard error 0. Those of items of which
/// the answers say nothing are infinite.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CalibratedItem {
    /// Its name in the matrix.
    pub name: String,
    /// Discrimination.
    pub a: f64,
    /// Difficulty.
    pub b: f64,
    /// Guessing.
    pub c: f64,
    /// Standard error of *a*.
    pub se_a: f64,
    /// Standard error of *b*.
    pub se_b: f64,
    /// Standard error of *c*.
    pub se_c: f64,
}

impl CalibratedItem {
    /// Its curve.
    pub fn curve(&self) -> Curve {
        Curve { a: self.a, b: self.b, c: self.c }
    }
}

impl Calibration {
    /// The curves of all items.
    pub fn curves(&self) -> Vec<Curve> {
        self.items.iter().map(CalibratedItem::curve).collect()
    }
}

/// Why a matrix cannot be calibrated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// The model is not identified.
    #[error("the {model} model needs at least {least} items; there are {items}")]
    TooFewItems {
        /// The model.
        model: Model,
        /// How many it needs.
        least: usize,
        /// How many there are.
        items: usize,
    },
    /// There is less to learn from than there is to learn.
    #[error(
        "{persons} persons with an answer are fewer than the {parameters} parameters of the {model} model for {items} \
         items: add persons, drop items, or take a model with fewer parameters"
    )]
    TooFewPersons {
        /// How many persons have an answer.
        persons: usize,
        /// How many parameters there are.
        parameters: usize,
        /// The model.
        model: Model,
        /// How many items there are.
        items: usize,
    },
    /// Such items have no finite difficulty.
    #[error("{} cannot be calibrated: {}; drop or correct {}",
        if .0.len() == 1 { "an item" } else { "some items" }, listed(.0), if .0.len() == 1 { "it" } else { "them" })]
    NoVariance(Vec<NoVariance>),
}

/// An item of which all answers are equal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVariance {
    /// Everybody was right.
    #[error("'{0}' was answered rightly by all")]
    AllRight(String),
    /// Everybody was wrong.
    #[error("'{0}' was answered wrongly by all")]
    AllWrong(String),
    /// Nobody answered it.
    #[error("'{0}' was answered by nobody")]
    Unanswered(String),
}

fn listed(items: &[NoVariance]) -> String {
    const SHOWN: usize = 5;
    let text = items.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if items.len() > SHOWN { format!("{text}, and {} more", items.len() - SHOWN) } else { text }
}

/// A step of EM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its number, from 1.
    pub number: u32,
    /// The log-likelihood before it.
    pub log_likelihood: f64,
    /// The furthest that it moved a parameter: at [`Options::tolerance`] it is over.
    pub moved: f64,
}

/// Calibrates the items, and tells `progress` of each step.
///
/// # Errors
/// When the matrix cannot be calibrated.
pub fn calibrate(
    responses: &Responses,
    options: &Options,
    mut progress: impl FnMut(Step),
) -> Result<Calibration, CalibrationError> {
    let Options { model, priors, .. } = *options;
    let patterns = Patterns::of(responses);
    let start = start(responses, &patterns, model)?;
    let mut expectation = Expectation::new(&patterns, options.threads);
    let quadrature = expectation.quadrature.clone();
    let limits = Limits { tolerance: options.tolerance, most: options.most_iterations };
    let mut steps = 0;
    let outcome = squarem::iterate(pack(model, &start), limits, |at| {
        let items = unpack(model, at);
        let counts = expectation.step(&items);
        steps += 1;
        let next = pack(model, &maximization::step(model, &priors, &items, counts, &quadrature));
        let moved = squarem::furthest(at, &next);
        progress(Step { number: steps, log_likelihood: counts.log_likelihood, moved });
        (next, counts.log_likelihood + priors.log_density(model, &items))
    });
    let items = unpack(model, &outcome.at);
    let log_likelihood = expectation.step(&items).log_likelihood;
    let errors = information::standard_errors(options, &patterns, &quadrature, &items);
    let named = responses.items().iter().zip(&items).zip(errors);
    let items = named.map(|((name, item), [se_a, se_b, se_c])| {
        let Curve { a, b, c } = item.curve();
        CalibratedItem { name: name.clone(), a, b, c, se_a, se_b, se_c }
    });
    let items = items.collect();
    Ok(Calibration { model, log_likelihood, iterations: outcome.applied, converged: outcome.converged, items })
}

/// Where EM starts: the intercept that gives the share of right answers at average discrimination, scaled up for the
/// spread of abilities (the probit approximation of Cox & Snell, 1989, p. 21: 1.7 logits a standard deviation).
fn start(responses: &Responses, patterns: &Patterns, model: Model) -> Result<Vec<Slope>, CalibrationError> {
    const GUESSING: f64 = 0.15;
    let items = responses.items().len();
    if items < model.fewest_items() {
        return Err(CalibrationError::TooFewItems { model, least: model.fewest_items(), items });
    }
    let tally = responses.tally();
    let constant = |((right, answered), name): (&(usize, usize), &String)| match (*right, *answered) {
        (_, 0) => Some(NoVariance::Unanswered(name.clone())),
        (0, _) => Some(NoVariance::AllWrong(name.clone())),
        (right, answered) if right == answered => Some(NoVariance::AllRight(name.clone())),
        _ => None,
    };
    let constant: Vec<_> = tally.iter().zip(responses.items()).filter_map(constant).collect();
    if !constant.is_empty() {
        return Err(CalibrationError::NoVariance(constant));
    }
    let answers = |pattern: usize| (0..patterns.groups).any(|at| !patterns.is_void(at, patterns.row(pattern).1[at]));
    let answering = (0..patterns.len()).filter(|pattern| answers(*pattern));
    let persons = answering.map(|pattern| patterns.weights[pattern] as usize).sum();
    let parameters = model.parameters(items);
    if persons < parameters {
        return Err(CalibrationError::TooFewPersons { persons, parameters, model, items });
    }
    let of_item = |(right, answered): (usize, usize)| {
        let share = right as f64 / answered as f64;
        let (share, g) = match model {
            Model::ThreePl => {
                (((share - GUESSING) / (1.0 - GUESSING)).max(0.02), libm::log(GUESSING / (1.0 - GUESSING)))
            }
            Model::OnePl | Model::TwoPl => (share, f64::NEG_INFINITY),
        };
        let scale = libm::sqrt(1.0 + 1.0 / (1.7 * 1.7));
        Slope { a: 1.0, d: scale * libm::log(share / (1.0 - share)), g }
    };
    Ok(tally.into_iter().map(of_item).collect())
}

/// The free parameters as one point.
fn pack(model: Model, items: &[Slope]) -> Vec<f64> {
    match model {
        Model::OnePl => items.iter().take(1).map(|item| item.a).chain(items.iter().map(|item| item.d)).collect(),
        Model::TwoPl => items.iter().flat_map(|item| [item.a, item.d]).collect(),
        Model::ThreePl => items.iter().flat_map(|item| [item.a, item.d, item.g]).collect(),
    }
}

fn unpack(model: Model, point: &[f64]) -> Vec<Slope> {
    const NO_GUESSING: f64 = f64::NEG_INFINITY;
    match model {
        Model::OnePl => point[1..].iter().map(|d| Slope { a: point[0], d: *d, g: NO_GUESSING }).collect(),
        Model::TwoPl => point.chunks_exact(2).map(|it| Slope { a: it[0], d: it[1], g: NO_GUESSING }).collect(),
        Model::ThreePl => point.chunks_exact(3).map(|it| Slope { a: it[0], d: it[1], g: it[2] }).collect(),
    }
}
