//! Read models of the past over HTTP: what a query answered then is what it answers now with `as_of`, byte for byte.

mod support;

use std::collections::BTreeMap;

use baeum_testing::TestDatabase;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Client, Platform, eventually, send};

/// A learner's queries, by their paths, with the answers at a position.
type Answers = BTreeMap<String, (u16, String)>;

/// How many random moments are asked for: `BAEUM_MOMENTS=1000` for many.
fn moments() -> usize {
    std::env::var("BAEUM_MOMENTS").ok().and_then(|it| it.parse().ok()).unwrap_or(60)
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// A learner who lives through lessons and tests, and what every query answered after each command.
struct Life {
    learner: Client,
    admin: Client,
    id: String,
    /// Paths of lessons and tests so far.
    paths: Vec<String>,
    /// What was answered at each position at which nothing was under way.
    answers: BTreeMap<i64, Answers>,
}

async fn text(client: &Client, path: &str) -> (u16, String, Option<i64>) {
    let answer = client.request(Method::GET, path).send().await.expect("an answer");
    let of = answer.headers().get("baeum-as-of").and_then(|it| it.to_str().ok()?.parse().ok());
    (answer.status().as_u16(), answer.text().await.expect("a body"), of)
}

impl Life {
    async fn begin(platform: &Platform, name: &str) -> Self {
        let (learner, id) = platform.client().learner(name).await;
        let admin = platform.admin().await;
        let mut life = Self { learner, admin, id, paths: vec![], answers: BTreeMap::new() };
        life.note().await;
        life
    }

    fn queries(&self) -> Vec<String> {
        let id = &self.id;
        let of_learner = ["", "/progress", "/vector", "/emotion", "/recommendations"];
        let mut paths: Vec<String> = of_learner.iter().map(|it| format!("/v1/learners/{id}{it}")).collect();
        paths.extend(["/v1/lessons".to_owned(), "/v1/lessons?limit=1".to_owned()]);
        paths.extend(self.paths.iter().cloned());
        paths
    }

    /// Notes what every query answers at one position: while the live models are there, and the log is no further.
    async fn note(&mut self) {
        let (position, answers) = eventually("every read model is at the head, and stays there", || async {
            let position = head(&self.admin).await;
            let models = self.admin.get("/v1/projections").await.expect(200);
            if !models["projections"].as_array()?.iter().all(|it| it["position"].as_i64() == Some(position)) {
                return None;
            }
            let mut answers = Answers::new();
            for path in self.queries() {
                let (status, body, of) = text(&self.learner, &path).await;
                assert_eq!(of, None, "a live answer is of no moment: {path}");
                answers.insert(path, (status, body));
            }
            // Processes may have done something meanwhile: then these answers are of no one position.
            (head(&self.admin).await == position).then_some((position, answers))
        })
        .await;
        self.answers.insert(position, answers);
    }

    async fn command(&mut self, method: Method, path: &str, body: Value) -> Value {
        let request = self.learner.request(method, path).json(&body);
        let answer = send(request).await.expect("an answer");
        assert!(answer.status.is_success(), "{path}: {:#}", answer.body);
        let body = answer.body;
        self.note().await;
        body
    }

    async fn assess(&mut self) {
        let mut test = self.command(Method::POST, "/v1/assessments", json!({})).await;
        let path = format!("/v1/assessments/{}", test["assessment_id"].as_str().expect("an id"));
        self.paths.push(path.clone());
        let mut answered = 0;
        while let Some(item) = test["next_item"]["id"].as_str().map(ToOwned::to_owned) {
            let answer = json!({"item_id": item, "choice": 1, "response_ms": 4000});
            answered += 1;
            let respond = format!("{path}/responses");
            // Noting every one of some twenty answers tells little more than noting some.
            if answered % 5 == 0 {
                test = self.command(Method::POST, &respond, answer).await;
            } else {
                test = self.learner.post(&respond, answer).await.expect(200);
            }
        }
        self.note().await;
    }

    async fn study(&mut self, completes: bool) {
        let plan = self.command(Method::POST, "/v1/lessons", json!({})).await;
        let lesson = format!("/v1/lessons/{}", plan["lesson_id"].as_str().expect("an id"));
        self.paths.push(lesson.clone());
        for clip in plan["plan"]["clips"].as_array().expect("clips") {
            let viewing = json!({"clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"]});
            self.command(Method::POST, &format!("{lesson}/clips"), viewing).await;
        }
        if !completes {
            self.command(Method::POST, &format!("{lesson}/abandon"), json!({})).await;
            return;
        }
        for task in plan["plan"]["tasks"].as_array().expect("tasks") {
            let attempt = json!({
                "task_id": task["task_id"], "kind": task["kind"], "duration_ms": 9000,
                "answer": "She have a old dog. Yesterday we goed to the park with my freind and he was very happy.",
            });
            self.command(Method::POST, &format!("{lesson}/attempts"), attempt).await;
        }
        self.command(Method::POST, &format!("{lesson}/complete"), json!({})).await;
    }
}

async fn head(admin: &Client) -> i64 {
    admin.get("/v1/projections").await.expect(200)["projections"][0]["head"].as_i64().expect("a head")
}

async fn live_and_look_back(platform: &Platform) {
    let mut life = Life::begin(platform, "mina").await;
    let learner = format!("/v1/learners/{}", life.id);
    let consent = json!({"daily_goal_minutes": 20, "emotion_care_consent": {"policy_version": "2026-01"}});
    life.command(Method::PATCH, &learner, consent).await;
    life.assess().await;
    life.study(true).await;
    life.study(false).await;
    life.command(Method::PATCH, &learner, json!({"daily_goal_minutes": 45})).await;
    life.study(true).await;
    assert!(life.answers.len() >= 15, "{} moments", life.answers.len());

    let positions: Vec<i64> = life.answers.keys().copied().collect();
    let mut dice = Dice(7);
    let mut compared = 0;
    for _ in 0..moments() {
        let position = positions[dice.roll(positions.len())];
        let answers = &life.answers[&position];
        let (path, (status, body)) = answers.iter().nth(dice.roll(answers.len())).expect("an answer");
        let joint = if path.contains('?') { '&' } else { '?' };
        let (status_then, body_then, of) = text(&life.learner, &format!("{path}{joint}as_of={position}")).await;
        assert_eq!((status_then, &body_then), (*status, body), "{path} as of {position}");
        if status_then == 200 {
            assert_eq!(of, Some(position), "{path}");
        }
        compared += 1;
    }
    eprintln!("{compared} answers about {} moments of the past are what was answered then", positions.len());

    // A withdrawn consent leaves nothing derived, of the past neither; what says that there was none stays.
    let emotion = format!("{learner}/emotion");
    let first = positions[0];
    let last = positions[positions.len() - 1];
    life.command(Method::PATCH, &learner, json!({ "emotion_care_consent": null })).await;
    let refused = life.learner.get(&format!("{emotion}?as_of={last}")).await;
    assert_eq!(refused.problem(403), "consent-withdrawn");
    assert_eq!(life.learner.get(&format!("{emotion}?as_of={first}")).await.expect(200)["consent"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_past_is_what_was_answered_then() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let mut platform = Platform::on(database, &url, None);
    live_and_look_back(&platform).await;
    platform.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_that_cannot_be_is_a_problem_that_says_why() {
    let platform = Platform::embedded();
    let (learner, id) = platform.client().learner("mina").await;
    let admin = platform.admin().await;
    let path = format!("/v1/learners/{id}");
    let ask = async |as_of: &str| learner.get(&format!("{path}?as_of={as_of}")).await;
    for malformed in ["", "noon", "-1", "2026-03-01", "2026-03-01T12:00:00", "1.5"] {
        let answer = ask(malformed).await;
        assert!(answer.body["detail"].as_str().is_some_and(|it| it.starts_with("as_of: ")), "{:#}", answer.body);
        assert_eq!(answer.problem(422), "invalid-query", "{malformed}");
    }
    assert_eq!(ask("1&min_position=1").await.problem(422), "invalid-query");
    assert_eq!(ask("2999-01-01T00:00:00Z").await.problem(422), "position-in-the-future");
    let future = ask("1000000").await;
    assert!(future.body["head"].as_i64().is_some_and(|it| it > 0), "{:#}", future.body);
    assert_eq!(future.problem(422), "position-in-the-future");
    assert_eq!(ask("1099511627777").await.problem(422), "position-of-another-shard");
    // Before the first event there was nobody.
    assert_eq!(ask("0").await.problem(404), "user-not-found");
    assert_eq!(ask("1971-01-01T00:00:00Z").await.problem(404), "user-not-found");
    let head = head(&admin).await;
    assert_eq!(ask(&head.to_string()).await.expect(200)["user_id"], json!(id));
    // Others are as far away in the past as at present.
    let (other, _) = platform.client().learner("jun").await;
    assert_eq!(other.get(&format!("{path}?as_of={head}")).await.problem(403), "not-yours");
    let item = platform.admin().await.get("/v1/items/x/parameters?as_of=1").await;
    assert_eq!(item.problem(422), "invalid-query");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_imported_has_a_past_too() {
    let database = TestDatabase::create().await;
    let url = database.url();
    let mut platform = Platform::on(database, &url, None);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let spec = "source = \"old-lms\"\nlearner = \"student\"\nitem = \"question\"\n[time]\ncolumn = \"at\"\n\
                format = \"unix_seconds\"\n[correct]\ncolumn = \"right\"\nyes = [\"y\"]\nno = [\"n\"]\n";
    std::fs::write(path("spec.toml"), spec).expect("written");
    let admin = platform.admin().await;
    let mut then = vec![];
    for (number, row) in ["mina,Q1,1715960521,y", "mina,Q2,1715960621,n"].iter().enumerate() {
        let file = path(&format!("{number}.csv"));
        std::fs::write(&file, format!("student,question,at,right\n{row}\n")).expect("written");
        platform.run(&["import", &file, "--spec", &path("spec.toml")]);
        let events = support::all_events(&admin).await;
        let attempt = events.iter().rfind(|it| it["type"] == "AttemptImported").expect("an attempt");
        let learner = attempt["data"]["learner_id"].as_str().expect("an id").to_owned();
        let position = attempt["position"].as_i64().expect("a position");
        let query = format!("/v1/imported-learners/{learner}");
        let (status, body, _) = text(&admin, &format!("{query}?min_position={position}")).await;
        assert_eq!(status, 200, "{body}");
        then.push((query, position, body));
    }
    assert_eq!(then[0].0, then[1].0, "one student, one pseudonym");
    assert_ne!(then[0].2, then[1].2);
    for (query, position, body) in &then {
        let shown = text(&admin, &format!("{query}?as_of={position}")).await;
        assert_eq!(shown, (200, body.clone(), Some(*position)));
    }
    let latest: Value = serde_json::from_str(&then[1].2).expect("JSON");
    assert_eq!(
        (&latest["attempts"], &latest["mean_score"], &latest["latest"][0]["item"]),
        (&json!(2), &json!(0.5), &json!("Q2"))
    );
    let nobody = format!("/v1/imported-learners/{}", baeum_testing::new_id());
    assert_eq!(admin.get(&nobody).await.problem(404), "imported-learner-not-found");
    let (learner, _) = platform.client().learner("mina").await;
    assert_eq!(learner.get(&then[0].0).await.problem(403), "role-missing");
    platform.stop();
}
