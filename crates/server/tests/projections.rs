//! `baeum projections`, as an operator meets it.

use std::process::{Command, Output};

use baeum_testing::TestDatabase;
use sqlx::PgPool;

/// The binary on this database, with nothing of Baeum in its environment.
fn baeum(database: &TestDatabase, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.env("DATABASE_URL", database.url()).env("USER", "mina").env("BAEUM_LOG_LEVEL", "error");
    command.arg("projections").args(args).output().expect("the binary runs")
}

/// What it prints when all is well.
fn tells(database: &TestDatabase, args: &[&str]) -> String {
    let output = baeum(database, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn refuses(database: &TestDatabase, args: &[&str]) -> String {
    let output = baeum(database, args);
    assert!(!output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// As a worker leaves them behind.
async fn park(pool: &PgPool, key: &str, position: i64) {
    sqlx::query("INSERT INTO parked_streams VALUES ('learners', $1, $2, 'a reason', 3, now())")
        .bind(key)
        .bind(position)
        .execute(pool)
        .await
        .expect("a stream");
    sqlx::query("INSERT INTO parked_events VALUES ('learners', $2, $1)")
        .bind(key)
        .bind(position + 1)
        .execute(pool)
        .await
        .expect("an event that waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_streams_are_listed_retried_and_skipped_and_the_deeds_are_recorded() {
    let database = TestDatabase::create().await;
    park(&database.pool, "jun", 7).await;
    park(&database.pool, "mina", 9).await;
    let all = tells(&database, &[]);
    assert!(all.contains("learners at 0 of 0, live, 0 processes, 2 streams parked with 4 events"), "{all}");
    assert_eq!(all, tells(&database, &["list"]));
    let parked = tells(&database, &["parked", "learners"]);
    assert_eq!(
        parked,
        "jun at 7, tried 3 times, 1 events wait: a reason\nmina at 9, tried 3 times, 1 events wait: a reason\n"
    );

    assert!(tells(&database, &["retry", "learners", "all"]).starts_with("recorded at 1: learners tries again: jun\n"));
    tells(&database, &["skip", "learners", "jun", "--reason", "left by a test"]);
    let deeds: Vec<(String, String)> = sqlx::query_as("SELECT event_type, actor FROM events ORDER BY global_position")
        .fetch_all(&database.pool)
        .await
        .expect("the log");
    let expected = ["ParkedStreamRetried", "ParkedStreamRetried", "ParkedEventSkipped"];
    assert_eq!(deeds, expected.map(|it| (it.to_owned(), "operator:mina".to_owned())));

    let unknown = refuses(&database, &["parked", "nonsense"]);
    assert!(unknown.contains("there is no read model 'nonsense': choose one of learners, "), "{unknown}");
    let free = refuses(&database, &["retry", "learners", "nobody"]);
    assert!(free.contains("the stream 'nobody' of the read model 'learners' is not parked"), "{free}");
    assert!(refuses(&database, &["skip", "learners", "mina", "--reason", " "]).contains("write at least one word"));
    assert!(refuses(&database, &["skip", "learners", "mina"]).contains("--reason"));
}
