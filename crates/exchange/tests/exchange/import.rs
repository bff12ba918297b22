//! Imports, by what is in the log and the read models afterwards.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use baeum_domain::ids::{Source, UserId};
use baeum_exchange::import::Imported;
use baeum_projections::learning::{imported_attempts, imported_items};
use serde_json::Value;

use crate::support::{World, everything};

const SPEC: &str = r#"
source = "old-lms"
learner = "student"
item = "question"
answer = "text"
key = ["id"]
skill = { column = "area", values = { R = "reading", L = "listening" } }
[time]
column = "at"
format = "%Y-%m-%d %H:%M:%S"
zone = "Europe/Berlin"
[score]
column = "points"
from = 0
to = 10
pass = 6
[duration]
column = "seconds"
unit = "s"
"#;

const HEADER: &str = "id,student,question,at,points,seconds,area,text\n";

fn tally(imported: &Imported) -> [u64; 4] {
    let tally = imported.tally;
    [tally.rows, tally.imported, tally.unchanged, tally.rejected]
}

/// A file of so many good rows.
fn rows(count: u32) -> String {
    let mut text = HEADER.to_owned();
    for row in 0..count {
        let (student, question, second) = (row % 100, row % 37, row % 60);
        let _ =
            writeln!(text, "{row},s{student}@example.org,Q{question},2024-05-17 08:00:{second:02},{},3,R,", row % 11);
    }
    text
}

async fn attempts(world: &World) -> Vec<Value> {
    let events = world.log.read(0, 1_000_000).await.expect("the log");
    events.into_iter().filter_map(|event| event.payload.get("AttemptImported").cloned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_becomes_an_attempt_with_its_own_time_and_without_a_name() {
    let world = World::create().await;
    let row = "7,mina@example.org,Q7,2024-07-01 10:00:00,7.5,12.5,L,\"I has a \"\"dog\"\"\"\n";
    let file = world.write("attempts.csv", format!("{HEADER}{row}"));
    let imported = world.import(SPEC, &file).await.expect("imported");
    assert_eq!((tally(&imported), imported.known), ([1, 1, 0, 0], false));
    let events = world.log.read(0, 10).await.expect("the log");
    let told: Vec<_> =
        events.iter().map(|it| (it.event_type.as_str(), it.actor.as_str(), it.tenant.as_str())).collect();
    let by = |name| (name, "import:old-lms", "main");
    assert_eq!(told, [by("ImportStarted"), by("AttemptImported"), by("ImportCompleted")]);
    assert_eq!(events[1].recorded_at.to_rfc3339(), "2026-03-01T23:50:00+00:00");
    assert_eq!(events[1].correlation_id.to_string(), events[0].aggregate_id);
    let attempt = &attempts(&world).await[0];
    assert_eq!(attempt["attempt_id"], events[1].aggregate_id.as_str());
    assert_eq!(attempt["occurred_at"], "2024-07-01T08:00:00Z");
    assert_eq!((&attempt["score"], &attempt["correct"]), (&0.75.into(), &true.into()));
    assert_eq!((&attempt["duration_ms"], &attempt["words"]), (&12_500.into(), &4.into()));
    assert_eq!((&attempt["skill"], &attempt["item"]), (&"listening".into(), &"Q7".into()));
    let whole: Vec<Value> = events.iter().map(|it| it.payload.clone()).collect();
    let whole = serde_json::to_string(&whole).expect("JSON");
    assert!(!whole.contains("mina") && !whole.contains("dog"), "{whole}");
    assert!(!world.path("rejects.csv").exists(), "there was nothing to reject");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_imported_once_and_its_rows_are_too() {
    let world = World::create().await;
    let file = world.write("attempts.csv", rows(12_000));
    assert_eq!(tally(&world.import(SPEC, &file).await.expect("imported")), [12_000, 12_000, 0, 0]);
    let head = world.head().await;
    let again = world.import(SPEC, &file).await.expect("imported");
    assert_eq!((tally(&again), again.known), ([12_000, 12_000, 0, 0], true));
    let each = world.import_as("main", SPEC, &file, true).await.expect("imported");
    assert_eq!((tally(&each), each.known), ([12_000, 0, 12_000, 0], false));
    assert_eq!(world.head().await, head, "nothing was appended");
    // The same rows in another file with more of them, in another order and form.
    let mut lines: Vec<String> = rows(12_001).lines().skip(1).map(str::to_owned).collect();
    lines.reverse();
    let file = world.write("more.csv", format!("\u{feff}{HEADER}{}\r\n", lines.join("\r\n")));
    assert_eq!(tally(&world.import(SPEC, &file).await.expect("imported")), [12_001, 1, 12_000, 0]);
    let ids: BTreeSet<String> = attempts(&world).await.iter().map(|it| it["attempt_id"].to_string()).collect();
    assert_eq!((ids.len(), attempts(&world).await.len()), (12_001, 12_001));
    let positions: Vec<i64> = world.log.read(0, 100_000).await.expect("the log").iter().map(|it| it.position).collect();
    assert!(positions.iter().copied().eq(1..=world.head().await), "positions are dense");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_goes_on() {
    let world = World::create().await;
    let file = world.write("attempts.csv", rows(12_000));
    let spec = || baeum_exchange::import::Spec::load(&world.write("spec.toml", SPEC), &file).expect("a specification");
    let request = baeum_exchange::import::Request {
        file: file.clone(),
        rejects: world.path("rejects.csv"),
        tenant: "main".to_owned(),
        every_row: false,
    };
    let (told, mut stop) = tokio::sync::mpsc::unbounded_channel();
    let progress = move |_, _| {
        let _ = told.send(());
    };
    let entropy = baeum_testing::TestEntropy::default();
    tokio::select! {
        biased;
        _ = stop.recv() => {}
        _ = baeum_exchange::import::import(&world.log, &entropy, spec(), &request, progress) => panic!("it was to be killed"),
    }
    let done = world.head().await - 1;
    assert!((5_000..12_000).contains(&done), "{done} rows were imported before it was killed");
    let imported = world.import(SPEC, &file).await.expect("imported");
    // A statement that was on its way when it was killed may be in the log too.
    let [rows, new, known, rejected] = tally(&imported);
    assert_eq!((rows, new + known, rejected), (12_000, 12_000, 0));
    assert!(known >= done.unsigned_abs(), "{known} were there");
    assert_eq!(attempts(&world).await.len(), 12_000);
    assert!(world.import(SPEC, &file).await.expect("imported").known);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_row_is_told_with_its_line_and_the_rest_goes_on() {
    let world = World::create().await;
    let cases = [
        ("1,mina,Q1,2024-03-31 02:30:00,5,1,R,", "at: 2024-03-31 02:30:00 was skipped in Europe/Berlin"),
        ("2,mina,Q1,2024-10-27 02:30:00,5,1,R,", "at: 2024-10-27 02:30:00 was there twice in Europe/Berlin"),
        ("3,mina,Q1,31.12.2024,5,1,R,", "at: '31.12.2024' is not a time of the form %Y-%m-%d %H:%M:%S"),
        ("4,mina,Q1,2044-01-01 00:00:00,5,1,R,", "is yet to come: is the time zone right?"),
        ("5,mina,Q1,2024-01-01 00:00:00,11,1,R,", "points: '11' is not a number from 0 to 10"),
        ("6,mina,Q1,2024-01-01 00:00:00,NaN,1,R,", "points: 'NaN' is not a number from 0 to 10"),
        ("7,,Q1,2024-01-01 00:00:00,5,1,R,", "student: the field is empty"),
        (",mina,Q1,2024-01-01 00:00:00,5,1,R,", "id: the field is empty"),
        ("9,mina,Q1,2024-01-01 00:00:00,5,-1,R,", "seconds: '-1' is not a number from 0 on"),
        ("10,mina,Q1,2024-01-01 00:00:00,5,86401,R,", "seconds: '86401' is not a number from 0 on"),
        ("11,mina,Q1,2024-01-01 00:00:00,5,1,X,", "area: 'X' is no skill"),
        ("12,mina,Q1,2024-01-01 00:00:00,5,1", "the row has 6 fields, the header 8"),
        ("13,mina,Q1,2024-01-01 00:00:00,5,,,", ""),
        ("13,mina,Q1,2024-01-01 00:00:00,5,,,", ""),
        ("13,mina,Q1,2024-01-01 00:00:00,6,,,", "a row with the same key and other values"),
    ];
    let lines: Vec<&str> = cases.iter().map(|(line, _)| *line).collect();
    let file = world.write("attempts.csv", format!("{HEADER}{}", lines.join("\n")));
    let imported = world.import(SPEC, &file).await.expect("imported");
    assert_eq!(tally(&imported), [15, 1, 1, 13]);
    let expected: Vec<_> = (2..).zip(cases).filter(|(_, (_, reason))| !reason.is_empty()).collect();
    let rejects = world.rejects();
    assert_eq!(rejects.len(), expected.len(), "{rejects:?}");
    for ((line, told), (expected_line, (_, reason))) in rejects.iter().zip(expected) {
        assert_eq!(*line, expected_line, "{told}");
        assert!(told.contains(reason), "line {line}: '{reason}' is not in '{told}'");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changed_is_rejected_in_a_later_file_too() {
    let world = World::create().await;
    let row = |points| format!("{HEADER}1,mina,Q1,2024-01-01 00:00:00,{points},1,R,\n");
    world.import(SPEC, &world.write("one.csv", row(5))).await.expect("imported");
    let changed = world.import(SPEC, &world.write("two.csv", row(6))).await.expect("imported");
    assert_eq!(tally(&changed), [1, 0, 0, 1]);
    assert!(world.rejects()[0].1.contains("an attempt does not change"));
    assert_eq!(attempts(&world).await[0]["score"], 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn pseudonyms_are_of_the_source_and_the_tenant() {
    let world = World::create().await;
    let file = world.write("attempts.csv", rows(1));
    world.import(SPEC, &file).await.expect("imported");
    world.import_as("busan", SPEC, &file, false).await.expect("imported");
    world.import(&SPEC.replace("old-lms", "other-lms"), &file).await.expect("imported");
    let learners: BTreeSet<String> = attempts(&world).await.iter().map(|it| it["learner_id"].to_string()).collect();
    assert_eq!(learners.len(), 3, "three who have nothing to do with each other");
    let secrets: i64 = sqlx::query_scalar("SELECT count(DISTINCT secret) FROM import_sources")
        .fetch_one(&world.database.pool)
        .await
        .expect("a count");
    assert_eq!(secrets, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_lines_are_imported_by_their_paths() {
    let world = World::create().await;
    let spec = r#"
source = "quiz-app"
learner = "actor.id"
item = "object"
skill = "writing"
[time]
column = "timestamp"
format = "rfc3339"
[correct]
column = "result.success"
yes = ["true"]
no = ["false"]
"#;
    let lines = r#"{"actor": {"id": 7}, "object": "essay", "timestamp": "2024-05-17T09:00:00+09:00", "result": {"success": true}}
{"actor": {"id": 7}, "object": "essay", "timestamp": "2024-05-18T09:00:00+09:00", "result": {"success": "maybe"}}
{"actor": {"id": 8}, "object": "essay"}
nonsense"#;
    let imported = world.import(spec, &world.write("quiz.jsonl", lines)).await.expect("imported");
    assert_eq!(tally(&imported), [4, 1, 0, 3]);
    let attempt = &attempts(&world).await[0];
    assert_eq!((&attempt["score"], &attempt["occurred_at"]), (&1.0.into(), &"2024-05-17T00:00:00Z".into()));
    let reasons: Vec<String> = world.rejects().into_iter().map(|(line, reason)| format!("{line} {reason}")).collect();
    assert_eq!(reasons[0], "2 result.success: 'maybe' is neither among `yes` nor among `no`");
    assert_eq!(reasons[1], "3 timestamp: the field is empty");
    assert!(reasons[2].starts_with("4 the line is no JSON: "), "{reasons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_the_specification_says_is_refused_before_anything_is_written() {
    let world = World::create().await;
    let refused = async |spec: &str, file: PathBuf| {
        world.import(spec, &file).await.map(drop).expect_err("it is refused").to_string()
    };
    let missing = refused(SPEC, world.write("a.csv", "id,student\n")).await;
    assert!(missing.ends_with("there is no column 'question': there are id, student"), "{missing}");
    let nowhere = refused(SPEC, world.path("nowhere.csv")).await;
    assert!(nowhere.contains("nowhere.csv cannot be read"), "{nowhere}");
    let wrong = refused(&SPEC.replace("pass = 6", "pass = 60"), world.write("b.csv", rows(1))).await;
    assert!(wrong.contains("spec.toml: score: `from` must be less than `to`"), "{wrong}");
    let itself = refused(SPEC, world.write("rejects.csv", rows(1))).await;
    assert!(itself.contains("the rejects would overwrite"), "{itself}");
    assert_eq!(fs::read_to_string(world.path("rejects.csv")).expect("it is there"), rows(1));
    assert_eq!(world.head().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_attempts_are_in_the_read_models_and_in_exports() {
    let world = World::create().await;
    let file = world.write("attempts.csv", rows(1_000));
    world.import(SPEC, &file).await.expect("imported");
    world.project().await;
    let learner: UserId = attempts(&world).await[0]["learner_id"].as_str().expect("an id").parse().expect("an id");
    let found = imported_attempts::of_learner(&world.database.pool, learner, 100).await.expect("a database");
    assert_eq!(found.len(), 10);
    let source: Source = "old-lms".parse().expect("a source");
    let items = imported_items::of_source(&world.database.pool, "main", &source, "", 100).await.expect("a database");
    assert_eq!((items.len(), items.iter().map(|it| it.attempts).sum::<i64>()), (37, 1_000));
    let manifest = world.export(&everything()).await.expect("exported").manifest;
    let exported: u64 =
        manifest.events.files.iter().filter(|it| it.event_type == "AttemptImported").map(|it| it.rows).sum();
    assert_eq!(exported, 1_000);
    let table = manifest.models.iter().find(|it| it.table == "imported_attempts").expect("a table");
    assert_eq!(table.rows, 1_000);
}
