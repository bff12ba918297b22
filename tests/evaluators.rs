//! Evaluators that are slow, overrun or killed: every attempt that was taken in has its verdict in the end, and only one.

mod support;

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::{Value, json};
use support::{Client, Platform, all_events, command, eventually};
use tempfile::TempDir;

/// The places of the process that answers HTTP and of that which runs the sagas among those of a platform.
const API: usize = 0;
const PROCESS: usize = 3;

/// A lesson whose clips were watched: its path, and what answers each of its tasks.
struct Lesson {
    path: String,
    attempts: Vec<Value>,
}

async fn open_lesson(learner: &Client) -> Lesson {
    let lesson = learner.post("/v1/lessons", json!({})).await.expect(201);
    let path = format!("/v1/lessons/{}", lesson["lesson_id"].as_str().expect("an id"));
    for clip in lesson["plan"]["clips"].as_array().expect("clips") {
        let viewing = json!({ "clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"] });
        learner.post(&format!("{path}/clips"), viewing).await.expect(200);
    }
    // As long as no model reads in a millisecond.
    let answer = ["Yesterday my friend have give me a old umbrella, because the rain was starting."; 12].join(" ");
    let tasks = lesson["plan"]["tasks"].as_array().expect("tasks");
    let attempt = |task: &Value| json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": answer });
    Lesson { path, attempts: tasks.iter().map(attempt).collect() }
}

async fn learner(platform: &Platform) -> Client {
    let (learner, _) = platform.client().learner("mina").await;
    let mut sitting = learner.post("/v1/assessments", json!({})).await.expect(201);
    let id = sitting["assessment_id"].as_str().expect("an id").to_owned();
    while let Some(item) = sitting["next_item"]["id"].as_str().map(ToOwned::to_owned) {
        let response = json!({ "item_id": item, "choice": 0, "response_ms": 9_000 });
        sitting = learner.post(&format!("/v1/assessments/{id}/responses"), response).await.expect(200);
    }
    learner
}

/// How often each attempt of the log is in events of each type.
async fn attempts(admin: &Client) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut attempts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for event in all_events(admin).await {
        if let Some(attempt) = event["data"]["attempt_id"].as_str().filter(|_| event["aggregate_type"] == "lesson") {
            let kind = event["type"].as_str().expect("a type").to_owned();
            *attempts.entry(attempt.to_owned()).or_default().entry(kind).or_default() += 1;
        }
    }
    attempts
}

async fn evaluated(admin: &Client) -> usize {
    attempts(admin).await.values().filter(|it| it.contains_key("EvaluationCompleted")).count()
}

/// Waits until every attempt has its verdict, and checks that each has one and was submitted once.
async fn all_have_one_verdict(admin: &Client, submitted: usize) {
    eventually("every attempt has its verdict", || async { (evaluated(admin).await == submitted).then_some(()) }).await;
    let attempts = attempts(admin).await;
    assert_eq!(attempts.len(), submitted, "none was lost");
    for (attempt, events) in attempts {
        let count = |kind: &str| events.get(kind).copied().unwrap_or(0);
        assert_eq!((count("AttemptSubmitted"), count("EvaluationCompleted")), (1, 1), "{attempt}: {events:?}");
        assert!(count("EvaluationDeferred") <= 1, "{attempt}: {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_a_slow_evaluator_left_waiting_are_evaluated_though_what_evaluates_them_is_killed() {
    let mut platform = Platform::production_with(&[("BAEUM_EVALUATOR_PATIENCE_MS", "1")]).await;
    let mina = learner(&platform).await;
    let lesson = open_lesson(&mina).await;
    let admin = platform.admin().await;
    platform.processes[PROCESS].kill();
    let mut places = vec![];
    for attempt in lesson.attempts.iter().chain(&lesson.attempts) {
        let taken = mina.post(&format!("{}/attempts", lesson.path), attempt.clone()).await;
        places.push(taken.headers["location"].to_str().expect("a path").to_owned());
        let body = taken.expect(202);
        assert_eq!(
            (&body["status"], &body["reason"], &body["verdict"]),
            (&json!("pending"), &json!("late"), &Value::Null)
        );
    }
    let early = mina.post(&format!("{}/complete", lesson.path), json!({})).await;
    assert_eq!(early.problem(409), "evaluation-pending");
    assert_eq!(evaluated(&admin).await, 0);
    platform.restart(PROCESS);
    // Each time that some have their verdict, whoever evaluates the others is killed.
    for at_least in 1..=places.len().min(3) {
        eventually("some are evaluated", || async { (evaluated(&admin).await >= at_least).then_some(()) }).await;
        platform.kill_and_restart(PROCESS);
    }
    all_have_one_verdict(&admin, places.len()).await;
    for place in places {
        let shown = eventually("the attempt shows its verdict", || async {
            let shown = mina.get(&place).await.expect(200);
            (shown["status"] == "evaluated").then_some(shown)
        })
        .await;
        assert!(shown["verdict"]["score"].is_number() && shown["reason"].is_null(), "{shown:#}");
    }
    mina.post(&format!("{}/complete", lesson.path), json!({})).await.expect(200);
    platform.verify_read_models();
    platform.stop();
    platform.remove_stream().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_for_which_the_queue_has_no_room_are_taken_in_and_evaluated_later() {
    let narrow =
        [("BAEUM_EVALUATOR_PATIENCE_MS", "20000"), ("BAEUM_EVALUATOR_THREADS", "1"), ("BAEUM_EVALUATOR_QUEUE", "1")];
    let mut platform = Platform::production_with(&narrow).await;
    let mina = learner(&platform).await;
    let lessons = join_all((0..24).map(|_| open_lesson(&mina))).await;
    let submit = async |lesson: &Lesson| {
        let attempt = lesson.attempts[0].clone();
        mina.post(&format!("{}/attempts", lesson.path), attempt).await
    };
    let taken = join_all(lessons.iter().map(submit)).await;
    let (mut given, mut waiting) = (0, 0);
    for answer in taken {
        if answer.status == 201 {
            given += 1;
        } else {
            assert_eq!(answer.expect(202)["reason"], "overloaded");
            waiting += 1;
        }
    }
    assert!(given > 0 && waiting > 0, "{given} verdicts were given at once, {waiting} attempts wait");
    let admin = platform.admin().await;
    all_have_one_verdict(&admin, lessons.len()).await;
    platform.verify_read_models();
    platform.stop();
    platform.remove_stream().await;
}

/// A folder with one model: the build's own detector under another name.
fn folder_of(model_id: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let of_model = folder.path().join("again");
    std::fs::create_dir(&of_model).expect("a folder");
    let mut manifest: Value =
        serde_json::from_str(include_str!("../crates/ml/weights/error-detector.json")).expect("JSON");
    manifest["kind"] = json!("error-detector");
    manifest["model_id"] = json!(model_id);
    std::fs::write(of_model.join("manifest.json"), manifest.to_string()).expect("a manifest");
    let weights = include_bytes!("../crates/ml/weights/error-detector.safetensors");
    std::fs::write(of_model.join("weights.safetensors"), weights).expect("weights");
    folder
}

/// What a model in the shadow has said of each attempt, and how often.
async fn shadowed(admin: &Client) -> BTreeMap<String, Vec<Value>> {
    let mut shadowed: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for event in all_events(admin).await.into_iter().filter(|it| it["type"] == "ShadowEvaluated") {
        let attempt = event["data"]["attempt_id"].as_str().expect("an id").to_owned();
        shadowed.entry(attempt).or_default().push(event["data"].clone());
    }
    shadowed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_a_folder_is_asked_in_the_shadow_then_promoted_and_taken_back_on_the_command_line() {
    let models = folder_of("again-1");
    let folder = models.path().to_str().expect("a path in UTF-8");
    let mut platform = Platform::production_with(&[("BAEUM_EVALUATORS", folder)]).await;
    let listed = platform.run(&["models", "list"]);
    let of_folder = listed.lines().find(|it| it.starts_with("again-1 ")).expect("the model of the folder");
    let hash = of_folder.split(' ').nth(1).expect("a hash").to_owned();
    let admin = platform.admin().await;
    let shadow = json!({ "model": { "model_id": "again-1", "weights_hash": hash } });
    admin.post("/v1/evaluators/shadow", shadow).await.expect(200);
    let mina = learner(&platform).await;
    let lesson = open_lesson(&mina).await;
    let written = lesson.attempts.iter().find(|it| it["kind"] == "writing").expect("a writing task");
    let mut shown = BTreeMap::new();
    for _ in 0..4 {
        let taken = mina.post(&format!("{}/attempts", lesson.path), written.clone()).await.expect(201);
        assert_ne!(taken["verdict"]["model_id"], "again-1", "what is in the shadow is not shown");
        shown.insert(taken["attempt_id"].as_str().expect("an id").to_owned(), taken["verdict"]["score"].clone());
        platform.kill_and_restart(PROCESS);
    }
    let shadowed = eventually("the shadow was asked about each", || async {
        let shadowed = shadowed(&admin).await;
        (shadowed.len() == shown.len()).then_some(shadowed)
    })
    .await;
    for (attempt, said) in shadowed {
        assert_eq!(said.len(), 1, "{attempt} was asked about once: {said:#?}");
        assert_eq!(said[0]["verdict"]["model_id"], "again-1");
        // The same weights say the same.
        assert_eq!((&said[0]["verdict"]["score"], &said[0]["shown"]["score"]), (&shown[&attempt], &shown[&attempt]));
    }
    assert!(platform.run(&["models", "promote", "again-1"]).contains("again-1 answers, recorded at "));
    assert!(platform.run(&["models", "list"]).contains("tenant main: again-1 answers; experiment -; shadow again-1"));
    // Whoever starts knows at once which model answers, others within a second.
    platform.kill_and_restart(API);
    let answer = async || {
        let taken = mina.post(&format!("{}/attempts", lesson.path), written.clone()).await.expect(201);
        taken["verdict"]["model_id"].as_str().expect("a model").to_owned()
    };
    assert_eq!(answer().await, "again-1");
    let elsewhere = command(&platform.environment).env_remove("BAEUM_EVALUATORS").args(["models", "list"]).output();
    let told = String::from_utf8(elsewhere.expect("it runs").stdout).expect("a text");
    assert!(told.contains("again-1 answers (not installed here: baeum-error-detector-1 stands in)"), "{told}");
    platform.run(&["models", "rollback", "--reason", "a trial"]);
    platform.kill_and_restart(API);
    assert_ne!(answer().await, "again-1");
    let refused = command(&platform.environment).args(["models", "promote", "again-2"]).output().expect("it runs");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.starts_with("error: no model, or more than one, is 'again-2'"), "{told}");
    platform.verify_read_models();
    platform.stop();
    platform.remove_stream().await;
}
