//! Learners reach their own data; others what their roles allow.

use axum::http::Method;
use baeum_domain::identity::user::Role;
use serde_json::json;

use crate::{client::Person, world::in_a_world};

#[tokio::test]
async fn who_reads_what_of_a_learner() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let test = world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let id = mina.id;
        let paths = [
            format!("/v1/learners/{id}"),
            format!("/v1/learners/{id}/progress"),
            format!("/v1/learners/{id}/emotion"),
            format!("/v1/learners/{id}/recommendations"),
            format!("/v1/learners/{id}/vector"),
            format!("/v1/assessments/{test}"),
            format!("/v1/lessons/{lesson}"),
            "/v1/events".to_owned(),
            "/v1/projections".to_owned(),
        ];
        let people: [(Person, [bool; 9]); 6] = [
            (mina.clone(), [true, true, true, true, true, true, true, false, false]),
            (world.someone("jun").await, [false; 9]),
            (
                world.someone_with("ins", Role::Instructor).await,
                [true, true, false, false, false, false, false, false, false],
            ),
            (world.someone_with("ana", Role::Analyst).await, [true, true, false, true, true, true, true, true, true]),
            (
                world.someone_with("aud", Role::Auditor).await,
                [false, false, false, false, false, false, false, true, true],
            ),
            (world.someone_with("adm", Role::Admin).await, [true, true, false, true, true, true, true, true, true]),
        ];
        for (person, allowed) in people {
            for (path, allowed) in paths.iter().zip(allowed) {
                let reply = world.get(path).by(&person).send().await;
                let expected = if allowed { 200 } else { 403 };
                assert_eq!(reply.status, expected, "{} {path}: {reply:?}", person.email);
                if !allowed {
                    let learner = path.contains(&id.to_string()) || path.contains("lessons") || path.contains("ass");
                    assert_eq!(reply.code(), if learner { "not-yours" } else { "role-missing" });
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_acts_for_another_learner() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let test = world.post("/v1/assessments").by(&mina).send().await;
        let test = test.body["assessment_id"].as_str().unwrap_or_default().to_owned();
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let analyst = world.someone_with("ana", Role::Analyst).await;
        let bodies = [
            (format!("/v1/assessments/{test}/responses"), json!({"item_id": "item-1", "choice": 0})),
            (format!("/v1/assessments/{test}/abandon"), json!({})),
            (format!("/v1/lessons/{lesson}/clips"), json!({"clip_id": "market", "watched_ms": 90_000})),
            (
                format!("/v1/lessons/{lesson}/attempts"),
                json!({"task_id": "market-w1", "kind": "writing", "answer": "I would buy pears."}),
            ),
            (format!("/v1/lessons/{lesson}/complete"), json!({})),
            (format!("/v1/lessons/{lesson}/abandon"), json!({})),
        ];
        for (path, body) in bodies {
            let reply = world.post(&path).by(&analyst).json(&body).send().await;
            assert_eq!(reply.problem(), (403, "not-yours"), "{path}");
        }
        let change = json!({"daily_goal_minutes": 30});
        let path = format!("/v1/learners/{}", mina.id);
        let reply = world.ask(Method::PATCH, path).by(&analyst).json(&change).send().await;
        assert_eq!(reply.problem(), (403, "not-yours"));
    })
    .await;
}

#[tokio::test]
async fn names_and_addresses_are_for_their_owner_and_administrators() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}", mina.id);
        let admin = world.someone_with("adm", Role::Admin).await;
        let analyst = world.someone_with("ana", Role::Analyst).await;
        for (person, named) in [(&mina, true), (&admin, true), (&analyst, false)] {
            let reply = world.get(&path).by(person).send().await;
            assert_eq!(reply.body["email"] == "mina@example.org", named, "{reply:?}");
            assert_eq!(reply.body["display_name"] == "Mina", named, "{reply:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_administrators_change_roles() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let admin = world.someone_with("adm", Role::Admin).await;
        let path = format!("/v1/users/{}/roles/instructor", mina.id);
        let own = world.ask(Method::PUT, path.clone()).by(&mina).send().await;
        assert_eq!(own.problem(), (403, "not-an-admin"));
        let granted = world.ask(Method::PUT, path.clone()).by(&admin).send().await;
        assert_eq!((granted.status.as_u16(), &granted.body["roles"]), (200, &json!(["learner", "instructor"])));
        let revoked = world.ask(Method::DELETE, path).by(&admin).send().await;
        assert_eq!((revoked.status.as_u16(), &revoked.body["roles"]), (200, &json!(["learner"])));
        let last = format!("/v1/users/{}/roles/learner", mina.id);
        assert_eq!(world.ask(Method::DELETE, last).by(&admin).send().await.problem(), (409, "last-role"));
        let none = format!("/v1/users/{}/roles/emperor", mina.id);
        assert_eq!(world.ask(Method::PUT, none).by(&admin).send().await.problem(), (422, "invalid-id"));
        let nobody = format!("/v1/users/{}/roles/admin", baeum_testing::new_id());
        assert_eq!(world.ask(Method::PUT, nobody).by(&admin).send().await.problem(), (404, "user-not-found"));
    })
    .await;
}

#[tokio::test]
async fn an_estimate_of_how_a_learner_feels_is_shown_to_nobody_else_on_any_way() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let own = format!("/v1/learners/{}", mina.id);
        let consent = json!({"emotion_care_consent": {"policy_version": "2026-01"}});
        world.ask(Method::PATCH, own.clone()).by(&mina).json(&consent).send().await;
        world.assess(&mina).await;
        let theirs = world.get(format!("{own}/emotion")).by(&mina).send().await;
        assert!(theirs.body["estimate"]["state"].is_string(), "{theirs:?}");
        let data = world.get(format!("{own}/personal-data")).by(&mina).send().await;
        assert_eq!(data.body["read_models"]["emotion"].as_array().map(Vec::len), Some(1), "{data:?}");
        for role in [Role::Instructor, Role::Analyst, Role::Auditor, Role::Admin] {
            let person = world.someone_with(&role.to_string(), role).await;
            for path in ["emotion", "emotion?as_of=9"] {
                let reply = world.get(format!("{own}/{path}")).by(&person).send().await;
                assert_eq!(reply.problem(), (403, "not-yours"), "{role} {path}");
            }
            for path in ["", "/progress", "/vector", "/recommendations", "/personal-data"] {
                let reply = world.get(format!("{own}{path}")).by(&person).send().await;
                let text = reply.body.to_string();
                // The test model believes in confusion; its name stands nowhere else.
                assert!(!text.contains("confused") && !text.contains("test-affect"), "{role} {path}: {text}");
            }
        }
    })
    .await;
}
