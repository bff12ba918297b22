//! Placing persons on the scale of calibrated items.

use baeum_domain::assessment::testing::Ability;

use super::{
    Curve, Responses,
    curve::Slope,
    posterior::{BLOCK, Tables, normalize},
    quadrature::Quadrature,
    responses::Patterns,
};

/// Longest step of Newton's method, and its last.
const LONGEST: f64 = 1.0;
const SHORT: f64 = 1e-9;
const MOST_ROUNDS: usize = 50;

/// The expected a posteriori ability of every person under a standard normal prior, with the posterior's standard
/// deviation as standard error (Bock & Mislevy, 1982). Who answered nothing gets the prior: 0 ± 1.
pub fn expected_a_posteriori(responses: &Responses, items: &[Curve]) -> Vec<Ability> {
    let patterns = Patterns::of(responses);
    let abilities = of_patterns(&patterns, items);
    patterns.of_person.iter().map(|pattern| abilities[*pattern as usize]).collect()
}

/// The maximum a posteriori ability of every person under a standard normal prior; the standard error is the root of
/// 1 / (test information + 1) there (Samejima, 1969; Baker & Kim, 2004, ch. 7). Fisher scoring from the expected ability.
pub fn maximum_a_posteriori(responses: &Responses, items: &[Curve]) -> Vec<Ability> {
    let patterns = Patterns::of(responses);
    let starts = of_patterns(&patterns, items);
    let of_pattern = |(pattern, start): (usize, &Ability)| {
        let answered = |(item, curve): (usize, &Curve)| {
            let (right, missing) = patterns.row(pattern);
            let (byte, bit) = (item / super::responses::GROUP, 1 << (item % super::responses::GROUP));
            (missing[byte] & bit == 0).then_some((*curve, right[byte] & bit != 0))
        };
        let answers: Vec<_> = items.iter().enumerate().filter_map(answered).collect();
        mode(&answers, start.theta)
    };
    let abilities: Vec<_> = starts.iter().enumerate().map(of_pattern).collect();
    patterns.of_person.iter().map(|pattern| abilities[*pattern as usize]).collect()
}

fn of_patterns(patterns: &Patterns, items: &[Curve]) -> Vec<Ability> {
    let quadrature = Quadrature::for_items(items.len());
    let slopes: Vec<_> = items.iter().map(|curve| Slope::from(*curve)).collect();
    let mut tables = Tables::default();
    tables.fill(&slopes, &quadrature, patterns);
    let stride = quadrature.stride();
    let mut rows = vec![0.0; BLOCK * stride];
    let mut abilities = Vec::with_capacity(patterns.len());
    for first in (0..patterns.len()).step_by(BLOCK) {
        let range = first..patterns.len().min(first + BLOCK);
        tables.log_joint(&quadrature, patterns, range.clone(), &mut rows);
        for row in rows.chunks_exact_mut(stride).take(range.len()) {
            let window = normalize(row).window;
            let weighted = || row[window.clone()].iter().zip(&quadrature.nodes[window.clone()]);
            let theta: f64 = weighted().map(|(weight, node)| weight * node).sum();
            let variance: f64 = weighted().map(|(weight, node)| weight * (node - theta) * (node - theta)).sum();
            abilities.push(Ability { theta, standard_error: libm::sqrt(variance) });
        }
    }
    abilities
}

fn mode(answers: &[(Curve, bool)], start: f64) -> Ability {
    let mut theta = start;
    let mut information = 1.0;
    for _ in 0..MOST_ROUNDS {
        let mut gradient = -theta;
        information = 1.0;
        for (curve, right) in answers {
            let p = curve.probability(theta);
            // ∂P/∂θ = a (P − c) (1 − P) / (1 − c)
            let slope = curve.a * (p - curve.c) / (1.0 - curve.c);
            gradient += if *right { slope * (1.0 - p) / p.max(f64::MIN_POSITIVE) } else { -slope };
            information += curve.information(theta);
        }
        let step = (gradient / information).clamp(-LONGEST, LONGEST);
        theta += step;
        if step.abs() < SHORT {
            break;
        }
    }
    Ability { theta, standard_error: 1.0 / libm::sqrt(information) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::{
        irt::{Model, simulate::Design},
        posterior::Prior,
    };

    fn design(items: usize) -> Design {
        Design { persons: 400, items, model: Model::TwoPl, missing: 0.2, seed: 3 }
    }

    #[test]
    fn abilities_are_those_of_the_level_tests_estimator() {
        let simulation = design(30).simulate();
        let abilities = expected_a_posteriori(&simulation.responses, &simulation.curves);
        let prior = Prior { mean: 0.0, standard_deviation: 1.0 };
        for (person, ability) in abilities.iter().enumerate().take(50) {
            let answer =
                |(item, curve): (usize, &Curve)| simulation.responses.answer(person, item).map(|right| (*curve, right));
            let answers: Vec<_> = simulation.curves.iter().enumerate().filter_map(answer).collect();
            let one = crate::assessment::posterior::expected_a_posteriori(prior, &answers);
            assert!((one.theta - ability.theta).abs() < 1e-4, "{one:?} {ability:?}");
            assert!((one.standard_error - ability.standard_error).abs() < 1e-4);
        }
    }

    #[test]
    fn the_mode_is_where_the_posterior_is_highest() {
        let simulation = design(12).simulate();
        let abilities = maximum_a_posteriori(&simulation.responses, &simulation.curves);
        for (person, ability) in abilities.iter().enumerate().take(50) {
            let answer =
                |(item, curve): (usize, &Curve)| simulation.responses.answer(person, item).map(|right| (*curve, right));
            let answers: Vec<_> = simulation.curves.iter().enumerate().filter_map(answer).collect();
            let likelihood =
                |theta: f64| answers.iter().map(|(curve, right)| curve.log_likelihood(*right, theta)).sum::<f64>();
            let density = |theta: f64| likelihood(theta) - 0.5 * theta * theta;
            let top = density(ability.theta);
            assert!(density(ability.theta + 1e-3) < top && density(ability.theta - 1e-3) < top, "person {person}");
        }
    }

    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        let simulation = Design { persons: 4_000, missing: 0.0, ..design(40) }.simulate();
        for estimate in [expected_a_posteriori, maximum_a_posteriori] {
            let abilities = estimate(&simulation.responses, &simulation.curves);
            let inside =
                |(ability, truth): &(&Ability, &f64)| (ability.theta - *truth).abs() <= 1.96 * ability.standard_error;
            let covered = abilities.iter().zip(&simulation.abilities).filter(inside).count();
            assert!((3_720..=3_880).contains(&covered), "{covered} of 4,000");
        }
    }

    #[test]
    fn who_answered_nothing_gets_the_prior() {
        let mut responses = Responses::new(vec!["x".into(), "y".into()]);
        responses.push([None, None]);
        let items = [Curve { a: 1.0, b: 0.0, c: 0.0 }; 2];
        let (mean, mode) = (expected_a_posteriori(&responses, &items)[0], maximum_a_posteriori(&responses, &items)[0]);
        assert!(mean.theta.abs() < 1e-12 && (mean.standard_error - 1.0).abs() < 1e-6, "{mean:?}");
        assert!(mode.theta.abs() < 1e-9 && (mode.standard_error - 1.0).abs() < 1e-12, "{mode:?}");
    }
}
