//! Starting a level test.

use baeum_domain::{
    assessment::assessment::{Assessment, Command, StoppingRule},
    ids::{AssessmentId, derive_id},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status, status::seed};
use crate::{Commands, Request};

impl Commands {
    /// Starts a level test for the caller.
    ///
    /// # Errors
    /// A catalogue without items, or a failing log.
    pub async fn start_assessment(&self, request: &Request) -> Result<Outcome<Status>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let assessment_id = AssessmentId(derive_id(&["assessment", &context.command_id.to_string()]));
        let learner_id = request.caller.user_id;
        self.log.expect_new::<Assessment>(&context.tenant, &assessment_id.to_string());
        self.log
            .execute::<Assessment, _, Error, _>(
                &context,
                &assessment_id.to_string(),
                |_: Loaded<Assessment>| {
                    let first = self.ports.test.next(&[], seed(assessment_id)).ok_or(Error::NoItems);
                    std::future::ready(first.map(|first| Command::Start {
                        assessment_id,
                        learner_id,
                        rule: StoppingRule::default(),
                        first,
                    }))
                },
                |assessment, _| Status::of(assessment_id, assessment, None),
            )
            .await
    }
}
