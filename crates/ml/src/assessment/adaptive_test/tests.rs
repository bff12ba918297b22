//! Tests of the adaptive level test on small banks.

use std::collections::BTreeSet;

use baeum_domain::{
    assessment::testing::SelectionReason,
    level::{Cefr, Skill},
};

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
    Response { item: item.parse().expect("a valid item id"), correct, scored: true }
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

/// Reading items as (name, difficulty, exposure); the answers to those with "pretest" in their name do not count.
fn with_exposure(items: &[(&str, f64, f64)]) -> CatalogTest {
    let toml = |(id, difficulty, exposure): &(&str, f64, f64)| {
        format!(
            "[[item]]\nid = \"{id}\"\nlevel = \"B1\"\nskill = \"reading\"\nfocus = \"x\"\nquestion = \"?\"\n\
             choices = [\"a\", \"b\", \"c\", \"d\"]\nanswer = 0\ndiscrimination = 1.2\ndifficulty = {difficulty:?}\n\
             exposure = {exposure:?}\npretest = {}\n",
            id.contains("pretest")
        )
    };
    let text: String = items.iter().map(toml).collect();
    CatalogTest::new(&Catalog::parse([("items/test.toml", text.as_str())]).expect("a good bank"))
}

#[test]
fn an_item_is_had_by_as_many_sittings_as_its_exposure_says() {
    let test = with_exposure(&[("best", 0.0, 0.3), ("good", 3.0, 1.0), ("fair", 3.1, 1.0), ("last", 3.2, 1.0)]);
    let has = |seed: u64| {
        (0..4).any(|at| {
            let mut responses = vec![];
            for _ in 0..at {
                let next = test.next(&responses, seed).expect("items are left");
                responses.push(Response { item: next.item, correct: true, scored: true });
            }
            test.next(&responses, seed).is_some_and(|next| {
                next.item.as_str() == "best" && !matches!(next.reason, SelectionReason::ExposureRelaxed { .. })
            })
        })
    };
    let sittings = (0..2_000).filter(|seed| has(*seed)).count();
    assert!((540..=660).contains(&sittings), "{sittings} of 2,000");
}

#[test]
fn what_a_sitting_may_not_have_is_told_and_comes_when_nothing_else_is_left() {
    let test = with_exposure(&[("best", 0.0, 0.001), ("other", 3.0, 1.0)]);
    let seed = (0..100).find(|seed| test.next(&[], *seed).is_some_and(|next| next.item.as_str() == "other"));
    let seed = seed.expect("most sittings may not have the best item");
    let first = test.next(&[], seed).expect("an item");
    assert_eq!(first.reason, SelectionReason::Information { rank: 1, drawn_from: 1, held_back: 1 });
    let second = test.next(&[response("other", true)], seed).expect("an item");
    assert_eq!(second.reason, SelectionReason::ExposureRelaxed { rank: 1, drawn_from: 1 });
}

#[test]
fn two_pretest_items_come_between_the_third_and_the_eighth_answer_and_leave_the_ability_as_it_is() {
    let names: Vec<_> = (0..20).map(|at| format!("item-{at}")).collect();
    let mut items: Vec<_> = names.iter().map(|name| (name.as_str(), 0.0, 1.0)).collect();
    items.extend([("pretest-a", 0.0, 1.0), ("pretest-b", 0.5, 1.0), ("pretest-c", 4.0, 1.0)]);
    let test = with_exposure(&items);
    let mut first_places = BTreeSet::new();
    for seed in 0..200 {
        let (mut responses, mut scored, mut pretests) = (vec![], 0, vec![]);
        for number in 0..12 {
            let next = test.next(&responses, seed).expect("items are left");
            let counts = next.reason.is_scored();
            let before = test.ability(&responses);
            if counts {
                scored += 1;
            } else {
                pretests.push(scored);
            }
            responses.push(Response { item: next.item, correct: number % 2 == 0, scored: counts });
            assert_eq!(test.ability(&responses) == before, !counts);
        }
        let [first, second] = pretests[..] else { panic!("{pretests:?}") };
        assert!((2..=4).contains(&first) && (5..=7).contains(&second), "{pretests:?}");
        first_places.insert(first);
        let report = test.report(&responses);
        assert_eq!(report.skills[0].answered, 10);
    }
    assert_eq!(first_places, [2, 3, 4].into());
}

#[test]
fn the_probabilities_of_the_bands_are_those_of_the_posterior_and_sum_to_one() {
    let names: Vec<_> = (0..12).map(|at| format!("item-{at}")).collect();
    let items: Vec<_> = names.iter().map(|name| (name.as_str(), 0.0, 1.0)).collect();
    let test = with_exposure(&items);
    let answers: Vec<_> = names.iter().enumerate().map(|(at, name)| response(name, at % 3 != 0)).collect();
    let report = test.report(&answers);
    let sum: f64 = report.bands.iter().map(|it| it.probability).sum();
    assert!((sum - 1.0).abs() < 1e-12 && report.bands.len() == 5);
    let likeliest = report.bands.iter().max_by(|one, other| one.probability.total_cmp(&other.probability));
    assert_eq!(likeliest.map(|it| it.band), Some(report.band));
    assert!(test.report(&[]).bands.iter().all(|it| (0.05..0.4).contains(&it.probability)));
}

#[test]
fn the_hash_of_the_parameters_changes_with_any_of_them() {
    let hash = |items: &[(&str, f64, f64)]| {
        with_exposure(items).report(&[]).model.map(|model| model.parameters_hash).expect("a model")
    };
    let hashes: BTreeSet<_> = [
        hash(&[("one", 0.0, 1.0)]),
        hash(&[("one", 0.1, 1.0)]),
        hash(&[("one", 0.0, 0.5)]),
        hash(&[("two", 0.0, 1.0)]),
        hash(&[("pretest-one", 0.0, 1.0)]),
    ]
    .into();
    assert_eq!((hashes.len(), hash(&[("one", 0.0, 1.0)]).len()), (5, 64));
}
