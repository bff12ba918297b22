//! Recording a calibration of the items.

use baeum_domain::assessment::item_bank::{Calibration, Command, Error, ITEM_BANK, ItemBank};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Outcome};

/// Records a calibration, for whoever has the database at hand; answers which one it is. The same calibration again
/// changes nothing.
///
/// # Errors
/// A calibration that rests on less of the log than the latest one, parameters out of range, or a failing log.
pub async fn calibrate(
    log: &EventLog,
    context: &CommandContext,
    calibration: Calibration,
) -> Result<Outcome<u32>, ExecuteError<Error>> {
    let prepare = |_: Loaded<ItemBank>| std::future::ready(Ok(Command::Calibrate(calibration.clone())));
    log.execute::<ItemBank, _, Error, _>(context, ITEM_BANK, prepare, |bank, _| bank.version).await
}
