//! `baeum replay`: a read model derived again from the log, or compared with what the log says.

use std::sync::Arc;

use baeum_eventlog::EventLog;
use baeum_projections::{
    Projection,
    rebuild::{self, Comparison, Outcome, RebuildError, compare, rebuild_with},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::output::tell;

/// What to replay, and how.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReplayOptions {
    /// The read model, or `all`
    projection: String,
    /// Compare with the present read model, row by row, and change nothing
    #[arg(long, conflicts_with_all = ["from_scratch", "workers"])]
    verify: bool,
    /// Begin anew, even where a rebuild that was stopped could be gone on with
    #[arg(long)]
    from_scratch: bool,
    /// How many workers write beside each other; as many as there are cores where it is not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
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
    /// It is not what the log says.
    #[error("'{0}' is not what the log says, see above: rebuild it with `baeum replay {0}`")]
    Different(&'static str),
}

/// Rebuilds (or compares) the read model of this name, or `all`. A rebuild that is stopped is gone on with the next time.
///
/// # Errors
/// An unknown name, a failing rebuild, or a difference.
pub(crate) async fn run(
    log: &EventLog,
    registry: Vec<Arc<dyn Projection>>,
    options: &ReplayOptions,
    stop: &CancellationToken,
) -> Result<(), ReplayError> {
    let name = options.projection.as_str();
    let known = registry.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<_> = registry.into_iter().filter(|it| name == "all" || it.name() == name).collect();
    if chosen.is_empty() {
        return Err(ReplayError::Unknown { given: name.to_owned(), known });
    }
    let mut different = None;
    for projection in chosen {
        let name = projection.name();
        let bar = ProgressBar::new(0);
        bar.set_style(style());
        bar.set_message(name);
        let mut began = false;
        let progress = |done: i64, head: i64| {
            let (done, head) = ((done - log.floor()).unsigned_abs(), (head - log.floor()).unsigned_abs());
            bar.set_length(head);
            if !began {
                // What an earlier run has done does not count for the rate.
                bar.reset();
                bar.set_position(done);
                bar.reset_eta();
                began = true;
            }
            bar.set_position(done);
        };
        if options.verify {
            let Some(comparison) = stop.run_until_cancelled(compare(log, projection, progress)).await else { break };
            let comparison = comparison?;
            bar.finish_and_clear();
            tell(describe(&comparison));
            different = different.or((!comparison.is_equal()).then_some(name));
            continue;
        }
        let mut how = rebuild::Options { from_scratch: options.from_scratch, stop: stop.clone(), ..Default::default() };
        how.workers = options.workers.map_or(how.workers, usize::from);
        let outcome = rebuild_with(log, projection, &how, progress).await?;
        bar.finish_and_clear();
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

fn style() -> ProgressStyle {
    let template = "{msg:16} {bar:30} {pos}/{len} events, {per_sec}, {eta} to go";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
