//! Off-policy estimates against true values: choices are logged by the recommender, other policies are judged from them,
//! and since the world is simulated, what these would really have earned is known.

use super::{
    contest::Contest,
    world::{World, below},
};
use crate::{
    assessment::random::{Rng, nth},
    recommendation::{
        bandit_recommender::{BanditRecommender, Candidate, Kind},
        features::Features,
        fit::number,
        off_policy::{Estimate, Logged, cross_fit, estimate},
        places::pick,
        settings::Settings,
    },
};

/// How an estimator did against the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean of estimate − truth.
    pub bias: f64,
    /// Root mean square of estimate − truth.
    pub rmse: f64,
    /// How often the 95 % interval held the truth, 0 to 1.
    pub coverage: f64,
}

/// How the estimators judged a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The policy.
    pub policy: &'static str,
    /// What it really earns.
    pub truth: f64,
    /// How many choices of its own the logged ones were worth.
    pub effective: f64,
    /// Estimators: the mean of what was logged, IPS, SNIPS, DR.
    pub scores: [(&'static str, Score); 4],
}

/// How estimates are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Choices in a log.
    pub choices: usize,
    /// Logs, each judged anew.
    pub logs: u64,
}

/// Logs choices of the recommender that a contest has trained, and judges three other policies from them: the same without
/// chance, the experts' weights, and one that draws evenly.
pub fn judge(contest: &Contest, trial: Trial, world: &World, seed: u64) -> Vec<Judged> {
    let (logging, inputs) = contest.trained(world, seed);
    let settings = Settings { clips: 1, titles: 0, ..contest.settings };
    let experts = BanditRecommender::with(world.catalog.clone(), settings).expect("settings in their ranges");
    let sharp = Settings { temperature: settings.temperature / 2.0, exploration: 0.0, ..settings };
    let policies = [
        ("the same, half as much chance", logging.set_to(sharp)),
        ("experts' weights", Ok(experts)),
        ("evenly among candidates", logging.set_to(Settings { uniform: 1.0, ..settings })),
    ];
    let logging: Vec<_> = inputs.iter().map(|input| logging.first_place(Kind::Clips, input)).collect();
    let judged = policies.into_iter().map(|(name, policy)| {
        let policy = policy.expect("settings in their ranges");
        let target: Vec<_> = inputs.iter().map(|input| policy.first_place(Kind::Clips, input)).collect();
        judge_one(name, trial, world, seed, &logging, &target)
    });
    judged.collect()
}

fn judge_one(
    policy: &'static str,
    trial: Trial,
    world: &World,
    seed: u64,
    logging: &[Vec<Candidate>],
    target: &[Vec<Candidate>],
) -> Judged {
    let truths = target.iter().enumerate().map(|(learner, candidates)| {
        let earns = |it: &Candidate| it.probability * world.probability(learner, world.place(&it.content).unwrap_or(0));
        candidates.iter().map(earns).sum::<f64>()
    });
    let truth = truths.sum::<f64>() / number(target.len());
    let asked: Vec<_> = logging.iter().zip(target).map(|(logged, asked)| Asked::new(logged, asked)).collect();
    let (mut found, mut effective) = ([const { vec![] }; 4], 0.0);
    for log in 0..trial.logs {
        let rows = logged(trial.choices, world, nth(seed, 5_000 + log), logging, &asked);
        let Some(estimates) = estimate(&rows) else { continue };
        effective += estimates.effective / number(usize::try_from(trial.logs).unwrap_or(1));
        let naive = Estimate::mean(rows.iter().map(|row| row.reward));
        for (of, it) in found.iter_mut().zip([naive, estimates.ips, estimates.snips, estimates.dr]) {
            of.push(it);
        }
    }
    let names = ["mean of the log", "IPS", "SNIPS", "DR"];
    let scores = std::array::from_fn(|at| (names[at], score(&found[at], truth)));
    Judged { policy, truth, effective, scores }
}

/// What the policy in question would do with a learner.
struct Asked {
    /// The probability of each candidate of the policy that chose, in their order.
    of_logged: Vec<f64>,
    /// Each candidate of its own with the features that the log has of it.
    own: Vec<(f64, Features)>,
}

impl Asked {
    fn new(logged: &[Candidate], asked: &[Candidate]) -> Self {
        let find = |among: &[Candidate], content| among.iter().position(|it| it.content == content);
        let of_logged =
            logged.iter().map(|it| find(asked, it.content.clone()).map_or(0.0, |at| asked[at].probability)).collect();
        // Another policy may have learned otherwise; the model of rewards is fitted to the features of the log.
        let features = |it: &Candidate| find(logged, it.content.clone()).map_or(it.features, |at| logged[at].features);
        Self { of_logged, own: asked.iter().map(|it| (it.probability, features(it))).collect() }
    }
}

/// A log of choices, as the policy in question sees it.
fn logged(choices: usize, world: &World, seed: u64, logging: &[Vec<Candidate>], asked: &[Asked]) -> Vec<Logged> {
    let mut rng = Rng(seed);
    let probabilities: Vec<Vec<f64>> =
        logging.iter().map(|candidates| candidates.iter().map(|it| it.probability).collect()).collect();
    let mut rows = vec![];
    for _ in 0..choices {
        let learner = below(&mut rng, logging.len());
        let at = pick(&probabilities[learner], rng.uniform());
        let earns = world.probability(learner, world.place(&logging[learner][at].content).unwrap_or(0));
        rows.push((learner, at, f64::from(u8::from(rng.uniform() < earns))));
    }
    let models = cross_fit(rows.iter().map(|(learner, at, reward)| (&logging[*learner][*at].features, *reward)));
    let expected_of_target = models.each_ref().map(|model| -> Vec<f64> {
        let of = |asked: &Asked| asked.own.iter().map(|(share, features)| share * model.expected(&features.0)).sum();
        asked.iter().map(of).collect()
    });
    let row = |(number, (learner, at, reward)): (usize, &(usize, usize, f64))| {
        let chosen = &logging[*learner][*at];
        Logged {
            reward: *reward,
            propensity: chosen.probability,
            target: asked[*learner].of_logged[*at],
            expected_of_chosen: models[number % 2].expected(&chosen.features.0),
            expected_of_target: expected_of_target[number % 2][*learner],
        }
    };
    rows.iter().enumerate().map(row).collect()
}

fn score(estimates: &[Estimate], truth: f64) -> Score {
    let count = number(estimates.len()).max(1.0);
    let misses = || estimates.iter().map(|it| it.value - truth);
    Score {
        bias: misses().sum::<f64>() / count,
        rmse: libm::sqrt(misses().map(|miss| miss * miss).sum::<f64>() / count),
        coverage: number(estimates.iter().filter(|it| it.covers(truth)).count()) / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommendation::simulation::world::Size;

    #[test]
    fn estimates_are_nearer_the_truth_than_the_mean_of_the_log() {
        let contest = Contest { size: Size { contents: 60, learners: 80 }, days: 6, ..Contest::default() };
        let world = World::new(contest.size, 2);
        let judged = judge(&contest, Trial { choices: 800, logs: 40 }, &world, 2);
        let evenly = judged.last().expect("three policies");
        let [naive, ips, snips, dr] = evenly.scores.map(|(_, score)| score);
        assert!(naive.coverage < 0.5, "{evenly:?}");
        for score in [ips, snips, dr] {
            assert!(score.bias.abs() < 0.5 * naive.bias.abs() && score.coverage > 0.8, "{evenly:?}");
        }
    }
}
