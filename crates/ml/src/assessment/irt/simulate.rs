//! Simulated answers, to try calibrations on: the truth is known.

use super::{Curve, Model, Responses};
use crate::assessment::random::Rng;

/// A design: how many persons answer how many items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// Persons; abilities are standard normal.
    pub persons: usize,
    /// Items; see [`Design::items`].
    pub items: usize,
    /// Which model the answers follow.
    pub model: Model,
    /// Share of answers that are missing, at random.
    pub missing: f64,
    /// The same seed gives the same answers, on every platform.
    pub seed: u64,
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The items as they are.
    pub curves: Vec<Curve>,
    /// The abilities as they are.
    pub abilities: Vec<f64>,
    /// The answers that followed.
    pub responses: Responses,
}

impl Design {
    /// The items: log *a* ~ N(0, 0.3) within 0.5 to 2, *b* ~ N(0, 1) within ±2.5, *c* uniform from 0.1 to 0.3; without
    /// guessing 0, with one parameter *a* = 1.2.
    pub fn items(&self) -> Vec<Curve> {
        let mut rng = Rng(self.seed ^ 0x6974_656d_735f_3031);
        let mut item = || {
            let a = libm::exp(0.3 * rng.normal()).clamp(0.5, 2.0);
            let (b, c) = (rng.normal().clamp(-2.5, 2.5), 0.1 + 0.2 * rng.uniform());
            match self.model {
                Model::OnePl => Curve { a: 1.2, b, c: 0.0 },
                Model::TwoPl => Curve { a, b, c: 0.0 },
                Model::ThreePl => Curve { a, b, c },
            }
        };
        (0..self.items).map(|_| item()).collect()
    }

    /// Draws abilities and answers.
    pub fn simulate(&self) -> Simulation {
        let curves = self.items();
        let names = (1..=self.items).map(|number| format!("item{number}")).collect();
        let (mut responses, mut abilities) = (Responses::new(names), Vec::with_capacity(self.persons));
        let mut rng = Rng(self.seed);
        for _ in 0..self.persons {
            let theta = rng.normal();
            abilities.push(theta);
            responses.push(curves.iter().map(|curve| {
                let right = rng.uniform() < curve.probability(theta);
                (self.missing <= 0.0 || rng.uniform() >= self.missing).then_some(right)
            }));
        }
        Simulation { curves, abilities, responses }
    }
}

/// Root mean squared error of estimates against the truth.
pub fn rmse(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (mut squares, mut count) = (0.0, 0_usize);
    for (estimate, truth) in pairs {
        squares += (estimate - truth) * (estimate - truth);
        count += 1;
    }
    libm::sqrt(squares / count as f64)
}
