//! Choosing the next item of a sitting.

use baeum_domain::{
    assessment::testing::{Ability, SelectionReason},
    level::Skill,
};

use super::{Bank, BankItem, Rules};
use crate::assessment::{
    posterior::Posterior,
    random::{nth, uniform},
};

/// Of so many pretest items, those with the nearest difficulties, one is drawn.
const NEAREST: usize = 3;
/// After so many answers that count the first pretest item comes at the earliest, …
const FIRST_PRETEST: usize = 2;
/// … and each further one so many later. At which of the places in between, the seed says.
const PRETEST_SPACING: usize = 3;
/// What the seed decides, each from a sequence of its own.
const ELIGIBILITY: u64 = 0x656c_6967_6962_6c65;
const PRETEST_PLACES: u64 = 0x7072_6574_706c_6163;
const PRETEST_ITEMS: u64 = 0x7072_6574_6974_656d;

/// A sitting in progress.
#[derive(Clone, Debug)]
pub struct Sitting<'a> {
    bank: &'a Bank,
    rules: &'a Rules,
    posterior: Posterior,
    ability: Ability,
    answered: Vec<bool>,
    /// Answers that count, by skill.
    asked: [usize; 4],
    scored: usize,
    pretested: usize,
}

/// An item that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its place in the bank.
    pub place: usize,
    /// The ability at which it was chosen, in logits.
    pub theta: f64,
    /// Its Fisher information there, per squared logit.
    pub information: f64,
    /// Why it was chosen.
    pub reason: SelectionReason,
}

impl<'a> Sitting<'a> {
    /// Before the first item.
    pub fn new(bank: &'a Bank, rules: &'a Rules) -> Self {
        let posterior = Posterior::new(rules.prior);
        Self {
            bank,
            rules,
            ability: posterior.ability(),
            posterior,
            answered: vec![false; bank.items().len()],
            asked: [0; 4],
            scored: 0,
            pretested: 0,
        }
    }

    /// Takes an answer in. Where `scored` is not set it leaves the ability as it is.
    pub fn answer(&mut self, place: usize, right: bool, scored: bool) {
        let item = &self.bank.items()[place];
        self.answered[place] = true;
        if scored {
            self.posterior.answer(item.likelihood(), right);
            self.ability = self.posterior.ability();
            self.asked[item.skill as usize] += 1;
            self.scored += 1;
        } else {
            self.pretested += 1;
        }
    }

    /// The ability so far.
    pub fn ability(&self) -> Ability {
        self.ability
    }

    /// What is known of the ability so far.
    pub fn posterior(&self) -> &Posterior {
        &self.posterior
    }

    /// How many answers count so far.
    pub fn scored(&self) -> usize {
        self.scored
    }

    /// The item to ask next, or `None` when the bank has no more.
    pub fn next(&self, seed: u64) -> Option<Choice> {
        let theta = self.ability.theta;
        self.pretest(seed, theta).or_else(|| self.most_informative(seed, theta))
    }

    fn most_informative(&self, seed: u64, theta: f64) -> Option<Choice> {
        let unanswered = || self.unanswered().filter(|(_, item)| !item.pretest);
        let fewest = unanswered().map(|(_, item)| self.asked_of(item.skill)).min()?;
        let open = unanswered().filter(|(_, item)| self.asked_of(item.skill) == fewest);
        let open: Vec<_> = open
            .map(|(place, item)| Candidate {
                place,
                information: item.curve.information(theta),
                eligible: self.is_eligible(item, seed),
            })
            .collect();
        let relaxed = open.iter().all(|candidate| !candidate.eligible);
        let ranked = ranked(open.iter().filter(|it| relaxed || it.eligible), self.rules.drawn_from.max(1));
        let rank = draw(nth(seed, self.scored as u64), ranked.len());
        let Candidate { place, information, .. } = *ranked[rank];
        let told = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (rank, drawn_from) = (told(rank + 1), told(ranked.len()));
        let reason = if relaxed {
            SelectionReason::ExposureRelaxed { rank, drawn_from }
        } else {
            let held_back = open.iter().filter(|it| !it.eligible && it.information > information).count();
            SelectionReason::Information { rank, drawn_from, held_back: told(held_back) }
        };
        Some(Choice { place, theta, information, reason })
    }

    /// A pretest item where one is due.
    fn pretest(&self, seed: u64, theta: f64) -> Option<Choice> {
        if self.pretested >= self.rules.pretests {
            return None;
        }
        let number = self.pretested as u64;
        let within = draw(nth(seed ^ PRETEST_PLACES, number), PRETEST_SPACING);
        if self.scored < FIRST_PRETEST + PRETEST_SPACING * self.pretested + within {
            return None;
        }
        let mut open: Vec<_> = self.unanswered().filter(|(_, item)| item.pretest).collect();
        let distance = |item: &BankItem| (item.curve.b - theta).abs();
        open.sort_by(|(_, left), (_, right)| distance(left).total_cmp(&distance(right)));
        open.truncate(NEAREST);
        let (place, item) = *open.get(draw(nth(seed ^ PRETEST_ITEMS, number), open.len()))?;
        let information = item.curve.information(theta);
        Some(Choice { place, theta, information, reason: SelectionReason::Pretest })
    }

    fn unanswered(&self) -> impl Iterator<Item = (usize, &'a BankItem)> {
        self.bank.items().iter().enumerate().filter(|(place, _)| !self.answered[*place])
    }

    fn asked_of(&self, skill: Skill) -> usize {
        if self.rules.balance_skills { self.asked[skill as usize] } else { 0 }
    }

    /// The experiment of Sympson and Hetter (1985), made once a sitting and item: what fails it is set aside for the
    /// whole sitting. Drawing it before the item is chosen comes to the same, and needs no memory.
    fn is_eligible(&self, item: &BankItem, seed: u64) -> bool {
        !self.rules.control_exposure || uniform(nth(seed ^ ELIGIBILITY, item.key)) < item.exposure
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    information: f64,
    eligible: bool,
}

/// The first `count` by information; of equals the first by name.
fn ranked<'a>(candidates: impl Iterator<Item = &'a Candidate>, count: usize) -> Vec<&'a Candidate> {
    let mut ranked: Vec<&Candidate> = Vec::with_capacity(count + 1);
    for candidate in candidates {
        let at = ranked.iter().position(|other| other.information < candidate.information).unwrap_or(ranked.len());
        if at < count {
            ranked.insert(at, candidate);
            ranked.truncate(count);
        }
    }
    ranked
}

/// A number below `choices`; 0 where there are none.
fn draw(bits: u64, choices: usize) -> usize {
    let choices = u64::try_from(choices).unwrap_or(u64::MAX).max(1);
    usize::try_from(bits % choices).expect("a remainder of a usize fits a usize")
}
