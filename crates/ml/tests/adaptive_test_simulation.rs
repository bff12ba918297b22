//! Simulated learners sit the level test over the real catalogue.
//!
//! Answers are drawn from the model itself, so this measures the test (its estimator, selection and stopping), not
//! whether the catalogue's provisional item parameters are right.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use baeum_domain::{
    assessment::{
        assessment::StoppingRule,
        testing::{Ability, AdaptiveTest, Response},
    },
    catalog::Catalog,
    level::{Cefr, Skill},
};
use baeum_ml::assessment::{adaptive_test::CatalogTest, two_parameter::ItemParameters};

const LEARNERS: u32 = 1_000;

fn catalog() -> Catalog {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/items");
    let files: Vec<_> = ["a1.toml", "a2.toml", "b1.toml", "b2.toml", "c1.toml"]
        .map(|name| (name, fs::read_to_string(folder.join(name)).expect("the catalogue has a file per band")))
        .into();
    Catalog::parse(files.iter().map(|(name, text)| (*name, text.as_str()))).expect("the catalogue is right")
}

/// `SplitMix64`, so that the simulation is the same everywhere.
struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).expect("32 bits");
        (f64::from(high) + 0.5) / 4_294_967_296.0
    }

    /// Standard normal: the sum of twelve uniforms less six (Irwin–Hall).
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

struct Sitting {
    truth: f64,
    ability: Ability,
    responses: Vec<Response>,
}

fn sit(catalog: &Catalog, test: &CatalogTest, truth: f64, rng: &mut Rng) -> Sitting {
    sit_guessing(catalog, test, truth, 0.0, rng)
}

/// A learner who does not know guesses rightly with probability `guess`.
fn sit_guessing(catalog: &Catalog, test: &CatalogTest, truth: f64, guess: f64, rng: &mut Rng) -> Sitting {
    let rule = StoppingRule::default();
    let seed = rng.bits();
    let mut responses = vec![];
    loop {
        let ability = test.ability(&responses);
        let answered = u32::try_from(responses.len()).expect("a short test");
        let known = answered >= rule.min_items && ability.standard_error <= rule.target_standard_error;
        if known || answered >= rule.max_items {
            return Sitting { truth, ability, responses };
        }
        let next = test.next(&responses, seed).expect("the bank is larger than the test");
        let item = &catalog.items[&next.item];
        let parameters = ItemParameters { discrimination: item.discrimination, difficulty: item.difficulty };
        let probability = guess + (1.0 - guess) * parameters.probability(truth);
        responses.push(Response { item: next.item, correct: rng.uniform() < probability });
    }
}

struct Figures {
    bias: f64,
    rmse: f64,
    mean_items: f64,
    same_band: f64,
    within_a_band: f64,
    covered: f64,
}

fn figures(sittings: &[Sitting]) -> Figures {
    let n = f64::from(u32::try_from(sittings.len()).expect("few sittings"));
    let mean = |of: &dyn Fn(&Sitting) -> f64| sittings.iter().map(of).sum::<f64>() / n;
    let share = |of: &dyn Fn(&Sitting) -> bool| mean(&|sitting| f64::from(u8::from(of(sitting))));
    let error = |sitting: &Sitting| sitting.ability.theta - sitting.truth;
    let bands = |sitting: &Sitting| Cefr::from_theta(sitting.ability.theta).distance(Cefr::from_theta(sitting.truth));
    Figures {
        bias: mean(&error),
        rmse: mean(&|sitting| error(sitting) * error(sitting)).sqrt(),
        mean_items: mean(&|sitting| f64::from(u32::try_from(sitting.responses.len()).expect("a short test"))),
        same_band: share(&|sitting| bands(sitting) == 0),
        within_a_band: share(&|sitting| bands(sitting) <= 1),
        covered: share(&|sitting| error(sitting).abs() <= 1.96 * sitting.ability.standard_error),
    }
}

#[test]
fn a_thousand_learners_are_placed_without_bias_and_precisely_in_few_items() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_101));
    let test = CatalogTest::new(&catalog);
    let sittings: Vec<_> = (0..LEARNERS)
        .map(|_| {
            let truth = 1.3 * rng.normal();
            sit(&catalog, &test, truth, &mut rng)
        })
        .collect();
    let Figures { bias, rmse, mean_items, same_band, within_a_band, covered } = figures(&sittings);
    let shown = format!(
        "bias {bias:.3}, rmse {rmse:.3}, items {mean_items:.1}, same band {same_band:.3}, \
         within one {within_a_band:.3}, 95% interval covers {covered:.3}"
    );
    assert!(bias.abs() < 0.05, "{shown}");
    assert!(rmse < 0.40, "{shown}");
    assert!((8.0..20.0).contains(&mean_items), "{shown}");
    assert!(same_band > 0.65 && within_a_band > 0.99, "{shown}");
    assert!((0.92..0.98).contains(&covered), "{shown}");
}

#[test]
fn the_pull_towards_the_mean_stays_small_at_every_ability_from_a1_to_c1() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_102));
    let test = CatalogTest::new(&catalog);
    let mut table = String::new();
    for truth in [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] {
        let sittings: Vec<_> = (0..200).map(|_| sit(&catalog, &test, truth, &mut rng)).collect();
        let of = figures(&sittings);
        writeln!(table, "{truth:+}: bias {:+.3}, rmse {:.3}, items {:.1}", of.bias, of.rmse, of.mean_items)
            .expect("a string takes all text");
        assert!(of.bias.abs() < 0.25 && of.rmse < 0.50, "{table}");
    }
}

/// The known limit of the two-parameter model, kept here so that its documentation stays true.
#[test]
fn learners_who_guess_one_of_four_choices_are_placed_about_half_a_logit_too_high() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_105));
    let test = CatalogTest::new(&catalog);
    let sittings: Vec<_> = (0..LEARNERS)
        .map(|_| {
            let truth = 1.3 * rng.normal();
            sit_guessing(&catalog, &test, truth, 0.25, &mut rng)
        })
        .collect();
    let of = figures(&sittings);
    assert!((0.35..0.65).contains(&of.bias), "bias {:.3}", of.bias);
    assert!(of.within_a_band > 0.9, "within a band {:.3}", of.within_a_band);
    let beginners: Vec<_> = (0..200).map(|_| sit_guessing(&catalog, &test, -2.5, 0.25, &mut rng)).collect();
    assert!((0.9..1.4).contains(&figures(&beginners).bias), "bias {:.3}", figures(&beginners).bias);
}

#[test]
fn no_item_is_asked_twice_and_skills_keep_equal_shares() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_103));
    let test = CatalogTest::new(&catalog);
    for _ in 0..200 {
        let truth = 2.0 * rng.normal();
        let sitting = sit(&catalog, &test, truth, &mut rng);
        let distinct: BTreeSet<_> = sitting.responses.iter().map(|response| &response.item).collect();
        assert_eq!(distinct.len(), sitting.responses.len());
        let shares = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking]
            .map(|skill| distinct.iter().filter(|id| catalog.items[**id].skill == skill).count());
        let (least, most) = (shares.iter().min().expect("four"), shares.iter().max().expect("four"));
        assert!(most - least <= 1, "{shares:?}");
    }
}

#[test]
fn the_same_seed_and_answers_give_the_same_test_to_the_bit() {
    let catalog = catalog();
    let sittings = || {
        let (test, mut rng) = (CatalogTest::new(&catalog), Rng(20_260_104));
        let sittings: Vec<_> = (0..20).map(|_| sit(&catalog, &test, 0.4, &mut rng)).collect();
        sittings.into_iter().map(|sitting| (sitting.ability.theta.to_bits(), sitting.responses)).collect::<Vec<_>>()
    };
    let first = sittings();
    assert_eq!(first, sittings());
    let different: BTreeSet<_> = first.iter().map(|(_, responses)| &responses[0].item).collect();
    assert!(different.len() > 1, "seeds vary the first item");
}

#[test]
fn the_whole_bank_can_be_asked() {
    let catalog = catalog();
    let test = CatalogTest::new(&catalog);
    let mut responses = vec![];
    while let Some(next) = test.next(&responses, 5) {
        responses.push(Response { item: next.item, correct: responses.len() % 2 == 0 });
    }
    assert_eq!(responses.len(), catalog.items.len());
    let report = test.report(&responses);
    assert!(report.ability.theta.is_finite() && report.weaknesses.len() == 6);
}
