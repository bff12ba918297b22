use baeum_domain::learning::{
    evaluation::{DeferralReason, Evaluation},
    evaluator_deployment::{Command, EvaluatorDeployment, id_of},
    lesson::{self, Lesson},
};
use uuid::Uuid;

use super::{
    testing::{EXPERIMENT, assigned, dispute, model, shadow, start, study},
    *,
};
use crate::testing::{World, in_a_world, verdict};

async fn report(world: &World) -> Report {
    world.project().await;
    let mut db = world.pool.acquire().await.expect("a connection");
    find(&mut db, "main", EXPERIMENT).await.expect("a database").expect("an experiment")
}

#[tokio::test]
async fn learners_are_counted_once_and_the_arm_with_fewer_disputes_is_better() {
    in_a_world(async |world| {
        start(world).await;
        for learner in 101..=106 {
            // In the control arm all but one learner dispute everything, however many attempts they made.
            study(world, learner, "control", learner - 100, if learner == 101 { 0 } else { learner - 100 }).await;
        }
        for learner in 201..=206 {
            study(world, learner, "strict", 2, u128::from(learner == 201)).await;
        }
        let found = report(world).await;
        let [control, strict] = &found.arms[..] else { panic!("two arms") };
        assert_eq!((control.sums.learners, control.sums.attempts, control.sums.disputed), (6, 21, 20));
        assert_eq!((strict.sums.learners, strict.sums.evaluated, strict.sums.disputed), (6, 12, 1));
        assert_eq!((control.sums.passed, control.sums.mean_score), (21, Some(0.75)));
        assert!((control.disputes.mean - 5.0 / 6.0).abs() < 1e-12, "{:?}", control.disputes);
        assert!((strict.disputes.mean - 0.5 / 6.0).abs() < 1e-12, "{:?}", strict.disputes);
        assert!((strict.disputes.variance - 0.25 / 6.0).abs() < 1e-12, "{:?}", strict.disputes);
        let [primary, other] = &found.comparisons[..] else { panic!("two outcomes") };
        assert_eq!((primary.outcome, primary.better.as_deref()), (ExperimentOutcome::Disputes, Some("strict")));
        let (name, difference) = &primary.differences[0];
        let difference = difference.expect("both arms have learners");
        assert!(name == "strict" && (difference.difference + 0.75).abs() < 1e-12, "{difference:?}");
        assert!(difference.upper < 0.0);
        // Nobody has completed a lesson, so nobody differs.
        assert_eq!((&other.better, other.differences[0].1), (&None, None));
    })
    .await;
}

#[tokio::test]
async fn an_attempt_counts_for_an_arm_once_its_model_has_evaluated_it() {
    in_a_world(async |world| {
        start(world).await;
        study(world, 1, "control", 1, 0).await;
        let late = || Evaluation::Deferred(DeferralReason::Late);
        world.submit_in(10_001, 1_900, late(), Some(assigned("control"))).await;
        world.submit_in(10_001, 1_901, late(), Some(assigned("control"))).await;
        // The built-in model had to do for one of them.
        world.evaluate(10_001, 1_900, 0.5).await;
        dispute(world, 10_001, 1_900).await;
        let attempt_id = AttemptId(Uuid::from_u128(1_901));
        let complete = lesson::Command::CompleteEvaluation {
            attempt_id,
            verdict: verdict(0.25),
            assignment: Some(assigned("control")),
        };
        world.execute::<Lesson>(Uuid::from_u128(10_001), complete).await;
        let sums = report(world).await.arms[0].sums;
        assert_eq!((sums.attempts, sums.deferred, sums.evaluated, sums.disputes), (3, 2, 2, 0));
        assert_eq!((sums.mean_score, sums.passed), (Some(0.5), 1));
        assert_eq!((sums.lessons, sums.completed), (1, 0));
        world.complete(10_001, "2026-03-02").await;
        assert_eq!(report(world).await.arms[0].sums.completed, 1);
    })
    .await;
}

#[tokio::test]
async fn an_experiment_is_shown_to_its_tenant_with_when_it_was_stopped() {
    in_a_world(async |world| {
        start(world).await;
        let found = report(world).await;
        assert_eq!((found.experiment.stopped_at, found.arms[1].sums.learners), (None, 0));
        assert!(found.comparisons.iter().all(|it| it.better.is_none()));
        let skill = baeum_domain::level::Skill::Writing;
        let stop = Command::StopExperiment { skill, experiment_id: EXPERIMENT };
        let last = world.execute::<EvaluatorDeployment>(id_of("main", skill), stop).await;
        let stopped = report(world).await.experiment;
        assert!(stopped.stopped_at.is_some() && stopped.position == last);
        assert_eq!(list(&world.pool, "main", 10).await.expect("a database"), [stopped]);
        let mut db = world.pool.acquire().await.expect("a connection");
        assert_eq!(find(&mut db, "busan", EXPERIMENT).await.expect("a database"), None);
    })
    .await;
}

#[tokio::test]
async fn a_shadow_agrees_as_far_as_its_scores_do() {
    in_a_world(async |world| {
        shadow(world, 1, 0.25).await;
        shadow(world, 2, 0.75).await;
        world.project().await;
        let found = agreement(&world.pool, "main", &ModelRef { model_id: "shadow".into(), ..model("a") }).await;
        let [with] = &found.expect("a database")[..] else { panic!("one model was shown") };
        assert_eq!((with.shown_model_id.as_str(), with.attempts), ("a", 2));
        assert_eq!((with.mean_difference, with.equal_pass), (0.25, 0.5));
    })
    .await;
}
