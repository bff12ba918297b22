//! What must hold whatever was done to the servers, read from the log itself while nobody works.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use async_nats::jetstream::consumer::pull;
use futures::StreamExt as _;
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{faults::BY_HAND, ledger::Sent, world::World};

/// An event of the log, without its payload.
#[derive(FromRow)]
struct Logged {
    global_position: i64,
    event_id: Uuid,
    aggregate_type: String,
    aggregate_id: String,
    sequence: i64,
    event_type: String,
    actor: String,
    causation_id: Uuid,
    /// The level test that a curriculum follows from.
    assessment_id: Option<String>,
    /// The channel of a notification.
    channel: Option<String>,
}

#[derive(FromRow)]
struct Receipt {
    command_id: Uuid,
    position: i64,
}

/// Which events follow from an event by a saga, each exactly once.
const STEPS: [(&str, &str); 8] = [
    ("LevelAssessed", "ProgressUpdated"),
    ("EvaluationDeferred", "EvaluationCompleted"),
    ("EvaluationCompleted", "ProgressUpdated"),
    ("LessonStarted", "CurriculumLessonPlanned"),
    ("LessonCompleted", "RecommendationGenerated"),
    ("RecommendationGenerated", "OttContentSuggested"),
    ("RecommendationGenerated", "NotificationRequested"),
    ("LevelAssessed", "NotificationRequested"),
];

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Acknowledged commands, or steps of sagas, that are not in the log.
    pub(crate) lost: usize,
    /// Commands, or steps of sagas, that took place more than once.
    pub(crate) doubled: usize,
    /// Every breach, in words.
    pub(crate) breaches: Vec<String>,
    /// How many events were looked at.
    pub(crate) events: usize,
}

impl Findings {
    fn breach(&mut self, what: String) {
        self.breaches.push(what);
    }

    fn lose(&mut self, what: String) {
        self.lost += 1;
        self.breach(what);
    }

    fn double(&mut self, what: String) {
        self.doubled += 1;
        self.breach(what);
    }
}

/// Reads the whole log again and compares it with what clients were told.
pub(crate) async fn check(world: &World) -> Findings {
    let mut findings = Findings::default();
    let log: Vec<Logged> = sqlx::query_as(
        "SELECT global_position, event_id, aggregate_type, aggregate_id, sequence, event_type, actor, causation_id,
                payload -> 'CurriculumAssigned' ->> 'assessment_id' AS assessment_id,
                payload -> event_type ->> 'channel' AS channel
         FROM events ORDER BY global_position",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the log can be read");
    let receipts: Vec<Receipt> = sqlx::query_as("SELECT command_id, position FROM command_receipts")
        .fetch_all(&world.pool)
        .await
        .expect("the receipts can be read");
    let head: i64 =
        sqlx::query_scalar("SELECT position FROM log_head").fetch_one(&world.pool).await.expect("there is a head");
    findings.events = log.len();
    numbers_are_dense(&log, head, &mut findings);
    commands_took_place_once(&log, &receipts, &world.ledger.commands(), &mut findings);
    steps_were_done_once(&log, &mut findings);
    notifications_were_delivered_once(&log, &mut findings);
    for complaint in world.ledger.complaints() {
        findings.breach(complaint);
    }
    let given_up: Vec<String> = sqlx::query_scalar(
        "SELECT process || ' ' || instance_id || ': ' || coalesce(reason, '') FROM process_instances
         WHERE status = 'failed'",
    )
    .fetch_all(&world.pool)
    .await
    .expect("the sagas can be read");
    findings.breaches.extend(given_up.into_iter().map(|it| format!("a saga was given up: {it}")));
    findings
}

/// Positions are dense up to the head, sequences of each stream from 1; both grow together, and no id comes twice.
fn numbers_are_dense(log: &[Logged], head: i64, findings: &mut Findings) {
    let (mut streams, mut ids) = (HashMap::new(), BTreeSet::new());
    let mut expected = 1;
    for event in log {
        if event.global_position != expected {
            findings.breach(format!("position {} stands where {expected} should", event.global_position));
            expected = event.global_position;
        }
        expected += 1;
        let sequence = streams.entry((&event.aggregate_type, &event.aggregate_id)).or_insert(0);
        *sequence += 1;
        if event.sequence != *sequence {
            let Logged { aggregate_type, aggregate_id, .. } = event;
            findings.breach(format!("{aggregate_type} {aggregate_id} has {} in place of {sequence}", event.sequence));
        }
        if !ids.insert(event.event_id) {
            findings.double(format!("event id {} is there twice", event.event_id));
        }
    }
    if head + 1 != expected {
        findings.breach(format!("the head is at {head}, the last event at {}", expected - 1));
    }
}

/// Every acknowledged command is there once and whole, where its answer said; any other is there whole or not at all.
fn commands_took_place_once(log: &[Logged], receipts: &[Receipt], sent: &HashMap<Uuid, Sent>, findings: &mut Findings) {
    let mut receipt_of: HashMap<Uuid, i64> = HashMap::new();
    for receipt in receipts {
        if receipt_of.insert(receipt.command_id, receipt.position).is_some() {
            findings.double(format!("command {} has two receipts", receipt.command_id));
        }
    }
    let mut events_of: HashMap<Uuid, Vec<&Logged>> = HashMap::new();
    for event in log.iter().filter(|it| !is_consequence(it)) {
        events_of.entry(event.causation_id).or_default().push(event);
    }
    for (id, command) in sent {
        let events = events_of.remove(id).unwrap_or_default();
        let types: Vec<&str> = events.iter().map(|it| it.event_type.as_str()).collect();
        let positions: Vec<i64> = events.iter().map(|it| it.global_position).collect();
        let what = format!("{:?} {id} with {types:?} at {positions:?}", command.kind);
        let receipt = receipt_of.get(id).copied();
        match (command.acknowledged, receipt) {
            (Some(_), None) => findings.lose(format!("acknowledged, but without a receipt: {what}")),
            (Some(told), Some(kept)) if told != kept => {
                findings.breach(format!("acknowledged at {told}, but kept at {kept}: {what}"));
            }
            (None, None) if events.is_empty() => continue,
            (None, None) => findings.breach(format!("half a command: events without a receipt: {what}")),
            _ => {}
        }
        if events.is_empty() {
            findings.lose(format!("no events: {what}"));
        } else if !command.kind.is_whole(&types) {
            let whole = (1..types.len()).any(|cut| command.kind.is_whole(&types[..cut]));
            if whole {
                findings.double(format!("more than once: {what}"));
            } else {
                findings.breach(format!("not whole: {what}"));
            }
        }
        let last = positions.last().copied();
        if positions.windows(2).any(|it| it[0] + 1 != it[1]) || receipt.is_some_and(|it| last != Some(it)) {
            findings.breach(format!("not in one piece that ends at its receipt {receipt:?}: {what}"));
        }
    }
    for (id, events) in events_of {
        // The administrator registers without a key, at the start; what is appended by hand names itself.
        let known = events.iter().all(|it| it.actor == BY_HAND || it.event_type == "UserRegistered");
        if !known || events.len() > 1 {
            findings.double(format!("{} events of a command {id} that nobody sent", events.len()));
        }
    }
}

/// Whether an event follows from another, and not from a command of a client.
fn is_consequence(event: &Logged) -> bool {
    event.actor.starts_with("saga:") || event.actor.starts_with("dispatcher:") || event.assessment_id.is_some()
}

/// Whether an event is a step of a saga. The curriculum is assigned by its saga, or by the last answer of the test.
fn is_step(event: &Logged) -> bool {
    // Each request of a notification is followed by as many events as it has channels; not every lesson has a reminder; and
    // an answer makes as many cards as it has mistakes to practise.
    let of_saga = event.actor.starts_with("saga:") && event.actor != "saga:reminder";
    let counted = !matches!(event.event_type.as_str(), "NotificationScheduled" | "CardAdded");
    (of_saga && counted) || event.assessment_id.is_some()
}

/// Every saga step was done exactly once in effect.
fn steps_were_done_once(log: &[Logged], findings: &mut Findings) {
    let mut effects: HashMap<(Uuid, &str), usize> = HashMap::new();
    let mut curricula: HashMap<&str, usize> = HashMap::new();
    for event in log.iter().filter(|it| is_step(it)) {
        match &event.assessment_id {
            Some(assessment) => *curricula.entry(assessment).or_default() += 1,
            None => *effects.entry((event.causation_id, &event.event_type)).or_default() += 1,
        }
    }
    for event in log {
        if event.event_type == "LevelAssessed" {
            match curricula.remove(event.aggregate_id.as_str()).unwrap_or(0) {
                0 => findings.lose(format!("no curriculum after the level test at {}", event.global_position)),
                1 => {}
                times => findings.double(format!("{times} curricula after the test at {}", event.global_position)),
            }
        }
        for (_, effect) in STEPS.iter().filter(|(cause, _)| *cause == event.event_type && event.actor != BY_HAND) {
            let at = format!("{effect} after {} at {}", event.event_type, event.global_position);
            match effects.remove(&(event.event_id, *effect)).unwrap_or(0) {
                0 => findings.lose(format!("a saga did not do {at}")),
                1 => {}
                times => findings.double(format!("a saga did {times} times {at}")),
            }
        }
    }
    for ((cause, effect), times) in effects {
        findings.double(format!("a saga did {times} times {effect} after {cause}, which asks for none"));
    }
}

/// No notification was recorded as delivered twice by the same channel.
fn notifications_were_delivered_once(log: &[Logged], findings: &mut Findings) {
    let mut delivered = BTreeSet::new();
    for event in log.iter().filter(|it| it.event_type == "NotificationDelivered") {
        if !delivered.insert((&event.aggregate_id, &event.channel)) {
            findings.double(format!(
                "notification {} was delivered again at {}",
                event.aggregate_id, event.global_position
            ));
        }
    }
}

/// Each read model equals one that is derived anew from the log.
pub(crate) async fn check_read_models(world: &World) -> Option<String> {
    let (equal, told) = world.run(&["replay", "all", "--verify"]).await;
    let compared = told.lines().filter(|line| line.ends_with("equal")).count();
    (!equal || compared < 7).then_some(told)
}

/// The stream of the broker holds every position up to `head`, in the order of positions. Copies of what came before are
/// harmless and only counted. Returns what is wrong, and how many copies there are.
pub(crate) async fn check_stream(world: &World, head: i64) -> (Option<String>, usize) {
    let stream = world.stream().await;
    let messages = stream.get_info().await.expect("known").state.messages;
    let config = pull::OrderedConfig::default();
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut found = consumer.messages().await.expect("messages");
    let (mut expected, mut copies) = (1, 0);
    for _ in 0..messages {
        let message = found.next().await.expect("as many as it told").expect("a message");
        let event: Value = serde_json::from_slice(&message.payload).expect("an event");
        let position = event["position"].as_i64().expect("a position");
        match position.cmp(&expected) {
            Ordering::Equal => expected += 1,
            Ordering::Less => copies += 1,
            Ordering::Greater => {
                return (Some(format!("position {position} stands in the stream before {expected}")), copies);
            }
        }
    }
    let wrong = (expected != head + 1).then(|| format!("the stream ends at {}, the log at {head}", expected - 1));
    (wrong, copies)
}
