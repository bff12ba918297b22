//! Where a lesson stands: the answer to most commands on it.

use baeum_domain::{
    ids::LessonId,
    learning::{
        lesson::{Course, Ending, Lesson},
        planning::LessonPlan,
    },
};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::Caller;

/// Where a lesson stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The lesson.
    pub lesson_id: LessonId,
    /// Its clips and tasks.
    pub plan: Option<LessonPlan>,
    /// Clips that are still to be watched.
    pub clips_left: u32,
    /// Tasks that must still be attempted before the lesson can be completed.
    pub attempts_left: u32,
    /// Whether it was completed.
    pub completed: bool,
    /// Whether it was given up.
    pub abandoned: bool,
}

impl Status {
    pub(super) fn of(lesson_id: LessonId, lesson: &Lesson) -> Self {
        let course = lesson.course.as_ref();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let ending = course.and_then(|it| it.ending);
        Self {
            lesson_id,
            plan: course.map(|it| it.plan.clone()),
            clips_left: course.map_or(0, |it| count(it.plan.clips.len().saturating_sub(it.consumed.len()))),
            attempts_left: course.map_or(0, Course::attempts_left),
            completed: ending == Some(Ending::Completed),
            abandoned: ending == Some(Ending::Abandoned),
        }
    }
}

/// The started lesson, if it is the caller's own.
pub(super) fn own<'a>(lesson: &'a Lesson, lesson_id: LessonId, caller: &Caller) -> Result<&'a Course, Error> {
    match &lesson.course {
        None => Err(baeum_domain::learning::lesson::Error::NotStarted.into()),
        Some(course) if course.learner_id != caller.user_id => Err(Error::NotYours(lesson_id)),
        Some(course) => Ok(course),
    }
}
