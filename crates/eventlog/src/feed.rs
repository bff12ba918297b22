//! Following the log, in order and without gaps, in either mode.
//!
//! A feed first catches up from the log itself, then goes on live: by the in-process tail, or by the stream of the
//! broker. Positions are dense, so a gap in what the broker delivers is seen at once and filled from the log; a broker
//! that is silent or was emptied costs time, never an event.

use std::{collections::VecDeque, time::Duration};

use async_nats::jetstream::consumer::pull;
use baeum_domain::Recorded;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{EventLog, error::LogError, nats::Broker};

/// How long a feed without news waits before it looks into the log.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long it waits while the broker is away.
const WITHOUT_BROKER: Duration = Duration::from_millis(250);
/// How long a feed waits for the broker, and how long it then goes without it.
const BROKER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// A reader that follows the log from a position of the caller's.
pub struct Feed {
    log: EventLog,
    head: watch::Receiver<i64>,
    broker: Option<Live>,
}

struct Live {
    broker: Broker,
    messages: Option<pull::Ordered>,
    buffer: VecDeque<Recorded<Value>>,
    caught_up: bool,
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
            ask_again: Instant::now(),
        };
        Feed { log: self.clone(), head: self.watch_head(), broker: self.broker.as_ref().map(live) }
    }

    /// A feed straight from the log, for whoever feeds the broker.
    pub(crate) fn tail(&self) -> Feed {
        Feed { log: self.clone(), head: self.watch_head(), broker: None }
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
                // What this process appends is told at once; what others append is found by looking.
                let news = self.head.wait_for(|head| *head > position);
                let _ = timeout(patience, news).await;
                self.log.read(position, limit).await
            }
            Some(live) => live.next(&self.log, position, limit, patience).await,
        }
    }
}

impl Live {
    async fn next(
        &mut self,
        log: &EventLog,
        position: i64,
        limit: usize,
        patience: Duration,
    ) -> Result<Vec<Recorded<Value>>, LogError> {
        if self.messages.is_none() && Instant::now() >= self.ask_again {
            // Subscribe before catching up, so that nothing falls between the two.
            match timeout(BROKER.0, self.broker.follow()).await {
                Ok(Ok(messages)) => self.messages = Some(messages),
                Ok(Err(error)) => tracing::warn!(%error, "reading the log instead"),
                Err(_) => tracing::warn!("the broker does not answer; reading the log instead"),
            }
            self.ask_again = Instant::now() + BROKER.1;
            self.buffer.clear();
            self.caught_up = false;
        }
        if !self.caught_up {
            let events = log.read(position, limit).await?;
            self.caught_up = events.len() < limit;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        self.receive(patience.min(LOOK_AGAIN)).await;
        while self.buffer.front().is_some_and(|event| event.position <= position) {
            self.buffer.pop_front();
        }
        let mut events = vec![];
        let mut expected = position + 1;
        while events.len() < limit && self.buffer.front().is_some_and(|event| event.position == expected) {
            events.extend(self.buffer.pop_front());
            expected += 1;
        }
        if events.is_empty() {
            // A gap, or silence: ask the log.
            self.caught_up = false;
        } else if let Some(last) = events.last() {
            log.observe_head(last.position);
        }
        Ok(events)
    }

    /// Waits for a message, then takes all that are there.
    async fn receive(&mut self, patience: Duration) {
        if !self.buffer.is_empty() {
            return;
        }
        let Some(messages) = &mut self.messages else {
            tokio::time::sleep(patience.min(WITHOUT_BROKER)).await;
            return;
        };
        let mut next = timeout(patience, messages.next()).await.ok();
        while let Some(message) = next {
            match message {
                Some(Ok(message)) => match serde_json::from_slice(&message.payload) {
                    Ok(event) => self.buffer.push_back(event),
                    Err(error) => {
                        tracing::warn!(%error, "a message of the stream is no event; the log is read instead");
                    }
                },
                Some(Err(error)) => {
                    tracing::warn!(%error, "the stream broke off; subscribing again");
                    self.messages = None;
                    return;
                }
                None => {
                    self.messages = None;
                    return;
                }
            }
            if self.buffer.len() >= 4096 {
                return;
            }
            let Some(messages) = &mut self.messages else { return };
            next = messages.next().now_or_never();
        }
    }
}
