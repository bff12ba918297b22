//! Standard errors from the empirical information: the sum over persons of the outer product of their scores, which are
//! the gradients of their marginal log-likelihoods (Berndt, Hall, Hall & Hausman, 1974; for EM: Meilijson, 1989).
//!
//! - The whole matrix is inverted, so that the errors allow for what items have in common, such as the mean of this
//!   sample of abilities. The inverse of a noisy matrix is too large on average by n / (n − p − 1) for n persons and p
//!   parameters (Kaufman, 1967), and is scaled back.
//! - Where persons do not outnumber parameters twice, or the matrix would be larger than [`LARGEST`], each item's own
//!   block is inverted; these errors are a little too small.
//! - Beyond [`MOST_WORK`] products, only every second, third, … pattern is taken.

use super::{
    Model, Options, curve::Slope, linear::inverse, quadrature::Quadrature, responses::Patterns, scores::Scores,
};

const LARGEST: usize = 2_000;
const MOST_WORK: usize = 20_000_000_000;
/// Products a parameter takes part in where only those near the diagonal are formed.
const NEAR: usize = 32;

/// Standard errors of (a, b, c) of every item; infinite where nothing is known.
pub(super) fn standard_errors(
    options: &Options,
    patterns: &Patterns,
    quadrature: &Quadrature,
    items: &[Slope],
) -> Vec<[f64; 3]> {
    let parameters = options.model.parameters(items.len());
    let persons = patterns.of_person.len() as f64;
    let whole = parameters <= LARGEST && persons > 2.0 * parameters as f64;
    let each = parameters * if whole { parameters / 2 } else { NEAR };
    let stride = patterns.len().saturating_mul(each).div_ceil(MOST_WORK).max(1);
    let taken: Vec<usize> = (0..patterns.len()).step_by(stride).collect();
    let n: f64 = taken.iter().map(|pattern| f64::from(patterns.weights[*pattern])).sum();

    let scores = Scores::new(options.model, quadrature, items);
    let mut information = scores.products(patterns, quadrature, items, &taken, whole, options.threads);
    information.scale(persons / n);
    for (at, item) in items.iter().enumerate() {
        // The one slope of all items has its prior once.
        let priors = if at > 0 && options.model == Model::OnePl {
            super::Priors { log_a: None, ..options.priors }
        } else {
            options.priors
        };
        let prior = priors.at(*item, options.model == Model::ThreePl);
        let of_item = of_item(options.model, at);
        for (row, to) in of_item.iter().enumerate() {
            for (column, from) in of_item.iter().enumerate().take(row + 1) {
                information.add(*to, *from, prior.information[row][column]);
            }
        }
    }
    let all: Vec<usize> = (0..parameters).collect();
    let covariance = whole.then(|| information.block(&all)).and_then(|it| inverse(it, parameters));
    let correction = if covariance.is_some() { (n - parameters as f64 - 1.0) / n } else { 1.0 };
    let of_items = items.iter().enumerate().map(|(at, item)| {
        let of_item = of_item(options.model, at);
        let own = match &covariance {
            Some(covariance) => {
                let row = |row: &usize| {
                    of_item.iter().map(|column| covariance[row * parameters + column]).collect::<Vec<_>>()
                };
                Some(of_item.iter().flat_map(row).collect())
            }
            None => inverse(information.block(&of_item), of_item.len()),
        };
        own.map_or([f64::INFINITY; 3], |own: Vec<f64>| errors(options.model, *item, &own, correction))
    });
    of_items.collect()
}

/// Which parameters an item has.
fn of_item(model: Model, item: usize) -> Vec<usize> {
    match model {
        Model::OnePl => vec![0, 1 + item],
        Model::TwoPl => vec![2 * item, 2 * item + 1],
        Model::ThreePl => vec![3 * item, 3 * item + 1, 3 * item + 2],
    }
}

/// From the covariance of (a, d, g) to the errors of (a, b, c), by the delta method.
fn errors(model: Model, item: Slope, covariance: &[f64], correction: f64) -> [f64; 3] {
    let size = if model == Model::ThreePl { 3 } else { 2 };
    let at = |row: usize, column: usize| covariance[row * size + column] * correction;
    let (by_a, by_d) = (item.d / (item.a * item.a), -1.0 / item.a);
    let b = by_a * by_a * at(0, 0) + 2.0 * by_a * by_d * at(0, 1) + by_d * by_d * at(1, 1);
    let c = item.guessing();
    let se_c = if size == 3 { c * (1.0 - c) * libm::sqrt(at(2, 2)) } else { 0.0 };
    [libm::sqrt(at(0, 0)), libm::sqrt(b.max(0.0)), se_c]
}
