//! One reader of the log a shard, for all the streams of inboxes: however many people listen, the log is read once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use baeum_commands::{EventLog, LogError};
use baeum_domain::{
    Decider as _, Recorded, ids::NotificationId, ids::UserId, notification::notification::Notification,
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::{OnceCell, broadcast};
use tokio_util::sync::CancellationToken;

/// How many events are read at once.
const PAGE: usize = 256;
/// How long a read waits for news.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many news a slow listener may be behind before their stream ends, and they resume.
const BEHIND: usize = 1024;

/// What happened in an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something came into it.
    Delivered,
    /// Something in it was read.
    Read,
}

/// News of an inbox.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) position: i64,
    pub(super) at: DateTime<Utc>,
    pub(super) tenant: String,
    pub(super) learner_id: UserId,
    pub(super) notification_id: NotificationId,
    pub(super) what: What,
}

/// The reader of a shard; it starts with the first listener.
#[derive(Default)]
pub(crate) struct Hub(OnceCell<Started>);

struct Started {
    /// Up to here, everything was told before it was stored.
    position: Arc<AtomicI64>,
    news: broadcast::Sender<News>,
}

impl Hub {
    /// Listens: the position after which news come, and the news. Some of them may be of before.
    pub(super) async fn listen(
        &self,
        log: &EventLog,
        stop: &CancellationToken,
    ) -> Result<(i64, broadcast::Receiver<News>), LogError> {
        let started = self
            .0
            .get_or_try_init(|| async {
                let position = Arc::new(AtomicI64::new(log.head().await?));
                let (news, _) = broadcast::channel(BEHIND);
                tokio::spawn(follow(log.clone(), position.clone(), news.clone(), stop.clone()));
                Ok::<_, LogError>(Started { position, news })
            })
            .await?;
        // In this order: what is told from now on is received, and all else is at or before the position.
        let receiver = started.news.subscribe();
        Ok((started.position.load(Ordering::SeqCst), receiver))
    }
}

async fn follow(log: EventLog, position: Arc<AtomicI64>, news: broadcast::Sender<News>, stop: CancellationToken) {
    let mut feed = log.feed();
    let mut reached = position.load(Ordering::SeqCst);
    loop {
        let page = tokio::select! {
            page = feed.next(reached, PAGE, PATIENCE) => page,
            () = stop.cancelled() => return,
        };
        match page {
            Ok(events) => {
                if let Some(last) = events.last() {
                    reached = last.position;
                    // Before it is told: who then listens and misses it knows that it is to be read elsewhere.
                    position.store(reached, Ordering::SeqCst);
                }
                for told in events.iter().filter_map(news_of) {
                    let _ = news.send(told);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the streams of inboxes wait for the log");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn news_of(event: &Recorded<Value>) -> Option<News> {
    if event.aggregate_type != Notification::AGGREGATE {
        return None;
    }
    let body = event.payload.get(&event.event_type)?;
    let what = match event.event_type.as_str() {
        "NotificationDelivered" if body.get("channel")? == "in_app" => What::Delivered,
        "NotificationRead" => What::Read,
        _ => return None,
    };
    Some(News {
        position: event.position,
        at: event.recorded_at,
        tenant: event.tenant.clone(),
        learner_id: body.get("learner_id")?.as_str()?.parse().ok()?,
        notification_id: event.aggregate_id.parse().ok()?,
        what,
    })
}
