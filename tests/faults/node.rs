//! A process of the real binary.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::support::command;

/// One process of one role, in its life after life.
pub(crate) struct Node {
    pub(crate) role: &'static str,
    pub(crate) number: usize,
    listen: String,
    environment: Vec<(&'static str, String)>,
    /// Seconds by which its clock is wrong, from the next start on.
    pub(crate) clock_offset: i64,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    pub(crate) fn new(
        role: &'static str,
        number: usize,
        listen: String,
        environment: Vec<(&'static str, String)>,
        logs: &Path,
    ) -> Self {
        let log = logs.join(format!("{role}-{number}.log"));
        Self { role, number, listen, environment, clock_offset: 0, log, child: None }
    }

    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} {} runs already", self.role, self.number);
        let log = File::options().create(true).append(true).open(&self.log).expect("a log file");
        let child = command(&self.environment)
            .args([self.role, "--listen", &self.listen])
            .env("BAEUM_CLOCK_OFFSET_SECONDS", self.clock_offset.to_string())
            .env("BAEUM_LOG_LEVEL", "info,sqlx=off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the binary starts"));
    }

    /// Ends it as a power failure would.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().expect("killed");
        child.wait().expect("gone");
    }

    /// Stops its clock (`STOP`) or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{} {} cannot be signalled", self.role, self.number);
    }

    /// Why it ended, where nobody ended it.
    pub(crate) fn ended_by_itself(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("it can be waited for")
    }

    /// The last line of its log that holds these words. Lines begin with their time.
    pub(crate) fn last_line(&self, words: &str) -> Option<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().find(|line| line.contains(words)).map(ToOwned::to_owned)
    }

    /// The last words of its log.
    pub(crate) fn told(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        format!("--- {} {}\n{}", self.role, self.number, tail(&log, 12))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
