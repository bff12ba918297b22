//! Policies side by side in the same world, with the same luck.
//!
//! Every day each learner is shown one content. Who watches it to its end likes it; who does not sends it away; neither is
//! shown again. Policies learn at the end of each day. On the first day those that know nothing yet draw evenly; after
//! it, all draw evenly as often as the recommender does, so that none is held back by a bad start.

use std::collections::BTreeMap;

use baeum_domain::recommendation::recommending::RecommendationInput;

use super::world::{Size, World, below};
use crate::{
    assessment::random::{Rng, nth},
    recommendation::{
        als::{Als, Factors},
        bandit_recommender::{BanditRecommender, Kind},
        places::pick,
        settings::Settings,
        trainer::Trainer,
    },
};

/// How a content is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter)]
pub enum Policy {
    /// Evenly among all.
    #[strum(serialize = "random")]
    Random,
    /// The most watched of those that are left.
    #[strum(serialize = "most popular")]
    MostPopular,
    /// The one that collaborative filtering prefers; the most popular for whom nothing is known of.
    #[strum(serialize = "ALS alone")]
    Als,
    /// The best by the experts' weights, without learning: `content-1`, which this recommender replaced.
    #[strum(serialize = "experts' weights")]
    Content,
    /// The recommender.
    #[strum(serialize = "recommender")]
    Recommender,
    /// The best of all that there is, which nobody can know.
    #[strum(serialize = "oracle")]
    Oracle,
}

/// What came of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The mean reward of each day.
    pub days: Vec<f64>,
}

impl Outcome {
    /// The mean reward of all days.
    pub fn reward(&self) -> f64 {
        self.days.iter().sum::<f64>() / crate::recommendation::fit::number(self.days.len())
    }
}

/// How a contest runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contest {
    /// How large the world is.
    pub size: Size,
    /// For how many days.
    pub days: u64,
    /// What the recommender is set to. One clip is chosen, whatever it says.
    pub settings: Settings,
}

impl Default for Contest {
    fn default() -> Self {
        Self { size: Size { contents: 200, learners: 240 }, days: 25, settings: Settings::default() }
    }
}

impl Contest {
    fn settings(&self) -> Settings {
        Settings { clips: 1, titles: 0, ..self.settings }
    }

    /// Lets a policy choose in a world.
    pub fn run(&self, world: &World, policy: Policy, seed: u64) -> Outcome {
        self.play(world, policy, seed).0
    }

    /// The recommender after so many days, and what is then known of each learner.
    pub fn trained(&self, world: &World, seed: u64) -> (BanditRecommender, Vec<RecommendationInput>) {
        let (_, player) = self.play(world, Policy::Recommender, seed);
        (player.trainer.recommender().clone(), player.inputs)
    }

    fn play(&self, world: &World, policy: Policy, seed: u64) -> (Outcome, Player) {
        let fresh = BanditRecommender::with(world.catalog.clone(), self.settings()).expect("settings in their ranges");
        let greedy = fresh.set_to(self.settings().greedy()).expect("settings in their ranges");
        let mut player = Player {
            policy,
            rng: Rng(nth(seed, 999)),
            inputs: world.learners.iter().map(|it| it.known.clone()).collect(),
            trainer: Trainer::new(if policy == Policy::Content { greedy } else { fresh }),
            uniform: self.settings.uniform,
            liked: vec![vec![]; world.learners.len()],
            watched: vec![0.0; world.contents.len()],
            factors: None,
        };
        let mut days = vec![];
        for day in 0..self.days {
            let mut rewards = 0.0;
            let mut notes = BTreeMap::new();
            for learner in 0..world.learners.len() {
                let Some(content) = player.choose(world, learner, day) else { continue };
                let watched = world.watches(learner, content, day);
                rewards += f64::from(u8::from(watched));
                notes.insert(learner, (content, watched));
            }
            for (learner, (content, watched)) in notes {
                player.note(world, learner, content, watched);
            }
            player.learn(world, day);
            days.push(rewards / crate::recommendation::fit::number(world.learners.len()));
        }
        (Outcome { days }, player)
    }
}

/// A policy at work.
struct Player {
    policy: Policy,
    rng: Rng,
    inputs: Vec<RecommendationInput>,
    trainer: Trainer,
    uniform: f64,
    liked: Vec<Vec<(usize, f64)>>,
    watched: Vec<f64>,
    factors: Option<Factors>,
}

impl Player {
    fn choose(&mut self, world: &World, learner: usize, day: u64) -> Option<usize> {
        let input = &self.inputs[learner];
        let open: Vec<usize> = (0..world.contents.len())
            .filter(|at| !input.liked.contains(&world.contents[*at]) && !input.dismissed.contains(&world.contents[*at]))
            .collect();
        let evenly = self.rng.uniform() < self.uniform;
        let even = open.get(below(&mut self.rng, open.len())).copied();
        let best = |value: &dyn Fn(usize) -> f64| {
            open.iter().copied().reduce(|best, at| if value(at) > value(best) { at } else { best })
        };
        match self.policy {
            Policy::Random => even,
            Policy::MostPopular | Policy::Als if day == 0 || evenly => even,
            Policy::MostPopular => best(&|at| self.watched[at]),
            Policy::Als => match &self.factors {
                Some(factors) if !self.liked[learner].is_empty() => {
                    let of_learner = factors.learner(&self.liked[learner]);
                    best(&|at| factors.preference(&of_learner, at))
                }
                _ => best(&|at| self.watched[at]),
            },
            Policy::Oracle => best(&|at| world.probability(learner, at)),
            Policy::Content | Policy::Recommender => {
                let candidates = self.trainer.recommender().first_place(Kind::Clips, input);
                let probabilities: Vec<f64> = candidates.iter().map(|it| it.probability).collect();
                let picked = candidates.get(pick(&probabilities, self.rng.uniform()))?;
                world.place(&picked.content)
            }
        }
    }

    fn note(&mut self, world: &World, learner: usize, at: usize, watched: bool) {
        let content = world.contents[at].clone();
        let reward = f64::from(u8::from(watched));
        self.trainer.outcome(world.learners[learner].id, &self.inputs[learner], &content, reward);
        self.watched[at] += reward;
        if watched {
            self.liked[learner].push((at, 1.0));
            self.inputs[learner].liked.push(content);
        } else {
            self.inputs[learner].dismissed.push(content);
        }
    }

    fn learn(&mut self, world: &World, day: u64) {
        match self.policy {
            Policy::Als => self.factors = Some(Als::default().fit(&self.liked, world.contents.len())),
            Policy::Recommender => self.trainer.train(i64::try_from(day).unwrap_or(i64::MAX)),
            Policy::Random | Policy::MostPopular | Policy::Content | Policy::Oracle => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baeum_domain::recommendation::recommending::Content;

    #[test]
    fn the_same_seed_plays_the_same() {
        let contest = Contest { size: Size { contents: 40, learners: 20 }, days: 4, ..Contest::default() };
        let world = World::new(contest.size, 3);
        for policy in [Policy::Als, Policy::Recommender] {
            assert_eq!(contest.run(&world, policy, 3), contest.run(&World::new(contest.size, 3), policy, 3));
        }
        assert_eq!(world.place(&Content::Clip("clip-0007".parse().expect("a clip id"))), Some(7));
    }

    #[test]
    fn learning_beats_not_learning_and_nobody_beats_the_oracle() {
        let contest = Contest { size: Size { contents: 80, learners: 60 }, days: 15, ..Contest::default() };
        let mean = |policy: Policy| {
            (0..4).map(|seed| contest.run(&World::new(contest.size, seed), policy, seed).reward()).sum::<f64>() / 4.0
        };
        let (random, recommender, oracle) = (mean(Policy::Random), mean(Policy::Recommender), mean(Policy::Oracle));
        assert!(random * 1.2 < recommender && recommender < oracle, "{random} {recommender} {oracle}");
    }
}
