//! `baeum replay --into`: a read model replayed into a schema of its own, and how it differs from another.

use std::{str::FromStr, sync::Arc, time::Instant};

use baeum_eventlog::EventLog;
use baeum_projections::{
    Projection,
    history::Moment,
    rebuild::{
        BadName, Diff, Options, Outcome, RowDiff, SandboxError, SandboxName, TableDiff, diff_with_live,
        diff_with_sandbox, live_position, replay_into, sandboxes,
    },
};
use tokio_util::sync::CancellationToken;

use super::{Bar, ReplayError, ReplayOptions};
use crate::output::tell;

/// What a replayed read model is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// The live one.
    Live,
    /// The one in this sandbox.
    Sandbox(SandboxName),
}

impl FromStr for Against {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "live" { Ok(Self::Live) } else { text.parse().map(Self::Sandbox) }
    }
}

/// Replays one read model into a sandbox, and compares it where that is asked for. `false` where it was stopped.
///
/// # Errors
/// A schema that is somebody else's, a moment that is none, or a failing replay.
pub(super) async fn run(
    log: &EventLog,
    projection: &Arc<dyn Projection>,
    sandbox: &SandboxName,
    options: &ReplayOptions,
    stop: &CancellationToken,
) -> Result<bool, ReplayError> {
    let name = projection.name();
    let mut how = Options { from_scratch: options.from_scratch, stop: stop.clone(), ..Default::default() };
    how.workers = options.workers.map_or(how.workers, usize::from);
    let target = match (&options.diff, options.to) {
        (Some(Against::Live), Some(_)) => return Err(ReplayError::LiveIsNow),
        (_, Some(to)) => Moment::find(log, to).await?.position,
        // The other sandbox says how far.
        (Some(Against::Sandbox(other)), None) => {
            let known = sandboxes(log.pool()).await.map_err(SandboxError::from)?;
            let found = known.iter().find(|it| it.schema == other.to_string() && it.projection == name);
            found.map_or(log.head().await?, |it| it.position)
        }
        // The live tables say how far, once they are looked at; up to there they are followed.
        (Some(Against::Live), None) => live_position(log, name).await?,
        (None, None) => log.head().await?,
    };
    let bar = Bar::new(log, name);
    let began = Instant::now();
    let before = bar.first.clone();
    let outcome = replay_into(log, projection.clone(), sandbox, target, &how, bar.progress()).await?;
    bar.finish();
    let position = match outcome {
        Outcome::Rebuilt(position) => position,
        Outcome::Paused(position) => {
            tell(format_args!(
                "{name}: paused at position {position} in '{sandbox}'. The same command goes on from there, \
                 --from-scratch begins anew"
            ));
            return Ok(false);
        }
    };
    if !options.json {
        let done = position - before.get().copied().unwrap_or(position);
        let seconds = began.elapsed().as_secs_f64();
        if done == 0 {
            tell(format_args!(
                "{name}: in '{sandbox}' it is at position {position} already; --from-scratch replays it anew"
            ));
        } else {
            tell(format_args!(
                "{name}: {done} events replayed into '{sandbox}' up to position {position} in {seconds:.1} s \
                 ({} events/s)",
                per_second(done, seconds)
            ));
        }
    }
    let diff = match &options.diff {
        None => return Ok(true),
        Some(Against::Sandbox(other)) => {
            diff_with_sandbox(log, projection.as_ref(), other, sandbox, options.limit).await?
        }
        Some(Against::Live) => {
            let bar = Bar::new(log, name);
            let diff = diff_with_live(log, projection.clone(), sandbox, &how, options.limit, bar.progress()).await?;
            bar.finish();
            let Some(diff) = diff else { return Ok(false) };
            diff
        }
    };
    if options.json {
        tell(serde_json::to_string_pretty(&diff).expect("a difference is JSON"));
    } else {
        tell(describe(&diff));
    }
    Ok(true)
}

fn per_second(events: i64, seconds: f64) -> i64 {
    let milliseconds = std::time::Duration::from_secs_f64(seconds).as_millis().max(1);
    events.saturating_mul(1000) / i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

fn describe(diff: &Diff) -> String {
    let Diff { projection, position, before, after, tables } = diff;
    let mut lines = vec![format!("{projection} at {position}, {before} → {after}:")];
    for table in tables {
        let TableDiff { table, rows_before, rows_after, only_before, only_after, changed, columns, rows } = table;
        if only_before + only_after + changed == 0 {
            lines.push(format!("  {table}: {rows_before} rows, equal"));
            continue;
        }
        lines.push(format!(
            "  {table}: {rows_before} → {rows_after} rows; {changed} changed, {only_before} only in {before}, \
             {only_after} only in {after}"
        ));
        let columns: Vec<String> = columns.iter().map(|(column, rows)| format!("{column} in {rows}")).collect();
        if !columns.is_empty() {
            lines.push(format!("    columns: {}", columns.join(", ")));
        }
        lines.extend(rows.iter().map(|row| describe_row(row, before, after)));
        let more = only_before + only_after + changed - i64::try_from(rows.len()).unwrap_or(0);
        if more > 0 {
            lines.push(format!("    … and {more} more"));
        }
    }
    lines.join("\n")
}

fn describe_row(row: &RowDiff, before: &str, after: &str) -> String {
    let key: Vec<String> = row.key.iter().map(|(column, value)| format!("{column} {}", plain(value))).collect();
    let key = key.join(", ");
    let all = |given: fn(&baeum_projections::rebuild::ColumnDiff) -> bool| row.columns.iter().all(given);
    if !row.columns.is_empty() && all(|it| it.after.is_none()) {
        return format!("    {key}: only in {before}");
    }
    if !row.columns.is_empty() && all(|it| it.before.is_none()) {
        return format!("    {key}: only in {after}");
    }
    let null = serde_json::Value::Null;
    let columns = row.columns.iter().map(|it| {
        let (before, after) = (it.before.as_ref().unwrap_or(&null), it.after.as_ref().unwrap_or(&null));
        format!("{} {} → {}", it.column, plain(before), plain(after))
    });
    format!("    {key}: {}", columns.collect::<Vec<_>>().join(", "))
}

/// A value for the eye: text without quotes, and not all of what is long.
fn plain(value: &serde_json::Value) -> String {
    const LONGEST: usize = 80;
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST).chain(['…']).collect() }
}
