//! `baeum reviews optimize`: the scheduler's parameters fitted to learners' own reviews, and recorded in the log.

use baeum_commands::{
    ExecuteError,
    review::{
        Error,
        optimize::{Optimized, optimize},
    },
};
use baeum_domain::{ids::UserId, review::scheduling::SchedulerError};
use baeum_eventlog::{EventFilter, LogError};
use baeum_ml::review::fsrs_scheduler::{FEWEST_REVIEWS, FsrsScheduler};
use baeum_projections::review::cards;
use clap::Subcommand;

use crate::{output::tell, projections::OperatedShard};

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum ReviewsCommand {
    /// Fit the scheduler's parameters to the own reviews of learners, and record those that foretell them better
    Optimize {
        /// Whose, by their id; everybody with enough reviews where it is not given
        #[arg(long, value_name = "ID")]
        learner: Option<UserId>,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewsError {
    #[error("learner {learner}: {error}")]
    Fit { learner: UserId, error: ExecuteError<Error> },
    #[error("learner {0} has no cards: cards come from mistakes and completed lessons")]
    NoCards(UserId),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the read model of cards cannot be read: {0}")]
    Database(#[from] sqlx::Error),
}

/// Does it, in every shard.
///
/// # Errors
/// A learner without cards or with too few reviews, or a failing database.
pub(crate) async fn run(shards: &[OperatedShard], command: &ReviewsCommand) -> Result<(), ReviewsError> {
    let ReviewsCommand::Optimize { learner } = command;
    let mut found = false;
    for shard in shards {
        let learners = match learner {
            Some(learner) => vec![*learner],
            None => cards::learners(shard.log.pool(), i64::try_from(FEWEST_REVIEWS).unwrap_or(i64::MAX)).await?,
        };
        for learner in learners {
            let Some(tenant) = tenant(shard, learner).await? else { continue };
            found = true;
            fit(shard, tenant, learner).await?;
        }
    }
    match learner {
        Some(learner) if !found => Err(ReviewsError::NoCards(*learner)),
        None if !found => {
            tell(format_args!("nobody has {FEWEST_REVIEWS} reviews yet; nothing to do"));
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn fit(shard: &OperatedShard, tenant: String, learner: UserId) -> Result<(), ReviewsError> {
    match optimize(&shard.log, &shard.context(&tenant), &FsrsScheduler, learner).await {
        Ok(Some(outcome)) => {
            let Optimized { version, reviews, log_loss_before, log_loss_after } = outcome.answer;
            tell(format_args!(
                "learner {learner}: fit {version} to {reviews} reviews, log loss {log_loss_before:.4} to \
                 {log_loss_after:.4} on the same reviews, recorded at {}",
                outcome.position
            ));
            Ok(())
        }
        Ok(None) => {
            tell(format_args!(
                "learner {learner}: the usual parameters foretell the reviews as well; nothing recorded"
            ));
            Ok(())
        }
        // Reviews of the first day say nothing of forgetting, so there may be fewer than were counted.
        Err(ExecuteError::Refused(Error::Scheduler(error @ SchedulerError::FewReviews { .. }))) => {
            tell(format_args!("learner {learner}: {error}"));
            Ok(())
        }
        Err(error) => Err(ReviewsError::Fit { learner, error }),
    }
}

/// Whose log holds a learner's cards; `None` where there are none.
async fn tenant(shard: &OperatedShard, learner: UserId) -> Result<Option<String>, LogError> {
    let filter = EventFilter {
        event_type: Some("CardAdded".to_owned()),
        aggregate_id: Some(learner.to_string()),
        ..EventFilter::default()
    };
    let (events, _) = shard.log.read_filtered(shard.log.floor(), 1, &filter).await?;
    Ok(events.into_iter().next().map(|event| event.tenant))
}
