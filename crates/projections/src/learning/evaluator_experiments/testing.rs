//! Learners in an experiment.

use baeum_domain::{
    ids::{AttemptId, ExperimentId, LessonId, UserId, derive_id},
    learning::{
        evaluation::{Assignment, DeferralReason, Evaluation, ModelRef},
        evaluator_deployment::{Arm, Command, EvaluatorDeployment, ExperimentOutcome, id_of},
        lesson::{self, Dispute, DisputeKind, Lesson},
        shadow_evaluation::{self, ShadowEvaluation, Shown},
    },
    level::Skill,
};
use uuid::Uuid;

use crate::testing::{LEARNER, World, date, plan, verdict};

pub(crate) const EXPERIMENT: ExperimentId = ExperimentId(Uuid::from_u128(400));

pub(crate) fn model(name: &str) -> ModelRef {
    ModelRef { model_id: name.into(), weights_hash: "00".into() }
}

pub(crate) fn assigned(arm: &str) -> Assignment {
    Assignment { experiment_id: EXPERIMENT, arm: arm.into() }
}

/// Starts the experiment of two arms.
pub(crate) async fn start(world: &World) -> i64 {
    let arm = |name: &str, of: &str| Arm { name: name.into(), model: model(of), share: 500 };
    let arms = vec![arm("control", "a"), arm("strict", "b")];
    let (skill, outcome) = (Skill::Writing, ExperimentOutcome::Disputes);
    let start = Command::StartExperiment { skill, experiment_id: EXPERIMENT, arms, outcome };
    world.execute::<EvaluatorDeployment>(id_of("main", Skill::Writing), start).await
}

/// A lesson of a numbered learner, with attempts that are evaluated in an arm; the first so many are disputed.
pub(crate) async fn study(world: &World, learner: u128, arm: &str, attempts: u128, disputed: u128) {
    let lesson = 10_000 + learner;
    let start = lesson::Command::Start {
        lesson_id: LessonId(Uuid::from_u128(lesson)),
        learner_id: UserId(Uuid::from_u128(learner)),
        plan: plan(),
        local_date: date("2026-03-02"),
    };
    world.execute::<Lesson>(Uuid::from_u128(lesson), start).await;
    world.watch(lesson, lesson, 60_000, "2026-03-02").await;
    for number in 0..attempts {
        let attempt = learner * 1_000 + number;
        world.submit_in(lesson, attempt, Evaluation::Given(verdict(0.75)), Some(assigned(arm))).await;
        if number < disputed {
            dispute(world, lesson, attempt).await;
        }
    }
}

/// Says that the score of an attempt is wrong.
pub(crate) async fn dispute(world: &World, lesson: u128, attempt: u128) -> i64 {
    let attempt_id = AttemptId(Uuid::from_u128(attempt));
    let dispute = Dispute { attempt_id, span: None, kind: DisputeKind::Score };
    world.execute::<Lesson>(Uuid::from_u128(lesson), lesson::Command::DisputeEvaluation(dispute)).await
}

/// Records what a model in the shadow says of an attempt of the learner's that was shown a score of .75.
pub(crate) async fn shadow(world: &World, attempt: u128, score: f64) -> i64 {
    let attempt_id = AttemptId(Uuid::from_u128(attempt));
    let mut said = verdict(score);
    said.model_id = "shadow".into();
    let record = shadow_evaluation::Command::Record {
        lesson_id: LessonId(Uuid::from_u128(20)),
        learner_id: LEARNER,
        attempt_id,
        skill: Skill::Writing,
        verdict: said,
        shown: Shown { model: model("a"), score: 0.75, passed: true },
    };
    world.execute::<ShadowEvaluation>(derive_id(&["shadow", &attempt.to_string()]), record).await
}

/// The learner has a lesson in the experiment, with an attempt that was deferred and one that is disputed, and a model in
/// the shadow: every table has rows.
pub(crate) async fn take_part(world: &World) -> i64 {
    start(world).await;
    study(world, 1, "control", 2, 1).await;
    let late = Evaluation::Deferred(DeferralReason::Late);
    world.submit_in(10_001, 1_900, late, Some(assigned("control"))).await;
    shadow(world, 1_000, 0.5).await
}
