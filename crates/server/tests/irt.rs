//! `baeum irt` as its users meet it: files in, files and a table out, and one readable line where something is wrong.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// LSAT section 7 (Bock & Lieberman, 1970): how often each pattern of five answers occurs, from 00000 to 11111.
const LSAT7: [usize; 32] = [
    12, 19, 1, 7, 3, 19, 3, 17, 10, 5, 3, 7, 7, 23, 8, 28, 7, 39, 11, 34, 14, 51, 15, 90, 6, 25, 7, 35, 18, 136, 32,
    308,
];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn irt(folder: &TempDir, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    command.arg("irt").args(line.split_whitespace()).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command.output().expect("the binary runs")
}

fn does(folder: &TempDir, line: &str) -> String {
    let output = irt(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn fails(folder: &TempDir, line: &str) -> (Option<i32>, String) {
    let output = irt(folder, line);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect(name)
}

fn lsat7(folder: &TempDir) {
    let mut text = String::from("Item.1,Item.2,Item.3,Item.4,Item.5\n");
    for (pattern, count) in LSAT7.into_iter().enumerate() {
        let digits: Vec<_> = format!("{pattern:05b}").chars().map(String::from).collect();
        text += &(digits.join(",") + "\n").repeat(count);
    }
    fs::write(folder.path().join("lsat7.csv"), text).expect("written");
}

#[test]
fn a_matrix_is_calibrated_into_json_plots_abilities_and_a_table() {
    let folder = folder();
    lsat7(&folder);
    let table =
        does(&folder, "calibrate lsat7.csv --model 2pl --json out.json --plots plots/all --abilities persons.csv");
    assert!(table.starts_with("2pl: 1000 persons, 5 items; log-likelihood -2658.805 after "), "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("Item.")).count(), 5, "{table}");

    let json: Value = serde_json::from_str(&read(&folder, "out.json")).expect("JSON");
    let names = |value: &Value| value.as_object().map(|it| it.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut keys = names(&json);
    keys.sort();
    assert_eq!(keys, ["converged", "items", "iterations", "log_likelihood", "model"]);
    assert_eq!((json["model"].as_str(), json["converged"].as_bool()), (Some("2pl"), Some(true)));
    let mut keys = names(&json["items"][0]);
    keys.sort();
    assert_eq!(keys, ["a", "b", "c", "name", "se_a", "se_b", "se_c"]);
    assert!((json["items"][2]["a"].as_f64().expect("a number") - 1.7058).abs() < 0.005, "{json:#}");

    let persons = read(&folder, "persons.csv");
    assert_eq!((persons.lines().next(), persons.lines().count()), (Some("person,theta,se"), 1_001));
    for name in ["item-curves", "item-information", "test-information", "abilities"] {
        let svg = read(&folder, &format!("plots/all/{name}.svg"));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && svg.contains("stroke-width"), "{name}");
    }
    assert!(read(&folder, "plots/all/item-curves.svg").contains(">Item.3</text>"));
    assert!(!folder.path().join(".baeum").exists(), "no database is opened");
}

#[test]
fn simulated_answers_give_back_their_truth_and_threads_change_not_a_byte() {
    let folder = folder();
    does(&folder, "simulate answers.csv --persons 4000 --items 25 --seed 9 --missing 20 --truth truth.csv");
    does(&folder, "calibrate answers.csv --threads 1 --json one.json");
    does(&folder, "calibrate answers.csv --threads 4 --json four.json");
    assert_eq!(read(&folder, "one.json"), read(&folder, "four.json"));
    let json: Value = serde_json::from_str(&read(&folder, "one.json")).expect("JSON");
    let truth = read(&folder, "truth.csv");
    let truth = truth.lines().skip(1).map(|line| line.split(',').map(ToOwned::to_owned).collect::<Vec<_>>());
    let mut compared = 0;
    for (item, truth) in json["items"].as_array().expect("items").iter().zip(truth) {
        assert_eq!(item["name"].as_str(), Some(truth[0].as_str()));
        for (at, name) in [(1, "a"), (2, "b")] {
            let (found, error) = (item[name].as_f64(), item[format!("se_{name}")].as_f64());
            let away = (found.expect("a number") - truth[at].parse::<f64>().expect("a number")).abs();
            assert!(away < 4.5 * error.expect("a number"), "{item} against {truth:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 50);
}

#[test]
fn an_item_that_is_harder_for_one_group_is_named() {
    let folder = folder();
    does(&folder, "simulate answers.csv --persons 3000 --items 20 --model 1pl --seed 3");
    let text = read(&folder, "answers.csv");
    let with_group = text.lines().enumerate().map(|(row, line)| match row {
        0 => format!("{line},language"),
        // Of the right answers of every other person to the last item, two of three are taken away.
        _ if row % 2 == 1 && row % 3 != 0 => format!("{}0,ko", &line[..line.len() - 1]),
        _ => format!("{line},{}", if row % 2 == 1 { "ko" } else { "ja" }),
    });
    let with_group = with_group.collect::<Vec<_>>().join("\n") + "\n";
    fs::write(folder.path().join("groups.csv"), with_group).expect("written");
    let table = does(&folder, "calibrate groups.csv --group language");
    let large: Vec<_> = table.lines().filter(|line| line.starts_with("item") && line.ends_with('C')).collect();
    assert!(large.len() == 1 && large[0].starts_with("item20 "), "{table}");
    let told =
        "error: answers.csv: column 'person' has 3000 groups: give two, and leave it empty for persons of neither\n";
    assert_eq!(fails(&folder, "calibrate answers.csv --group person"), (Some(1), told.to_owned()));
}

#[test]
fn a_wrong_matrix_is_told_in_one_line_with_file_line_and_column() {
    let folder = folder();
    let write = |text: &str| fs::write(folder.path().join("m.csv"), text).expect("written");
    for (text, told) in [
        ("person,x,y,z\np1,1,0,1\np2,1,2,0\n", "error: m.csv:3:6: '2' is no answer to 'y': give 0, 1 or nothing\n"),
        ("x,y,z\n1,0,1\n1,0\n", "error: m.csv:3:1: the row has 2 cells where the header has 3\n"),
        (
            "x,y,z\n1,0,1\n1,1,0\n",
            "error: m.csv: an item cannot be calibrated: 'x' was answered rightly by all; drop or correct it\n",
        ),
        (
            "x,y,z\n1,0,1\n0,1,0\n",
            "error: m.csv: 2 persons with an answer are fewer than the 6 parameters of the 2pl model for 3 items: \
             add persons, drop items, or take a model with fewer parameters\n",
        ),
        ("", "error: m.csv:1:1: a column without a name: the first line names the items\n"),
    ] {
        write(text);
        assert_eq!(fails(&folder, "calibrate m.csv"), (Some(1), told.to_owned()), "{text}");
    }
    let (code, told) = fails(&folder, "calibrate none.csv");
    assert_eq!(code, Some(1));
    assert!(told.starts_with("error: none.csv cannot be read: ") && told.lines().count() == 1, "{told}");
    lsat7(&folder);
    let (code, told) = fails(&folder, "calibrate lsat7.csv --json no/such/folder/out.json");
    assert_eq!(code, Some(1));
    assert!(told.starts_with("error: no/such/folder/out.json cannot be written: "), "{told}");
}

#[test]
fn an_option_that_cannot_be_understood_ends_with_2() {
    let folder = folder();
    for line in
        ["calibrate m.csv --model 4pl", "calibrate m.csv --threads 0", "calibrate", "simulate out.csv --missing 100"]
    {
        let (code, told) = fails(&folder, line);
        assert_eq!(code, Some(2), "{line}: {told}");
    }
    assert!(fails(&folder, "calibrate m.csv --model 4pl").1.contains("give 1pl, 2pl or 3pl"));
}
