//! Benchmarks run to their end and tell what they promise: shape only, no figure is asserted.

use std::{collections::BTreeSet, process::Command};

use baeum_testing::nats_url;
use serde_json::Value;

/// Every field of a line, in order.
const FIELDS: [&str; 13] = [
    "bench",
    "subject",
    "clients",
    "per_second",
    "events_per_second",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "peer",
    "ratio",
    "rss_mb",
    "cores",
];

fn run(arguments: &[&str]) -> (String, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rows.json");
    let database = std::env::var("DATABASE_URL").unwrap_or_else(|_| "postgres://root@127.0.0.1/postgres".into());
    let output = Command::new(env!("CARGO_BIN_EXE_baeum-bench"))
        .args(arguments)
        .arg("--json")
        .arg(&file)
        .env("DATABASE_URL", database)
        .env("NATS_URL", nats_url())
        .env_remove("MESSAGE_DB_DIR")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = std::fs::read_to_string(&file).expect("written");
    let rows = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (String::from_utf8(output.stdout).expect("text"), rows)
}

#[test]
fn loads_are_measured_beside_stock_and_told_as_a_table_and_as_lines() {
    let (table, rows) = run(&["load", "--seconds", "0.2"]);
    assert_eq!(table.lines().filter(|line| line.starts_with("| load |")).count(), rows.len(), "{table}");
    assert!(table.contains("fsync=") && table.contains("load average"), "conditions are missing: {table}");
    for row in &rows {
        let fields: BTreeSet<&str> = row.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, FIELDS.into(), "{row}");
        assert!(row["per_second"].as_f64().expect("a number") > 0.0, "{row}");
        let stock = row["subject"].as_str().expect("text").starts_with("cqrs-es");
        assert_eq!(row["ratio"].is_null(), stock, "{row}");
    }
}

#[test]
fn every_query_of_the_log_is_told_with_its_plan() {
    let (text, rows) = run(&["growth", "--plans", "--smallest", "--seconds", "0.2"]);
    assert!(!rows.is_empty());
    for telling in [
        "| append",
        "| load |",
        "| read by position",
        "| relay |",
        "| a command sent again",
        "Insert on events",
        "events_position_key",
    ] {
        assert!(text.contains(telling), "'{telling}' is missing: {text}");
    }
    let plans: Vec<&str> = text.lines().filter(|line| line.contains("FROM events")).collect();
    assert!(plans.iter().all(|line| line.contains("Index") && !line.contains("Seq Scan on events")), "{text}");
}

#[test]
fn exports_and_imports_are_measured_beside_copy() {
    for (bench, arguments) in [("export", ["--events", "2000"]), ("import", ["--rows", "2000"])] {
        let (table, rows) = run(&[&[bench][..], &arguments].concat());
        assert_eq!(rows.len(), 3, "{table}");
        for row in &rows {
            assert_eq!(row["bench"], bench);
            assert!(row["events_per_second"].as_f64().expect("a number") > 0.0, "{row}");
            let copy = row["subject"].as_str().expect("text").contains("COPY");
            assert_eq!(row["ratio"].is_null(), copy, "{row}");
        }
    }
}
