//! `baeum recommend`: learning from the reactions in the log, and judging policies by them.

mod evaluate;
mod fit;
mod past;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use baeum_domain::catalog::Catalog;
use baeum_eventlog::{EventLog, LogError};
use baeum_ml::recommendation::{
    bandit_recommender::BanditRecommender,
    learned::{Learned, LearnedError},
};

use crate::output::tell;

/// What to do with recommendations.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum RecommendCommand {
    /// Learn from viewings and reactions, and write what was learned: a server uses it with --recommender FILE
    Fit {
        /// Where to write it
        #[arg(value_name = "FILE.json")]
        to: PathBuf,
    },
    /// Estimate what other policies would have earned, from the choices in the log and their propensities
    Evaluate {
        /// Print the estimates as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecommendError {
    #[error("BAEUM_RECOMMENDER (--recommender): {path} cannot be read: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("BAEUM_RECOMMENDER (--recommender): {path}: {error}")]
    Learned { path: PathBuf, error: LearnedError },
    #[error("{path} cannot be written: {error}")]
    Write { path: PathBuf, error: io::Error },
    #[error(
        "the log has no recommendation with propensities yet: those made since version 2 of the event have them; complete a \
         lesson to get one"
    )]
    Nothing,
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The recommender of this process: with what was learned, where a file is given.
///
/// # Errors
/// A file that cannot be read or used.
pub(crate) fn recommender(catalog: &Arc<Catalog>, file: Option<&Path>) -> Result<BanditRecommender, RecommendError> {
    let fresh = BanditRecommender::new(catalog.clone());
    let Some(path) = file else { return Ok(fresh) };
    let text = fs::read_to_string(path).map_err(|error| RecommendError::Read { path: path.to_owned(), error })?;
    let learned = Learned::from_json(&text).and_then(|learned| fresh.having(&learned));
    learned.map_err(|error| RecommendError::Learned { path: path.to_owned(), error })
}

/// Does it.
///
/// # Errors
/// Whatever keeps it from that.
pub(crate) async fn run(
    log: &EventLog,
    present: BanditRecommender,
    command: &RecommendCommand,
) -> Result<(), RecommendError> {
    match command {
        RecommendCommand::Fit { to } => {
            let (learned, told) = fit::fit(log, present).await?;
            fs::write(to, learned.to_json()).map_err(|error| RecommendError::Write { path: to.clone(), error })?;
            tell(format_args!("{}: {told}", to.display()));
        }
        RecommendCommand::Evaluate { json } => {
            let report = evaluate::evaluate(log, &present).await?;
            if *json {
                tell(serde_json::to_string_pretty(&report).expect("a report is JSON"));
            } else {
                tell(evaluate::describe(&report));
            }
        }
    }
    Ok(())
}
