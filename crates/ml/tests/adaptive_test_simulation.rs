//! Simulated learners sit the level test over the real catalogue.
//!
//! Answers are drawn from the model itself, so this measures the test (its estimator, selection and stopping), not
//! whether the catalogue's provisional item parameters are right. Where learners are drawn otherwise, it says how wrong
//! the test then is.

#![allow(clippy::print_stdout, reason = "figures, for whoever asks for them with --nocapture")]

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use baeum_domain::{
    assessment::{
        assessment::StoppingRule,
        testing::{Ability, AdaptiveTest, BandProbability, Response},
    },
    catalog::Catalog,
    level::{Cefr, Skill},
};
use baeum_ml::assessment::{
    adaptive_test::{
        Bank, CatalogTest, Rules,
        exposure::control,
        simulation::{Learners, bank, simulate},
    },
    irt::Curve,
    posterior::Prior,
};

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
    bands: Vec<BandProbability>,
    responses: Vec<Response>,
}

/// The chance of those who know nothing where one of four choices is right.
const QUARTER: f64 = 0.25;

/// Learners answer by chance in `guess` of the cases in which they do not know.
fn sit(catalog: &Catalog, test: &CatalogTest, truth: f64, guess: f64, rng: &mut Rng) -> Sitting {
    let rule = StoppingRule::default();
    let seed = rng.bits();
    let mut responses = vec![];
    loop {
        let ability = test.ability(&responses);
        let answered = u32::try_from(responses.len()).expect("a short test");
        if rule.reason(answered, ability.standard_error).is_some() {
            return Sitting { truth, ability, bands: test.report(&responses).bands, responses };
        }
        let next = test.next(&responses, seed).expect("the bank is larger than the test");
        let item = &catalog.items[&next.item];
        let probability = Curve { a: item.discrimination, b: item.difficulty, c: guess }.probability(truth);
        responses.push(Response { item: next.item, correct: rng.uniform() < probability, scored: true });
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

fn thousand(guess: f64, seed: u64) -> Vec<Sitting> {
    let (catalog, mut rng) = (catalog(), Rng(seed));
    let test = CatalogTest::new(&catalog);
    let one = |_| {
        let truth = 1.3 * rng.normal();
        sit(&catalog, &test, truth, guess, &mut rng)
    };
    (0..LEARNERS).map(one).collect()
}

impl Figures {
    fn shown(&self) -> String {
        let Self { bias, rmse, mean_items, same_band, within_a_band, covered } = self;
        format!(
            "bias {bias:.3}, rmse {rmse:.3}, items {mean_items:.1}, same band {same_band:.3}, \
             within one {within_a_band:.3}, 95% interval covers {covered:.3}"
        )
    }
}

#[test]
fn a_thousand_learners_who_guess_where_they_do_not_know_are_placed_without_bias() {
    let of = figures(&thousand(QUARTER, 20_260_101));
    let shown = of.shown();
    println!("{shown}");
    assert!(of.bias.abs() < 0.05, "{shown}");
    assert!(of.rmse < 0.48, "{shown}");
    assert!((8.0..=24.0).contains(&of.mean_items), "{shown}");
    assert!(of.same_band > 0.65 && of.within_a_band > 0.99, "{shown}");
    assert!((0.92..0.98).contains(&of.covered), "{shown}");
}

/// The other way to be wrong, kept here so that its documentation stays true.
#[test]
fn learners_who_never_guess_are_placed_a_little_too_low() {
    let of = figures(&thousand(0.0, 20_260_105));
    println!("{}", of.shown());
    assert!((-0.6..-0.1).contains(&of.bias), "{}", of.shown());
    assert!(of.within_a_band > 0.9, "{}", of.shown());
}

#[test]
fn bands_are_as_likely_as_they_are_said_to_be() {
    let sittings = thousand(QUARTER, 20_260_106);
    // Of all (sitting, band) said to have a probability of about p, a share of about p is the truth.
    let mut bins = [(0.0, 0.0, 0.0); 5];
    for sitting in &sittings {
        for it in &sitting.bands {
            let bin = &mut bins[[0.2, 0.4, 0.6, 0.8].iter().filter(|end| it.probability >= **end).count()];
            bin.0 += 1.0;
            bin.1 += it.probability;
            bin.2 += f64::from(u8::from(it.band == Cefr::from_theta(sitting.truth)));
        }
    }
    for (number, said, seen) in bins {
        println!("{number} bands said {:.3} seen {:.3}", said / number, seen / number);
        let error = 4.0 * (said / number * (1.0 - said / number) / number).sqrt();
        assert!((said - seen).abs() / number < error + 0.02, "{bins:?}");
    }
}

#[test]
fn the_pull_towards_the_mean_stays_small_at_every_ability_from_a1_to_c1() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_102));
    let test = CatalogTest::new(&catalog);
    let mut table = String::new();
    for truth in [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5] {
        let sittings: Vec<_> = (0..200).map(|_| sit(&catalog, &test, truth, QUARTER, &mut rng)).collect();
        let of = figures(&sittings);
        writeln!(table, "{truth:+}: bias {:+.3}, rmse {:.3}, items {:.1}", of.bias, of.rmse, of.mean_items)
            .expect("a string takes all text");
        assert!(of.bias.abs() < 0.4 && of.rmse < 0.65, "{table}");
    }
    println!("{table}");
}

#[test]
fn no_item_of_the_catalogue_is_asked_of_more_learners_than_its_exposure_control_aims_at() {
    let (bank, rule) = (Bank::of(&catalog()), StoppingRule::default());
    let learners = Learners { number: 4_000, population: Prior::POPULATION, seed: 20_260_107 };
    let highest = |rules: &Rules| {
        let sittings = simulate(&bank, rules, rule, learners, &bank);
        let mut asked = vec![0_u32; bank.items().len()];
        sittings.iter().flat_map(|sitting| &sitting.places).for_each(|place| asked[*place] += 1);
        f64::from(asked.into_iter().max().unwrap_or(0)) / f64::from(learners.number)
    };
    let (with, without) =
        (highest(&Rules::LEVEL_TEST), highest(&Rules { control_exposure: false, ..Rules::LEVEL_TEST }));
    assert!(with < 0.38 && without > 0.6, "with exposure control {with}, without {without}");
}

#[test]
fn exposure_control_reaches_its_rate_on_learners_that_it_was_not_fitted_to() {
    let rules = Rules { prior: Prior { mean: 0.0, standard_deviation: 1.0 }, pretests: 0, ..Rules::LEVEL_TEST };
    let rule = StoppingRule { target_standard_error: 0.35, min_items: 5, max_items: 40 };
    let learners = Learners { number: 2_000, population: rules.prior, seed: 3 };
    let mut bank = bank(200, 0.0, 3);
    let rounds = control(&mut bank, &rules, rule, learners, 0.3);
    assert!(rounds.last().is_some_and(|round| round.highest <= 0.3), "{rounds:?}");
    let sittings = simulate(&bank, &rules, rule, Learners { seed: 4, ..learners }, &bank);
    let mut asked = vec![0_u32; bank.items().len()];
    sittings.iter().flat_map(|sitting| &sitting.places).for_each(|place| asked[*place] += 1);
    assert!(asked.iter().all(|count| f64::from(*count) / 2_000.0 <= 0.3), "{asked:?}");
}

#[test]
fn no_item_is_asked_twice_and_skills_keep_equal_shares() {
    let (catalog, mut rng) = (catalog(), Rng(20_260_103));
    let test = CatalogTest::new(&catalog);
    for _ in 0..200 {
        let truth = 2.0 * rng.normal();
        let sitting = sit(&catalog, &test, truth, QUARTER, &mut rng);
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
        let sittings: Vec<_> = (0..20).map(|_| sit(&catalog, &test, 0.4, QUARTER, &mut rng)).collect();
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
        responses.push(Response { item: next.item, correct: responses.len() % 2 == 0, scored: true });
    }
    assert_eq!(responses.len(), catalog.items.len());
    let report = test.report(&responses);
    assert!(report.ability.theta.is_finite() && report.weaknesses.len() == 6);
}
