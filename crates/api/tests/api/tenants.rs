//! Tenants: each in its shard, and none in reach of another.

use axum::http::Method;
use baeum_domain::{
    identity::user::Role,
    position::{Shard, number},
};
use serde_json::json;

use crate::{
    auth::{claims, refused, seed_of, token},
    client::{PASSWORD, registration},
    world::{in_a_world, in_two_shards},
};

#[tokio::test]
async fn nobody_of_another_tenant_reaches_a_learner_whatever_their_role() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let test = world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let id = mina.id;
        let paths = [
            (format!("/v1/learners/{id}"), "user-not-found"),
            (format!("/v1/learners/{id}/progress"), "user-not-found"),
            (format!("/v1/learners/{id}/recommendations"), "user-not-found"),
            (format!("/v1/assessments/{test}"), "assessment-not-found"),
            (format!("/v1/lessons/{lesson}"), "lesson-not-found"),
        ];
        let stranger = world.someone_of("busan", "jun").await;
        for (path, _) in &paths {
            let at_home = world.get(path).by(&world.someone_with_any_name().await).send().await;
            let reply = world.get(path).by(&stranger).send().await;
            assert_eq!(reply.problem(), at_home.problem(), "{path}: told more than a stranger of the same tenant");
            assert_eq!(reply.problem(), (403, "not-yours"), "{path}");
        }
        for role in [Role::Analyst, Role::Admin] {
            let person = world.someone_of("busan", &format!("{role}")).await;
            let person = world.grant(&world.commands, person, role).await;
            for (path, absent) in &paths {
                let reply = world.get(path).by(&person).send().await;
                assert_eq!(reply.problem(), (404, *absent), "{role} {path}");
            }
            let events = world.get("/v1/events?limit=1000").by(&person).send().await;
            let events = events.body["events"].as_array().expect("events").clone();
            assert!(!events.is_empty() && events.iter().all(|it| it["tenant"] == "busan"), "{role}");
            let named = world.get(format!("/v1/events?aggregate_id={id}")).by(&person).send().await;
            assert_eq!(named.body["events"], json!([]), "{role}");
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_of_another_tenant_acts_on_a_learner() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        let admin = world.someone_of("busan", "adm").await;
        let admin = world.grant(&world.commands, admin, Role::Admin).await;
        let before = world.commands.log().head().await.expect("a head");
        let role = world.ask(Method::PUT, format!("/v1/users/{}/roles/auditor", mina.id)).by(&admin).send().await;
        assert_eq!(role.problem(), (404, "user-not-found"));
        let change = json!({"daily_goal_minutes": 30, "display_name": "Taken over"});
        let change =
            world.ask(Method::PATCH, format!("/v1/learners/{}", mina.id)).by(&admin).json(&change).send().await;
        assert_eq!(change.problem(), (404, "user-not-found"));
        for deed in ["complete", "abandon"] {
            let reply = world.post(format!("/v1/lessons/{lesson}/{deed}")).by(&admin).send().await;
            assert_eq!(reply.problem(), (404, "lesson-not-found"), "{deed}");
        }
        assert_eq!(world.commands.log().head().await.expect("a head"), before, "something was appended");
    })
    .await;
}

#[tokio::test]
async fn an_address_is_someone_else_in_another_tenant() {
    in_a_world(async |world| {
        let (mina, other) = (world.someone("mina").await, world.someone_of("busan", "mina").await);
        assert_ne!(mina.id, other.id);
        assert_eq!(claims(&other)["tenant"], "busan");
        world.someone_of("busan", "jun").await;
        let credentials = json!({"email": "jun@example.org", "password": PASSWORD});
        let reply = world.post("/v1/auth/token").json(&credentials).send().await;
        assert_eq!(reply.problem(), (401, "wrong-credentials"), "who names no tenant is of the first");
    })
    .await;
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_told_to_whoever_has_no_token_yet() {
    in_a_world(async |world| {
        let body = registration("mina@example.org");
        for (method, path) in
            [(Method::POST, "/v1/users"), (Method::POST, "/v1/auth/token"), (Method::GET, "/.well-known/jwks.json")]
        {
            for (tenant, expected) in [("nowhere", "unknown-tenant"), ("", "unknown-tenant")] {
                let reply = world.ask(method.clone(), path).header("baeum-tenant", tenant).json(&body).send().await;
                assert_eq!(reply.problem(), (404, expected), "{method} {path} '{tenant}'");
            }
            let ask = world.ask(method.clone(), path).header("baeum-tenant", "main").header("baeum-tenant", "busan");
            assert_eq!(ask.json(&body).send().await.problem(), (400, "invalid-header"), "{method} {path}");
        }
        let mina = world.someone("mina").await;
        let reply = world.get(format!("/v1/learners/{}", mina.id)).by(&mina).header("baeum-tenant", "busan");
        assert_eq!(reply.send().await.status, 200, "the token says the tenant");
    })
    .await;
}

#[tokio::test]
async fn a_shard_cannot_sign_for_the_tenants_of_another() {
    in_two_shards(async |world| {
        let other = world.other.as_ref().expect("a second shard");
        let (mina, jun) = (world.someone("mina").await, world.someone_of("daegu", "jun").await);
        let (ours, theirs) = (seed_of(&world.commands).await, seed_of(other).await);
        assert_ne!(ours, theirs);
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "ed25519-1"});
        for (person, right, wrong) in [(&mina, ours, theirs), (&jun, theirs, ours)] {
            let claims = claims(person);
            let good = token(&header, &claims, right);
            let path = format!("/v1/learners/{}", person.id);
            assert_eq!(world.get(&path).bearer(&good).send().await.status, 200);
            assert_eq!(refused(world, person, &token(&header, &claims, wrong)).await, "token-invalid");
        }
        // A good signature of the own shard over a tenant of the other.
        let mut moved = claims(&jun);
        moved["tenant"] = json!("main");
        assert_eq!(refused(world, &jun, &token(&header, &moved, theirs)).await, "token-invalid");
        let sets = [None, Some("busan"), Some("daegu")].map(async |tenant| {
            let ask = world.get("/.well-known/jwks.json");
            let reply = tenant.into_iter().fold(ask, |ask, it| ask.header("baeum-tenant", it)).send().await;
            reply.body["keys"][0]["x"].clone()
        });
        let [first, busan, daegu] = futures::future::join_all(sets).await.try_into().expect("three");
        assert_eq!(first, busan, "tenants of one shard share its keys");
        assert_ne!(first, daegu);
    })
    .await;
}

#[tokio::test]
async fn each_tenant_reads_and_writes_the_log_of_its_shard() {
    in_two_shards(async |world| {
        let other = world.other.as_ref().expect("a second shard");
        let mina = world.someone_with("mina", Role::Auditor).await;
        let jun = world.grant(other, world.someone_of("daegu", "jun").await, Role::Auditor).await;
        for (person, shard) in [(&mina, 0), (&jun, 1)] {
            let shard = Shard::new(shard).expect("a shard");
            let page = world.get("/v1/events").by(person).send().await;
            let events = page.body["events"].as_array().expect("events").clone();
            let positions: Vec<i64> = events.iter().filter_map(|it| it["position"].as_i64()).collect();
            assert!(!positions.is_empty());
            assert!(positions.iter().zip(1..).all(|(it, n)| Shard::of(*it) == Some(shard) && number(*it) == n));
            assert_eq!(page.body["next_after"], page.body["head"]);
            assert_eq!(events.iter().map(|it| it["tenant"].as_str()).next(), Some(Some(person.tenant)));
            let status = world.get("/v1/projections").by(person).send().await;
            for projection in status.body["projections"].as_array().expect("projections") {
                assert!(projection["lag"].as_i64().is_some_and(|it| (0..100).contains(&it)), "{projection}");
            }
        }
        // A position of one shard means nothing in another.
        let foreign = Shard::new(1).expect("a shard").floor() + 1;
        for path in [
            format!("/v1/events?after={foreign}"),
            format!("/v1/events/stream?after={foreign}"),
            format!("/v1/learners/{}?min_position={foreign}", mina.id),
        ] {
            assert_eq!(world.get(&path).by(&mina).send().await.problem(), (422, "position-of-another-shard"), "{path}");
        }
        let path = format!("/v1/learners/{}?min_position=0", jun.id);
        assert_eq!(world.get(&path).by(&jun).send().await.status, 200, "0 is before the first of every shard");
        let learner = world.get(format!("/v1/learners/{}", mina.id)).by(&jun).send().await;
        assert_eq!(learner.problem(), (403, "not-yours"));
    })
    .await;
}
