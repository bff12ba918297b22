//! Rows of results, as a table and as lines of JSON.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// Which benchmark.
    pub(crate) bench: &'static str,
    /// What was measured.
    pub(crate) subject: String,
    /// How many clients asked at once.
    pub(crate) clients: usize,
    /// Commands or evaluations a second.
    pub(crate) per_second: f64,
    /// Events a second, where events were written.
    pub(crate) events_per_second: Option<f64>,
    /// Median latency.
    pub(crate) p50_ms: f64,
    /// 95th percentile.
    pub(crate) p95_ms: f64,
    /// 99th percentile.
    pub(crate) p99_ms: f64,
    /// 99.9th percentile.
    pub(crate) p999_ms: f64,
    /// What it is compared with.
    pub(crate) peer: Option<String>,
    /// Its rate over the peer's.
    pub(crate) ratio: Option<f64>,
    /// Resident memory after the run: of the process that holds the subject.
    pub(crate) rss_mb: Option<u64>,
    /// Cores of the machine.
    pub(crate) cores: usize,
}

impl Row {
    /// A row from the latency of every call and the time that all took together.
    #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
    pub(crate) fn new(
        bench: &'static str,
        subject: impl Into<String>,
        clients: usize,
        mut latencies: Vec<Duration>,
        took: Duration,
    ) -> Self {
        latencies.sort_unstable();
        let quantile = |per_mille: usize| {
            let at = (latencies.len() * per_mille).div_ceil(1_000).saturating_sub(1);
            latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        Self {
            bench,
            subject: subject.into(),
            clients,
            per_second: latencies.len() as f64 / took.as_secs_f64(),
            events_per_second: None,
            p50_ms: quantile(500),
            p95_ms: quantile(950),
            p99_ms: quantile(990),
            p999_ms: quantile(999),
            peer: None,
            ratio: None,
            rss_mb: resident_mb("self"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// The same row beside `peer`.
    pub(crate) fn beside(mut self, peer: &Self) -> Self {
        self.peer = Some(peer.subject.clone());
        self.ratio = Some(self.per_second / peer.per_second);
        self
    }

    /// The same row with events counted, `each` a call.
    pub(crate) fn with_events(mut self, each: f64) -> Self {
        self.events_per_second = Some(self.per_second * each);
        self
    }
}

/// The rows as a Markdown table.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| bench | subject | clients | per second | events/s | p50 ms | p95 ms | p99 ms | p99.9 ms | peer | ratio | RSS MB |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let events = row.events_per_second.map_or("–".into(), |it| format!("{it:.0}"));
        let ratio = row.ratio.map_or("–".into(), |it| format!("{it:.2}"));
        let rss = row.rss_mb.map_or("–".into(), |it| it.to_string());
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {events} | {:.2} | {:.2} | {:.2} | {:.2} | {} | {ratio} | {rss} |",
            row.bench,
            row.subject,
            row.clients,
            row.per_second,
            row.p50_ms,
            row.p95_ms,
            row.p99_ms,
            row.p999_ms,
            row.peer.as_deref().unwrap_or("–"),
        );
    }
    text
}

/// The rows as lines of JSON.
pub(crate) fn json_lines(rows: &[Row]) -> String {
    let lines = rows.iter().filter_map(|row| serde_json::to_string(row).ok());
    lines.fold(String::new(), |text, line| text + &line + "\n")
}

/// Resident memory of a process, `self` for this one, where the system tells it.
pub(crate) fn resident_mb(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb / 1024)
}
