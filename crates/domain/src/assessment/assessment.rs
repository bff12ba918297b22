//! One sitting of the adaptive level test.
//!
//! Life cycle: started, then item administered and answered in turn, then assessed or abandoned.
//! Invariants: only the administered item can be answered, once; the test ends when its stopping rule says so, and
//! nothing happens after its end. Ability, item selection and report come from the psychometric model as data in the
//! command; whether to stop is decided here. Pretest items do not count, neither towards ability nor towards length.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::testing::{Ability, LevelReport, Response, Selection};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{AssessmentId, ItemId, UserId},
};

/// When a test ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoppingRule {
    /// Stop once the standard error of theta is at most this, in logits.
    pub target_standard_error: f64,
    /// But not before this many answers that count.
    pub min_items: u32,
    /// And at this many answers that count at the latest.
    pub max_items: u32,
}

impl StoppingRule {
    /// Why a test ends after `scored` answers that count, at this standard error in logits; `None` while it goes on.
    pub fn reason(self, scored: u32, standard_error: f64) -> Option<StopReason> {
        if scored >= self.max_items {
            Some(StopReason::Length)
        } else if scored >= self.min_items && standard_error <= self.target_standard_error {
            Some(StopReason::StandardError)
        } else {
            None
        }
    }
}

impl Default for StoppingRule {
    fn default() -> Self {
        Self { target_standard_error: 0.4, min_items: 8, max_items: 24 }
    }
}

/// Why a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Theta is known well enough.
    StandardError,
    /// As many items as allowed were answered.
    Length,
    /// The bank has no more items.
    BankExhausted,
}

/// What can have happened in a sitting.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A learner began the test.
    AssessmentStarted {
        /// The sitting.
        assessment_id: AssessmentId,
        /// Who sits it.
        learner_id: UserId,
        /// When it will end.
        rule: StoppingRule,
    },
    /// An item was put to the learner.
    ItemAdministered {
        /// Who sits the test.
        learner_id: UserId,
        /// Place of the item in the sitting, from 1.
        ordinal: u32,
        /// The item and why it was chosen.
        selection: Selection,
    },
    /// The learner answered the administered item.
    ItemAnswered {
        /// Who answered.
        learner_id: UserId,
        /// The item.
        item: ItemId,
        /// Place of the item in the sitting, from 1.
        ordinal: u32,
        /// Which choice was taken, from 0.
        choice: u8,
        /// Whether it was right.
        correct: bool,
        /// How long it took, in milliseconds, where the client measured it.
        response_ms: Option<u32>,
        /// Ability as estimated before this answer.
        before: Ability,
        /// Ability as estimated after it.
        after: Ability,
    },
    /// The test ended with a level.
    LevelAssessed {
        /// The sitting.
        assessment_id: AssessmentId,
        /// Whose level it is.
        learner_id: UserId,
        /// The level, the skills and the weaknesses.
        report: LevelReport,
        /// Items answered.
        items: u32,
        /// Why it ended here.
        reason: StopReason,
    },
    /// The learner left the test before its end.
    AssessmentAbandoned {
        /// Who left.
        learner_id: UserId,
    },
}

impl DomainEvent for Event {
    const VERSIONS: &'static [(&'static str, u16)] = &[("ItemAdministered", 2), ("LevelAssessed", 2)];

    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A sitting, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// Set once started.
    pub sitting: Option<Sitting>,
}

/// A started sitting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sitting {
    /// Its id.
    pub assessment_id: AssessmentId,
    /// Who sits it.
    pub learner_id: UserId,
    /// When it ends.
    pub rule: StoppingRule,
    /// The answers so far, in order.
    pub responses: Vec<Response>,
    /// The choices taken, as many as answers.
    pub choices: Vec<u8>,
    /// The item that waits for an answer.
    pub current: Option<Selection>,
    /// Set once it ended.
    pub ending: Option<Ending>,
}

/// How a sitting ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// With a level.
    Assessed(LevelReport),
    /// The learner left.
    Abandoned,
}

/// What can be asked of a sitting.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin.
    Start {
        /// The new sitting.
        assessment_id: AssessmentId,
        /// Who sits it.
        learner_id: UserId,
        /// When it will end.
        rule: StoppingRule,
        /// The first item.
        first: Selection,
    },
    /// Answer an item.
    Respond {
        /// The item.
        item: ItemId,
        /// The choice taken, from 0.
        choice: u8,
        /// Whether it is right.
        correct: bool,
        /// Milliseconds taken, where measured.
        response_ms: Option<u32>,
        /// Ability before this answer.
        before: Ability,
        /// The report on all answers, this one included.
        report: LevelReport,
        /// The item to ask next if the test goes on.
        next: Option<Selection>,
    },
    /// Leave.
    Abandon,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such sitting.
    #[error("this assessment was never started: start one first")]
    NotStarted,
    /// The sitting exists.
    #[error("assessment {0} was already started by another learner")]
    AlreadyStarted(AssessmentId),
    /// The sitting has ended.
    #[error("assessment {0} has ended: start a new one to be assessed again")]
    Ended(AssessmentId),
    /// The item was answered before, otherwise.
    #[error("item {0} was already answered with another choice: an answer cannot be changed")]
    AlreadyAnswered(ItemId),
    /// Another item waits.
    #[error("item {given} is not being asked: answer item {expected}")]
    NotAsked {
        /// What was answered.
        given: ItemId,
        /// What waits.
        expected: ItemId,
    },
}

impl Decider for Assessment {
    const AGGREGATE: &'static str = "assessment";
    const CONTEXT: &'static str = "assessment";
    const SNAPSHOT_VERSION: u16 = 2;

    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.sitting) {
            (Command::Start { assessment_id, learner_id, rule, first }, None) => Ok(vec![
                Event::AssessmentStarted { assessment_id, learner_id, rule },
                Event::ItemAdministered { learner_id, ordinal: 1, selection: first },
            ]),
            (Command::Start { learner_id, .. }, Some(sitting)) if sitting.learner_id == learner_id => Ok(vec![]),
            (Command::Start { .. }, Some(sitting)) => Err(Error::AlreadyStarted(sitting.assessment_id)),
            (Command::Respond { .. } | Command::Abandon, None) => Err(Error::NotStarted),
            (command @ Command::Respond { .. }, Some(sitting)) => sitting.respond(command),
            (Command::Abandon, Some(sitting)) => match sitting.ending {
                None => Ok(vec![Event::AssessmentAbandoned { learner_id: sitting.learner_id }]),
                Some(Ending::Abandoned) => Ok(vec![]),
                Some(Ending::Assessed(_)) => Err(Error::Ended(sitting.assessment_id)),
            },
        }
    }

    fn evolve(&mut self, event: &Event) {
        if let Event::AssessmentStarted { assessment_id, learner_id, rule } = event {
            self.sitting = Some(Sitting {
                assessment_id: *assessment_id,
                learner_id: *learner_id,
                rule: *rule,
                responses: vec![],
                choices: vec![],
                current: None,
                ending: None,
            });
            return;
        }
        let Some(sitting) = &mut self.sitting else { return };
        match event {
            Event::AssessmentStarted { .. } => {}
            Event::ItemAdministered { selection, .. } => sitting.current = Some(selection.clone()),
            Event::ItemAnswered { item, choice, correct, .. } => {
                let asked = sitting.current.take();
                let scored = asked.is_none_or(|selection| selection.reason.is_scored());
                sitting.responses.push(Response { item: item.clone(), correct: *correct, scored });
                sitting.choices.push(*choice);
            }
            Event::LevelAssessed { report, .. } => sitting.ending = Some(Ending::Assessed(report.clone())),
            Event::AssessmentAbandoned { .. } => {
                sitting.current = None;
                sitting.ending = Some(Ending::Abandoned);
            }
        }
    }

    fn upcast(event_type: &str, version: u16, payload: &Value) -> Option<Value> {
        let mut payload = payload.clone();
        match (event_type, version) {
            ("ItemAdministered", 1) => {
                payload.get_mut("selection")?.as_object_mut()?.insert("reason".into(), json!({ "kind": "unrecorded" }));
            }
            ("LevelAssessed", 1) => {
                let report = payload.get_mut("report")?.as_object_mut()?;
                report.insert("bands".into(), json!([]));
                report.insert("model".into(), Value::Null);
            }
            _ => return None,
        }
        Some(payload)
    }
}

impl Sitting {
    fn respond(&self, command: Command) -> Result<Vec<Event>, Error> {
        let Command::Respond { item, choice, correct, response_ms, before, report, next } = command else {
            return Ok(vec![]);
        };
        if let Some(at) = self.responses.iter().position(|response| response.item == item) {
            return if self.choices.get(at) == Some(&choice) { Ok(vec![]) } else { Err(Error::AlreadyAnswered(item)) };
        }
        let Some(current) = self.current.as_ref().filter(|_| self.ending.is_none()) else {
            return Err(Error::Ended(self.assessment_id));
        };
        if current.item != item {
            return Err(Error::NotAsked { given: item, expected: current.item.clone() });
        }
        let ordinal = u32::try_from(self.responses.len()).unwrap_or(u32::MAX).saturating_add(1);
        let learner_id = self.learner_id;
        let after = report.ability;
        let scored = self.scored() + u32::from(current.reason.is_scored());
        let answered = Event::ItemAnswered { learner_id, item, ordinal, choice, correct, response_ms, before, after };
        let consequence = match (self.rule.reason(scored, after.standard_error), next) {
            (None, Some(selection)) => Event::ItemAdministered { learner_id, ordinal: ordinal + 1, selection },
            (reason, _) => Event::LevelAssessed {
                assessment_id: self.assessment_id,
                learner_id,
                report,
                items: ordinal,
                reason: reason.unwrap_or(StopReason::BankExhausted),
            },
        };
        Ok(vec![answered, consequence])
    }

    /// How many answers count so far.
    fn scored(&self) -> u32 {
        u32::try_from(self.responses.iter().filter(|response| response.scored).count()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assessment::testing::{BandProbability, SelectionReason, TestModel},
        level::{Cefr, Skill},
        spec::given,
    };
    use uuid::Uuid;

    const LEARNER: UserId = UserId(Uuid::from_u128(1));
    const SITTING: AssessmentId = AssessmentId(Uuid::from_u128(2));
    const BEFORE: Ability = Ability { theta: 0.0, standard_error: 1.0 };

    fn item(name: &str) -> ItemId {
        name.parse().expect("a valid item id")
    }

    fn selection(name: &str) -> Selection {
        let reason = SelectionReason::Information { rank: 2, drawn_from: 3, held_back: 1 };
        Selection { item: item(name), skill: Skill::Reading, theta: 0.0, information: 0.5, reason }
    }

    fn pretest(name: &str) -> Selection {
        Selection { reason: SelectionReason::Pretest, ..selection(name) }
    }

    fn report(standard_error: f64) -> LevelReport {
        LevelReport {
            ability: Ability { theta: 0.2, standard_error },
            band: Cefr::B1,
            bands: vec![BandProbability { band: Cefr::B1, probability: 1.0 }],
            skills: vec![],
            weaknesses: vec![],
            model: Some(TestModel { model_id: "test".into(), parameters_hash: "00".into() }),
        }
    }

    fn started(max_items: u32) -> Vec<Event> {
        vec![
            Event::AssessmentStarted {
                assessment_id: SITTING,
                learner_id: LEARNER,
                rule: StoppingRule { target_standard_error: 0.3, min_items: 1, max_items },
            },
            Event::ItemAdministered { learner_id: LEARNER, ordinal: 1, selection: selection("one") },
        ]
    }

    fn respond(name: &str, choice: u8, standard_error: f64, next: Option<&str>) -> Command {
        Command::Respond {
            item: item(name),
            choice,
            correct: true,
            response_ms: Some(4000),
            before: BEFORE,
            report: report(standard_error),
            next: next.map(selection),
        }
    }

    fn answered(standard_error: f64) -> Event {
        Event::ItemAnswered {
            learner_id: LEARNER,
            item: item("one"),
            ordinal: 1,
            choice: 2,
            correct: true,
            response_ms: Some(4000),
            before: BEFORE,
            after: report(standard_error).ability,
        }
    }

    fn assessed(standard_error: f64, reason: StopReason) -> Event {
        Event::LevelAssessed {
            assessment_id: SITTING,
            learner_id: LEARNER,
            report: report(standard_error),
            items: 1,
            reason,
        }
    }

    #[test]
    fn a_test_starts_with_its_first_item() {
        given::<Assessment>([])
            .when(Command::Start {
                assessment_id: SITTING,
                learner_id: LEARNER,
                rule: StoppingRule { target_standard_error: 0.3, min_items: 1, max_items: 9 },
                first: selection("one"),
            })
            .then(started(9));
    }

    #[test]
    fn an_answer_leads_to_the_next_item_while_theta_is_uncertain() {
        given::<Assessment>(started(9)).when(respond("one", 2, 0.8, Some("two"))).then([
            answered(0.8),
            Event::ItemAdministered { learner_id: LEARNER, ordinal: 2, selection: selection("two") },
        ]);
    }

    #[test]
    fn the_test_stops_on_its_standard_error() {
        given::<Assessment>(started(9))
            .when(respond("one", 2, 0.3, Some("two")))
            .then([answered(0.3), assessed(0.3, StopReason::StandardError)]);
    }

    #[test]
    fn the_test_stops_on_its_length() {
        given::<Assessment>(started(1))
            .when(respond("one", 2, 0.8, Some("two")))
            .then([answered(0.8), assessed(0.8, StopReason::Length)]);
    }

    #[test]
    fn the_test_stops_when_the_bank_is_exhausted() {
        given::<Assessment>(started(9))
            .when(respond("one", 2, 0.8, None))
            .then([answered(0.8), assessed(0.8, StopReason::BankExhausted)]);
    }

    #[test]
    fn only_the_administered_item_can_be_answered() {
        given::<Assessment>(started(9)).when(respond("two", 1, 0.8, None)).then_refused("answer item one");
    }

    #[test]
    fn an_answer_cannot_be_changed() {
        let mut history = started(9);
        history.push(answered(0.8));
        given::<Assessment>(history).when(respond("one", 1, 0.8, None)).then_refused("cannot be changed");
    }

    #[test]
    fn nothing_happens_after_the_end() {
        let mut history = started(9);
        history.push(Event::AssessmentAbandoned { learner_id: LEARNER });
        given::<Assessment>(history).when(respond("one", 1, 0.8, None)).then_refused("has ended");
        let mut history = started(9);
        history.extend([answered(0.3), assessed(0.3, StopReason::StandardError)]);
        given::<Assessment>(history).when(Command::Abandon).then_refused("has ended");
    }

    #[test]
    fn a_pretest_item_does_not_count_towards_the_length() {
        let mut history = started(1);
        let Some(Event::ItemAdministered { selection: asked, .. }) = history.last_mut() else { panic!("an item") };
        *asked = pretest("one");
        let go_on = Event::ItemAdministered { learner_id: LEARNER, ordinal: 2, selection: selection("two") };
        given::<Assessment>(history.clone())
            .when(respond("one", 2, 0.8, Some("two")))
            .then([answered(0.8), go_on.clone()]);

        history.extend([answered(0.8), go_on]);
        let sitting = Assessment::fold(&history).sitting.expect("it was started");
        assert_eq!(sitting.responses, [Response { item: item("one"), correct: true, scored: false }]);
        let events = given::<Assessment>(history).when(respond("two", 2, 0.8, Some("three")));
        let Event::ItemAnswered { learner_id, choice, correct, response_ms, before, after, .. } = answered(0.8) else {
            panic!("an answer")
        };
        let second = item("two");
        events.then([
            Event::ItemAnswered { learner_id, item: second, ordinal: 2, choice, correct, response_ms, before, after },
            Event::LevelAssessed {
                assessment_id: SITTING,
                learner_id: LEARNER,
                report: report(0.8),
                items: 2,
                reason: StopReason::Length,
            },
        ]);
    }

    /// The events that changed, as version 1 wrote them.
    fn of_version_1() -> [(&'static str, Value); 2] {
        let selection = json!({ "item": "one", "skill": "reading", "theta": 0.0, "information": 0.5 });
        let ability = json!({ "theta": 0.2, "standard_error": 0.3 });
        let report = json!({ "ability": ability, "band": "B1", "skills": [], "weaknesses": [] });
        [
            ("ItemAdministered", json!({ "learner_id": LEARNER, "ordinal": 1, "selection": selection })),
            (
                "LevelAssessed",
                json!({ "assessment_id": SITTING, "learner_id": LEARNER, "report": report, "items": 1,
                        "reason": "standard_error" }),
            ),
        ]
    }

    fn read(event_type: &str, body: Value) -> Result<Event, serde_json::Error> {
        serde_json::from_value(Value::Object([(event_type.to_owned(), body)].into_iter().collect()))
    }

    #[test]
    fn a_new_reader_lifts_the_events_of_version_1() {
        let [(administered, first), (assessed, second)] = of_version_1();
        let first = Assessment::upcast(administered, 1, &first).expect("there is an upcaster");
        let selection = Selection { reason: SelectionReason::Unrecorded, ..selection("one") };
        assert_eq!(
            read(administered, first).expect("a body of version 2"),
            Event::ItemAdministered { learner_id: LEARNER, ordinal: 1, selection }
        );
        let second = Assessment::upcast(assessed, 1, &second).expect("there is an upcaster");
        let Event::LevelAssessed { report, .. } = read(assessed, second).expect("a body of version 2") else {
            panic!("another event")
        };
        assert_eq!((report.bands, report.model), (vec![], None));
        assert_eq!(Assessment::upcast(assessed, 2, &json!({})), None);
        assert_eq!(Assessment::upcast("ItemAnswered", 1, &json!({})), None);
    }

    #[test]
    fn a_new_reader_reads_what_it_writes() {
        for event in [&started(9)[1], &assessed(0.3, StopReason::Length)] {
            let stored = serde_json::to_value(event).expect("an event is JSON");
            assert_eq!(serde_json::from_value::<Event>(stored).expect("an event"), *event);
        }
    }

    /// What the build of version 1 read: unknown fields are passed over, but the log tells it the version, and it stops.
    #[test]
    fn an_old_reader_finds_all_of_version_1_in_version_2() {
        for ((_, old), event) in of_version_1().into_iter().zip([&started(9)[1], &assessed(0.3, StopReason::Length)]) {
            let stored = serde_json::to_value(event).expect("an event is JSON");
            let new = stored.get(event.event_type()).expect("a body");
            let part = if event.event_type() == "ItemAdministered" { "selection" } else { "report" };
            for (key, value) in old[part].as_object().expect("an object") {
                assert_eq!(new[part].get(key), Some(value), "{key}");
            }
        }
    }

    #[test]
    fn a_test_can_be_abandoned() {
        given::<Assessment>(started(9))
            .when(Command::Abandon)
            .then([Event::AssessmentAbandoned { learner_id: LEARNER }]);
    }
}
