//! Answering by voice: what comes back, what is kept, and what is refused.

use serde_json::{Value, json};

use crate::{
    client::{Ask, Person},
    world::{World, in_a_world},
};

const TEXT: &str = "Where%20are%20ripe%20pears";

async fn ready(world: &World) -> (Person, String) {
    let mina = world.someone_with_any_name().await;
    world.assess(&mina).await;
    let lesson = world.start_lesson(&mina).await;
    world.watch(&mina, &lesson).await;
    (mina, lesson)
}

fn record<'a>(world: &'a World, person: &Person, lesson: &str, kind: &str, audio: &'static str) -> Ask<'a> {
    world.post(format!("/v1/lessons/{lesson}/attempts/audio?task_id=market-s1")).by(person).text(kind, audio)
}

#[tokio::test]
async fn a_recording_is_judged_and_kept_as_an_attempt_without_the_audio() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        let ask = || {
            record(world, &mina, &lesson, "audio/wav", "RIFF voice")
                .header("baeum-text", TEXT)
                .header("idempotency-key", "r1")
        };
        let reply = ask().send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let spoken = &reply.body["pronunciation"];
        assert_eq!((&spoken["score"], &spoken["model_id"]), (&json!(0.7), &json!("test-speech")));
        assert_eq!((&spoken["words"][0]["start"], &spoken["words"][0]["end"]), (&json!(0), &json!(5)));
        let weak = &spoken["work_on"][0];
        assert_eq!((&weak["sound"], &weak["heard"], &weak["times"]), (&json!("R"), &json!("L"), &json!(4)));
        assert!(weak["hint"].as_str().is_some_and(|hint| hint.contains("tongue")), "{weak}");
        let again = ask().send().await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.body["pronunciation"], *spoken, "the words are opened again");
        let path = format!("/v1/lessons/{lesson}?min_position={}", reply.body["position"]);
        let attempts = world.get(path).by(&mina).send().await.body["attempts"].clone();
        assert_eq!((attempts.as_array().map(Vec::len), &attempts[0]["kind"]), (Some(1), &json!("speaking")));
        assert_eq!(
            (&attempts[0]["answer"], &attempts[0]["duration_ms"]),
            (&json!("Where are ripe pears"), &json!(1500))
        );
        let payloads: Vec<Value> = sqlx::query_scalar("SELECT payload FROM events WHERE aggregate_type = 'lesson'")
            .fetch_all(&world.pool)
            .await
            .expect("the log");
        let log = serde_json::to_string(&payloads).expect("text");
        assert!(log.contains("PronunciationAssessed") && !log.contains("ripe") && !log.contains("voice"), "{log}");
        let receipts: Vec<String> =
            sqlx::query_scalar("SELECT answer::text FROM command_receipts WHERE answer IS NOT NULL")
                .fetch_all(&world.pool)
                .await
                .expect("the stored answers");
        assert!(
            receipts.iter().any(|it| it.contains("test-speech")) && !receipts.iter().any(|it| it.contains("\"said\""))
        );
    })
    .await;
}

#[tokio::test]
async fn without_words_the_sample_is_read_once_it_was_shown() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        let early = record(world, &mina, &lesson, "audio/wav", "RIFF").send().await;
        assert_eq!(early.problem(), (409, "nothing-to-read"));
        let first = record(world, &mina, &lesson, "audio/wav", "RIFF").header("baeum-text", TEXT).send().await;
        assert_eq!((first.status.as_u16(), &first.body["verdict"]["model_id"]), (201, &json!("test")));
        let read = record(world, &mina, &lesson, "audio/flac", "RIFF").send().await;
        assert_eq!((read.status.as_u16(), &read.body["verdict"]["model_id"]), (201, &json!("test-speech")), "{read:?}");
        assert_eq!(read.body["verdict"]["score"], 0.7);
    })
    .await;
}

#[tokio::test]
async fn every_bad_recording_has_its_problem() {
    in_a_world(async |world| {
        let (mina, lesson) = ready(world).await;
        for (kind, audio, text, expected) in [
            ("application/json", "{}", TEXT, (415, "unsupported-audio")),
            ("audio/wav", "no wave", TEXT, (415, "unsupported-audio")),
            ("audio/wav", "", TEXT, (422, "recording-empty")),
            ("audio/wav", "hiss", TEXT, (422, "recording-without-speech")),
            ("audio/wav", "RIFF", "%FF", (400, "invalid-header")),
            ("audio/wav", "RIFF", "%20", (422, "text-empty")),
            ("audio/wav", "RIFF", "too%20short", (422, "answer-too-short")),
            ("audio/wav", "panic", TEXT, (503, "evaluator-failed")),
        ] {
            let reply = record(world, &mina, &lesson, kind, audio).header("baeum-text", text).send().await;
            assert_eq!(reply.problem(), expected, "{kind} {audio} {text}: {reply:?}");
        }
        let large = world.post(format!("/v1/lessons/{lesson}/attempts/audio?task_id=market-s1")).by(&mina);
        let reply = large.text("audio/wav", vec![0; 21 * 1024 * 1024]).send().await;
        assert_eq!((reply.problem(), &reply.body["limit"]), ((413, "body-too-large"), &json!(20 * 1024 * 1024)));
        let of = |task: &str| world.post(format!("/v1/lessons/{lesson}/attempts/audio{task}")).by(&mina);
        let reply = of("").text("audio/wav", "RIFF").send().await;
        assert_eq!(reply.problem(), (422, "invalid-query"));
        let reply = of("?task_id=market-w1").text("audio/wav", "RIFF").header("baeum-text", TEXT).send().await;
        assert_eq!(reply.problem(), (422, "wrong-kind-of-attempt"));
        let jun = world.someone_with_any_name().await;
        let reply = record(world, &jun, &lesson, "audio/wav", "RIFF").header("baeum-text", TEXT).send().await;
        assert_eq!(reply.problem(), (403, "not-yours"));
    })
    .await;
}
