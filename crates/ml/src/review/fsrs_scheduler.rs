//! FSRS-6 behind the port: the crate `fsrs` of its authors.
//!
//! A card has a stability (days until the probability of remembering falls to 0.9) and a difficulty; twenty-one
//! parameters say how reviews change them (Ye, Su & Cao, 2022, and the later versions of open-spaced-repetition). A card
//! is due when the probability of remembering it has fallen to [`RETENTION`].
//!
//! The crate computes in `f32` with the platform's own exponentials, so its numbers may differ in the last bits between
//! platforms. They go into events, and nothing computes them again.

use baeum_domain::review::{
    deck::LONGEST_INTERVAL,
    scheduling::{Fitted, Memory, PastReview, Rating, ReviewScheduler, Schedule, SchedulerError},
};
use fsrs::{
    ComputeParametersInput, DEFAULT_PARAMETERS, FSRS, FSRSItem, FSRSReview, MemoryState, compute_parameters,
    current_retrievability,
};

/// How likely a card is to be remembered when it is due.
pub const RETENTION: f32 = 0.9;
/// How many reviews on a later day a fit needs.
pub const FEWEST_REVIEWS: usize = 100;

const MODEL_ID: &str = "fsrs-6";

/// Schedules by FSRS-6.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsrsScheduler;

impl ReviewScheduler for FsrsScheduler {
    fn model_id(&self) -> &'static str {
        MODEL_ID
    }

    fn schedule(
        &self,
        parameters: Option<&[f64]>,
        memory: Option<Memory>,
        elapsed_days: u32,
        rating: Rating,
    ) -> Result<Schedule, SchedulerError> {
        let parameters: Vec<f32> = parameters.unwrap_or_default().iter().map(|it| single(*it)).collect();
        let decay = *parameters.get(DEFAULT_PARAMETERS.len() - 1).unwrap_or(&fsrs::FSRS6_DEFAULT_DECAY);
        let scheduler = FSRS::new(&parameters).map_err(unusable)?;
        let state = memory.map(|it| MemoryState { stability: single(it.stability), difficulty: single(it.difficulty) });
        let states = scheduler.next_states(state, RETENTION, elapsed_days).map_err(unusable)?;
        let next = match rating {
            Rating::Again => states.again,
            Rating::Hard => states.hard,
            Rating::Good => states.good,
            Rating::Easy => states.easy,
        };
        let retrievability = state.map(|state| {
            let days = u16::try_from(elapsed_days).unwrap_or(u16::MAX);
            f64::from(current_retrievability(state, f32::from(days), decay)).clamp(0.0, 1.0)
        });
        let memory =
            Memory { stability: f64::from(next.memory.stability), difficulty: f64::from(next.memory.difficulty) };
        Ok(Schedule { memory, retrievability, interval_days: days(next.interval) })
    }

    fn fit(&self, cards: &[Vec<PastReview>]) -> Result<Fitted, SchedulerError> {
        let items = items(cards);
        if items.len() < FEWEST_REVIEWS {
            return Err(SchedulerError::FewReviews { found: items.len(), needed: FEWEST_REVIEWS });
        }
        let input = ComputeParametersInput { train_set: items.clone(), ..ComputeParametersInput::default() };
        let parameters = compute_parameters(input).map_err(unusable)?;
        let log_loss = |parameters: &[f32]| {
            let found = FSRS::new(parameters).and_then(|it| it.evaluate(items.clone(), |_| true)).map_err(unusable)?;
            Ok(f64::from(found.log_loss))
        };
        Ok(Fitted {
            reviews: u32::try_from(items.len()).unwrap_or(u32::MAX),
            log_loss_before: log_loss(&DEFAULT_PARAMETERS)?,
            log_loss_after: log_loss(&parameters)?,
            parameters: parameters.into_iter().map(f64::from).collect(),
        })
    }
}

fn unusable(_: fsrs::FSRSError) -> SchedulerError {
    SchedulerError::Unusable(MODEL_ID)
}

#[allow(clippy::cast_possible_truncation, reason = "the crate computes in single precision")]
fn single(number: f64) -> f32 {
    number as f32
}

/// An interval in whole days, from 1 to the longest.
fn days(interval: f32) -> u32 {
    let longest = f64::from(LONGEST_INTERVAL);
    let days = f64::from(interval).round().clamp(1.0, longest);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 3,650")]
    let whole = days as u32;
    whole.max(1)
}

/// What the crate learns from: for every review on a later day, the reviews of the card up to it.
fn items(cards: &[Vec<PastReview>]) -> Vec<FSRSItem> {
    let mut items = vec![];
    for card in cards {
        let reviews: Vec<FSRSReview> = card.iter().enumerate().map(|(at, it)| review(at, *it)).collect();
        for at in 1..reviews.len() {
            if reviews[at].delta_t > 0 {
                items.push(FSRSItem { reviews: reviews[..=at].to_vec() });
            }
        }
    }
    items
}

fn review(at: usize, PastReview { rating, elapsed_days }: PastReview) -> FSRSReview {
    let rating = match rating {
        Rating::Again => 1,
        Rating::Hard => 2,
        Rating::Good => 3,
        Rating::Easy => 4,
    };
    FSRSReview { rating, delta_t: if at == 0 { 0 } else { elapsed_days } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::random::Rng;

    fn first(rating: Rating) -> Schedule {
        FsrsScheduler.schedule(None, None, 0, rating).expect("a schedule")
    }

    #[test]
    fn who_remembers_better_meets_a_card_later() {
        let intervals = [Rating::Again, Rating::Hard, Rating::Good, Rating::Easy].map(|it| first(it).interval_days);
        assert_eq!(intervals, [1, 1, 2, 8]);
        assert!(first(Rating::Good).retrievability.is_none());
        assert!(first(Rating::Again).memory.difficulty > first(Rating::Easy).memory.difficulty);
    }

    #[test]
    fn what_is_remembered_when_it_is_due_is_due_much_later_the_next_time() {
        let good = first(Rating::Good);
        let again =
            FsrsScheduler.schedule(None, Some(good.memory), good.interval_days, Rating::Good).expect("a schedule");
        assert!(again.interval_days > 2 * good.interval_days, "{again:?}");
        let foretold = again.retrievability.expect("it was reviewed before");
        assert!((0.85..0.95).contains(&foretold), "{foretold}");
        let lapsed = FsrsScheduler.schedule(None, Some(again.memory), 40, Rating::Again).expect("a schedule");
        assert!(lapsed.memory.stability < again.memory.stability && lapsed.memory.difficulty > again.memory.difficulty);
    }

    #[test]
    fn what_is_no_memory_or_no_parameter_is_refused_not_scheduled() {
        let none = Memory { stability: f64::NAN, difficulty: 5.0 };
        assert!(FsrsScheduler.schedule(None, Some(none), 3, Rating::Good).is_err());
        assert!(FsrsScheduler.schedule(Some(&[1.0, 2.0]), None, 0, Rating::Good).is_err());
    }

    /// Reviews of learners whose memories follow the model with stabilities `times` as long as usual, each card when due.
    fn history(cards: usize, times: f64, seed: u64) -> Vec<Vec<PastReview>> {
        let mut rng = Rng(seed);
        let truth: Vec<f64> = DEFAULT_PARAMETERS
            .iter()
            .enumerate()
            .map(|(at, it)| f64::from(*it) * if at < 4 { times } else { 1.0 })
            .collect();
        let card = |_| {
            let (mut reviews, mut memory, mut elapsed_days) = (vec![], None, 0);
            for _ in 0..6 {
                // How likely it is to be remembered depends on the true memory alone.
                let foretold =
                    FsrsScheduler.schedule(Some(&truth), memory, elapsed_days, Rating::Good).expect("a schedule");
                let rating =
                    if rng.uniform() < foretold.retrievability.unwrap_or(0.8) { Rating::Good } else { Rating::Again };
                let next = FsrsScheduler.schedule(Some(&truth), memory, elapsed_days, rating).expect("a schedule");
                reviews.push(PastReview { rating, elapsed_days });
                memory = Some(next.memory);
                elapsed_days = 1 + u32::try_from(rng.bits() % 20).expect("below 20");
            }
            reviews
        };
        (0..cards).map(card).collect()
    }

    #[test]
    fn parameters_of_a_learner_who_forgets_fast_foretell_them_better() {
        let cards = history(300, 0.25, 5);
        let fitted = FsrsScheduler.fit(&cards).expect("a fit");
        assert_eq!((fitted.parameters.len(), fitted.reviews), (21, 1_500));
        assert!(fitted.log_loss_after < 0.99 * fitted.log_loss_before, "{fitted:?}");
        let (usual, own) =
            (first(Rating::Good), FsrsScheduler.schedule(Some(&fitted.parameters), None, 0, Rating::Good));
        assert!(own.expect("a schedule").memory.stability < usual.memory.stability);
    }

    #[test]
    fn a_short_history_is_not_fitted_to() {
        let few = FsrsScheduler.fit(&history(10, 1.0, 6));
        assert_eq!(few, Err(SchedulerError::FewReviews { found: 50, needed: 100 }));
    }
}
