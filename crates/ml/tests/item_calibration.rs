//! Batch calibration against published estimates, and against the truth where answers are simulated.

use baeum_ml::assessment::irt::{
    Calibration, CalibrationError, Model, Options, Priors, Responses,
    ability::expected_a_posteriori,
    calibrate,
    calibrate::NoVariance,
    fit::item_fit,
    simulate::{Design, Simulation, rmse},
};
use proptest::prelude::*;

/// LSAT section 7, 1,000 persons: how often each pattern occurs, from 00000 to 11111 (Bock & Lieberman, 1970).
const LSAT7: [usize; 32] = [
    12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28, 7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32,
    308,
];

fn lsat7() -> Responses {
    let mut responses = Responses::new((1..=5).map(|number| format!("Item.{number}")).collect());
    for (pattern, count) in LSAT7.into_iter().enumerate() {
        for _ in 0..count {
            responses.push((0..5).rev().map(|bit| Some(pattern >> bit & 1 == 1)));
        }
    }
    responses
}

fn calibrated(responses: &Responses, options: &Options) -> Calibration {
    let calibration = calibrate(responses, options, |_| {}).expect("a matrix that can be calibrated");
    assert!(calibration.converged, "{} iterations", calibration.iterations);
    calibration
}

fn design(persons: usize, items: usize, model: Model) -> Design {
    Design { persons, items, model, missing: 0.0, seed: 20_260_301 }
}

/// Errors against the truth, and the standard errors that were claimed, as root mean squares: of a, of b.
fn errors(simulation: &Simulation, calibration: &Calibration) -> [(f64, f64); 2] {
    let pairs = || calibration.items.iter().zip(&simulation.curves);
    [
        (rmse(pairs().map(|(item, truth)| (item.a, truth.a))), rmse(pairs().map(|(item, _)| (item.se_a, 0.0)))),
        (rmse(pairs().map(|(item, truth)| (item.b, truth.b))), rmse(pairs().map(|(item, _)| (item.se_b, 0.0)))),
    ]
}

/// How many of the intervals of a, b and c hold the truth.
fn covered(simulation: &Simulation, calibration: &Calibration) -> [usize; 3] {
    let pairs = || calibration.items.iter().zip(&simulation.curves);
    let within = |estimate: f64, truth: f64, error: f64| (estimate - truth).abs() <= 1.96 * error;
    [
        pairs().filter(|(item, truth)| within(item.a, truth.a, item.se_a)).count(),
        pairs().filter(|(item, truth)| within(item.b, truth.b, item.se_b)).count(),
        pairs().filter(|(item, truth)| within(item.c, truth.c, item.se_c)).count(),
    ]
}

#[test]
fn the_law_school_test_comes_out_as_mirt_has_it() {
    let calibration = calibrated(&lsat7(), &Options::new(Model::TwoPl));
    assert!((calibration.log_likelihood + 2658.805).abs() < 0.001, "{}", calibration.log_likelihood);
    for (item, published) in calibration.items.iter().zip([0.9879, 1.0809, 1.7058, 0.7652, 0.7358]) {
        assert!((item.a - published).abs() < 0.005, "{}: {} against {published}", item.name, item.a);
    }
    let (fits, persons) = item_fit(&lsat7(), Model::TwoPl, &calibration.curves(), 1);
    assert_eq!(persons, 1_000);
    for (fit, published) in fits.iter().zip([4.749, 14.451, 1.270, 5.237, 0.941]) {
        assert!(fit.is_some_and(|fit| fit.degrees == 2 && (fit.statistic - published).abs() < 0.02), "{fit:?}");
    }
}

#[test]
fn two_parameters_are_recovered_as_closely_as_their_standard_errors_say() {
    let simulation = design(5_000, 60, Model::TwoPl).simulate();
    let calibration = calibrated(&simulation.responses, &Options::new(Model::TwoPl));
    let [(error_a, claimed_a), (error_b, claimed_b)] = errors(&simulation, &calibration);
    let [a, b, _] = covered(&simulation, &calibration);
    let shown = format!("a {error_a:.4} ({claimed_a:.4}), b {error_b:.4} ({claimed_b:.4}), covered {a} and {b} of 60");
    assert!(error_a < 0.06 && error_b < 0.07, "{shown}");
    assert!((0.75..1.3).contains(&(error_a / claimed_a)) && (0.75..1.3).contains(&(error_b / claimed_b)), "{shown}");
    assert!(a >= 53 && b >= 53, "{shown}");
}

#[test]
fn one_discrimination_is_recovered_with_all_difficulties() {
    let simulation = design(4_000, 40, Model::OnePl).simulate();
    let calibration = calibrated(&simulation.responses, &Options::new(Model::OnePl));
    let [(error_a, claimed_a), (error_b, claimed_b)] = errors(&simulation, &calibration);
    let [_, b, _] = covered(&simulation, &calibration);
    let shown = format!("a {error_a:.4} ({claimed_a:.4}), b {error_b:.4} ({claimed_b:.4}), covered {b} of 40");
    assert!(calibration.items.windows(2).all(|pair| pair[0].a.to_bits() == pair[1].a.to_bits()), "one slope");
    assert!(error_a < 3.0 * claimed_a && claimed_a < 0.03 && error_b < 0.07 && b >= 35, "{shown}");
    let free = calibrated(&simulation.responses, &Options::new(Model::TwoPl));
    let gained = free.log_likelihood - calibration.log_likelihood;
    // Twice that is a chi-square of 39 degrees: its 99.9 % quantile is 72.
    assert!((0.0..36.0).contains(&gained), "39 more slopes gained {gained}");
}

#[test]
fn three_parameters_are_recovered_with_guessing() {
    let simulation = design(20_000, 40, Model::ThreePl).simulate();
    let calibration = calibrated(&simulation.responses, &Options::new(Model::ThreePl).threads(4));
    let [(error_a, claimed_a), (error_b, claimed_b)] = errors(&simulation, &calibration);
    let pairs = || calibration.items.iter().zip(&simulation.curves);
    let error_c = rmse(pairs().map(|(item, truth)| (item.c, truth.c)));
    let [a, b, c] = covered(&simulation, &calibration);
    let shown = format!(
        "a {error_a:.4} ({claimed_a:.4}), b {error_b:.4} ({claimed_b:.4}), c {error_c:.4}, covered {a}, {b}, {c} of 40"
    );
    assert!(error_a < 1.3 * claimed_a && error_b < 1.3 * claimed_b && error_c < 0.06, "{shown}");
    assert!(claimed_a < 0.1 && claimed_b < 0.2, "{shown}");
    assert!(a >= 34 && b >= 33 && c >= 32, "{shown}");
    // Curves agree where persons are, even where single parameters trade against each other.
    let apart = pairs().flat_map(|(item, truth)| {
        let curve = item.curve();
        [-2.0, -1.0, 0.0, 1.0, 2.0].map(|theta| (curve.probability(theta) - truth.probability(theta)).abs())
    });
    assert!(apart.fold(0.0, f64::max) < 0.04, "{shown}");
}

#[test]
fn answers_missing_at_random_cost_precision_and_nothing_else() {
    let whole = Design { missing: 0.0, ..design(6_000, 50, Model::TwoPl) }.simulate();
    let simulation = Design { missing: 0.5, ..design(6_000, 50, Model::TwoPl) }.simulate();
    let [with, without] = [&whole, &simulation].map(|of| calibrated(&of.responses, &Options::new(Model::TwoPl)));
    let ([(error_a, claimed_a), (error_b, claimed_b)], [(_, whole_a), (_, whole_b)]) =
        (errors(&simulation, &without), errors(&whole, &with));
    let [a, b, _] = covered(&simulation, &without);
    let shown = format!(
        "a {error_a:.4} ({claimed_a:.4}, whole {whole_a:.4}), b {error_b:.4} ({claimed_b:.4}, {whole_b:.4}), {a} {b}"
    );
    // Half of the answers: errors grow by about the root of two, and are still what they claim to be.
    assert!((1.2..2.0).contains(&(claimed_a / whole_a)) && (1.2..2.0).contains(&(claimed_b / whole_b)), "{shown}");
    assert!(a >= 44 && b >= 44 && error_a < 0.1 && error_b < 0.1, "{shown}");
}

#[test]
fn a_sparse_matrix_is_calibrated_from_what_there_is() {
    // Each of 20,000 persons answers about 12 of 120 items.
    let simulation = Design { missing: 0.9, ..design(20_000, 120, Model::TwoPl) }.simulate();
    let calibration = calibrated(&simulation.responses, &Options::new(Model::TwoPl).threads(4));
    let [(error_a, claimed_a), (error_b, claimed_b)] = errors(&simulation, &calibration);
    let [a, b, _] = covered(&simulation, &calibration);
    let shown = format!("a {error_a:.4} ({claimed_a:.4}), b {error_b:.4} ({claimed_b:.4}), covered {a} and {b} of 120");
    assert!(a >= 107 && b >= 107 && error_a < 0.16 && error_b < 0.16, "{shown}");
    let abilities = expected_a_posteriori(&simulation.responses, &calibration.curves());
    let pairs = abilities.iter().zip(&simulation.abilities).map(|(ability, truth)| (ability.theta, *truth));
    assert!(rmse(pairs) < 0.62, "abilities");
}

#[test]
fn a_bank_wider_than_any_matrix_of_parameters_is_calibrated_item_by_item() {
    // 1,100 items with 2,200 parameters; each of 4,000 persons answers about 22.
    let simulation = Design { missing: 0.98, ..design(4_000, 1_100, Model::TwoPl) }.simulate();
    let options = Options { tolerance: 1e-3, ..Options::new(Model::TwoPl).threads(4) };
    let options = Options { priors: Priors { log_a: Some((0.0, 0.5)), b: Some((0.0, 2.0)), c: None }, ..options };
    let calibration = calibrated(&simulation.responses, &options);
    let [(error_a, claimed_a), (error_b, claimed_b)] = errors(&simulation, &calibration);
    let [_, b, _] = covered(&simulation, &calibration);
    let shown = format!("a {error_a:.3} ({claimed_a:.3}), b {error_b:.3} ({claimed_b:.3}), covered {b} of 1,100");
    assert!(error_a < 0.36 && error_b < 0.4 && b >= 1_020, "{shown}");
}

#[test]
fn threads_change_not_a_bit() {
    for (model, missing) in [(Model::OnePl, 0.0), (Model::TwoPl, 0.0), (Model::TwoPl, 0.3), (Model::ThreePl, 0.1)] {
        let simulation = Design { missing, ..design(3_000, 33, model) }.simulate();
        let bits = |threads: usize| {
            let calibration = calibrated(&simulation.responses, &Options::new(model).threads(threads));
            let numbers = |item: &baeum_ml::assessment::irt::CalibratedItem| {
                [item.a, item.b, item.c, item.se_a, item.se_b, item.se_c].map(f64::to_bits)
            };
            let items: Vec<_> = calibration.items.iter().map(numbers).collect();
            (calibration.log_likelihood.to_bits(), calibration.iterations, items)
        };
        let one = bits(1);
        for threads in [2, 3, 4, 7] {
            assert!(one == bits(threads), "{model} with {threads} threads");
        }
    }
}

#[test]
fn the_order_of_persons_changes_nothing_that_matters() {
    let simulation = design(2_000, 20, Model::TwoPl).simulate();
    let mut turned = Responses::new(simulation.responses.items().to_vec());
    for person in (0..2_000).rev() {
        turned.push((0..20).map(|item| simulation.responses.answer(person, item)));
    }
    let [one, other] = [&simulation.responses, &turned].map(|of| calibrated(of, &Options::new(Model::TwoPl)));
    for (one, other) in one.items.iter().zip(&other.items) {
        assert!((one.a - other.a).abs() < 1e-9 && (one.b - other.b).abs() < 1e-9, "{one:?} {other:?}");
    }
}

#[test]
fn an_item_with_its_key_reversed_shows_by_a_negative_discrimination() {
    let simulation = design(3_000, 25, Model::TwoPl).simulate();
    let mut responses = Responses::new(simulation.responses.items().to_vec());
    for person in 0..3_000 {
        let answer = |item| simulation.responses.answer(person, item).map(|right| right ^ (item == 6));
        responses.push((0..25).map(answer));
    }
    let calibration = calibrated(&responses, &Options::new(Model::TwoPl));
    let negative: Vec<_> = calibration.items.iter().filter(|item| item.a < 0.0).map(|item| &item.name).collect();
    assert_eq!(negative, ["item7"]);
}

#[test]
fn the_likelihood_of_a_calibration_does_not_fall_and_is_told_as_it_goes() {
    let simulation = design(1_500, 20, Model::TwoPl).simulate();
    let mut told = vec![];
    let options = Options::new(Model::TwoPl);
    let calibration = calibrate(&simulation.responses, &options, |step| told.push((step.number, step.log_likelihood)))
        .expect("right");
    assert_eq!(told.last().expect("steps").0, calibration.iterations);
    assert!(told.iter().all(|(_, value)| *value <= calibration.log_likelihood + 1e-6), "{told:?}");
}

#[test]
fn what_cannot_be_calibrated_is_refused_with_the_names_of_the_items() {
    let refused = |items: &[&str], rows: &[&[Option<bool>]], model: Model| {
        let mut responses = Responses::new(items.iter().map(ToString::to_string).collect());
        for row in rows {
            responses.push(row.iter().copied());
        }
        calibrate(&responses, &Options::new(model), |_| {}).expect_err("refused")
    };
    let (yes, no) = (Some(true), Some(false));
    let rows: &[&[_]] = &[&[yes, no, None, yes], &[yes, no, None, no]];
    let error = refused(&["easy", "hard", "new", "fine"], rows, Model::TwoPl);
    assert_eq!(
        error.to_string(),
        "some items cannot be calibrated: 'easy' was answered rightly by all, 'hard' was answered wrongly by all, \
         'new' was answered by nobody; drop or correct them"
    );
    let error = refused(&["easy", "x", "y"], &[&[yes, no, yes], &[yes, yes, no]], Model::TwoPl);
    assert_eq!(error, CalibrationError::NoVariance(vec![NoVariance::AllRight("easy".into())]));
    let error = refused(&["x", "y"], &[&[yes, no], &[no, yes]], Model::TwoPl);
    assert_eq!(error.to_string(), "the 2pl model needs at least 3 items; there are 2");
    let error = refused(&["x", "y", "z"], &[&[yes, no, yes], &[no, yes, no], &[None; 3], &[None; 3]], Model::OnePl);
    assert!(error.to_string().starts_with("2 persons with an answer are fewer than the 4 parameters of the 1pl model"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_matrix_is_calibrated_or_refused(
        rows in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.8, any::<bool>()), 5), 0..60),
        model in prop::sample::select(vec![Model::OnePl, Model::TwoPl, Model::ThreePl]),
    ) {
        let mut responses = Responses::new((0..5).map(|item| format!("i{item}")).collect());
        for row in rows {
            responses.push(row);
        }
        let options = Options { most_iterations: 200, ..Options::new(model) };
        if let Ok(calibration) = calibrate(&responses, &options, |_| {}) {
            prop_assert!(calibration.log_likelihood.is_finite() && calibration.log_likelihood < 0.0);
            for item in &calibration.items {
                prop_assert!(item.a.is_finite() && !item.b.is_nan() && (0.0..1.0).contains(&item.c), "{item:?}");
                prop_assert!(!item.se_a.is_nan() && !item.se_b.is_nan() && !item.se_c.is_nan(), "{item:?}");
            }
        }
    }
}
