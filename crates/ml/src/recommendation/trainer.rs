//! Learning from what happened, in the order in which it happened.
//!
//! Viewings and likes are implicit feedback for the factors; outcomes of choices are rewards for the model. The features
//! of an outcome are taken when it comes in, from what had been learned until then: factors that already know an outcome
//! would make it look easy to foresee.

use std::collections::BTreeMap;

use baeum_domain::{
    ids::UserId,
    recommendation::recommending::{Content, RecommendationInput},
};

use super::{
    als::Als,
    bandit_recommender::BanditRecommender,
    features::Features,
    learned::{LIKED, Learned, LearnedContent, SEEN},
};

/// Learns.
#[derive(Clone, Debug)]
pub struct Trainer {
    recommender: BanditRecommender,
    learned: Learned,
    learners: BTreeMap<UserId, BTreeMap<Content, f64>>,
    outcomes: BTreeMap<Content, (u64, f64)>,
    /// Outcomes since the last training.
    fresh: Vec<(Features, f64)>,
}

impl Trainer {
    /// Begins with what this recommender has learned of rewards, and goes on from there.
    pub fn new(recommender: BanditRecommender) -> Self {
        let learned = Learned::default();
        Self { recommender, learned, learners: BTreeMap::new(), outcomes: BTreeMap::new(), fresh: vec![] }
    }

    /// The recommender as of the last training.
    pub fn recommender(&self) -> &BanditRecommender {
        &self.recommender
    }

    /// What was learned at the last training.
    pub fn into_learned(self) -> Learned {
        self.learned
    }

    /// Notes that a learner saw a content.
    pub fn saw(&mut self, learner: UserId, content: &Content) {
        self.strengthen(learner, content, SEEN);
    }

    /// Notes what came of a choice: what it was made from, and its reward, 0 to 1.
    pub fn outcome(&mut self, learner: UserId, input: &RecommendationInput, content: &Content, reward: f64) {
        if let Some(features) = self.recommender.features(input, content) {
            self.fresh.push((features, reward));
        }
        let (chosen, rewards) = self.outcomes.entry(content.clone()).or_default();
        *chosen += 1;
        *rewards += reward;
        if reward > 0.0 {
            self.strengthen(learner, content, LIKED);
        }
    }

    fn strengthen(&mut self, learner: UserId, content: &Content, strength: f64) {
        let known = self.learners.entry(learner).or_default().entry(content.clone()).or_default();
        *known = known.max(strength);
    }

    /// Learns from everything that was noted, which goes up to this position of the log.
    pub fn train(&mut self, trained_to: i64) {
        let contents: Vec<Content> = self.recommender.contents().cloned().collect();
        let places: BTreeMap<&Content, usize> = contents.iter().enumerate().map(|(at, it)| (it, at)).collect();
        let learners: Vec<Vec<(usize, f64)>> = self
            .learners
            .values()
            .map(|of_one| of_one.iter().filter_map(|(it, strength)| Some((*places.get(it)?, *strength))).collect())
            .collect();
        let factors = Als::default().fit(&learners, contents.len());
        let rewards = self.recommender.rewards().after(self.fresh.iter().map(|(features, it)| (&features.0[..], *it)));
        self.fresh.clear();
        let learned = contents.iter().zip(factors.items()).map(|(content, factors)| {
            let (chosen, reward) = self.outcomes.get(content).copied().unwrap_or_default();
            LearnedContent { content: content.clone(), factors: factors.clone(), chosen, reward }
        });
        let learned = Learned { trained_to, contents: learned.collect(), rewards: Some(rewards.evidence().clone()) };
        self.recommender = self.recommender.having(&learned).expect("the features are those of this build");
        self.learned = learned;
    }
}
