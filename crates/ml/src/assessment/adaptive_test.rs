//! The adaptive level test over the catalogue's items.
//!
//! - **Ability**: expected a posteriori under the two-parameter logistic model ([`two_parameter`](super::two_parameter)).
//! - **Next item**: the most informative unanswered item at that ability (Lord, 1980), among the skills that were asked
//!   least so far, so that skills keep equal shares (content balancing after Kingsbury & Zara, 1989). Of the three most
//!   informative one is taken by a hash of seed and number answered ("randomesque" exposure control, the same authors).
//!   Same answers and seed, same item.
//! - **Skill estimates**: the same estimate from the items of one skill, with a prior centred at the overall θ with
//!   standard deviation 0.6. The overall θ rests on the same answers, so these standard errors are on the small side:
//!   they compare skills, they are not separate tests. A skill that was not asked shows the prior.
//! - **Weaknesses**: missed items, ranked by P(θ) + max(0, θ − θ of the skill): how surprising the miss was, plus how
//!   far the skill lies below the rest. One entry a (skill, focus), at its highest rank; at most six.
//!
//! Responses to items that the bank does not hold are ignored.

use std::collections::{BTreeMap, BTreeSet};

use baeum_domain::{
    assessment::testing::{Ability, AdaptiveTest, LevelReport, Response, Selection, SkillEstimate, Weakness},
    catalog::Catalog,
    ids::{Focus, ItemId},
    level::{Cefr, Skill},
};

use super::two_parameter::{ItemParameters, Prior, expected_a_posteriori};

const SKILLS: [Skill; 4] = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking];
const SKILL_STANDARD_DEVIATION: f64 = 0.6;
const RANDOMESQUE: usize = 3;
const MOST_WEAKNESSES: usize = 6;

/// The adaptive test over a bank of items.
#[derive(Clone, Debug)]
pub struct CatalogTest {
    bank: BTreeMap<ItemId, BankItem>,
}

#[derive(Clone, Debug)]
struct BankItem {
    skill: Skill,
    focus: Focus,
    parameters: ItemParameters,
}

impl CatalogTest {
    /// A test over the items of `catalog`, with their parameters as they stand there.
    pub fn new(catalog: &Catalog) -> Self {
        let of_item = |item: &baeum_domain::assessment::item::Item| BankItem {
            skill: item.skill,
            focus: item.focus.clone(),
            parameters: ItemParameters { discrimination: item.discrimination, difficulty: item.difficulty },
        };
        Self { bank: catalog.items.iter().map(|(id, item)| (id.clone(), of_item(item))).collect() }
    }

    fn known(&self, responses: &[Response]) -> Vec<(&BankItem, bool)> {
        let item_of = |response: &Response| self.bank.get(&response.item).map(|item| (item, response.correct));
        responses.iter().filter_map(item_of).collect()
    }
}

impl AdaptiveTest for CatalogTest {
    fn ability(&self, responses: &[Response]) -> Ability {
        estimate(Prior::POPULATION, &self.known(responses), None)
    }

    fn next(&self, responses: &[Response], seed: u64) -> Option<Selection> {
        let theta = self.ability(responses).theta;
        let answered: BTreeSet<_> = responses.iter().map(|response| &response.item).collect();
        let known = self.known(responses);
        let asked = |skill| known.iter().filter(|(item, _)| item.skill == skill).count();
        let unanswered: Vec<_> = self.bank.iter().filter(|(id, _)| !answered.contains(id)).collect();
        let fewest = unanswered.iter().map(|(_, item)| asked(item.skill)).min()?;
        let mut candidates: Vec<_> = unanswered
            .into_iter()
            .filter(|(_, item)| asked(item.skill) == fewest)
            .map(|(id, item)| (item.parameters.information(theta), id, item))
            .collect();
        candidates.sort_by(|(left, left_id, _), (right, right_id, _)| {
            right.total_cmp(left).then_with(|| left_id.cmp(right_id))
        });
        candidates.truncate(RANDOMESQUE);
        let (information, id, item) = candidates.swap_remove(draw(seed, known.len(), candidates.len()));
        Some(Selection { item: id.clone(), skill: item.skill, theta, information })
    }

    fn report(&self, responses: &[Response]) -> LevelReport {
        let known = self.known(responses);
        let ability = estimate(Prior::POPULATION, &known, None);
        let prior = Prior { mean: ability.theta, standard_deviation: SKILL_STANDARD_DEVIATION };
        let skills = SKILLS.map(|skill| {
            let of_skill = || known.iter().filter(|(item, _)| item.skill == skill);
            SkillEstimate {
                skill,
                ability: estimate(prior, &known, Some(skill)),
                answered: count(of_skill()),
                correct: count(of_skill().filter(|(_, correct)| *correct)),
            }
        });
        let weaknesses = weaknesses(&known, ability.theta, &skills);
        LevelReport { ability, band: Cefr::from_theta(ability.theta), skills: skills.into(), weaknesses }
    }
}

fn estimate(prior: Prior, known: &[(&BankItem, bool)], only: Option<Skill>) -> Ability {
    let asked = known.iter().filter(|(item, _)| only.is_none_or(|skill| item.skill == skill));
    let answers: Vec<_> = asked.map(|(item, correct)| (item.parameters, *correct)).collect();
    expected_a_posteriori(prior, &answers)
}

fn weaknesses(known: &[(&BankItem, bool)], theta: f64, skills: &[SkillEstimate]) -> Vec<Weakness> {
    let lag = |skill| {
        let of_skill = skills.iter().find(|estimate| estimate.skill == skill);
        of_skill.map_or(0.0, |estimate| (theta - estimate.ability.theta).max(0.0))
    };
    let mut telling = BTreeMap::<Weakness, f64>::new();
    for (item, _) in known.iter().filter(|(_, correct)| !correct) {
        let weight = item.parameters.probability(theta) + lag(item.skill);
        let highest = telling.entry(Weakness { skill: item.skill, focus: item.focus.clone() }).or_insert(weight);
        *highest = highest.max(weight);
    }
    let mut ranked: Vec<_> = telling.into_iter().collect();
    ranked.sort_by(|(left, left_weight), (right, right_weight)| {
        right_weight.total_cmp(left_weight).then_with(|| left.cmp(right))
    });
    ranked.into_iter().map(|(weakness, _)| weakness).take(MOST_WEAKNESSES).collect()
}

/// A number below `choices` from seed and number answered, by the finaliser of `SplitMix64` (Steele, Lea & Flood, 2014).
fn draw(seed: u64, answered: usize, choices: usize) -> usize {
    let step = u64::try_from(answered).unwrap_or(u64::MAX).wrapping_add(1);
    let mut z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    let choices = u64::try_from(choices).unwrap_or(u64::MAX);
    usize::try_from(z % choices).expect("a remainder of a usize fits a usize")
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(items: &[(&str, &str, &str, f64)]) -> CatalogTest {
        let toml = |(id, skill, focus, difficulty): &(&str, &str, &str, f64)| {
            format!(
                "[[item]]\nid = \"{id}\"\nlevel = \"B1\"\nskill = \"{skill}\"\nfocus = \"{focus}\"\nquestion = \"?\"\n\
                 choices = [\"a\", \"b\"]\nanswer = 0\ndiscrimination = 1.2\ndifficulty = {difficulty:?}\n"
            )
        };
        let text: String = items.iter().map(toml).collect();
        CatalogTest::new(&Catalog::parse([("items/test.toml", text.as_str())]).expect("a good bank"))
    }

    fn response(item: &str, correct: bool) -> Response {
        Response { item: item.parse().expect("a valid item id"), correct }
    }

    #[test]
    fn the_skill_that_was_asked_least_is_asked_next() {
        let test = bank(&[("r1", "reading", "x", 0.0), ("r2", "reading", "x", 0.0), ("l1", "listening", "x", 3.0)]);
        let next = test.next(&[response("r1", true)], 7).expect("items are left");
        assert_eq!(next.skill, Skill::Listening);
    }

    #[test]
    fn a_skill_that_ran_out_of_items_does_not_hold_up_the_others() {
        let test = bank(&[("r1", "reading", "x", 0.0), ("l1", "listening", "x", 0.0), ("l2", "listening", "x", 0.0)]);
        let answered = [response("r1", true), response("l1", true)];
        assert_eq!(test.next(&answered, 7).map(|next| next.skill), Some(Skill::Listening));
    }

    #[test]
    fn one_of_the_three_most_informative_is_asked_and_every_one_by_some_seed() {
        let near = [("a", "reading", "x", 0.0), ("b", "reading", "x", 0.1), ("c", "reading", "x", -0.2)];
        let far = [("d", "reading", "x", 3.0), ("e", "reading", "x", -3.0)];
        let test = bank(&[&near[..], &far[..]].concat());
        let asked: BTreeSet<_> =
            (0..50).filter_map(|seed| test.next(&[], seed)).map(|next| next.item.as_str().to_owned()).collect();
        assert_eq!(asked, ["a", "b", "c"].map(str::to_owned).into());
    }

    #[test]
    fn an_exhausted_bank_gives_no_item() {
        let test = bank(&[("r1", "reading", "x", 0.0)]);
        assert_eq!(test.next(&[response("r1", false)], 7), None);
        assert_eq!(bank(&[]).next(&[], 7), None);
    }

    #[test]
    fn responses_to_items_that_the_bank_does_not_hold_are_ignored() {
        let test = bank(&[("r1", "reading", "x", 0.0), ("r2", "reading", "x", 0.0)]);
        let known = [response("r1", true)];
        let with_unknown = [response("gone", false), response("r1", true)];
        assert_eq!(test.report(&with_unknown), test.report(&known));
        assert_eq!(test.next(&with_unknown, 3), test.next(&known, 3));
    }

    #[test]
    fn the_most_surprising_miss_is_the_first_weakness_and_each_is_named_once() {
        let test = bank(&[
            ("r1", "reading", "easy", -2.0),
            ("r2", "reading", "hard", 2.0),
            ("r3", "reading", "easy", -1.0),
            ("r4", "reading", "fine", 1.0),
            ("r5", "reading", "fine", 1.5),
        ]);
        let answers =
            [("r1", false), ("r2", false), ("r3", false), ("r4", true), ("r5", true)].map(|(id, ok)| response(id, ok));
        let report = test.report(&answers);
        let focus: Vec<_> = report.weaknesses.iter().map(|weakness| weakness.focus.as_str()).collect();
        assert_eq!(focus, ["easy", "hard"]);
    }

    #[test]
    fn of_equally_surprising_misses_the_one_in_the_weaker_skill_comes_first() {
        let test = bank(&[
            ("l1", "listening", "b", 0.0),
            ("l2", "listening", "c", -1.0),
            ("r1", "reading", "a", 0.0),
            ("r2", "reading", "c", 1.0),
        ]);
        let answers = [("l1", false), ("l2", false), ("r1", false), ("r2", true)].map(|(id, ok)| response(id, ok));
        let report = test.report(&answers);
        let rank = |focus: &str| report.weaknesses.iter().position(|weakness| weakness.focus.as_str() == focus);
        assert!(rank("b") < rank("a"), "{:?}", report.weaknesses);
        assert!(report.skills[1].ability.theta < report.skills[0].ability.theta);
    }

    #[test]
    fn the_report_counts_answers_per_skill_in_the_order_of_skills() {
        let test = bank(&[("r1", "reading", "x", 0.0), ("r2", "reading", "x", 0.0), ("s1", "speaking", "x", 0.0)]);
        let report = test.report(&[response("r1", true), response("s1", false), response("r2", false)]);
        let counts: Vec<_> = report.skills.iter().map(|of| (of.skill, of.answered, of.correct)).collect();
        assert_eq!(
            counts,
            [(Skill::Reading, 2, 1), (Skill::Listening, 0, 0), (Skill::Writing, 0, 0), (Skill::Speaking, 1, 0)]
        );
        assert_eq!(report.band, Cefr::from_theta(report.ability.theta));
    }
}
