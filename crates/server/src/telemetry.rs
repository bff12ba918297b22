//! What the process tells of itself: log lines on stderr, panics as one line of the log, and metrics.

use std::{io::IsTerminal, panic::PanicHookInfo, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::LogForm;

/// Upper bounds of the buckets of everything that is measured in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of the buckets of everything that is counted.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// How often samples that nobody has asked for are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// Modules below this one that tell more than its users want to know.
const QUIET: [&str; 5] =
    ["sqlx::postgres::notice=warn", "wasmer=warn", "wasmer_wasix=error", "virtual_fs=warn", "pglite_oxide=warn"];

/// Starts logging to stderr. `filter` was checked with the configuration; where it names a module of [`QUIET`],
/// that counts more.
pub(crate) fn start_logging(form: LogForm, filter: &str) {
    let quiet = QUIET.into_iter().filter(|it| it.split('=').next().is_some_and(|module| !filter.contains(module)));
    let all = quiet.chain([filter]).collect::<Vec<_>>().join(",");
    let filter = EnvFilter::new(all);
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match form {
        LogForm::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogForm::Json => lines.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
}

/// The message is left out: that of a slice quotes the text that was sliced, which may be a learner's.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(place, thread, "panic");
}

/// Starts collecting metrics; the handle renders them.
///
/// # Errors
/// When metrics are collected already.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), &SIZES)?
        .install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
