//! A learner's whole journey over HTTP, in both modes: every event of the chain and every read model.

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Client, Platform, all_events, eventually};

const CHAIN: [&str; 9] = [
    "UserRegistered",
    "LevelAssessed",
    "LessonStarted",
    "ShortClipConsumed",
    "EvaluationCompleted",
    "ProgressUpdated",
    "LessonCompleted",
    "RecommendationGenerated",
    "OttContentSuggested",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_goes_the_whole_way_embedded() {
    let mut platform = Platform::embedded();
    journey(&platform).await;
    platform.verify_read_models();
    platform.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_learner_goes_the_whole_way_with_a_process_for_each_role() {
    let mut platform = Platform::production().await;
    journey(&platform).await;
    platform.verify_read_models();
    platform.stop();
    platform.remove_stream().await;
}

async fn journey(platform: &Platform) {
    let (learner, id) = platform.client().learner("mina").await;
    set_up(&learner, &id).await;
    let sitting = assess(&learner).await;
    let lesson = study(&learner, &id).await;
    check_progress(&learner, &id).await;
    check_emotion(&learner, &id).await;
    check_recommendations(&learner, &id, &lesson).await;
    check_inbox(&learner).await;
    let admin = platform.admin().await;
    check_item_parameters(&admin, &sitting).await;
    check_log(&admin, &id).await;
    eventually("every read model is at the head", || async {
        let projections = admin.get("/v1/projections").await.expect(200);
        let all = projections["projections"].as_array()?.clone();
        (all.len() >= 15 && all.iter().all(|it| it["state"] == "live" && it["lag"] == 0)).then_some(())
    })
    .await;
}

async fn set_up(learner: &Client, id: &str) {
    let path = format!("/v1/learners/{id}");
    let change = json!({ "daily_goal_minutes": 20, "emotion_care_consent": { "policy_version": "2026-01" } });
    let changed = learner.patch(&path, change).await;
    let version = changed.headers["etag"].to_str().expect("a version").to_owned();
    changed.expect(200);
    let read = learner.get(&path).await;
    assert_eq!(read.headers["etag"], version.as_str());
    let profile = read.expect(200);
    assert_eq!(profile["daily_goal_minutes"], 20);
    assert_eq!(profile["display_name"], "Mina");
}

async fn assess(learner: &Client) -> Value {
    let mut sitting = learner.post("/v1/assessments", json!({})).await.expect(201);
    let id = sitting["assessment_id"].as_str().expect("an id").to_owned();
    let mut asked = vec![];
    while let Some(item) = sitting["next_item"]["id"].as_str().map(ToOwned::to_owned) {
        let shown = sitting["next_item"].as_object().expect("an item");
        for secret in ["answer", "difficulty", "discrimination"] {
            assert!(!shown.contains_key(secret), "the item shows its {secret}");
        }
        assert!(!asked.contains(&item), "item {item} is asked twice");
        let choice = asked.len() % 3;
        asked.push(item.clone());
        let response = json!({ "item_id": item, "choice": choice, "response_ms": 9_000 });
        sitting = learner.post(&format!("/v1/assessments/{id}/responses"), response).await.expect(200);
    }
    assert!((8..=24).contains(&asked.len()), "{} items", asked.len());
    let report = &sitting["report"];
    assert!(report["ability"]["standard_error"].as_f64().is_some_and(|it| it > 0.0 && it < 1.0), "{report:#}");
    assert!(report["band"].is_string() && report["skills"].as_array().is_some_and(|it| it.len() == 4), "{report:#}");
    let read = learner.get(&format!("/v1/assessments/{id}")).await.expect(200);
    assert_eq!((&read["state"], &read["report"]), (&json!("assessed"), report));
    json!({ "items": asked, "report": report })
}

/// Studies one lesson to its end; its id.
async fn study(learner: &Client, learner_id: &str) -> String {
    let started = learner.post("/v1/lessons", json!({})).await;
    assert!(started.headers["location"].to_str().is_ok_and(|it| it.starts_with("/v1/lessons/")));
    let lesson = started.expect(201);
    let id = lesson["lesson_id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/lessons/{id}");
    for clip in lesson["plan"]["clips"].as_array().expect("clips") {
        let shown = learner.get(&format!("/v1/clips/{}", clip["clip_id"].as_str().expect("an id"))).await.expect(200);
        assert!(shown["segments"].as_array().is_some_and(|it| it.len() >= 5));
        let viewing = json!({
            "clip_id": clip["clip_id"],
            "watched_ms": clip["duration_ms"],
            "speed_percent": 100,
            "repeats": [{ "segment": 1, "times": 2 }],
        });
        learner.post(&format!("{path}/clips"), viewing).await.expect(200);
    }
    let text = "Yesterday I have go to a old market with my friend and we buyed many fruits. It was really fun, and I want \
                to go there again because the people was very kind to us and the food was so delicious for me.";
    for task in lesson["plan"]["tasks"].as_array().expect("tasks") {
        let attempt =
            json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": text, "duration_ms": 45_000 });
        let evaluated = learner.post(&format!("{path}/attempts"), attempt).await.expect(201);
        let verdict = &evaluated["verdict"];
        assert!(verdict["score"].as_f64().is_some_and(|it| (0.0..=1.0).contains(&it)), "{verdict:#}");
        assert!(verdict["weights_hash"].as_str().is_some_and(|it| it.len() == 64), "{verdict:#}");
        assert_eq!(verdict.get("meaning"), Some(&Value::Null), "without a model of meaning nothing is said of it");
        assert!(!verdict["spans"].as_array().expect("spans").is_empty(), "nothing is found wrong with: {text}");
        // A real learner reads the verdict before going on; what the verdict says of their progress is then there.
        let position = evaluated["position"].as_i64().expect("a position");
        eventually("the verdict moves the learner's progress", || async {
            let progress = learner.get(&format!("/v1/learners/{learner_id}/progress")).await.expect(200);
            progress["history"].as_array()?.iter().any(|it| it["position"].as_i64() > Some(position)).then_some(())
        })
        .await;
    }
    let completed = learner.post(&format!("{path}/complete"), json!({})).await.expect(200);
    assert_eq!(completed["state"], "completed");
    let read = learner.get(&path).await.expect(200);
    assert_eq!(read["state"], "completed", "{read:#}");
    let attempts = read["attempts"].as_array().expect("attempts");
    assert!(attempts.iter().all(|it| it["answer"] == text), "the learner reads their own answers: {read:#}");
    id
}

async fn check_progress(learner: &Client, id: &str) {
    let progress = learner.get(&format!("/v1/learners/{id}/progress")).await.expect(200);
    assert_eq!(progress["lessons_completed"], 1, "{progress:#}");
    assert_eq!(progress["streak"]["current"], 1, "{progress:#}");
    assert!(progress["active_ms"].as_i64() > Some(60_000), "{progress:#}");
    let mastery = progress["mastery"].as_array().expect("a list");
    assert!(mastery.len() == 4 && mastery.iter().all(|it| it["mastery"].as_f64() > Some(0.0)), "{progress:#}");
    assert!(progress["levels"].as_array().is_some_and(|it| it.len() == 1), "{progress:#}");
}

async fn check_emotion(learner: &Client, id: &str) {
    let path = format!("/v1/learners/{id}/emotion");
    let emotion = learner.get(&path).await.expect(200);
    let estimate = &emotion["estimate"];
    let states = ["engaged", "confused", "frustrated", "bored"];
    assert!(states.contains(&estimate["state"].as_str().unwrap_or_default()), "{emotion:#}");
    assert!(estimate["confidence"].as_f64() > Some(0.25), "{emotion:#}");
    assert!(estimate["message"].as_str().is_some_and(|it| !it.is_empty()), "{emotion:#}");
    assert!(emotion["evidence"].as_array().is_some_and(|it| !it.is_empty()), "{emotion:#}");
    let withdrawn = json!({ "emotion_care_consent": null });
    learner.patch(&format!("/v1/learners/{id}"), withdrawn).await.expect(200);
    let without = learner.get(&path).await.expect(200);
    assert_eq!((&without["consent"], &without["estimate"]), (&json!(false), &Value::Null));
}

async fn check_recommendations(learner: &Client, id: &str, lesson: &str) {
    let found = eventually("the lesson leads to a recommendation and where to watch it", || async {
        let found = learner.get(&format!("/v1/learners/{id}/recommendations")).await.expect(200);
        (found["lesson_id"] == lesson && found["country"] == "KR").then_some(found)
    })
    .await;
    let titles = found["titles"].as_array().expect("titles");
    assert!(titles.len() >= 3 && titles[0]["title_ko"].is_string(), "{found:#}");
    assert!(titles.iter().any(|it| it["watch"].as_array().is_some_and(|it| !it.is_empty())), "{found:#}");
    assert!(!found["clips"].as_array().expect("clips").is_empty(), "{found:#}");
}

/// The learner is told of level and lesson in the inbox, in their language, reads, and is told no more of what they turned off.
async fn check_inbox(learner: &Client) {
    let inbox = eventually("the inbox tells of the level and the lesson", || async {
        let inbox = learner.get("/v1/notifications").await.expect(200);
        (inbox["notifications"].as_array()?.len() == 2).then_some(inbox)
    })
    .await;
    assert_eq!(inbox["unread"], 2);
    let (lesson, level) = (&inbox["notifications"][0], &inbox["notifications"][1]);
    assert_eq!((&lesson["template"], &level["template"]), (&json!("lesson_completed"), &json!("level_assessed")));
    let text = lesson["text"].as_str().expect("a text");
    assert!(text.starts_with("Mina님, 수고하셨어요!") && !text.contains('{'), "{text}");
    let path = format!("/v1/notifications/{}/read", level["notification_id"].as_str().expect("an id"));
    learner.post(&path, json!({})).await.expect(200);
    let unread = learner.get("/v1/notifications?unread=true").await.expect(200);
    assert_eq!((&unread["unread"], unread["notifications"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    let preferences = json!({ "channels": { "lessons": [] }, "quiet_hours": null });
    let request = learner.request(Method::PUT, "/v1/notifications/preferences").json(&preferences);
    let set = support::send(request).await.expect("an answer").expect(200);
    assert_eq!(set["channels"]["lessons"], json!([]));
}

async fn check_item_parameters(reader: &Client, sitting: &Value) {
    for item in sitting["items"].as_array().expect("items") {
        let path = format!("/v1/items/{}/parameters", item.as_str().expect("an id"));
        let parameters = reader.get(&path).await.expect(200);
        assert_eq!(parameters["responses"], 1, "{parameters:#}");
        let (now, prior) = (&parameters["difficulty"]["estimate"], &parameters["difficulty"]["prior"]);
        assert_ne!(now, prior, "{parameters:#}");
        assert!(parameters["difficulty"]["standard_error"].as_f64() > Some(0.0), "{parameters:#}");
    }
}

async fn check_log(auditor: &Client, learner: &str) {
    let events = all_events(auditor).await;
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event["position"], expected, "positions have a gap");
    }
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let of_learner = |event: &&Value| event["data"]["learner_id"] == learner || event["data"]["user_id"] == learner;
    // The level test moves progress too; in the chain it is the evaluation that does.
    let of_chain =
        |event: &&Value| event["type"] != "ProgressUpdated" || event["data"]["source_type"] == "EvaluationCompleted";
    let mut last = 0;
    for name in CHAIN {
        let mut found = events.iter().filter(|event| event["type"] == name).filter(of_learner).filter(of_chain);
        let first = found.next().unwrap_or_else(|| panic!("no {name} among {types:?}"));
        let position = first["position"].as_i64().expect("a position");
        assert!(position > last, "{name} stands at {position}, before what it follows from at {last}: {types:?}");
        last = position;
    }
    let text = serde_json::to_string(&events).expect("text");
    for personal in ["mina@example.org", "Mina", "old market"] {
        assert!(!text.contains(personal), "the log holds '{personal}' in clear");
    }
    let page = auditor.get("/v1/events?type=LessonCompleted&limit=10").await.expect(200);
    assert_eq!(page["events"].as_array().map(Vec::len), Some(1));
    let refused = auditor.request(Method::DELETE, "/v1/events");
    assert_eq!(support::send(refused).await.expect("an answer").problem(405), "method-not-allowed");
}
