//! The cards of a learner.
//!
//! Life cycle: one stream a learner; cards are added from mistakes and completed lessons, and reviewed again and again.
//! Now and then parameters are fitted to the learner's own reviews, which schedule what comes after.
//! Invariants: a card is there once, whatever it came from; a review moves one card, once, and never before it was
//! added or reviewed last; memory, interval and parameters are data of the command, so that a replay schedules nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scheduling::{Memory, Rating, Schedule};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{AttemptId, CardId, ClipId, LessonId, ReviewId, TaskId, UserId, derive_id},
    learning::evaluation::ErrorCategory,
};

/// The most cards of a learner: with some ten reviews a card, nobody comes to an end of more.
pub const MOST_CARDS: usize = 5_000;
/// The longest interval between two reviews, in days.
pub const LONGEST_INTERVAL: u32 = 3_650;

/// What a card asks: something of the catalogue, never what a learner wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Front {
    /// To do a task again.
    Task {
        /// The task.
        task_id: TaskId,
    },
    /// To retell a clip.
    Clip {
        /// The clip.
        clip_id: ClipId,
    },
}

/// Where a card comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// Mistakes in an attempt.
    Mistakes {
        /// The attempt.
        attempt_id: AttemptId,
        /// Which kinds, in their order, each once.
        categories: Vec<ErrorCategory>,
    },
    /// A completed lesson.
    Lesson {
        /// The lesson.
        lesson_id: LessonId,
    },
}

/// The id of the card of a learner with this front.
pub fn card_of(learner: UserId, front: &Front) -> CardId {
    let (kind, name) = match front {
        Front::Task { task_id } => ("task", task_id.as_str()),
        Front::Clip { clip_id } => ("clip", clip_id.as_str()),
    };
    CardId(derive_id(&["card", &learner.to_string(), kind, name]))
}

/// What can have happened to a learner's cards.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A card was added. It is due at once.
    CardAdded {
        /// Whose card.
        learner_id: UserId,
        /// The card.
        card_id: CardId,
        /// What it asks.
        front: Front,
        /// Where it comes from.
        origin: Origin,
        /// When it is due first.
        due_at: DateTime<Utc>,
    },
    /// A card was reviewed.
    CardReviewed {
        /// Whose card.
        learner_id: UserId,
        /// The card.
        card_id: CardId,
        /// This review.
        review_id: ReviewId,
        /// How well it was remembered.
        rating: Rating,
        /// Whole days since the last review; 0 for the first.
        elapsed_days: u32,
        /// The probability that was foretold for remembering; none at the first review.
        retrievability: Option<f64>,
        /// In how many days the probability of remembering falls to 0.9.
        stability: f64,
        /// How hard the card is for the learner, 1 to 10.
        difficulty: f64,
        /// When it was reviewed.
        reviewed_at: DateTime<Utc>,
        /// When it is due again.
        due_at: DateTime<Utc>,
        /// Which model scheduled it.
        model_id: String,
        /// With which of the learner's own parameters, from 1; 0 for the usual ones.
        parameters_version: u32,
    },
    /// Parameters were fitted to the learner's own reviews. They schedule what is reviewed from here on.
    SchedulerOptimized {
        /// Whose reviews.
        learner_id: UserId,
        /// Which fit it is, from 1.
        version: u32,
        /// What was found.
        fit: Fit,
    },
}

/// Parameters that were fitted to a learner's own reviews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fit {
    /// Position of the last event of the log that it rests on.
    pub input_position: i64,
    /// Which model.
    pub model_id: String,
    /// Its parameters.
    pub parameters: Vec<f64>,
    /// SHA-256 of them, lower-case hexadecimal.
    pub parameters_hash: String,
    /// Reviews that it rests on.
    pub reviews: u32,
    /// Mean negative log likelihood of those reviews with the usual parameters, in nats.
    pub log_loss_before: f64,
    /// The same with these.
    pub log_loss_after: f64,
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The cards of a learner, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Deck {
    /// The cards.
    pub cards: BTreeMap<CardId, Card>,
    /// The latest fit.
    pub fit: Option<(u32, Fit)>,
}

/// A card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// Its last review.
    pub last: Option<Review>,
}

/// The last review of a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Which.
    pub review_id: ReviewId,
    /// When.
    pub at: DateTime<Utc>,
    /// The memory after it.
    pub memory: Memory,
}

impl Card {
    /// Whole days since the last review at `now`; 0 before the first.
    pub fn elapsed_days(&self, now: DateTime<Utc>) -> u32 {
        self.last.as_ref().map_or(0, |last| u32::try_from((now - last.at).num_days().max(0)).unwrap_or(u32::MAX))
    }
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Add cards.
    Add {
        /// Whose.
        learner_id: UserId,
        /// What they ask.
        fronts: Vec<Front>,
        /// Where they come from.
        origin: Origin,
        /// When they are due first.
        due_at: DateTime<Utc>,
    },
    /// Take a review in.
    Review(Reviewed),
    /// Schedule with parameters of their own from here on.
    Optimize {
        /// Whose.
        learner_id: UserId,
        /// What was found.
        fit: Fit,
    },
}

/// A review, with what the scheduler made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reviewed {
    /// Whose card.
    pub learner_id: UserId,
    /// The card.
    pub card_id: CardId,
    /// This review.
    pub review_id: ReviewId,
    /// How well it was remembered.
    pub rating: Rating,
    /// When.
    pub now: DateTime<Utc>,
    /// The memory after it.
    pub memory: Memory,
    /// The probability that was foretold.
    pub retrievability: Option<f64>,
    /// In how many days it is due again.
    pub interval_days: u32,
    /// Which model scheduled it.
    pub model_id: String,
}

impl Reviewed {
    /// The same with what a scheduler says.
    #[must_use]
    pub fn scheduled(self, Schedule { memory, retrievability, interval_days }: Schedule) -> Self {
        Self { memory, retrievability, interval_days, ..self }
    }
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such card.
    #[error("there is no card {0}: GET /v1/reviews lists those that are due")]
    UnknownCard(CardId),
    /// The clock went back.
    #[error("card {0} was reviewed at a later moment already: send the review with the time that it is")]
    BeforeLast(CardId),
    /// The scheduler's numbers are none.
    #[error(
        "card {0} was given a memory that is none: stability above 0, difficulty 1 to 10, and 1 to {LONGEST_INTERVAL} days"
    )]
    NoMemory(CardId),
    /// The deck is full.
    #[error("there are {MOST_CARDS} cards already: review them before more are added")]
    Full,
    /// A fit of less than what is known.
    #[error("the fit rests on the log up to position {given}, and one up to {known} is there: fit again")]
    Stale {
        /// Where its input ends.
        given: i64,
        /// Where that of the latest one ends.
        known: i64,
    },
    /// Parameters that are none.
    #[error("the fit has no parameters, or some that are no numbers")]
    NoParameters,
}

impl Decider for Deck {
    const AGGREGATE: &'static str = "deck";
    const CONTEXT: &'static str = "review";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Add { learner_id, fronts, origin, due_at } => self.add(learner_id, fronts, &origin, due_at),
            Command::Review(review) => self.review(review),
            Command::Optimize { learner_id, fit } => self.optimize(learner_id, fit),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::CardAdded { card_id, due_at, .. } => {
                self.cards.insert(*card_id, Card { due_at: *due_at, last: None });
            }
            Event::CardReviewed { card_id, review_id, stability, difficulty, reviewed_at, due_at, .. } => {
                let memory = Memory { stability: *stability, difficulty: *difficulty };
                let last = Some(Review { review_id: *review_id, at: *reviewed_at, memory });
                self.cards.insert(*card_id, Card { due_at: *due_at, last });
            }
            Event::SchedulerOptimized { version, fit, .. } => self.fit = Some((*version, fit.clone())),
        }
    }
}

impl Deck {
    fn add(
        &self,
        learner_id: UserId,
        fronts: Vec<Front>,
        origin: &Origin,
        due_at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        let mut new = BTreeMap::new();
        for front in fronts {
            let card_id = card_of(learner_id, &front);
            if !self.cards.contains_key(&card_id) {
                new.insert(card_id, front);
            }
        }
        if self.cards.len() + new.len() > MOST_CARDS {
            return Err(Error::Full);
        }
        let added = |(card_id, front)| Event::CardAdded { learner_id, card_id, front, origin: origin.clone(), due_at };
        Ok(new.into_iter().map(added).collect())
    }

    fn review(&self, review: Reviewed) -> Result<Vec<Event>, Error> {
        let Reviewed { learner_id, card_id, review_id, rating, now, memory, retrievability, interval_days, model_id } =
            review;
        let card = self.cards.get(&card_id).ok_or(Error::UnknownCard(card_id))?;
        if let Some(last) = &card.last {
            if last.review_id == review_id {
                return Ok(vec![]);
            }
            if now < last.at {
                return Err(Error::BeforeLast(card_id));
            }
        }
        let sound = memory.stability > 0.0
            && memory.stability.is_finite()
            && (1.0..=10.0).contains(&memory.difficulty)
            && (1..=LONGEST_INTERVAL).contains(&interval_days)
            && retrievability.is_none_or(|it| (0.0..=1.0).contains(&it));
        if !sound {
            return Err(Error::NoMemory(card_id));
        }
        Ok(vec![Event::CardReviewed {
            learner_id,
            card_id,
            review_id,
            rating,
            elapsed_days: card.elapsed_days(now),
            retrievability,
            stability: memory.stability,
            difficulty: memory.difficulty,
            reviewed_at: now,
            due_at: now + TimeDelta::days(interval_days.into()),
            model_id,
            parameters_version: self.fit.as_ref().map_or(0, |(version, _)| *version),
        }])
    }

    fn optimize(&self, learner_id: UserId, fit: Fit) -> Result<Vec<Event>, Error> {
        let version = match &self.fit {
            Some((_, known))
                if known.input_position == fit.input_position && known.parameters_hash == fit.parameters_hash =>
            {
                return Ok(vec![]);
            }
            Some((_, known)) if fit.input_position < known.input_position => {
                return Err(Error::Stale { given: fit.input_position, known: known.input_position });
            }
            Some((version, _)) => version + 1,
            None => 1,
        };
        if fit.parameters.is_empty() || !fit.parameters.iter().all(|it| it.is_finite()) {
            return Err(Error::NoParameters);
        }
        Ok(vec![Event::SchedulerOptimized { learner_id, version, fit }])
    }
}

#[cfg(test)]
mod tests;
