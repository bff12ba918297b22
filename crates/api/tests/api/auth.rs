//! Tokens: who is let in, and who is not.

use axum::http::Method;
use baeum_commands::Commands;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use chrono::TimeDelta;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{PASSWORD, Person},
    world::{World, in_a_world},
};

/// A token that is signed with `seed` under `kid`.
pub(crate) fn token(header: &Value, claims: &Value, seed: [u8; 32]) -> String {
    let head = BASE64URL.encode(header.to_string());
    let body = BASE64URL.encode(claims.to_string());
    let signature = SigningKey::from_bytes(&seed).sign(format!("{head}.{body}").as_bytes());
    format!("{head}.{body}.{}", BASE64URL.encode(signature.to_bytes()))
}

pub(crate) fn claims(person: &Person) -> Value {
    let body = person.token.split('.').nth(1).expect("a body");
    serde_json::from_slice(&BASE64URL.decode(body).expect("base64")).expect("JSON")
}

pub(crate) async fn refused(world: &World, person: &Person, token: &str) -> String {
    let reply = world.get(format!("/v1/learners/{}", person.id)).bearer(token).send().await;
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
    reply.code().to_owned()
}

async fn seed(world: &World) -> [u8; 32] {
    seed_of(&world.commands).await
}

/// The seed that a shard signs with.
pub(crate) async fn seed_of(commands: &Commands) -> [u8; 32] {
    let keys = commands.signing_keys().await.expect("keys");
    keys[0].seed.clone().try_into().expect("32 bytes")
}

#[tokio::test]
async fn a_token_says_who_it_is_for_and_for_how_long() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let claims = claims(&mina);
        assert_eq!(claims["iss"], "baeum");
        assert_eq!(claims["sub"], mina.id.to_string());
        assert_eq!(claims["tenant"], "main");
        assert_eq!(claims["roles"], json!(["learner"]));
        assert_eq!(claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"), 900);
        assert!(claims["jti"].as_str().is_some_and(|it| it.parse::<Uuid>().is_ok()));
        let reply = world.get(format!("/v1/learners/{}", mina.id)).by(&mina).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "no-store");
    })
    .await;
}

#[tokio::test]
async fn the_key_set_has_the_public_key_of_tokens_and_nothing_private() {
    in_a_world(async |world| {
        let reply = world.get("/.well-known/jwks.json").send().await;
        let key = &reply.body["keys"][0];
        assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
        let public = SigningKey::from_bytes(&seed(world).await).verifying_key();
        assert_eq!(key["x"], BASE64URL.encode(public.as_bytes()));
        assert!(key.get("d").is_none());
    })
    .await;
}

#[tokio::test]
async fn without_a_token_nothing_but_the_public_routes_is_reached() {
    in_a_world(async |world| {
        for (method, path) in [
            (Method::GET, "/v1/learners/x"),
            (Method::PATCH, "/v1/learners/x"),
            (Method::POST, "/v1/assessments"),
            (Method::POST, "/v1/lessons/x/attempts"),
            (Method::GET, "/v1/events"),
            (Method::GET, "/v1/events/stream"),
            (Method::PUT, "/v1/users/x/roles/admin"),
        ] {
            let reply = world.ask(method.clone(), path).send().await;
            assert_eq!(reply.problem(), (401, "token-missing"), "{method} {path}");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
        }
        let basic = world.get("/v1/clips").header("authorization", "Basic YTpi").send().await;
        assert_eq!(basic.problem(), (401, "token-missing"));
    })
    .await;
}

#[tokio::test]
async fn a_token_expires_by_the_clock_of_the_log() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.clock.advance(TimeDelta::seconds(890));
        assert_eq!(world.get("/v1/clips").by(&mina).send().await.status, 200);
        world.clock.advance(TimeDelta::seconds(11));
        assert_eq!(refused(world, &mina, &mina.token).await, "token-expired");
    })
    .await;
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let (mut claims, ours) = (claims(&mina), seed(world).await);
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": "ed25519-1"});
        let good = token(&header, &claims, ours);
        assert_eq!(world.get("/v1/clips").bearer(&good).send().await.status, 200);

        let other_key = token(&header, &claims, [9; 32]);
        let unknown_kid = token(&json!({"alg": "EdDSA", "kid": "theirs"}), &claims, ours);
        let no_kid = token(&json!({"alg": "EdDSA"}), &claims, ours);
        let none = token(&json!({"alg": "none", "kid": "ed25519-1"}), &claims, ours);
        let unsigned = format!("{}.", none.rsplit_once('.').expect("dots").0);
        let hmac = token(&json!({"alg": "HS256", "kid": "ed25519-1"}), &claims, ours);
        let public = SigningKey::from_bytes(&ours).verifying_key();
        let mut hs256 = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        hs256.kid = Some("ed25519-1".to_owned());
        let secret = jsonwebtoken::EncodingKey::from_secret(public.as_bytes());
        let confused = jsonwebtoken::encode(&hs256, &claims, &secret).expect("a token");
        claims["iss"] = json!("someone else");
        let other_issuer = token(&header, &claims, ours);
        claims["iss"] = json!("baeum");
        claims["tenant"] = json!("other");
        let other_tenant = token(&header, &claims, ours);
        claims["tenant"] = json!("main");
        claims["roles"] = json!(["emperor"]);
        let no_role = token(&header, &claims, ours);
        let parts: Vec<&str> = good.split('.').collect();
        claims["roles"] = json!(["admin"]);
        let raised = format!("{}.{}.{}", parts[0], BASE64URL.encode(claims.to_string()), parts[2]);

        for (what, forged) in [
            ("another key", other_key),
            ("an unknown key", unknown_kid),
            ("no key", no_kid),
            ("alg none", none),
            ("alg none, unsigned", unsigned),
            ("another alg", hmac),
            ("the public key as a secret", confused),
            ("another issuer", other_issuer),
            ("another tenant", other_tenant),
            ("a role that is none", no_role),
            ("raised roles", raised),
            ("no token", "x".to_owned()),
            ("empty", String::new()),
        ] {
            assert_eq!(refused(world, &mina, &forged).await, "token-invalid", "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_refused_once_its_key_is_replaced_though_it_was_let_in_before() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        for _ in 0..2 {
            assert_eq!(world.get("/v1/clips").by(&mina).send().await.status, 200);
        }
        sqlx::query("UPDATE signing_keys SET seed = $1")
            .bind([7_u8; 32].as_slice())
            .execute(&world.pool)
            .await
            .expect("another key of the same name");
        // Whoever asks for the key set has the keys read again.
        world.clock.advance(TimeDelta::seconds(11));
        world.get("/.well-known/jwks.json").send().await;
        assert_eq!(refused(world, &mina, &mina.token).await, "token-invalid");
        let again = world.sign_in(mina.tenant, mina.id, &mina.email).await;
        assert_eq!(world.get("/v1/clips").by(&again).send().await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_another_process_made_is_found() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        sqlx::query("INSERT INTO signing_keys (kid, seed, created_at) VALUES ('ed25519-2', $1, now())")
            .bind([7_u8; 32].as_slice())
            .execute(&world.pool)
            .await
            .expect("a new key");
        let token = token(&json!({"alg": "EdDSA", "kid": "ed25519-2"}), &claims(&mina), [7; 32]);
        assert_eq!(world.get("/v1/clips").bearer(&token).send().await.status, 200);
        let keys = world.get("/.well-known/jwks.json").send().await;
        assert_eq!(keys.body["keys"].as_array().map(Vec::len), Some(2));
    })
    .await;
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let wrong = json!({"email": mina.email, "password": "wrong horse battery"});
        for _ in 0..10 {
            let reply = world.post("/v1/auth/token").json(&wrong).send().await;
            assert_eq!(reply.problem(), (401, "wrong-credentials"));
        }
        let right = json!({"email": mina.email, "password": PASSWORD});
        let reply = world.post("/v1/auth/token").json(&right).send().await;
        assert_eq!(reply.problem(), (429, "too-many-attempts-to-sign-in"));
        assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|it| (880..=901).contains(&it)));
        world.clock.advance(TimeDelta::minutes(16));
        assert_eq!(world.post("/v1/auth/token").json(&right).send().await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_address_is_answered_as_a_wrong_password() {
    in_a_world(async |world| {
        let nobody = json!({"email": "nobody@example.org", "password": PASSWORD});
        let reply = world.post("/v1/auth/token").json(&nobody).send().await;
        assert_eq!(reply.problem(), (401, "wrong-credentials"));
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    })
    .await;
}
