//! `baeum calibrate`: the items of the level test calibrated from the answers in the log, and recorded there.

use std::{collections::BTreeMap, fmt::Write as _};

use baeum_commands::{ExecuteError, assessment::calibrate::calibrate};
use baeum_domain::{
    AnyEvent,
    assessment::{assessment::Event, item_bank},
    catalog::Catalog,
};
use baeum_eventlog::{EventFilter, EventLog, LogError, decode};
use baeum_ml::assessment::{
    bank_calibration::{Answers, BankCalibration, BankError, calibrate_bank},
    irt::Model,
};
use clap::Args;

use crate::{irt, output::tell, projections::OperatedShard};

/// Events that are read at once.
const PAGE: usize = 5_000;

/// How to calibrate.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct CalibrateOptions {
    /// Parameters of an item: 1pl (difficulty), 2pl (and discrimination) or 3pl (and guessing)
    #[arg(long, value_name = "MODEL", default_value = "3pl", value_parser = irt::model)]
    model: Model,
    /// Shows what would be recorded, and records nothing
    #[arg(long)]
    dry_run: bool,
}

/// Why nothing was calibrated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CalibrateError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the answers of the log do not make a calibration: {0}")]
    Bank(#[from] BankError),
    #[error(
        "the estimation did not converge: nothing is recorded; wait for more answers, or take a model with fewer parameters"
    )]
    NotConverged,
    #[error("the calibration was not recorded: {0}")]
    Refused(#[from] ExecuteError<item_bank::Error>),
}

/// Calibrates the items in every shard, from its own log.
///
/// # Errors
/// Too few answers, an estimation that does not converge, or a failing log.
pub(crate) async fn run(
    shards: &[OperatedShard],
    catalog: &Catalog,
    options: &CalibrateOptions,
) -> Result<(), CalibrateError> {
    for shard in shards {
        if shards.len() > 1 {
            tell(format_args!("shard {}:", shard.log.shard()));
        }
        let (answers, position) = answers(&shard.log).await?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let found = calibrate_bank(&answers, catalog, options.model, threads, position)?;
        if !found.converged {
            return Err(CalibrateError::NotConverged);
        }
        tell(describe(&found, catalog));
        if options.dry_run {
            tell("nothing was recorded (--dry-run)");
            continue;
        }
        let tenant = shard.tenants.first().expect("a shard has a tenant");
        let outcome = calibrate(&shard.log, &shard.context(tenant), found.calibration).await?;
        tell(format_args!("calibration {} is in the log, up to position {}", outcome.answer, outcome.position));
    }
    Ok(())
}

/// The first answer of every learner to every item, and the position of the last of them. Who was forgotten is left out.
async fn answers(log: &EventLog) -> Result<(Answers, i64), LogError> {
    let filter = EventFilter { event_type: Some("ItemAnswered".to_owned()), ..EventFilter::default() };
    let (mut answers, mut position, mut last): (Answers, i64, i64) = (BTreeMap::new(), log.floor(), log.floor());
    let head = log.head().await?;
    while position < head {
        let (events, read_to) = log.read_filtered(position, PAGE, &filter).await?;
        for event in events.into_iter().filter(|event| event.position <= head) {
            let at = event.position;
            if let AnyEvent::Assessment(Event::ItemAnswered { learner_id, item, correct, .. }) = decode(event)?.payload
                && !log.erased().contains(learner_id)
            {
                answers.entry(learner_id).or_default().entry(item).or_insert(correct);
                last = at;
            }
        }
        if read_to <= position {
            break;
        }
        position = read_to;
    }
    Ok((answers, last))
}

fn describe(found: &BankCalibration, catalog: &Catalog) -> String {
    let (calibration, (slope, shift)) = (&found.calibration, found.link);
    let mut text = format!(
        "{} items from {} learners up to position {}; {}, scale {slope:.3} and {shift:+.3}, parameters {}\n",
        calibration.items.len(),
        calibration.learners,
        calibration.input_position,
        calibration.model_id,
        &calibration.parameters_hash[..12],
    );
    let _ = writeln!(
        text,
        "{:<32} {:>7}  {:>6} {:>6}  {:>7} {:>6} {:>9}  {:>5}",
        "item", "answers", "a", "±", "b", "±", "catalogue", "c"
    );
    for it in &calibration.items {
        let was = catalog.items.get(&it.item).map_or(0.0, |entry| entry.difficulty);
        let _ = writeln!(
            text,
            "{:<32} {:>7}  {:>6.3} {:>6.3}  {:>7.3} {:>6.3} {was:>9.3}  {:>5.3}",
            it.item.as_str(),
            it.answers,
            it.discrimination,
            it.discrimination_error,
            it.difficulty,
            it.difficulty_error,
            it.guessing,
        );
    }
    for (item, reason) in &found.left_out {
        let _ = writeln!(text, "left out: {item}: {reason}");
    }
    text.pop();
    text
}
