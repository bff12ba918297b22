//! On the day after a lesson: a reminder to go on, to who has not learned by the evening.
//!
//! A completed lesson schedules a reminder for seven in the evening of the next day by the learner's clock, and cancels the
//! one that still waits. So nobody is reminded on a day on which they learned, and who stays away is reminded once.
//! An instance is a learner; it never ends.

use std::{collections::BTreeMap, time::Duration};

use baeum_commands::{dispatch::ProcessCommand, notification::request::NotificationRequest};
use baeum_domain::{
    AnyEvent, Recorded,
    ids::NotificationId,
    learning::lesson,
    notification::{quiet_hours::WallTime, template::STREAK_REMINDER},
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::congratulation::cause;
use crate::process::{Effect, Process};

/// When reminders come, by the learner's clock.
const EVENING: WallTime = WallTime::new(19, 0);

/// The process.
pub struct Reminder;

/// What an instance remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The learner's calendar day of the latest lesson.
    pub last: Option<NaiveDate>,
    /// Days with a lesson in a row, up to that one.
    pub streak: u32,
    /// The reminder that may still wait.
    pub reminder: Option<NotificationId>,
}

impl Process for Reminder {
    const NAME: &'static str = "reminder";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &["LessonCompleted"];
    type State = Remembered;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Lesson(lesson::Event::LessonCompleted { learner_id, .. }) => Some(learner_id.to_string()),
            _ => None,
        }
    }

    fn react(state: &Remembered, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let Some(request) = next(state, event) else { return vec![] };
        let learner_id = request.learner_id;
        let cancel = state.reminder.map(|notification_id| Effect::Send {
            step: "cancel",
            command: ProcessCommand::CancelNotification { learner_id, notification_id },
        });
        let remind = Effect::Send { step: "remind", command: ProcessCommand::RequestNotification(request) };
        cancel.into_iter().chain([remind]).collect()
    }

    fn evolve(state: &mut Remembered, event: &Recorded<AnyEvent>) {
        let Some(request) = next(state, event) else { return };
        if let AnyEvent::Lesson(lesson::Event::LessonCompleted { local_date, .. }) = &event.payload {
            let reminder = Some(request.notification_id());
            *state = Remembered { last: Some(*local_date), streak: streak(state, *local_date), reminder };
        }
    }
}

/// The reminder that follows from a lesson; none from a second one on the same day.
fn next(state: &Remembered, event: &Recorded<AnyEvent>) -> Option<NotificationRequest> {
    let AnyEvent::Lesson(lesson::Event::LessonCompleted { learner_id, local_date, .. }) = &event.payload else {
        return None;
    };
    if state.last.is_some_and(|last| last >= *local_date) {
        return None;
    }
    Some(NotificationRequest {
        learner_id: *learner_id,
        cause: cause(event),
        at: event.recorded_at,
        template: STREAK_REMINDER.template(),
        parameters: [("streak".to_owned(), streak(state, *local_date).to_string())].into(),
        days: BTreeMap::new(),
        not_before: Some((local_date.succ_opt()?, EVENING)),
    })
}

/// Days in a row with a lesson on `date`.
fn streak(state: &Remembered, date: NaiveDate) -> u32 {
    let goes_on = state.last.is_some() && state.last == date.pred_opt();
    if goes_on { state.streak.saturating_add(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::{play, recorded};
    use baeum_domain::ids::{LessonId, UserId};
    use uuid::Uuid;

    fn completed(date: &str) -> lesson::Event {
        lesson::Event::LessonCompleted {
            lesson_id: LessonId(Uuid::from_u128(2)),
            learner_id: UserId(Uuid::from_u128(1)),
            clips: 1,
            attempts: 1,
            mean_score: 0.75,
            active_ms: 1000,
            local_date: date.parse().expect("a date"),
        }
    }

    /// The steps of an event, with day and streak of what it reminds of.
    fn told(effects: &[Effect]) -> Vec<(&'static str, String)> {
        let told = |effect: &Effect| match effect {
            Effect::Send { step, command: ProcessCommand::RequestNotification(request) } => {
                let (date, time) = request.not_before.expect("a moment");
                (*step, format!("{date} {time} {}", request.parameters["streak"]))
            }
            Effect::Send { step, .. } => (*step, String::new()),
            Effect::Schedule { timer, .. } | Effect::Unschedule { timer } => (*timer, String::new()),
            Effect::Finish => ("finish", String::new()),
        };
        effects.iter().map(told).collect()
    }

    #[test]
    fn each_day_with_a_lesson_moves_the_reminder_to_the_next_evening() {
        let days = ["2026-02-27", "2026-02-28", "2026-02-28", "2026-03-01", "2026-03-04"];
        let history: Vec<_> = (1..).zip(days).map(|(at, day)| recorded(at, completed(day))).collect();
        let effects: Vec<_> = play::<Reminder>(&history).iter().map(|it| told(it)).collect();
        let remind = |what: &str| ("remind", what.to_owned());
        let cancel = || ("cancel", String::new());
        assert_eq!(
            effects,
            [
                vec![remind("2026-02-28 19:00 1")],
                vec![cancel(), remind("2026-03-01 19:00 2")],
                vec![],
                vec![cancel(), remind("2026-03-02 19:00 3")],
                vec![cancel(), remind("2026-03-05 19:00 1")],
            ]
        );
    }
}
