//! A learner's way, and what each query then shows.

use axum::http::Method;
use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{
    ids::{LessonId, UserId},
    level::Skill,
    progress::{
        knowledge_tracing::Tracing,
        progress::{Command as Observe, Evidence},
    },
};
use baeum_eventlog::CommandContext;
use serde_json::{Value, json};

use crate::{
    client::Person,
    world::{World, in_a_world},
};

/// Does what the sagas do after a lesson; gives the position.
async fn processes(world: &World, person: &Person, lesson: &str) -> i64 {
    let (learner_id, lesson_id) = (UserId(person.id), LessonId(lesson.parse().expect("a UUID")));
    let evidence = vec![Evidence { skill: Skill::Writing, focus: None, outcome: 0.75, weight: 1.0 }];
    let source_type = "EvaluationCompleted".to_owned();
    let tracing = Tracing::default();
    let observe = Observe::Observe { learner_id, source_position: 1, source_type, evidence, tracing };
    for command in [
        ProcessCommand::Progress(observe),
        ProcessCommand::GenerateRecommendation { learner_id, lesson_id },
        ProcessCommand::SuggestWatchOptions { learner_id, lesson_id },
    ] {
        let context = CommandContext {
            tenant: "main".into(),
            actor: "saga:test".into(),
            command_id: baeum_testing::new_id(),
            fingerprint: None,
            correlation_id: baeum_testing::new_id(),
            causation_id: baeum_testing::new_id(),
            expected_sequence: None,
        };
        world.commands.dispatch(&context, command).await.expect("done");
    }
    world.commands.log().head().await.expect("a head")
}

#[tokio::test]
async fn how_near_an_answer_is_to_a_reference_is_told_beside_its_score_and_changes_none() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        world.watch(&mina, &lesson).await;
        let path = format!("/v1/lessons/{lesson}");
        let attempt = async |answer: &str| {
            let body = json!({"task_id": "market-w1", "kind": "writing", "answer": answer});
            world.post(format!("{path}/attempts")).by(&mina).json(&body).send().await
        };
        let (other, near) = (attempt("I would sell it.").await, attempt("A pear is what I would take.").await);
        let known = json!({"similarity": 1.0, "reference": 1, "model_id": "test-meaning", "weights_hash": "22"});
        assert_eq!(near.body["verdict"]["meaning"], known, "{near:?}");
        assert_eq!(other.body["verdict"].get("meaning"), Some(&Value::Null));
        assert_eq!(near.body["verdict"]["score"], other.body["verdict"]["score"]);
        let read = world.get(near.header("location")).by(&mina).send().await;
        assert_eq!(read.body["verdict"]["meaning"], known, "{read:?}");
        let shown = world.get(&path).by(&mina).send().await;
        let of = |at: usize| shown.body["attempts"][at]["verdict"]["meaning"].clone();
        assert_eq!([of(0), of(1)], [Value::Null, known], "{shown:?}");
    })
    .await;
}

#[tokio::test]
async fn a_learner_goes_from_registration_to_recommendations() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let (own, consent) = (format!("/v1/learners/{}", mina.id), json!({"policy_version": "2026-01"}));
        let emotion = world.get(format!("{own}/emotion")).by(&mina).send().await;
        assert_eq!((&emotion.body["consent"], emotion.status.as_u16()), (&json!(false), 200));
        assert!(emotion.body["hint"].is_string());
        let change = json!({"display_name": "Min-a", "emotion_care_consent": consent, "daily_goal_minutes": 25});
        let changed = world.ask(Method::PATCH, own.clone()).by(&mina).json(&change).send().await;
        assert_eq!(changed.body["emotion_care_consent"], consent, "{changed:?}");

        let test = world.assess(&mina).await;
        let assessed = world.get(format!("/v1/assessments/{test}")).by(&mina).send().await;
        assert_eq!((&assessed.body["state"], &assessed.body["answered"]), (&json!("assessed"), &json!(3)));
        assert_eq!(assessed.body["report"]["band"], "B1");
        assert_eq!(assessed.body["next_item"], Value::Null);
        let learner = world.get(&own).by(&mina).send().await;
        assert_eq!((&learner.body["level"]["band"], &learner.body["display_name"]), (&json!("B1"), &json!("Min-a")));

        let lesson = world.start_lesson(&mina).await;
        let path = format!("/v1/lessons/{lesson}");
        let fresh = world.get(&path).by(&mina).send().await;
        assert_eq!(fresh.body["plan"]["clips"][0]["title"], "At the Market");
        assert_eq!(fresh.body["plan"]["tasks"][0]["prompt"], "Write what you would buy.");
        assert_eq!(fresh.body["plan"]["tasks"][0]["sample"], Value::Null, "no sample before an attempt");
        world.watch(&mina, &lesson).await;
        let attempt = json!({"task_id": "market-w1", "kind": "writing", "answer": "I would buy apple."});
        let evaluated = world.post(format!("{path}/attempts")).by(&mina).json(&attempt).send().await;
        assert_eq!((evaluated.status.as_u16(), &evaluated.body["passed"]), (201, &json!(true)));
        assert_eq!(evaluated.body["verdict"]["spans"][0]["category"], "article");
        assert_eq!(evaluated.body["verdict"].get("meaning"), Some(&Value::Null), "nothing is said of its meaning");
        let completed = world.post(format!("{path}/complete")).by(&mina).send().await;
        assert_eq!(completed.body["state"], "completed");
        let done = world.get(&path).by(&mina).send().await;
        assert_eq!(done.header("etag"), completed.header("etag"));
        assert_eq!(done.body["attempts"][0]["answer"], "I would buy apple.");
        assert_eq!(done.body["attempts"][0]["verdict"]["score"], 0.75);
        assert_eq!(done.body["plan"]["tasks"][0]["sample"], "I would buy a pear.");
        assert_eq!(done.body["plan"]["tasks"][1]["sample"], Value::Null);
        assert_eq!(done.body["consumed"][0]["repeats"], 2);
        let list = world.get("/v1/lessons").by(&mina).send().await;
        assert_eq!(list.body["lessons"][0]["lesson_id"], lesson);

        let nothing = world.get(format!("{own}/recommendations")).by(&mina).send().await;
        assert_eq!((nothing.status.as_u16(), &nothing.body["titles"]), (200, &json!([])));
        let at = processes(world, &mina, &lesson).await;
        let read = async |what: &str| world.get(format!("{own}/{what}?min_position={at}")).by(&mina).send().await.body;
        let progress = read("progress").await;
        assert_eq!(progress["mastery"][0]["skill"], "writing", "{progress}");
        assert_eq!((&progress["lessons_completed"], &progress["streak"]["current"]), (&json!(1), &json!(1)));
        let recommended = read("recommendations").await;
        let title = &recommended["titles"][0];
        assert_eq!((&title["title"], &title["title_ko"]), (&json!("Pear Street"), &json!("배 거리")));
        assert_eq!(
            title["watch"],
            json!([{"provider": "Haneul+", "offer": "subscription",
                                           "url": "https://haneul.example/pear-street"}])
        );
        assert_eq!(title["reasons"], json!([{"kind": "level", "of": "B1"}]));
        assert_eq!(recommended["clips"][0]["title"], "At the Market");
        let reactions =
            format!("/v1/recommendations/{}/reactions", recommended["recommendation_id"].as_str().expect("an id"));
        let clip = json!({"kind": "clip", "id": recommended["clips"][0]["clip_id"]});
        let finished = json!({"content": clip, "reaction": "finished"});
        let reply = world.post(&reactions).by(&mina).json(&finished).send().await;
        assert_eq!((reply.status.as_u16(), &reply.body["reaction"]), (200, &json!("finished")), "{reply:?}");
        let position = reply.body["position"].as_i64().expect("a position");
        let again = world.post(&reactions).by(&mina).json(&finished).send().await;
        assert_eq!(again.body["position"], position, "it was noted before");
        let other = json!({"content": {"kind": "title", "id": "elsewhere"}, "reaction": "opened"});
        let reply = world.post(&reactions).by(&mina).json(&other).send().await;
        assert_eq!(reply.problem(), (422, "not-recommended"));
        let reply = world.post(&reactions).by(&world.someone("jun").await).json(&finished).send().await;
        assert_eq!(reply.problem(), (403, "not-yours"));
        let nowhere = format!("/v1/recommendations/{}/reactions", mina.id);
        let reply = world.post(nowhere).by(&mina).json(&finished).send().await;
        assert_eq!(reply.problem(), (404, "recommendation-not-found"));
        let strange = json!({"content": clip, "reaction": "loved"});
        assert_eq!(world.post(&reactions).by(&mina).json(&strange).send().await.problem(), (422, "invalid-body"));

        let vector = format!("{own}/vector?min_position={position}");
        let vector = world.get(vector).by(&mina).send().await;
        assert!(
            vector.body["ability"].is_number() && vector.body["mastery"].as_array().is_some_and(|it| it.len() == 4)
        );
        let topics = vector.body["taste"].as_array().expect("a taste");
        assert!(topics.iter().all(|it| it["weight"].as_f64().is_some_and(|weight| weight > 0.0)), "{vector:?}");
        assert_eq!((topics.is_empty(), &vector.body["days"][0]["since_first"]), (false, &json!(0.0)), "{vector:?}");
        let emotion = read("emotion").await;
        assert_eq!((&emotion["consent"], &emotion["estimate"]["state"]), (&json!(true), &json!("confused")));
        assert_eq!(emotion["evidence"][0]["signal"]["kind"], "completed_lesson", "{emotion}");
        let item = format!("/v1/items/item-1/parameters?min_position={at}");
        let item = world.get(item).by(&mina).send().await;
        assert_eq!((&item.body["responses"], &item.body["correct"]), (&json!(1), &json!(0)));

        let withdrawn = json!({"emotion_care_consent": null});
        let reply = world.ask(Method::PATCH, own.clone()).by(&mina).json(&withdrawn).send().await;
        assert_eq!(reply.body["emotion_care_consent"], Value::Null);
        let emotion = world.get(format!("{own}/emotion")).by(&mina).send().await;
        assert_eq!(emotion.body["consent"], false);
    })
    .await;
}

#[tokio::test]
async fn an_item_never_gives_its_answer_away() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let started = world.post("/v1/assessments").by(&mina).send().await;
        let path = started.header("location").to_owned();
        let read = world.get(path).by(&mina).send().await;
        for reply in [&started, &read] {
            let item = reply.body["next_item"].as_object().expect("an item");
            let keys: Vec<&str> = item.keys().map(String::as_str).collect();
            assert_eq!(keys.len(), 5, "{keys:?}");
            for word in ["difficulty", "discrimination", "\"answer\"", "information"] {
                assert!(!reply.text.contains(word), "{word}: {}", reply.text);
            }
        }
        assert_eq!(started.header("etag"), read.header("etag"));
    })
    .await;
}

#[tokio::test]
async fn words_whose_key_was_erased_are_gone_and_the_rest_stays() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        world.watch(&mina, &lesson).await;
        let attempt = json!({"task_id": "market-w1", "kind": "writing", "answer": "I would buy apple."});
        let path = format!("/v1/lessons/{lesson}");
        world.post(format!("{path}/attempts")).by(&mina).json(&attempt).send().await;
        sqlx::query("DELETE FROM subject_keys").execute(&world.pool).await.expect("erased");
        let reply = world.get(&path).by(&mina).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body["attempts"][0]["answer"], Value::Null);
        assert_eq!(reply.body["attempts"][0]["verdict"]["score"], 0.75);
    })
    .await;
}

#[tokio::test]
async fn clips_and_titles_are_shown_without_samples() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        let all = world.get("/v1/clips").by(&mina).send().await;
        assert_eq!(all.body["clips"][0]["clip_id"], "market");
        let none = world.get("/v1/clips?level=A1&topic=food").by(&mina).send().await;
        assert_eq!(none.body["clips"], json!([]));
        let clip = world.get("/v1/clips/market").by(&mina).send().await;
        assert_eq!(clip.body["segments"][1]["gloss"], "두 개에 1달러예요.");
        assert!(clip.body["tasks"][0]["prompt"].is_string() && !clip.text.contains("sample"), "{clip:?}");
        let title = world.get("/v1/titles/pear-street").by(&mina).send().await;
        assert_eq!(title.body["providers"][1]["country"], "US");
    })
    .await;
}
