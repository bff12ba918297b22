//! An experiment with simulated learners over the real commands: does the read model find the model that errs less?
//!
//! Learners write texts of which it is known what is wrong, dispute false marks with probability ½ and a missed mistake
//! with ⅕, and give a lesson up a little more often after a false mark. Register and level are events without a password
//! or a test; all else goes through the commands: assignment, evaluation, sealing, disputes. The truth, which no platform
//! knows, stands beside what the experiment says.

mod models;
mod texts;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use baeum_commands::{
    Caller, CommandContext, Request,
    dispatch::ProcessCommand,
    learning::{consume_clip::Viewing, deployment::Change, submit_attempt::Attempt},
};
use baeum_domain::{
    assessment::testing::Weakness,
    identity::user::{self, Role, User, samples},
    ids::{AssessmentId, LessonId, UserId, derive_id},
    learning::{
        curriculum,
        evaluator_deployment::{Arm, Experiment, ExperimentOutcome, SHARES},
        lesson::{Dispute, DisputeKind},
        planning::LessonPlan,
    },
    level::{Cefr, Skill},
};
use baeum_projections::{
    learning::evaluator_experiments::{self, EvaluatorExperiments, Report},
    run as project, wait_for,
};
use clap::Args;
use fastrand::Rng;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    models::Models,
    texts::{Mistakes, Text},
};
use crate::{Failure, servers::tell, world::World};

/// Probability that a learner disputes a false mark.
const DISPUTES_FALSE_MARK: f64 = 0.5;
/// Probability that a learner disputes a missed mistake.
const DISPUTES_MISSED: f64 = 0.2;
/// Probability that a learner gives a lesson up after an attempt, and after one with a false mark.
const GIVES_UP: [f64; 2] = [0.03, 0.08];
/// How many learners study at once.
const AT_ONCE: usize = 16;
const TENANT: &str = "main";
const PATIENCE: Duration = Duration::from_secs(600);

/// How large an experiment.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How many learners
    #[arg(long, default_value_t = 2_000)]
    learners: u32,
    /// What everything that is by chance derives from
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Probability of a mistake from which on the second model marks a word
    #[arg(long, default_value_t = 0.3)]
    threshold: f32,
    /// Lessons of each learner
    #[arg(long, default_value_t = 2)]
    lessons: u32,
}

/// What is known of an arm and no platform could know.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    attempts: u32,
    mistakes: Mistakes,
    disputes: u32,
    completed: u32,
}

impl Truth {
    fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.mistakes.false_marks += other.mistakes.false_marks;
        self.mistakes.missed += other.mistakes.missed;
        self.disputes += other.disputes;
        self.completed += other.completed;
    }

    /// Errors an evaluation.
    fn error_rate(&self) -> f64 {
        f64::from(self.mistakes.false_marks + self.mistakes.missed) / f64::from(self.attempts.max(1))
    }
}

/// Runs the experiment and tells what came of it.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let (report, truths) = simulate(options).await?;
    for arm in &report.arms {
        let (sums, truth) = (arm.sums, truths.get(&arm.arm.name).copied().unwrap_or_default());
        tell(&format!(
            "{} ({}): {} learners, {} evaluations, {} disputed, rate by learner {:.4}; lessons {}, completed {}\n  truth: \
             {} false marks, {} missed, {:.4} errors an evaluation",
            arm.arm.name,
            arm.arm.model.model_id,
            sums.learners,
            sums.evaluated,
            sums.disputed,
            arm.disputes.mean,
            sums.lessons,
            sums.completed,
            truth.mistakes.false_marks,
            truth.mistakes.missed,
            truth.error_rate(),
        ));
    }
    for comparison in &report.comparisons {
        for (arm, found) in &comparison.differences {
            let said = found.map_or_else(
                || "nothing can be said".to_owned(),
                |it| format!("{:+.4} (95 %: {:+.4} to {:+.4})", it.difference, it.lower, it.upper),
            );
            tell(&format!("{}: {arm} less the first arm: {said}", comparison.outcome));
        }
        tell(&format!("{}: better: {}", comparison.outcome, comparison.better.as_deref().unwrap_or("undecided")));
    }
    Ok(())
}

async fn simulate(options: &Options) -> Result<(Report, BTreeMap<String, Truth>), Failure> {
    let models = Models::load(options.threshold)?;
    let names = models.names();
    let mut world = World::create(Arc::new(models)).await?;
    // What is measured is the models and not how loaded this machine is.
    world.commands = world.commands.with_patience(PATIENCE);
    let arm = |name: &str, at: usize| Arm { name: name.into(), model: names[at].clone(), share: SHARES / 2 };
    let arms = vec![arm("shipped", 0), arm("marks_more", 1)];
    let admin = request(UserId(derive_id(&["experiment-admin"])), Role::Admin);
    let change = Change::StartExperiment { arms, outcome: ExperimentOutcome::Disputes };
    let started = world.commands.deploy_evaluator(&admin, change).await?;
    let experiment = started.answer.experiment.ok_or("the experiment runs")?;
    let (world, running) = (&world, &experiment);
    let studies = futures::stream::iter(0..options.learners)
        .map(|number| async move { study(world, running, options, number).await })
        .buffer_unordered(AT_ONCE);
    let truths = studies
        .try_fold(BTreeMap::<String, Truth>::new(), async |mut all, (arm, truth)| {
            all.entry(arm).or_default().add(truth);
            Ok(all)
        })
        .await?;
    let log = world.commands.log();
    let stop = CancellationToken::new();
    let workers = tokio::spawn(project(log.clone(), vec![Arc::new(EvaluatorExperiments)], stop.clone()));
    wait_for(log.pool(), evaluator_experiments::NAME, log.head().await?, PATIENCE).await?;
    stop.cancel();
    workers.await?;
    let mut db = log.pool().acquire().await?;
    let report = evaluator_experiments::find(&mut db, TENANT, experiment.experiment_id).await?;
    Ok((report.ok_or("the experiment is in its read model")?, truths))
}

/// What a learner does, by chance that depends on the seed and their number alone.
async fn study(
    world: &World,
    experiment: &Experiment,
    options: &Options,
    number: u32,
) -> Result<(String, Truth), Failure> {
    let mut rng = Rng::with_seed(options.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number.into()));
    let learner_id = UserId(derive_id(&["experiment", &options.seed.to_string(), &number.to_string()]));
    let request = request(learner_id, Role::Learner);
    enrol(world, &request).await?;
    let mut truth = Truth::default();
    for _ in 0..options.lessons {
        take_lesson(world, &request, &mut rng, &mut truth).await?;
    }
    Ok((experiment.arm_of(learner_id).name.clone(), truth))
}

/// A user with a level.
async fn enrol(world: &World, request: &Request) -> Result<(), Failure> {
    let (log, learner_id) = (world.commands.log(), request.caller.user_id);
    let register = user::Command::Register {
        user_id: learner_id,
        roles: [Role::Learner].into(),
        preferences: samples::preferences(),
    };
    let prepare = |_| std::future::ready(Ok::<_, user::Error>(register.clone()));
    let context = context(world, request);
    log.execute::<User, (), user::Error, _>(&context, &learner_id.to_string(), prepare, |_, _| ()).await?;
    let command = curriculum::Command::Assign {
        learner_id,
        assessment_id: AssessmentId(derive_id(&["experiment-level", &learner_id.to_string()])),
        level: Cefr::A2,
        weaknesses: vec![Weakness { skill: Skill::Writing, focus: "articles".parse()? }],
    };
    world.commands.dispatch(&self::context(world, request), ProcessCommand::Curriculum(command)).await?;
    Ok(())
}

/// Watches the clips, attempts the tasks, disputes, and completes the lesson or gives it up.
async fn take_lesson(world: &World, request: &Request, rng: &mut Rng, truth: &mut Truth) -> Result<(), Failure> {
    let commands = &world.commands;
    let started = commands.start_lesson(request).await?.answer;
    let (lesson_id, plan): (LessonId, LessonPlan) = (started.lesson_id, started.plan.ok_or("a plan")?);
    for clip in &plan.clips {
        let (clip_id, watched_ms) = (clip.clip_id.clone(), clip.duration_ms);
        let viewing = Viewing { clip_id, watched_ms, speed_percent: 100, repeats: vec![] };
        commands.consume_clip(request, lesson_id, viewing).await?;
    }
    for task in plan.tasks.iter().take(usize::try_from(plan.required_attempts)?) {
        let text = Text::write(rng, task.min_words);
        let (task_id, kind, answer) = (task.task_id.clone(), task.kind, text.text.clone());
        let attempt = Attempt { task_id, kind, answer, duration_ms: None };
        let evaluated = commands.submit_attempt(request, lesson_id, attempt).await?.answer;
        let verdict = evaluated.verdict.ok_or("every attempt is evaluated at once")?;
        let (false_marks, mistakes) = text.judge(&verdict.spans);
        let attempt_id = evaluated.attempt_id;
        let mut disputes = vec![];
        for span in false_marks {
            if rng.f64() < DISPUTES_FALSE_MARK {
                disputes.push(Dispute { attempt_id, span: Some(span), kind: DisputeKind::FalseMark });
            }
        }
        if (0..mistakes.missed).any(|_| rng.f64() < DISPUTES_MISSED) {
            disputes.push(Dispute { attempt_id, span: None, kind: DisputeKind::MissedMistake });
        }
        for dispute in &disputes {
            commands.dispute_evaluation(request, lesson_id, *dispute).await?;
        }
        let disputed = u32::try_from(disputes.len())?;
        truth.add(Truth { attempts: 1, mistakes, disputes: disputed, completed: 0 });
        if rng.f64() < GIVES_UP[usize::from(mistakes.false_marks > 0)] {
            commands.abandon_lesson(request, lesson_id).await?;
            return Ok(());
        }
    }
    commands.complete_lesson(request, lesson_id).await?;
    truth.completed += 1;
    Ok(())
}

fn context(world: &World, request: &Request) -> CommandContext {
    CommandContext { fingerprint: None, ..request.context(world.commands.log().clock().as_ref()) }
}

fn request(user_id: UserId, role: Role) -> Request {
    let caller = Caller { tenant: TENANT.into(), user_id, roles: [role].into() };
    Request { caller, idempotency: None, expected_sequence: None, correlation_id: Uuid::nil() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_read_model_counts_what_the_learners_of_each_arm_did() {
        let options = Options { learners: 60, seed: 7, threshold: 0.1, lessons: 1 };
        let (report, truths) = simulate(&options).await.expect("an experiment");
        for arm in &report.arms {
            let (sums, truth) = (arm.sums, truths[&arm.arm.name]);
            let counted = (sums.attempts, sums.disputes, sums.completed);
            assert_eq!(counted, (truth.attempts.into(), truth.disputes.into(), truth.completed.into()));
            assert_eq!((sums.evaluated, sums.deferred), (sums.attempts, 0));
        }
        let learners: i64 = report.arms.iter().map(|arm| arm.sums.learners).sum();
        assert_eq!(learners, 60);
        let [shipped, more] = ["shipped", "marks_more"].map(|name| truths[name]);
        let marks = |it: Truth| f64::from(it.mistakes.false_marks) / f64::from(it.attempts);
        assert!(marks(more) > marks(shipped), "a lower threshold marks more that is right");
    }
}
