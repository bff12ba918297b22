//! Quiet hours and reminders: timers that outlast the process, and a clock that is moved by hand.

use baeum_domain::{
    identity::user::Role,
    ids::{AttemptId, LessonId, UserId, ViewingId},
    learning::{
        evaluation::{Evaluation, Verdict},
        lesson::{Command, Error, Lesson},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::Cefr,
    notification::{
        channel::Channel,
        preferences::Preferences,
        quiet_hours::{QuietHours, WallTime},
    },
};
use baeum_eventlog::Loaded;
use baeum_testing::{eventually, new_id};
use chrono::{NaiveDate, TimeDelta};

use crate::world::{World, request};

const AT_ONCE: TimeDelta = TimeDelta::zero();

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_the_end_of_the_quiet_hours_over_a_restart_and_the_inbox_does_not() {
    let world = World::create().await;
    let learner = world.learner().await;
    // Ten in the evening in Seoul.
    world.clock.advance(TimeDelta::hours(4));
    let id = world.tell(learner, 1).await;
    let first = world.dispatch(world.senders());
    world.until("NotificationDelivered", "in_app", 1, AT_ONCE).await;
    world.at_rest().await;
    first.abort();
    let _ = first.await;
    let (_, not_before) = world.notification(id).await.next_attempt(Channel::Email).expect("it waits");
    assert_eq!(not_before.to_rfc3339(), "2026-03-01T23:00:00+00:00", "eight in the morning in Seoul");
    assert!(world.mail.mails().is_empty());
    world.clock.advance(TimeDelta::hours(10));
    world.dispatch(world.senders());
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    assert_eq!(world.mail.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_that_were_set_while_a_mail_waited_are_kept_too() {
    let world = World::create().await;
    let learner = world.learner().await;
    let id = world.tell(learner, 1).await;
    let quiet_hours = Some(QuietHours { from: WallTime::new(17, 0), to: WallTime::new(20, 0) });
    let preferences = Preferences { quiet_hours, ..Preferences::default() };
    let request = request(learner, Role::Learner);
    world.commands.set_notification_preferences(&request, learner, preferences).await.expect("set");
    world.dispatch(world.senders());
    // Six in the evening: it is postponed until eight.
    world.until("NotificationScheduled", "email", 2, AT_ONCE).await;
    world.at_rest().await;
    assert!(world.mail.mails().is_empty());
    let (attempt, not_before) = world.notification(id).await.next_attempt(Channel::Email).expect("it waits");
    assert_eq!((attempt, not_before.to_rfc3339().as_str()), (1, "2026-03-01T11:00:00+00:00"));
    world.clock.advance(TimeDelta::hours(2));
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
}

async fn complete_lesson(world: &World, learner_id: UserId, local_date: &str) {
    let lesson_id = LessonId(new_id());
    let local_date: NaiveDate = local_date.parse().expect("a date");
    let (clip, task) = ("b1-clip", "b1-task");
    let plan = LessonPlan {
        level: Cefr::B1,
        clips: vec![PlannedClip { clip_id: clip.parse().expect("an id"), duration_ms: 60_000, segments: 8 }],
        tasks: vec![PlannedTask {
            task_id: task.parse().expect("an id"),
            clip_id: clip.parse().expect("an id"),
            kind: TaskKind::Writing,
            focus: "articles".parse().expect("a focus"),
            min_words: 1,
        }],
        required_attempts: 1,
    };
    let verdict = Verdict {
        score: 0.8,
        spans: vec![],
        model_id: "test".into(),
        weights_hash: "00".into(),
        latency_us: 1,
        meaning: None,
    };
    let answer = baeum_domain::Sealed { key_id: new_id(), nonce: String::new(), ciphertext: String::new() };
    let steps = [
        Command::Start { lesson_id, learner_id, plan, local_date },
        Command::ConsumeClip {
            viewing_id: ViewingId(new_id()),
            clip_id: clip.parse().expect("an id"),
            watched_ms: 60_000,
            speed_percent: 100,
            repeats: vec![],
            local_date,
        },
        Command::SubmitAttempt {
            attempt_id: AttemptId(new_id()),
            task_id: task.parse().expect("an id"),
            kind: TaskKind::Writing,
            answer,
            words: 5,
            duration_ms: None,
            evaluation: Evaluation::Given(verdict),
            assignment: None,
        },
        Command::Complete { local_date },
    ];
    for step in steps {
        let prepare = move |_: Loaded<Lesson>| std::future::ready(Ok::<_, Error>(step.clone()));
        let (context, id) = (world.context(), lesson_id.to_string());
        world.log().execute::<Lesson, (), Error, _>(&context, &id, prepare, |_, _| ()).await.expect("decided");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_congratulated_on_and_leads_to_a_reminder_unless_the_next_day_has_one() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.start_processes();
    world.dispatch(world.senders());
    let requested = async |count: usize| {
        eventually("the notifications are requested", || async {
            world.clock.advance(TimeDelta::milliseconds(20));
            (world.events("NotificationRequested").await.len() >= count).then_some(())
        })
        .await;
    };
    complete_lesson(&world, learner, "2026-03-01").await;
    requested(2).await;
    let all = world.events("NotificationRequested").await;
    let templates: Vec<_> = all.iter().filter_map(|it| it["content"]["template"].as_str()).collect();
    assert!(templates.contains(&"lesson_completed") && templates.contains(&"streak_reminder"), "{templates:?}");
    let reminders = async || -> Vec<String> {
        let all = world.events("NotificationScheduled").await;
        let later = all.iter().filter_map(|it| it["not_before"].as_str()).filter(|it| *it > "2026-03-01T10:00:00Z");
        later.map(ToOwned::to_owned).collect()
    };
    // Seven in the evening in Seoul, in the inbox and by mail.
    assert_eq!(reminders().await, ["2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z"]);
    // The next day has a lesson: no reminder that day, but one on the day after.
    world.clock.advance(TimeDelta::hours(20));
    complete_lesson(&world, learner, "2026-03-02").await;
    requested(4).await;
    assert_eq!(world.events("NotificationCancelled").await.len(), 1);
    world.clock.advance(TimeDelta::hours(29));
    world.until("NotificationDelivered", "email", 3, TimeDelta::milliseconds(20)).await;
    world.at_rest().await;
    let delivered = world.events("NotificationDelivered").await;
    assert_eq!(delivered.len(), 6, "two lessons and one reminder, by mail and in the inbox: {delivered:?}");
}
