//! `GET /v1/titles/{id}`: a drama or film with where to watch it.

use axum::{Json, extract::State};
use baeum_domain::ids::TitleId;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{Offer, TitleSummary};
use crate::{
    caller::SignedIn,
    docs::QueryProblems,
    id::Id,
    problem::Problem,
    state::ApiState,
    wire::{Skill, texts},
};

/// A drama or film.
#[derive(Serialize, ToSchema)]
pub(crate) struct TitleAnswer {
    #[serde(flatten)]
    title: TitleSummary,
    /// The language that is spoken.
    language: String,
    /// What watching it trains.
    skills: Vec<Skill>,
    /// Grammar points and sub-skills in it.
    focus: Vec<String>,
    /// Length of an episode or of the film, in minutes.
    minutes: u16,
    /// Where to watch it.
    providers: Vec<Provider>,
}

/// An offer in one country.
#[derive(Serialize, ToSchema)]
pub(crate) struct Provider {
    /// In which country (ISO 3166-1 alpha-2).
    country: String,
    /// The service.
    provider: String,
    offer: Offer,
    /// Where to go.
    url: String,
}

/// A drama or film of the catalogue.
#[utoipa::path(
    get, path = "/v1/titles/{id}", tag = "media", security(("bearer" = [])), params(("id" = String, Path)),
    responses((status = 200, description = "The title", body = TitleAnswer), QueryProblems)
)]
pub(crate) async fn get_title(
    State(state): State<ApiState>,
    _signed_in: SignedIn,
    Id(title_id): Id<TitleId>,
) -> Result<Json<TitleAnswer>, Problem> {
    let title = state.catalog().titles.get(&title_id).ok_or_else(|| Problem::plain("title-not-found"))?;
    let providers = title.providers.iter().map(|it| Provider {
        country: it.country.to_string(),
        provider: it.provider.clone(),
        offer: it.offer.into(),
        url: it.url.clone(),
    });
    Ok(Json(TitleAnswer {
        title: title.into(),
        language: title.language.to_string(),
        skills: title.skills.iter().copied().map(Into::into).collect(),
        focus: texts(title.focus.iter().cloned()),
        minutes: title.minutes,
        providers: providers.collect(),
    }))
}
