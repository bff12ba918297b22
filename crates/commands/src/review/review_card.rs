//! Reviewing a card: scheduled by the learner's own parameters, where there are some.

use baeum_domain::{
    ids::{CardId, ReviewId, derive_id},
    review::{
        deck::{self, Command, Deck, Reviewed},
        scheduling::Rating,
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{Commands, Request};

/// A card as it stands after a review.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The card.
    pub card_id: CardId,
    /// When it is due again.
    pub due_at: DateTime<Utc>,
    /// In how many days the probability of remembering falls to 0.9.
    pub stability: f64,
    /// How hard the card is for the learner, 1 to 10.
    pub difficulty: f64,
}

impl Commands {
    /// Takes in how well the caller remembered a card, and schedules it again.
    ///
    /// # Errors
    /// A card that is not the caller's, a clock that went back, or a failing log.
    pub async fn review_card(
        &self,
        request: &Request,
        card_id: CardId,
        rating: Rating,
    ) -> Result<Outcome<Scheduled>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let review_id = ReviewId(derive_id(&["review", &context.command_id.to_string()]));
        let learner_id = request.caller.user_id;
        let scheduler = &self.ports.scheduler;
        self.log
            .execute::<Deck, _, Error, _>(
                &context,
                &learner_id.to_string(),
                |loaded: Loaded<Deck>| {
                    let deck = &loaded.state;
                    let command = || -> Result<Command, Error> {
                        let card = deck.cards.get(&card_id).ok_or(deck::Error::UnknownCard(card_id))?;
                        let (now, memory) = (self.clock().now(), card.last.as_ref().map(|last| last.memory));
                        let parameters = deck.fit.as_ref().map(|(_, fit)| fit.parameters.as_slice());
                        let schedule = scheduler.schedule(parameters, memory, card.elapsed_days(now), rating)?;
                        Ok(Command::Review(Reviewed {
                            learner_id,
                            card_id,
                            review_id,
                            rating,
                            now,
                            memory: schedule.memory,
                            retrievability: schedule.retrievability,
                            interval_days: schedule.interval_days,
                            model_id: scheduler.model_id().to_owned(),
                        }))
                    };
                    std::future::ready(command())
                },
                |deck, _| {
                    let card = deck.cards.get(&card_id).expect("a card that was reviewed is there");
                    let memory = card.last.as_ref().map(|last| last.memory).expect("it was reviewed");
                    let (due_at, stability, difficulty) = (card.due_at, memory.stability, memory.difficulty);
                    Scheduled { card_id, due_at, stability, difficulty }
                },
            )
            .await
    }
}
