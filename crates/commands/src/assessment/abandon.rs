//! Leaving a level test before its end.

use baeum_domain::{
    assessment::assessment::{self, Assessment, Command},
    ids::AssessmentId,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status};
use crate::{Commands, Request};

impl Commands {
    /// Leaves a level test.
    ///
    /// # Errors
    /// Another's or an ended test, or a failing log.
    pub async fn abandon_assessment(
        &self,
        request: &Request,
        assessment_id: AssessmentId,
    ) -> Result<Outcome<Status>, ExecuteError<Error>> {
        let caller = request.caller.user_id;
        self.log
            .execute::<Assessment, _, Error, _>(
                &request.context(self.clock()),
                &assessment_id.to_string(),
                |loaded: Loaded<Assessment>| {
                    std::future::ready(match &loaded.state.sitting {
                        None => Err(assessment::Error::NotStarted.into()),
                        Some(sitting) if sitting.learner_id != caller => Err(Error::NotYours(assessment_id)),
                        Some(_) => Ok(Command::Abandon),
                    })
                },
                |assessment, _| Status::of(assessment_id, assessment, None),
            )
            .await
    }
}
