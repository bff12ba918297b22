//! What the logs are measured with: attempts of learners, two events a command, as real and as long as in a lesson.
//!
//! The decider is leaner than the lesson's, and the same for every contender: exercises are answered in order, each once.
//! Streams are short, as learners have them: after 5 to 25 exercises (10 to 50 events) a new one begins.

use baeum_domain::{
    Decider, Sealed,
    ids::{AttemptId, Focus, LessonId, TaskId, UserId},
    learning::{
        evaluation::{ErrorCategory, ErrorSpan, Verdict},
        lesson::{Event, Lesson},
        planning::TaskKind,
    },
    level::Skill,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A workbook, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workbook {
    /// The latest exercise that was answered.
    pub(crate) answered: u32,
    /// The best score.
    pub(crate) best: f64,
    /// Time spent.
    pub(crate) worked_ms: u64,
}

/// Answer an exercise.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// In which workbook.
    pub(crate) workbook_id: Uuid,
    /// Which exercise, from 1.
    pub(crate) ordinal: u32,
}

/// Why a command is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An exercise was left out.
    #[error("exercise {0} comes before its turn: answer {1} first")]
    BeforeItsTurn(u32, u32),
}

impl Decider for Workbook {
    // Its events are those of lessons, so that whatever reads the log can read them.
    const AGGREGATE: &'static str = Lesson::AGGREGATE;
    const CONTEXT: &'static str = Lesson::CONTEXT;
    type Command = Answer;
    type Event = Event;
    type Error = Error;

    fn decide(&self, Answer { workbook_id, ordinal }: Answer) -> Result<Vec<Event>, Error> {
        if ordinal <= self.answered {
            return Ok(vec![]);
        }
        if ordinal != self.answered + 1 {
            return Err(Error::BeforeItsTurn(ordinal, self.answered + 1));
        }
        Ok(events(workbook_id, ordinal).into())
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::AttemptSubmitted { ordinal, duration_ms, .. } => {
                self.answered = *ordinal;
                self.worked_ms += u64::from(duration_ms.unwrap_or(0));
            }
            Event::EvaluationCompleted { verdict, .. } => self.best = self.best.max(verdict.score),
            _ => {}
        }
    }
}

/// The events of one exercise: about 540 and 560 bytes as JSON.
pub(crate) fn events(workbook_id: Uuid, ordinal: u32) -> [Event; 2] {
    let lesson_id = LessonId(workbook_id);
    let learner_id = UserId(Uuid::from_u128(workbook_id.as_u128() >> 8));
    let attempt_id = AttemptId(Uuid::from_u128(workbook_id.as_u128() ^ u128::from(ordinal)));
    let task_id = || -> TaskId { "market-w1".parse().expect("a task id") };
    let focus: Focus = "articles".parse().expect("a focus");
    let span = |start, suggestion: &str| ErrorSpan {
        start,
        end: start + 4,
        category: ErrorCategory::Tense,
        confidence: 0.875,
        suggestion: Some(suggestion.into()),
    };
    [
        Event::AttemptSubmitted {
            lesson_id,
            learner_id,
            attempt_id,
            task_id: task_id(),
            kind: TaskKind::Writing,
            ordinal,
            answer: Sealed {
                key_id: Uuid::from_u128(workbook_id.as_u128() >> 4),
                nonce: "QmFldW0gYmVuY2htYXJrIG5vbmNlIDI0".into(),
                ciphertext: "WWVzdGVyZGF5IEkgaGF2ZSB3ZW50IHRvIHRoZSBtYXJrZXQgd2l0aCBteSBzaXN0ZXIgYW5kIHdlIGJ1eWVkIHRo\
                             cmVlIGZyZXNoIGZpc2hlcyBmb3IgdGhlIGRpbm5lci4="
                    .into(),
            },
            words: 17,
            duration_ms: Some(20_000 + ordinal),
        },
        Event::EvaluationCompleted {
            lesson_id,
            learner_id,
            attempt_id,
            task_id: task_id(),
            skill: Skill::Writing,
            focus,
            verdict: Verdict {
                score: 0.5 + f64::from(ordinal % 50) / 100.0,
                spans: vec![span(12, "went"), span(53, "bought")],
                model_id: "error-detector".into(),
                weights_hash: "3f786850e387550fdab836ed7e6dc881de23001b9b8c24d0a0a6a3f1d2c4e5b6".into(),
                latency_us: 1_500,
                meaning: None,
            },
            passed: true,
            assignment: None,
        },
    ]
}

/// Where one client's next exercise is.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    client: u32,
    workbooks: u32,
    workbook_id: Uuid,
    ordinal: u32,
    exercises: u32,
}

impl Desk {
    /// The desk of a client; lengths of workbooks differ between clients and between workbooks.
    pub(crate) fn new(client: usize) -> Self {
        let client = u32::try_from(client).expect("clients are few");
        Self { client, workbooks: 0, workbook_id: Uuid::nil(), ordinal: 0, exercises: 0 }
    }

    /// The next exercise: in the open workbook, or the first of a new one.
    pub(crate) fn next(&mut self) -> Answer {
        if self.ordinal == self.exercises {
            self.workbooks += 1;
            self.workbook_id = baeum_testing::new_id();
            self.exercises = 5 + (self.client * 7 + self.workbooks * 3) % 21;
            self.ordinal = 0;
        }
        self.ordinal += 1;
        Answer { workbook_id: self.workbook_id, ordinal: self.ordinal }
    }
}
