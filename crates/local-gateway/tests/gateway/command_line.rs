//! The program itself.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
};

use baeum_stripe::CreateCustomer;

use crate::world::{LONG, client, key};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baeum-local-gateway"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn refused(args: &[&str]) -> String {
    let Output { status, stderr, .. } = program().args(args).output().expect("it runs");
    let text = String::from_utf8(stderr).expect("text");
    assert_eq!(status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// A child that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").expect("written");
    let (empty, folder) = (empty.to_str().expect("text"), folder.path().to_str().expect("text"));
    for (args, word) in [
        (vec!["--listen", "here"], "--listen: 'here'"),
        (vec!["--nonsense", "1"], "--nonsense"),
        (vec!["--seed", "-1"], "--seed: '-1'"),
        (vec!["--slow-ms", "soon"], "--slow-ms"),
        (vec!["--webhook-url", "http://127.0.0.1:1/w"], "need each other"),
        (vec!["--webhook-url", "somewhere", "--webhook-secret-file", empty], "'somewhere'"),
        (vec!["--webhook-url", "http://127.0.0.1:1/w", "--webhook-secret-file", empty], "one line of visible ASCII"),
        (vec!["--webhook-url", "http://127.0.0.1:1/w", "--webhook-secret-file", folder], "cannot be read"),
    ] {
        let joined: Vec<_> = args.chunks(2).map(|pair| format!("{}={}", pair[0], pair[1])).collect();
        let told = refused(&joined.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(told.starts_with("error: ") && told.contains(word), "{told}");
    }
}

#[test]
fn an_address_that_is_taken_is_told_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let Output { status, stderr, .. } = program().args(["--listen", &address]).output().expect("it runs");
    let told = String::from_utf8(stderr).expect("text");
    assert_eq!((status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("error: ") && told.contains(&address), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn it_serves_until_sigterm_and_goes_on_from_its_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("journal");
    let mut ids = vec![];
    for _ in 0..2 {
        let started = program().args(["--listen", "127.0.0.1:0", "--journal"]).arg(&journal).spawn();
        let mut running = Running(started.expect("it starts"));
        let mut lines = BufReader::new(running.0.stderr.take().expect("piped")).lines();
        let listening = lines.next().expect("a line").expect("text");
        let url = listening.split("url=\"").nth(1).and_then(|it| it.split('"').next()).expect("its address");
        let made = client(url, 6, LONG).create_customer(&CreateCustomer::default(), &key("customer")).await;
        ids.push(made.expect("a customer").id);
        let pid = running.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("it runs").success());
        assert!(running.0.wait().expect("it ends").success());
    }
    assert_eq!(ids[0], ids[1]);
}
