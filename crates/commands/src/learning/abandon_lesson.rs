//! Giving a lesson up.

use baeum_domain::{
    ids::LessonId,
    learning::lesson::{Command, Lesson},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status, status::own};
use crate::{Commands, Request};

impl Commands {
    /// Gives up the caller's lesson.
    ///
    /// # Errors
    /// Another's or a completed lesson, or a failing log.
    pub async fn abandon_lesson(
        &self,
        request: &Request,
        lesson_id: LessonId,
    ) -> Result<Outcome<Status>, ExecuteError<Error>> {
        self.log
            .execute::<Lesson, _, Error, _>(
                &request.context(self.clock()),
                &lesson_id.to_string(),
                |loaded: Loaded<Lesson>| {
                    let own = own(&loaded.state, lesson_id, &request.caller).map(|_| Command::Abandon);
                    std::future::ready(own)
                },
                |lesson, _| Status::of(lesson_id, lesson),
            )
            .await
    }
}
