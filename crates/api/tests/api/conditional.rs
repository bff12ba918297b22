//! Idempotency-Key, If-Match, ETag and positions.

use std::sync::atomic::Ordering;

use axum::http::Method;
use baeum_testing::eventually;
use serde_json::json;

use crate::{client::registration, world::in_a_world};

const KEY: &str = "idempotency-key";

#[tokio::test]
async fn the_same_key_and_body_get_the_stored_answer() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let first = world.post("/v1/assessments").by(&mina).header(KEY, "start-1").send().await;
        let again = world.post("/v1/assessments").by(&mina).header(KEY, "start-1").send().await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.body, again.body);
        assert_eq!(first.header("etag"), again.header("etag"));
        assert_eq!(first.header("location"), again.header("location"));
        assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
        assert_eq!(first.position(), again.position());
        let empty = world.post("/v1/assessments").by(&mina).header(KEY, "start-1").json(&json!({})).send().await;
        assert_eq!(empty.body, first.body, "no body and an empty object ask for the same");
        let other = world.post("/v1/assessments").by(&mina).header(KEY, "start-2").send().await;
        assert_ne!(other.body["assessment_id"], first.body["assessment_id"]);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_with_another_request_is_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        let change = |minutes: u16| json!({"daily_goal_minutes": minutes});
        let patch = |minutes| world.ask(Method::PATCH, path.clone()).by(&mina).header(KEY, "k").json(&change(minutes));
        assert_eq!(patch(20).send().await.status, 200);
        assert_eq!(patch(30).send().await.problem(), (422, "idempotency-key-reused"));
        let elsewhere = world.post("/v1/assessments").by(&mina).header(KEY, "k").send().await;
        assert_eq!(elsewhere.problem(), (422, "idempotency-key-reused"));
        let jun = world.someone("jun").await;
        let theirs = world.post("/v1/assessments").by(&jun).header(KEY, "k").send().await;
        assert_eq!(theirs.status, 201, "keys are of one user each");
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_being_done_is_not_done_twice() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        world.watch(&mina, &lesson).await;
        let attempt = json!({"task_id": "market-w1", "kind": "writing", "answer": "I would buy pear."});
        let submit =
            || world.post(format!("/v1/lessons/{lesson}/attempts")).by(&mina).header(KEY, "try-1").json(&attempt);
        world.models.slow.on.store(true, Ordering::SeqCst);
        let (first, second) = tokio::join!(submit().send(), async {
            let entered = &world.models.slow.entered;
            eventually("the first is being done", || async { entered.load(Ordering::SeqCst).then_some(()) }).await;
            let second = submit().send().await;
            world.models.slow.on.store(false, Ordering::SeqCst);
            second
        });
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!(second.problem(), (409, "idempotency-key-in-flight"));
        assert_eq!(second.header("retry-after"), "1");
        let third = submit().send().await;
        assert_eq!((third.status.as_u16(), third.header("idempotency-replayed")), (201, "true"));
        assert_eq!(third.body, first.body);
    })
    .await;
}

#[tokio::test]
async fn registering_again_with_the_same_key_gives_the_same_user() {
    in_a_world(async |world| {
        let body = registration("mina@example.org");
        let first = world.post("/v1/users").header(KEY, "reg-1").json(&body).send().await;
        let again = world.post("/v1/users").header(KEY, "reg-1").json(&body).send().await;
        assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
        assert_eq!(first.body["user_id"], again.body["user_id"]);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(first.header("location"), format!("/v1/learners/{}", first.body["user_id"].as_str().unwrap_or("")));
        let other = world.post("/v1/users").header(KEY, "reg-1").json(&registration("jun@example.org")).send().await;
        assert_eq!(other.problem(), (422, "idempotency-key-reused"));
        let taken = world.post("/v1/users").header(KEY, "reg-2").json(&body).send().await;
        assert_eq!(taken.problem(), (409, "email-taken"));
    })
    .await;
}

#[tokio::test]
async fn a_change_goes_through_only_at_the_version_that_was_read() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        let read = world.get(&path).by(&mina).send().await;
        assert_eq!(read.header("etag"), "\"1\"");
        let change = |etag: &str, minutes: u16| {
            let body = json!({"daily_goal_minutes": minutes});
            world.ask(Method::PATCH, path.clone()).by(&mina).header("if-match", etag).json(&body)
        };
        let changed = change(read.header("etag"), 20).send().await;
        assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""));
        let stale = change("\"1\"", 30).send().await;
        assert_eq!(stale.problem(), (412, "stale-version"));
        assert_eq!((&stale.body["expected"], &stale.body["actual"]), (&json!(1), &json!(2)));
        assert_eq!(change("*", 30).send().await.status, 200);
        let read = world.get(&path).by(&mina).send().await;
        assert_eq!((read.header("etag"), &read.body["daily_goal_minutes"]), ("\"3\"", &json!(30)));
    })
    .await;
}

#[tokio::test]
async fn malformed_conditions_are_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let long = "k".repeat(256);
        for (name, value) in [
            ("if-match", "1"),
            ("if-match", "\"one\""),
            ("if-match", "W/\"1\""),
            ("if-match", ""),
            (KEY, ""),
            (KEY, "two words"),
            (KEY, "ключ"),
            (KEY, long.as_str()),
        ] {
            let reply = world.post("/v1/assessments").by(&mina).header(name, value).send().await;
            assert_eq!(reply.problem(), (400, "invalid-header"), "{name}: {value}");
        }
        let longest = "k".repeat(255);
        assert_eq!(world.post("/v1/assessments").by(&mina).header(KEY, longest).send().await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn a_query_waits_for_the_position_of_a_command() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        for minutes in 10..20 {
            let body = json!({"daily_goal_minutes": minutes});
            let changed = world.ask(Method::PATCH, path.clone()).by(&mina).json(&body).send().await;
            let position = changed.position();
            let named = world.get(format!("{path}?min_position={position}")).by(&mina).send().await;
            assert_eq!(named.body["daily_goal_minutes"], minutes);
            assert_eq!(named.header("etag"), changed.header("etag"));
        }
        for minutes in 20..30 {
            let body = json!({"daily_goal_minutes": minutes});
            world.ask(Method::PATCH, path.clone()).by(&mina).json(&body).send().await;
            let naive = world.get(&path).by(&mina).send().await;
            assert_eq!(naive.body["daily_goal_minutes"], minutes);
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_model_that_stands_still_is_told() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        assert_eq!(world.get(&path).by(&mina).send().await.status, 200);
        world.stop.cancel();
        eventually("the workers have given their leases back", || async {
            let held: i64 = sqlx::query_scalar("SELECT count(*) FROM leases").fetch_one(&world.pool).await.ok()?;
            (held == 0).then_some(())
        })
        .await;
        let body = json!({"daily_goal_minutes": 42});
        let position = world.ask(Method::PATCH, path.clone()).by(&mina).json(&body).send().await.position();
        let named = world.get(format!("{path}?min_position={position}")).by(&mina).send().await;
        assert_eq!(named.problem(), (503, "not-yet-consistent"));
        assert_eq!(named.header("retry-after"), "1");
        let naive = world.get(&path).by(&mina).send().await;
        assert_eq!((naive.status.as_u16(), &naive.body["daily_goal_minutes"]), (200, &json!(null)));
        let started = std::time::Instant::now();
        assert_eq!(world.get(&path).by(&mina).send().await.status, 200);
        assert!(started.elapsed().as_secs() < 2, "it is not waited for in vain again");
    })
    .await;
}

#[tokio::test]
async fn a_position_that_does_not_exist_is_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        let future = world.get(format!("{path}?min_position=1000")).by(&mina).send().await;
        assert_eq!(future.problem(), (422, "position-in-the-future"));
        assert!(future.body["head"].is_i64());
        for wrong in ["min_position=-1", "min_position=x", "min_position=", "min_positon=1", "min_position=1e99"] {
            let reply = world.get(format!("{path}?{wrong}")).by(&mina).send().await;
            assert_eq!(reply.problem(), (422, "invalid-query"), "{wrong}");
        }
    })
    .await;
}
