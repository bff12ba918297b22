//! Attempts that are taken in while the evaluator cannot be asked.

use std::sync::atomic::Ordering;

use axum::http::Method;
use baeum_commands::dispatch::{DispatchError, ProcessCommand};
use baeum_domain::ids::{AttemptId, LessonId, UserId};
use baeum_eventlog::CommandContext;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Person, Reply},
    world::{World, in_a_world},
};

async fn ready(world: &World) -> (Person, String) {
    let mina = world.someone_with_any_name().await;
    world.assess(&mina).await;
    let lesson = world.start_lesson(&mina).await;
    world.watch(&mina, &lesson).await;
    (mina, format!("/v1/lessons/{lesson}"))
}

async fn attempt(world: &World, person: &Person, lesson: &str, key: &str) -> Reply {
    let answer = json!({"task_id": "market-w1", "kind": "writing", "answer": "I would buy apple."});
    world.post(format!("{lesson}/attempts")).by(person).header("idempotency-key", key).json(&answer).send().await
}

/// What the process sends for an attempt that waits.
async fn evaluate(world: &World, person: &Person, attempt: &Value) -> Result<(), DispatchError> {
    let id = |name: &str| attempt[name].as_str().expect("an id").parse::<Uuid>().expect("a UUID");
    let command = ProcessCommand::EvaluateAttempt {
        learner_id: UserId(person.id),
        lesson_id: LessonId(id("lesson_id")),
        attempt_id: AttemptId(id("attempt_id")),
    };
    let context = CommandContext {
        tenant: "main".into(),
        actor: "saga:deferred_evaluation".into(),
        command_id: baeum_testing::new_id(),
        fingerprint: Some("evaluate".into()),
        correlation_id: baeum_testing::new_id(),
        causation_id: baeum_testing::new_id(),
        expected_sequence: None,
    };
    world.commands.dispatch(&context, command).await
}

#[tokio::test]
async fn an_attempt_is_taken_in_without_a_verdict_and_evaluated_once_when_the_model_is_back() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        world.models.away.store(true, Ordering::SeqCst);
        let taken = attempt(world, &mina, &lesson, "one").await;
        assert_eq!((taken.status.as_u16(), taken.header("retry-after")), (202, "2"), "{taken:?}");
        assert_eq!((&taken.body["status"], &taken.body["reason"]), (&json!("pending"), &json!("unavailable")));
        assert_eq!((&taken.body["verdict"], &taken.body["passed"]), (&Value::Null, &Value::Null));
        assert_eq!(taken.body["attempts_left"], 0, "it was attempted");
        assert!(!taken.text.contains("secret inner reason"), "{taken:?}");
        let place = taken.header("location").to_owned();
        let pending = world.get(&place).by(&mina).send().await;
        assert_eq!((pending.status.as_u16(), pending.header("retry-after")), (200, "2"), "{pending:?}");
        assert_eq!((&pending.body["status"], &pending.body["reason"]), (&json!("pending"), &json!("unavailable")));
        assert_eq!(pending.body["answer"], "I would buy apple.");
        let early = world.post(format!("{lesson}/complete")).by(&mina).send().await;
        assert_eq!((early.problem(), early.header("retry-after")), ((409, "evaluation-pending"), "2"));
        let told = world.get("/metrics").send().await;
        for gauge in ["baeum_evaluations_pending{", "baeum_evaluations_oldest_pending_seconds{"] {
            assert!(told.text.contains(gauge), "{gauge} is told");
        }

        let waits = evaluate(world, &mina, &taken.body).await;
        assert!(matches!(waits, Err(DispatchError::Transient(_))), "an outage is no reason to give up: {waits:?}");
        world.models.away.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            evaluate(world, &mina, &taken.body).await.expect("done, and then nothing to do");
        }
        let position = world.commands.log().head().await.expect("a head");
        let evaluated = world.get(format!("{place}?min_position={position}")).by(&mina).send().await;
        assert_eq!((&evaluated.body["status"], &evaluated.body["reason"]), (&json!("evaluated"), &Value::Null));
        assert_eq!((&evaluated.body["verdict"]["score"], evaluated.header("retry-after")), (&json!(0.75), ""));
        let shown = world.get(format!("{lesson}?min_position={position}")).by(&mina).send().await;
        assert_eq!((&shown.body["attempts"][0], shown.body["attempts"][1].is_null()), (&evaluated.body, true));
        let then = world.get(format!("{place}?as_of={}", taken.body["position"])).by(&mina).send().await;
        assert_eq!(then.body["status"], "pending", "that is how it was");
        let replayed = attempt(world, &mina, &lesson, "one").await;
        assert_eq!((replayed.status.as_u16(), replayed.header("idempotency-replayed")), (202, "true"));
        assert_eq!((&replayed.body, replayed.header("location")), (&taken.body, place.as_str()));
        let done = world.post(format!("{lesson}/complete")).by(&mina).send().await;
        assert_eq!((done.status.as_u16(), &done.body["state"]), (200, &json!("completed")));
        let verdicts = world.commands.log().read(0, 1_000).await.expect("a log");
        let verdicts: Vec<_> = verdicts.iter().filter(|it| it.event_type == "EvaluationCompleted").collect();
        assert_eq!((verdicts.len(), verdicts[0].actor.as_str()), (1, "saga:deferred_evaluation"));
    })
    .await;
}

#[tokio::test]
async fn an_attempt_on_which_the_model_fails_is_taken_in_too_and_says_so() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        let answer = json!({"task_id": "market-w1", "kind": "writing", "answer": "please panic now"});
        let taken = world.post(format!("{lesson}/attempts")).by(&mina).json(&answer).send().await;
        assert_eq!((taken.status.as_u16(), &taken.body["reason"]), (202, &json!("failed")), "{taken:?}");
        assert!(!taken.text.contains("secret inner reason"), "{taken:?}");
        // Another attempt at the task is evaluated, and completes the lesson; the first gets its verdict all the same.
        let second = attempt(world, &mina, &lesson, "two").await;
        assert_eq!((second.status.as_u16(), &second.body["status"]), (201, &json!("evaluated")), "{second:?}");
        let done = world.post(format!("{lesson}/complete")).by(&mina).send().await;
        assert_eq!(done.status, 200, "{done:?}");
        let failed = evaluate(world, &mina, &taken.body).await;
        assert!(matches!(failed, Err(DispatchError::Transient(_))), "{failed:?}");
    })
    .await;
}

#[tokio::test]
async fn an_attempt_is_shown_to_its_learner_and_to_nobody_else() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        let taken = attempt(world, &mina, &lesson, "one").await;
        let place = taken.header("location").to_owned();
        assert!(place.starts_with(&format!("{lesson}/attempts/")), "{place}");
        let jun = world.someone_with_any_name().await;
        assert_eq!(world.get(&place).by(&jun).send().await.problem().0, 403);
        let other = format!("{lesson}/attempts/{}", mina.id);
        assert_eq!(world.get(&other).by(&mina).send().await.problem(), (404, "attempt-not-found"));
        let broken = format!("{lesson}/attempts/first");
        assert_eq!(world.get(&broken).by(&mina).send().await.problem(), (422, "invalid-id"));
        assert_eq!(world.ask(Method::DELETE, place).by(&mina).send().await.problem(), (405, "method-not-allowed"));
    })
    .await;
}

#[tokio::test]
async fn a_recording_of_own_words_that_cannot_be_judged_now_is_not_taken_in() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        world.models.away.store(true, Ordering::SeqCst);
        let head = world.commands.log().head().await.expect("a head");
        let path = format!("{lesson}/attempts/audio?task_id=market-s1");
        let record =
            || world.post(&path).by(&mina).text("audio/wav", "RIFF voice").header("baeum-text", "Where%20are%20pears");
        let refused = record().send().await;
        assert_eq!((refused.problem(), refused.header("retry-after")), ((503, "evaluator-failed"), "2"));
        assert!(!refused.text.contains("secret inner reason"), "{refused:?}");
        assert_eq!(world.commands.log().head().await.expect("a head"), head);
        world.models.away.store(false, Ordering::SeqCst);
        assert_eq!(record().send().await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_deferred_evaluation_is_taken_from_the_allowance_when_it_is_made_and_promised_before() {
    in_a_world(async |world| {
        world.a_shop().await;
        let (mina, id) = world.subscriber("mina").await;
        let bill = world.open_bill(&id).await;
        world.collect(&mina, &bill).await;
        world.assess(&mina).await;
        let lesson = format!("/v1/lessons/{}", world.start_lesson(&mina).await);
        world.watch(&mina, lesson.rsplit('/').next().expect("an id")).await;
        world.clock.advance(TimeDelta::seconds(1));
        world.grant_evaluations(&mina, 1).await;
        world.models.away.store(true, Ordering::SeqCst);
        let taken = attempt(world, &mina, &lesson, "one").await;
        assert_eq!(taken.status, 202, "{taken:?}");
        let used = async || world.get("/v1/credits").by(&mina).send().await.body["allowance"]["used"].clone();
        assert_eq!(used().await, 0);
        assert_eq!(attempt(world, &mina, &lesson, "two").await.problem(), (402, "evaluations-exhausted"));
        world.models.away.store(false, Ordering::SeqCst);
        evaluate(world, &mina, &taken.body).await.expect("done");
        for _ in 0..2 {
            crate::subscriptions::charge_what_was_evaluated(world).await;
            assert_eq!(used().await, 1);
        }
    })
    .await;
}

#[tokio::test]
async fn an_attempt_of_whom_was_forgotten_is_not_evaluated_any_more() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        world.models.away.store(true, Ordering::SeqCst);
        let taken = attempt(world, &mina, &lesson, "one").await;
        sqlx::query("DELETE FROM subject_keys").execute(&world.pool).await.expect("erased");
        world.models.away.store(false, Ordering::SeqCst);
        let head = world.commands.log().head().await.expect("a head");
        evaluate(world, &mina, &taken.body).await.expect("there is nothing to do");
        assert_eq!(world.commands.log().head().await.expect("a head"), head);
    })
    .await;
}
