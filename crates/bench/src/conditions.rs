//! Under which conditions a run took place: they head the table.

use std::fs;

use sqlx::{Connection as _, PgConnection};

use crate::Failure;

/// What makes a commit durable, and what else decides the figures.
const SETTINGS: &[&str] =
    &["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size"];

/// A line for each condition.
pub(crate) async fn describe() -> Result<String, Failure> {
    let mut postgres = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut postgres).await?;
    let mut settings = vec![];
    for name in SETTINGS {
        let value: String = sqlx::query_scalar(&format!("SHOW {name}")).fetch_one(&mut postgres).await?;
        settings.push(format!("{name}={value}"));
    }
    let nats = async_nats::connect(std::env::var("NATS_URL")?).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(format!(
        "{cores} cores ({}), load average before: {}\n\nPostgres {version}, {}; nats-server {}, file store; \
         servers and clients on one machine\n",
        cpu().unwrap_or_else(|| "unknown".into()),
        load().unwrap_or_else(|| "unknown".into()),
        settings.join(", "),
        nats.server_info().version,
    ))
}

fn cpu() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
