//! Collaborative filtering of implicit feedback by alternating least squares.
//!
//! Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets" (ICDM 2008). What a learner did with a
//! content is a preference p of 1 that is held with confidence c = 1 + α · strength; what they did nothing with is a
//! preference of 0 held with confidence 1. Factors minimise Σ c (p − x·y)² + λ (Σ |x|² + Σ |y|²), in turn for all
//! learners and all contents, each a system of as many unknowns as there are factors.
//!
//! Only the factors of contents are kept. Those of a learner follow from what they did, so nothing personal is in a
//! model, and a learner who came after it was fitted is served like all others.

use crate::assessment::{
    irt::linear::{dot, inverse},
    random::Rng,
};

/// How factors are fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Als {
    /// How many factors, at least 1.
    pub rank: usize,
    /// λ, above 0.
    pub regularization: f64,
    /// α: what a strength of 1 adds to the confidence of 1.
    pub confidence: f64,
    /// How often learners and contents take turns.
    pub rounds: usize,
    /// What the factors of contents are drawn from at first.
    pub seed: u64,
}

impl Default for Als {
    fn default() -> Self {
        Self { rank: 8, regularization: 8.0, confidence: 4.0, rounds: 6, seed: 1 }
    }
}

/// What somebody did with contents: the place of each, and a strength above 0.
pub type Interactions = [(usize, f64)];

/// The factors of contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    settings: Als,
    items: Vec<Vec<f64>>,
    /// Yᵀ Y of all contents.
    gram: Vec<f64>,
}

impl Als {
    /// Fits the factors of `items` contents to what learners did with them, in the order given.
    pub fn fit(&self, learners: &[Vec<(usize, f64)>], items: usize) -> Factors {
        let mut rng = Rng(self.seed);
        let mut factors: Vec<Vec<f64>> =
            (0..items).map(|_| (0..self.rank).map(|_| 0.1 * rng.normal()).collect()).collect();
        let mut by_item = vec![vec![]; items];
        for (learner, interactions) in learners.iter().enumerate() {
            for (item, strength) in interactions {
                by_item[*item].push((learner, *strength));
            }
        }
        for _ in 0..self.rounds {
            let of_learners = self.half(learners, &factors);
            factors = self.half(&by_item, &of_learners);
        }
        Factors::new(*self, factors)
    }

    /// The factors of one side, given those of the other.
    fn half(&self, interactions: &[Vec<(usize, f64)>], others: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let gram = gram(others, self.rank);
        interactions.iter().map(|of_one| self.solve(of_one, others, &gram)).collect()
    }

    fn solve(&self, interactions: &Interactions, others: &[Vec<f64>], gram: &[f64]) -> Vec<f64> {
        let rank = self.rank;
        let mut right = vec![0.0; rank];
        if interactions.is_empty() {
            return right;
        }
        let mut matrix = gram.to_vec();
        for (at, strength) in interactions {
            let other = &others[*at];
            let more = self.confidence * strength;
            for row in 0..rank {
                for column in 0..rank {
                    matrix[row * rank + column] += more * other[row] * other[column];
                }
                right[row] += (1.0 + more) * other[row];
            }
        }
        for at in 0..rank {
            matrix[at * rank + at] += self.regularization;
        }
        // λ > 0 makes it positive definite.
        let Some(inverse) = inverse(matrix, rank) else { return vec![0.0; rank] };
        inverse.chunks_exact(rank).map(|row| dot(row, &right)).collect()
    }
}

impl Factors {
    /// Factors that were fitted with `settings`, one row a content. Rows of another length than the rank count as zeros.
    pub fn new(settings: Als, items: Vec<Vec<f64>>) -> Self {
        let sound = |row: Vec<f64>| if row.len() == settings.rank { row } else { vec![0.0; settings.rank] };
        let items: Vec<_> = items.into_iter().map(sound).collect();
        let gram = gram(&items, settings.rank);
        Self { settings, items, gram }
    }

    /// One row a content.
    pub fn items(&self) -> &[Vec<f64>] {
        &self.items
    }

    /// The factors of whoever did this. All zero for whoever did nothing.
    pub fn learner(&self, interactions: &Interactions) -> Vec<f64> {
        self.settings.solve(interactions, &self.items, &self.gram)
    }

    /// The preference of a learner with these factors for a content: about 0 to 1; 0 where either is not known.
    pub fn preference(&self, learner: &[f64], item: usize) -> f64 {
        self.items.get(item).map_or(0.0, |factors| dot(learner, factors))
    }
}

fn gram(rows: &[Vec<f64>], rank: usize) -> Vec<f64> {
    let mut gram = vec![0.0; rank * rank];
    for row in rows {
        for (at, value) in row.iter().enumerate() {
            for (sum, other) in gram[at * rank..(at + 1) * rank].iter_mut().zip(row) {
                *sum += value * other;
            }
        }
    }
    gram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two kinds of learners, each of whom took seven of the ten contents of their kind.
    fn two_camps() -> Vec<Vec<(usize, f64)>> {
        (0..40_usize)
            .map(|learner| (0..7).map(|at| ((learner % 2) * 10 + (learner / 2 + at * 3) % 10, 1.0)).collect())
            .collect()
    }

    #[test]
    fn a_newcomer_is_offered_what_others_of_their_kind_took() {
        let factors = Als::default().fit(&two_camps(), 20);
        let newcomer = factors.learner(&[(0, 1.0), (3, 1.0)]);
        let lowest_of_own = (0..10).map(|item| factors.preference(&newcomer, item)).fold(f64::INFINITY, f64::min);
        let highest_of_others = (10..20).map(|item| factors.preference(&newcomer, item)).fold(-1.0, f64::max);
        assert!(lowest_of_own > highest_of_others + 0.2, "{lowest_of_own} {highest_of_others}");
    }

    #[test]
    fn each_turn_lowers_the_loss() {
        let learners = two_camps();
        let loss = |rounds: usize| {
            let settings = Als { rounds, ..Als::default() };
            let factors = settings.fit(&learners, 20);
            let mut loss = 0.0;
            for interactions in &learners {
                let learner = factors.learner(interactions);
                for item in 0..20 {
                    let strength =
                        interactions.iter().find(|(at, _)| *at == item).map_or(0.0, |(_, strength)| *strength);
                    let miss = f64::from(u8::from(strength > 0.0)) - factors.preference(&learner, item);
                    loss += (1.0 + settings.confidence * strength) * miss * miss;
                }
                loss += settings.regularization * dot(&learner, &learner);
            }
            loss + settings.regularization * factors.items.iter().map(|row| dot(row, row)).sum::<f64>()
        };
        let losses = [1, 2, 4, 8].map(loss);
        assert!(losses.is_sorted_by(|left, right| left >= right), "{losses:?}");
    }

    #[test]
    fn the_same_feedback_gives_the_same_bits_and_nothing_known_gives_zero() {
        let fit = || Als::default().fit(&two_camps(), 21);
        let bits = |it: &Factors| it.items.iter().flatten().map(|value| value.to_bits()).collect::<Vec<_>>();
        let factors = fit();
        assert_eq!(bits(&factors), bits(&fit()));
        assert_eq!(factors.items[20], vec![0.0; 8], "nobody took it");
        assert_eq!(factors.learner(&[]), vec![0.0; 8]);
        assert_eq!(Als::default().fit(&[], 3).items(), vec![vec![0.0; 8]; 3]);
    }
}
