//! Learning from the log.
//!
//! Of a recommendation, places down to the lowest that was reacted to count, and the first in any case: whether a learner
//! looked further is not known (the examination hypothesis; Craswell et al., "An experimental comparison of click
//! position-bias models", WSDM 2008).

use baeum_eventlog::{EventLog, LogError};
use baeum_ml::recommendation::{bandit_recommender::BanditRecommender, learned::Learned, trainer::Trainer};

use super::past::{self, Place, Told};

/// After how many outcomes the trainer learns from them, so that later ones are foreseen by what was known then.
const BATCH: usize = 500;

/// What was learned, and that in words.
pub(super) async fn fit(log: &EventLog, present: BanditRecommender) -> Result<(Learned, String), LogError> {
    // From nothing: what an earlier fit has learned is in the log too.
    let mut trainer = Trainer::new(present.having(&Learned::default()).expect("nothing learned has no features"));
    let (mut viewings, mut recommendations, mut outcomes) = (0_usize, 0_usize, 0_usize);
    let trained_to = past::tell(log, |told| match told {
        Told::Saw(learner, content) => {
            viewings += 1;
            trainer.saw(learner, &content);
        }
        Told::Over(past) => {
            recommendations += 1;
            for places in [&past.titles, &past.clips] {
                for place in &places[..looked_at(places)] {
                    trainer.outcome(past.learner, &past.input, &place.content, place.reward());
                    outcomes += 1;
                    if outcomes.is_multiple_of(BATCH) {
                        trainer.train(0);
                    }
                }
            }
        }
    })
    .await?;
    trainer.train(trained_to);
    let told = format!(
        "learned from {viewings} viewings and {outcomes} places of {recommendations} recommendations, up to position \
         {trained_to}"
    );
    Ok((trainer.into_learned(), told))
}

fn looked_at(places: &[Place]) -> usize {
    let lowest = places.iter().rposition(|place| place.reaction.is_some());
    lowest.map_or(1, |at| at + 1).min(places.len())
}
