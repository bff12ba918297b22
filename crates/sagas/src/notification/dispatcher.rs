//! The dispatcher: sends what is due, to people by their channels and to partner systems by webhooks.
//!
//! It reads the log in order. What an event asks it to do (a timer to set, a delivery to enqueue) and its position in the log
//! commit in one transaction, under the epoch of its lease, so each is done once in effect. Timers say only when to look: what
//! to do is asked of the notification itself, in the log, right before sending. So a timer that comes late, twice or for
//! nothing does no harm.
//!
//! Sending is different: nobody can commit together with a mail server. An attempt is sent, then recorded; a crash in
//! between leads to the same attempt again, with the same id. That is at least once in attempt, and once in effect where the
//! receiver takes an id once.

use std::{collections::HashMap, time::Duration};

use baeum_commands::{
    Commands, ExecuteError,
    notification::{
        Error,
        deliver::{Delivery, Due, Failure},
        webhook_deliveries::{self, Conclusion, PendingDelivery},
    },
};
use baeum_domain::{
    AnyEvent, Decider as _, Recorded,
    ids::{NotificationId, WebhookId},
    notification::{
        backoff,
        channel::Channel,
        notification::{Event as NotificationEvent, Notification},
        webhooks::{Event as WebhookEvent, Webhooks},
    },
};
use baeum_eventlog::{EventLog, LogError, begin, decode, lease::Lease, lease::RENEW_EVERY};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::{
    task::{Id, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    sender::{Senders, lasting, passing},
    timers::{self, Routes, Timer},
};

/// How many events are taken in with one transaction at most.
const BATCH: usize = 500;
/// How many notifications, and how many webhooks, are under way at a time.
const SLOTS: usize = 32;
/// How long one attempt may take in all.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long deliveries of webhooks that were made are remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// How often the older ones are forgotten.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);

/// Why the dispatcher does not get on.
#[derive(Debug, thiserror::Error)]
enum DispatchError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the tables of the dispatcher cannot be reached: {0}")]
    Store(#[from] sqlx::Error),
    #[error(transparent)]
    Delivery(#[from] ExecuteError<Error>),
    #[error(transparent)]
    Webhook(#[from] Error),
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Notification(Uuid, Channel),
    Webhook(Uuid, i64),
}

/// Runs the dispatcher until `stop`, in one process at a time. What fails is tried again.
pub async fn run(commands: Commands, senders: Senders, stop: CancellationToken) {
    let log = commands.log();
    let lease = Lease::new(log.pool().clone(), "notification:dispatcher", log.clock().new_id());
    let dispatcher = Dispatcher { commands, senders, lease };
    let mut pause = Duration::from_secs(1);
    loop {
        let session = tokio::select! {
            session = dispatcher.session(&mut pause) => session,
            () = stop.cancelled() => break,
        };
        if let Err(error) = session {
            metrics::counter!("baeum_notification_dispatcher_errors_total").increment(1);
            tracing::warn!(%error, "the dispatcher of notifications was interrupted and tries again");
            let _ = timers::note_error(dispatcher.commands.log().pool(), &error.to_string()).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => break,
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
    let _ = dispatcher.lease.release().await;
}

struct Dispatcher {
    commands: Commands,
    senders: Senders,
    lease: Lease,
}

/// The attempts that are under way. When it is dropped, they end where they are.
#[derive(Default)]
struct Work {
    running: JoinSet<()>,
    keys: HashMap<Id, Key>,
}

impl Work {
    fn count(&self, of: fn(&Key) -> bool) -> usize {
        self.keys.values().filter(|key| of(key)).count()
    }

    fn has(&self, key: Key) -> bool {
        self.keys.values().any(|it| *it == key)
    }

    fn start(&mut self, key: Key, attempt: impl Future<Output = Result<(), DispatchError>> + Send + 'static) {
        let running = self.running.spawn(async move {
            if let Err(error) = attempt.await {
                metrics::counter!("baeum_notification_dispatcher_errors_total").increment(1);
                tracing::warn!(?key, %error, "an attempt was not recorded and is repeated");
            }
        });
        self.keys.insert(running.id(), key);
    }

    /// Takes out what has ended, waiting for something to end for so long.
    async fn reap(&mut self, patience: Duration) {
        let mut ended = if patience.is_zero() {
            self.running.try_join_next_with_id()
        } else {
            timeout(patience, self.running.join_next_with_id()).await.ok().flatten()
        };
        while let Some(result) = ended {
            let id = match result {
                Ok((id, ())) => id,
                Err(error) => {
                    tracing::error!(%error, "an attempt ended unexpectedly");
                    error.id()
                }
            };
            self.keys.remove(&id);
            ended = self.running.try_join_next_with_id();
        }
    }
}

impl Dispatcher {
    /// Works for as long as the lease is held.
    async fn session(&self, pause: &mut Duration) -> Result<(), DispatchError> {
        let epoch = loop {
            match self.lease.epoch().await? {
                Some(epoch) => break epoch,
                None => tokio::time::sleep(RENEW_EVERY).await,
            }
        };
        let log = self.commands.log();
        let taken_over = timers::take_over(log.pool(), epoch, log.clock().now()).await?;
        let Some((mut position, mut routes)) = taken_over else { return Ok(()) };
        tracing::info!(position, "dispatching notifications");
        let (mut feed, mut work) = (log.feed(), Work::default());
        let mut forgotten_at = None;
        while self.lease.epoch().await? == Some(epoch) {
            let wait = self.until_due(&routes).await?;
            let events = feed.next(position, BATCH, wait).await?;
            if let Some(last) = events.last().map(|event| event.position) {
                if !self.take_in(epoch, position, &events, &mut routes).await? {
                    return Ok(());
                }
                position = last;
            }
            *pause = Duration::from_secs(1);
            work.reap(Duration::ZERO).await;
            if self.start_due(&mut work, &routes).await? {
                // As much as may is under way: go on as soon as something has ended.
                work.reap(RENEW_EVERY).await;
            }
            self.forget_old(&mut forgotten_at).await?;
        }
        Ok(())
    }

    /// How long nothing is due.
    async fn until_due(&self, routes: &Routes) -> Result<Duration, DispatchError> {
        let log = self.commands.log();
        let now = log.clock().now();
        let timer = timers::next_due(log.pool(), now).await?;
        let webhook = webhook_deliveries::next_due(log.pool(), &ids(routes), now).await?;
        let due = [timer, webhook].into_iter().flatten().min();
        let wait = due.map_or(RENEW_EVERY, |due| (due - now).to_std().unwrap_or(Duration::ZERO));
        Ok(wait.min(RENEW_EVERY))
    }

    /// Takes events in with what they ask for; `false` when another dispatcher was faster.
    async fn take_in(
        &self,
        epoch: i64,
        from: i64,
        events: &[Recorded<Value>],
        routes: &mut Routes,
    ) -> Result<bool, DispatchError> {
        let log = self.commands.log();
        let now = log.clock().now();
        let mut after = routes.clone();
        let mut reached = from;
        let mut unreadable = None;
        let mut db = begin(log.pool()).await?;
        for event in events {
            // Nobody is told any more of what concerns somebody who was forgotten.
            log.erased().meet(event);
            if forgotten(log, event) {
                reached = event.position;
                continue;
            }
            match take_in_one(&mut db, event, &mut after, now).await {
                Ok(()) => reached = event.position,
                // What came before it is kept; it is not skipped.
                Err(DispatchError::Log(error)) => {
                    unreadable = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let moved = reached == from || timers::move_position(&mut db, epoch, (from, reached), now).await?;
        if moved {
            db.commit().await?;
            *routes = after;
        } else {
            db.rollback().await?;
        }
        match unreadable {
            Some(error) => Err(error.into()),
            None => Ok(moved),
        }
    }

    /// Starts what is due, as far as there are slots; whether something has to wait for one.
    async fn start_due(&self, work: &mut Work, routes: &Routes) -> Result<bool, DispatchError> {
        let log = self.commands.log();
        let now = log.clock().now();
        let mut waiting = false;
        let due = timers::due(log.pool(), now, i64::try_from(SLOTS * 2).unwrap_or(i64::MAX)).await?;
        for timer in due {
            let Some(delivery) = timer.delivery() else { continue };
            let key = Key::Notification(delivery.notification_id.0, delivery.channel);
            if work.has(key) {
                continue;
            }
            if work.count(|key| matches!(key, Key::Notification(..))) >= SLOTS {
                waiting = true;
                break;
            }
            work.start(key, deliver(self.commands.clone(), self.senders.clone(), timer, delivery));
        }
        for pending in webhook_deliveries::due(log.pool(), &ids(routes), now).await? {
            let key = Key::Webhook(pending.webhook_id, pending.position);
            if work.has(key) {
                continue;
            }
            if work.count(|key| matches!(key, Key::Webhook(..))) >= SLOTS {
                waiting = true;
                break;
            }
            work.start(key, tell(self.commands.clone(), self.senders.clone(), pending));
        }
        Ok(waiting)
    }

    async fn forget_old(&self, forgotten_at: &mut Option<DateTime<Utc>>) -> Result<(), DispatchError> {
        let log = self.commands.log();
        let now = log.clock().now();
        if forgotten_at.is_none_or(|at| now - at >= FORGET_EVERY) {
            webhook_deliveries::prune(log.pool(), now - REMEMBERED).await?;
            *forgotten_at = Some(now);
        }
        Ok(())
    }
}

/// Whether an event is about somebody who was forgotten.
fn forgotten(log: &EventLog, event: &Recorded<Value>) -> bool {
    log.erased().concerns(event, |payload, name| payload.as_object()?.values().next()?.get(name)?.as_str())
}

/// Every webhook.
fn ids(routes: &Routes) -> Vec<Uuid> {
    routes.values().flat_map(|it| it.webhooks.keys()).map(|id| id.0).collect()
}

/// What an event asks for.
async fn take_in_one(
    db: &mut PgConnection,
    event: &Recorded<Value>,
    routes: &mut Routes,
    now: DateTime<Utc>,
) -> Result<(), DispatchError> {
    match event.aggregate_type.as_str() {
        Notification::AGGREGATE => {
            let decoded = decode(event.clone())?;
            if let AnyEvent::Notification(
                NotificationEvent::NotificationScheduled { channel, not_before, .. }
                | NotificationEvent::NotificationFailed { channel, not_before, .. }
                | NotificationEvent::NotificationRetried { channel, not_before, .. },
            ) = decoded.payload
                && let Ok(id) = event.aggregate_id.parse::<NotificationId>()
            {
                let delivery = Delivery {
                    tenant: event.tenant.clone(),
                    notification_id: id,
                    channel,
                    correlation_id: event.correlation_id,
                    causation_id: event.event_id,
                };
                timers::set(db, &delivery, not_before).await?;
            }
        }
        Webhooks::AGGREGATE => {
            let decoded = decode(event.clone())?;
            let AnyEvent::Webhooks(change) = decoded.payload else { return Ok(()) };
            let route = routes.entry(event.tenant.clone()).or_default();
            route.evolve(&change);
            timers::keep_route(db, &event.tenant, route).await?;
            match change {
                WebhookEvent::WebhookDeleted { webhook_id } => {
                    webhook_deliveries::drop_pending(db, webhook_id).await?;
                }
                WebhookEvent::WebhookDeliveryReplayed { webhook_id, position, attempts } => {
                    webhook_deliveries::revive(db, webhook_id, (position, attempts), now).await?;
                }
                _ => {}
            }
        }
        _ => {
            let Some(route) = routes.get(&event.tenant) else { return Ok(()) };
            let told: Vec<WebhookId> = route.told_of(&event.event_type).collect();
            for webhook in told {
                let named = (event.position, event.event_id, event.event_type.as_str());
                webhook_deliveries::enqueue(db, webhook, named, &event.tenant, now).await?;
            }
        }
    }
    Ok(())
}

/// Looks at a notification whose timer has run out, and sends it where that is to be done.
async fn deliver(commands: Commands, senders: Senders, timer: Timer, delivery: Delivery) -> Result<(), DispatchError> {
    let channel = delivery.channel;
    let next = match commands.due_delivery(&delivery).await? {
        Due::Nothing => None,
        Due::Later(at) => Some(at),
        Due::Send(message) => {
            let outcome = match senders.of(channel) {
                Some(sender) => timeout(PATIENCE, sender.send(&message)).await.unwrap_or(Err(passing("timed-out"))),
                None => Err(passing("no-sender")),
            };
            count("baeum_notification_attempts_total", &channel.to_string(), outcome.as_ref());
            commands.record_attempt(&delivery, message.attempt, outcome).await?
        }
    };
    timers::settle(commands.log().pool(), &timer, next).await?;
    Ok(())
}

/// Tells a partner system of an event.
async fn tell(commands: Commands, senders: Senders, pending: PendingDelivery) -> Result<(), DispatchError> {
    let log = commands.log();
    let endpoint = commands.webhook_endpoint(&pending.tenant, WebhookId(pending.webhook_id)).await?;
    let event = log.read(pending.position - 1, 1).await?.pop();
    let event = event.filter(|it| it.event_id == pending.event_id && it.tenant == pending.tenant);
    let outcome = match (endpoint, event) {
        (Some(_), Some(event)) if forgotten(log, &event) => Err(lasting("subject-erased")),
        (Some(endpoint), Some(event)) => {
            let sent = senders.webhooks.send(pending.webhook_id, &endpoint, &event, log.clock().now());
            timeout(PATIENCE, sent).await.unwrap_or(Err(passing("timed-out")))
        }
        (None, _) => Err(lasting("webhook-gone")),
        (_, None) => Err(lasting("event-gone")),
    };
    count("baeum_webhook_attempts_total", "webhook", outcome.as_ref());
    let attempt = pending.attempts.cast_unsigned() + 1;
    let now = log.clock().now();
    let conclusion = match outcome {
        Ok(()) => Conclusion::Delivered,
        Err(Failure { reason, lasting }) if lasting || attempt - pending.forgiven.cast_unsigned() >= backoff::LIMIT => {
            Conclusion::DeadLettered { reason }
        }
        Err(Failure { reason, .. }) => {
            let tried = attempt - pending.forgiven.cast_unsigned();
            Conclusion::Retry { reason, at: now + backoff::pause(tried, commands.jitter()) }
        }
    };
    webhook_deliveries::conclude(log.pool(), &pending, conclusion, now).await?;
    Ok(())
}

fn count(metric: &'static str, channel: &str, outcome: Result<&(), &Failure>) {
    let outcome = if outcome.is_ok() { "delivered" } else { "failed" };
    metrics::counter!(metric, "channel" => channel.to_owned(), "outcome" => outcome).increment(1);
}
