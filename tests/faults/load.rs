//! Learners at work: register, sit the level test, take lessons, one learner after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fastrand::Rng;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{sync::RwLock, task::JoinSet};

use crate::{
    ledger::{Kind, Ledger},
    person::{Person, WentAway},
};

/// One in so many failed requests makes a client go away and leave its command to its fate.
const FICKLE: u32 = 8;

/// Clients at work. Nobody has a command under way while the gate is held.
pub(crate) struct Load {
    clients: JoinSet<()>,
    gate: Arc<RwLock<()>>,
    stop: Arc<AtomicBool>,
}

struct Client {
    number: usize,
    bases: Vec<String>,
    ledger: Arc<Ledger>,
    gate: Arc<RwLock<()>>,
    stop: Arc<AtomicBool>,
    rng: Rng,
    think: Duration,
}

impl Load {
    /// Starts `clients` who share the servers at `bases` and think for `think` on average between two commands.
    pub(crate) fn start(
        clients: usize,
        bases: &[String],
        ledger: &Arc<Ledger>,
        rng: &mut Rng,
        think: Duration,
        family: &str,
    ) -> Self {
        let mut load = Self { clients: JoinSet::new(), gate: Arc::default(), stop: Arc::default() };
        for number in 0..clients {
            let mut client = Client {
                number,
                bases: bases.to_vec(),
                ledger: ledger.clone(),
                gate: load.gate.clone(),
                stop: load.stop.clone(),
                rng: rng.fork(),
                think,
            };
            let family = family.to_owned();
            load.clients.spawn(async move {
                for generation in 0.. {
                    let name = format!("{family}-{}-{generation}", client.number);
                    let _ = client.live(&name).await;
                    if client.stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        load
    }

    /// Holds the clients between two commands, each of them answered or given up.
    pub(crate) fn gate(&self) -> Arc<RwLock<()>> {
        self.gate.clone()
    }

    /// Ends the load after the commands that are under way.
    pub(crate) async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client did not panic");
        }
    }
}

impl Client {
    /// A learner's way, until its end, the client's going away, or the end of the load.
    async fn live(&mut self, name: &str) -> Result<(), WentAway> {
        let base = self.rng.choice(&self.bases).expect("there are servers").clone();
        let mut learner = {
            let _open = self.gate.read().await;
            Person::register(&base, self.ledger.clone(), name, self.rng.fork(), FICKLE).await?
        };
        let change = json!({ "daily_goal_minutes": 20, "emotion_care_consent": { "policy_version": "2026-01" } });
        let path = format!("/v1/learners/{}", learner.id);
        self.send(&mut learner, Kind::Profile, (Method::PATCH, &path), "profile", change).await?;
        self.sit_the_test(&mut learner).await?;
        for number in 0..self.rng.usize(1..=3) {
            self.take_a_lesson(&mut learner, number).await?;
        }
        Ok(())
    }

    async fn sit_the_test(&mut self, learner: &mut Person) -> Result<(), WentAway> {
        let path = "/v1/assessments".to_owned();
        let mut sitting = self.send(learner, Kind::StartTest, (Method::POST, &path), "test", json!({})).await?;
        let path = format!("{path}/{}/responses", text(&sitting, "assessment_id"));
        while let Some(item) = sitting["next_item"]["id"].as_str().map(ToOwned::to_owned) {
            let response = json!({ "item_id": item, "choice": self.rng.u32(0..3), "response_ms": 5_000 });
            let key = format!("respond-{item}");
            sitting = self.send(learner, Kind::Respond, (Method::POST, &path), &key, response).await?;
        }
        Ok(())
    }

    async fn take_a_lesson(&mut self, learner: &mut Person, number: usize) -> Result<(), WentAway> {
        let (start, key) = ("/v1/lessons".to_owned(), format!("lesson-{number}"));
        let lesson = self.send(learner, Kind::StartLesson, (Method::POST, &start), &key, json!({})).await?;
        let path = format!("{start}/{}", text(&lesson, "lesson_id"));
        for clip in lesson["plan"]["clips"].as_array().into_iter().flatten() {
            let mut viewing = json!({ "clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"] });
            if self.rng.bool() && clip["segments"].as_u64().unwrap_or(0) > 0 {
                viewing["repeats"] = json!([{ "segment": 0, "times": 2 }]);
            }
            let (path, key) = (format!("{path}/clips"), format!("{key}-{}", text(clip, "clip_id")));
            self.send(learner, Kind::Watch, (Method::POST, &path), &key, viewing).await?;
        }
        for task in lesson["plan"]["tasks"].as_array().into_iter().flatten() {
            let answer = ["I think that this is a good answer."; 12].join(" ");
            let attempt = json!({ "task_id": task["task_id"], "kind": task["kind"], "answer": answer });
            let (path, key) = (format!("{path}/attempts"), format!("{key}-{}", text(task, "task_id")));
            self.send(learner, Kind::Attempt, (Method::POST, &path), &key, attempt).await?;
        }
        let (path, key) = (format!("{path}/complete"), format!("{key}-complete"));
        self.send(learner, Kind::Complete, (Method::POST, &path), &key, json!({})).await?;
        Ok(())
    }

    async fn send(
        &mut self,
        learner: &mut Person,
        kind: Kind,
        (method, path): (Method, &str),
        key: &str,
        body: Value,
    ) -> Result<Value, WentAway> {
        tokio::time::sleep(self.think * self.rng.u32(50..150) / 100).await;
        if self.stop.load(Ordering::Relaxed) {
            return Err(WentAway);
        }
        let _open = self.gate.read().await;
        learner.command(kind, method, path, key, body).await
    }
}

fn text(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer:#}")).to_owned()
}
