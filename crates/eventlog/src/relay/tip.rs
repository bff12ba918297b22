//! Where the stream stands: asked of the stream itself, because only it knows what it has taken.

use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use sqlx::PgPool;
use uuid::Uuid;

use super::position::beginning;
use crate::{
    error::LogError,
    nats::{self, Broker},
};

/// How many messages that are not the relay's are passed over in search of its last one.
const LOOK_BACK: u64 = 2_000;

/// The last message of the stream, and the position up to which the stream has the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) sequence: u64,
    pub(super) position: i64,
}

impl Tip {
    /// The sequence that the event at `position` gets when every event after this tip follows without a gap.
    pub(super) fn sequence_of(self, position: i64) -> u64 {
        self.sequence.wrapping_add_signed(position - self.position)
    }

    /// The event that has `sequence` then.
    pub(super) fn position_of(self, sequence: u64) -> i64 {
        self.position + sequence.cast_signed() - self.sequence.cast_signed()
    }
}

/// Finds the tip. `stored` is what the database remembers.
///
/// The last message that a relay published says it. What others have published is passed over. A stream that has none
/// is filled from the beginning when it is a new one, or was emptied though nothing limits it; else (its messages have
/// aged) the stored position counts.
pub(super) async fn find(pool: &PgPool, broker: &Broker, stored: Tip) -> Result<Tip, LogError> {
    let stream = broker.ask_stream().await?;
    let info = stream.cached_info();
    let (first, last) = (info.state.first_sequence, info.state.last_sequence);
    if info.state.messages > 0 {
        for sequence in (first.max(1)..=last).rev().take(usize::try_from(LOOK_BACK).unwrap_or(usize::MAX)) {
            if let Some(position) = relayed(pool, &stream, sequence).await? {
                return Ok(Tip { sequence: last, position });
            }
        }
    }
    let emptied = info.state.messages == 0 && !limited(info);
    let position = if last < stored.sequence || emptied { beginning(pool).await? } else { stored.position };
    Ok(Tip { sequence: last, position })
}

/// Whether the stream still ends where the relay believes, with the messages that it `had`.
pub(super) fn ends_at(info: &Info, sequence: u64, had: bool) -> bool {
    let emptied = had && info.state.messages == 0 && !limited(info);
    info.state.last_sequence == sequence && !emptied
}

/// Whether messages leave the stream by themselves.
fn limited(info: &Info) -> bool {
    let config = &info.config;
    !config.max_age.is_zero() || config.max_bytes > 0 || config.max_messages > 0 || config.max_messages_per_subject > 0
}

/// The position of the message at `sequence`, where a relay of this log published it: a copy lacks the fence that fits
/// its place, and an event of another history is not in the log.
async fn relayed<I>(pool: &PgPool, stream: &Stream<I>, sequence: u64) -> Result<Option<i64>, LogError> {
    let message = match stream.get_raw_message(sequence).await {
        Ok(message) => message,
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(error) => return Err(LogError::Broker(format!("message {sequence} cannot be read: {error}"))),
    };
    let header = |name| message.headers.get(name).map(async_nats::HeaderValue::as_str);
    let fence = header(nats::FENCE).and_then(|it| it.parse::<u64>().ok());
    let position = header(nats::POSITION).and_then(|it| it.parse::<i64>().ok());
    let event_id = header(nats::EVENT_ID).and_then(|it| it.parse::<Uuid>().ok());
    let (Some(fence), Some(position), Some(event_id)) = (fence, position, event_id) else { return Ok(None) };
    if fence.checked_add(1) != Some(sequence) {
        return Ok(None);
    }
    let known: Option<Uuid> = sqlx::query_scalar("SELECT event_id FROM events WHERE global_position = $1")
        .bind(position)
        .fetch_optional(pool)
        .await?;
    Ok((known == Some(event_id)).then_some(position))
}
