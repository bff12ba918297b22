//! What the logs are measured with: a workbook that a learner answers exercises in, two events a command.
//!
//! Life cycle: it comes to be with its first exercise. Invariant: exercises are answered in order, each once. Streams are
//! short, as learners have them: after 5 to 25 exercises (10 to 50 events) a learner starts a new workbook.

use baeum_domain::{Decider, DomainEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The event types, in the order in which a command leads to them.
pub(crate) const EVENT_TYPES: [&str; 2] = ["ExerciseAnswered", "ExerciseMarked"];

/// What can have happened in a workbook. About 340 and 290 bytes as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub(crate) enum Event {
    /// The learner answered an exercise.
    ExerciseAnswered {
        /// Which workbook.
        workbook_id: Uuid,
        /// Which exercise, from 1.
        ordinal: u32,
        /// What it is about.
        task: String,
        /// The answer.
        answer: String,
        /// How long the learner worked.
        duration_ms: u32,
    },
    /// The answer was marked.
    ExerciseMarked {
        /// Which workbook.
        workbook_id: Uuid,
        /// Which exercise.
        ordinal: u32,
        /// 0 to 1.
        score: f64,
        /// Where it can be better.
        remarks: Vec<String>,
        /// By which model.
        model: String,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

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
    /// Which exercise.
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
    const AGGREGATE: &'static str = "workbook";
    const CONTEXT: &'static str = "learning";
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
            Event::ExerciseAnswered { ordinal, duration_ms, .. } => {
                self.answered = *ordinal;
                self.worked_ms += u64::from(*duration_ms);
            }
            Event::ExerciseMarked { score, .. } => self.best = self.best.max(*score),
        }
    }
}

/// The events of one exercise.
pub(crate) fn events(workbook_id: Uuid, ordinal: u32) -> [Event; 2] {
    [
        Event::ExerciseAnswered {
            workbook_id,
            ordinal,
            task: format!("articles-and-prepositions-{ordinal:02}"),
            answer: "Yesterday I have went to the market with my sister and we buyed three fresh fishes for the \
                     dinner, because grandmother was visiting us from Busan."
                .into(),
            duration_ms: 20_000 + ordinal,
        },
        Event::ExerciseMarked {
            workbook_id,
            ordinal,
            score: 0.5 + f64::from(ordinal % 50) / 100.0,
            remarks: vec!["have went: went".into(), "buyed: bought".into(), "fishes: fish".into()],
            model: "error-detector@3f786850e387550fdab836ed7e6dc881de23001b9b8c24d0a0a6a3f1d2c4e5b6".into(),
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
