//! Calibrating the items of the catalogue from the answers of the log.
//!
//! A calibration puts the abilities of those who answered at mean 0 and standard deviation 1; the cut scores of the bands
//! stand on the scale of the catalogue. The two are linked by the items that both know: the line θ′ = A θ + B by which
//! their difficulties have the catalogue's mean and standard deviation (mean and sigma; Marco, 1977; Kolen & Brennan,
//! 2014, ch. 6).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use baeum_domain::{
    assessment::item_bank::{self, CalibratedItem, DIFFICULTIES, DISCRIMINATIONS},
    catalog::Catalog,
    ids::{ItemId, UserId},
};
use sha2::{Digest as _, Sha256};

use super::irt::{CalibrationError, Model, Options, Responses, calibrate};

/// The first answer of each learner to each item, right or not.
pub type Answers = BTreeMap<UserId, BTreeMap<ItemId, bool>>;

/// Fewer answers than this say too little of an item.
pub const FEWEST_ANSWERS: usize = 30;

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct BankCalibration {
    /// To be recorded.
    pub calibration: item_bank::Calibration,
    /// Items that were asked and are not in it, and why.
    pub left_out: Vec<(ItemId, Reason)>,
    /// Slope and shift of the line from the calibration's scale to the catalogue's.
    pub link: (f64, f64),
    /// Whether the estimation converged.
    pub converged: bool,
}

/// Why an item is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// It is asked no more.
    #[error("it is not in the catalogue")]
    NotInCatalog,
    /// It was asked too rarely.
    #[error("it has fewer than {FEWEST_ANSWERS} answers")]
    FewAnswers,
    /// It has no finite difficulty.
    #[error("all answered it alike")]
    AllAlike,
    /// It is no item that a test could use, or hardly known.
    #[error("its parameters are out of range, or their errors are")]
    OutOfRange,
}

/// Why the bank cannot be calibrated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BankError {
    /// The estimation refuses.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// All difficulties are one.
    #[error(
        "the difficulties of the {0} items do not differ, so that no scale can be told: wait for answers to more items"
    )]
    NoScale(usize),
}

/// Calibrates the items of `catalog` from `answers`, which the log up to `input_position` holds.
///
/// # Errors
/// Too few answers for the model, or items of one difficulty.
pub fn calibrate_bank(
    answers: &Answers,
    catalog: &Catalog,
    model: Model,
    threads: usize,
    input_position: i64,
) -> Result<BankCalibration, BankError> {
    let (items, mut left_out) = usable(answers, catalog);
    let mut responses = Responses::new(items.iter().map(|(item, _)| item.to_string()).collect());
    let mut learners = 0_u32;
    for own in answers.values() {
        if items.iter().any(|(item, _)| own.contains_key(*item)) {
            responses.push(items.iter().map(|(item, _)| own.get(*item).copied()));
            learners += 1;
        }
    }
    let found = calibrate(&responses, &Options::new(model).threads(threads), |_| ())?;
    let known = |item: &ItemId| catalog.items.get(item).map_or(0.0, |entry| entry.difficulty);
    let pairs: Vec<_> = items.iter().zip(&found.items).map(|((item, _), it)| (it.b, known(item))).collect();
    let (slope, shift) = link(&pairs).ok_or(BankError::NoScale(pairs.len()))?;
    let mut kept = vec![];
    for ((item, answers), it) in items.into_iter().zip(found.items) {
        let linked = CalibratedItem {
            item: item.clone(),
            discrimination: it.a / slope,
            discrimination_error: it.se_a / slope,
            difficulty: slope * it.b + shift,
            difficulty_error: slope * it.se_b,
            guessing: it.c,
            answers,
        };
        if is_usable(&linked) { kept.push(linked) } else { left_out.push((item.clone(), Reason::OutOfRange)) }
    }
    left_out.sort();
    let calibration = item_bank::Calibration {
        input_position,
        model_id: format!("irt-{model}-linked-1"),
        parameters_hash: hash(&kept),
        learners,
        items: kept,
    };
    Ok(BankCalibration { calibration, left_out, link: (slope, shift), converged: found.converged })
}

/// Items with how many answers they have.
type Counted<'a> = Vec<(&'a ItemId, u32)>;

/// The items that can be calibrated, in the order of their names; and the others.
fn usable<'a>(answers: &'a Answers, catalog: &Catalog) -> (Counted<'a>, Vec<(ItemId, Reason)>) {
    let mut tally: BTreeMap<&ItemId, (usize, BTreeSet<bool>)> = BTreeMap::new();
    for (item, right) in answers.values().flatten() {
        let (count, outcomes) = tally.entry(item).or_default();
        *count += 1;
        outcomes.insert(*right);
    }
    let (mut kept, mut left_out) = (vec![], vec![]);
    for (item, (count, outcomes)) in tally {
        let reason = if !catalog.items.contains_key(item) {
            Reason::NotInCatalog
        } else if count < FEWEST_ANSWERS {
            Reason::FewAnswers
        } else if outcomes.len() < 2 {
            Reason::AllAlike
        } else {
            kept.push((item, u32::try_from(count).unwrap_or(u32::MAX)));
            continue;
        };
        left_out.push((item.clone(), reason));
    }
    (kept, left_out)
}

fn is_usable(item: &CalibratedItem) -> bool {
    let within = |value: f64, (least, most): (f64, f64)| (least..=most).contains(&value);
    within(item.discrimination, DISCRIMINATIONS)
        && within(item.difficulty, DIFFICULTIES)
        && [item.discrimination_error, item.difficulty_error].iter().all(|it| *it > 0.0 && it.is_finite())
}

/// Slope and shift of the line that gives the first of the pairs the mean and standard deviation of the second; `None`
/// where either do not differ.
fn link(pairs: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = u32::try_from(pairs.len()).map_or(1.0, f64::from);
    let moments = |of: fn(&(f64, f64)) -> f64| {
        let mean = pairs.iter().map(of).sum::<f64>() / count;
        let square = pairs.iter().map(|pair| (of(pair) - mean) * (of(pair) - mean)).sum::<f64>() / count;
        (mean, libm::sqrt(square))
    };
    let ((from, from_deviation), (to, to_deviation)) = (moments(|it| it.0), moments(|it| it.1));
    let slope = to_deviation / from_deviation;
    (slope.is_finite() && slope > 0.0).then_some((slope, to - slope * from))
}

/// SHA-256 of names and parameters, lower-case hexadecimal.
fn hash(items: &[CalibratedItem]) -> String {
    let mut hash = Sha256::new();
    for item in items {
        hash.update(format!("{} ", item.item));
        for number in [item.discrimination, item.difficulty, item.guessing] {
            hash.update(number.to_bits().to_be_bytes());
        }
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::irt::simulate::{Design, Simulation, rmse};
    use uuid::Uuid;

    /// Learners whose abilities are N(1, 0.8²) on the catalogue's scale.
    const TRUTH: (f64, f64) = (0.8, 1.0);

    fn simulate(persons: usize) -> (Simulation, Answers, Catalog) {
        let design = Design { persons, items: 24, model: Model::TwoPl, missing: 0.4, seed: 4 };
        let simulation = design.simulate();
        let name = |item: usize| -> ItemId { format!("item{item}").parse().expect("an item id") };
        let mut answers = Answers::new();
        for person in 0..persons {
            let own = (0..24).filter_map(|item| Some((name(item), simulation.responses.answer(person, item)?)));
            answers.insert(UserId(Uuid::from_u128(person as u128)), own.collect());
        }
        let toml = simulation.curves.iter().enumerate().map(|(item, curve)| {
            let difficulty = (TRUTH.0 * curve.b + TRUTH.1).clamp(-4.0, 4.0);
            format!(
                "[[item]]\nid = \"item{item}\"\nlevel = \"A1\"\nskill = \"reading\"\nfocus = \"articles\"\nquestion = \"?\"\n\
                 choices = [\"a\", \"an\"]\nanswer = 0\ndiscrimination = 1.0\ndifficulty = {difficulty:?}\n"
            )
        });
        let toml = toml.collect::<String>();
        (simulation, answers, Catalog::parse([("items.toml", toml.as_str())]).expect("a catalogue"))
    }

    #[test]
    fn a_calibration_is_on_the_scale_of_the_catalogue() {
        let (simulation, answers, catalog) = simulate(3_000);
        let found = calibrate_bank(&answers, &catalog, Model::TwoPl, 1, 77).expect("a calibration");
        assert!(found.converged && found.left_out.is_empty(), "{found:?}");
        assert!((found.link.0 - TRUTH.0).abs() < 0.05 && (found.link.1 - TRUTH.1).abs() < 0.05, "{:?}", found.link);
        let of_name = |item: &CalibratedItem| {
            let place: usize = item.item.as_str()["item".len()..].parse().expect("a number");
            simulation.curves[place]
        };
        let items = &found.calibration.items;
        let difficulty = rmse(items.iter().map(|it| (it.difficulty, TRUTH.0 * of_name(it).b + TRUTH.1)));
        let discrimination = rmse(items.iter().map(|it| (it.discrimination, of_name(it).a / TRUTH.0)));
        assert!(difficulty < 0.15 && discrimination < 0.2, "{difficulty} {discrimination}");
        assert_eq!((found.calibration.input_position, found.calibration.learners), (77, 3_000));
    }

    #[test]
    fn the_same_answers_give_the_same_hash_and_others_another() {
        let (_, answers, catalog) = simulate(400);
        let hash = |threads| {
            let found = calibrate_bank(&answers, &catalog, Model::TwoPl, threads, 1).expect("a calibration");
            found.calibration.parameters_hash
        };
        assert_eq!(hash(1), hash(3));
        let (_, others, _) = simulate(401);
        let other = calibrate_bank(&others, &catalog, Model::TwoPl, 1, 1).expect("a calibration");
        assert_ne!(hash(1), other.calibration.parameters_hash);
    }

    #[test]
    fn what_says_nothing_of_an_item_is_left_out_with_its_reason() {
        let (_, mut answers, catalog) = simulate(400);
        let (gone, rare): (ItemId, ItemId) = ("gone".parse().expect("an id"), "item3".parse().expect("an id"));
        for (number, own) in answers.values_mut().enumerate() {
            own.insert(gone.clone(), number % 2 == 0);
            if number > 10 {
                own.remove(&rare);
            }
        }
        let found = calibrate_bank(&answers, &catalog, Model::TwoPl, 1, 1).expect("a calibration");
        assert_eq!(found.left_out, [(gone, Reason::NotInCatalog), (rare, Reason::FewAnswers)]);
        assert_eq!(found.calibration.items.len(), 23);
    }

    #[test]
    fn too_few_learners_are_refused() {
        let (_, answers, catalog) = simulate(40);
        assert!(matches!(calibrate_bank(&answers, &catalog, Model::ThreePl, 1, 1), Err(BankError::Calibration(_))));
    }
}
