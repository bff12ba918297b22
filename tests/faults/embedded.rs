//! The embedded server is killed while learners work: nothing that was answered is lost, nothing happens twice.

use std::collections::BTreeMap;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Platform, all_events, eventually};

const LEARNERS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_of_work_loses_and_doubles_nothing_embedded() {
    let mut platform = Platform::embedded();
    let work = start_work(&platform);
    for _ in 0..3 {
        pause().await;
        platform.kill_and_restart(0);
    }
    check(&mut platform, work).await;
}

/// Long enough for some commands, short enough to hit the middle of others.
async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
}

type Work = tokio::task::JoinHandle<Vec<Vec<Value>>>;

fn start_work(platform: &Platform) -> Work {
    let client = platform.client();
    tokio::spawn(async move { join_all((0..LEARNERS).map(|number| learn(client.clone(), number))).await })
}

/// A learner's way with a key for each command; every acknowledgement that was received.
async fn learn(client: Client, number: usize) -> Vec<Value> {
    let (learner, _) = client.learner(&format!("learner-{number}")).await;
    let mut acknowledged = vec![];
    let mut command = async |path: String, body: Value| {
        let key = format!("{}-{}", path.replace('/', "."), acknowledged.len());
        let answer = eventually("the level of the learner is known", || async {
            let answer = learner.insist(Method::POST, &path, &key, body.clone()).await;
            // A server that was killed right after the level test leaves the level to its saga.
            let no_level = answer.body["type"].as_str().is_some_and(|it| it.ends_with("/no-level"));
            (!no_level).then_some(answer)
        })
        .await;
        assert!(answer.status.is_success(), "{path}: {:#}", answer.body);
        acknowledged.push(answer.body.clone());
        answer.body
    };
    let mut sitting = command("/v1/assessments".into(), json!({})).await;
    let assessment = sitting["assessment_id"].as_str().expect("an id").to_owned();
    while let Some(item) = sitting["next_item"]["id"].as_str() {
        let response = json!({ "item_id": item, "choice": number % 3, "response_ms": 5_000 });
        sitting = command(format!("/v1/assessments/{assessment}/responses"), response).await;
    }
    for _ in 0..2 {
        let lesson = command("/v1/lessons".into(), json!({})).await;
        let path = format!("/v1/lessons/{}", lesson["lesson_id"].as_str().expect("an id"));
        for clip in lesson["plan"]["clips"].as_array().expect("clips") {
            let viewing = json!({ "clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"] });
            command(format!("{path}/clips"), viewing).await;
        }
        for task in lesson["plan"]["tasks"].as_array().expect("tasks") {
            let words = ["I think that this is a good answer."; 8].join(" ");
            let attempt = json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": words });
            command(format!("{path}/attempts"), attempt).await;
        }
        command(format!("{path}/complete"), json!({})).await;
    }
    acknowledged
}

async fn check(platform: &mut Platform, work: Work) {
    let acknowledged: Vec<Value> = work.await.expect("every learner got through").concat();
    let admin = platform.admin().await;
    let lessons = LEARNERS * 2;
    eventually("every completed lesson has led to where to watch", || async {
        let found = admin.get("/v1/events?type=OttContentSuggested&limit=1000").await.expect(200);
        (found["events"].as_array()?.len() >= lessons).then_some(())
    })
    .await;
    let evaluated = acknowledged.iter().filter(|it| it["attempt_id"].is_string()).count();
    eventually("every evaluation has moved progress", || async {
        let found = admin.get("/v1/events?type=ProgressUpdated&limit=1000").await.expect(200);
        (found["events"].as_array()?.len() >= evaluated + LEARNERS).then_some(())
    })
    .await;
    let events = all_events(&admin).await;
    let by_position: BTreeMap<i64, &Value> =
        events.iter().map(|event| (event["position"].as_i64().expect("a position"), event)).collect();
    assert!(by_position.keys().copied().eq(1..=i64::try_from(events.len()).expect("few")), "positions have gaps");
    for answer in &acknowledged {
        let position = answer["position"].as_i64().expect("a position");
        assert!(by_position.contains_key(&position), "an answered command is not in the log: {answer}");
        if let Some(attempt) = answer["attempt_id"].as_str() {
            let kept = &by_position[&position]["data"];
            assert_eq!(kept["attempt_id"], attempt, "another event stands where the answer said");
        }
    }
    let count = |name: &str| events.iter().filter(|event| event["type"] == name).count();
    let exactly_once = [
        ("UserRegistered", LEARNERS + 1),
        ("LevelAssessed", LEARNERS),
        ("CurriculumAssigned", LEARNERS),
        ("LessonStarted", lessons),
        ("CurriculumLessonPlanned", lessons),
        ("EvaluationCompleted", evaluated),
        ("ProgressUpdated", evaluated + LEARNERS),
        ("LessonCompleted", lessons),
        ("RecommendationGenerated", lessons),
        ("OttContentSuggested", lessons),
    ];
    for (name, expected) in exactly_once {
        assert_eq!(count(name), expected, "{name} did not happen as often as it should");
    }
    eventually("every read model is at the head", || async {
        let status = admin.get("/v1/projections").await.expect(200);
        let all = status["projections"].as_array()?.clone();
        all.iter().all(|it| it["state"] == "live" && it["lag"] == 0).then_some(())
    })
    .await;
    platform.verify_read_models();
    platform.stop();
}
