//! `baeum query`: a read model of one learner at the terminal, as it is or as it was.

use std::{fmt, sync::Arc, time::Duration};

use baeum_domain::ids::{AssessmentId, LessonId, UserId};
use baeum_eventlog::{EventLog, LogError};
use baeum_projections::{
    Behind, Projection,
    assessment::assessments,
    history::{AsOf, HistoryError, Moment, MomentError, View, Whose},
    identity::{learners, subject_streams},
    learning::{imported_attempts, lessons},
    progress::progress,
    recommendation::recommendations,
    wait_for,
};
use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::output::tell;

/// How long the index of learners' streams is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Which rows.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryOptions {
    /// The read model
    model: Model,
    /// Whose, by their id
    #[arg(long, value_name = "ID", required_unless_present = "id")]
    learner: Option<UserId>,
    /// Which lesson or test, by its id
    #[arg(long, value_name = "ID", conflicts_with = "learner")]
    id: Option<uuid::Uuid>,
    /// As of a moment of the past: a position of the log, or a time such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "MOMENT")]
    as_of: Option<AsOf>,
    /// How many lessons at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// A read model of learners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// The profile with the level
    Learner,
    /// Mastery, levels, streak, and the work of each day
    Progress,
    /// What to watch next
    Recommendations,
    /// Their latest lessons
    Lessons,
    /// One lesson (--id)
    Lesson,
    /// One level test (--id)
    Assessment,
    /// What a learner did in another system, by their pseudonym
    Imported,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |it| it.get_name()))
    }
}

/// Why it cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// The other of the two ids is needed.
    #[error("{model} is asked for by --{option}")]
    OtherId {
        /// The read model.
        model: Model,
        /// What to give.
        option: &'static str,
    },
    /// There is none.
    #[error("there is no {model} of {id}{}", .moment.map(|it| format!(" at position {}", it.position)).unwrap_or_default())]
    Nothing {
        /// The read model.
        model: Model,
        /// Whose.
        id: uuid::Uuid,
        /// When.
        moment: Option<Moment>,
    },
    /// Which streams are the learner's is not known up to there.
    #[error("{0}, or run `baeum replay subject_streams`")]
    Behind(#[from] Behind),
    /// It is no moment of this log.
    #[error("--as-of: {0}")]
    Moment(#[from] MomentError),
    /// The past cannot be derived.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database failed.
    #[error("the read model cannot be read: {0}")]
    Database(#[from] sqlx::Error),
}

/// The answer.
#[derive(Serialize)]
struct Shown {
    model: String,
    /// The moment of the past, where it is of one.
    as_of: Option<Of>,
    value: Value,
}

#[derive(Serialize)]
struct Of {
    position: i64,
    at: DateTime<Utc>,
}

/// Prints the rows as JSON.
///
/// # Errors
/// Where there are none, or they cannot be read.
pub(crate) async fn run(
    log: &EventLog,
    registry: &[Arc<dyn Projection>],
    options: &QueryOptions,
) -> Result<(), QueryError> {
    let model = options.model;
    let (id, whose, names): (_, _, &[&str]) = match (model, options.learner, options.id) {
        (Model::Lesson, _, Some(id)) => (id, Whose::Lesson(LessonId(id)), &["lessons"]),
        (Model::Assessment, _, Some(id)) => (id, Whose::Assessment(AssessmentId(id)), &["assessments"]),
        (Model::Lesson | Model::Assessment, ..) => return Err(QueryError::OtherId { model, option: "id" }),
        (_, None, _) => return Err(QueryError::OtherId { model, option: "learner" }),
        (Model::Lessons, Some(learner), _) => (learner.0, Whose::LatestLessons(learner, options.limit), &["lessons"]),
        (Model::Learner, Some(learner), _) => (learner.0, Whose::Learner(learner), &["learners"]),
        (Model::Progress, Some(learner), _) => (learner.0, Whose::Learner(learner), &["progress"]),
        (Model::Recommendations, Some(learner), _) => (learner.0, Whose::Learner(learner), &["recommendations"]),
        (Model::Imported, Some(learner), _) => (learner.0, Whose::Learner(learner), &["imported_attempts"]),
    };
    let mut view = match options.as_of {
        None => View::live(log.pool()).await?,
        Some(as_of) => {
            let moment = Moment::find(log, as_of).await?;
            if options.learner.is_some() {
                wait_for(log.pool(), subject_streams::NAME, moment.position, PATIENCE).await?;
            }
            let chosen = registry.iter().filter(|it| names.contains(&it.name())).cloned();
            View::past(log, &chosen.collect::<Vec<_>>(), whose, moment).await?
        }
    };
    let db = view.db();
    let found = match whose {
        Whose::Lesson(lesson) => json(lessons::find(db, lesson).await?),
        Whose::Assessment(assessment) => json(assessments::find(db, assessment).await?),
        // Nothing here asks for one stream alone.
        Whose::Stream(..) => None,
        Whose::LatestLessons(learner, limit) => json(Some(lessons::list(db, learner, limit).await?)),
        Whose::Learner(learner) => match model {
            Model::Progress => json(progress::find(db, learner).await?),
            Model::Recommendations => json(recommendations::find(db, learner).await?),
            Model::Imported => json(imported_attempts::find_learner(db, learner).await?),
            _ => json(learners::find(db, learner).await?),
        },
    };
    let moment = view.moment();
    view.close().await;
    let value = found.ok_or(QueryError::Nothing { model, id, moment })?;
    let as_of = moment.map(|it| Of { position: it.position, at: it.at });
    let shown = Shown { model: model.to_string(), as_of, value };
    tell(serde_json::to_string_pretty(&shown).expect("an answer is JSON"));
    Ok(())
}

fn json(row: Option<impl Serialize>) -> Option<Value> {
    row.map(|row| serde_json::to_value(row).expect("a row is JSON"))
}
