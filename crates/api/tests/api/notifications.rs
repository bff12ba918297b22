//! Notifications over HTTP: inbox, stream, preferences, links, webhooks, and what was given up.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::http::Method;
use baeum_commands::{
    CommandContext,
    notification::{
        Settings,
        deliver::{Delivery, Failure},
        request::NotificationRequest,
    },
};
use baeum_domain::{
    Clock,
    identity::user::Role,
    ids::{NotificationId, UserId},
    notification::{channel::Channel, notification::Cause, template::LEVEL_ASSESSED},
};
use baeum_testing::{eventually, new_id};
use futures::StreamExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Person,
    world::{World, in_a_world},
};

fn context(person: &Person) -> CommandContext {
    let id = new_id();
    CommandContext {
        tenant: person.tenant.into(),
        actor: "test".into(),
        command_id: id,
        fingerprint: None,
        correlation_id: id,
        causation_id: id,
        expected_sequence: None,
    }
}

/// Has somebody told of a level, by the inbox and by mail; nothing is sent yet.
async fn tell(world: &World, person: &Person, cause: u128) -> NotificationId {
    let request = NotificationRequest {
        learner_id: UserId(person.id),
        cause: Cause { event_id: Uuid::from_u128(cause), event_type: "LevelAssessed".into(), position: 1 },
        at: Clock::now(world.clock.as_ref()),
        template: LEVEL_ASSESSED.template(),
        parameters: [("level".to_owned(), "B1".to_owned())].into(),
        days: BTreeMap::new(),
        not_before: None,
    };
    let channels = BTreeSet::from([Channel::InApp, Channel::Email]);
    let settings = Settings { channels, ..Settings::default() };
    let commands = world.commands.clone().with_notifications(settings);
    commands.request_notification(&context(person), &request).await.expect("requested");
    request.notification_id()
}

/// Records an attempt, as the dispatcher does.
async fn attempt(world: &World, person: &Person, id: NotificationId, channel: Channel, outcome: Result<(), Failure>) {
    let delivery = Delivery {
        tenant: person.tenant.into(),
        notification_id: id,
        channel,
        correlation_id: new_id(),
        causation_id: new_id(),
    };
    world.commands.record_attempt(&delivery, 1, outcome).await.expect("recorded");
}

/// What the inbox shows, once it shows so many.
async fn inbox(world: &World, person: &Person, query: &str, count: usize) -> Value {
    eventually("the inbox is as full", || async {
        let reply = world.get(format!("/v1/notifications{query}")).by(person).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        (reply.body["notifications"].as_array()?.len() == count).then_some(reply.body)
    })
    .await
}

#[tokio::test]
async fn the_inbox_is_ones_own_in_ones_own_language_and_is_read() {
    in_a_world(async |world| {
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        assert_eq!(inbox(world, &mina, "", 0).await["unread"], 0);
        let (one, two) = (tell(world, &mina, 1).await, tell(world, &mina, 2).await);
        let unread = world.post(format!("/v1/notifications/{one}/read")).by(&mina).send().await;
        assert_eq!(unread.problem(), (409, "notification-not-in-inbox"));
        for id in [one, two] {
            attempt(world, &mina, id, Channel::InApp, Ok(())).await;
        }
        let shown = inbox(world, &mina, "", 2).await;
        assert_eq!(shown["unread"], 2);
        let latest = &shown["notifications"][0];
        assert_eq!((&latest["notification_id"], &latest["topic"]), (&json!(two.0), &json!("levels")));
        assert_eq!(latest["subject"], "레벨 테스트 결과: B1");
        assert!(latest["text"].as_str().is_some_and(|it| it.starts_with("Mina님의 레벨은 B1")), "{latest}");
        let before = format!("?before={}", latest["position"]);
        assert_eq!(inbox(world, &mina, &before, 1).await["notifications"][0]["notification_id"], json!(one.0));

        let path = format!("/v1/notifications/{one}/read");
        assert_eq!(world.post(&path).by(&jun).send().await.problem(), (404, "notification-not-found"));
        let read = world.post(&path).by(&mina).header("idempotency-key", "r").send().await;
        assert_eq!(read.status, 200, "{read:?}");
        let again = world.post(&path).by(&mina).header("idempotency-key", "r").send().await;
        assert_eq!((again.position(), again.header("idempotency-replayed")), (read.position(), "true"));
        let stale = world.post(&path).by(&mina).header("if-match", "\"1\"").send().await;
        assert_eq!(stale.problem(), (412, "stale-version"));
        let position = read.position();
        let unread = inbox(world, &mina, &format!("?unread=true&min_position={position}"), 1).await;
        assert_eq!(unread["notifications"][0]["notification_id"], json!(two.0));
        assert_eq!(inbox(world, &jun, "", 0).await["unread"], 0);
        let wrong = world.get("/v1/notifications?limit=0").by(&mina).send().await;
        assert_eq!(wrong.problem(), (422, "invalid-query"));
    })
    .await;
}

/// Opens the stream of a person and reads it until `seen` is in it.
async fn stream(world: &World, person: &Person, after: Option<i64>, seen: &str) -> String {
    let mut ask = world.get("/v1/notifications/stream").by(person);
    if let Some(after) = after {
        ask = ask.header("last-event-id", after.to_string());
    }
    let response = ask.open().await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(seen) {
        let part = tokio::time::timeout(Duration::from_secs(60), body.next()).await.expect("in time");
        text.push_str(&String::from_utf8_lossy(&part.expect("it goes on").expect("bytes")));
    }
    text
}

#[tokio::test]
async fn the_stream_tells_what_comes_in_and_on_resuming_what_came_meanwhile() {
    in_a_world(async |world| {
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        // From here on the reader of the log runs.
        let response = world.get("/v1/notifications/stream").by(&jun).open().await;
        assert_eq!(response.status(), 200);
        let mut ids = vec![];
        for cause in 1..=3 {
            let id = tell(world, &mina, cause).await;
            attempt(world, &mina, id, Channel::InApp, Ok(())).await;
            ids.push(id);
        }
        let meanwhile = stream(world, &mina, Some(0), &ids[2].to_string()).await;
        let places: Vec<_> = ids.iter().map(|id| meanwhile.find(&id.to_string())).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{meanwhile}");
        assert!(meanwhile.contains("event: notification") && meanwhile.contains("레벨 테스트 결과: B1"), "{meanwhile}");
        let position = inbox(world, &mina, "", 3).await["notifications"][1]["position"].as_i64();
        let resumed = stream(world, &mina, position, &ids[2].to_string()).await;
        assert!(!resumed.contains(&ids[1].to_string()), "{resumed}");

        // Live: opened first, told then.
        let response = world.get("/v1/notifications/stream").by(&mina).open().await;
        let mut body = response.into_body().into_data_stream();
        let of_jun = tell(world, &jun, 9).await;
        attempt(world, &jun, of_jun, Channel::InApp, Ok(())).await;
        let reply = world.post(format!("/v1/notifications/{}/read", ids[0])).by(&mina).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let mut text = String::new();
        while !text.contains("event: read") {
            let part = tokio::time::timeout(Duration::from_secs(60), body.next()).await.expect("in time");
            text.push_str(&String::from_utf8_lossy(&part.expect("it goes on").expect("bytes")));
        }
        assert!(text.contains(&ids[0].to_string()) && !text.contains(&of_jun.to_string()), "{text}");
        let wrong = world.get("/v1/notifications/stream").by(&mina).header("last-event-id", "x").send().await;
        assert_eq!(wrong.problem(), (400, "invalid-header"));
    })
    .await;
}

#[tokio::test]
async fn preferences_are_set_whole_with_the_version_that_was_read() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = "/v1/notifications/preferences";
        let usual = world.get(path).by(&mina).send().await;
        assert_eq!(usual.header("etag"), "\"0\"");
        assert_eq!(usual.body["quiet_hours"], json!({"from": "21:00", "to": "08:00"}));
        assert_eq!(usual.body["channels"]["lessons"], json!(["in_app", "email", "push"]));
        assert_eq!(usual.body["available"], json!(["in_app"]));
        let wanted = json!({"channels": {"reminders": ["in_app"]}, "quiet_hours": null});
        let put = || world.ask(Method::PUT, path).by(&mina);
        let set = put().header("if-match", usual.header("etag")).json(&wanted).send().await;
        assert_eq!((set.status.as_u16(), &set.body["quiet_hours"]), (200, &Value::Null));
        assert_eq!(set.body["channels"]["reminders"], json!(["in_app"]));
        let stale = put().header("if-match", "\"0\"").json(&json!({"channels": {}, "quiet_hours": null})).send().await;
        assert_eq!(stale.problem(), (412, "stale-version"));
        let read = world.get(path).by(&mina).send().await;
        assert_eq!((read.header("etag"), &read.body["channels"]), ("\"1\"", &set.body["channels"]));
        for (wrong, problem) in [
            (json!({"channels": {"weather": []}, "quiet_hours": null}), "unknown-topic"),
            (json!({"channels": {}, "quiet_hours": {"from": "08:00", "to": "08:00"}}), "empty-quiet-hours"),
            (json!({"channels": {}, "quiet_hours": {"from": "8", "to": "09:00"}}), "invalid-body"),
            (json!({"channels": {"lessons": ["pigeon"]}, "quiet_hours": null}), "invalid-body"),
            (json!({"channels": {}}), "invalid-body"),
        ] {
            assert_eq!(put().json(&wrong).send().await.problem(), (422, problem), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_asks_first_and_needs_no_token_of_a_session() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let settings = Settings { public_url: Some("https://x.example".into()), ..Settings::default() };
        let commands = world.commands.clone().with_notifications(settings);
        let topic = "lessons".parse().expect("a topic");
        let link = commands.unsubscribe_link("main", UserId(mina.id), &topic, Channel::Email).await.expect("a key");
        let path = link.expect("a link").trim_start_matches("https://x.example").to_owned();
        let page = world.get(&path).send().await;
        assert_eq!((page.status.as_u16(), page.text.contains("<form method=\"post\">")), (200, true));
        let preferences =
            async || world.get("/v1/notifications/preferences").by(&mina).send().await.body["channels"].clone();
        assert_eq!(preferences().await["lessons"], json!(["in_app", "email", "push"]), "looking changes nothing");
        let form = world.post(&path).text("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click");
        assert_eq!(form.send().await.status, 200);
        assert_eq!(preferences().await["lessons"], json!(["in_app", "push"]));
        for wrong in ["?token=x", "?token=", &format!("{}x", &path[path.find('?').expect("a query")..])] {
            let reply = world.post(format!("/v1/notifications/unsubscribe{wrong}")).send().await;
            assert_eq!(reply.problem(), (422, "link-not-valid"), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn webhooks_are_for_administrators_and_show_their_secret_once() {
    in_a_world(async |world| {
        let (mina, admin) = (world.someone("mina").await, world.someone_with("admin", Role::Admin).await);
        let path = "/v1/notifications/webhooks";
        let body = json!({"url": "https://partner.example/hooks", "event_types": ["LessonCompleted"]});
        assert_eq!(world.post(path).by(&mina).json(&body).send().await.problem(), (403, "not-an-admin"));
        assert_eq!(world.get(path).by(&mina).send().await.problem(), (403, "role-missing"));
        let create = || world.post(path).by(&admin).header("idempotency-key", "one").json(&body);
        let created = create().send().await;
        assert_eq!(created.status, 201, "{created:?}");
        let secret = created.body["secret"].as_str().expect("a secret").to_owned();
        assert!(secret.starts_with("whsec_") && secret.len() > 40);
        assert_eq!(create().send().await.body["secret"], secret.as_str(), "the same request gets the same answer");
        let stored: String = sqlx::query_scalar("SELECT string_agg(answer::text, ' ') FROM command_receipts")
            .fetch_one(&world.pool)
            .await
            .expect("receipts");
        assert!(!stored.contains(&secret));
        let listed = world.get(path).by(&admin).send().await;
        assert_eq!(listed.body["webhooks"].as_array().map(Vec::len), Some(1));
        assert!(listed.body["webhooks"][0]["url"] == body["url"] && !listed.text.contains(&secret));
        for (url, kind, problem) in [
            ("https://partner.example", "LessonFlown", "unknown-event-type"),
            ("http://127.0.0.1/", "LessonCompleted", "webhook-url-refused"),
            ("gopher://partner.example", "LessonCompleted", "webhook-url-refused"),
        ] {
            let wrong = json!({"url": url, "event_types": [kind]});
            assert_eq!(world.post(path).by(&admin).json(&wrong).send().await.problem(), (422, problem), "{url}");
        }
        let id = created.body["webhook_id"].as_str().expect("an id");
        let replay = world.post(format!("{path}/{id}/deliveries/1/replay")).by(&admin).send().await;
        assert_eq!(replay.problem(), (404, "delivery-not-given-up"));
        let deliveries = world.get(format!("{path}/deliveries?webhook_id={id}&state=pending")).by(&admin).send().await;
        assert_eq!(deliveries.body["deliveries"], json!([]));
        let deleted = world.ask(Method::DELETE, format!("{path}/{id}")).by(&admin).send().await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
        assert_eq!(world.get(path).by(&admin).send().await.body["webhooks"], json!([]));
        let unknown = world.ask(Method::DELETE, format!("{path}/{}", new_id())).by(&admin).send().await;
        assert_eq!(unknown.problem(), (404, "webhook-not-found"));
    })
    .await;
}

#[tokio::test]
async fn administrators_see_what_was_given_up_and_have_it_tried_again() {
    in_a_world(async |world| {
        let (mina, admin) = (world.someone("mina").await, world.someone_with("admin", Role::Admin).await);
        let id = tell(world, &mina, 1).await;
        let failure = Failure { reason: "smtp-550".into(), lasting: true };
        attempt(world, &mina, id, Channel::Email, Err(failure)).await;
        let dead = eventually("it is listed", || async {
            let reply = world.get("/v1/notifications/dead-letters").by(&admin).send().await;
            reply.body["dead_letters"].as_array()?.first().cloned()
        })
        .await;
        assert_eq!((&dead["notification_id"], &dead["channel"]), (&json!(id.0), &json!("email")));
        assert_eq!((&dead["reason"], &dead["attempts"]), (&json!("smtp-550"), &json!(1)));
        let path = format!("/v1/notifications/{id}/channels/email/retry");
        assert_eq!(world.post(&path).by(&mina).send().await.problem(), (403, "not-an-admin"));
        assert_eq!(world.get("/v1/notifications/dead-letters").by(&mina).send().await.problem(), (403, "role-missing"));
        let retried = world.post(&path).by(&admin).send().await;
        assert_eq!(retried.status, 200, "{retried:?}");
        let query = format!("/v1/notifications/dead-letters?min_position={}", retried.position());
        assert_eq!(world.get(query).by(&admin).send().await.body["dead_letters"], json!([]));
        let wrong = format!("/v1/notifications/{id}/channels/pigeon/retry");
        assert_eq!(world.post(&wrong).by(&admin).send().await.problem(), (422, "invalid-id"));
        let push = format!("/v1/notifications/{id}/channels/push/retry");
        assert_eq!(world.post(&push).by(&admin).send().await.problem(), (409, "notification-not-on-channel"));
    })
    .await;
}
