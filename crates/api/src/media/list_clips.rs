//! `GET /v1/clips`: the clips of the catalogue.

use axum::{Json, extract::State};
use baeum_domain::ids::Topic;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::wire::ClipSummary;
use crate::{
    caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, state::ApiState, wire::Level,
};

/// Which clips.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClipsQuery {
    /// Clips of this level only.
    level: Option<Level>,
    /// Clips about this topic only.
    #[param(value_type = Option<String>)]
    topic: Option<Topic>,
}

/// Clips, by their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipsAnswer {
    clips: Vec<ClipSummary>,
}

/// The clips of the catalogue.
#[utoipa::path(
    get, path = "/v1/clips", tag = "media", security(("bearer" = [])), params(ClipsQuery),
    responses((status = 200, description = "The clips", body = ClipsAnswer), QueryProblems)
)]
pub(crate) async fn list_clips(
    State(state): State<ApiState>,
    _signed_in: SignedIn,
    Params(query): Params<ClipsQuery>,
) -> Result<Json<ClipsAnswer>, Problem> {
    let level = query.level.map(baeum_domain::level::Cefr::from);
    let clips = state.catalog().clips.values().filter(|clip| {
        level.is_none_or(|it| clip.level == it) && query.topic.as_ref().is_none_or(|it| clip.topics.contains(it))
    });
    Ok(Json(ClipsAnswer { clips: clips.map(ClipSummary::from).collect() }))
}
