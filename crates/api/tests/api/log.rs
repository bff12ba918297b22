//! The log over HTTP.

use std::time::Duration;

use baeum_domain::identity::user::Role;
use baeum_testing::eventually;
use chrono::TimeDelta;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::{
    client::Person,
    world::{World, in_a_world},
};

/// Reads a stream until `enough` is in it.
async fn read(world: &World, person: &Person, path: &str, last: Option<&str>, enough: &str) -> String {
    let (text, ended) = follow(world, person, path, last, enough, || true).await;
    assert!(!ended, "the stream ended: {text}");
    text
}

/// Reads a stream to its end, doing something once `seen` is in it.
async fn read_to_the_end(world: &World, person: &Person, path: &str, seen: &str, then: impl Fn()) -> String {
    let act = || {
        then();
        false
    };
    let (text, ended) = follow(world, person, path, None, seen, act).await;
    assert!(ended, "the stream goes on: {text}");
    text
}

/// Reads a stream; when `seen` is in it for the first time, `act` says whether that is enough. Also tells whether the
/// stream has ended.
async fn follow(
    world: &World,
    person: &Person,
    path: &str,
    last: Option<&str>,
    seen: &str,
    act: impl Fn() -> bool,
) -> (String, bool) {
    let mut ask = world.get(path).by(person);
    if let Some(last) = last {
        ask = ask.header("last-event-id", last);
    }
    let response = ask.open().await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    let reading = async {
        let mut acted = false;
        while let Some(Ok(bytes)) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&bytes));
            if !acted && text.contains(seen) {
                acted = true;
                if act() {
                    return false;
                }
            }
        }
        true
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("in time");
    (text, ended)
}

#[tokio::test]
async fn the_log_is_read_page_by_page() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = world.someone("mina").await;
        let correlation = baeum_testing::new_id();
        let started = world.post("/v1/assessments").by(&mina).header("x-request-id", correlation.to_string());
        let started = started.send().await;
        assert_eq!(started.header("x-request-id"), correlation.to_string());
        let (mut after, mut events) = (0, vec![]);
        loop {
            let page = world.get(format!("/v1/events?after={after}&limit=2")).by(&auditor).send().await;
            events.extend(page.body["events"].as_array().cloned().unwrap_or_default());
            after = page.body["next_after"].as_i64().expect("a position");
            if after == page.body["head"] {
                break;
            }
        }
        let positions: Vec<i64> = events.iter().filter_map(|it| it["position"].as_i64()).collect();
        assert_eq!(positions, (1..=started.position()).collect::<Vec<_>>());
        let last = events.last().expect("events");
        assert_eq!((&last["type"], &last["aggregate_type"]), (&json!("ItemAdministered"), &json!("assessment")));
        assert_eq!(last["correlation_id"], correlation.to_string());
        assert_eq!((&last["actor"], &last["sequence"]), (&json!(mina.id.to_string()), &json!(2)));
        assert_eq!(last["data"]["ordinal"], 1, "the body of the event, without its name: {last}");
        let of_type = world.get("/v1/events?type=UserRegistered").by(&auditor).send().await;
        assert_eq!(of_type.body["events"].as_array().map(Vec::len), Some(2));
        let of_mina = world.get(format!("/v1/events?aggregate_id={}", mina.id)).by(&auditor).send().await;
        assert_eq!(of_mina.body["events"].as_array().map(Vec::len), Some(1));
        assert!(!of_mina.text.contains("mina@example.org"));
        for wrong in ["limit=0", "limit=1001", "after=-1", "after=x", "type=a%00b", "typ=x"] {
            let reply = world.get(format!("/v1/events?{wrong}")).by(&auditor).send().await;
            assert_eq!(reply.problem(), (422, "invalid-query"), "{wrong}");
        }
        let beyond = world.get("/v1/events?after=9000000000").by(&auditor).send().await;
        assert_eq!((beyond.status.as_u16(), &beyond.body["events"]), (200, &json!([])));
    })
    .await;
}

#[tokio::test]
async fn the_stream_resumes_after_the_last_event_and_goes_on_live() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = world.someone("mina").await;
        let text = read(world, &auditor, "/v1/events/stream", None, "id: 3").await;
        let first: Value = text
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .expect("an event");
        assert_eq!((&first["position"], &first["type"]), (&json!(1), &json!("UserRegistered")));
        assert!(text.contains("event: RoleGranted"), "{text}");
        let (text, _) = tokio::join!(
            read(world, &auditor, "/v1/events/stream?after=1", Some("3"), "event: ItemAdministered"),
            async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                world.post("/v1/assessments").by(&mina).send().await
            }
        );
        let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        assert_eq!(ids, ["4", "5"]);
        for wrong in ["x", "-1", ""] {
            let reply = world.get("/v1/events/stream").by(&auditor).header("last-event-id", wrong).send().await;
            assert_eq!(reply.problem(), (400, "invalid-header"), "{wrong}");
        }
        let learner = world.get("/v1/events/stream").by(&mina).send().await;
        assert_eq!(learner.problem(), (403, "role-missing"));
    })
    .await;
}

#[tokio::test]
async fn the_stream_ends_when_the_server_drains_or_the_token_expires() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let expire = || world.clock.advance(TimeDelta::minutes(16));
        read_to_the_end(world, &auditor, "/v1/events/stream", "id: 2", expire).await;
        let auditor = world.sign_in("main", auditor.id, &auditor.email).await;
        read_to_the_end(world, &auditor, "/v1/events/stream", "id: 2", || world.stop.cancel()).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_that_this_build_does_not_know_is_told() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = world.someone("mina").await;
        sqlx::query(
            "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
             INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                                 global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
             SELECT 'user', $1, 2, 'UserCloned', '1', '{\"UserCloned\": {}}', '{}', position, $2, 'main', 'x', $2, $2,
                    now() FROM head",
        )
        .bind(mina.id.to_string())
        .bind(baeum_testing::new_id())
        .execute(&world.pool)
        .await
        .expect("a foreign event");
        let change = json!({"daily_goal_minutes": 30});
        let path = format!("/v1/learners/{}", mina.id);
        let reply = world.ask(axum::http::Method::PATCH, path).by(&mina).json(&change).send().await;
        assert_eq!(reply.problem(), (503, "log-unreadable"));
        assert_eq!(reply.body["event_type"], "UserCloned");
        let lesson = world.post("/v1/lessons").by(&mina).send().await;
        assert_eq!(lesson.problem(), (503, "log-unreadable"));
        assert_eq!(world.get("/v1/lessons").by(&mina).send().await.status, 200, "others go on");
        let events = world.get("/v1/events?type=UserCloned").by(&auditor).send().await;
        assert_eq!(events.body["events"].as_array().map(Vec::len), Some(1), "the auditor sees it as it stands");
        let parked = eventually("their stream is parked", || async {
            let parked = world.get("/v1/projections/learners/parked").by(&auditor).send().await;
            parked.body["parked"].as_array().is_some_and(|it| !it.is_empty()).then_some(parked)
        })
        .await;
        assert_eq!(parked.body["parked"][0]["key"], json!(mina.id.to_string()));
        assert_eq!(world.get("/health/ready").send().await.status, 200, "others go on");
        let projections = world.get("/v1/projections").by(&auditor).send().await;
        let learners = projections.body["projections"].as_array().into_iter().flatten();
        let learners = learners.filter(|it| it["name"] == "learners").map(|it| it["parked_streams"].clone());
        assert_eq!(learners.collect::<Vec<_>>(), [json!(1)]);
    })
    .await;
}
