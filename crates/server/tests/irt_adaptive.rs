//! `baeum irt adaptive` as its users meet it.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

fn adaptive(folder: &TempDir, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    command.args(["irt", "adaptive"]).args(line.split_whitespace()).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.output().expect("the binary runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A catalogue of a hundred items, written by hand as far as their format goes.
fn catalogue(folder: &TempDir) {
    let skills = ["reading", "listening", "writing", "speaking"];
    let item = |number: usize| {
        let difficulty = f64::from(u32::try_from(number % 25).expect("a small number")) / 5.0 - 2.4;
        format!(
            "[[item]]\nid = \"item-{number}\"\nlevel = \"B1\"\nskill = \"{}\"\nfocus = \"x\"\nquestion = \"?\"\n\
             choices = [\"a\", \"b\", \"c\", \"d\"]\nanswer = 0\ndiscrimination = 1.3 # as guessed\n\
             difficulty = {difficulty:.2}\n\n",
            skills[number % 4]
        )
    };
    let text = (0..100).map(item).fold("# Ours.\n".to_owned(), |text, item| text + &item);
    fs::create_dir_all(folder.path().join("ours/items")).expect("a folder");
    fs::write(folder.path().join("ours/items/all.toml"), text).expect("written");
}

#[test]
fn three_ways_of_testing_stand_side_by_side_and_the_same_seed_gives_the_same_bytes() {
    let folder = folder();
    let line = "--items 120 --learners 1000 --se 0.4 --rate 0.4 --seed 3 --bank bank.csv --plots plots";
    let table = told(&adaptive(&folder, line));
    for row in ["maximum information", "+ skills, one of three", "+ Sympson-Hetter"] {
        assert!(table.lines().any(|it| it.starts_with(row)), "{table}");
    }
    let figure = |row: &str, column: usize| -> f64 {
        let line = table.lines().find(|it| it.starts_with(row)).unwrap_or_default();
        line.get(30..).and_then(|it| it.split_whitespace().nth(column)).and_then(|it| it.parse().ok()).expect(row)
    };
    assert!(figure("maximum information", 5) > 0.99 && figure("+ Sympson-Hetter", 5) <= 0.4, "{table}");
    assert!(figure("+ Sympson-Hetter", 2).abs() < 0.05, "{table}");
    let bank = fs::read_to_string(folder.path().join("bank.csv")).expect("written");
    assert_eq!((bank.lines().count(), bank.lines().next()), (121, Some("name,a,b,c,exposure")));
    for plot in ["exposure-histogram.svg", "exposure-ranks.svg", "abilities-against-truth.svg"] {
        let svg = fs::read_to_string(folder.path().join("plots").join(plot)).expect("written");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{plot}");
    }
    assert_eq!(told(&adaptive(&folder, line)), table);
}

#[test]
fn parameters_are_written_into_a_catalogue_that_stays_as_it_is_otherwise() {
    let folder = folder();
    catalogue(&folder);
    let path = folder.path().join("ours/items/all.toml");
    let before = fs::read_to_string(&path).expect("written");
    told(&adaptive(&folder, "--level-test ours --learners 1000 --rate 0.3 --longest 12"));
    assert_eq!(fs::read_to_string(&path).expect("read"), before, "nothing is written unless asked");

    told(&adaptive(&folder, "--level-test ours --learners 1000 --rate 0.3 --longest 12 --write"));
    let after = fs::read_to_string(&path).expect("read");
    let without: String = after.split_inclusive('\n').filter(|line| !line.starts_with("exposure = ")).collect();
    assert_eq!(without, before);
    assert!(after.lines().filter(|line| line.starts_with("exposure = 0.")).count() > 5, "{after}");
}

#[test]
fn what_cannot_be_done_is_told_in_one_line() {
    let folder = folder();
    for (line, code, problem) in [
        ("--level-test nowhere", 1, "nowhere cannot be read"),
        ("--rate 0", 2, "give a number from 0.05 to 1"),
        ("--se 3", 2, "give a number from 0.1 to 1"),
        ("--write", 2, "--level-test"),
    ] {
        let output = adaptive(&folder, line);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && error.starts_with("error: "), "{line}: {error}");
        assert!(error.contains(problem), "{line}: {error}");
    }
}
