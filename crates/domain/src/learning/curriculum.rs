//! The curriculum of a learner: the level and weaknesses that their lessons are made from.
//!
//! Life cycle: assigned after each level test; each lesson started from it is noted, so that clips do not repeat.
//! Invariants: an assessment is taken in once; only the learner's own lessons are noted, each once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    assessment::testing::Weakness,
    decider::{Decider, DomainEvent},
    ids::{AssessmentId, ClipId, LessonId, UserId},
    level::Cefr,
};

/// How many clips are remembered so that they are not chosen again.
pub const REMEMBERED_CLIPS: usize = 60;

/// What can have happened to a curriculum.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Level and weaknesses were taken from a level test.
    CurriculumAssigned {
        /// Whose curriculum.
        learner_id: UserId,
        /// The test.
        assessment_id: AssessmentId,
        /// The level of the lessons to come.
        level: Cefr,
        /// What they will work on, the most telling first.
        weaknesses: Vec<Weakness>,
    },
    /// A lesson was made from the curriculum.
    CurriculumLessonPlanned {
        /// Whose curriculum.
        learner_id: UserId,
        /// The lesson.
        lesson_id: LessonId,
        /// Its clips.
        clips: Vec<ClipId>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A curriculum, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curriculum {
    /// The level test that it rests on.
    pub assessment_id: Option<AssessmentId>,
    /// Every level test that was taken in.
    pub taken_in: Vec<AssessmentId>,
    /// The level of lessons, once assigned.
    pub level: Option<Cefr>,
    /// What lessons work on.
    pub weaknesses: Vec<Weakness>,
    /// Clips of the latest lessons, the latest last.
    pub seen: Vec<ClipId>,
    /// The latest lessons, the latest last.
    pub lessons: Vec<LessonId>,
}

/// What can be asked of a curriculum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Take in a level test.
    Assign {
        /// Whose curriculum.
        learner_id: UserId,
        /// The test.
        assessment_id: AssessmentId,
        /// Its level.
        level: Cefr,
        /// Its weaknesses.
        weaknesses: Vec<Weakness>,
    },
    /// Note a lesson.
    NoteLesson {
        /// Whose curriculum.
        learner_id: UserId,
        /// The lesson.
        lesson_id: LessonId,
        /// Its clips.
        clips: Vec<ClipId>,
    },
}

/// A curriculum takes in whatever happened; it refuses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

impl Decider for Curriculum {
    const AGGREGATE: &'static str = "curriculum";
    const CONTEXT: &'static str = "learning";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        Ok(match command {
            Command::Assign { assessment_id, .. } if self.taken_in.contains(&assessment_id) => vec![],
            Command::Assign { learner_id, assessment_id, level, weaknesses } => {
                vec![Event::CurriculumAssigned { learner_id, assessment_id, level, weaknesses }]
            }
            Command::NoteLesson { lesson_id, .. } if self.lessons.contains(&lesson_id) => vec![],
            Command::NoteLesson { learner_id, lesson_id, clips } => {
                vec![Event::CurriculumLessonPlanned { learner_id, lesson_id, clips }]
            }
        })
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::CurriculumAssigned { assessment_id, level, weaknesses, .. } => {
                self.assessment_id = Some(*assessment_id);
                self.taken_in.push(*assessment_id);
                self.level = Some(*level);
                self.weaknesses.clone_from(weaknesses);
            }
            Event::CurriculumLessonPlanned { lesson_id, clips, .. } => {
                self.seen.extend(clips.iter().cloned());
                let surplus = self.seen.len().saturating_sub(REMEMBERED_CLIPS);
                self.seen.drain(..surplus);
                self.lessons.push(*lesson_id);
                let surplus = self.lessons.len().saturating_sub(REMEMBERED_CLIPS);
                self.lessons.drain(..surplus);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::given;
    use uuid::Uuid;

    const LEARNER: UserId = UserId(Uuid::from_u128(1));

    fn assign(test: u128, level: Cefr) -> Command {
        Command::Assign {
            learner_id: LEARNER,
            assessment_id: AssessmentId(Uuid::from_u128(test)),
            level,
            weaknesses: vec![],
        }
    }

    fn assigned(test: u128, level: Cefr) -> Event {
        Event::CurriculumAssigned {
            learner_id: LEARNER,
            assessment_id: AssessmentId(Uuid::from_u128(test)),
            level,
            weaknesses: vec![],
        }
    }

    #[test]
    fn a_level_test_assigns_a_curriculum_once() {
        given::<Curriculum>([]).when(assign(7, Cefr::B1)).then([assigned(7, Cefr::B1)]);
    }

    #[test]
    fn an_older_test_that_is_delivered_again_does_not_undo_a_newer_one() {
        given::<Curriculum>([assigned(7, Cefr::A2), assigned(8, Cefr::B1)]).when(assign(7, Cefr::A2)).then([]);
    }

    #[test]
    fn clips_of_lessons_are_remembered_up_to_a_bound() {
        let mut curriculum = Curriculum::default();
        for lesson in 0..100 {
            curriculum.evolve(&Event::CurriculumLessonPlanned {
                learner_id: LEARNER,
                lesson_id: LessonId(Uuid::from_u128(lesson)),
                clips: vec![format!("clip-{lesson}").parse().expect("a valid clip id")],
            });
        }
        assert_eq!(curriculum.seen.len(), REMEMBERED_CLIPS);
        assert_eq!(curriculum.seen.last().map(ClipId::as_str), Some("clip-99"));
    }
}
