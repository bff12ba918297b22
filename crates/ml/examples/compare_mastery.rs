//! Compares mastery as the platform keeps it (Bayesian knowledge tracing by the parameters in force), by parameters fitted
//! to other learners, and by a forgetting count, on the log of a platform: which of them foretells the next attempt better. `docs/models.md` says how to get the events.
#![allow(clippy::print_stdout, reason = "a command-line tool reports on standard output")]

use std::{collections::BTreeMap, fs, path::PathBuf, process::ExitCode};

use baeum_domain::{
    ids::UserId,
    learning::lesson::PASS_SCORE,
    level::Skill,
    progress::{
        knowledge_tracing::UNFITTED,
        progress::{Event, Evidence, Mastery},
    },
};
use baeum_ml::progress::{
    bkt::{self, Answer, Options, Parameters},
    measure::Quality,
};
use clap::Parser;

/// Compares mastery as it is kept with Bayesian knowledge tracing.
#[derive(Parser)]
struct Cli {
    /// The payloads of all `ProgressUpdated` events in the order of the log, a line each.
    events: PathBuf,
}

/// How much of earlier evidence the forgetting count keeps when a new piece arrives.
const MEMORY: f64 = 0.95;

/// Successes and failures of which all but one each are forgotten in time (discounted Beta-Bernoulli filter: West &
/// Harrison, 1997, ch. 6). That was mastery before knowledge tracing.
#[derive(Clone, Copy)]
struct Count {
    successes: f64,
    failures: f64,
}

impl Count {
    fn mean(self) -> f64 {
        self.successes / (self.successes + self.failures)
    }

    fn after(self, evidence: &Evidence) -> Self {
        let keep = |count: f64| 1.0 + (count - 1.0) * MEMORY;
        Self {
            successes: keep(self.successes) + evidence.outcome * evidence.weight,
            failures: keep(self.failures) + (1.0 - evidence.outcome) * evidence.weight,
        }
    }
}

/// What is known of each skill, in both ways.
type Known = BTreeMap<Skill, (Mastery, Count)>;

/// One piece of evidence, with what was expected of its skill before.
struct Step {
    evidence: Evidence,
    before: Option<Mastery>,
    count: Count,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), String> {
    let shown = cli.events.display();
    let text = fs::read_to_string(&cli.events).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    let learners = read(&text).map_err(|why| format!("{shown}, {why}"))?;
    // Every other learner is fitted to, the others are foretold, and the other way round.
    let mut found: [Vec<(f64, f64)>; 4] = Default::default();
    for half in 0..2 {
        let part = |mine: bool| {
            learners.values().enumerate().filter(move |(at, _)| (at % 2 == half) == mine).map(|(_, steps)| steps)
        };
        let fitted = fit(part(true));
        for steps in part(false) {
            foretell(steps, &fitted, &mut found);
        }
    }
    println!("{} learners, {} attempts foretold", learners.len(), found[0].len());
    for (name, pairs) in
        ["mean of the skill", "forgetting count", "mastery as it is kept", "fitted to the others"].iter().zip(&found)
    {
        let passed: Vec<_> = pairs.iter().map(|(probability, score)| (*probability, *score >= PASS_SCORE)).collect();
        let quality = Quality::of(&passed).ok_or("all attempts passed, or none did")?;
        let count = pairs.iter().map(|_| 1.0).sum::<f64>();
        let squares: f64 = pairs.iter().map(|(foretold, score)| (foretold - score) * (foretold - score)).sum();
        println!(
            "{name:<24} passing: AUC {:.3}, log loss {:.3}, RMSE {:.3}; score: RMSE {:.3}",
            quality.auc,
            quality.log_loss,
            quality.rmse,
            libm::sqrt(squares / count),
        );
    }
    Ok(())
}

fn read(text: &str) -> Result<BTreeMap<UserId, Vec<Step>>, String> {
    let mut learners: BTreeMap<UserId, (Known, Vec<Step>)> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let event: Event = serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        let Event::ProgressUpdated { learner_id, evidence, mastery, .. } = event else { continue };
        let (known, steps) = learners.entry(learner_id).or_default();
        for evidence in evidence {
            let (before, count) = known.get(&evidence.skill).copied().unzip();
            let count = count.unwrap_or(Count { successes: 1.0, failures: 1.0 });
            if let Some(after) = mastery.get(&evidence.skill) {
                known.insert(evidence.skill, (*after, count.after(&evidence)));
            }
            steps.push(Step { evidence, before, count });
        }
    }
    Ok(learners.into_iter().map(|(learner, (_, steps))| (learner, steps)).collect())
}

/// The pieces of evidence that are attempts.
fn is_attempt(evidence: &Evidence) -> bool {
    evidence.focus.is_some()
}

/// Parameters and mean score of each skill.
fn fit<'a>(learners: impl Iterator<Item = &'a Vec<Step>>) -> BTreeMap<Skill, (Parameters, f64)> {
    let mut sequences: BTreeMap<Skill, (Vec<Vec<Answer>>, f64, f64)> = BTreeMap::new();
    for steps in learners {
        let mut own: BTreeMap<Skill, Vec<Answer>> = BTreeMap::new();
        for Step { evidence, .. } in steps.iter().filter(|step| is_attempt(&step.evidence)) {
            let right = evidence.outcome >= PASS_SCORE;
            own.entry(evidence.skill).or_default().push(Answer { item: 0, right });
            let (_, sum, count) = sequences.entry(evidence.skill).or_default();
            (*sum, *count) = (*sum + f64::from(u8::from(right)), *count + 1.0);
        }
        for (skill, answers) in own {
            sequences.entry(skill).or_default().0.push(answers);
        }
    }
    let one = |(skill, (sequences, sum, count)): (Skill, (Vec<Vec<Answer>>, f64, f64))| {
        (skill, (bkt::fit(&sequences, 1, &Options::default()).skill, (sum + 1.0) / (count + 2.0)))
    };
    sequences.into_iter().map(one).collect()
}

/// What each model foretells of the attempts of a learner, with their scores. The level test tells all of them something.
fn foretell(steps: &[Step], fitted: &BTreeMap<Skill, (Parameters, f64)>, found: &mut [Vec<(f64, f64)>; 4]) {
    let mut known: BTreeMap<Skill, f64> = BTreeMap::new();
    for Step { evidence, before, count } in steps {
        let Some((parameters, mean)) = fitted.get(&evidence.skill) else { continue };
        let now = known.get(&evidence.skill).copied().unwrap_or(parameters.initial);
        if is_attempt(evidence) {
            let kept = before.map_or(UNFITTED.right(UNFITTED.initial), |it| it.expected);
            let foretold = [*mean, count.mean(), kept, parameters.right(now)];
            for (pairs, probability) in found.iter_mut().zip(foretold) {
                pairs.push((probability, evidence.outcome));
            }
        }
        known.insert(evidence.skill, parameters.next(parameters.after(now, evidence.outcome)));
    }
}
