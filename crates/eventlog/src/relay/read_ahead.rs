//! Reading the log ahead of the publishing, page by page, and making messages of it.

use std::time::Duration;

use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokio::{sync::mpsc, time::timeout};

use super::{message::Message, tip::Tip};
use crate::{EventLog, error::LogError, feed::grown, nats::Broker};

/// How many events are read at once.
const PAGE: usize = 1_024;
/// How many pages are read at the same time, while the relay is that far behind.
const READERS: usize = 3;
/// How often the relay looks for events that nobody told it of.
const POLL: Duration = Duration::from_millis(250);

type Page = Result<Vec<Message>, LogError>;

/// Brings every event after `tip` as messages, in order, until reading fails or nobody takes them.
pub(super) async fn run(log: &EventLog, broker: &Broker, tip: Tip, pages: mpsc::Sender<Vec<Message>>) -> LogError {
    let (mut here, mut elsewhere) = (log.watch_head(), broker.heard.clone());
    let full = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let mut reading: FuturesOrdered<BoxFuture<'static, Page>> = FuturesOrdered::new();
    // What was passed on, what is being read, and where the log surely goes to.
    let (mut passed, mut position, mut head) = (tip.position, tip.position, tip.position);
    loop {
        if head < position.saturating_add(full) {
            head = match log.head().await {
                Ok(head) => head,
                Err(error) => return error,
            };
        }
        // A page may only follow one that is surely full.
        while reading.len() < READERS && head >= position.saturating_add(full) {
            reading.push_back(page(log, broker, tip, position));
            position += full;
        }
        if reading.is_empty() && head > position {
            reading.push_back(page(log, broker, tip, position));
        }
        if reading.is_empty() {
            let news = async {
                tokio::select! {
                    () = grown(&mut here, position) => {}
                    () = grown(&mut elsewhere, position) => {}
                }
            };
            let _ = timeout(POLL, news).await;
            continue;
        }
        let messages = match reading.next().await {
            Some(Ok(messages)) => messages,
            Some(Err(error)) => return error,
            None => continue,
        };
        for message in &messages {
            if message.position != passed + 1 {
                let (found, passed) = (message.position, passed);
                return LogError::Broker(format!("the log was read out of order: {found} after {passed}"));
            }
            passed = message.position;
        }
        position = position.max(passed);
        if pages.send(messages).await.is_err() {
            return LogError::Closed;
        }
    }
}

/// Reads one page, on whatever thread is free.
fn page(log: &EventLog, broker: &Broker, tip: Tip, position: i64) -> BoxFuture<'static, Page> {
    let (log, stream) = (log.clone(), broker.stream.clone());
    let reading = tokio::spawn(async move {
        let events = log.read_raw(position, PAGE).await?;
        let message = |event| Message::of(event, &stream, tip.sequence_of(event.position) - 1);
        events.iter().map(message).collect()
    });
    Box::pin(async move { reading.await.unwrap_or(Err(LogError::Closed)) })
}
