//! What the log tells of recommendations and what came of them, in its order.

use std::collections::HashMap;

use baeum_domain::{
    AnyEvent, Decider,
    any::AGGREGATES,
    ids::{RecommendationId, UserId},
    learning::lesson::{Event as LessonEvent, Lesson},
    recommendation::{
        recommendation::{Event as RecommendationEvent, Recommendation},
        recommending::{Content, RecommendationInput},
        taste::{Event as TasteEvent, Reaction, Taste},
    },
};
use baeum_eventlog::{EventLog, LogError, decode_raw};

/// How many events are read at once.
const READ: i64 = 2_000;

/// A recommendation with what came of it.
pub(super) struct Past {
    pub(super) learner: UserId,
    /// What it was made from.
    pub(super) input: RecommendationInput,
    /// Titles and clips, each in the order of places.
    pub(super) titles: Vec<Place>,
    pub(super) clips: Vec<Place>,
}

/// What stood in a place.
pub(super) struct Place {
    pub(super) content: Content,
    /// The probability of it; none where it was not recorded.
    pub(super) propensity: Option<f64>,
    /// The reaction that stands.
    pub(super) reaction: Option<Reaction>,
}

impl Place {
    fn of(content: Content, propensity: Option<f64>) -> Self {
        Self { content, propensity, reaction: None }
    }

    /// 0 to 1; no reaction is worth nothing.
    pub(super) fn reward(&self) -> f64 {
        self.reaction.map_or(0.0, Reaction::reward)
    }
}

/// What the log tells.
pub(super) enum Told {
    /// A learner saw a clip to its end.
    Saw(UserId, Content),
    /// A recommendation is over: the next was made for its learner, or the log ends.
    Over(Past),
}

/// Tells `take` everything up to the head, and answers that position. Nothing is told of who was forgotten; recommendations
/// without propensities are left out.
///
/// # Errors
/// When the log cannot be read.
pub(super) async fn tell(log: &EventLog, mut take: impl FnMut(Told)) -> Result<i64, LogError> {
    let read = [Lesson::AGGREGATE, Recommendation::AGGREGATE, Taste::AGGREGATE];
    let without: Vec<&str> = AGGREGATES.iter().map(|it| it.aggregate).filter(|it| !read.contains(it)).collect();
    let (mut from, head) = (log.floor(), log.head().await?);
    // The open recommendation of each learner, with the number by which it was opened.
    let mut open = HashMap::<UserId, (u64, RecommendationId, Past)>::new();
    let mut opened = 0;
    while from < head {
        let end = (from + READ).min(head);
        for event in log.scan(from, end, &without).await? {
            match decode_raw(event)?.payload {
                AnyEvent::Lesson(LessonEvent::ShortClipConsumed { learner_id, clip_id, to_the_end: true, .. })
                    if !log.erased().contains(learner_id) =>
                {
                    take(Told::Saw(learner_id, Content::Clip(clip_id)));
                }
                AnyEvent::Recommendation(RecommendationEvent::RecommendationGenerated {
                    recommendation_id,
                    learner_id: learner,
                    titles,
                    clips,
                    policy: Some(policy),
                    ..
                }) if !log.erased().contains(learner) => {
                    let titles = titles.into_iter().map(|it| Place::of(Content::Title(it.title_id), it.propensity));
                    let clips = clips.into_iter().map(|it| Place::of(Content::Clip(it.clip_id), it.propensity));
                    let (titles, clips) = (titles.collect(), clips.collect());
                    let past = Past { learner, input: policy.made_from, titles, clips };
                    opened += 1;
                    if let Some((.., over)) = open.insert(learner, (opened, recommendation_id, past)) {
                        take(Told::Over(over));
                    }
                }
                AnyEvent::Taste(TasteEvent::RecommendationReacted {
                    learner_id,
                    recommendation_id,
                    content,
                    reaction,
                }) => {
                    let of_it = open.get_mut(&learner_id).filter(|(_, id, _)| *id == recommendation_id);
                    let places = of_it.into_iter().flat_map(|(.., past)| past.titles.iter_mut().chain(&mut past.clips));
                    for place in places.filter(|place| place.content == content) {
                        place.reaction = Some(reaction);
                    }
                }
                _ => {}
            }
        }
        from = end;
    }
    let mut left: Vec<_> = open.into_values().collect();
    left.sort_by_key(|(number, ..)| *number);
    for (.., past) in left {
        take(Told::Over(past));
    }
    Ok(head)
}
