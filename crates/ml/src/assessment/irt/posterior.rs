//! Posteriors of ability over the nodes, for many rows of answers at once.
//!
//! The logarithm of a row's likelihood at a node is a sum of log P and log Q over the items. Eight items share a byte,
//! so for each group of eight the 256 possible sums are tabled once, and a row takes one addition a group in place of
//! eight (the "method of the four Russians": Arlazarov, Dinic, Kronrod & Faradžev, 1970).

use std::ops::Range;

use super::{
    curve::Slope,
    exponential::exp,
    quadrature::{LANES, Quadrature},
    responses::{GROUP, Patterns},
};

/// Nodes whose likelihood is below e⁻³² of the highest carry nothing that the sums of posteriors would keep.
const NEGLIGIBLE: f64 = 32.0;
/// Rows that are added up together: their sums and a group's table fit the nearest caches.
pub(super) const BLOCK: usize = 64;
const BYTES: usize = 256;

/// The tabled logarithms for one set of item parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    /// For each group, byte of right answers and node: log P of the right ones and log Q of all others.
    answered: Vec<f64>,
    /// For each group, byte of missing answers and node: log Q of those. Empty where nothing is missing.
    missing: Vec<f64>,
}

/// The posterior of one row: weights of the nodes in a window, and what they were divided by.
#[derive(Clone, Debug)]
pub(super) struct Posterior {
    /// Where the weights are not negligible; bounds are multiples of [`LANES`].
    pub(super) window: Range<usize>,
    /// Logarithm of the marginal probability of the row.
    pub(super) log_marginal: f64,
}

impl Tables {
    /// Tables the logarithms for these items.
    pub(super) fn fill(&mut self, items: &[Slope], quadrature: &Quadrature, patterns: &Patterns) {
        let stride = quadrature.stride();
        self.answered.resize(patterns.groups * BYTES * stride, 0.0);
        if patterns.any_missing {
            self.missing.resize(patterns.groups * BYTES * stride, 0.0);
        }
        let mut log_q = vec![0.0; GROUP * stride];
        let mut log_odds = vec![0.0; GROUP * stride];
        for (group, items) in items.chunks(GROUP).enumerate() {
            log_q.fill(0.0);
            log_odds.fill(0.0);
            for (at, item) in items.iter().enumerate() {
                let guessing = item.guessing();
                let row = at * stride..at * stride + quadrature.count;
                for ((q, odds), theta) in log_q[row.clone()].iter_mut().zip(&mut log_odds[row]).zip(&quadrature.nodes) {
                    let at = item.at(guessing, *theta);
                    (*q, *odds) = (at.log_q, at.log_p - at.log_q);
                }
            }
            let range = group * BYTES * stride..(group + 1) * BYTES * stride;
            let table = &mut self.answered[range.clone()];
            table[..stride].fill(0.0);
            for row in log_q.chunks_exact(stride) {
                add(&mut table[..stride], row);
            }
            subset_sums(table, &log_odds, stride);
            if patterns.any_missing {
                let table = &mut self.missing[range];
                table[..stride].fill(0.0);
                subset_sums(table, &log_q, stride);
            }
        }
    }

    /// The logarithm of weight × likelihood at every node, for a range of patterns.
    pub(super) fn log_joint(
        &self,
        quadrature: &Quadrature,
        patterns: &Patterns,
        range: Range<usize>,
        rows: &mut [f64],
    ) {
        let stride = quadrature.stride();
        let table = BYTES * stride;
        for row in rows[..range.len() * stride].chunks_exact_mut(stride) {
            row.copy_from_slice(&quadrature.log_weights);
        }
        for group in 0..patterns.groups {
            let answered = &self.answered[group * table..(group + 1) * table];
            for (row, pattern) in rows.chunks_exact_mut(stride).zip(range.clone()) {
                let (right, missing) = patterns.row(pattern);
                let (right, missing) = (usize::from(right[group]), missing[group]);
                if missing == 0 {
                    add(row, &answered[right * stride..(right + 1) * stride]);
                } else if !patterns.is_void(group, missing) {
                    add(row, &answered[right * stride..(right + 1) * stride]);
                    let absent = group * table + usize::from(missing) * stride;
                    for (sum, term) in row.iter_mut().zip(&self.missing[absent..absent + stride]) {
                        *sum -= term;
                    }
                }
            }
        }
    }
}

/// Turns a row of [`Tables::log_joint`] into weights that sum to 1 within the window; outside it the row is left as is.
pub(super) fn normalize(row: &mut [f64]) -> Posterior {
    let highest = highest(row);
    let counts = |lane: &&[f64]| lane.iter().any(|it| *it > highest - NEGLIGIBLE);
    let lanes = row.len() / LANES;
    let first = row.chunks_exact(LANES).position(|lane| counts(&lane)).unwrap_or(0);
    let last = row.chunks_exact(LANES).rposition(|lane| counts(&lane)).unwrap_or(lanes - 1);
    let window = first * LANES..(last + 1) * LANES;
    for weight in &mut row[window.clone()] {
        *weight = exp(*weight - highest);
    }
    let total: f64 = row[window.clone()].iter().sum();
    let scale = 1.0 / total;
    for weight in &mut row[window.clone()] {
        *weight *= scale;
    }
    Posterior { window, log_marginal: highest + libm::log(total) }
}

/// The greatest of a row, in as many lanes as it is padded to.
fn highest(row: &[f64]) -> f64 {
    let mut lanes = [f64::NEG_INFINITY; LANES];
    for values in row.chunks_exact(LANES) {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// Fills the rows of all subsets of eight terms, row 0 being given: each subset is a smaller one and its highest term.
fn subset_sums(table: &mut [f64], terms: &[f64], stride: usize) {
    for (bit, term) in terms.chunks_exact(stride).enumerate() {
        let half = stride << bit;
        let (low, high) = table.split_at_mut(half);
        for (to, from) in high[..half].chunks_exact_mut(stride).zip(low.chunks_exact(stride)) {
            for ((to, from), term) in to.iter_mut().zip(from).zip(term) {
                *to = from + term;
            }
        }
    }
}

fn add(row: &mut [f64], terms: &[f64]) {
    for (sum, term) in row.iter_mut().zip(terms) {
        *sum += term;
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{curve::Curve, responses::Responses},
        *,
    };

    #[test]
    fn tabled_sums_are_the_likelihood_item_by_item() {
        let curves: Vec<_> = (0..19_u32)
            .map(|item| Curve { a: 0.6 + 0.1 * f64::from(item), b: 0.3 * f64::from(item % 7) - 1.0, c: 0.1 })
            .collect();
        let mut responses = Responses::new(curves.iter().enumerate().map(|(at, _)| at.to_string()).collect());
        for person in 0..40_usize {
            let answer = |item: usize| match (person * 7 + item * (person % 5 + 3)) % 5 {
                0 if person % 2 == 0 => None,
                4 if person % 3 == 0 => None,
                it => Some(it % 2 == 0),
            };
            responses.push((0..19).map(answer));
        }
        let (patterns, quadrature) = (Patterns::of(&responses), Quadrature::for_items(19));
        let slopes: Vec<_> = curves.iter().map(|curve| Slope::from(*curve)).collect();
        let mut tables = Tables::default();
        tables.fill(&slopes, &quadrature, &patterns);
        let stride = quadrature.stride();
        let mut rows = vec![0.0; patterns.len() * stride];
        tables.log_joint(&quadrature, &patterns, 0..patterns.len(), &mut rows);
        for person in 0..40 {
            let row = patterns.of_person[person] as usize * stride;
            for node in 0..quadrature.count {
                let theta = quadrature.nodes[node];
                let of_item = |(item, curve): (usize, &Curve)| match responses.answer(person, item) {
                    Some(true) => curve.probability(theta).ln(),
                    Some(false) => (1.0 - curve.probability(theta)).ln(),
                    None => 0.0,
                };
                let exact = quadrature.log_weights[node] + curves.iter().enumerate().map(of_item).sum::<f64>();
                assert!((rows[row + node] - exact).abs() < 1e-9, "person {person}, node {node}");
            }
        }
        let posterior = normalize(&mut rows[..stride]);
        let total: f64 = rows[posterior.window.clone()].iter().sum();
        assert!((total - 1.0).abs() < 1e-12 && posterior.log_marginal < 0.0);
    }
}
