//! The plan of every query that the log makes, as Postgres ran it: the log is used through its own functions, and
//! `auto_explain` sends each statement's plan along with its answer.

use std::{
    fmt::Write as _,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use baeum_domain::{identity::user::User, learning::lesson::Lesson};
use baeum_eventlog::{
    CommandContext, EventFilter, EventLog, Options,
    lease::release_all,
    nats::Broker,
    read_at,
    relay::{self, lag},
    shard::assign,
};
use baeum_testing::{TestClock, nats_url, new_id, stream_name};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use crate::{
    Failure,
    append::{
        Store as _,
        ours::{Ours, context},
    },
    drive::{Client, Window, drive},
    workbook::{self, Answer, Workbook},
};

/// How many clients append at once.
const CLIENTS: usize = 512;

/// What makes Postgres tell its plans.
const EXPLAIN: &[(&str, &str)] = &[
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_buffers", "on"),
    ("auto_explain.log_timing", "on"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_level", "notice"),
    ("client_min_messages", "notice"),
];

/// A table of statements and plans.
pub(crate) async fn describe(url: &str) -> Result<String, Failure> {
    let told = Told::default();
    // The process has no other subscriber: a benchmark logs nothing.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(told.clone()))?;
    let options = PgConnectOptions::from_str(url)?.options(EXPLAIN.iter().copied());
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(pool.clone(), clock.clone(), None, Options::default()).await?;
    let mut text = String::from(
        "| query | statement | plan, inmost last | rows | buffers hit | read | ms |\n|---|---|---|---|---|---|---|\n",
    );
    let mut shown: Vec<(String, i64)> = vec![];
    let mut show = |what: &str| {
        for (statement, run) in told.take() {
            // What was shown already is shown again only where it cost much more.
            let blocks = run.hit + run.read;
            if !shown.iter().any(|(known, cost)| *known == statement && blocks <= 2 * cost) {
                let _ = writeln!(text, "| {what} | {} |", run.row(&statement));
                shown.push((statement, blocks));
            }
        }
    };
    show("open");

    let head = log.head().await?;
    show("head");
    let middle = log.floor() + (head - log.floor()) / 2;
    log.read(middle, 1_000).await?;
    show("read by position, 1,000 events");
    log.scan(middle, middle + 1_000, &["parked_stream"]).await?;
    show("scan for a rebuild, 1,000 events");
    read_at(&mut *pool.acquire().await?, &[middle, middle + 9, middle + 99]).await?;
    show("read three positions");
    let tenant = Some("main".to_owned());
    log.read_filtered(middle, 100, &EventFilter { tenant: tenant.clone(), ..EventFilter::default() }).await?;
    show("read of one tenant, 100 events");
    let rare = Some("CurriculumAssigned".to_owned());
    log.read_filtered(middle, 100, &EventFilter { event_type: rare, ..EventFilter::default() }).await?;
    show("read of a rare type, 100 events");
    let some: (String, String) = sqlx::query_as(
        "SELECT aggregate_type, aggregate_id FROM events WHERE aggregate_type = 'lesson' AND global_position > $1
         ORDER BY global_position LIMIT 1",
    )
    .bind(middle)
    .fetch_one(&pool)
    .await?;
    told.take();
    log.read_filtered(log.floor(), 100, &EventFilter { aggregate_id: Some(some.1.clone()), ..EventFilter::default() })
        .await?;
    show("read of one aggregate");
    log.read_aggregates("operations").await?;
    show("read a type of which there are few");
    log.load::<Lesson>("main", &some.1).await?;
    show("load");
    log.load::<User>("main", "nobody").await?;
    show("load what never happened");
    log.read_stream::<Lesson>("main", &some.1, 0).await?;
    show("events of one aggregate");
    log.belongs_to("main", &some.0, &some.1).await?;
    show("whose aggregate");

    append(&log).await?;
    show("append, up to 512 commands of 2 events with receipts");
    repeat(&log).await?;
    show("a command sent again");
    grow(&log).await?;
    show("snapshot of a long stream");

    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await?;
    let fed = EventLog::open(pool.clone(), clock, Some(broker.clone()), Options::default()).await?;
    lag(&fed, &stream).await?;
    show("lag of the relay");
    // The second finds what the first left.
    for what in ["relay", "relay, taken over"] {
        let stop = CancellationToken::new();
        let relaying = tokio::spawn(relay::run(fed.clone(), broker.clone(), stop.clone()));
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.cancel();
        relaying.await?;
        show(what);
    }
    async_nats::jetstream::new(async_nats::connect(nats_url()).await?).delete_stream(&stream).await?;
    assign(&pool, log.shard()).await?;
    release_all(&pool).await?;
    show("start");
    Ok(text)
}

/// Appends for a moment, so that full batches are among those told.
async fn append(log: &EventLog) -> Result<(), Failure> {
    let ours = Ours::over(log.clone(), true);
    let clients: Vec<Box<dyn Client>> = (0..CLIENTS).map(|index| ours.client(index)).collect();
    let window = Window { warm_up: Duration::ZERO, measured: Duration::from_secs(1) };
    drive(clients, window).await?;
    Ok(())
}

/// The same command twice.
async fn repeat(log: &EventLog) -> Result<(), Failure> {
    let context = context(Some("0123456789abcdef".into()));
    let workbook_id = new_id();
    for _ in 0..2 {
        exercise(log, &context, Answer { workbook_id, ordinal: 1 }).await?;
    }
    Ok(())
}

/// A stream that grows long enough for a snapshot.
async fn grow(log: &EventLog) -> Result<(), Failure> {
    let workbook_id = new_id();
    for ordinal in 1..=60 {
        exercise(log, &context(None), Answer { workbook_id, ordinal }).await?;
    }
    Ok(())
}

async fn exercise(log: &EventLog, context: &CommandContext, command: Answer) -> Result<(), Failure> {
    let id = command.workbook_id.to_string();
    let prepare = |_| std::future::ready(Ok::<_, workbook::Error>(command.clone()));
    log.execute::<Workbook, u32, _, _>(context, &id, prepare, |state, _| state.answered).await?;
    Ok(())
}

/// The times (ms) and plans that Postgres told since they were last taken.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(f64, Value)>>>);

impl Told {
    /// Each statement once: of its runs, that which touched the most rows.
    fn take(&self) -> Vec<(String, Run)> {
        let told = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut runs: Vec<(String, Run)> = vec![];
        for (ms, plan) in &told {
            let text = plan["Query Text"].as_str().unwrap_or_default();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let run = Run::of(&plan["Plan"], *ms);
            match runs.iter_mut().find(|(known, _)| *known == text) {
                Some((_, known)) if known.rows > run.rows => {}
                Some((_, known)) => *known = run,
                None => runs.push((text, run)),
            }
        }
        runs
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::postgres::notice" {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        // "duration: 0.012 ms  plan:" and the plan.
        let Some(at) = message.0.find('{') else { return };
        let ms = message.0.split_whitespace().nth(1).and_then(|it| it.parse().ok());
        if let (Some(ms), Ok(plan)) = (ms, serde_json::from_str(&message.0[at..])) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((ms, plan));
        }
    }
}

/// The text of a notice.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }
}

/// What one run of a statement did.
struct Run {
    nodes: Vec<String>,
    rows: f64,
    hit: i64,
    read: i64,
    ms: f64,
}

impl Run {
    fn of(plan: &Value, ms: f64) -> Self {
        // Inserts in a WITH run after the node that is told as the topmost.
        let inner = plan["Plans"].as_array().into_iter().flatten();
        let changes: Vec<&Value> = inner.filter(|it| it["Node Type"] == "ModifyTable").collect();
        let blocks = |name: &str| {
            let of = |plan: &Value| plan[name].as_i64().unwrap_or(0);
            of(plan).max(changes.iter().map(|it| of(it)).sum())
        };
        let (hit, read) = (blocks("Shared Hit Blocks"), blocks("Shared Read Blocks"));
        let mut run = Self { nodes: vec![], rows: 0.0, hit, read, ms };
        run.visit(plan);
        run
    }

    fn visit(&mut self, plan: &Value) {
        let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
        self.rows = self.rows.max(number("Actual Rows") * number("Actual Loops"));
        let text = |name: &str| plan[name].as_str();
        let mut node = text("Operation").or(text("Node Type")).unwrap_or("?").to_owned();
        for (word, name) in [("using", "Index Name"), ("on", "Relation Name")] {
            if let Some(named) = text(name) {
                let _ = write!(node, " {word} {named}");
            }
        }
        // What neither touches a table nor orders or bounds rows only passes them on.
        let telling = plan["Relation Name"].is_string() || plan["Index Name"].is_string();
        if telling || ["Sort", "Limit", "Hash"].iter().any(|it| node.starts_with(it)) {
            self.nodes.push(node);
        }
        for inner in plan["Plans"].as_array().into_iter().flatten() {
            self.visit(inner);
        }
    }

    fn row(&self, statement: &str) -> String {
        let mut nodes: Vec<&str> = vec![];
        for node in &self.nodes {
            if !nodes.contains(&node.as_str()) {
                nodes.push(node);
            }
        }
        let nodes = nodes.join(", ");
        format!("`{}` | {nodes} | {:.0} | {} | {} | {:.2}", short(statement), self.rows, self.hit, self.read, self.ms)
    }
}

/// A statement without its list of columns, and no longer than a line.
fn short(statement: &str) -> String {
    const COLUMNS: (&str, &str) = ("SELECT global_position, event_id,", "SELECT …");
    let text = match (statement.starts_with(COLUMNS.0), statement.find(" FROM ")) {
        (true, Some(at)) => format!("{}{}", COLUMNS.1, &statement[at..]),
        _ => statement.to_owned(),
    };
    let text = text.replace('|', "\\|");
    match text.char_indices().nth(160) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
