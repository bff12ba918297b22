//! Recording that a clip was watched.

use baeum_domain::{
    ids::{ClipId, LessonId, ViewingId, derive_id},
    learning::lesson::{Command, Lesson, SegmentRepeat},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, Status, status::own};
use crate::{Commands, Request};

/// A viewing as it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewing {
    /// The clip.
    pub clip_id: ClipId,
    /// Time spent watching, in milliseconds.
    pub watched_ms: u32,
    /// Playback speed in percent.
    pub speed_percent: u16,
    /// Segments played again.
    pub repeats: Vec<SegmentRepeat>,
}

impl Commands {
    /// Records a viewing of a clip of the caller's lesson.
    ///
    /// # Errors
    /// A clip that is not of the lesson, an impossible viewing, another's or an ended lesson, or a failing log.
    pub async fn consume_clip(
        &self,
        request: &Request,
        lesson_id: LessonId,
        viewing: Viewing,
    ) -> Result<Outcome<Status>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let viewing_id = ViewingId(derive_id(&["viewing", &context.command_id.to_string()]));
        let viewing = &viewing;
        self.log
            .execute::<Lesson, _, Error, _>(
                &context,
                &lesson_id.to_string(),
                |loaded: Loaded<Lesson>| async move {
                    own(&loaded.state, lesson_id, &request.caller)?;
                    Ok(Command::ConsumeClip {
                        viewing_id,
                        clip_id: viewing.clip_id.clone(),
                        watched_ms: viewing.watched_ms,
                        speed_percent: viewing.speed_percent,
                        repeats: viewing.repeats.clone(),
                        local_date: self.local_date(&request.caller).await?,
                    })
                },
                |lesson, _| Status::of(lesson_id, lesson),
            )
            .await
    }
}
