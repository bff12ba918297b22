//! Differential item functioning: whether an item is harder for one group than for another of the same ability, by the
//! statistic of Mantel & Haenszel (1959) as Holland & Thayer (1988) use it.
//!
//! Persons are matched by their number of right answers, the studied item among them; only those who answered every item
//! can be. An item that favours a group says nothing yet about why.

use super::{Responses, fit::chi_square_beyond};

/// How an item treats the focal group, beside the reference group of equal scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dif {
    /// The common odds ratio; above 1 the reference group is favoured.
    pub odds_ratio: f64,
    /// −2.35 times its logarithm: the scale of ETS, on which negative values are against the focal group.
    pub delta: f64,
    /// Standard error of `delta` (Robins, Breslow & Greenland, 1986).
    pub se_delta: f64,
    /// Chi-square of one degree, with correction for continuity.
    pub statistic: f64,
    /// The probability of so large a statistic without any difference.
    pub p: f64,
    /// The class of ETS.
    pub class: Class,
}

/// How large a difference is (Zwick & Ercikan, 1989).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Negligible: below one unit of delta, or not significant.
    A,
    /// Moderate.
    B,
    /// Large: 1.5 units or more, and significantly above 1.
    C,
}

const DELTA: f64 = 2.35;

/// The difference of every item between persons who are `focal` and those who are not; persons with `None` are left out.
/// `None` for items of which there is nothing to compare.
pub fn mantel_haenszel(responses: &Responses, focal: &[Option<bool>]) -> Vec<Option<Dif>> {
    let count = responses.items().len();
    // For each score and item: right and wrong of the reference group, then of the focal group.
    let mut tables = vec![[0_usize; 4]; (count + 1) * count];
    for (person, focal) in focal.iter().enumerate().take(responses.persons()) {
        let answers: Option<Vec<bool>> = (0..count).map(|item| responses.answer(person, item)).collect();
        let (Some(answers), Some(focal)) = (answers, focal) else { continue };
        let score = answers.iter().filter(|answer| **answer).count();
        for (table, answer) in tables[score * count..(score + 1) * count].iter_mut().zip(answers) {
            table[2 * usize::from(*focal) + usize::from(!answer)] += 1;
        }
    }
    (0..count).map(|item| of_tables(tables.iter().skip(item).step_by(count))).collect()
}

fn of_tables<'a>(tables: impl Iterator<Item = &'a [usize; 4]>) -> Option<Dif> {
    let (mut r, mut s, mut pr, mut ps_qr, mut qs) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let (mut right, mut expected, mut variance) = (0.0, 0.0, 0.0);
    for table in tables {
        let [a, b, c, d] = table.map(|count| count as f64);
        let total = a + b + c + d;
        if total < 2.0 {
            continue;
        }
        let (ad, bc) = (a * d / total, b * c / total);
        let (p, q) = ((a + d) / total, (b + c) / total);
        r += ad;
        s += bc;
        pr += p * ad;
        ps_qr += p * bc + q * ad;
        qs += q * bc;
        right += a;
        expected += (a + b) * (a + c) / total;
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (total * total * (total - 1.0));
    }
    if r <= 0.0 || s <= 0.0 || variance <= 0.0 {
        return None;
    }
    let odds_ratio = r / s;
    let delta = -DELTA * libm::log(odds_ratio);
    let se_delta = DELTA * libm::sqrt(pr / (2.0 * r * r) + ps_qr / (2.0 * r * s) + qs / (2.0 * s * s));
    let difference = ((right - expected).abs() - 0.5).max(0.0);
    let statistic = difference * difference / variance;
    let p = chi_square_beyond(statistic, 1);
    let class = if delta.abs() < 1.0 || p >= 0.05 {
        Class::A
    } else if delta.abs() >= 1.5 && delta.abs() - 1.645 * se_delta > 1.0 {
        Class::C
    } else {
        Class::B
    };
    Some(Dif { odds_ratio, delta, se_delta, statistic, p, class })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::irt::{Model, simulate::Design};

    #[test]
    fn an_item_that_is_harder_for_one_group_is_found_and_the_fair_ones_are_not() {
        let design = Design { persons: 4_000, items: 30, model: Model::OnePl, missing: 0.0, seed: 11 };
        let simulation = design.simulate();
        let (mut responses, focal): (_, Vec<_>) = (
            Responses::new(simulation.responses.items().to_vec()),
            (0..4_000).map(|person| Some(person % 2 == 1)).collect(),
        );
        for (person, focal) in focal.iter().enumerate() {
            let answer = |item: usize| {
                let answer = simulation.responses.answer(person, item);
                // Of the right answers of the focal group to item 4, every third is lost.
                answer.map(|right| right && !(item == 4 && *focal == Some(true) && person % 3 == 0))
            };
            responses.push((0..30).map(answer));
        }
        let found = mantel_haenszel(&responses, &focal);
        let planted = found[4].expect("comparable");
        assert!(planted.class == Class::C && planted.delta < -1.5, "{planted:?}");
        let others = found.iter().enumerate().filter(|(item, _)| *item != 4);
        assert!(others.flat_map(|(_, dif)| dif).all(|dif| dif.class == Class::A), "{found:?}");
    }

    #[test]
    fn one_table_gives_its_own_odds_ratio() {
        let dif = of_tables([[30, 10, 20, 40]].iter()).expect("comparable");
        assert!((dif.odds_ratio - 6.0).abs() < 1e-12);
        // The standard error of one table's log odds ratio is Woolf's.
        let woolf = DELTA * (1.0_f64 / 30.0 + 1.0 / 10.0 + 1.0 / 20.0 + 1.0 / 40.0).sqrt();
        assert!((dif.se_delta - woolf).abs() < 1e-9, "{} {woolf}", dif.se_delta);
        assert_eq!(of_tables([[3, 0, 4, 0]].iter()), None);
    }
}
