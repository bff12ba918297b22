//! The adaptive level test.
//!
//! - **Model**: P(θ) = c + (1 − c) / (1 + exp(−a (θ − b))) (Birnbaum, 1968) with *a* and *b* of the catalogue and *c* one over
//!   the number of choices: who does not know takes one at random.
//! - **Ability**: expected a posteriori ([`posterior`](super::posterior)).
//! - **Content balancing**: only items of the skills that were asked least so far, so that skills keep equal shares
//!   (Kingsbury & Zara, 1989).
//! - **Exposure control**: of those, only the ones that this sitting may have; the seed draws that for each item with its
//!   exposure-control parameter (Sympson & Hetter, 1985; [`exposure`] finds the parameters). Where none is left, all are
//!   taken: a sitting is not cut short.
//! - **Next item**: of the three with the highest Fisher information at the ability so far (Lord, 1980) one is drawn by the
//!   seed ("randomesque", Kingsbury & Zara, 1989).
//! - **Pretest items**: up to two a sitting, at places and of items that the seed draws, among those nearest in
//!   difficulty. Their answers do not count; the online calibration learns from them.
//! - **Bands**: the band of the estimate, and the probability of every band by posterior and uncertainty of the cut scores.
//! - **Skill estimates**: the same estimate from the items of one skill, with a prior centred at the overall θ with
//!   standard deviation 0.6. The overall θ rests on the same answers, so these standard errors are on the small side:
//!   they compare skills, they are not separate tests. A skill that was not asked shows the prior.
//! - **Weaknesses**: missed items, ranked by P(θ) + max(0, θ − θ of the skill): how surprising the miss was, plus how
//!   far the skill lies below the rest. One entry a (skill, focus), at its highest rank; at most six.
//!
//! Same answers and seed, same item, to the bit. Responses to items that the bank does not hold are ignored.

mod bank;
pub mod exposure;
mod report;
pub mod simulation;
mod sitting;

use baeum_domain::{
    assessment::testing::{Ability, AdaptiveTest, LevelReport, Response, Selection, TestModel},
    catalog::Catalog,
};

pub use self::{
    bank::{Bank, BankItem},
    report::CUT_STANDARD_ERROR,
    sitting::{Choice, Sitting},
};
use super::posterior::Prior;

const MODEL_ID: &str = "level-test-2";

/// How items are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// What is believed of an ability before the first answer.
    pub prior: Prior,
    /// Among how many of the most informative items one is drawn; 1 takes the most informative.
    pub drawn_from: usize,
    /// Whether exposure-control parameters are heeded.
    pub control_exposure: bool,
    /// Whether skills keep equal shares.
    pub balance_skills: bool,
    /// How many pretest items a sitting has at most.
    pub pretests: usize,
}

impl Rules {
    /// The level test.
    pub const LEVEL_TEST: Self =
        Self { prior: Prior::POPULATION, drawn_from: 3, control_exposure: true, balance_skills: true, pretests: 2 };

    /// Nothing but the most informative item.
    pub fn maximum_information(prior: Prior) -> Self {
        Self { prior, drawn_from: 1, control_exposure: false, balance_skills: false, pretests: 0 }
    }
}

/// The adaptive test over the catalogue's items.
#[derive(Clone, Debug)]
pub struct CatalogTest {
    bank: Bank,
    rules: Rules,
    model: TestModel,
}

impl CatalogTest {
    /// A test over the items of `catalog`, with their parameters as they stand there.
    pub fn new(catalog: &Catalog) -> Self {
        let (bank, rules) = (Bank::of(catalog), Rules::LEVEL_TEST);
        let model = TestModel { model_id: MODEL_ID.into(), parameters_hash: bank.hash(&rules) };
        Self { bank, rules, model }
    }

    fn sitting(&self, responses: &[Response]) -> Sitting<'_> {
        let mut sitting = Sitting::new(&self.bank, &self.rules);
        for response in responses {
            if let Some(place) = self.bank.place(&response.item) {
                sitting.answer(place, response.correct, response.scored);
            }
        }
        sitting
    }
}

impl AdaptiveTest for CatalogTest {
    fn ability(&self, responses: &[Response]) -> Ability {
        self.sitting(responses).ability()
    }

    fn next(&self, responses: &[Response], seed: u64) -> Option<Selection> {
        let Choice { place, theta, information, reason } = self.sitting(responses).next(seed)?;
        let item = &self.bank.items()[place];
        Some(Selection { item: item.id.clone(), skill: item.skill, theta, information, reason })
    }

    fn report(&self, responses: &[Response]) -> LevelReport {
        let known = |response: &Response| {
            let place = self.bank.place(&response.item).filter(|_| response.scored)?;
            Some((&self.bank.items()[place], response.correct))
        };
        let known: Vec<_> = responses.iter().filter_map(known).collect();
        report::report(self.sitting(responses).posterior(), &known, self.model.clone())
    }
}

#[cfg(test)]
mod tests;
