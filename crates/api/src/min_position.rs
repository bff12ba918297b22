//! Reading one's own writes: a query waits, bounded, until its read model has come far enough.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use baeum_domain::ids::UserId;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{bounded::Bounded, caller::SignedIn, problem::Problem, state::ApiState, tenants::TenantState};

/// How long a query waits.
const PATIENCE: Duration = Duration::from_secs(3);
/// Of how many users the latest command is known.
const REMEMBERED: usize = 10_000;

/// From where on a query may answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MinPosition {
    /// Wait, for 3 seconds at most, until the read model has taken in the event at this position. Without it, the
    /// caller's own latest command to this process is waited for.
    #[param(minimum = 0)]
    pub(crate) min_position: Option<i64>,
}

impl MinPosition {
    /// Waits until `projection` may be read by this caller.
    ///
    /// # Errors
    /// `position-in-the-future`, `position-of-another-shard`, or `not-yet-consistent` where the client named a position.
    pub(crate) async fn wait(self, state: &TenantState, caller: &SignedIn, projection: &str) -> Result<(), Problem> {
        let log = state.log();
        let user = caller.caller.user_id;
        if self.min_position.is_none() {
            if let Some(own) = state.positions.of(user)
                && let Err(behind) = baeum_projections::wait_for(log.pool(), projection, own, PATIENCE).await
            {
                tracing::warn!(error = %behind, "a query is answered with what there is");
                state.positions.forget(user, own);
            }
            return Ok(());
        }
        self.reach(state, projection).await
    }

    /// Waits until `projection` has come to the position, where one was named.
    ///
    /// # Errors
    /// As [`MinPosition::wait`].
    pub(crate) async fn reach(self, state: &TenantState, projection: &str) -> Result<(), Problem> {
        let Some(wanted) = self.min_position else { return Ok(()) };
        let log = state.log();
        let wanted = state.position("min_position", wanted)?;
        if wanted > *log.watch_head().borrow() {
            let head = log.head().await?;
            if wanted > head {
                let detail = format!("position {wanted} is past the head of the log, which is {head}");
                return Err(Problem::new("position-in-the-future", detail).with("head", head));
            }
        }
        baeum_projections::wait_for(log.pool(), projection, wanted, PATIENCE).await.map_err(|behind| {
            tracing::warn!(error = %behind, "a query is not answered");
            if behind.source.is_some() {
                return Problem::plain("database-unavailable").retry_after(2);
            }
            Problem::new("not-yet-consistent", behind.to_string()).with("position", behind.position).retry_after(1)
        })
    }
}

/// The position of the latest command of each user, as far as this process has done it.
pub(crate) struct Positions(Mutex<Bounded<UserId, i64>>);

impl Positions {
    /// Knows of nobody yet.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Bounded::new(REMEMBERED)))
    }

    /// A command of `user` has worked up to `position`.
    pub(crate) fn note(&self, user: UserId, position: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = known.get(&user).map_or(position, |before| position.max(*before));
        known.insert(user, position);
    }

    fn of(&self, user: UserId) -> Option<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&user).copied()
    }

    /// A read model that does not come as far is not waited for again.
    fn forget(&self, user: UserId, position: i64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&user) == Some(&position) {
            known.remove(&user);
        }
    }
}

/// Query parameters, with a clear word on whatever is wrong with them.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => {
                let said = rejection.body_text();
                let what = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(&said);
                Err(Problem::new("invalid-query", what))
            }
        }
    }
}
