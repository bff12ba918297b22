//! `baeum replay`: a read model derived again from the log, or compared with what the log says.

use std::sync::Arc;

use baeum_domain::position::number;
use baeum_eventlog::EventLog;
use baeum_projections::{
    Projection,
    rebuild::{Comparison, RebuildError, compare, rebuild},
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::tell;

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

/// Rebuilds (or, with `verify`, compares) the read model of this name, or `all`.
///
/// # Errors
/// An unknown name, a failing rebuild, or a difference.
pub(crate) async fn run(
    log: &EventLog,
    registry: Vec<Arc<dyn Projection>>,
    name: &str,
    verify: bool,
) -> Result<(), ReplayError> {
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
        let progress = |done: i64, head: i64| {
            bar.set_length(number(head).unsigned_abs());
            bar.set_position(number(done).unsigned_abs());
        };
        if verify {
            let comparison = compare(log, projection, progress).await?;
            bar.finish_and_clear();
            tell(describe(&comparison));
            different = different.or((!comparison.is_equal()).then_some(name));
        } else {
            let position = rebuild(log, projection, progress).await?;
            bar.finish_and_clear();
            tell(format_args!("{name}: rebuilt up to position {position}"));
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
