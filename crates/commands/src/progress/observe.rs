//! Taking in evidence of what a learner masters.

use baeum_domain::progress::progress::{Command, Error, Progress};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};

use crate::Commands;

impl Commands {
    /// Takes evidence in. Evidence that was taken in before changes nothing.
    ///
    /// # Errors
    /// Evidence out of range, or a failing log.
    pub async fn observe_progress(
        &self,
        context: &CommandContext,
        command: Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let Command::Observe { learner_id, .. } = &command;
        self.log
            .execute::<Progress, _, Error, _>(
                context,
                &learner_id.to_string(),
                |_: Loaded<Progress>| std::future::ready(Ok(command.clone())),
                |_, _| (),
            )
            .await
    }
}
