//! Whether an item behaves as its curve says: S-X² (Orlando & Thissen, 2000).
//!
//! Persons are grouped by their number of right answers, which is observed, so that the statistic keeps its chi-square
//! distribution. Expected shares come from the recursion of Lord & Wingersky (1984). Cells are joined with their
//! neighbours until at least one right and one wrong answer is expected in each. Only persons who answered every item
//! can be grouped so.

use super::{Curve, Model, Responses, quadrature::Quadrature, threads::shared};

/// How well an item fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemFit {
    /// S-X².
    pub statistic: f64,
    /// Its degrees of freedom: cells less parameters.
    pub degrees: usize,
    /// The probability of so large a statistic if the model were right.
    pub p: f64,
}

/// Expected answers a cell needs, right and wrong.
const LEAST_EXPECTED: f64 = 1.0;

/// S-X² of every item, and how many persons it rests on. `None` for items with too few cells.
///
/// The work grows with the cube of the number of items.
pub fn item_fit(responses: &Responses, model: Model, items: &[Curve], threads: usize) -> (Vec<Option<ItemFit>>, usize) {
    let count = items.len();
    let quadrature = Quadrature::for_items(count);
    // Persons by score, and of them those who were right, by item.
    let (mut persons, mut right) = (vec![0_usize; count + 1], vec![0_usize; (count + 1) * count]);
    let mut complete = 0;
    for person in 0..responses.persons() {
        let answers: Option<Vec<bool>> = (0..count).map(|item| responses.answer(person, item)).collect();
        let Some(answers) = answers else { continue };
        let score = answers.iter().filter(|answer| **answer).count();
        complete += 1;
        persons[score] += 1;
        for (sum, answer) in right[score * count..(score + 1) * count].iter_mut().zip(answers) {
            *sum += usize::from(answer);
        }
    }
    let nodes = &quadrature.nodes[..quadrature.count];
    let weights: Vec<_> = quadrature.log_weights[..quadrature.count].iter().map(|it| libm::exp(*it)).collect();
    let probabilities: Vec<Vec<f64>> =
        items.iter().map(|item| nodes.iter().map(|theta| item.probability(*theta)).collect()).collect();
    let all = score_distribution(&probabilities, None, &weights);
    let of_item = |item: usize| {
        let others = score_distribution(&probabilities, Some(item), &weights);
        let cell = |score: usize| {
            let with: f64 = others.row(score - 1).iter().zip(&probabilities[item]).map(|(f, p)| f * p).sum();
            let expected = with / all.row(score).iter().sum::<f64>();
            Cell::new(persons[score], right[score * count + item], expected)
        };
        let parameters = model.parameters(count) / count;
        statistic((1..count).map(cell), parameters)
    };
    let mut fits = vec![None; count];
    shared(threads, fits.iter_mut().enumerate(), || (), |(item, fit), ()| *fit = of_item(item));
    (fits, complete)
}

/// The probability of each score (but one item) at each node, times the node's weight.
struct Distribution {
    nodes: usize,
    by_score: Vec<f64>,
}

impl Distribution {
    fn row(&self, score: usize) -> &[f64] {
        &self.by_score[score * self.nodes..(score + 1) * self.nodes]
    }
}

/// Lord & Wingersky, 1984: the scores of n + 1 items from those of n.
fn score_distribution(probabilities: &[Vec<f64>], without: Option<usize>, weights: &[f64]) -> Distribution {
    let nodes = weights.len();
    let mut by_score = vec![0.0; (probabilities.len() + 1) * nodes];
    by_score[..nodes].copy_from_slice(weights);
    let taken = probabilities.iter().enumerate().filter(|(item, _)| Some(*item) != without);
    for (added, (_, p)) in taken.enumerate() {
        for score in (0..=added).rev() {
            let (below, above) = by_score.split_at_mut((score + 1) * nodes);
            let below = &mut below[score * nodes..];
            for ((above, below), p) in above.iter_mut().zip(below).zip(p) {
                *above += *below * p;
                *below *= 1.0 - p;
            }
        }
    }
    Distribution { nodes, by_score }
}

/// Persons of some scores.
#[derive(Clone, Copy, Default)]
struct Cell {
    persons: f64,
    right: f64,
    expected: f64,
}

impl Cell {
    fn new(persons: usize, right: usize, share: f64) -> Self {
        Self { persons: persons as f64, right: right as f64, expected: persons as f64 * share }
    }

    fn join(self, other: Self) -> Self {
        Self {
            persons: self.persons + other.persons,
            right: self.right + other.right,
            expected: self.expected + other.expected,
        }
    }

    fn is_large_enough(self) -> bool {
        self.expected >= LEAST_EXPECTED && self.persons - self.expected >= LEAST_EXPECTED
    }

    fn squared(self) -> f64 {
        let difference = self.right - self.expected;
        difference * difference * self.persons / (self.expected * (self.persons - self.expected))
    }
}

fn statistic(cells: impl Iterator<Item = Cell>, parameters: usize) -> Option<ItemFit> {
    let (mut joined, mut open) = (Vec::<Cell>::new(), Cell::default());
    for cell in cells {
        open = open.join(cell);
        if open.is_large_enough() {
            joined.push(std::mem::take(&mut open));
        }
    }
    if let Some(last) = joined.last_mut() {
        *last = last.join(open);
    }
    let degrees = joined.len().checked_sub(parameters).filter(|degrees| *degrees > 0)?;
    let statistic = joined.into_iter().map(Cell::squared).sum();
    Some(ItemFit { statistic, degrees, p: chi_square_beyond(statistic, degrees) })
}

/// The probability that a chi-square of `degrees` is larger: the upper incomplete gamma function, by its series below
/// the mean and by its continued fraction above (Abramowitz & Stegun, 1964, 6.5.29 and 6.5.31).
pub(super) fn chi_square_beyond(statistic: f64, degrees: usize) -> f64 {
    const ROUNDS: usize = 1_000;
    const SMALL: f64 = 1e-15;
    let (shape, x) = (degrees as f64 / 2.0, statistic / 2.0);
    if x.is_nan() || x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 {
        let (mut term, mut sum) = (1.0 / shape, 1.0 / shape);
        for round in 1..ROUNDS {
            term *= x / (shape + round as f64);
            sum += term;
            if term < sum * SMALL {
                break;
            }
        }
        return (1.0 - front * sum).max(0.0);
    }
    let (mut b, mut c) = (x + 1.0 - shape, 1e300);
    let mut d = 1.0 / b;
    let mut fraction = d;
    for round in 1..ROUNDS {
        let round = round as f64;
        let a = -round * (round - shape);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        fraction *= d * c;
        if (d * c - 1.0).abs() < SMALL {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::irt::simulate::Design;

    #[test]
    fn the_chi_square_distribution_has_its_tabled_quantiles() {
        for (statistic, degrees, p) in [
            (3.841_459, 1, 0.05),
            (18.307_038, 10, 0.05),
            (23.209_251, 10, 0.01),
            (0.102_587, 2, 0.95),
            (124.342_113, 100, 0.05),
        ] {
            assert!((chi_square_beyond(statistic, degrees) - p).abs() < 1e-6, "{statistic}, {degrees}");
        }
    }

    #[test]
    fn the_recursion_gives_the_shares_that_counting_gives() {
        let p = vec![vec![0.2], vec![0.5], vec![0.9]];
        let all = score_distribution(&p, None, &[1.0]);
        let exact = [0.8 * 0.5 * 0.1, 0.2 * 0.5 * 0.1 + 0.8 * 0.5 * 0.1 + 0.8 * 0.5 * 0.9];
        assert!((all.row(0)[0] - exact[0]).abs() < 1e-15 && (all.row(1)[0] - exact[1]).abs() < 1e-15);
        let without = score_distribution(&p, Some(1), &[1.0]);
        assert!((without.row(2)[0] - 0.2 * 0.9).abs() < 1e-15);
    }

    #[test]
    fn true_items_are_rejected_as_seldom_as_the_level_says_and_a_wrong_one_is_found() {
        let design = Design { persons: 3_000, items: 40, model: Model::TwoPl, missing: 0.0, seed: 5 };
        let simulation = design.simulate();
        let (fits, persons) = item_fit(&simulation.responses, Model::TwoPl, &simulation.curves, 2);
        assert_eq!(persons, 3_000);
        let below = |level: f64| fits.iter().flatten().filter(|fit| fit.p < level).count();
        assert!(fits.iter().all(Option::is_some) && below(0.05) <= 6 && below(0.5) >= 8, "{fits:?}");
        let mut wrong = simulation.curves.clone();
        wrong[7].b += 0.5;
        let (fits, _) = item_fit(&simulation.responses, Model::TwoPl, &wrong, 1);
        assert!(fits[7].is_some_and(|fit| fit.p < 1e-6), "{:?}", fits[7]);
    }
}
