//! Whatever is sent, the answer is clear.

use axum::http::Method;
use serde_json::{Value, json};

use crate::{client::registration, world::in_a_world};

#[tokio::test]
async fn every_bad_body_has_its_problem() {
    in_a_world(async |world| {
        const JSON: &str = "application/json";
        let long = format!("{{\"email\":\"{}\"}}", "x".repeat(70_000));
        let deep = "[".repeat(20_000);
        for (kind, body, expected) in [
            (JSON, "", (400, "malformed-json")),
            (JSON, "{", (400, "malformed-json")),
            (JSON, "{\"email\": \"a\u{1}b\"}", (400, "malformed-json")),
            (JSON, "{} x", (400, "malformed-json")),
            (JSON, "{\"email\": 1e999}", (400, "malformed-json")),
            (JSON, deep.as_str(), (400, "malformed-json")),
            (JSON, "null", (422, "invalid-body")),
            (JSON, "[]", (422, "invalid-body")),
            (JSON, "{}", (422, "invalid-body")),
            (JSON, "{\"email\": 5}", (422, "invalid-body")),
            (JSON, "{\"email\": \"a@b.cd\", \"email\": \"a@b.cd\"}", (422, "invalid-body")),
            (JSON, "{\"admin\": true}", (422, "invalid-body")),
            (JSON, long.as_str(), (413, "body-too-large")),
            ("text/plain", "{}", (415, "unsupported-media-type")),
            ("application/x-www-form-urlencoded", "email=a", (415, "unsupported-media-type")),
            ("", "{}", (415, "unsupported-media-type")),
        ] {
            let reply = world.post("/v1/users").text(kind, body.to_owned()).send().await;
            let shown: String = body.chars().take(60).collect();
            assert_eq!(reply.problem(), expected, "{kind} {shown}: {reply:?}");
        }
        let bytes = world.post("/v1/users").text(JSON, vec![b'"', 0xff, 0xfe, b'"']).send().await;
        assert_eq!(bytes.problem(), (400, "malformed-json"));
    })
    .await;
}

#[tokio::test]
async fn the_place_of_a_mistake_is_told() {
    in_a_world(async |world| {
        let reply = world.post("/v1/users").text("application/json", "{\n  \"email\": oops }").send().await;
        assert_eq!((&reply.body["line"], &reply.body["column"]), (&json!(2), &json!(12)), "{reply:?}");
        let mut body = registration("mina@example.org");
        body["interests"] = json!(["food", "No Slug"]);
        let reply = world.post("/v1/users").json(&body).send().await;
        assert_eq!((reply.code(), &reply.body["field"]), ("invalid-body", &json!("interests[1]")));
        body["interests"] = json!([]);
        body["time_zone"] = json!("Mars/Olympus");
        let reply = world.post("/v1/users").json(&body).send().await;
        assert_eq!((reply.code(), &reply.body["field"]), ("invalid-body", &json!("time_zone")));
        assert!(reply.body["detail"].as_str().is_some_and(|it| it.contains("IANA")), "{reply:?}");
    })
    .await;
}

#[tokio::test]
async fn registrations_that_cannot_be_are_refused() {
    in_a_world(async |world| {
        for (field, value, code) in [
            ("email", json!("mina"), "not-an-email"),
            ("password", json!("short"), "password-length"),
            ("password", json!("x".repeat(129)), "password-length"),
            ("display_name", json!("  "), "text-empty"),
            ("display_name", json!("x".repeat(81)), "text-too-long"),
            ("display_name", json!("Mi\u{0}na"), "control-character"),
            ("native_language", json!("en"), "same-languages"),
            ("interests", json!(["astrology"]), "unknown-interest"),
        ] {
            let mut body = registration("mina@example.org");
            body[field] = value;
            let reply = world.post("/v1/users").json(&body).send().await;
            assert_eq!(reply.problem(), (422, code), "{field}");
        }
    })
    .await;
}

#[tokio::test]
async fn unknown_and_impossible_ids_are_told_apart() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let (unknown, own) = (baeum_testing::new_id(), mina.id);
        for (path, expected) in [
            (format!("/v1/assessments/{unknown}"), (404, "assessment-not-found")),
            (format!("/v1/lessons/{unknown}"), (404, "lesson-not-found")),
            ("/v1/items/no-such-item/parameters".into(), (404, "item-not-found")),
            ("/v1/clips/no-such-clip".into(), (404, "clip-not-found")),
            ("/v1/titles/no-such-title".into(), (404, "title-not-found")),
            ("/v1/assessments/1".into(), (422, "invalid-id")),
            ("/v1/lessons/x".into(), (422, "invalid-id")),
            ("/v1/learners/%00".into(), (422, "invalid-id")),
            ("/v1/learners/%ff".into(), (422, "invalid-id")),
            ("/v1/clips/No%20Slug".into(), (422, "invalid-id")),
            (format!("/v1/items/{}/parameters", "x".repeat(5000)), (422, "invalid-id")),
            (format!("/v1/learners/{own}/progress?min_position=x"), (422, "invalid-query")),
            ("/v1/clips?level=Z9".into(), (422, "invalid-query")),
            ("/v1/clips?colour=red".into(), (422, "invalid-query")),
            ("/v1/lessons?limit=0".into(), (422, "invalid-query")),
            ("/v1/nothing".into(), (404, "no-such-route")),
            ("/v1/lessons/".into(), (404, "no-such-route")),
            ("/problems/none".into(), (404, "no-such-problem")),
        ] {
            let reply = world.get(&path).by(&mina).send().await;
            assert_eq!(reply.problem(), expected, "{path}");
        }
        let answer = json!({"item_id": "item-1", "choice": 0});
        let path = format!("/v1/assessments/{unknown}/responses");
        let reply = world.post(path).by(&mina).json(&answer).send().await;
        assert_eq!(reply.problem(), (404, "assessment-not-found"));
        for verb in ["complete", "abandon"] {
            let reply = world.post(format!("/v1/lessons/{unknown}/{verb}")).by(&mina).send().await;
            assert_eq!(reply.problem(), (404, "lesson-not-found"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    in_a_world(async |world| {
        let reply = world.ask(Method::DELETE, "/v1/lessons").send().await;
        assert_eq!(reply.problem(), (405, "method-not-allowed"));
        assert!(reply.header("allow").contains("POST") && reply.header("allow").contains("GET"), "{reply:?}");
    })
    .await;
}

#[tokio::test]
async fn bad_answers_to_the_level_test_are_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let started = world.post("/v1/assessments").by(&mina).send().await;
        let id = started.body["assessment_id"].as_str().unwrap_or_default().to_owned();
        let respond = async |body: Value| {
            world.post(format!("/v1/assessments/{id}/responses")).by(&mina).json(&body).send().await
        };
        for (body, expected) in [
            (json!({"item_id": "item-9", "choice": 0}), (422, "unknown-item")),
            (json!({"item_id": "item-1", "choice": 3}), (422, "unknown-choice")),
            (json!({"item_id": "item-1", "choice": 256}), (422, "invalid-body")),
            (json!({"item_id": "item-1", "choice": -1}), (422, "invalid-body")),
            (json!({"item_id": "item-1", "choice": "0"}), (422, "invalid-body")),
            (json!({"item_id": "item-2", "choice": 0}), (409, "item-not-asked")),
            (json!({"item_id": "item-1", "choice": 0, "response_ms": -5}), (422, "invalid-body")),
        ] {
            assert_eq!(respond(body.clone()).await.problem(), expected, "{body}");
        }
        assert_eq!(respond(json!({"item_id": "item-1", "choice": 0})).await.status, 200);
        assert_eq!(respond(json!({"item_id": "item-1", "choice": 0})).await.status, 200, "a repeat is no change");
        let changed = respond(json!({"item_id": "item-1", "choice": 1})).await;
        assert_eq!(changed.problem(), (409, "item-already-answered"));
        let left = world.post(format!("/v1/assessments/{id}/abandon")).by(&mina).send().await;
        assert_eq!((left.status.as_u16(), &left.body["state"]), (200, &json!("abandoned")));
        let late = respond(json!({"item_id": "item-2", "choice": 0})).await;
        assert_eq!(late.problem(), (409, "assessment-ended"));
        assert_eq!(world.post("/v1/lessons").by(&mina).send().await.problem(), (409, "no-level"));
    })
    .await;
}

#[tokio::test]
async fn bad_answers_in_a_lesson_are_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let attempt = async |task: &str, kind: &str, answer: &str| {
            let body = json!({"task_id": task, "kind": kind, "answer": answer});
            world.post(format!("/v1/lessons/{lesson}/attempts")).by(&mina).json(&body).send().await
        };
        let early = attempt("market-w1", "writing", "I would buy pears.").await;
        assert_eq!(early.problem(), (409, "clip-not-watched"));
        let undone = world.post(format!("/v1/lessons/{lesson}/complete")).by(&mina).send().await;
        assert_eq!(undone.problem(), (409, "lesson-not-done"));
        for (body, code) in [
            (json!({"clip_id": "harbour", "watched_ms": 1000}), "clip-not-in-lesson"),
            (json!({"clip_id": "market", "watched_ms": 0}), "impossible-viewing"),
            (json!({"clip_id": "market", "watched_ms": 1000, "speed_percent": 1}), "impossible-viewing"),
            (
                json!({"clip_id": "market", "watched_ms": 1000, "repeats": [{"segment": 7, "times": 1}]}),
                "impossible-viewing",
            ),
            (json!({"clip_id": "market", "watched_ms": 1.5}), "invalid-body"),
        ] {
            let reply = world.post(format!("/v1/lessons/{lesson}/clips")).by(&mina).json(&body).send().await;
            assert_eq!(reply.problem(), (422, code), "{body}");
        }
        world.watch(&mina, &lesson).await;
        let (long, words) = ("x".repeat(50_000), "word ".repeat(900));
        for (task, kind, answer, expected) in [
            ("market-w1", "writing", "", (422, "text-empty")),
            ("market-w1", "writing", " \n ", (422, "text-empty")),
            ("market-w1", "writing", long.as_str(), (422, "text-too-long")),
            ("market-w1", "writing", words.as_str(), (422, "text-too-long")),
            ("market-w1", "writing", "I would\u{7} buy", (422, "control-character")),
            ("market-w1", "writing", "two words", (422, "answer-too-short")),
            ("market-w1", "speaking", "I would buy pears.", (422, "wrong-kind-of-attempt")),
            ("market-w1", "singing", "I would buy pears.", (422, "invalid-body")),
            ("market-w9", "writing", "I would buy pears.", (422, "task-not-in-lesson")),
        ] {
            let reply = attempt(task, kind, answer).await;
            let shown: String = answer.chars().take(30).collect();
            assert_eq!(reply.problem(), expected, "{task} {kind} {shown}");
        }
        for _ in 0..10 {
            assert_eq!(attempt("market-w1", "writing", "I would buy pears.").await.status, 201);
        }
        let eleventh = attempt("market-w1", "writing", "I would buy pears.").await;
        assert_eq!(eleventh.problem(), (409, "too-many-attempts"));
        let done = world.post(format!("/v1/lessons/{lesson}/complete")).by(&mina).send().await;
        assert_eq!((done.status.as_u16(), &done.body["state"]), (200, &json!("completed")));
        assert_eq!(attempt("market-s1", "speaking", "How much is it?").await.problem(), (409, "lesson-ended"));
        let left = world.post(format!("/v1/lessons/{lesson}/abandon")).by(&mina).send().await;
        assert_eq!(left.problem(), (409, "lesson-ended"));
    })
    .await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_without_its_secrets() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.pool.close().await;
        for (method, path) in [
            (Method::POST, "/v1/assessments".to_owned()),
            (Method::POST, "/v1/lessons".to_owned()),
            (Method::GET, "/v1/lessons".to_owned()),
            (Method::GET, format!("/v1/learners/{}", mina.id)),
            (Method::GET, format!("/v1/lessons/{}", baeum_testing::new_id())),
        ] {
            let reply = world.ask(method.clone(), path.clone()).by(&mina).send().await;
            assert_eq!(reply.status, 503, "{method} {path}: {reply:?}");
            assert!(!reply.header("retry-after").is_empty());
            let text = reply.text.to_lowercase();
            assert!(!["pool", "sqlx", "select", "postgres"].iter().any(|word| text.contains(word)), "{reply:?}");
        }
        let register = world.post("/v1/users").json(&registration("jun@example.org")).send().await;
        assert_eq!(register.status, 503, "{register:?}");
        let token = json!({"email": mina.email, "password": "correct horse battery"});
        let reply = world.post("/v1/auth/token").json(&token).send().await;
        assert_eq!(reply.problem(), (503, "credential-store-unavailable"));
        assert_eq!(world.get("/health/live").send().await.status, 200);
        let ready = world.get("/health/ready").send().await;
        assert_eq!((ready.status.as_u16(), &ready.body["status"]), (503, &json!("failing")));
        assert_eq!(world.get("/metrics").send().await.status, 200);
    })
    .await;
}
