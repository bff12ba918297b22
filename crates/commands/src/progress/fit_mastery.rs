//! Recording a fit of the parameters of knowledge tracing.

use baeum_domain::progress::knowledge_tracing::{Command, Error, Fit, KnowledgeTracing, SKILLS};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Outcome};

/// Records a fit for a tenant, for whoever has the database at hand; answers which one it is. The same fit again changes
/// nothing.
///
/// # Errors
/// A fit that rests on less of the log than the latest one, parameters out of range, or a failing log.
pub async fn fit_mastery(
    log: &EventLog,
    context: &CommandContext,
    fit: Fit,
) -> Result<Outcome<u32>, ExecuteError<Error>> {
    let prepare = |_: Loaded<KnowledgeTracing>| std::future::ready(Ok(Command::Fit(fit.clone())));
    log.execute::<KnowledgeTracing, _, Error, _>(context, SKILLS, prepare, |known, _| known.tracing.version).await
}
