//! Read models of the past: a query with `as_of` answers what the same query answered when the log stood there.

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use baeum_domain::Clock;
use baeum_projections::{
    Projection,
    history::{AsOf, HistoryError, Moment, MomentError, View, Whose},
    identity::subject_streams,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use crate::{caller::SignedIn, min_position::MinPosition, problem::Problem, tenants::TenantState};

/// The header that tells of which position an answer about the past is.
const AS_OF: HeaderName = HeaderName::from_static("baeum-as-of");

/// Of which moment the answer is.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct When {
    /// Wait, for 3 seconds at most, until the read model has taken in the event at this position. Without it, the
    /// caller's own latest command to this process is waited for.
    #[param(minimum = 0)]
    pub(crate) min_position: Option<i64>,
    /// Answer as of a moment of the past: a position of the log, or a time with its zone (RFC 3339). The header
    /// `Baeum-As-Of` tells the position that it is of. What no event records, such as names and the catalogue, is that
    /// of today.
    #[param(example = "2026-03-01T12:00:00Z")]
    pub(crate) as_of: Option<String>,
}

/// Read models of the moment that was asked for.
pub(crate) struct Opened {
    view: View,
}

/// Of which moment they were, where it is one of the past.
#[derive(Clone, Copy)]
pub(crate) struct Shown(Option<Moment>);

impl When {
    /// Opens read models: the live ones, once `models[0]` may be read by this caller, or those of the moment.
    ///
    /// # Errors
    /// As [`MinPosition::wait`]; `invalid-query`, `position-in-the-future` or `position-of-another-shard` for a moment that
    /// cannot be; `history-too-long`.
    pub(crate) async fn open(
        &self,
        state: &TenantState,
        caller: &SignedIn,
        models: &[&str],
        whose: Whose,
    ) -> Result<Opened, Problem> {
        let Some(as_of) = &self.as_of else {
            let model = models.first().copied().unwrap_or_default();
            MinPosition { min_position: self.min_position }.wait(state, caller, model).await?;
            return Ok(Opened { view: View::live(state.log().pool()).await? });
        };
        if self.min_position.is_some() {
            let detail = "as_of: the past does not change, so there is nothing to wait for: leave min_position out";
            return Err(Problem::new("invalid-query", detail));
        }
        let as_of: AsOf = as_of.parse().map_err(|error| {
            // In a query a plus is a space.
            Problem::new("invalid-query", format!("as_of: {error} (write + as %2B)"))
        })?;
        let moment = Moment::find(state.log(), as_of).await.map_err(problem)?;
        if matches!(whose, Whose::Learner(_) | Whose::LatestLessons(..)) {
            MinPosition { min_position: Some(moment.position) }.wait(state, caller, subject_streams::NAME).await?;
        }
        let chosen = |model: &&str| state.registry.iter().find(|it| it.name() == *model).cloned();
        let projections: Vec<Arc<dyn Projection>> = models.iter().filter_map(chosen).collect();
        let view = View::past(state.log(), &projections, whose, moment).await.map_err(Problem::from)?;
        Ok(Opened { view })
    }
}

impl Opened {
    /// What to give to the queries of the read models.
    pub(crate) fn view(&mut self) -> &mut View {
        &mut self.view
    }

    /// Gives the connection back: before anything else is asked of the database.
    pub(crate) async fn close(self) -> Shown {
        let moment = self.view.moment();
        self.view.close().await;
        Shown(moment)
    }
}

impl Shown {
    /// The time that it was.
    pub(crate) fn now(self, clock: &dyn Clock) -> DateTime<Utc> {
        self.0.map_or_else(|| clock.now(), |moment| moment.at)
    }

    /// The position, where it is of the past.
    pub(crate) fn position(self) -> Option<i64> {
        self.0.map(|moment| moment.position)
    }

    /// The answer, which says of which position it is where it is of the past.
    pub(crate) fn answer(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if let Some(moment) = self.0 {
            response.headers_mut().insert(AS_OF, HeaderValue::from(moment.position));
        }
        response
    }
}

fn problem(error: MomentError) -> Problem {
    let detail = format!("as_of: {error}");
    match error {
        MomentError::PastTheHead { head, .. } | MomentError::StillToCome { head, .. } => {
            Problem::new("position-in-the-future", detail).with("head", head)
        }
        MomentError::OfAnotherShard { shard, .. } => {
            Problem::new("position-of-another-shard", detail).with("shard", shard.number())
        }
        MomentError::NoPosition(_) => Problem::new("invalid-query", detail),
        MomentError::Log(error) => error.into(),
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Database(error) => error.into(),
            HistoryError::Log(error) => error.into(),
            HistoryError::NotOfOneLearner(_) => Self::new("invalid-query", format!("as_of: {error}")),
            HistoryError::TooLong { .. } => Self::new("history-too-long", error.to_string()),
            HistoryError::Failed(error) => {
                tracing::error!(%error, "a moment of the past could not be shown");
                Self::plain("internal")
            }
        }
    }
}
