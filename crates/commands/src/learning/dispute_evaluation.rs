//! Saying that an evaluation is wrong.

use baeum_domain::{
    ids::LessonId,
    learning::lesson::{Command, Dispute, Lesson},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, status::own};
use crate::{Commands, Request};

impl Commands {
    /// Takes in that the caller finds an evaluation of theirs wrong. It changes no score.
    ///
    /// # Errors
    /// Another's lesson, an attempt without a verdict, a span that it does not have, what was disputed on another ground,
    /// or a failing log.
    pub async fn dispute_evaluation(
        &self,
        request: &Request,
        lesson_id: LessonId,
        dispute: Dispute,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let prepare = |loaded: Loaded<Lesson>| {
            let own = own(&loaded.state, lesson_id, &request.caller).map(|_| Command::DisputeEvaluation(dispute));
            std::future::ready(own)
        };
        let context = request.context(self.clock());
        self.log.execute::<Lesson, _, Error, _>(&context, &lesson_id.to_string(), prepare, |_, _| ()).await
    }
}
