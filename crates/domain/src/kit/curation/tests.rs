use proptest::prelude::*;

use super::*;
use crate::{
    kit::sku::samples::{listing, sku},
    money::samples::money,
};

fn entry(kind: Kind, level: Cefr, topic: &str, krw: i64) -> Entry {
    Entry { revision: 1, listing: listing(kind, level, topic, krw), retired: false }
}

/// Something of each kind for B1, and a little else.
fn shelf() -> BTreeMap<SkuId, Entry> {
    BTreeMap::from([
        (sku("market-book"), entry(Kind::Book, Cefr::B1, "food", 9_000)),
        (sku("travel-book"), entry(Kind::Book, Cefr::B1, "travel", 8_000)),
        (sku("food-cards"), entry(Kind::Cards, Cefr::B1, "food", 5_000)),
        (sku("office-workbook"), entry(Kind::Workbook, Cefr::B2, "work", 7_000)),
        (sku("tea"), entry(Kind::Sample, Cefr::A2, "food", 3_000)),
        (sku("novel"), entry(Kind::Book, Cefr::C1, "food", 12_000)),
    ])
}

struct Learner {
    language: Language,
    interests: BTreeSet<Topic>,
    past: BTreeSet<SkuId>,
    unavailable: BTreeSet<SkuId>,
    kept: Vec<SkuId>,
}

fn mina() -> Learner {
    Learner {
        language: "en".parse().expect("a language"),
        interests: ["food".parse().expect("a topic")].into(),
        past: BTreeSet::new(),
        unavailable: BTreeSet::new(),
        kept: vec![],
    }
}

fn input<'a>(of: &'a Learner, assortment: &'a BTreeMap<SkuId, Entry>, items: u8, most: i64) -> CurationInput<'a> {
    CurationInput {
        kit_id: KitId(Uuid::from_u128(1)),
        assortment,
        language: &of.language,
        level: Some(Cefr::B1),
        interests: &of.interests,
        past: &of.past,
        unavailable: &of.unavailable,
        kept: &of.kept,
        items,
        limits: ValueLimits { least: money(1_000, "KRW"), most: money(most, "KRW") },
    }
}

fn names(choices: &[Choice]) -> BTreeSet<&str> {
    choices.iter().map(|choice| choice.sku.as_str()).collect()
}

#[test]
fn what_fits_the_learner_is_chosen_and_nothing_far_above_them() {
    let (mina, shelf) = (mina(), shelf());
    let kit = curate(&input(&mina, &shelf, 2, 50_000)).expect("a kit");
    assert_eq!(names(&kit), ["food-cards", "market-book"].into());
    assert!(kit.iter().all(|choice| choice.reason.level_distance == 0 && choice.reason.interests.len() == 1));
    let all = curate(&input(&mina, &shelf, 5, 50_000)).expect("a kit");
    assert!(!names(&all).contains("novel"), "C1 is out of reach of B1");
}

#[test]
fn a_kit_is_diverse() {
    let (mina, shelf) = (mina(), shelf());
    let kit = curate(&input(&mina, &shelf, 4, 50_000)).expect("a kit");
    let kinds: BTreeSet<Kind> = kit.iter().map(|choice| choice.listing.kind).collect();
    assert_eq!(kinds.len(), 4, "{:?}", names(&kit));
}

#[test]
fn what_an_earlier_kit_had_comes_again_only_when_nothing_else_is_left() {
    let shelf = shelf();
    let mina = Learner { past: [sku("market-book"), sku("food-cards")].into(), ..mina() };
    let kit = curate(&input(&mina, &shelf, 3, 50_000)).expect("a kit");
    assert!(kit.iter().all(|choice| !choice.reason.had_before), "{:?}", names(&kit));
    let all = curate(&input(&mina, &shelf, 5, 50_000)).expect("a kit");
    assert_eq!(all.iter().filter(|choice| choice.reason.had_before).count(), 2);
}

#[test]
fn the_value_stays_within_its_limits() {
    let (mina, shelf) = (mina(), shelf());
    // The two that fit best cost 14,000.
    let kit = curate(&input(&mina, &shelf, 2, 12_000)).expect("a kit");
    assert!(kit.iter().map(|choice| choice.value.minor()).sum::<i64>() <= 12_000, "{:?}", names(&kit));
    let error = curate(&input(&mina, &shelf, 2, 2_000)).expect_err("too little");
    assert_eq!(error.to_string(), "no 2 SKUs of 5 that can be had fit the learner and make the value");
}

#[test]
fn a_substitute_is_another_that_goes_with_what_the_kit_keeps() {
    let shelf = shelf();
    let mina = Learner { unavailable: [sku("food-cards")].into(), kept: vec![sku("market-book")], ..mina() };
    let kit = curate(&input(&mina, &shelf, 1, 50_000)).expect("a substitute");
    assert_eq!(names(&kit), ["tea"].into(), "not another book");
    // What is kept counts for the value.
    assert!(curate(&input(&mina, &shelf, 1, 11_000)).is_err());
}

#[test]
fn nothing_retired_or_of_another_language_or_currency_is_chosen() {
    let mina = mina();
    let retired = Entry { retired: true, ..entry(Kind::Book, Cefr::B1, "food", 9_000) };
    let mut foreign = entry(Kind::Book, Cefr::B1, "food", 9_000);
    foreign.listing.language = "ja".parse().expect("a language");
    let mut dollars = entry(Kind::Book, Cefr::B1, "food", 9_000);
    dollars.listing.values = vec![money(900, "USD")];
    let shelf = BTreeMap::from([(sku("a"), retired), (sku("b"), foreign), (sku("c"), dollars)]);
    assert_eq!(curate(&input(&mina, &shelf, 1, 50_000)), Err(Unsuitable { items: 1, candidates: 0 }));
}

fn shelves() -> impl Strategy<Value = BTreeMap<SkuId, Entry>> {
    let one = (0..40_u32, 0..4_usize, 0..5_usize, 0..4_usize, 1..20_i64).prop_map(|(n, kind, level, topic, value)| {
        let kind = [Kind::Book, Kind::Workbook, Kind::Cards, Kind::Sample][kind];
        let level = [Cefr::A1, Cefr::A2, Cefr::B1, Cefr::B2, Cefr::C1][level];
        let topic = ["food", "travel", "work", "music"][topic];
        (sku(&format!("sku-{n}")), entry(kind, level, topic, value * 1_000))
    });
    proptest::collection::vec(one, 0..40).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #[test]
    fn a_kit_keeps_its_promises_and_is_the_same_again(shelf in shelves(), items in 1..6_u8, most in 2_000..80_000_i64, kit in any::<u128>()) {
        let mina = mina();
        let asked = CurationInput { kit_id: KitId(Uuid::from_u128(kit)), ..input(&mina, &shelf, items, most) };
        let first = curate(&asked);
        prop_assert_eq!(&first, &curate(&asked));
        if let Ok(choices) = first {
            prop_assert_eq!(choices.len(), usize::from(items));
            prop_assert_eq!(names(&choices).len(), usize::from(items), "one twice");
            let worth: i64 = choices.iter().map(|choice| choice.value.minor()).sum();
            prop_assert!((1_000..=most).contains(&worth));
            prop_assert!(choices.iter().all(|choice| choice.reason.level_distance <= 1));
        }
    }
}
