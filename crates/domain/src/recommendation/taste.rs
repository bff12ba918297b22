//! How a learner reacted to what was recommended: what recommenders learn from.
//!
//! Life cycle: one stream a learner; each reaction is noted as it comes, and a later one takes the place of an earlier
//! one to the same recommendation. Invariants: a reaction that stands is not noted again; opening again what was
//! finished changes nothing. Whether it was recommended at all is looked up before (`commands`): it is another stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recommending::Content;
use crate::{
    decider::{Decider, DomainEvent},
    ids::{RecommendationId, UserId},
};

/// How many reactions are remembered. One that is older can be noted a second time, which changes nothing for readers.
pub const REMEMBERED_REACTIONS: usize = 120;

/// What a learner did with something that was recommended.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Reaction {
    /// Sent it away.
    Dismissed,
    /// Opened it, or went to where it can be watched.
    Opened,
    /// Watched it to the end.
    Finished,
}

impl Reaction {
    /// What it is worth to those who recommend: 0, 0.5 or 1. No reaction is worth 0.
    pub fn reward(self) -> f64 {
        match self {
            Self::Dismissed => 0.0,
            Self::Opened => 0.5,
            Self::Finished => 1.0,
        }
    }
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames,
)]
pub enum Event {
    /// A learner reacted to something that was recommended.
    RecommendationReacted {
        /// Who.
        learner_id: UserId,
        /// In which recommendation it was.
        recommendation_id: RecommendationId,
        /// To what.
        content: Content,
        /// How.
        reaction: Reaction,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A learner's reactions, as far as decisions and recommenders need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taste {
    /// The reactions that stand, the latest last.
    pub reactions: Vec<Reacted>,
}

/// A reaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reacted {
    /// In which recommendation it was.
    pub recommendation_id: RecommendationId,
    /// To what.
    pub content: Content,
    /// How.
    pub reaction: Reaction,
}

impl Taste {
    /// What was opened or finished, each once, the latest last. The latest reaction to a content counts.
    pub fn liked(&self) -> Vec<Content> {
        self.whose_latest(|reaction| reaction != Reaction::Dismissed)
    }

    /// What was sent away, each once, the latest last. The latest reaction to a content counts.
    pub fn dismissed(&self) -> Vec<Content> {
        self.whose_latest(|reaction| reaction == Reaction::Dismissed)
    }

    fn whose_latest(&self, is: impl Fn(Reaction) -> bool) -> Vec<Content> {
        let latest = |at: usize| !self.reactions[at + 1..].iter().any(|it| it.content == self.reactions[at].content);
        let reactions = self.reactions.iter().enumerate();
        reactions.filter(|(at, it)| is(it.reaction) && latest(*at)).map(|(_, it)| it.content.clone()).collect()
    }
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Note a reaction.
    React {
        /// Whose.
        learner_id: UserId,
        /// In which recommendation it was.
        recommendation_id: RecommendationId,
        /// To what.
        content: Content,
        /// How.
        reaction: Reaction,
    },
}

/// A taste takes in whatever happened; it refuses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

impl Decider for Taste {
    const AGGREGATE: &'static str = "taste";
    const CONTEXT: &'static str = "recommendation";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::React { learner_id, recommendation_id, content, reaction } = command;
        let stands =
            self.reactions.iter().find(|it| it.recommendation_id == recommendation_id && it.content == content);
        let nothing_new = stands.is_some_and(|it| {
            it.reaction == reaction || (it.reaction, reaction) == (Reaction::Finished, Reaction::Opened)
        });
        if nothing_new {
            return Ok(vec![]);
        }
        Ok(vec![Event::RecommendationReacted { learner_id, recommendation_id, content, reaction }])
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::RecommendationReacted { recommendation_id, content, reaction, .. } => {
                self.reactions.retain(|it| it.recommendation_id != *recommendation_id || it.content != *content);
                self.reactions.push(Reacted {
                    recommendation_id: *recommendation_id,
                    content: content.clone(),
                    reaction: *reaction,
                });
                let surplus = self.reactions.len().saturating_sub(REMEMBERED_REACTIONS);
                self.reactions.drain(..surplus);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    const LEARNER: UserId = UserId(Uuid::from_u128(1));

    fn clip(id: &str) -> Content {
        Content::Clip(id.parse().expect("a clip id"))
    }

    fn react(recommendation: u128, content: &Content, reaction: Reaction) -> Command {
        let recommendation_id = RecommendationId(Uuid::from_u128(recommendation));
        Command::React { learner_id: LEARNER, recommendation_id, content: content.clone(), reaction }
    }

    fn reacted(recommendation: u128, content: &Content, reaction: Reaction) -> Event {
        let recommendation_id = RecommendationId(Uuid::from_u128(recommendation));
        Event::RecommendationReacted { learner_id: LEARNER, recommendation_id, content: content.clone(), reaction }
    }

    #[test]
    fn a_reaction_is_noted_once_and_a_later_one_takes_its_place() {
        let cafe = clip("cafe");
        let opened = reacted(1, &cafe, Reaction::Opened);
        given::<Taste>([]).when(react(1, &cafe, Reaction::Opened)).then([opened.clone()]);
        given::<Taste>([opened.clone()]).when(react(1, &cafe, Reaction::Opened)).then([]);
        let finished = reacted(1, &cafe, Reaction::Finished);
        given::<Taste>([opened]).when(react(1, &cafe, Reaction::Finished)).then([finished]);
    }

    #[test]
    fn opening_again_what_was_finished_changes_nothing() {
        let cafe = clip("cafe");
        given::<Taste>([reacted(1, &cafe, Reaction::Finished)]).when(react(1, &cafe, Reaction::Opened)).then([]);
        let dismissed = reacted(1, &cafe, Reaction::Dismissed);
        given::<Taste>([reacted(1, &cafe, Reaction::Finished)])
            .when(react(1, &cafe, Reaction::Dismissed))
            .then([dismissed]);
    }

    #[test]
    fn the_same_content_in_another_recommendation_is_reacted_to_anew() {
        let cafe = clip("cafe");
        given::<Taste>([reacted(1, &cafe, Reaction::Dismissed)])
            .when(react(2, &cafe, Reaction::Opened))
            .then([reacted(2, &cafe, Reaction::Opened)]);
        let taste = Taste::fold(&[reacted(1, &cafe, Reaction::Dismissed), reacted(2, &cafe, Reaction::Opened)]);
        assert_eq!((taste.liked(), taste.dismissed()), (vec![cafe], vec![]));
    }

    #[test]
    fn reactions_are_remembered_up_to_a_bound() {
        let mut taste = Taste::default();
        for at in 0..300_u128 {
            taste.evolve(&reacted(at, &clip(&format!("clip-{at}")), Reaction::Opened));
        }
        assert_eq!(taste.liked().len(), REMEMBERED_REACTIONS);
        assert_eq!(taste.liked().last(), Some(&clip("clip-299")));
    }
}
