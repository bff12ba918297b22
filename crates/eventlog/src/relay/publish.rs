//! Publishing with many messages on the way at once.
//!
//! Each message names the sequence of the one before it and, when that one is still on the way, its id; the broker takes
//! it only there. (By the sequence alone, a message of a stranger would stand for one that was refused, and let its
//! successor in.) So an acknowledgement of one message acknowledges all before it: only some are asked for, and a
//! refusal of one is a refusal of all after it.

use std::{collections::VecDeque, time::Duration};

use async_nats::{
    StatusCode,
    jetstream::{ErrorCode, publish::PublishAck, response::Response},
};
use baeum_domain::position::number;
use futures::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    Ended,
    message::Message,
    tip::{Tip, ends_at},
};
use crate::{
    error::LogError,
    nats::{self, Broker},
};

/// How many messages may be on the way.
const WINDOW: u64 = 4_096;
/// How many bytes may be on the way, beyond the last message.
const WINDOW_BYTES: usize = 8 << 20;
/// Every which message is acknowledged, beside the last one at hand.
const ACKNOWLEDGE_EVERY: u64 = 64;
/// How long an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a relay that has nothing to do looks whether the stream is still there.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// What the broker answers to a message that does not come right after the one that it names.
const REFUSALS: [ErrorCode; 2] = [ErrorCode::STREAM_WRONG_LAST_SEQUENCE, ErrorCode::STREAM_WRONG_LAST_MESSAGE_ID];

/// Publishes what comes by `pages` after `tip`, and tells how far the broker has it.
pub(super) async fn run(
    broker: &Broker,
    tip: Tip,
    mut pages: mpsc::Receiver<Vec<Message>>,
    acknowledged: &watch::Sender<Tip>,
) -> Ended {
    let inbox = broker.client.new_inbox();
    let mut acks = match broker.client.subscribe(inbox.clone()).await {
        Ok(acks) => acks,
        Err(error) => return LogError::Broker(error.to_string()).into(),
    };
    let mut window = Window::after(tip.sequence);
    let mut waiting = VecDeque::new();
    let mut has_messages = false;
    let mut check = interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        match timeout(PATIENCE, send(broker, &inbox, &mut window, &mut waiting)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return silent().into(),
        }
        tokio::select! {
            page = pages.recv(), if waiting.is_empty() => match page {
                Some(page) => waiting.extend(page),
                None => return Ended::Stopped,
            },
            ack = acks.next() => match ack.as_ref().map(sequence_of) {
                Some(Ok(sequence)) => {
                    let count = window.acknowledge(sequence);
                    has_messages = true;
                    let reached = Tip { sequence: window.acknowledged, position: tip.position_of(window.acknowledged) };
                    acknowledged.send_replace(reached);
                    metrics::counter!("baeum_relay_events_total").increment(count);
                    metrics::gauge!("baeum_relay_position", "stream" => broker.stream.clone())
                        .set(approximate(number(reached.position)));
                }
                Some(Err(ended)) => return ended,
                None => return LogError::Broker("the connection was closed".to_owned()).into(),
            },
            () = sleep_until(window.progress + PATIENCE), if !window.is_empty() => return silent().into(),
            _ = check.tick(), if window.is_empty() => {
                match broker.ask_stream().await {
                    Ok(stream) if ends_at(stream.cached_info(), window.published, has_messages) => {
                        has_messages = stream.cached_info().state.messages > 0;
                    }
                    Ok(_) => return Ended::Moved,
                    Err(error) => return error.into(),
                }
            }
        }
    }
}

/// Publishes what is waiting, as far as the window goes.
async fn send(
    broker: &Broker,
    inbox: &str,
    window: &mut Window,
    waiting: &mut VecDeque<Message>,
) -> Result<(), LogError> {
    while window.has_room() {
        let Some(message) = waiting.pop_front() else { return Ok(()) };
        let Message { position, subject, mut headers, body } = message;
        if !window.is_empty() {
            headers.insert(nats::CHAIN, (position - 1).to_string());
        }
        window.publish(body.len());
        let ask = waiting.is_empty() || !window.has_room() || window.published.is_multiple_of(ACKNOWLEDGE_EVERY);
        let sent = if ask {
            window.asked.push_back((window.published, window.bytes_published));
            broker.client.publish_with_reply_and_headers(subject, inbox.to_owned(), headers, body.into()).await
        } else {
            broker.client.publish_with_headers(subject, headers, body.into()).await
        };
        sent.map_err(|error| LogError::Broker(format!("publishing failed: {error}")))?;
    }
    Ok(())
}

/// The sequence that an answer of the broker acknowledges.
fn sequence_of(answer: &async_nats::Message) -> Result<u64, Ended> {
    let failed = |error: String| Ended::Failed(LogError::Broker(format!("publishing failed: {error}")));
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(failed("there is no stream".to_owned()));
    }
    match serde_json::from_slice::<Response<PublishAck>>(&answer.payload) {
        // A duplicate is what another relay has just published.
        Ok(Response::Ok(ack)) if ack.duplicate => Err(Ended::Moved),
        Ok(Response::Ok(ack)) => Ok(ack.sequence),
        Ok(Response::Err { error }) if REFUSALS.contains(&error.error_code()) => Err(Ended::Moved),
        Ok(Response::Err { error }) => Err(failed(error.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn silent() -> LogError {
    LogError::Broker(format!("nothing was acknowledged for {} s", PATIENCE.as_secs()))
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn approximate(position: i64) -> f64 {
    position as f64
}

/// What is on the way.
struct Window {
    published: u64,
    acknowledged: u64,
    bytes_published: usize,
    bytes_acknowledged: usize,
    /// Which messages were published with a wish for an answer, and how many bytes up to each.
    asked: VecDeque<(u64, usize)>,
    /// When it last moved.
    progress: Instant,
}

impl Window {
    fn after(sequence: u64) -> Self {
        Self {
            published: sequence,
            acknowledged: sequence,
            bytes_published: 0,
            bytes_acknowledged: 0,
            asked: VecDeque::new(),
            progress: Instant::now(),
        }
    }

    fn is_empty(&self) -> bool {
        self.published == self.acknowledged
    }

    fn has_room(&self) -> bool {
        self.published - self.acknowledged < WINDOW && self.bytes_published - self.bytes_acknowledged < WINDOW_BYTES
    }

    fn publish(&mut self, bytes: usize) {
        if self.is_empty() {
            self.progress = Instant::now();
        }
        self.published += 1;
        self.bytes_published += bytes;
    }

    /// Takes everything up to `sequence` as stored; returns how many that are.
    fn acknowledge(&mut self, sequence: u64) -> u64 {
        let before = self.acknowledged;
        while let Some((asked, bytes)) = self.asked.front().copied().filter(|(asked, _)| *asked <= sequence) {
            self.asked.pop_front();
            (self.acknowledged, self.bytes_acknowledged) = (asked, bytes);
            self.progress = Instant::now();
        }
        self.acknowledged - before
    }
}
