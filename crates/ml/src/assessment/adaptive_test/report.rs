//! What a test says at its end.

use std::collections::BTreeMap;

use baeum_domain::{
    assessment::testing::{BandProbability, LevelReport, SkillEstimate, TestModel, Weakness},
    level::{Cefr, Skill},
};

use super::BankItem;
use crate::assessment::posterior::{Posterior, Prior};

const SKILLS: [Skill; 4] = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking];
const BANDS: [Cefr; 5] = [Cefr::A1, Cefr::A2, Cefr::B1, Cefr::B2, Cefr::C1];
const SKILL_STANDARD_DEVIATION: f64 = 0.6;
const MOST_WEAKNESSES: usize = 6;

/// How well it is known where a band begins, in logits.
///
/// A cut lies halfway between the mean difficulties of the items of two bands. With 32 items a band in the catalogue,
/// difficulties that spread by about 0.4 within one, and authors' estimates that are off by about 0.6 each (what
/// [`calibration`](crate::assessment::calibration) takes them for), a mean is known to √((0.4² + 0.6²) / 32) = 0.13, and
/// a cut to √2 / 2 of that. It does not cover what all authors get wrong alike: that takes a standard setting with
/// learners of known level.
pub const CUT_STANDARD_ERROR: f64 = 0.09;

/// The report on answers that count.
pub(super) fn report(posterior: &Posterior, known: &[(&BankItem, bool)], model: TestModel) -> LevelReport {
    let ability = posterior.ability();
    let prior = Prior { mean: ability.theta, standard_deviation: SKILL_STANDARD_DEVIATION };
    let skills = SKILLS.map(|skill| {
        let of_skill = || known.iter().filter(|(item, _)| item.skill == skill);
        let mut posterior = Posterior::new(prior);
        of_skill().for_each(|(item, right)| posterior.answer(item.likelihood(), *right));
        SkillEstimate {
            skill,
            ability: posterior.ability(),
            answered: count(of_skill()),
            correct: count(of_skill().filter(|(_, right)| *right)),
        }
    });
    let weaknesses = weaknesses(known, ability.theta, &skills);
    LevelReport {
        ability,
        band: Cefr::from_theta(ability.theta),
        bands: bands(posterior),
        skills: skills.into(),
        weaknesses,
        model: Some(model),
    }
}

/// The probability of every band.
pub(super) fn bands(posterior: &Posterior) -> Vec<BandProbability> {
    let mut above: Vec<_> =
        Cefr::CUTS.iter().map(|cut| posterior.probability_above(*cut, CUT_STANDARD_ERROR)).collect();
    above.insert(0, 1.0);
    above.push(0.0);
    let within = above.windows(2).map(|ends| (ends[0] - ends[1]).clamp(0.0, 1.0));
    BANDS.into_iter().zip(within).map(|(band, probability)| BandProbability { band, probability }).collect()
}

fn weaknesses(known: &[(&BankItem, bool)], theta: f64, skills: &[SkillEstimate]) -> Vec<Weakness> {
    let lag = |skill| {
        let of_skill = skills.iter().find(|estimate| estimate.skill == skill);
        of_skill.map_or(0.0, |estimate| (theta - estimate.ability.theta).max(0.0))
    };
    let mut telling = BTreeMap::<Weakness, f64>::new();
    for (item, _) in known.iter().filter(|(_, right)| !right) {
        let weight = item.curve.probability(theta) + lag(item.skill);
        let highest = telling.entry(Weakness { skill: item.skill, focus: item.focus.clone() }).or_insert(weight);
        *highest = highest.max(weight);
    }
    let mut ranked: Vec<_> = telling.into_iter().collect();
    ranked.sort_by(|(left, left_weight), (right, right_weight)| {
        right_weight.total_cmp(left_weight).then_with(|| left.cmp(right))
    });
    ranked.into_iter().map(|(weakness, _)| weakness).take(MOST_WEAKNESSES).collect()
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
