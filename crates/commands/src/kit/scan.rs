//! Scanning the QR code of a unit: recorded once, and the matching lesson starts.

use baeum_domain::{
    identity::user::{self, User},
    ids::{ClipId, KitId, LessonId, SkuId, derive_id},
    kit::kit::{self, Kit, Unit, lesson_of, unit_id},
    learning::{
        lesson::{self, Lesson},
        planning::{LessonPlan, PlannedClip, PlannedTask},
    },
    media::clip::Clip,
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{Commands, Request};

/// What a code opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// The kit.
    pub kit_id: KitId,
    /// The place in it.
    pub slot: u8,
    /// What the unit is.
    pub sku: SkuId,
    /// The clip.
    pub clip_id: ClipId,
    /// The lesson on it, which is the caller's.
    pub lesson_id: LessonId,
}

impl Commands {
    /// Opens what the code of a unit of the caller's stands for. The lesson is started with the first scan; later ones
    /// lead to the same.
    ///
    /// # Errors
    /// A code that is none, forged, revoked, or of somebody else's unit; a clip that is not in the catalogue any more; a
    /// failing log.
    pub async fn scan_unit(&self, request: &Request, token: &str) -> Result<Outcome<Scanned>, ExecuteError<Error>> {
        let tenant = &request.caller.tenant;
        let read = self.read_unit_token(tenant, token).await.map_err(ExecuteError::Refused)?;
        let (kit_id, slot) = read;
        let unit_id = unit_id(kit_id, slot);
        let command = kit::Command::Scan { unit_id, by: request.caller.user_id, at: self.clock().now() };
        let prepare = |_: Loaded<Kit>| std::future::ready(Ok(command.clone()));
        let scanned = |kit: &Kit, _: &[kit::Event]| {
            let unit = kit.order.as_ref().and_then(|order| order.units.get(&unit_id));
            let Unit { sku, opens, .. } = unit.expect("a unit that was scanned is there");
            Scanned { kit_id, slot, sku: sku.clone(), clip_id: opens.clone(), lesson_id: lesson_of(unit_id) }
        };
        let context = request.context(self.clock());
        let outcome =
            self.log.execute::<Kit, Scanned, Error, _>(&context, &kit_id.to_string(), prepare, scanned).await?;
        // Whoever is cut off here scans again.
        let started = self.start_unit_lesson(request, &context, &outcome.answer).await?;
        Ok(Outcome { position: outcome.position.max(started), ..outcome })
    }

    async fn start_unit_lesson(
        &self,
        request: &Request,
        context: &CommandContext,
        scanned: &Scanned,
    ) -> Result<i64, ExecuteError<Error>> {
        let Scanned { lesson_id, clip_id, .. } = scanned;
        let context = CommandContext {
            command_id: derive_id(&["lesson of a unit", &context.command_id.to_string()]),
            fingerprint: None,
            expected_sequence: None,
            ..context.clone()
        };
        let prepare = |_: Loaded<Lesson>| async move {
            let user = self.log.load::<User>(&request.caller.tenant, &request.caller.user_id.to_string()).await?.state;
            let preferences = &user.profile.as_ref().ok_or(user::Error::NotRegistered)?.preferences;
            let clip = self.catalog().clips.get(clip_id).ok_or_else(|| Error::UnknownClip(clip_id.clone()))?;
            Ok(lesson::Command::Start {
                lesson_id: *lesson_id,
                learner_id: request.caller.user_id,
                plan: plan(clip),
                local_date: preferences.time_zone.local_date(self.clock().now()),
            })
        };
        let started =
            self.log.execute::<Lesson, (), Error, _>(&context, &lesson_id.to_string(), prepare, |_, _| ()).await?;
        Ok(started.position)
    }
}

/// A lesson on one clip, with all of its tasks; one of them must be attempted.
fn plan(clip: &Clip) -> LessonPlan {
    let task = |task: &baeum_domain::media::clip::Task| PlannedTask {
        task_id: task.id.clone(),
        clip_id: clip.id.clone(),
        kind: task.kind,
        focus: task.focus.clone(),
        min_words: task.min_words,
    };
    LessonPlan {
        level: clip.level,
        clips: vec![PlannedClip {
            clip_id: clip.id.clone(),
            duration_ms: clip.duration_ms,
            segments: u32::try_from(clip.segments.len()).unwrap_or(u32::MAX),
        }],
        tasks: clip.tasks.iter().map(task).collect(),
        required_attempts: 1,
    }
}
