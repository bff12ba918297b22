//! `baeum import` and `baeum export`, as those meet them who run them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use baeum_testing::TestDatabase;

const SPEC: &str = r#"
source = "old-lms"
learner = "student"
item = "question"
[time]
column = "at"
format = "unix_seconds"
[correct]
column = "right"
yes = ["y"]
no = ["n"]
"#;

/// The binary on this database in a folder, with nothing of Baeum in its environment.
fn baeum(database: &TestDatabase, folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name.starts_with("AWS_") || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.env("DATABASE_URL", database.url()).env("BAEUM_LOG_LEVEL", "error").current_dir(folder);
    command.args(args).output().expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_in_once_and_comes_out_again() {
    let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().expect("a folder"));
    let tells = |args: &[&str]| {
        let output = baeum(&database, folder.path(), args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    fs::write(folder.path().join("spec.toml"), SPEC).expect("written");
    let rows = "student,question,at,right\nmina,Q1,1715960521,y\njun,Q1,1715960522,n\njun,Q2,soon,n\n";
    fs::write(folder.path().join("attempts.csv"), rows).expect("written");
    let import = ["import", "attempts.csv", "--spec", "spec.toml"];
    assert_eq!(
        tells(&import),
        "attempts.csv: 3 rows, 2 imported, 0 there already, 1 rejected, see attempts.csv.rejects.csv\n"
    );
    let rejects = fs::read_to_string(folder.path().join("attempts.csv.rejects.csv")).expect("rejects");
    assert_eq!(rejects, "line,reason\n4,at: 'soon' is not a time of the form unix_seconds\n");
    assert!(tells(&import).contains("this very file was imported before (3 rows, 1 rejected)"));
    assert!(tells(&[&import[..], &["--every-row"]].concat()).contains("0 imported, 2 there already, 1 rejected"));

    // Started, two attempts, completed.
    let exported = tells(&["export", "out", "--events"]);
    assert!(exported.starts_with("out: 4 events added; it holds 4 events up to position 4 in 3 files"), "{exported}");
    assert!(tells(&["export", "out", "--models=imported_items,progress"]).starts_with("out: 0 events added"));
    assert!(folder.path().join("out/models/imported_items/imported_items.parquet").is_file());
    assert!(tells(&["export", "out"]).contains("parquet"));
    assert!(tells(&["export", "lines", "--format", "jsonl", "--from", "2"]).contains("3 events added"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_in_one_line() {
    let (database, folder) = (TestDatabase::create().await, tempfile::tempdir().expect("a folder"));
    let refuses = |args: &[&str], expected: &str| {
        let output = baeum(&database, folder.path(), args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        let told = String::from_utf8(output.stderr).expect("text");
        assert!(told.starts_with("error: ") && told.contains(expected), "{args:?}: {told}");
        told
    };
    fs::write(folder.path().join("spec.toml"), SPEC).expect("written");
    fs::write(folder.path().join("attempts.csv"), "student,question\n").expect("written");
    fs::create_dir(folder.path().join("full")).expect("a folder");
    fs::write(folder.path().join("full/mine.txt"), "mine").expect("written");
    let import = ["import", "attempts.csv", "--spec", "spec.toml"];
    let cases: [(&[&str], &str); 8] = [
        (&import, "attempts.csv: there is no column 'at': there are student, question"),
        (&["import", "nowhere.csv", "--spec", "spec.toml"], "nowhere.csv cannot be read"),
        (&["import", "attempts.csv", "--spec", "attempts.csv"], "attempts.csv: line 1: "),
        (
            &["import", "attempts.csv", "--spec", "spec.toml", "--tenant", "busan"],
            "there is no tenant 'busan': choose one of main",
        ),
        (&["export", "full"], "full has files but no manifest.json of an export"),
        (&["export", "out", "--models=nonsense"], "there is no read model 'nonsense'"),
        (&["export", "ftp://here"], "give a folder, or s3://bucket/prefix"),
        (&["export", "out", "--from", "1099511627777"], "is no position of shard 0"),
    ];
    for (args, expected) in cases {
        let told = refuses(args, expected);
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    refuses(&["export", "out", "--format", "xml"], "give parquet, csv or jsonl");
    refuses(&["export", "out", "--events", "--models"], "cannot be used with");
    assert!(folder.path().join("full/mine.txt").is_file());
}
