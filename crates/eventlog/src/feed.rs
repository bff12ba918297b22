//! Following the log, in order and without gaps, in either mode.
//!
//! A feed first catches up from the log itself, then goes on live: by the in-process tail, or by the stream of the
//! broker. Positions are dense, so a gap in what the broker delivers is seen at once and filled from the log. Processes
//! tell each other how far the log goes, so a stream that is silent, was emptied or is being filled again is noticed as
//! well: it costs a moment, never an event.

use std::{collections::VecDeque, time::Duration};

use async_nats::jetstream::consumer::pull;
use baeum_domain::Recorded;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use crate::{
    EventLog,
    error::LogError,
    nats::{self, Broker},
};

/// How long a feed without news waits before it looks into the log.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long it waits while the broker is away.
const WITHOUT_BROKER: Duration = Duration::from_millis(250);
/// How long the stream may take to bring an event that is known to be in the log.
const GRACE: Duration = Duration::from_millis(50);
/// How long a feed waits for the broker, and how long it then goes without it.
const BROKER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How many messages are taken at once.
const TAKE: usize = 4_096;
/// How many messages of the past, taken at once, show that the stream is being filled again.
const REFILLED: usize = 256;

/// A reader that follows the log from a position of the caller's.
pub struct Feed {
    log: EventLog,
    head: watch::Receiver<i64>,
    broker: Option<Live>,
    /// Whether the last page was full, so that there may be more without any news.
    more: bool,
}

struct Live {
    broker: Broker,
    messages: Option<pull::Ordered>,
    buffer: VecDeque<Recorded<Value>>,
    caught_up: bool,
    /// The head of the log that was known when the log was last read to its end.
    seen: i64,
    /// When the broker is asked again after it did not answer.
    ask_again: Instant,
}

impl EventLog {
    /// A feed by the broker's stream where the log has one, else by the in-process tail.
    pub fn feed(&self) -> Feed {
        let live = |broker: &Broker| Live {
            broker: broker.clone(),
            messages: None,
            buffer: VecDeque::new(),
            caught_up: false,
            seen: 0,
            ask_again: Instant::now(),
        };
        Feed { log: self.clone(), head: self.watch_head(), broker: self.broker.as_ref().map(live), more: false }
    }
}

impl Feed {
    /// The events right after `position`, at most `limit`; none when there is no news within `patience`.
    ///
    /// # Errors
    /// When the log cannot be read. A broker that cannot be reached is no error: the log is read instead.
    pub async fn next(
        &mut self,
        position: i64,
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<Recorded<Value>>, LogError> {
        let position = position.max(self.log.floor());
        match &mut self.broker {
            None => {
                if !self.more {
                    // What this process appends is told at once; what others append is found by looking.
                    let news = self.head.wait_for(|head| *head > position);
                    let _ = timeout(patience, news).await;
                }
                let events = self.log.read(position, limit).await?;
                self.more = events.len() >= limit;
                Ok(events)
            }
            Some(live) => live.next(&self.log, &mut self.head, position, limit, patience).await,
        }
    }
}

impl Live {
    async fn next(
        &mut self,
        log: &EventLog,
        head: &mut watch::Receiver<i64>,
        position: i64,
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<Recorded<Value>>, LogError> {
        self.follow().await;
        if !self.caught_up {
            let known = self.known(head);
            let events = log.read(position, limit).await?;
            self.caught_up = events.len() < limit;
            if !events.is_empty() {
                return Ok(events);
            }
            self.seen = known;
        }
        self.receive(head, position, patience.min(LOOK_AGAIN)).await;
        let events = self.in_order(position, limit);
        if let Some(last) = events.last() {
            log.observe_head(last.position);
        } else {
            // A gap, or silence: ask the log, which has whatever the stream has.
            self.buffer.clear();
            self.caught_up = false;
        }
        Ok(events)
    }

    /// Subscribes where that is to be done. This precedes catching up, so that nothing falls between the two.
    async fn follow(&mut self) {
        if self.messages.is_some() || Instant::now() < self.ask_again {
            return;
        }
        match timeout(BROKER.0, self.broker.follow()).await {
            Ok(Ok(messages)) => self.messages = Some(messages),
            Ok(Err(error)) => tracing::warn!(%error, "reading the log instead"),
            Err(_) => tracing::warn!("the broker does not answer; reading the log instead"),
        }
        self.ask_again = Instant::now() + BROKER.1;
        self.buffer.clear();
        self.caught_up = false;
    }

    /// The head of the log, as far as anybody has told.
    fn known(&self, head: &watch::Receiver<i64>) -> i64 {
        (*head.borrow()).max(*self.broker.heard.borrow())
    }

    /// The events of the buffer that follow `position` without a gap.
    fn in_order(&mut self, position: i64, limit: usize) -> Vec<Recorded<Value>> {
        let mut events: Vec<Recorded<Value>> = vec![];
        while events.len() < limit
            && let Some(event) = self.buffer.pop_front()
        {
            let expected = events.last().map_or(position, |last| last.position) + 1;
            if event.position == expected {
                events.push(event);
            } else if event.position > expected {
                self.buffer.push_front(event);
                break;
            }
        }
        events
    }

    /// Waits for a message, then takes all that are there. Ends early when the log has more than the stream brings.
    async fn receive(&mut self, head: &mut watch::Receiver<i64>, position: i64, patience: Duration) {
        if !self.buffer.is_empty() {
            return;
        }
        let beyond = position.max(self.seen);
        let mut heard = self.broker.heard.clone();
        let news = async {
            tokio::select! {
                () = grown(head, beyond) => {}
                () = grown(&mut heard, beyond) => {}
            }
        };
        let Some(messages) = &mut self.messages else {
            let _ = timeout(patience.min(WITHOUT_BROKER), news).await;
            return;
        };
        let late = async {
            news.await;
            sleep(GRACE).await;
        };
        let mut next = tokio::select! {
            biased;
            message = messages.next() => Some(message),
            () = late => None,
            () = sleep(patience) => None,
        };
        let (mut taken, mut past) = (0, 0);
        while let Some(message) = next {
            let Some(message) = message.transpose().unwrap_or_else(|error| {
                tracing::warn!(%error, "the stream broke off; subscribing again");
                None
            }) else {
                self.messages = None;
                return;
            };
            match event_after(position, &message) {
                Ok(Some(event)) => self.buffer.push_back(event),
                Ok(None) => past += 1,
                Err(error) => tracing::warn!(%error, "a message of the stream is no event; the log is read instead"),
            }
            taken += 1;
            if past >= REFILLED {
                tracing::debug!("the stream brings the past; reading the log for a while");
                self.messages = None;
                self.ask_again = Instant::now() + BROKER.1;
                return;
            }
            if taken >= TAKE {
                return;
            }
            next = messages.next().now_or_never();
        }
    }
}

/// Waits until `head` is known to be after `position`.
pub(crate) async fn grown(head: &mut watch::Receiver<i64>, position: i64) {
    if head.wait_for(|head| *head > position).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The event of a message, where it is one after `position`. What is past is not parsed.
fn event_after(position: i64, message: &async_nats::Message) -> Result<Option<Recorded<Value>>, serde_json::Error> {
    let told = message.headers.as_ref().and_then(|headers| headers.get(nats::POSITION));
    let told = told.and_then(|value| value.as_str().parse::<i64>().ok());
    if told.is_some_and(|told| told <= position) {
        return Ok(None);
    }
    let event: Recorded<Value> = serde_json::from_slice(&message.payload)?;
    Ok((event.position > position).then_some(event))
}
