//! Streams of a read model that stand still, over HTTP.

use axum::http::Method;
use baeum_domain::identity::user::Role;
use baeum_testing::eventually;
use serde_json::{Value, json};

use crate::{
    client::Person,
    world::{World, in_a_world},
};

/// A learner whose read model refuses a goal of 77 minutes, and has another goal waiting behind it.
async fn parked(world: &World) -> Person {
    let mina = world.someone("mina").await;
    let sql = "ALTER TABLE learners ADD CONSTRAINT not_77 CHECK (daily_minutes IS DISTINCT FROM 77)";
    sqlx::query(sql).execute(&world.pool).await.expect("a constraint");
    for minutes in [77, 30] {
        let goal = json!({"daily_goal_minutes": minutes});
        let reply = world.ask(Method::PATCH, format!("/v1/learners/{}", mina.id)).by(&mina).json(&goal).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    mina
}

/// The only parked stream of the learners, once it is as wanted.
async fn stream_when(world: &World, reader: &Person, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually("the parked stream is as wanted", || async {
        let reply = world.get("/v1/projections/learners/parked").by(reader).send().await;
        Some(reply.body["parked"][0].clone()).filter(&wanted)
    })
    .await
}

async fn goal(world: &World, mina: &Person) -> Value {
    let reply = world.get(format!("/v1/learners/{}", mina.id)).by(mina).send().await;
    reply.body["daily_goal_minutes"].clone()
}

#[tokio::test]
async fn an_administrator_has_a_parked_stream_retried() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let mina = parked(world).await;
        let stream = stream_when(world, &admin, |it| it["waiting"] == 1).await;
        assert_eq!((&stream["key"], &stream["attempts"]), (&json!(mina.id.to_string()), &json!(1)));
        assert!(stream["reason"].as_str().is_some_and(|it| it.contains("not_77")), "{stream}");
        assert_eq!(world.get("/health/ready").send().await.status, 200);
        let metrics = world.get("/metrics").send().await.text;
        for line in ["baeum_projection_parked_streams", "baeum_projection_oldest_waiting_seconds"] {
            assert!(metrics.contains(&format!(r#"{line}{{projection="learners",shard="0"}}"#)), "{metrics}");
        }

        // In vain at first; a repeated request is one attempt.
        let path = format!("/v1/projections/learners/parked/{}/retry", mina.id);
        let retry = || world.post(path.clone()).by(&admin).header("idempotency-key", "once").send();
        let (first, again) = (retry().await, retry().await);
        assert_eq!((first.status.as_u16(), first.position()), (200, again.position()));
        assert_eq!(again.header("idempotency-replayed"), "true");
        stream_when(world, &admin, |it| it["attempts"] == 2).await;

        sqlx::query("ALTER TABLE learners DROP CONSTRAINT not_77").execute(&world.pool).await.expect("dropped");
        assert_eq!(world.post(path.clone()).by(&admin).send().await.status, 200);
        stream_when(world, &admin, Value::is_null).await;
        assert_eq!(goal(world, &mina).await, json!(30));
        assert_eq!(world.post(path.clone()).by(&admin).send().await.problem(), (404, "stream-not-parked"));
        assert_eq!(retry().await.header("idempotency-replayed"), "true", "a stored answer is answered even now");
    })
    .await;
}

#[tokio::test]
async fn an_administrator_has_an_event_skipped_and_says_why() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let mina = parked(world).await;
        stream_when(world, &admin, |it| it["waiting"] == 1).await;
        let path = format!("/v1/projections/learners/parked/{}/skip", mina.id);
        let skip = |reason: &str| world.post(path.clone()).by(&admin).json(&json!({ "reason": reason })).send();
        assert_eq!(skip(" ").await.problem(), (422, "text-empty"));
        assert_eq!(world.post(path.clone()).by(&admin).json(&json!({})).send().await.problem(), (422, "invalid-body"));
        let reply = skip("no such goal is allowed any more").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        stream_when(world, &admin, Value::is_null).await;
        assert_eq!(goal(world, &mina).await, json!(30));
        let deeds = world.get("/v1/events?type=ParkedEventSkipped").by(&admin).send().await;
        let deed = &deeds.body["events"][0];
        assert_eq!((&deed["actor"], &deed["position"]), (&json!(admin.id.to_string()), &json!(reply.position())));
        assert_eq!(deed["data"]["reason"], "no such goal is allowed any more");
    })
    .await;
}

#[tokio::test]
async fn parked_streams_are_for_those_who_may() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = parked(world).await;
        let list = "/v1/projections/learners/parked";
        assert_eq!(world.get(list).by(&mina).send().await.problem(), (403, "role-missing"));
        let retry = format!("{list}/{}/retry", mina.id);
        assert_eq!(world.post(retry).by(&auditor).send().await.problem(), (403, "not-an-admin"));
        for path in ["/v1/projections/nonsense/parked", "/v1/projections/%00/parked"] {
            assert_eq!(world.get(path).by(&auditor).send().await.problem(), (404, "projection-not-found"), "{path}");
        }
        let admin = world.someone_with("admin", Role::Admin).await;
        for key in ["nobody", "%00", "%2F"] {
            let reply = world.post(format!("{list}/{key}/retry")).by(&admin).send().await;
            assert_eq!(reply.problem(), (404, "stream-not-parked"), "{key}");
        }
        for wrong in ["limit=0", "limit=1001", "after=%00"] {
            let reply = world.get(format!("{list}?{wrong}")).by(&admin).send().await;
            assert_eq!(reply.problem(), (422, "invalid-query"), "{wrong}");
        }
    })
    .await;
}
