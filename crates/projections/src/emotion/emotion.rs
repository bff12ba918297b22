//! How each learner seems to feel, while their consent stands.
//!
//! The row begins with the consent and ends with its withdrawal, and nothing is kept beside it: what was done before
//! the consent is not used, and after a withdrawal nothing derived is left. A consent given anew starts from nothing.

use std::sync::Arc;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    assessment::assessment::{Assessment, Event as AssessmentEvent},
    emotion::{
        affect::{Affect, AffectBelief, AffectModel, Signal},
        encouragement,
    },
    identity::{
        locale::Language,
        user::{Event as UserEvent, User},
    },
    ids::UserId,
    learning::lesson::{Event as LessonEvent, Lesson},
};
use baeum_eventlog::{EventLog, LogError, read_streams};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Models, Order, Personal, Projection, ProjectionError, projection::aggregate_id, row};

/// How many pieces of evidence are shown.
const EVIDENCE: usize = 5;

/// How a learner seems to feel. There is one only while they consent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EmotionState {
    /// The learner.
    pub learner_id: UserId,
    /// The policy that they agreed to.
    pub policy_version: String,
    /// What is believed; none before the first signal after the consent.
    pub estimate: Option<Estimate>,
    /// The latest events that it rests on, at most five, the latest first.
    pub evidence: Vec<Evidence>,
    /// Position of the last event that changed this row.
    pub position: i64,
}

/// What is believed of a learner's state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The likeliest state.
    pub state: Affect,
    /// Its probability, 0 to 1.
    pub confidence: f64,
    /// The probability of each state; they add up to 1.
    pub probabilities: Probabilities,
    /// A message for the learner, in `language`.
    pub message: &'static str,
    /// The language of the message: `ko` or `en`.
    pub language: Language,
    /// The model that estimated.
    pub model_id: String,
    /// When the latest signal came.
    pub updated_at: DateTime<Utc>,
}

/// The probability of each state, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Probabilities {
    /// Works with attention.
    pub engaged: f64,
    /// Does not understand.
    pub confused: f64,
    /// Tries and fails.
    pub frustrated: f64,
    /// Is not challenged.
    pub bored: f64,
}

/// An event that the estimate rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Its position in the log.
    pub position: i64,
    /// Its type.
    pub event_type: String,
    /// What it says.
    pub signal: Signal,
}

#[derive(Deserialize)]
struct Row {
    learner_id: UserId,
    policy_version: String,
    engaged: Option<f64>,
    confused: Option<f64>,
    frustrated: Option<f64>,
    bored: Option<f64>,
    updated_at: Option<DateTime<Utc>>,
    model_id: Option<String>,
    evidence: Vec<Evidence>,
    native_language: Option<Language>,
    position: i64,
}

/// How a learner seems to feel; `None` without their consent. The message is in their native language where there are
/// messages in it, and in English otherwise.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(db: impl PgExecutor<'_>, learner: UserId) -> Result<Option<EmotionState>, sqlx::Error> {
    // The language is the profile's. It is looked up here, and not kept, so that nothing stands here without consent.
    let sql = "SELECT to_jsonb(e) || jsonb_build_object('native_language', l.native_language)
               FROM emotion e LEFT JOIN learners l ON l.user_id = e.learner_id WHERE e.learner_id = $1";
    Ok(row::find(db, sql, learner.0).await?.map(Row::state))
}

/// Whether the learner has withdrawn a consent after this position: what was derived under it is then derived no more.
///
/// # Errors
/// When the log cannot be read.
pub async fn withdrawn_after(log: &EventLog, learner: UserId, position: i64) -> Result<bool, LogError> {
    let mut db = log.pool().acquire().await?;
    let stream = [(User::AGGREGATE.to_owned(), learner.to_string())];
    let later = read_streams(&mut db, &stream, position, i64::MAX, usize::MAX).await?;
    Ok(later.iter().any(|event| event.event_type == "EmotionCareConsentWithdrawn"))
}

impl Row {
    fn state(self) -> EmotionState {
        let estimate = self.estimate();
        let Self { learner_id, policy_version, evidence, position, .. } = self;
        EmotionState { learner_id, policy_version, estimate, evidence, position }
    }

    fn estimate(&self) -> Option<Estimate> {
        let probabilities = [self.engaged?, self.confused?, self.frustrated?, self.bored?];
        let belief = AffectBelief { probabilities, errors_in_a_row: 0, at: self.updated_at? };
        let (state, confidence) = belief.likeliest();
        let [engaged, confused, frustrated, bored] = probabilities;
        let language = if self.native_language.as_ref().is_some_and(|it| it.as_str() == "ko") { "ko" } else { "en" };
        let language: Language = language.parse().expect("'ko' and 'en' are languages");
        Some(Estimate {
            state,
            confidence,
            probabilities: Probabilities { engaged, confused, frustrated, bored },
            message: encouragement::message(state, &language, u64::try_from(self.position).unwrap_or(0)),
            language,
            model_id: self.model_id.clone()?,
            updated_at: belief.at,
        })
    }
}

/// Keeps `emotion`.
pub struct Emotion {
    affect: Arc<dyn AffectModel>,
}

impl Emotion {
    /// With the affect model of `models`.
    pub fn new(models: &Models) -> Self {
        Self { affect: models.affect.clone() }
    }
}

impl Projection for Emotion {
    fn name(&self) -> &'static str {
        "emotion"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["emotion"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Rows { table: "emotion", of: "learner_id = $1" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, User::AGGREGATE | Assessment::AGGREGATE | Lesson::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::ByField("learner_id")
    }

    fn keeps_history(&self) -> bool {
        false
    }

    fn version(&self) -> u32 {
        2
    }

    fn is_theirs_alone(&self) -> bool {
        true
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            match &event.payload {
                AnyEvent::User(change) => apply_consent(db, event, change).await,
                AnyEvent::Assessment(change) => match change {
                    AssessmentEvent::ItemAnswered { learner_id, correct, response_ms, .. } => {
                        let signal = Signal::Answered { correct: *correct, response_ms: *response_ms };
                        self.observe(db, event, *learner_id, |_| signal).await
                    }
                    AssessmentEvent::AssessmentAbandoned { learner_id } => {
                        self.observe(db, event, *learner_id, |_| Signal::GaveUp).await
                    }
                    _ => Ok(()),
                },
                AnyEvent::Lesson(change) => self.apply_lesson(db, event, change).await,
                _ => Ok(()),
            }
        })
    }
}

impl Emotion {
    async fn apply_lesson(
        &self,
        db: &mut PgConnection,
        event: &Recorded<AnyEvent>,
        change: &LessonEvent,
    ) -> Result<(), ProjectionError> {
        match change {
            LessonEvent::ShortClipConsumed { learner_id, to_the_end, speed_percent, repeats, .. } => {
                let signal =
                    Signal::Watched { to_the_end: *to_the_end, speed_percent: *speed_percent, repeats: *repeats };
                self.observe(db, event, *learner_id, |_| signal).await
            }
            LessonEvent::AttemptSubmitted { learner_id, attempt_id, ordinal, .. } => {
                // The evaluation does not say which attempt it is. It follows at once but where it was deferred: then, if
                // another attempt came first, it counts as that of a first one.
                sqlx::query("UPDATE emotion SET attempt_id = $2, attempt_ordinal = $3 WHERE learner_id = $1")
                    .bind(learner_id.0)
                    .bind(attempt_id.0)
                    .bind(i64::from(*ordinal))
                    .execute(db)
                    .await?;
                Ok(())
            }
            LessonEvent::EvaluationCompleted { learner_id, attempt_id, verdict, .. } => {
                let signal = |known: &Known| {
                    let ordinal = known.attempt_ordinal.filter(|_| known.attempt_id == Some(attempt_id.0));
                    let ordinal = ordinal.and_then(|it| u32::try_from(it).ok()).unwrap_or(1);
                    Signal::Attempted { score: verdict.score, ordinal }
                };
                self.observe(db, event, *learner_id, signal).await
            }
            LessonEvent::LessonCompleted { learner_id, .. } => {
                self.observe(db, event, *learner_id, |_| Signal::CompletedLesson).await
            }
            LessonEvent::LessonAbandoned { learner_id, .. } => {
                self.observe(db, event, *learner_id, |_| Signal::GaveUp).await
            }
            _ => Ok(()),
        }
    }

    async fn observe(
        &self,
        db: &mut PgConnection,
        event: &Recorded<AnyEvent>,
        learner: UserId,
        signal: impl FnOnce(&Known) -> Signal + Send,
    ) -> Result<(), ProjectionError> {
        let known: Option<Known> = sqlx::query_as(
            "SELECT engaged, confused, frustrated, bored, errors_in_a_row, updated_at, evidence, attempt_id,
                    attempt_ordinal
             FROM emotion WHERE learner_id = $1",
        )
        .bind(learner.0)
        .fetch_optional(&mut *db)
        .await?;
        // No row, no consent.
        let Some(known) = known else { return Ok(()) };
        let signal = signal(&known);
        let belief = self.affect.observe(known.belief().as_ref(), &signal, event.recorded_at);
        let [engaged, confused, frustrated, bored] = belief.probabilities;
        let mut evidence = known.evidence.0;
        evidence.insert(0, Evidence { position: event.position, event_type: event.event_type.clone(), signal });
        evidence.truncate(EVIDENCE);
        sqlx::query(
            "UPDATE emotion SET engaged = $2, confused = $3, frustrated = $4, bored = $5, updated_at = $6,
                                evidence = $7, model_id = $8, position = $9, errors_in_a_row = $10
             WHERE learner_id = $1",
        )
        .bind(learner.0)
        .bind(engaged)
        .bind(confused)
        .bind(frustrated)
        .bind(bored)
        .bind(belief.at)
        .bind(Json(evidence))
        .bind(self.affect.model_id())
        .bind(event.position)
        .bind(i64::from(belief.errors_in_a_row))
        .execute(db)
        .await?;
        Ok(())
    }
}

/// What the next signal adds to.
#[derive(FromRow)]
struct Known {
    engaged: Option<f64>,
    confused: Option<f64>,
    frustrated: Option<f64>,
    bored: Option<f64>,
    errors_in_a_row: i64,
    updated_at: Option<DateTime<Utc>>,
    evidence: Json<Vec<Evidence>>,
    attempt_id: Option<Uuid>,
    attempt_ordinal: Option<i64>,
}

impl Known {
    fn belief(&self) -> Option<AffectBelief> {
        let probabilities = [self.engaged?, self.confused?, self.frustrated?, self.bored?];
        let errors_in_a_row = u32::try_from(self.errors_in_a_row).unwrap_or(u32::MAX);
        Some(AffectBelief { probabilities, errors_in_a_row, at: self.updated_at? })
    }
}

async fn apply_consent(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    change: &UserEvent,
) -> Result<(), ProjectionError> {
    match change {
        UserEvent::EmotionCareConsentGiven { policy_version } => {
            sqlx::query(
                "INSERT INTO emotion (learner_id, policy_version, evidence, position) VALUES ($1, $2, '[]', $3)
                 ON CONFLICT (learner_id) DO UPDATE
                 SET policy_version = excluded.policy_version, position = excluded.position",
            )
            .bind(aggregate_id(event)?)
            .bind(policy_version)
            .bind(event.position)
            .execute(db)
            .await?;
        }
        UserEvent::EmotionCareConsentWithdrawn {} => {
            sqlx::query("DELETE FROM emotion WHERE learner_id = $1").bind(aggregate_id(event)?).execute(db).await?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LEARNER, World, in_a_world};

    async fn shown(world: &World) -> Option<EmotionState> {
        world.project().await;
        find(&world.pool, LEARNER).await.expect("a database")
    }

    #[tokio::test]
    async fn an_estimate_rests_on_what_was_done_under_the_consent() {
        in_a_world(async |world| {
            world.register().await;
            world.start_lesson(20, "2026-03-01").await;
            world.watch(20, 1, 60_000, "2026-03-01").await;
            world.attempt(20, 2, 0.4).await;
            world.consent(Some("2026-01")).await;
            let state = shown(world).await.expect("a consent");
            assert_eq!((state.policy_version.as_str(), state.estimate, state.evidence), ("2026-01", None, vec![]));

            let evaluated = world.attempt(20, 3, 0.4).await;
            let state = shown(world).await.expect("a consent");
            let signal = Signal::Attempted { score: 0.4, ordinal: 2 };
            let event_type = "EvaluationCompleted".to_owned();
            assert_eq!(state.evidence, [Evidence { position: evaluated, event_type, signal }]);
            let estimate = state.estimate.expect("a signal");
            assert_eq!((estimate.state, estimate.confidence), (Affect::Frustrated, 0.625));
            let variant = u64::try_from(evaluated).expect("a position");
            let korean: Language = "ko".parse().expect("a language");
            assert_eq!(estimate.message, encouragement::message(Affect::Frustrated, &korean, variant));
            assert_eq!((estimate.language.as_str(), estimate.model_id.as_str()), ("ko", "test-affect"));
        })
        .await;
    }

    #[tokio::test]
    async fn every_signal_is_seen_and_the_latest_five_are_shown() {
        in_a_world(async |world| {
            world.live_a_day().await;
            let state = shown(world).await.expect("a consent");
            let signals: Vec<_> = state.evidence.iter().map(|it| it.signal).collect();
            assert_eq!(
                signals,
                [
                    Signal::Attempted { score: 0.75, ordinal: 2 },
                    Signal::Attempted { score: 0.75, ordinal: 1 },
                    Signal::Watched { to_the_end: true, speed_percent: 100, repeats: 3 },
                    Signal::GaveUp,
                    Signal::CompletedLesson,
                ]
            );
        })
        .await;
    }

    #[tokio::test]
    async fn a_withdrawn_consent_leaves_no_row_and_what_follows_is_not_used() {
        in_a_world(async |world| {
            world.live_a_day().await;
            world.project().await;
            world.consent(None).await;
            world.watch(40, 41, 60_000, "2026-03-03").await;
            assert_eq!(shown(world).await, None);
            let rows: i64 =
                sqlx::query_scalar("SELECT count(*) FROM emotion").fetch_one(&world.pool).await.expect("a database");
            assert_eq!(rows, 0);
            world.consent(Some("2026-02")).await;
            let state = shown(world).await.expect("a consent");
            assert_eq!((state.policy_version.as_str(), state.estimate), ("2026-02", None));
        })
        .await;
    }
}
