//! `GET /v1/learners/{id}/emotion`: how a learner seems to feel, while they consent.

use axum::{Json, response::Response};
use baeum_domain::{emotion::affect, ids::UserId};
use baeum_projections::{
    emotion::emotion::{self, Evidence as StoredEvidence},
    history::Whose,
    identity::learners,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    as_of::When, caller::SignedIn, docs::QueryProblems, id::Id, min_position::Params, problem::Problem,
    tenants::TenantState, wire::mirror,
};

mirror! {
    /// How a learner seems to feel.
    #[serde(rename_all = "snake_case")]
    Affect = baeum_domain::emotion::affect::Affect {
        /// Works with attention.
        Engaged,
        /// Does not understand.
        Confused,
        /// Tries and fails.
        Frustrated,
        /// Is not challenged.
        Bored,
    }
}

/// How a learner seems to feel: an estimate from what they did, which may well be wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct EmotionAnswer {
    learner_id: Uuid,
    /// Whether the learner agreed; nothing is derived otherwise.
    consent: bool,
    /// How to give the consent, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    /// The policy that was agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_version: Option<String>,
    /// What is believed; none before the first activity after the consent.
    estimate: Option<Estimate>,
    /// The latest events that it rests on, the latest first.
    evidence: Vec<Evidence>,
}

/// What is believed of a learner's state.
#[derive(Serialize, ToSchema)]
pub(crate) struct Estimate {
    /// The likeliest state.
    state: Affect,
    /// Its probability, 0 to 1.
    confidence: f64,
    /// The probability of each state; they add up to 1.
    probabilities: Probabilities,
    /// A word for the learner.
    message: &'static str,
    /// The language of the message (ISO 639-1).
    language: String,
    /// Which model estimated.
    model_id: String,
    updated_at: DateTime<Utc>,
}

/// The probability of each state, 0 to 1.
#[derive(Serialize, ToSchema)]
pub(crate) struct Probabilities {
    engaged: f64,
    confused: f64,
    frustrated: f64,
    bored: f64,
}

/// An event that the estimate rests on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evidence {
    /// Its position in the log.
    position: i64,
    /// Its type.
    event_type: String,
    /// What it says.
    signal: Signal,
}

/// Something that the learner did.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Signal {
    /// Answered a test item.
    Answered { correct: bool, response_ms: Option<u32> },
    /// Watched a clip.
    Watched { to_the_end: bool, speed_percent: u16, repeats: u32 },
    /// Attempted a task, for the how many-th time.
    Attempted { score: f64, ordinal: u32 },
    /// Took a hint.
    TookHint,
    /// Finished a lesson.
    CompletedLesson,
    /// Gave a lesson or a test up.
    GaveUp,
}

impl From<affect::Signal> for Signal {
    fn from(signal: affect::Signal) -> Self {
        match signal {
            affect::Signal::Answered { correct, response_ms } => Self::Answered { correct, response_ms },
            affect::Signal::Watched { to_the_end, speed_percent, repeats } => {
                Self::Watched { to_the_end, speed_percent, repeats }
            }
            affect::Signal::Attempted { score, ordinal } => Self::Attempted { score, ordinal },
            affect::Signal::TookHint => Self::TookHint,
            affect::Signal::CompletedLesson => Self::CompletedLesson,
            affect::Signal::GaveUp => Self::GaveUp,
        }
    }
}

impl From<emotion::Estimate> for Estimate {
    fn from(it: emotion::Estimate) -> Self {
        let emotion::Probabilities { engaged, confused, frustrated, bored } = it.probabilities;
        Self {
            state: it.state.into(),
            confidence: it.confidence,
            probabilities: Probabilities { engaged, confused, frustrated, bored },
            message: it.message,
            language: it.language.into(),
            model_id: it.model_id,
            updated_at: it.updated_at,
        }
    }
}

/// How a learner seems to feel, with the evidence: an estimate, for themselves alone, while they consent.
#[utoipa::path(
    get, path = "/v1/learners/{id}/emotion", tag = "emotion", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The state, or that there is no consent", body = EmotionAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn get_emotion(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    // No role opens it: an estimate of how a person feels is theirs alone (docs/affect.md).
    signed_in.must_be(learner_id)?;
    let mut models = when.open(&state, &signed_in, &["emotion", "learners"], Whose::Learner(learner_id)).await?;
    let row = emotion::find(models.view().db(), learner_id).await?;
    let learner = if row.is_none() { learners::find(models.view().db(), learner_id).await? } else { None };
    let shown = models.close().await;
    let Some(row) = row else {
        learner.ok_or_else(|| Problem::plain("user-not-found"))?;
        let hint = "PATCH /v1/learners/{id} with {\"emotion_care_consent\": {\"policy_version\": \"2026-01\"}}; \
                    null withdraws it";
        return Ok(shown.answer(Json(EmotionAnswer {
            learner_id: learner_id.0,
            consent: false,
            hint: Some(hint),
            policy_version: None,
            estimate: None,
            evidence: vec![],
        })));
    };
    if let Some(position) = shown.position()
        && emotion::withdrawn_after(state.log(), learner_id, position).await?
    {
        return Err(Problem::plain("consent-withdrawn"));
    }
    let evidence = row.evidence.into_iter().map(|StoredEvidence { position, event_type, signal }| Evidence {
        position,
        event_type,
        signal: signal.into(),
    });
    Ok(shown.answer(Json(EmotionAnswer {
        learner_id: row.learner_id.0,
        consent: true,
        hint: None,
        policy_version: Some(row.policy_version),
        estimate: row.estimate.map(Into::into),
        evidence: evidence.collect(),
    })))
}
