//! The sealed log over HTTP: checkpoint, tiles and proofs, the trail, and chains of causes.

use std::time::Duration;

use baeum_domain::identity::user::Role;
use baeum_eventlog::sealer::{self, SealOptions};
use baeum_proof::{Checkpoint, EventRecord, Hash, Signer, Tile, VerifierKey, bundle, consistency, inclusion};
use baeum_testing::eventually;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Person,
    world::{World, in_a_world},
};

/// Seals everything that there is.
async fn seal(world: &World) {
    let signer = Signer::from_seed(&[7; 32], "school.example/shard-0").expect("a key");
    let options = SealOptions { signer, interval: Duration::from_millis(10), witnesses: vec![] };
    let (log, stop) = (world.commands.log().clone(), CancellationToken::new());
    let sealing = tokio::spawn(sealer::run(log.clone(), options, stop.clone()));
    eventually("everything is sealed", async || {
        let note = log.checkpoint().await.expect("asked")?;
        let lag = sealer::lag(&log).await.expect("asked");
        let checkpoint = Checkpoint::read(&note).expect("a checkpoint");
        (lag.events == 0 && checkpoint.size == lag.sealed.unsigned_abs()).then_some(())
    })
    .await;
    stop.cancel();
    sealing.await.expect("it ends");
}

async fn get(world: &World, person: &Person, path: &str) -> Value {
    let reply = world.get(path).by(person).send().await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    reply.body
}

fn hash(value: &Value) -> Hash {
    value.as_str().and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{value} is no hash"))
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().expect("hashes").iter().map(hash).collect()
}

#[tokio::test]
async fn an_auditor_checks_checkpoint_tiles_and_proofs_with_the_key() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = world.someone("mina").await;
        let early = world.get("/v1/log/checkpoint").by(&auditor).send().await;
        assert_eq!(early.problem(), (404, "not-sealed"));
        seal(world).await;
        let (first, size) = {
            let note = world.get("/v1/log/checkpoint").by(&auditor).send().await.text;
            let checkpoint = Checkpoint::read(&note).expect("a checkpoint");
            (checkpoint.clone(), checkpoint.size)
        };
        world.post("/v1/assessments").by(&mina).send().await;
        seal(world).await;
        let key = world.get("/v1/log/key").by(&auditor).send().await.text;
        let keys: Vec<VerifierKey> = key.lines().map(|line| line.parse().expect("a key")).collect();
        let note = world.get("/v1/log/checkpoint").by(&auditor).send().await;
        let latest = Checkpoint::verify(&note.text, &keys).expect("it is signed");
        assert!(latest.size > size);

        let proof = get(world, &auditor, "/v1/log/proofs/inclusion?position=3").await;
        let record = proof["record"].as_str().expect("the event");
        assert_eq!(EventRecord::read(record).map(|it| it.global_position), Ok(3));
        assert_eq!(hash(&proof["leaf_hash"]), EventRecord::leaf(record));
        assert_eq!(Checkpoint::verify(proof["checkpoint"].as_str().expect("a note"), &keys), Ok(latest.clone()));
        let path = hashes(&proof["hashes"]);
        assert!(inclusion::verify(EventRecord::leaf(record), 2, latest.size, &path, latest.root));
        let proof = get(world, &auditor, &format!("/v1/log/proofs/consistency?from={size}")).await;
        let path = hashes(&proof["hashes"]);
        assert!(consistency::verify(first.size, first.root, latest.size, latest.root, &path));

        let name = format!("0/000.p/{}", latest.size);
        let tile = world.get(format!("/v1/log/tile/{name}")).by(&auditor).open().await;
        assert_eq!(tile.headers()["content-type"], "application/octet-stream");
        let tile = axum::body::to_bytes(tile.into_body(), 10_000).await.expect("bytes");
        let entries = world.get(format!("/v1/log/tile/entries/000.p/{}", latest.size)).by(&auditor).open().await;
        let entries = axum::body::to_bytes(entries.into_body(), 10_000).await.expect("bytes");
        let of_entries: Vec<Hash> = bundle::entries(&entries).expect("whole").into_iter().map(Hash::of_leaf).collect();
        assert_eq!(Tile::read(&tile), Some(of_entries));

        for absent in ["0/001", "0/000", "9/000", "0/0", "nonsense", "0/000.p/0", "entries/x000/000"] {
            let reply = world.get(format!("/v1/log/tile/{absent}")).by(&auditor).send().await;
            assert_eq!(reply.problem(), (404, "tile-not-found"), "{absent}");
        }
        for (wrong, code) in [
            ("inclusion?position=999", (404, "not-sealed")),
            ("inclusion?position=3&size=999", (404, "not-sealed")),
            ("inclusion?position=0", (422, "invalid-query")),
            ("inclusion?position=-1", (422, "invalid-query")),
            ("inclusion?position=1099511627777", (422, "position-of-another-shard")),
            ("inclusion", (422, "invalid-query")),
            ("consistency?from=0", (422, "invalid-query")),
            ("consistency?from=5&to=4", (422, "invalid-query")),
            ("consistency?from=1&to=999", (404, "not-sealed")),
        ] {
            let reply = world.get(format!("/v1/log/proofs/{wrong}")).by(&auditor).send().await;
            assert_eq!(reply.problem(), code, "{wrong}");
        }
        for path in
            ["checkpoint", "key", "tile/0/000", "proofs/inclusion?position=1", "proofs/consistency?from=1", "trail"]
        {
            let reply = world.get(format!("/v1/log/{path}")).by(&mina).send().await;
            assert_eq!(reply.problem(), (403, "role-missing"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_auditor_of_one_tenant_proves_the_events_of_others_without_seeing_them() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let other = world.someone_of("busan", "jun").await;
        seal(world).await;
        let events = get(world, &auditor, "/v1/events").await;
        let ours: Vec<i64> =
            events["events"].as_array().expect("events").iter().filter_map(|it| it["position"].as_i64()).collect();
        let theirs = (1..=10).find(|it| !ours.contains(it)).expect("a position of another");
        let proof = get(world, &auditor, &format!("/v1/log/proofs/inclusion?position={theirs}")).await;
        assert!(proof["record"].is_null() && proof["hashes"].is_array(), "{proof}");
        assert!(!proof.to_string().contains(&other.id.to_string()));
    })
    .await;
}

#[tokio::test]
async fn the_trail_says_who_did_what_to_whom() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let (mina, jun) = (world.someone("mina").await, world.someone("jun").await);
        let request = baeum_testing::new_id();
        world.post("/v1/assessments").by(&mina).header("x-request-id", request.to_string()).send().await;
        world.post("/v1/assessments").by(&jun).send().await;
        let deeds = async |query: String| {
            let trail = get(world, &auditor, &format!("/v1/log/trail?{query}")).await;
            assert_eq!(trail["next_after"], trail["head"]);
            trail["deeds"].as_array().expect("deeds").clone()
        };
        let names = |deeds: &[Value]| -> Vec<String> {
            deeds.iter().filter_map(|it| it["did"].as_str().map(ToOwned::to_owned)).collect()
        };
        let started = ["AssessmentStarted", "ItemAdministered"];
        let by_mina = deeds(format!("actor={}", mina.id)).await;
        assert!(by_mina.iter().all(|it| it["actor"] == json!(mina.id.to_string())));
        assert!(names(&by_mina).ends_with(&started.map(ToOwned::to_owned)));
        // Her own user, and the level test, which names her.
        let to_mina = deeds(format!("subject={}", mina.id)).await;
        assert_eq!(names(&to_mina), ["UserRegistered", "AssessmentStarted", "ItemAdministered"]);
        assert_eq!(to_mina[1]["learner_id"], json!(mina.id.to_string()));
        let of_request = deeds(format!("correlation_id={request}")).await;
        assert_eq!(names(&of_request), started);
        assert!(deeds(format!("correlation_id={request}&actor={}", jun.id)).await.is_empty());
        let page = get(world, &auditor, &format!("/v1/log/trail?correlation_id={request}&limit=1")).await;
        assert_eq!(page["next_after"], of_request[0]["position"]);
        for wrong in ["actor=", "subject=a%00b", "correlation_id=x", "limit=0", "after=-1", "whom=x"] {
            let reply = world.get(format!("/v1/log/trail?{wrong}")).by(&auditor).send().await;
            assert_eq!(reply.problem(), (422, "invalid-query"), "{wrong}");
        }
    })
    .await;
}

/// Appends an event that another one led to, as sagas do.
async fn follow(world: &World, aggregate: &str, cause: &Value) -> Value {
    sqlx::raw_sql(&format!(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events SELECT 'lesson', '{aggregate}', 1, 'LessonStarted', '1', '{{}}', '{{}}', position,
             gen_random_uuid(), 'main', 'saga:test', '{}', '{}', now() FROM head",
        cause["correlation_id"].as_str().expect("an id"),
        cause["event_id"].as_str().expect("an id"),
    ))
    .execute(&world.pool)
    .await
    .expect("appended");
    json!({})
}

#[tokio::test]
async fn the_causes_of_an_event_are_followed_up_and_down() {
    in_a_world(async |world| {
        let auditor = world.someone_with("aud", Role::Auditor).await;
        let mina = world.someone("mina").await;
        let request = baeum_testing::new_id();
        world.post("/v1/assessments").by(&mina).header("x-request-id", request.to_string()).send().await;
        let path = format!("/v1/log/trail?correlation_id={request}");
        let first = get(world, &auditor, &path).await["deeds"][0].clone();
        follow(world, "second", &first).await;
        let second = get(world, &auditor, &path).await["deeds"][2].clone();
        follow(world, "third", &second).await;
        let third = get(world, &auditor, &path).await["deeds"][3].clone();

        let causes = |deed: &Value| format!("/v1/log/events/{}/causes", deed["event_id"].as_str().expect("an id"));
        let positions = |deeds: &Value| -> Vec<Value> {
            deeds.as_array().expect("deeds").iter().map(|it| it["position"].clone()).collect()
        };
        let of_second = get(world, &auditor, &causes(&second)).await;
        assert_eq!(of_second["event"]["position"], second["position"]);
        assert_eq!(positions(&of_second["causes"]), [first["position"].clone()]);
        assert_eq!(positions(&of_second["effects"]), [third["position"].clone()]);
        let of_third = get(world, &auditor, &causes(&third)).await;
        assert_eq!(positions(&of_third["causes"]), [second["position"].clone(), first["position"].clone()]);
        let of_first = get(world, &auditor, &causes(&first)).await;
        assert_eq!(positions(&of_first["effects"]), [second["position"].clone(), third["position"].clone()]);
        assert_eq!((&of_first["truncated"], &of_first["causes"]), (&json!(false), &json!([])));

        let unknown = world.get(format!("/v1/log/events/{request}/causes")).by(&auditor).send().await;
        assert_eq!(unknown.problem(), (404, "event-not-found"));
        let wrong = world.get("/v1/log/events/x/causes").by(&auditor).send().await;
        assert_eq!(wrong.problem(), (422, "invalid-id"));
    })
    .await;
}
