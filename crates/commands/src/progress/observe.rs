//! Taking in evidence of what a learner masters.

use baeum_domain::progress::{
    knowledge_tracing::{KnowledgeTracing, SKILLS},
    progress::{Command, Error, Progress},
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};

use crate::Commands;

impl Commands {
    /// Takes evidence in, by the parameters that are in force. Evidence that was taken in before changes nothing.
    ///
    /// # Errors
    /// Evidence out of range, or a failing log.
    pub async fn observe_progress(
        &self,
        context: &CommandContext,
        command: Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let Command::Observe { learner_id, source_position, source_type, evidence, .. } = command;
        let tracing = self.log.load::<KnowledgeTracing>(&context.tenant, SKILLS).await?.state.tracing.clone();
        let command = Command::Observe { learner_id, source_position, source_type, evidence, tracing };
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
