//! Several processes on one database: this program runs itself, and each child has a share of the clients.

use std::{process::Stdio, time::Duration};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use super::{CONNECTIONS, Store, ours::Ours, stock::Stock};
use crate::{
    Failure,
    drive::{Measured, Window, drive},
};

/// How many processes.
pub(crate) const PROCESSES: usize = 4;

/// Which log a child writes to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Subject {
    /// Ours.
    Ours,
    /// Stock cqrs-es with postgres-es.
    Stock,
}

/// What a child is told.
#[derive(Args, Clone)]
pub(crate) struct Share {
    #[arg(long)]
    subject: Subject,
    #[arg(long)]
    url: String,
    /// Its first client, counted over all processes.
    #[arg(long)]
    first: usize,
    #[arg(long)]
    clients: usize,
    #[arg(long)]
    warm_up_ms: u64,
    #[arg(long)]
    measured_ms: u64,
}

/// What a child answers.
#[derive(Serialize, Deserialize)]
struct Answer {
    micros: Vec<u64>,
    rss_mb: u64,
}

/// The child: says that it is ready, waits for a word, calls, and tells what it measured.
pub(crate) async fn work(share: Share) -> Result<(), Failure> {
    let connections = CONNECTIONS / u32::try_from(PROCESSES)?;
    let store: Box<dyn Store> = match share.subject {
        Subject::Ours => Box::new(Ours::open(&share.url, connections, false).await?),
        Subject::Stock => Box::new(Stock::open(&share.url, connections).await?),
    };
    let clients = (share.first..share.first + share.clients).map(|index| store.client(index)).collect();
    println!("ready");
    let mut word = String::new();
    std::io::stdin().read_line(&mut word)?;
    let window =
        Window { warm_up: Duration::from_millis(share.warm_up_ms), measured: Duration::from_millis(share.measured_ms) };
    let measured = drive(clients, window).await?;
    let micros = measured.latencies.iter().map(|it| u64::try_from(it.as_micros())).collect::<Result<_, _>>()?;
    let answer = Answer { micros, rss_mb: crate::report::resident_mb("self").unwrap_or(0) };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

/// Lets [`PROCESSES`] children share `clients`; gives what they measured, and their memory.
pub(crate) async fn run(
    subject: Subject,
    url: &str,
    clients: usize,
    window: Window,
) -> Result<(Measured, u64), Failure> {
    let share = clients / PROCESSES;
    let name = subject.to_possible_value().ok_or("no name")?.get_name().to_owned();
    let mut children = vec![];
    for process in 0..PROCESSES {
        let child = Command::new(std::env::current_exe()?)
            .args(["worker", "--subject", &name, "--url", url])
            .args(["--first", &(process * share).to_string(), "--clients", &share.to_string()])
            .args(["--warm-up-ms", &window.warm_up.as_millis().to_string()])
            .args(["--measured-ms", &window.measured.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        children.push(Running::ready(child).await?);
    }
    for child in &mut children {
        child.child.stdin.take().ok_or("no stdin")?.write_all(b"go\n").await?;
    }
    let (mut measured, mut rss_mb) = (Measured::default(), 0);
    for mut child in children {
        let mut text = String::new();
        child.said.read_to_string(&mut text).await?;
        if !child.child.wait().await?.success() {
            return Err("a process of the bench failed".into());
        }
        let answer: Answer = serde_json::from_str(&text)?;
        let latencies = answer.micros.into_iter().map(Duration::from_micros).collect();
        measured.beside(Measured { latencies, took: window.measured });
        rss_mb += answer.rss_mb;
    }
    Ok((measured, rss_mb))
}

struct Running {
    child: Child,
    said: BufReader<tokio::process::ChildStdout>,
}

impl Running {
    async fn ready(mut child: Child) -> Result<Self, Failure> {
        let mut said = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        said.read_line(&mut line).await?;
        if line != "ready\n" {
            return Err("a process of the bench did not start".into());
        }
        Ok(Self { child, said })
    }
}
