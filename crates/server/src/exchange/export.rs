//! `baeum export`.

use std::sync::Arc;

use baeum_exchange::export::{Exported, Format, Request, Target, export};
use baeum_projections::Projection;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::ExchangeError;
use crate::{output::tell, projections::OperatedShard};

/// What to export, and where to.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportOptions {
    /// A folder, or s3://bucket/prefix with region, endpoint and credentials in the usual variables (AWS_…)
    #[arg(value_name = "FOLDER|URL")]
    target: String,
    /// parquet, csv or jsonl; without it what the target holds, else parquet
    #[arg(long, value_parser = format)]
    format: Option<Format>,
    /// The first position to export, where nothing was exported to the target yet
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(i64).range(1..))]
    from: Option<i64>,
    /// The events only
    #[arg(long, conflicts_with = "models")]
    events: bool,
    /// The read models only: all, or those named, with commas between them
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = "all")]
    models: Option<String>,
}

fn format(word: &str) -> Result<Format, String> {
    word.parse().map_err(|_| "give parquet, csv or jsonl".to_owned())
}

/// Exports each shard: into a folder of its own where there are several.
///
/// # Errors
/// When an export fails; those of earlier shards are done.
pub(super) async fn run(
    shards: &[OperatedShard],
    registry: &[Arc<dyn Projection>],
    options: &ExportOptions,
) -> Result<(), ExchangeError> {
    // Both of this process and of its clients: what it means to have set one before is nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let whole = Target::parse(&options.target)?;
    let shared = || registry.iter().filter(|it| !it.is_theirs_alone());
    let all = || shared().map(|it| it.name().to_owned()).collect();
    let models = match options.models.as_deref() {
        None if options.events => vec![],
        None | Some("all") => all(),
        Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    let request = Request { format: options.format, from: options.from, events: options.models.is_none(), models };
    for OperatedShard { log, .. } in shards {
        let target = if shards.len() > 1 { whole.within(&format!("shard={}", log.shard())) } else { whole.clone() };
        let bar = ProgressBar::new(0);
        bar.set_style(style());
        let mut first = None;
        let progress = |position: i64, last: i64| {
            let first = *first.get_or_insert(position);
            bar.set_length((last - first).unsigned_abs());
            bar.set_position((position - first).unsigned_abs());
        };
        let exported = export(log, registry, &target, &request, progress).await?;
        bar.finish_and_clear();
        tell(describe(&target, &exported));
    }
    Ok(())
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {pos}/{len} events, {per_sec}, {eta} to go";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn describe(target: &Target, exported: &Exported) -> String {
    let Exported { events, manifest } = exported;
    let bytes: u64 =
        manifest.events.files.iter().map(|it| it.bytes).chain(manifest.models.iter().map(|it| it.bytes)).sum();
    format!(
        "{target}: {events} events added; it holds {} events up to position {} in {} files, {} tables, {bytes} bytes, {}",
        manifest.events.rows,
        manifest.events.to,
        manifest.events.files.len(),
        manifest.models.len(),
        manifest.format,
    )
}
