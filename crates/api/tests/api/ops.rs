//! Health and metrics.

use std::sync::atomic::Ordering;

use baeum_eventlog::Options;
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::world::{in_a_world, in_a_world_with};

#[tokio::test]
async fn a_process_is_ready_while_database_broker_and_read_models_are() {
    in_a_world(async |world| {
        assert_eq!(world.get("/health/live").send().await.body, json!({"status": "ok"}));
        let ready = world.get("/health/ready").send().await;
        assert_eq!((ready.status.as_u16(), &ready.body["mode"]), (200, &json!("production")));
        world.broker.store(false, Ordering::SeqCst);
        let ready = world.get("/health/ready").send().await;
        assert_eq!(ready.status, 503);
        assert!(ready.text.contains(r#"{"name":"broker","ok":false"#), "{ready:?}");
    })
    .await;
}

#[tokio::test]
async fn requests_are_counted_by_their_route() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.get(format!("/v1/learners/{}", mina.id)).by(&mina).send().await;
        world.get("/etc/passwd").send().await;
        let reply = world.get("/metrics").send().await;
        assert!(reply.header("content-type").starts_with("text/plain; version=0.0.4"));
        let counted = |labels: &str| {
            reply.text.lines().any(|line| line.starts_with("baeum_http_requests_total") && line.contains(labels))
        };
        assert!(counted(r#"method="GET",path="/v1/learners/{id}",status="200""#), "{}", reply.text);
        assert!(counted(r#"path="(none)",status="404""#));
        assert!(reply.text.contains("baeum_http_request_seconds"));
        assert!(reply.text.contains(r#"baeum_projection_lag{projection="learners",shard="0"}"#));
        assert!(!reply.text.contains(&mina.id.to_string()) && !reply.text.contains("passwd"));
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    in_a_world(async |world| {
        let page = world.get("/problems/lesson-ended").send().await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains("The lesson has ended") && page.text.contains("409"), "{page:?}");
    })
    .await;
}

#[tokio::test]
async fn a_log_with_a_full_queue_says_when_to_try_again() {
    let narrow = Options { queue: 2, batch: 1, ..Options::default() };
    in_a_world_with(narrow, async |world| {
        let mina = world.someone("mina").await;
        // Nothing is appended while someone else holds the head.
        let mut other = PgConnection::connect_with(&world.pool.connect_options()).await.expect("a connection");
        let mut held = other.begin().await.expect("a transaction");
        sqlx::query("SELECT FROM log_head FOR UPDATE").execute(&mut *held).await.expect("held");
        let mut asked: FuturesUnordered<_> = (0..20)
            .map(|n| {
                let change = json!({"daily_goal_minutes": 20 + n});
                world.ask(axum::http::Method::PATCH, format!("/v1/learners/{}", mina.id)).by(&mina).json(&change).send()
            })
            .collect();
        // One is on its way, one waits for it, two are in the queue.
        for _ in 0..16 {
            let reply = asked.next().await.expect("an answer");
            assert_eq!((reply.problem(), reply.header("retry-after")), ((503, "log-busy"), "1"));
        }
        held.rollback().await.expect("let go");
        let rest: Vec<_> = asked.map(|reply| reply.status.as_u16()).collect().await;
        assert_eq!(rest.len(), 4);
        assert!(rest.contains(&200), "what was taken is appended: {rest:?}");
        let later = json!({"daily_goal_minutes": 60});
        let ask = world.ask(axum::http::Method::PATCH, format!("/v1/learners/{}", mina.id));
        assert_eq!(ask.by(&mina).json(&later).send().await.status, 200, "there is room again");
    })
    .await;
}
