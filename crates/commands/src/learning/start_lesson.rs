//! Starting a lesson: planned from level, weaknesses, interests and what was seen before.

use baeum_domain::{
    identity::user::{self, User},
    ids::{LessonId, derive_id},
    learning::{
        curriculum::Curriculum,
        lesson::{Command, Lesson},
        planning::PlanningInput,
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status};
use crate::{Caller, Commands, Request};

impl Commands {
    /// Plans and starts a lesson for the caller.
    ///
    /// # Errors
    /// A caller without a level, a catalogue without clips, or a failing log.
    pub async fn start_lesson(&self, request: &Request) -> Result<Outcome<Status>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let lesson_id = LessonId(derive_id(&["lesson", &context.command_id.to_string()]));
        self.log.expect_new::<Lesson>(&context.tenant, &lesson_id.to_string());
        self.log
            .execute::<Lesson, _, Error, _>(
                &context,
                &lesson_id.to_string(),
                |_: Loaded<Lesson>| self.plan_lesson(&request.caller, lesson_id),
                |lesson, _| Status::of(lesson_id, lesson),
            )
            .await
    }

    async fn plan_lesson(&self, caller: &Caller, lesson_id: LessonId) -> Result<Command, Error> {
        let learner = caller.user_id.to_string();
        let user = self.log.load::<User>(&caller.tenant, &learner).await?.state;
        let preferences = &user.profile.as_ref().ok_or(user::Error::NotRegistered)?.preferences;
        let curriculum = self.log.load::<Curriculum>(&caller.tenant, &learner).await?.state;
        let plan = self.ports.planner.plan(&PlanningInput {
            level: curriculum.level.ok_or(Error::NoLevel)?,
            weaknesses: curriculum.weaknesses.clone(),
            interests: preferences.interests.clone(),
            seen: curriculum.seen.clone(),
        });
        Ok(Command::Start {
            lesson_id,
            learner_id: caller.user_id,
            plan: plan.ok_or(Error::NoClips)?,
            local_date: preferences.time_zone.local_date(self.clock().now()),
        })
    }

    /// The learner's calendar day at this moment.
    pub(super) async fn local_date(&self, caller: &Caller) -> Result<chrono::NaiveDate, Error> {
        let user = self.log.load::<User>(&caller.tenant, &caller.user_id.to_string()).await?.state;
        let preferences = &user.profile.as_ref().ok_or(user::Error::NotRegistered)?.preferences;
        Ok(preferences.time_zone.local_date(self.clock().now()))
    }
}
