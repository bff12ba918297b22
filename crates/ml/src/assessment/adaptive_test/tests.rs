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
