//! `baeum audit` and `baeum seal`, as an auditor and an operator meet them.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use baeum_testing::{TestDatabase, eventually};
use tempfile::TempDir;

/// The binary with nothing of Baeum in its environment.
fn baeum(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.env("BAEUM_LOG_LEVEL", "error").args(args);
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the binary runs")
}

fn tells(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What it says on stderr when it ends with 1.
fn refuses(command: &mut Command) -> String {
    let output = output(command);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// A sealer, killed at the latest when the test ends.
struct Sealer(Child);

impl Drop for Sealer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Appends so many events, and waits until a witness has a checkpoint of all.
async fn append(database: &TestDatabase, events: i64, witness: &Path) {
    sqlx::raw_sql(&format!(
        "WITH head AS (UPDATE log_head SET position = position + {events} RETURNING position - {events} AS base)
         INSERT INTO events SELECT 'lesson', 'l' || base + n, 1, 'LessonStarted', '1',
             json_build_object('text', E'\\u20ac \\\\ \"' || n), '{{}}', base + n, gen_random_uuid(), 'main', 'mina',
             gen_random_uuid(), gen_random_uuid(), now() FROM head, generate_series(1, {events}) AS n"
    ))
    .execute(&database.pool)
    .await
    .expect("appended");
    let head: i64 = sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&database.pool).await.expect("asked");
    eventually("the witness has it", async || {
        let text = fs::read_to_string(witness).unwrap_or_default();
        text.contains(&format!("\n{head}\n")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_sealed_exported_and_verified_and_a_change_is_named() {
    let (database, folder) = (TestDatabase::create().await, TempDir::new().expect("a folder"));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, verifier, witness) = (path("key.pem"), path("verifier"), path("witness"));
    let with_log = |args: &[&str]| {
        let mut command = baeum(args);
        command.env("DATABASE_URL", database.url());
        command
    };

    fs::write(&verifier, tells(&mut baeum(&["audit", "key", "--new", &key, "--seal-origin", "school.example"])))
        .expect("kept");
    let again = tells(&mut baeum(&["audit", "key", "--seal-key", &key, "--seal-origin", "school.example"]));
    assert_eq!(fs::read_to_string(&verifier).expect("kept"), again);
    assert!(again.starts_with("school.example/shard-0+"), "{again}");
    assert!(
        refuses(&mut baeum(&["audit", "key", "--new", &key])).contains("cannot be written"),
        "a key is not replaced"
    );

    let early = refuses(&mut with_log(&["audit", "export", &path("early")]));
    assert!(early.starts_with("error: nothing is sealed yet: run a sealer"), "{early}");
    let mut sealing =
        with_log(&["seal", "--seal-key", &key, "--seal-origin", "school.example", "--seal-witness", &witness]);
    sealing.args(["--seal-interval-ms", "20"]).stdout(Stdio::null());
    let sealer = Sealer(sealing.spawn().expect("it starts"));
    append(&database, 200, Path::new(&witness)).await;
    drop(sealer); // kill -9
    let sealer = Sealer(sealing.spawn().expect("it starts again"));
    append(&database, 300, Path::new(&witness)).await;
    drop(sealer);

    let told = tells(&mut with_log(&["audit", "export", &path("log")]));
    assert!(told.contains("500 events from position 1 on"), "{told}");
    let verify = |folder: &str| baeum(&["audit", "verify", folder, "--key", &verifier, "--witness", &witness]);
    let honest = tells(&mut verify(&path("log")));
    assert!(
        honest.starts_with("honest: the log 'school.example/shard-0' up to position 500\nsize 500\nroot "),
        "{honest}"
    );
    let alone = tells(&mut baeum(&["audit", "verify", &path("log"), "--key", &verifier]));
    assert!(alone.contains("no witness: that nothing was cut off after position 500 is not proven"), "{alone}");
    let proof = tells(&mut with_log(&["audit", "prove", "321"]));
    let proof: serde_json::Value = serde_json::from_str(&proof).expect("JSON");
    assert_eq!((&proof["index"], &proof["size"]), (&320.into(), &500.into()));

    let part = tells(&mut with_log(&["audit", "export", &path("part"), "--from", "400"]));
    assert!(part.contains("101 events from position 400 on"), "{part}");
    assert!(tells(&mut verify(&path("part"))).contains("the events before 400 are not in this folder"));
    let full = refuses(&mut with_log(&["audit", "export", &path("part")]));
    assert!(full.starts_with("error: the folder ") && full.contains("is not empty"), "{full}");
    assert!(refuses(&mut with_log(&["audit", "prove", "501"])).contains("is not signed yet"));

    // One character of one event.
    let events = path("log/events.jsonl");
    let text = fs::read_to_string(&events).expect("the events");
    let line = text.lines().nth(322).expect("position 323").to_owned();
    fs::write(&events, text.replace(&line, &line.replace("mina", "nina"))).expect("changed");
    let found = refuses(&mut verify(&path("log")));
    assert!(found.starts_with("error: the first wrong position is 323: "), "{found}");
    assert_eq!(found.lines().count(), 1, "{found}");
}

#[test]
fn what_cannot_be_verified_or_sealed_says_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("empty"), "# nothing\n").expect("written");
    fs::write(path("wrong"), "no key\n").expect("written");
    let verify = |key: &str| refuses(&mut baeum(&["audit", "verify", &path("log"), "--key", &path(key)]));
    assert!(verify("absent").contains("cannot be read"));
    assert!(verify("empty").contains("holds no key"));
    assert!(verify("wrong").contains("'no key' is no verifier key: give <name>+"), "{}", verify("wrong"));
    let key = tells(&mut baeum(&["audit", "key", "--new", &path("key.pem")]));
    fs::write(path("verifier"), key).expect("written");
    assert!(verify("verifier").contains("log.json cannot be read"), "{}", verify("verifier"));

    let mut seal = baeum(&["seal"]);
    let output = output(&mut seal);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("the role 'seal' seals the log that other processes write and needs DATABASE_URL"), "{said}");
    for (name, value) in [
        ("BAEUM_SEAL_ORIGIN", "a b"),
        ("BAEUM_SEAL_INTERVAL_MS", "0"),
        ("BAEUM_SEAL_WITNESS_URL", "ftp://token@host"),
        ("BAEUM_SEAL_KEY_FILE", " "),
    ] {
        let output = baeum(&["audit", "key"]).env(name, value).output().expect("the binary runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(output.status.code() == Some(2) && said.starts_with(&format!("error: {name} (--seal-")), "{said}");
        assert!(!said.contains("token"), "{said}");
    }
}
