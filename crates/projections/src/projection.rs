//! What a projection is, and what can go wrong with it.

use std::sync::Arc;

use baeum_domain::{
    AnyEvent, Recorded,
    assessment::calibration::{AbilityFilter, ItemCalibrator},
    catalog::Catalog,
    emotion::affect::AffectModel,
};
use baeum_eventlog::LogError;
use futures::future::BoxFuture;
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
    /// Re-estimates abilities.
    pub abilities: Arc<dyn AbilityFilter>,
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

    /// What of its tables is about a person: one entry for each of [`Projection::tables`] at least. By this their rows
    /// are shown to them, and removed when they are forgotten; no derivation takes in events of theirs again, unless
    /// everything here is anonymous.
    fn personal(&self) -> &'static [Personal];

    /// Whether it takes in events of this aggregate. It is not shown others, so it cannot be stopped by one of them
    /// that this build cannot read.
    fn reads(&self, aggregate_type: &str) -> bool {
        let _ = aggregate_type;
        true
    }

    /// Which events must be taken in in the order of the log among themselves: all that `apply` reads or changes a row
    /// by must belong to one key.
    fn order(&self) -> Order;

    /// What becomes of an event that cannot be taken in, now or later. Where there is one key for all, others cannot go
    /// on without it.
    fn on_poison(&self) -> Policy {
        if self.order() == Order::Total { Policy::Halt } else { Policy::Park }
    }

    /// The version of its tables and of what `apply` makes of an event. Raise it with every change of either, so that an
    /// unfinished rebuild of an older build is not gone on with.
    fn version(&self) -> u32 {
        1
    }

    /// Whether its rows of the past may be kept, so that a question about the past need not fold from the first event
    /// ([`crate::history`]). Not where nothing may be left once a learner withdraws a consent.
    fn keeps_history(&self) -> bool {
        true
    }

    /// Whether it is for the learner alone: shown to no role, and not exported.
    fn is_theirs_alone(&self) -> bool {
        false
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

/// What a table holds of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// Rows that are about one person. They go when the person is forgotten, in the order in which they are listed.
    Rows {
        /// The table.
        table: &'static str,
        /// SQL: which rows, with `$1` for the person's id (a UUID). It may ask tables of the same projection.
        of: &'static str,
    },
    /// Rows that record what was done with the data of one person: shown to them, and kept when they are forgotten.
    Record {
        /// The table.
        table: &'static str,
        /// SQL: which rows, as above.
        of: &'static str,
    },
    /// Nothing: what it says is about no person, or about so many that it tells of none.
    Anonymous {
        /// The table.
        table: &'static str,
    },
    /// Nothing, and it is made from events of nobody: whoever is forgotten, it comes out the same. So it may stand beside
    /// rows that are about people.
    OfNobody {
        /// The table.
        table: &'static str,
    },
}

impl Personal {
    /// The table.
    pub fn table(&self) -> &'static str {
        match self {
            Self::Rows { table, .. }
            | Self::Record { table, .. }
            | Self::Anonymous { table }
            | Self::OfNobody { table } => table,
        }
    }
}

/// What becomes of an event that would fail however often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The later events of its key wait with it, until an operator has it retried or skipped; all others go on.
    Park,
    /// The projection stands still, and tries it again.
    Halt,
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

impl ProjectionError {
    /// Whether the same event would fail in the same way again.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, LogError::Unreadable { .. }),
            Self::NotAnId { .. } | Self::Json(_) | Self::Panicked(_) => true,
            Self::Database(error) => match error {
                // Data, constraints, and what does not exist. All else passes: connections, locks, space, shutdowns.
                sqlx::Error::Database(error) => {
                    error.code().is_some_and(|code| ["22", "23", "42"].iter().any(|class| code.starts_with(class)))
                }
                sqlx::Error::RowNotFound
                | sqlx::Error::TypeNotFound { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_) => true,
                _ => false,
            },
        }
    }

    /// Whether another transaction stood in the way.
    pub(crate) fn is_contention(&self) -> bool {
        let Self::Database(error) = self else { return false };
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| code.starts_with("40"))
    }
}

/// The id of the aggregate of an event.
pub(crate) fn aggregate_id<E>(event: &Recorded<E>) -> Result<Uuid, ProjectionError> {
    event.aggregate_id.parse().map_err(|_| ProjectionError::NotAnId {
        aggregate_type: event.aggregate_type.clone(),
        aggregate_id: event.aggregate_id.clone(),
    })
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
