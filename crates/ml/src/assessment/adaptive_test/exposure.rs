//! Exposure-control parameters, by simulation (Sympson & Hetter, 1985).
//!
//! Learners of a population sit the test. An item that was asked of a share *p* of those whose sittings could have it gets
//! the parameter *k* = *r* / *p* where *p* is above the rate *r* that is aimed at, else 1: with it, it would have been asked
//! of a share *r*. Others are asked in its place, so that this is repeated until none is above.
//!
//! What it promises is a share of the whole population. Among learners of one ability an item that fits them is asked more
//! often (Stocking & Lewis, 1998, control that too). The promise holds for the rules, bank, stopping rule and population
//! that were simulated, and needs a bank large enough: sittings of *n* items expose *n* / *r* items at least.

use baeum_domain::assessment::assessment::StoppingRule;

use super::{
    Bank, Rules,
    simulation::{Learners, simulate},
};
use crate::assessment::random::nth;

/// So many standard errors of a share below the rate is aimed at: enough that chance, when the parameters are found and
/// again when they are used, carries none of some hundred items above.
const MARGIN: f64 = 5.0;
const MOST_ROUNDS: u32 = 40;

/// A round of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// From 1.
    pub number: u32,
    /// The highest share of learners that one item was asked of.
    pub highest: f64,
}

/// Sets the exposure-control parameters of the items of `bank` so that none is asked of more than `rate` of the learners
/// (with something to spare), and returns the rounds that it took; the last was that of the parameters that are set. Where the bank cannot give that,
/// they are those of the round that came nearest.
pub fn control(bank: &mut Bank, rules: &Rules, rule: StoppingRule, learners: Learners, rate: f64) -> Vec<Round> {
    let rules = Rules { control_exposure: true, ..*rules };
    let everyone = f64::from(learners.number);
    let aim = (rate - MARGIN * libm::sqrt(rate * (1.0 - rate) / everyone)).max(rate / 2.0);
    let mut best: Option<(f64, Vec<f64>)> = None;
    let mut rounds = vec![];
    for place in 0..bank.items().len() {
        bank.set_exposure(place, 1.0);
    }
    for number in 1..=MOST_ROUNDS {
        let learners = Learners { seed: nth(learners.seed, u64::from(number)), ..learners };
        let sittings = simulate(bank, &rules, rule, learners, bank);
        let mut asked = vec![0_u32; bank.items().len()];
        for place in sittings.iter().flat_map(|sitting| &sitting.places) {
            asked[*place] += 1;
        }
        let highest = asked.iter().map(|count| f64::from(*count) / everyone).fold(0.0, f64::max);
        rounds.push(Round { number, highest });
        let parameters: Vec<_> = bank.items().iter().map(|item| item.exposure).collect();
        if best.as_ref().is_none_or(|(nearest, _)| highest < *nearest) {
            best = Some((highest, parameters.clone()));
        }
        if highest <= aim.midpoint(rate) {
            return rounds;
        }
        for (place, (parameter, count)) in parameters.into_iter().zip(&asked).enumerate() {
            let of_eligible = f64::from(*count) / everyone / parameter;
            let wanted = if of_eligible > aim { aim / of_eligible } else { 1.0 };
            bank.set_exposure(place, rounded(wanted));
        }
    }
    for (place, parameter) in best.map(|(_, parameters)| parameters).unwrap_or_default().into_iter().enumerate() {
        bank.set_exposure(place, parameter);
    }
    rounds
}

/// To a thousandth, as it is written down, and not to nothing.
fn rounded(parameter: f64) -> f64 {
    (libm::round(parameter * 1_000.0) / 1_000.0).clamp(0.001, 1.0)
}
