//! `baeum replay`, `baeum sandbox` and `baeum query` as whoever analyses the log uses them.

mod support;

use std::process::{Output, Stdio};

use baeum_testing::TestDatabase;
use serde_json::{Value, json};
use support::{Client, Platform, command, eventually};

/// A platform on which a learner has completed lessons, whose read models stand still at the head of the log.
struct Past {
    platform: Platform,
    learner: String,
    head: i64,
}

impl Past {
    async fn make() -> Self {
        let database = TestDatabase::create().await;
        let url = database.url();
        let mut platform = Platform::on(database, &url, None);
        let (learner, id) = platform.client().learner("mina").await;
        let mut test = learner.post("/v1/assessments", json!({})).await.expect(201);
        let path = format!("/v1/assessments/{}/responses", test["assessment_id"].as_str().expect("an id"));
        while let Some(item) = test["next_item"]["id"].as_str().map(ToOwned::to_owned) {
            test = learner.post(&path, json!({"item_id": item, "choice": 1})).await.expect(200);
        }
        for _ in 0..2 {
            study(&learner, &id).await;
        }
        let card = eventually("there is a card to review", || async {
            learner.get("/v1/reviews").await.expect(200)["queue"][0]["card_id"].as_str().map(ToOwned::to_owned)
        })
        .await;
        learner.post(&format!("/v1/reviews/{card}/answers"), json!({"rating": "good"})).await.expect(200);
        let admin = platform.admin().await;
        let head = eventually("every read model is at the head", || async {
            let models = admin.get("/v1/projections").await.expect(200)["projections"].clone();
            let models = models.as_array()?.clone();
            models.iter().all(|it| it["position"] == it["head"]).then(|| models[0]["head"].as_i64())?
        })
        .await;
        platform.stop();
        // What a process has done last is seen by the read models when they go on: here they stand still.
        let head = head.max(last_position(&platform));
        Self { platform, learner: id, head }
    }

    fn run(&self, arguments: &[&str]) -> String {
        self.platform.run(arguments)
    }

    /// What a subcommand that is refused says: one line.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{arguments:?} was not refused: {stderr}");
        assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
        stderr
    }

    fn output(&self, arguments: &[&str]) -> Output {
        command(&self.platform.environment).args(arguments).output().expect("the binary runs")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(arguments)).expect("JSON")
    }

    async fn execute(&self, sql: &str) {
        let pool = &self.platform.database.as_ref().expect("a database").pool;
        sqlx::query(sql).execute(pool).await.expect("the statement is good");
    }

    /// Every row of a table, as bytes that are the same for the same rows.
    async fn bytes(&self, table: &str) -> String {
        let pool = &self.platform.database.as_ref().expect("a database").pool;
        let sql = format!("SELECT coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '') FROM {table} t");
        sqlx::query_scalar(&sql).fetch_one(pool).await.expect("a text")
    }

    async fn number(&self, sql: &str) -> Option<i64> {
        let pool = &self.platform.database.as_ref().expect("a database").pool;
        sqlx::query_scalar(sql).fetch_one(pool).await.expect("a number")
    }
}

fn last_position(platform: &Platform) -> i64 {
    let list = platform.run(&["projections"]);
    let head = list.lines().next().and_then(|line| line.split(" of ").nth(1)?.split(',').next()?.parse().ok());
    head.expect("a head")
}

async fn study(learner: &Client, id: &str) {
    let plan = eventually("a lesson can be made", || async {
        let answer = learner.post("/v1/lessons", json!({})).await;
        (answer.status == 201).then_some(answer.body)
    })
    .await;
    let lesson = format!("/v1/lessons/{}", plan["lesson_id"].as_str().expect("an id"));
    for clip in plan["plan"]["clips"].as_array().expect("clips") {
        let viewing = json!({"clip_id": clip["clip_id"], "watched_ms": clip["duration_ms"]});
        learner.post(&format!("{lesson}/clips"), viewing).await.expect(200);
    }
    for task in plan["plan"]["tasks"].as_array().expect("tasks") {
        let attempt = json!({
            "task_id": task["task_id"], "kind": task["kind"], "duration_ms": 9000,
            "answer": "She have a old dog. Yesterday we goed to the park with my freind and he was very happy.",
        });
        learner.post(&format!("{lesson}/attempts"), attempt).await.expect(201);
    }
    learner.post(&format!("{lesson}/complete"), json!({})).await.expect(200);
    let lesson_id = plan["lesson_id"].clone();
    eventually("it is recommended what to watch", || async {
        let shown = learner.get(&format!("/v1/learners/{id}/recommendations")).await.expect(200);
        (shown["lesson_id"] == lesson_id && shown["country"] == "KR").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_replays_compares_and_asks_what_if() {
    let past = Past::make().await;
    let head = past.head.to_string();

    // Into a schema of its own, up to now and up to an earlier moment.
    let said = past.run(&["replay", "--projection", "progress", "--into", "trial"]);
    assert!(
        said.contains(&format!("replayed into 'trial' up to position {head}")) && said.contains("events/s"),
        "{said}"
    );
    let again = past.run(&["replay", "progress", "--into", "trial"]);
    assert!(again.contains("already"), "{again}");
    past.run(&["replay", "all", "--into", "early", "--to", "20"]);
    let listed = past.run(&["sandbox", "list"]);
    assert!(listed.contains(&format!("trial: progress (version 2) at position {head}")), "{listed}");
    assert!(listed.contains("early: learners (version 1) at position 20"), "{listed}");

    // Equal, until a row is changed by hand.
    let equal = past.json(&["replay", "progress", "--into", "trial", "--diff", "live", "--json"]);
    assert!(equal["tables"].as_array().expect("tables").iter().all(|it| it["changed"] == 0), "{equal:#}");
    past.execute("UPDATE progress SET active_ms = 7").await;
    let diff = past.json(&["replay", "progress", "--into", "trial", "--diff", "live", "--json"]);
    let table = diff["tables"].as_array().expect("tables").iter().find(|it| it["table"] == "progress").expect("it");
    assert_eq!((&table["changed"], &table["columns"]), (&json!(1), &json!({"active_ms": 1})), "{diff:#}");
    assert_eq!(table["rows"][0]["key"]["learner_id"], past.learner);
    assert_eq!(table["rows"][0]["columns"][0]["before"], 7);
    let shown = past.run(&["replay", "progress", "--into", "trial", "--diff", "live"]);
    assert!(shown.contains(&format!("learner_id {}: active_ms 7 → ", past.learner)), "{shown}");
    past.run(&["replay", "progress", "--into", "other", "--workers", "1"]);
    let between = past.run(&["replay", "progress", "--into", "trial", "--diff", "other"]);
    assert!(between.contains("progress: 1 rows, equal"), "{between}");

    // What a query shows of an earlier moment is what was replayed up to there.
    let then = past.json(&["query", "learner", "--learner", &past.learner, "--as-of", "20"]);
    assert_eq!(then["as_of"]["position"], 20);
    let level = past.number("SELECT count(level) FROM early.learners").await;
    assert_eq!(level, Some(0), "nobody is assessed so early");
    assert_eq!(then["value"]["level"], Value::Null);
    let now = past.json(&["query", "learner", "--learner", &past.learner]);
    assert!(now["value"]["level"].is_string(), "{now:#}");
    let lessons = past.json(&["query", "lessons", "--learner", &past.learner, "--as-of", &head]);
    assert_eq!(lessons["value"].as_array().map(Vec::len), Some(2), "{lessons:#}");
    let lesson = lessons["value"][0]["lesson_id"].as_str().expect("an id").to_owned();
    past.json(&["query", "lesson", "--id", &lesson, "--as-of", &head]);

    // What would have been recommended.
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let present = past.json(&["replay", "--what-if", &file("same.toml", ""), "--json"]);
    assert_eq!((&present["recommendations"], &present["reproduced"]), (&json!(2), &json!(2)), "{present:#}");
    assert_eq!((&present["changed"], &present["titles_kept"]), (&json!(0), &json!(1.0)), "{present:#}");
    let few = file("few.toml", "[recommender]\nlevel = 0.0\nweaknesses = 0.0\ninterests = 1.0\ntitles = 2\n");
    let tried = past.json(&["replay", "--what-if", &few, "--json"]);
    assert_eq!((&tried["reproduced"], &tried["changed"]), (&json!(2), &json!(2)), "{tried:#}");
    assert_eq!(tried["examples"][0]["tried"]["titles"].as_array().map(Vec::len), Some(2), "{tried:#}");
    let shown = past.run(&["replay", "--what-if", &few, "--limit", "1"]);
    assert!(shown.contains("what if: 2 would have been others") && shown.contains("… and 1 more"), "{shown}");
    let before = past.json(&["replay", "--what-if", &few, "--to", "20", "--json"]);
    assert_eq!(before["recommendations"], 0);
    let wrong = past.refused(&["replay", "--what-if", &file("sum.toml", "[recommender]\nlevel = 0.9\n")]);
    assert!(wrong.contains("must add up to 1"), "{wrong}");
    let wrong = past.refused(&["replay", "--what-if", &file("word.toml", "[recommender]\nlevl = 0.9\n")]);
    assert!(wrong.contains("unknown field `levl`"), "{wrong}");

    // The live read models were read only, but for what was changed by hand.
    let verified = past.output(&["replay", "all", "--verify"]);
    assert!(String::from_utf8_lossy(&verified.stderr).contains("'progress' is not what the log says"));
    past.run(&["replay", "progress"]);
    past.run(&["replay", "all", "--verify"]);
    for sandbox in ["trial", "early", "other"] {
        past.run(&["sandbox", "drop", sandbox]);
    }
    assert_eq!(past.run(&["sandbox", "list"]), "");
    let left = past.number("SELECT count(*) FROM pg_namespace WHERE nspname IN ('trial', 'early', 'other')").await;
    assert_eq!(left, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_is_refused_with_a_word_on_why() {
    let past = Past::make().await;
    past.execute("CREATE SCHEMA accounts").await;
    let into = |schema: &str| past.refused(&["replay", "progress", "--into", schema]);
    for (schema, why) in [
        ("public", "is reserved"),
        ("pg_catalog", "is reserved"),
        ("information_schema", "is reserved"),
        ("rebuild_progress", "is reserved"),
        ("March", "lower-case"),
        ("a b", "lower-case"),
        ("accounts", "is no sandbox"),
    ] {
        let said = into(schema);
        assert!(said.contains(why), "{schema}: {said}");
    }
    let said = past.refused(&["sandbox", "drop", "accounts"]);
    assert!(said.contains("is no sandbox"), "{said}");
    let said = past.refused(&["sandbox", "drop", "nobody"]);
    assert!(said.contains("there is no sandbox 'nobody'"), "{said}");
    let said = past.refused(&["replay", "nonsense", "--into", "trial"]);
    assert!(said.contains("there is no read model 'nonsense'"), "{said}");
    let said = past.refused(&["replay", "progress", "--to", "5"]);
    assert!(said.contains("--into"), "{said}");
    let said = past.refused(&["replay", "progress", "--into", "trial", "--to", "1000000"]);
    assert!(said.contains("past the head"), "{said}");
    let said = past.refused(&["replay", "progress", "--into", "trial", "--to", "2999-01-01T00:00:00Z"]);
    assert!(said.contains("still to come"), "{said}");
    let said = past.refused(&["replay", "progress", "--into", "trial", "--to", "5", "--diff", "live"]);
    assert!(said.contains("--to"), "{said}");
    past.run(&["replay", "progress", "--into", "trial", "--to", "9"]);
    let said = past.refused(&["replay", "progress", "--into", "trial", "--to", "5"]);
    assert!(said.contains("--from-scratch"), "{said}");
    let said = past.refused(&["replay", "progress", "--into", "trial", "--diff", "nobody"]);
    assert!(said.contains("there is no sandbox 'nobody'"), "{said}");
    let nobody = "00000000-0000-0000-0000-000000000000";
    let said = past.refused(&["query", "progress", "--learner", nobody, "--as-of", "9"]);
    assert!(said.contains("there is no progress"), "{said}");
    let said = past.refused(&["query", "lesson", "--learner", nobody]);
    assert!(said.contains("--id"), "{said}");
    let said = past.refused(&["query", "progress", "--learner", nobody, "--as-of", "noon"]);
    assert!(said.contains("no moment"), "{said}");
    assert_eq!(
        past.number(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'accounts'"
        )
        .await,
        Some(0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_killed_is_gone_on_with() {
    let past = Past::make().await;
    past.run(&["replay", "lessons", "--into", "whole"]);
    // However far each one comes before it is killed, what stands is whole, and the last one ends it.
    for _ in 0..3 {
        let mut child = command(&past.platform.environment)
            .args(["replay", "lessons", "--into", "trial", "--workers", "2"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        eventually("it has begun, or is done", || async {
            let begun = past.number("SELECT count(*) FROM rebuilds WHERE name = 'trial/lessons'").await;
            (begun > Some(0)).then_some(())
        })
        .await;
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    // The lease of a process that was killed ends by itself; until then the next one waits.
    past.run(&["replay", "lessons", "--into", "trial"]);
    let diff = past.json(&["replay", "lessons", "--into", "trial", "--diff", "whole", "--json"]);
    for table in diff["tables"].as_array().expect("tables") {
        let differ = ["changed", "only_before", "only_after"].map(|it| table[it].as_i64().expect("a number"));
        assert_eq!(differ, [0, 0, 0], "{diff:#}");
        assert!(table["rows_after"].as_i64() > Some(0), "{diff:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_replayed_twice_gives_the_same_bytes_of_what_was_estimated() {
    let past = Past::make().await;
    // `replay` loads no evaluator and no scheduler: what they said is in the events.
    for (model, tables) in [
        ("item_parameters", vec!["item_parameters"]),
        ("abilities", vec!["abilities"]),
        ("progress", vec!["progress_skills", "progress_history"]),
        ("cards", vec!["cards"]),
    ] {
        past.run(&["replay", model, "--into", "once"]);
        past.run(&["replay", model, "--into", "twice", "--workers", "1"]);
        for table in tables {
            let live = past.bytes(&format!("public.{table}")).await;
            assert!(!live.is_empty(), "{table} has no rows");
            assert_eq!(past.bytes(&format!("once.{table}")).await, live, "{table}");
            assert_eq!(past.bytes(&format!("twice.{table}")).await, live, "{table}");
        }
    }
    let reviewed = past.number("SELECT count(*) FROM once.cards WHERE reviews = 1 AND stability > 0").await;
    assert_eq!(reviewed, Some(1));
    let said = past.refused(&["calibrate"]);
    assert!(said.contains("the answers of the log do not make a calibration"), "{said}");
    let said = past.refused(&["reviews", "optimize", "--learner", "00000000-0000-0000-0000-000000000000"]);
    assert!(said.contains("has no cards"), "{said}");
    assert!(past.run(&["reviews", "optimize"]).contains("nobody has 100 reviews yet"));
}
