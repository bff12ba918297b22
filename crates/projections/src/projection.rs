//! What a projection is, and how a page of events goes through it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use baeum_domain::{
    AnyEvent, Recorded, assessment::calibration::ItemCalibrator, catalog::Catalog, emotion::affect::AffectModel,
};
use baeum_eventlog::{LogError, StoredPayload, decode};
use futures::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Order;

/// The models and the content that projections compute with. Given once, by whoever composes the process.
#[derive(Clone)]
pub struct Models {
    /// Estimates how learners feel.
    pub affect: Arc<dyn AffectModel>,
    /// Re-estimates items of the level test.
    pub calibrator: Arc<dyn ItemCalibrator>,
    /// Items, clips and titles.
    pub catalog: Arc<Catalog>,
}

/// A read model: what one event changes in its tables.
///
/// `apply` must give the same rows whenever it is replayed: it reads its own tables and the event, never a clock, a
/// random number or the table of another projection. It names tables without a schema, so that a rebuild can run it
/// beside the live tables.
pub trait Projection: Send + Sync + 'static {
    /// Its name, for its cursor: lower-case letters and `_`.
    fn name(&self) -> &'static str;

    /// Every table that `apply` touches.
    fn tables(&self) -> &'static [&'static str];

    /// Whether it takes in events of this aggregate. It is not shown others, so it cannot be stopped by one of them
    /// that this build cannot read.
    fn reads(&self, aggregate_type: &str) -> bool {
        let _ = aggregate_type;
        true
    }

    /// Which events must be taken in in the order of the log among themselves: all that `apply` reads or changes a row
    /// by must belong to one key.
    fn order(&self) -> Order;

    /// The version of its tables and of what `apply` makes of an event. Raise it with every change of either, so that an
    /// unfinished rebuild of an older build is not gone on with.
    fn version(&self) -> u32 {
        1
    }

    /// Takes an event in. The caller moves the cursor in the same transaction.
    ///
    /// # Errors
    /// When the database refuses or a row cannot be read back; nothing of the transaction is then kept.
    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>>;

    /// Takes many events in, with the same outcome as one after the other. A projection that can do it in fewer
    /// statements overrides this; where it fails, the events are tried one by one to find the one to blame.
    ///
    /// # Errors
    /// As [`Projection::apply`]; nothing of the transaction is then kept.
    fn apply_all<'a>(
        &'a self,
        db: &'a mut PgConnection,
        events: &'a [Recorded<AnyEvent>],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            for event in events {
                self.apply(db, event).await?;
            }
            Ok(())
        })
    }
}

/// Why a projection does not take an event in.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database did not answer, or refused.
    #[error("the read model cannot be written: {0}")]
    Database(#[from] sqlx::Error),
    /// The log cannot be read, or holds an event that this build does not know.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A stream whose id names nobody.
    #[error("the {aggregate_type} stream '{aggregate_id}' is not named by a UUID")]
    NotAnId {
        /// Type of the aggregate.
        aggregate_type: String,
        /// Its id.
        aggregate_id: String,
    },
    /// A value that does not go to or come from JSON.
    #[error("a value of the read model is not the JSON that it should be: {0}: rebuild the projection")]
    Json(#[from] serde_json::Error),
    /// A bug.
    #[error("the projection panicked: {0}")]
    Panicked(String),
}

/// The id of the aggregate of an event.
pub(crate) fn aggregate_id<E>(event: &Recorded<E>) -> Result<Uuid, ProjectionError> {
    event.aggregate_id.parse().map_err(|_| ProjectionError::NotAnId {
        aggregate_type: event.aggregate_type.clone(),
        aggregate_id: event.aggregate_id.clone(),
    })
}

/// A stretch of the log as one projection sees it.
pub(crate) struct Page {
    /// What it takes in, in order.
    pub(crate) events: Vec<Recorded<AnyEvent>>,
    /// The position up to which the stretch could be read.
    pub(crate) end: i64,
    /// What stopped the reading right after `end`, if anything did.
    pub(crate) stopped: Option<Failure>,
}

/// An error with the position of the event that it happened at, where one is to blame.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) position: Option<i64>,
    pub(crate) error: ProjectionError,
}

impl<E: Into<ProjectionError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { position: None, error: error.into() }
    }
}

/// Reads stored events after `position` for `projection`, up to the first that cannot be read.
pub(crate) fn page(projection: &dyn Projection, position: i64, stored: Vec<Recorded<StoredPayload>>) -> Page {
    let mut page = Page { events: vec![], end: position, stopped: None };
    for event in stored {
        // What is at or below the cursor was taken in before.
        if event.position <= page.end {
            continue;
        }
        let position = event.position;
        if projection.reads(&event.aggregate_type) {
            match decode(event) {
                Ok(event) => page.events.push(event),
                Err(error) => {
                    page.stopped = Some(Failure { position: Some(position), error: error.into() });
                    return page;
                }
            }
        }
        page.end = position;
    }
    page
}

/// Applies events within the transaction of `db`. A panic of the projection is an error like others.
pub(crate) async fn apply_all(
    projection: &dyn Projection,
    db: &mut PgConnection,
    events: &[Recorded<AnyEvent>],
) -> Result<(), Failure> {
    for event in events {
        let applied = AssertUnwindSafe(projection.apply(db, event)).catch_unwind().await;
        let result = applied.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(ProjectionError::Panicked(text.unwrap_or_else(|| "no message".to_owned())))
        });
        result.map_err(|error| Failure { position: Some(event.position), error })?;
    }
    Ok(())
}
