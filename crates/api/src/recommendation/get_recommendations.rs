//! `GET /v1/learners/{id}/recommendations`: what to watch next, and where.

use axum::{Json, response::Response};
use baeum_domain::{ids::UserId, recommendation::recommending};
use baeum_projections::{history::Whose, identity::learners, recommendation::recommendations};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    as_of::When,
    caller::SignedIn,
    docs::QueryProblems,
    id::Id,
    media::wire::{ClipSummary, Offer, TitleSummary},
    min_position::Params,
    problem::Problem,
    tenants::TenantState,
    wire::{Level, Weakness},
};

/// What to watch next; empty before the first lesson is completed.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct RecommendationsAnswer {
    learner_id: Uuid,
    /// By which reactions to it are sent.
    recommendation_id: Option<Uuid>,
    /// The lesson that they follow.
    lesson_id: Option<Uuid>,
    /// Which recommender chose.
    model_id: Option<String>,
    generated_at: Option<DateTime<Utc>>,
    /// The country that titles can be watched in, once it was looked up where.
    country: Option<String>,
    /// Dramas and films, in the order of places.
    titles: Vec<RecommendedTitle>,
    /// Clips to go on with, in the order of places.
    clips: Vec<RecommendedClip>,
}

/// A drama or film.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecommendedTitle {
    #[serde(flatten)]
    title: TitleSummary,
    /// How well it is expected to go down, 0 to 1.
    score: f64,
    /// Why.
    reasons: Vec<Reason>,
    /// Where to watch it.
    watch: Vec<WatchOption>,
}

/// A clip.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecommendedClip {
    #[serde(flatten)]
    clip: ClipSummary,
    /// How well it is expected to go down, 0 to 1.
    score: f64,
    /// Why.
    reasons: Vec<Reason>,
}

/// Where a title can be watched.
#[derive(Serialize, ToSchema)]
pub(crate) struct WatchOption {
    /// The service.
    provider: String,
    offer: Offer,
    /// Where to go.
    url: String,
}

/// Why something is recommended.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub(crate) enum Reason {
    /// It is at the learner's level, or a step from it.
    Level(Level),
    /// It is about a topic that the learner likes.
    Interest(String),
    /// It trains something that the learner is weak in.
    Weakness(Weakness),
    /// It trains something that is due for review.
    Review(String),
}

impl From<recommending::Reason> for Reason {
    fn from(reason: recommending::Reason) -> Self {
        match reason {
            recommending::Reason::Level(level) => Self::Level(level.into()),
            recommending::Reason::Interest(topic) => Self::Interest(topic.into()),
            recommending::Reason::Weakness(weakness) => Self::Weakness(weakness.into()),
            recommending::Reason::Review(focus) => Self::Review(focus.into()),
        }
    }
}

fn reasons(reasons: Vec<recommending::Reason>) -> Vec<Reason> {
    reasons.into_iter().map(Into::into).collect()
}

/// What to watch next, and where: for the learner, analysts and administrators. What has left the catalogue is left out.
#[utoipa::path(
    get, path = "/v1/learners/{id}/recommendations", tag = "recommendation", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The recommendations", body = RecommendationsAnswer, headers(("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"))),
        QueryProblems,
    )
)]
pub(crate) async fn get_recommendations(
    state: TenantState,
    signed_in: SignedIn,
    Id(learner_id): Id<UserId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    signed_in.may_read(&state, learner_id, "user-not-found").await?;
    let whose = Whose::Learner(learner_id);
    let mut models = when.open(&state, &signed_in, &["recommendations", "learners"], whose).await?;
    let row = recommendations::find(models.view().db(), learner_id).await?;
    let learner = if row.is_none() { learners::find(models.view().db(), learner_id).await? } else { None };
    let shown = models.close().await;
    let Some(row) = row else {
        learner.ok_or_else(|| Problem::plain("user-not-found"))?;
        let nothing = RecommendationsAnswer { learner_id: learner_id.0, ..RecommendationsAnswer::default() };
        return Ok(shown.answer(Json(nothing)));
    };
    let catalog = state.catalog();
    let watch_options = row.watch_options;
    let titles = row.titles.into_iter().filter_map(|it| {
        let here = watch_options.iter().filter(|option| option.title_id == it.title_id);
        let watch = here.map(|option| WatchOption {
            provider: option.provider.clone(),
            offer: option.offer.into(),
            url: option.url.clone(),
        });
        Some(RecommendedTitle {
            title: catalog.titles.get(&it.title_id)?.into(),
            score: it.score,
            reasons: reasons(it.reasons),
            watch: watch.collect(),
        })
    });
    let clips = row.clips.into_iter().filter_map(|it| {
        let clip = catalog.clips.get(&it.clip_id)?.into();
        Some(RecommendedClip { clip, score: it.score, reasons: reasons(it.reasons) })
    });
    Ok(shown.answer(Json(RecommendationsAnswer {
        learner_id: row.learner_id.0,
        recommendation_id: Some(row.recommendation_id.0),
        lesson_id: Some(row.lesson_id.0),
        model_id: Some(row.model_id),
        generated_at: Some(row.generated_at),
        country: row.country.map(Into::into),
        titles: titles.collect(),
        clips: clips.collect(),
    })))
}
