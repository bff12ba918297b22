//! `GET /v1/log/…`: the signed tree over the log, in the formats of transparency logs, so that auditors can read and
//! check it with tools that we did not write.

use axum::{
    Json,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use baeum_commands::sealer::{ProofError, SealError};
use baeum_proof::{Hash, Tile};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::READERS;
use crate::{caller::SignedIn, docs::QueryProblems, min_position::Params, problem::Problem, tenants::TenantState};

const TEXT: &str = "text/plain; charset=utf-8";
/// What is signed once stays so: a full tile never changes.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// The latest checkpoint: origin, size and root of the log, as a signed note (C2SP tlog-checkpoint). For auditors,
/// analysts and administrators.
#[utoipa::path(
    get, path = "/v1/log/checkpoint", tag = "log", security(("bearer" = [])),
    responses((status = 200, description = "The note", body = String, content_type = "text/plain"), QueryProblems)
)]
pub(crate) async fn get_checkpoint(state: TenantState, signed_in: SignedIn) -> Result<Response, Problem> {
    signed_in.must_have(READERS)?;
    let note = state.log().checkpoint().await?.ok_or_else(|| Problem::plain("not-sealed"))?;
    Ok(([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, "no-cache")], note).into_response())
}

/// The verifier keys of the log, a line each, the one in use first (C2SP signed-note). Compare them with what you were
/// given in another way: whoever could change the log could change this answer too.
#[utoipa::path(
    get, path = "/v1/log/key", tag = "log", security(("bearer" = [])),
    responses((status = 200, description = "The keys", body = String, content_type = "text/plain"), QueryProblems)
)]
pub(crate) async fn get_key(state: TenantState, signed_in: SignedIn) -> Result<Response, Problem> {
    signed_in.must_have(READERS)?;
    let keys = state.log().verifier_keys().await?;
    if keys.is_empty() {
        return Err(Problem::plain("not-sealed"));
    }
    Ok(([(header::CONTENT_TYPE, TEXT)], keys.join("\n") + "\n").into_response())
}

/// A tile of the tree (C2SP tlog-tiles, below this prefix): `0/x001/234` or `0/x001/234.p/5` for hashes of a level,
/// `entries/…` for the entries of leaves, which are the SHA-256 of the canonical bytes of the events.
#[utoipa::path(
    get, path = "/v1/log/tile/{*path}", tag = "log", security(("bearer" = [])),
    params(("path" = String, Path, description = "Level, index and width of the tile")),
    responses(
        (status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"),
        QueryProblems,
    )
)]
pub(crate) async fn get_tile(
    state: TenantState,
    signed_in: SignedIn,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    signed_in.must_have(READERS)?;
    let tile: Result<Tile, _> = format!("tile/{path}").parse();
    let tile = tile.map_err(|error| Problem::new("tile-not-found", error.to_string()))?;
    let bytes = state.log().tile(tile).await?.ok_or_else(|| {
        let detail = format!("the tree of the latest checkpoint has no {tile}: see /v1/log/checkpoint for its size");
        Problem::new("tile-not-found", detail)
    })?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, FOR_EVER)];
    Ok((headers, bytes).into_response())
}

/// Which event, in which tree.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InclusionQuery {
    /// Position of the event.
    #[param(minimum = 1)]
    position: i64,
    /// How many events the tree has; as many as that of the latest checkpoint if left out.
    #[param(minimum = 1)]
    size: Option<u64>,
}

/// That an event is in the log (RFC 9162, section 2.1.3). Hashes are in base64.
#[derive(Serialize, ToSchema)]
pub(crate) struct InclusionAnswer {
    /// Position of the event.
    position: i64,
    /// Its leaf, from 0.
    index: u64,
    /// How many leaves the tree has.
    size: u64,
    /// The root of the tree.
    #[schema(value_type = String)]
    root: Hash,
    /// The hash of the leaf: SHA-256 of a byte 0 and the entry, which is the SHA-256 of `record`.
    #[schema(value_type = String)]
    leaf_hash: Hash,
    /// What leads from the leaf to the root.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Hash>,
    /// The canonical bytes of the event; left out where it is another tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    /// The signed checkpoint of this size, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// The proof that an event is in the log.
#[utoipa::path(
    get, path = "/v1/log/proofs/inclusion", tag = "log", security(("bearer" = [])), params(InclusionQuery),
    responses((status = 200, description = "The proof", body = InclusionAnswer), QueryProblems)
)]
pub(crate) async fn prove_inclusion(
    state: TenantState,
    signed_in: SignedIn,
    Params(InclusionQuery { position, size }): Params<InclusionQuery>,
) -> Result<Json<InclusionAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let position = state.position("position", position)?;
    if position <= state.log().floor() {
        return Err(Problem::new("invalid-query", "position: give the position of an event"));
    }
    let it = state.log().prove_inclusion(position, size).await?;
    Ok(Json(InclusionAnswer {
        position: it.position,
        index: it.index,
        size: it.size,
        root: it.root,
        leaf_hash: it.leaf,
        hashes: it.path,
        record: (it.tenant == signed_in.caller.tenant).then_some(it.record),
        checkpoint: it.checkpoint,
    }))
}

/// Which two trees.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConsistencyQuery {
    /// How many events the earlier tree has.
    #[param(minimum = 1)]
    from: u64,
    /// How many the later one has; as many as that of the latest checkpoint if left out.
    #[param(minimum = 1)]
    to: Option<u64>,
}

/// That the log continues an earlier one (RFC 9162, section 2.1.4). Hashes are in base64.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsistencyAnswer {
    /// How many leaves the earlier tree has.
    from: u64,
    /// Its root: compare it with that of the checkpoint that you kept.
    #[schema(value_type = String)]
    from_root: Hash,
    /// How many leaves the later tree has.
    to: u64,
    /// Its root.
    #[schema(value_type = String)]
    to_root: Hash,
    /// What shows it.
    #[schema(value_type = Vec<String>)]
    hashes: Vec<Hash>,
}

/// The proof that nothing of an earlier log was changed.
#[utoipa::path(
    get, path = "/v1/log/proofs/consistency", tag = "log", security(("bearer" = [])), params(ConsistencyQuery),
    responses((status = 200, description = "The proof", body = ConsistencyAnswer), QueryProblems)
)]
pub(crate) async fn prove_consistency(
    state: TenantState,
    signed_in: SignedIn,
    Params(ConsistencyQuery { from, to }): Params<ConsistencyQuery>,
) -> Result<Json<ConsistencyAnswer>, Problem> {
    signed_in.must_have(READERS)?;
    let it = state.log().prove_consistency(from, to).await?;
    Ok(Json(ConsistencyAnswer {
        from: it.from,
        from_root: it.from_root,
        to: it.to,
        to_root: it.to_root,
        hashes: it.path,
    }))
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        tracing::error!(%error, "the seal of the log could not be used");
        match error {
            SealError::Database(_) => Self::plain("log-unavailable").retry_after(2),
            SealError::Misfit(_) | SealError::Event { .. } => Self::new("seal-misfit", error.to_string()),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::NotSealed { sealed, .. } => Self::new("not-sealed", error.to_string()).with("sealed", sealed),
            ProofError::NoRange(why) => Self::new("invalid-query", why),
            ProofError::Seal(error) => error.into(),
        }
    }
}
