//! Wire types of cards.

use baeum_domain::{catalog::Catalog, learning::evaluation::ErrorCategory, review::deck, review::scheduling};
use baeum_projections::review::cards;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// How well a card was remembered.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rating {
    /// Not at all.
    Again,
    /// With difficulty.
    Hard,
    /// After some thought.
    Good,
    /// At once.
    Easy,
}

impl From<Rating> for scheduling::Rating {
    fn from(rating: Rating) -> Self {
        match rating {
            Rating::Again => Self::Again,
            Rating::Hard => Self::Hard,
            Rating::Good => Self::Good,
            Rating::Easy => Self::Easy,
        }
    }
}

impl From<scheduling::Rating> for Rating {
    fn from(rating: scheduling::Rating) -> Self {
        match rating {
            scheduling::Rating::Again => Self::Again,
            scheduling::Rating::Hard => Self::Hard,
            scheduling::Rating::Good => Self::Good,
            scheduling::Rating::Easy => Self::Easy,
        }
    }
}

/// What a card asks.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Front {
    /// To do a task again.
    Task {
        /// The task.
        task_id: String,
        /// What is to be done; none where the catalogue has the task no more.
        prompt: Option<String>,
        /// A good answer, to compare with.
        sample: Option<String>,
    },
    /// To retell a clip.
    Clip {
        /// The clip.
        clip_id: String,
        /// Its title; none where the catalogue has the clip no more.
        title: Option<String>,
    },
}

impl Front {
    fn of(catalog: &Catalog, front: &deck::Front) -> Self {
        match front {
            deck::Front::Task { task_id } => {
                let task = catalog.task(task_id).map(|(_, task)| task);
                Self::Task {
                    task_id: task_id.to_string(),
                    prompt: task.map(|it| it.prompt.clone()),
                    sample: task.map(|it| it.sample.clone()),
                }
            }
            deck::Front::Clip { clip_id } => {
                let title = catalog.clips.get(clip_id).map(|it| it.title.clone());
                Self::Clip { clip_id: clip_id.to_string(), title }
            }
        }
    }
}

/// Where a card comes from.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Origin {
    /// Mistakes in an attempt.
    Mistakes {
        /// The attempt.
        attempt_id: Uuid,
        /// Which kinds of mistakes.
        categories: Vec<String>,
    },
    /// A completed lesson.
    Lesson {
        /// The lesson.
        lesson_id: Uuid,
    },
}

impl From<deck::Origin> for Origin {
    fn from(origin: deck::Origin) -> Self {
        match origin {
            deck::Origin::Mistakes { attempt_id, categories } => Self::Mistakes {
                attempt_id: attempt_id.0,
                categories: categories.iter().map(ErrorCategory::to_string).collect(),
            },
            deck::Origin::Lesson { lesson_id } => Self::Lesson { lesson_id: lesson_id.0 },
        }
    }
}

/// A card that is due.
#[derive(Serialize, ToSchema)]
pub(crate) struct DueCard {
    card_id: Uuid,
    front: Front,
    origin: Origin,
    due_at: DateTime<Utc>,
    /// How often it was reviewed.
    reviews: i64,
    /// How often it was forgotten after its first review.
    lapses: i64,
    last_rating: Option<Rating>,
    last_review_at: Option<DateTime<Utc>>,
}

impl DueCard {
    pub(crate) fn of(catalog: &Catalog, card: cards::Card) -> Self {
        Self {
            card_id: card.card_id.0,
            front: Front::of(catalog, &card.front),
            origin: card.origin.into(),
            due_at: card.due_at,
            reviews: card.reviews,
            lapses: card.lapses,
            last_rating: card.last_rating.map(Into::into),
            last_review_at: card.last_review_at,
        }
    }
}
