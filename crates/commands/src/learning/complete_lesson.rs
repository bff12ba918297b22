//! Completing a lesson.

use baeum_domain::{
    ids::LessonId,
    learning::lesson::{Command, Lesson},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status, status::own};
use crate::{Commands, Request};

impl Commands {
    /// Completes the caller's lesson.
    ///
    /// # Errors
    /// Work that is left, another's or an abandoned lesson, or a failing log.
    pub async fn complete_lesson(
        &self,
        request: &Request,
        lesson_id: LessonId,
    ) -> Result<Outcome<Status>, ExecuteError<Error>> {
        self.log
            .execute::<Lesson, _, Error, _>(
                &request.context(self.clock()),
                &lesson_id.to_string(),
                |loaded: Loaded<Lesson>| async move {
                    own(&loaded.state, lesson_id, &request.caller)?;
                    Ok(Command::Complete { local_date: self.local_date(&request.caller).await? })
                },
                |lesson, _| Status::of(lesson_id, lesson),
            )
            .await
    }
}
