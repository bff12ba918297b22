//! `baeum replay`: a read model derived again from the log and put in its place, compared with what the log says, or
//! replayed into a schema of its own; and what recommendations would have been.

mod into;
mod what_if;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use baeum_domain::catalog::Catalog;
use baeum_eventlog::{EventLog, LogError};
use baeum_ml::recommendation::bandit_recommender::BanditRecommender;
use baeum_projections::{
    Projection,
    history::{AsOf, Moment, MomentError},
    rebuild::{self, Comparison, Outcome, RebuildError, SandboxError, SandboxName, compare, rebuild_with},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use self::{
    into::Against,
    what_if::{WhatIf, WhatIfError},
};
use crate::output::tell;

/// What to replay, and how.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplayOptions {
    /// The read model, or `all`
    #[arg(required_unless_present_any = ["named", "what_if"], conflicts_with = "what_if")]
    projection: Option<String>,
    /// The read model, or `all`
    #[arg(long = "projection", value_name = "NAME", conflicts_with_all = ["projection", "what_if"])]
    named: Option<String>,
    /// Compare with the present read model, row by row, and change nothing
    #[arg(long, conflicts_with_all = ["from_scratch", "workers", "into", "what_if"])]
    verify: bool,
    /// Begin anew, even where a rebuild that was stopped could be gone on with
    #[arg(long)]
    from_scratch: bool,
    /// How many workers write beside each other; as many as there are cores where it is not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Replay into this schema, which is made for it, and leave the live read model alone
    #[arg(long, value_name = "SCHEMA", conflicts_with = "what_if")]
    into: Option<SandboxName>,
    /// Replay up to here only: a position of the log, or a time such as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "MOMENT")]
    to: Option<AsOf>,
    /// Tell in which rows what was replayed differs from the live read model (`live`) or from that in another schema
    #[arg(long, value_name = "live|SCHEMA", requires = "into")]
    diff: Option<Against>,
    /// Tell what would have been recommended with the settings of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_scratch", "workers"])]
    what_if: Option<PathBuf>,
    /// How many rows (of each table) or recommendations that differ to show
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    limit: u32,
    /// Print differences as JSON
    #[arg(long)]
    json: bool,
}

/// Why a read model was not replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// There is no such read model.
    #[error("there is no read model '{given}': choose one of {known}, or all")]
    Unknown {
        /// What was asked for.
        given: String,
        /// What there is.
        known: String,
    },
    /// It failed.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// A sandbox cannot be used.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// It is not what the log says.
    #[error("'{0}' is not what the log says, see above: rebuild it with `baeum replay {0}`")]
    Different(&'static str),
    /// Live read models are of no earlier moment.
    #[error("--to: live read models are always of now: add --into SCHEMA, which is made for it")]
    NotInto,
    /// Live read models have a position of their own.
    #[error(
        "--to: the live read model is where it is: leave --to out with --diff live, or compare with another schema"
    )]
    LiveIsNow,
    /// It is no moment of this log.
    #[error("--to: {0}")]
    Moment(#[from] MomentError),
    /// What is to be tried is not in order.
    #[error(transparent)]
    WhatIf(#[from] WhatIfError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Rebuilds (or compares, or replays elsewhere) the read model of this name, or `all`. What is stopped is gone on with the
/// next time.
///
/// # Errors
/// An unknown name, a failing rebuild, or a difference where there should be none.
pub(crate) async fn run(
    log: &EventLog,
    present: &BanditRecommender,
    catalog: &Arc<Catalog>,
    registry: Vec<Arc<dyn Projection>>,
    options: &ReplayOptions,
    stop: &CancellationToken,
) -> Result<(), ReplayError> {
    if let Some(file) = &options.what_if {
        return try_out(log, &WhatIf::load(file, present, catalog)?, options, stop).await;
    }
    let name = options.projection.as_ref().or(options.named.as_ref()).map(String::as_str).unwrap_or_default();
    let known = registry.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<_> = registry.into_iter().filter(|it| name == "all" || it.name() == name).collect();
    if chosen.is_empty() {
        return Err(ReplayError::Unknown { given: name.to_owned(), known });
    }
    if options.to.is_some() && options.into.is_none() {
        return Err(ReplayError::NotInto);
    }
    let mut different = None;
    for projection in chosen {
        let name = projection.name();
        if let Some(sandbox) = &options.into {
            if !into::run(log, &projection, sandbox, options, stop).await? {
                break;
            }
            continue;
        }
        let bar = Bar::new(log, name);
        if options.verify {
            let compared = stop.run_until_cancelled(compare(log, projection, bar.progress())).await;
            let Some(comparison) = compared else { break };
            let comparison = comparison?;
            bar.finish();
            tell(describe(&comparison));
            different = different.or((!comparison.is_equal()).then_some(name));
            continue;
        }
        let mut how = rebuild::Options { from_scratch: options.from_scratch, stop: stop.clone(), ..Default::default() };
        how.workers = options.workers.map_or(how.workers, usize::from);
        let outcome = rebuild_with(log, projection, &how, bar.progress()).await?;
        bar.finish();
        match outcome {
            Outcome::Rebuilt(position) => tell(format_args!("{name}: rebuilt up to position {position}")),
            Outcome::Paused(position) => {
                tell(format_args!(
                    "{name}: paused at position {position}; the live tables are as they were. `baeum replay {name}` \
                     goes on from there, `baeum replay {name} --from-scratch` begins anew"
                ));
                break;
            }
        }
    }
    different.map_or(Ok(()), |name| Err(ReplayError::Different(name)))
}

async fn try_out(
    log: &EventLog,
    what_if: &WhatIf,
    options: &ReplayOptions,
    stop: &CancellationToken,
) -> Result<(), ReplayError> {
    let to = match options.to {
        Some(to) => Moment::find(log, to).await?.position,
        None => log.head().await?,
    };
    let bar = Bar::new(log, "what if");
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let report = stop.run_until_cancelled(what_if.run(log, to, limit, bar.progress())).await;
    bar.finish();
    let Some(report) = report.transpose()? else { return Ok(()) };
    if options.json {
        tell(serde_json::to_string_pretty(&report).expect("a report is JSON"));
    } else {
        tell(report.describe());
    }
    Ok(())
}

/// Shows how far a replay is.
struct Bar {
    line: ProgressBar,
    floor: i64,
    /// Where it began.
    first: Arc<OnceLock<i64>>,
}

impl Bar {
    fn new(log: &EventLog, what: &'static str) -> Self {
        let line = ProgressBar::new(0);
        let template = "{msg:16} {bar:30} {pos}/{len} events, {per_sec}, {eta} to go";
        line.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        line.set_message(what);
        Self { line, floor: log.floor(), first: Arc::default() }
    }

    /// What to tell how far it is, and how far it goes.
    fn progress(&self) -> impl FnMut(i64, i64) + Send + use<> {
        let Self { line, floor, first } = self;
        let (line, floor, first) = (line.clone(), *floor, first.clone());
        move |done: i64, head: i64| {
            let (at, end) = ((done - floor).unsigned_abs(), (head - floor).unsigned_abs());
            line.set_length(end);
            if first.set(done).is_ok() {
                // What an earlier run has done does not count for the rate.
                line.reset();
                line.set_position(at);
                line.reset_eta();
            }
            line.set_position(at);
        }
    }

    fn finish(&self) {
        self.line.finish_and_clear();
    }
}

fn describe(comparison: &Comparison) -> String {
    let mut lines = vec![];
    for table in &comparison.tables {
        let verdict = if table.only_live == 0 && table.only_rebuilt == 0 {
            format!("{} rows, equal", table.live)
        } else {
            format!(
                "{} rows live, {} rebuilt; {} only live, {} only rebuilt",
                table.live, table.rebuilt, table.only_live, table.only_rebuilt
            )
        };
        lines.push(format!("{}.{} at {}: {verdict}", comparison.projection, table.table, comparison.position));
        lines.extend(table.differences.iter().map(|it| format!("  only {}: {}", it.only_in, it.row)));
    }
    lines.join("\n")
}
