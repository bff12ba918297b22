//! Contents, learners, and how likely each learner is to watch each content to its end.
//!
//! | | |
//! |---|---|
//! | content | level A1 to C1, difficulty = middle of the level + N(0, 0.3); one or two of 14 topics, one of 4 skills, one or two of 16 focuses, all drawn evenly; quality N(0, 0.5) and three hidden traits N(0, 1), which no tag tells |
//! | learner | ability N(0, 1.1), level as a test finds it (error 0.35); liking of each topic N(0, 1), of which the three highest, seen with an error of 0.5, are stated as interests; three weaknesses; three hidden tastes N(0, 1) |
//! | logit of watching to the end | −0.8 + 0.8 · mean liking of its topics + 0.6 · (hidden tastes · hidden traits) / √3 + quality + 0.5 if it trains a weakness − 0.7 · (difficulty − ability − 0.3)² |
//!
//! So interests, levels and weaknesses as stated tell a part, popularity a part, and what others with the same hidden taste
//! watched a part; a third of a logit above the ability is best.

use std::{collections::BTreeSet, sync::Arc};

use baeum_domain::{
    assessment::testing::Weakness,
    catalog::Catalog,
    ids::{Focus, Topic, UserId},
    learning::planning::TaskKind,
    level::{Cefr, Skill},
    media::clip::{Clip, Task},
    recommendation::recommending::{Content, RecommendationInput},
};
use uuid::Uuid;

use crate::assessment::{
    logistic::sigmoid,
    random::{Rng, nth},
};

const LEVELS: [Cefr; 5] = [Cefr::A1, Cefr::A2, Cefr::B1, Cefr::B2, Cefr::C1];
const MIDDLES: [f64; 5] = [-2.1, -1.1, -0.12, 0.85, 1.85];
const SKILLS: [Skill; 4] = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking];
const TOPICS: usize = 14;
const FOCUSES: usize = 16;
const TRAITS: usize = 3;

/// How large a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Contents.
    pub contents: usize,
    /// Learners.
    pub learners: usize,
}

/// A content as it really is.
struct Truth {
    difficulty: f64,
    topics: Vec<usize>,
    trains: Vec<(Skill, usize)>,
    quality: f64,
    traits: [f64; TRAITS],
}

/// A learner as they really are, and what is known of them.
pub struct SimulatedLearner {
    /// Their id.
    pub id: UserId,
    /// What is known at the start.
    pub known: RecommendationInput,
    ability: f64,
    liking: Vec<f64>,
    tastes: [f64; TRAITS],
}

/// A world.
pub struct World {
    /// Its contents, as a recommender sees them: clips alone.
    pub catalog: Arc<Catalog>,
    /// Their names, in the order of the catalogue.
    pub contents: Vec<Content>,
    /// Its learners.
    pub learners: Vec<SimulatedLearner>,
    truths: Vec<Truth>,
    seed: u64,
}

impl World {
    /// The world of this seed: the same on every platform.
    pub fn new(size: Size, seed: u64) -> Self {
        let mut rng = Rng(nth(seed, 0));
        let (mut catalog, mut truths, mut contents) = (Catalog::default(), vec![], vec![]);
        for at in 0..size.contents {
            let (clip, truth) = content(at, &mut rng);
            contents.push(Content::Clip(clip.id.clone()));
            catalog.clips.insert(clip.id.clone(), clip);
            truths.push(truth);
        }
        let learners = (0..size.learners).map(|at| learner(at, &mut rng)).collect();
        Self { catalog: Arc::new(catalog), contents, learners, truths, seed }
    }

    /// The probability that a learner watches a content to its end.
    pub fn probability(&self, learner: usize, content: usize) -> f64 {
        let (learner, content) = (&self.learners[learner], &self.truths[content]);
        let count = crate::recommendation::fit::number;
        let liking =
            content.topics.iter().map(|topic| learner.liking[*topic]).sum::<f64>() / count(content.topics.len());
        let hidden: f64 = learner.tastes.iter().zip(content.traits).map(|(taste, of)| taste * of).sum();
        let weak = |(skill, focus): &(Skill, usize)| {
            learner.known.weaknesses.iter().any(|it| it.skill == *skill && it.focus == focus_of(*focus))
        };
        let trains = f64::from(u8::from(content.trains.iter().any(weak)));
        let reach = content.difficulty - learner.ability - 0.3;
        sigmoid(
            -0.8 + 0.8 * liking + 0.6 * hidden / libm::sqrt(3.0) + content.quality + 0.5 * trains - 0.7 * reach * reach,
        )
    }

    /// Whether a learner watches a content to its end on a day. The same day is as lucky for every policy.
    pub fn watches(&self, learner: usize, content: usize, day: u64) -> bool {
        let luck = nth(nth(self.seed, 1 + day), learner as u64);
        crate::assessment::random::uniform(luck) < self.probability(learner, content)
    }

    /// Where a content stands.
    pub fn place(&self, content: &Content) -> Option<usize> {
        self.contents.binary_search(content).ok()
    }
}

fn content(at: usize, rng: &mut Rng) -> (Clip, Truth) {
    let band = below(rng, 5);
    let topics = some(rng, 1, 2, TOPICS);
    let (skill, focuses) = (SKILLS[below(rng, 4)], some(rng, 1, 2, FOCUSES));
    let task = below(rng, FOCUSES);
    let clip = Clip {
        id: format!("clip-{at:04}").parse().expect("a valid clip id"),
        title: String::new(),
        level: LEVELS[band],
        topics: topics.iter().map(|it| topic_of(*it)).collect(),
        skills: vec![skill],
        focus: focuses.iter().map(|it| focus_of(*it)).collect(),
        duration_ms: 60_000,
        synopsis: String::new(),
        segments: vec![],
        tasks: vec![Task {
            id: format!("clip-{at:04}-t").parse().expect("a valid task id"),
            kind: TaskKind::Writing,
            prompt: String::new(),
            focus: focus_of(task),
            min_words: 5,
            sample: String::new(),
            references: vec![],
        }],
    };
    let mut trains: Vec<_> = focuses.iter().map(|focus| (skill, *focus)).collect();
    trains.push((Skill::Writing, task));
    let truth = Truth {
        difficulty: MIDDLES[band] + 0.3 * rng.normal(),
        topics,
        trains,
        quality: 0.5 * rng.normal(),
        traits: std::array::from_fn(|_| rng.normal()),
    };
    (clip, truth)
}

fn learner(at: usize, rng: &mut Rng) -> SimulatedLearner {
    let ability = 1.1 * rng.normal();
    let level = Cefr::from_theta(ability + 0.35 * rng.normal());
    let liking: Vec<f64> = (0..TOPICS).map(|_| rng.normal()).collect();
    let mut stated: Vec<(f64, usize)> =
        liking.iter().enumerate().map(|(at, it)| (it + 0.5 * rng.normal(), at)).collect();
    stated.sort_by(|left, right| right.0.total_cmp(&left.0));
    let weaknesses =
        (0..3).map(|_| Weakness { skill: SKILLS[below(rng, 4)], focus: focus_of(below(rng, FOCUSES)) }).collect();
    let known = RecommendationInput {
        level,
        weaknesses,
        interests: stated[..3].iter().map(|(_, at)| topic_of(*at)).collect(),
        seen: vec![],
        liked: vec![],
        dismissed: vec![],
        due: vec![],
    };
    let tastes = std::array::from_fn(|_| rng.normal());
    SimulatedLearner { id: UserId(Uuid::from_u128(at as u128 + 1)), known, ability, liking, tastes }
}

fn topic_of(at: usize) -> Topic {
    format!("topic-{at}").parse().expect("a valid topic")
}

fn focus_of(at: usize) -> Focus {
    format!("focus-{at}").parse().expect("a valid focus")
}

/// A number below `end`.
pub(super) fn below(rng: &mut Rng, end: usize) -> usize {
    usize::try_from(rng.bits() % end.max(1) as u64).unwrap_or(0)
}

/// From `least` to `most` different numbers below `end`.
fn some(rng: &mut Rng, least: usize, most: usize, end: usize) -> Vec<usize> {
    let count = least + below(rng, most - least + 1);
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        chosen.insert(below(rng, end));
    }
    chosen.into_iter().collect()
}
