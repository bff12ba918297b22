//! Read models as they were at a moment of the past.
//!
//! Nothing is kept for it but the log. The events of the streams that a question is about, and no others, are folded by
//! the projection's own `apply` into empty tables of the same names, in a transaction that is never committed; then the
//! projection's own query reads them. So there is one implementation of each read model, whatever moment it is of.
//!
//! The order of a projection says which events those are ([`crate::Order`]): all that changes a row has its key. Which
//! streams hold a learner's events is known from [`crate::identity::subject_streams`]. Parked streams, and what operators
//! did about them, are as they were then: an event at which the live model stood still stops the fold too, until the
//! deed that let it go on. A long fold leaves a checkpoint, so that the next one takes in only what came after it.

mod checkpoint;
mod gather;
mod moment;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use baeum_domain::ids::{AssessmentId, LessonId, UserId};
use baeum_eventlog::{EventLog, LogError, begin};
use sqlx::{Executor as _, PgConnection, PgPool, Postgres, Transaction, pool::PoolConnection};
use uuid::Uuid;

pub(crate) use self::checkpoint::{TABLE, forget, forget_keys};
pub use self::moment::{AsOf, Moment, MomentError, NotAMoment};
use self::{
    checkpoint::{Checkpoint, tables},
    gather::{Gathered, gather},
};
use crate::{Projection, ProjectionError, fold::Stretch, projection::Failure, rebuild::choose_tables};

/// How many events of one key are taken in between two checkpoints. Tests have short logs.
const LEG: usize = if cfg!(test) { 12 } else { 5_000 };
/// From how many events on a fold leaves a checkpoint.
const WORTH_KEEPING: usize = if cfg!(test) { 5 } else { 200 };
/// The most events that are folded where no checkpoint may be kept.
const MOST: usize = 50_000;

/// Whose rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of a learner.
    Learner(UserId),
    /// A learner's latest lessons, so many of them.
    LatestLessons(UserId, u32),
    /// One lesson.
    Lesson(LessonId),
    /// One sitting of the level test.
    Assessment(AssessmentId),
    /// One stream: the type of its aggregate, and its id.
    Stream(&'static str, Uuid),
}

/// Why a moment of the past cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The database failed.
    #[error("the read model cannot be derived: {0}")]
    Database(#[from] sqlx::Error),
    /// The log cannot be read, or holds an event that this build does not know.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The read model needs the events of everybody.
    #[error(
        "'{0}' is made from the events of all learners, so one moment of it needs the whole log up to there: \
         baeum replay --projection {0} --to MOMENT --into SCHEMA"
    )]
    NotOfOneLearner(&'static str),
    /// There are too many events.
    #[error(
        "{events} events would have to be taken in for '{projection}', more than {MOST}, and none of its past may be \
         kept: baeum replay --projection {projection} --to MOMENT --into SCHEMA"
    )]
    TooLong {
        /// The projection.
        projection: &'static str,
        /// How many events at least.
        events: usize,
    },
    /// An event could not be taken in for a reason that may pass, or for a bug.
    #[error(transparent)]
    Failed(ProjectionError),
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure.error {
            ProjectionError::Database(error) => Self::Database(error),
            ProjectionError::Log(error) => Self::Log(error),
            other => Self::Failed(other),
        }
    }
}

/// Read models of one moment, ready to be queried: the live ones, or those of the past. It holds a connection, so
/// [`View::close`] it before anything else asks the pool for one.
pub struct View {
    tables: Tables,
    moment: Option<Moment>,
}

enum Tables {
    Live(Box<PoolConnection<Postgres>>),
    Past(Box<Past>),
}

/// Tables of the past, for as long as the transaction is open.
struct Past {
    transaction: Transaction<'static, Postgres>,
    log: EventLog,
    kept: Vec<Kept>,
}

/// A checkpoint that is worth keeping.
struct Kept {
    projection: Arc<dyn Projection>,
    key: String,
    checkpoint: Checkpoint,
}

impl View {
    /// The live read models.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn live(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self { tables: Tables::Live(Box::new(pool.acquire().await?)), moment: None })
    }

    /// Read models as they were at a moment. [`crate::identity::subject_streams`] must have come there, where it is about
    /// a learner.
    ///
    /// # Errors
    /// When the database fails, the log cannot be read, or a read model has no past of one learner.
    pub async fn past(
        log: &EventLog,
        projections: &[Arc<dyn Projection>],
        whose: Whose,
        moment: Moment,
    ) -> Result<Self, HistoryError> {
        for projection in projections {
            // Long histories go from checkpoint to checkpoint, so that no transaction takes long and nothing is lost
            // when the client goes away.
            let mut known = None;
            while let Some(leg) = gather::next_leg(log, projection, whose, moment.position).await? {
                if known.replace(leg) == Some(leg) {
                    // It could not be kept.
                    break;
                }
                let leg = Moment { position: leg, ..moment };
                Self::fold(log, std::slice::from_ref(projection), whose, leg, 0).await?.close().await;
            }
        }
        Self::fold(log, projections, whose, moment, WORTH_KEEPING).await
    }

    async fn fold(
        log: &EventLog,
        projections: &[Arc<dyn Projection>],
        whose: Whose,
        moment: Moment,
        worth_keeping: usize,
    ) -> Result<Self, HistoryError> {
        let mut gathered = vec![];
        for projection in projections {
            gathered.push(gather(log, projection, whose, moment.position).await?);
        }
        let mut folds: Vec<_> = gathered.iter_mut().map(Gathered::stretch).collect();
        let mut transaction = begin(log.pool()).await?;
        let kept = loop {
            match run(&mut transaction, log, &mut folds, moment.position, worth_keeping).await {
                Ok(kept) => break kept,
                Err((number, failure)) => {
                    // The connection rolls back in any case before it serves anyone else.
                    let _ = transaction.rollback().await;
                    match number {
                        Some(number) => folds[number].1.blame(failure)?,
                        None => return Err(failure.into()),
                    }
                    transaction = begin(log.pool()).await?;
                }
            }
        };
        let tables = Tables::Past(Box::new(Past { transaction, log: log.clone(), kept }));
        Ok(Self { tables, moment: Some(moment) })
    }

    /// The connection to give to the queries of the read models.
    pub fn db(&mut self) -> &mut PgConnection {
        match &mut self.tables {
            Tables::Live(connection) => connection,
            Tables::Past(past) => &mut past.transaction,
        }
    }

    /// The moment of the past, where it is of one.
    pub fn moment(&self) -> Option<Moment> {
        self.moment
    }

    /// Gives the connection back, and keeps checkpoints that are worth it.
    pub async fn close(self) {
        let Tables::Past(past) = self.tables else { return };
        let Past { transaction, log, kept } = *past;
        // What is not rolled back here is before the connection serves anyone else.
        let _ = transaction.rollback().await;
        for Kept { projection, key, checkpoint } in kept {
            let now = log.clock().now();
            if let Err(error) = checkpoint.keep(log.pool(), projection.as_ref(), &key, now).await {
                tracing::warn!(projection = projection.name(), %error, "a checkpoint could not be kept; it is only slower");
            }
        }
    }
}

type Fold<'g> = (&'g Gathered, Stretch<'g>);

/// Makes the tables and takes the events in. Tells which fold failed, where one did.
async fn run(
    db: &mut PgConnection,
    log: &EventLog,
    folds: &mut [Fold<'_>],
    position: i64,
    worth_keeping: usize,
) -> Result<Vec<Kept>, (Option<usize>, Failure)> {
    let nobody = |error: sqlx::Error| (None, Failure::from(error));
    let mut names: Vec<&str> = folds.iter().flat_map(|(it, _)| tables(it.projection.as_ref())).collect();
    names.sort_unstable();
    names.dedup();
    let create = |table| format!("CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL) ON COMMIT DROP;");
    let sql: String = names.into_iter().map(create).collect();
    // Text without parameters goes as it is, so it may be several statements.
    (&mut *db).execute(sql.as_str()).await.map_err(nobody)?;
    choose_tables(db, "pg_temp").await.map_err(nobody)?;
    let mut kept = vec![];
    for (number, (gathered, stretch)) in folds.iter_mut().enumerate() {
        let projection = gathered.projection.as_ref();
        if let Some(base) = &gathered.base {
            base.restore(db, projection).await.map_err(nobody)?;
        }
        stretch.apply(db, log.clock().now()).await.map_err(|failure| (Some(number), failure))?;
        if let Some(key) = gathered.kept_as.clone().filter(|_| stretch.len() >= worth_keeping) {
            let checkpoint = Checkpoint::take(db, projection, position).await.map_err(nobody)?;
            kept.push(Kept { projection: gathered.projection.clone(), key, checkpoint });
        }
    }
    Ok(kept)
}
