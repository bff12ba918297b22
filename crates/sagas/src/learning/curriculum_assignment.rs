//! After a level test: assign the curriculum; after a lesson began: note its clips, so that they do not repeat.
//!
//! An instance is a learner; it remembers nothing and never ends.

use std::time::Duration;

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{AnyEvent, Recorded, assessment::assessment, learning::curriculum::Command, learning::lesson};

use crate::process::{Effect, Process};

/// The process.
pub struct CurriculumAssignment;

impl Process for CurriculumAssignment {
    const NAME: &'static str = "curriculum_assignment";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["LevelAssessed", "LessonStarted"];
    type State = ();

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Assessment(assessment::Event::LevelAssessed { learner_id, .. })
            | AnyEvent::Lesson(lesson::Event::LessonStarted { learner_id, .. }) => Some(learner_id.to_string()),
            _ => None,
        }
    }

    fn react((): &(), event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let (step, command) = match &event.payload {
            AnyEvent::Assessment(assessment::Event::LevelAssessed { learner_id, assessment_id, report, .. }) => {
                let (learner_id, assessment_id) = (*learner_id, *assessment_id);
                let (level, weaknesses) = (report.band, report.weaknesses.clone());
                ("assign", Command::Assign { learner_id, assessment_id, level, weaknesses })
            }
            AnyEvent::Lesson(lesson::Event::LessonStarted { learner_id, lesson_id, plan, .. }) => {
                let clips = plan.clips.iter().map(|clip| clip.clip_id.clone()).collect();
                ("note", Command::NoteLesson { learner_id: *learner_id, lesson_id: *lesson_id, clips })
            }
            _ => return vec![],
        };
        vec![Effect::Send { step, command: ProcessCommand::Curriculum(command) }]
    }

    fn evolve((): &mut (), _event: &Recorded<AnyEvent>) {}
}
