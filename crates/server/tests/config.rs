//! What the binary says when it cannot start, as a user meets it: one readable line, and an exit code.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const FREE_PORT: &str = "127.0.0.1:0";

/// The binary in an empty folder, with nothing of Baeum in its environment.
fn baeum(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum"));
    command.args(args).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("BAEUM_") || name == "DATABASE_URL" || name == "NATS_URL" {
            command.env_remove(name);
        }
    }
    command
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The exit code and the lines that begin with `error: `.
fn told(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr);
    let errors = text.lines().skip_while(|line| !line.starts_with("error: ")).collect::<Vec<_>>();
    (output.status.code(), errors.join("\n"))
}

fn fails(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = folder();
    told(&baeum(&folder, args).envs(env.iter().copied()).output().expect("the binary runs"))
}

#[test]
fn a_wrong_value_is_named_as_flag_and_as_variable_and_says_what_would_be_right() {
    let cases: [(&[(&str, &str)], &str); 8] = [
        (
            &[("BAEUM_LISTEN", "8080")],
            "error: BAEUM_LISTEN (--listen) is '8080': give an address and a port, for instance 127.0.0.1:8080, \
             [::1]:8080 or 0.0.0.0:8080",
        ),
        (
            &[("DATABASE_URL", "mysql://u:secret@h/d")],
            "error: DATABASE_URL (--database-url) does not start with postgres:// or postgresql://: \
             give postgres://user:password@host:5432/database, or leave it out for the embedded database",
        ),
        (
            &[("NATS_URL", "localhost:4222")],
            "error: NATS_URL (--nats-url) does not start with nats:// or tls://: \
             give nats://host:4222 or tls://host:4222, or leave it out to run as one process",
        ),
        (
            &[("BAEUM_STREAM", "a.b")],
            "error: BAEUM_STREAM (--stream) is 'a.b': use letters, digits, '-' and '_', for instance events",
        ),
        (&[("BAEUM_LOG", "xml")], "error: BAEUM_LOG (--log) is 'xml': give text or json"),
        (
            &[("BAEUM_LOG_LEVEL", "inof")],
            "error: BAEUM_LOG_LEVEL (--log-level) has 'inof', which is no level: give off, error, warn, info, debug or \
             trace, or levels by module such as info,baeum_eventlog=debug",
        ),
        (
            &[("BAEUM_ADMIN_EMAIL", "a@example.org")],
            "error: BAEUM_ADMIN_EMAIL (--admin-email) is given without BAEUM_ADMIN_PASSWORD (--admin-password): \
             give both or none",
        ),
        (
            &[("DATABASE_URL", "")],
            "error: DATABASE_URL (--database-url) is empty: give postgres://user:password@host:5432/database, or leave \
             it out for the embedded database",
        ),
    ];
    for (env, expected) in cases {
        assert_eq!(fails(&["serve"], env), (Some(2), expected.to_owned()), "{env:?}");
    }
}

#[test]
fn a_role_without_servers_says_which_it_needs() {
    for role in ["api", "relay", "project", "process"] {
        let expected = format!(
            "error: the role '{role}' shares a database and a broker with other processes and needs DATABASE_URL and \
             NATS_URL, which are not set; 'baeum serve' needs neither"
        );
        assert_eq!(fails(&[role], &[]), (Some(2), expected));
    }
    let (code, told) = fails(&["relay"], &[("DATABASE_URL", "postgres://u@127.0.0.1:1/d")]);
    assert_eq!(code, Some(2));
    assert!(told.contains("needs NATS_URL, which is not set"), "{told}");
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_started() {
    let other = TcpListener::bind(FREE_PORT).expect("a free port");
    let address = other.local_addr().expect("an address").to_string();
    let folder = folder();
    let output = baeum(&folder, &["serve"]).env("BAEUM_LISTEN", &address).output().expect("the binary runs");
    let expected = format!("error: BAEUM_LISTEN {address} is taken by another process: choose another address");
    assert_eq!(told(&output), (Some(1), expected));
    assert!(!folder.path().join(".baeum").exists(), "nothing was started");
}

#[test]
fn every_mistake_of_a_file_of_shards_is_told_with_its_line_before_anything_is_started() {
    let folder = folder();
    let shard = |number: u8, tenant: &str| {
        format!(
            "[[shard]]\nnumber = {number}\ndatabase_url = \"${{SHARD{number}_URL}}\"\nstream = \"events-{number}\"\n\
             tenants = [\"{tenant}\"]\n"
        )
    };
    let run = |file: String, args: &[&str]| {
        fs::write(folder.path().join("shards.toml"), file).expect("a file");
        let mut command = baeum(&folder, args);
        command.env("BAEUM_SHARDS", "shards.toml").env("SHARD0_URL", "postgres://u:hunter2@127.0.0.1:1/d");
        told(&command.output().expect("the binary runs"))
    };
    let expected = "error: BAEUM_SHARDS (--shards) shards.toml:8: the variable SHARD1_URL is not set: give it the URL of \
                    the shard's Postgres\n\
                    error: BAEUM_SHARDS (--shards) shards.toml:10: tenant 'main' is named twice: its log lives in one shard";
    assert_eq!(run(shard(0, "main") + &shard(1, "main"), &["serve"]), (Some(2), expected.to_owned()));
    let expected = "error: BAEUM_SHARD (--shard) is '1': choose one of 0";
    assert_eq!(run(shard(0, "main"), &["migrate", "--shard", "1"]), (Some(2), expected.to_owned()));
    let (code, told) = run(shard(0, "main"), &["relay"]);
    assert!(code == Some(2) && told.contains("needs NATS_URL, which is not set"), "{told}");
    assert!(!folder.path().join(".baeum").exists(), "nothing was started");
}

#[test]
fn every_mistake_of_a_catalogue_is_told_with_its_file_and_line() {
    let folder = folder();
    fs::create_dir(folder.path().join("mine")).expect("a folder");
    fs::write(folder.path().join("mine/a.toml"), "[[item]]\nid = \"x\"\n").expect("a file");
    fs::write(folder.path().join("mine/b.toml"), "\n[[clip\n").expect("a file");
    let output = baeum(&folder, &["serve", "--listen", FREE_PORT, "--catalog", "mine"]).output().expect("it runs");
    let (code, told) = told(&output);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("error: the catalogue has 2 mistakes:\n  mine/a.toml:1: 'x'"), "{told}");
    assert!(told.contains("\n  mine/b.toml:2: "), "{told}");
}

#[test]
fn a_database_that_refuses_is_named_without_its_password() {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        eprintln!("skipped: DATABASE_URL is not set (scripts/test sets it)");
        return;
    };
    let (server, _) = url.rsplit_once('/').expect("a database in the URL");
    let url = format!("{server}/there_is_no_such_database").replace("postgres@", "postgres:hunter2@");
    let (code, told) = fails(&["migrate"], &[("DATABASE_URL", &url)]);
    assert_eq!(code, Some(1));
    assert!(told.contains("refused the connection") && told.contains("there_is_no_such_database"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[cfg(feature = "embedded")]
#[test]
fn a_data_folder_is_for_one_process_and_is_free_again_after_it() {
    let folder = folder();
    let serve = ["serve", "--listen", FREE_PORT];
    let mut first = baeum(&folder, &serve).stderr(Stdio::null()).spawn().expect("the binary runs");
    let lock = folder.path().join(".baeum/lock");
    let began = std::time::Instant::now();
    while fs::read_to_string(&lock).map_or(true, |text| text.trim().is_empty()) {
        assert!(began.elapsed() < std::time::Duration::from_mins(1), "the first process locks its folder");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let second = baeum(&folder, &serve).output().expect("the binary runs");
    let expected = format!(
        "error: the data folder .baeum is in use by another baeum process (pid {}): stop it or choose another folder \
         with --data",
        first.id()
    );
    assert_eq!(told(&second), (Some(1), expected));
    first.kill().expect("it is killed");
    first.wait().expect("it ends");
    let third = baeum(&folder, &["migrate"]).output().expect("the binary runs");
    assert_eq!(told(&third), (Some(0), String::new()), "{}", String::from_utf8_lossy(&third.stderr));
}

#[test]
fn a_process_that_is_killed_while_it_starts_leaves_a_folder_that_the_next_one_can_use() {
    let folder = folder();
    let serve = ["serve", "--listen", FREE_PORT];
    for pause in [0, 20, 40, 60, 80, 100, 150, 200, 300, 400] {
        let mut process = baeum(&folder, &serve).stderr(Stdio::null()).spawn().expect("the binary runs");
        std::thread::sleep(std::time::Duration::from_millis(pause));
        process.kill().expect("it is killed");
        process.wait().expect("it ends");
    }
    let pglite = folder.path().join(".baeum/postgres/tmp/pglite");
    for _ in 0..2 {
        let migrated = baeum(&folder, &["migrate"]).output().expect("the binary runs");
        assert_eq!(told(&migrated), (Some(0), String::new()), "{}", String::from_utf8_lossy(&migrated.stderr));
        // The worst moments of all.
        for file in [".pglite-oxide-runtime-layout.json", "base/.pglite-oxide-pgdata-overlay.json"] {
            fs::write(pglite.join(file), "").expect("emptied");
        }
    }
}
