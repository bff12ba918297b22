//! `baeum import`.

use std::path::PathBuf;

use baeum_exchange::import::{Imported, Request, Spec, import};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::ExchangeError;
use crate::{entropy::SystemEntropy, output::tell, projections::OperatedShard};

/// What to import.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportOptions {
    /// Comma-separated values with a header, or JSON Lines: a row an attempt
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What its columns mean, in TOML: see docs/import.md
    #[arg(long, value_name = "SPEC.toml")]
    spec: PathBuf,
    /// Where to tell which rows were left out and why; FILE.rejects.csv where it is not given
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Whose log the attempts go into; the first tenant where it is not given
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Look at every row, even where this very file was imported before
    #[arg(long)]
    every_row: bool,
}

/// Imports a file into the log of a tenant.
///
/// # Errors
/// An unknown tenant, or a failing import.
pub(super) async fn run(shards: &[OperatedShard], options: &ImportOptions) -> Result<(), ExchangeError> {
    let mut tenants = shards.iter().flat_map(|shard| shard.tenants.iter().map(move |tenant| (tenant, shard)));
    let found = match &options.tenant {
        None => tenants.next(),
        Some(given) => tenants.find(|(tenant, _)| *tenant == given),
    };
    let Some((tenant, shard)) = found else {
        let known: Vec<&str> = shards.iter().flat_map(|shard| &shard.tenants).map(String::as_str).collect();
        return Err(ExchangeError::Tenant {
            given: options.tenant.clone().unwrap_or_default(),
            known: known.join(", "),
        });
    };
    let spec = Spec::load(&options.spec, &options.file)?;
    let rejects = options.rejects.clone().unwrap_or_else(|| {
        let mut name = options.file.clone().into_os_string();
        name.push(".rejects.csv");
        name.into()
    });
    let request = Request {
        file: options.file.clone(),
        rejects: rejects.clone(),
        tenant: tenant.clone(),
        every_row: options.every_row,
    };
    let bar = ProgressBar::new(0);
    bar.set_style(style());
    let progress = |done: u64, whole: u64| {
        bar.set_length(whole);
        bar.set_position(done);
    };
    let imported = import(&shard.log, &SystemEntropy, spec, &request, progress).await?;
    bar.finish_and_clear();
    tell(describe(&options.file.display().to_string(), &rejects.display().to_string(), &imported));
    Ok(())
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} to go";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn describe(file: &str, rejects: &str, Imported { tally, known }: &Imported) -> String {
    let rows = tally.rows;
    if *known {
        return format!(
            "{file}: this very file was imported before ({rows} rows, {} rejected); nothing to do. --every-row looks at \
             each of them again",
            tally.rejected
        );
    }
    let told = if tally.rejected > 0 { format!(", see {rejects}") } else { String::new() };
    format!(
        "{file}: {rows} rows, {} imported, {} there already, {} rejected{told}",
        tally.imported, tally.unchanged, tally.rejected
    )
}
