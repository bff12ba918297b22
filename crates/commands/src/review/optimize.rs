//! Fitting the scheduler's parameters to a learner's own reviews.

use std::{collections::BTreeMap, fmt::Write as _};

use baeum_domain::{
    AnyEvent, Decider as _,
    ids::{CardId, UserId},
    review::{
        deck::{Command, Deck, Event, Fit},
        scheduling::{PastReview, ReviewScheduler},
    },
};
use baeum_eventlog::{CommandContext, EventFilter, EventLog, ExecuteError, Loaded, LogError, Outcome, decode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Error;

const PAGE: usize = 5_000;

/// What came of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimized {
    /// Which fit schedules the learner's cards now, from 1; 0 for the usual parameters.
    pub version: u32,
    /// Reviews that this one rests on.
    pub reviews: u32,
    /// Mean negative log likelihood of those reviews with the usual parameters, in nats.
    pub log_loss_before: f64,
    /// The same with the fitted ones.
    pub log_loss_after: f64,
}

/// Fits parameters to the reviews of a learner in the log, and records them, for whoever has the database at hand. `None`
/// where they foretell the reviews no better than the usual ones: nothing is recorded then.
///
/// # Errors
/// Too few reviews, or a failing log.
pub async fn optimize(
    log: &EventLog,
    context: &CommandContext,
    scheduler: &dyn ReviewScheduler,
    learner_id: UserId,
) -> Result<Option<Outcome<Optimized>>, ExecuteError<Error>> {
    let (cards, input_position) = history(log, learner_id).await?;
    let fitted = scheduler.fit(&cards).map_err(|error| ExecuteError::Refused(error.into()))?;
    if fitted.log_loss_after >= fitted.log_loss_before {
        return Ok(None);
    }
    let (reviews, log_loss_before, log_loss_after) = (fitted.reviews, fitted.log_loss_before, fitted.log_loss_after);
    let fit = Fit {
        input_position,
        model_id: scheduler.model_id().to_owned(),
        parameters_hash: hash(&fitted.parameters),
        parameters: fitted.parameters,
        reviews,
        log_loss_before,
        log_loss_after,
    };
    let prepare = |_: Loaded<Deck>| std::future::ready(Ok(Command::Optimize { learner_id, fit: fit.clone() }));
    let answer = |deck: &Deck, _: &_| {
        let version = deck.fit.as_ref().map_or(0, |(version, _)| *version);
        Optimized { version, reviews, log_loss_before, log_loss_after }
    };
    log.execute::<Deck, _, Error, _>(context, &learner_id.to_string(), prepare, answer).await.map(Some)
}

/// The reviews of each card of a learner, and the position of the last of them.
async fn history(log: &EventLog, learner: UserId) -> Result<(Vec<Vec<PastReview>>, i64), LogError> {
    let mut cards: BTreeMap<CardId, Vec<PastReview>> = BTreeMap::new();
    let (mut position, mut last) = (log.floor(), log.floor());
    let filter = EventFilter { aggregate_id: Some(learner.to_string()), ..EventFilter::default() };
    loop {
        let (events, read_to) = log.read_filtered(position, PAGE, &filter).await?;
        for event in events.into_iter().filter(|it| it.aggregate_type == Deck::AGGREGATE) {
            let event = decode(event)?;
            if let AnyEvent::Deck(Event::CardReviewed { card_id, rating, elapsed_days, .. }) = event.payload {
                cards.entry(card_id).or_default().push(PastReview { rating, elapsed_days });
                last = event.position;
            }
        }
        if read_to <= position || read_to >= log.head().await? {
            return Ok((cards.into_values().collect(), last));
        }
        position = read_to;
    }
}

/// SHA-256 of the parameters, lower-case hexadecimal.
fn hash(parameters: &[f64]) -> String {
    let mut hash = Sha256::new();
    for parameter in parameters {
        hash.update(parameter.to_bits().to_be_bytes());
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
