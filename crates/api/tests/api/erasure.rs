//! Asking to be forgotten, what is answered about somebody who was, and who looked at whom.

use axum::http::Method;
use baeum_domain::{identity::user::Role, ids::UserId};
use serde_json::json;

use crate::{client::PASSWORD, client::Person, world::World, world::in_a_world};

/// Does what the process does when an erasure is due.
async fn forget(world: &World, person: &Person) {
    let due = world.commands.erasures_since(0).await.expect("readable");
    let due = due.into_iter().rfind(|it| it.subject == UserId(person.id)).expect("it was asked for");
    world.commands.erase_subject(&due).await.expect("erased");
}

#[tokio::test]
async fn a_learner_asks_with_their_password_and_can_take_it_back_within_the_grace() {
    in_a_world(async |world| {
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        let path = format!("/v1/learners/{}/erasure", mina.id);
        assert_eq!(world.get(&path).by(&mina).send().await.body["state"], "none");
        let ask =
            async |person: &Person, body: serde_json::Value| world.post(&path).by(person).json(&body).send().await;
        let wish = json!({ "ground": "objection", "grace_days": 3, "password": PASSWORD });
        assert_eq!(ask(&jun, wish.clone()).await.problem(), (403, "not-yours"));
        assert_eq!(ask(&mina, json!({ "ground": "objection" })).await.problem(), (422, "password-missing"));
        let wrong = json!({ "ground": "objection", "password": "wrong horse battery" });
        assert_eq!(ask(&mina, wrong).await.problem(), (403, "wrong-password"));
        assert_eq!(ask(&mina, json!({ "ground": "for fun" })).await.problem(), (422, "invalid-body"));
        let nothing = world.ask(Method::DELETE, &path).by(&mina).send().await;
        assert_eq!(nothing.problem(), (409, "erasure-not-requested"));
        let asked = ask(&mina, wish).await;
        assert_eq!((asked.status.as_u16(), &asked.body["state"]), (200, &json!("requested")), "{asked:?}");
        assert_eq!(asked.body["due_at"], "2026-03-04T09:00:00Z");
        let withdrawn = world.ask(Method::DELETE, &path).by(&mina).send().await;
        assert_eq!((withdrawn.status.as_u16(), &withdrawn.body["state"]), (200, &json!("withdrawn")));
        assert_eq!(world.get(&path).by(&jun).send().await.problem(), (403, "not-yours"));
    })
    .await;
}

#[tokio::test]
async fn passwords_cannot_be_guessed_by_asking_to_be_forgotten() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let path = format!("/v1/learners/{}/erasure", mina.id);
        let wrong = json!({ "ground": "objection", "password": "wrong horse battery" });
        for _ in 0..10 {
            assert_eq!(world.post(&path).by(&mina).json(&wrong).send().await.problem(), (403, "wrong-password"));
        }
        let closed = world.post(&path).by(&mina).json(&wrong).send().await;
        assert_eq!(closed.problem(), (429, "too-many-attempts-to-sign-in"));
    })
    .await;
}

#[tokio::test]
async fn a_person_who_was_forgotten_is_gone_for_everybody() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let (mina, other) = (world.someone("mina").await, world.someone_of("busan", "mina").await);
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let path = format!("/v1/learners/{}/erasure", mina.id);
        let foreign = format!("/v1/learners/{}/erasure", other.id);
        let wish = json!({ "ground": "legal_obligation" });
        assert_eq!(world.post(&foreign).by(&admin).json(&wish).send().await.problem(), (404, "user-not-found"));
        assert_eq!(world.post(&path).by(&admin).json(&wish).send().await.status, 200);
        forget(world, &mina).await;
        assert_eq!(world.get("/v1/lessons").by(&mina).send().await.problem(), (401, "account-erased"));
        for part in ["", "/progress", "/vector", "/recommendations", "/personal-data"] {
            let reply = world.get(format!("/v1/learners/{}{part}", mina.id)).by(&admin).send().await;
            assert_eq!(reply.problem(), (410, "subject-erased"), "{part}");
        }
        let reply = world.get(format!("/v1/lessons/{lesson}")).by(&admin).send().await;
        assert!([410, 404].contains(&reply.status.as_u16()), "{reply:?}");
        let role = format!("/v1/users/{}/roles/analyst", mina.id);
        assert_eq!(world.ask(Method::PUT, role).by(&admin).send().await.problem(), (410, "subject-erased"));
        let change = json!({ "daily_goal_minutes": 20 });
        let own = format!("/v1/learners/{}", mina.id);
        let reply = world.ask(Method::PATCH, &own).by(&admin).json(&change).send().await;
        assert_eq!(reply.problem(), (410, "subject-erased"));
        assert_eq!(world.get(&path).by(&admin).send().await.body["state"], "erased");
        let again = world.ask(Method::DELETE, &path).by(&admin).send().await;
        assert_eq!(again.problem(), (410, "subject-erased"));
        // Their namesake of another tenant is not.
        assert_eq!(world.get(format!("/v1/learners/{}", other.id)).by(&other).send().await.body["email"], other.email);
    })
    .await;
}

#[tokio::test]
async fn who_looks_at_somebody_is_recorded_and_who_looks_at_themselves_is_not() {
    in_a_world(async |world| {
        let admin = world.someone_with("admin", Role::Admin).await;
        let auditor = world.someone_with("auditor", Role::Auditor).await;
        let mina = world.someone("mina").await;
        let own = format!("/v1/learners/{}", mina.id);
        world.get(&own).by(&mina).send().await;
        let all = world.get(format!("{own}/personal-data")).by(&mina).send().await;
        assert_eq!((all.status.as_u16(), &all.body["identity"]["email"]), (200, &json!(mina.email)), "{all:?}");
        world.get(&own).by(&admin).send().await;
        world.get(format!("{own}/personal-data")).by(&admin).send().await;
        let head = world.commands.log().head().await.expect("a head");
        let path = format!("/v1/log/accesses?subject={}&min_position={head}", mina.id);
        let reply = world.get(&path).by(&auditor).send().await;
        let found = reply.body["accesses"].as_array().expect("a list");
        let shown: Vec<_> = found.iter().map(|it| (it["route"].as_str(), it["actor"].as_str())).collect();
        let by = admin.id.to_string();
        assert_eq!(
            shown,
            [
                (Some("GET /v1/learners/{id}"), Some(by.as_str())),
                (Some("GET /v1/learners/{id}/personal-data"), Some(by.as_str()))
            ]
        );
        let by_actor = world.get(format!("/v1/log/accesses?actor={by}")).by(&auditor).send().await;
        assert_eq!(by_actor.body["accesses"].as_array().map(Vec::len), Some(2));
        assert_eq!(world.get(&path).by(&mina).send().await.problem(), (403, "role-missing"));
        let wrong = world.get("/v1/log/accesses?limit=0").by(&auditor).send().await;
        assert_eq!(wrong.problem(), (422, "invalid-query"));
    })
    .await;
}
