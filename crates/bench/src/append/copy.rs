//! A bare `COPY` of the same rows into a table like `events`, with the same two unique indexes: what Postgres itself can
//! take from one connection. Nothing is decided, and the rows are made beside the connection, which never waits for them.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use baeum_domain::DomainEvent as _;
use baeum_testing::new_id;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::mpsc;

use crate::{
    Failure,
    drive::{Measured, Window},
    workbook::{Desk, events},
};

const COLUMNS: &str = "aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, \
                       global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at";

/// How the rows become durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Commit {
    /// A transaction for the rows of so many commands.
    Each(usize),
    /// All in one transaction.
    Once,
}

/// Makes the table, where it is not there.
pub(crate) async fn prepare(url: &str) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS copied (LIKE events INCLUDING ALL)").execute(&mut connection).await?;
    Ok(())
}

/// Copies for the time of `window`. A latency is that of a transaction, told once for each of its commands.
pub(crate) async fn run(url: &str, commit: Commit, window: Window) -> Result<Measured, Failure> {
    let mut connection = PgConnection::connect(url).await?;
    let position: i64 =
        sqlx::query_scalar("SELECT coalesce(max(global_position), 0) FROM copied").fetch_one(&mut connection).await?;
    let (commands, streaming) = match commit {
        Commit::Each(commands) => (commands, false),
        Commit::Once => (512, true),
    };
    let (made, mut chunks) = mpsc::channel(8);
    let making = tokio::task::spawn_blocking(move || {
        let mut rows = Rows { desks: (0..commands).map(Desk::new).collect(), position };
        while made.blocking_send(rows.chunk()).is_ok() {}
    });
    let from = Instant::now() + window.warm_up;
    let until = from + window.measured;
    let copy = format!("COPY copied ({COLUMNS}) FROM STDIN");
    let mut latencies: Vec<Duration> = vec![];
    let mut took = window.measured;
    if streaming {
        // Its commit counts: a stream is durable only as a whole.
        let began = Instant::now();
        let mut target = connection.copy_in_raw(&copy).await?;
        while began.elapsed() < window.measured {
            target.send(chunks.recv().await.ok_or("no more rows")?).await?;
            latencies.extend(std::iter::repeat_n(Duration::ZERO, commands));
        }
        target.finish().await?;
        took = began.elapsed();
        latencies.fill(took);
    } else {
        while Instant::now() < until {
            let chunk = chunks.recv().await.ok_or("no more rows")?;
            let asked = Instant::now();
            let mut target = connection.copy_in_raw(&copy).await?;
            target.send(chunk).await?;
            target.finish().await?;
            let answered = Instant::now();
            if answered >= from && answered < until {
                latencies.extend(std::iter::repeat_n(answered - asked, commands));
            }
        }
    }
    drop(chunks);
    making.await?;
    Ok(Measured { latencies, took })
}

struct Rows {
    desks: Vec<Desk>,
    position: i64,
}

impl Rows {
    /// The rows of one command of each desk, in the text format of `COPY`.
    fn chunk(&mut self) -> Vec<u8> {
        let mut text = String::with_capacity(self.desks.len() * 2_000);
        for desk in &mut self.desks {
            let command = desk.next();
            let (correlation, causation) = (new_id(), new_id());
            let sequences = i64::from(command.ordinal) * 2 - 1..;
            let both = events(command.workbook_id, command.ordinal).into_iter().zip(sequences);
            for (event, sequence) in both {
                let event_type = event.event_type();
                self.position += 1;
                let payload = serde_json::to_string(&event).expect("an event is JSON");
                let _ = writeln!(
                    text,
                    "lesson\t{}\t{sequence}\t{event_type}\t1\t{payload}\t\
                     {{\"correlation_id\":\"{correlation}\",\"causation_id\":\"{causation}\",\"actor\":\"learner\"}}\t\
                     {}\t{}\tmain\tlearner\t{correlation}\t{causation}\t2026-03-01 09:00:00+00",
                    command.workbook_id,
                    self.position,
                    new_id(),
                );
            }
        }
        text.into_bytes()
    }
}
