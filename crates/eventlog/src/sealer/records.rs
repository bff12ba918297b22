//! Events as the bytes that are sealed.

use std::borrow::Cow;

use baeum_proof::{EventRecord, RecordError};
use chrono::{DateTime, SecondsFormat};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::SealError;

/// Every column of an event, in the order in which [`read`] finds them.
pub(super) const ALL_COLUMNS: &str = "global_position, event_id, aggregate_type, aggregate_id, sequence, event_type, \
     event_version, tenant, actor, correlation_id, causation_id, recorded_at, payload, metadata";

/// Seconds from 1970 to 2000, from where Postgres counts, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

/// The events after `after` up to `to`, in order, at most `limit`: every column.
pub(super) const PAGE: &str = "WHERE global_position > $1 AND global_position <= $2 ORDER BY global_position LIMIT $3";

/// The canonical bytes of the event in this row, with its position.
///
/// # Errors
/// When it holds what the log never writes: the position is named.
pub(super) fn read(row: &PgRow, moment: &mut Moment) -> Result<(i64, String), SealError> {
    let position: i64 = row.try_get_unchecked(0)?;
    let id = |at| -> Result<Cow<'static, str>, sqlx::Error> {
        let id: Uuid = row.try_get_unchecked(at)?;
        Ok(id.hyphenated().to_string().into())
    };
    // What `json` and `text` send is their text.
    let text = |at| -> Result<Cow<'_, str>, sqlx::Error> { row.try_get_unchecked::<&str, _>(at).map(Cow::Borrowed) };
    let recorded_at: i64 = row.try_get_unchecked(11)?;
    let recorded_at = moment.text(recorded_at).ok_or_else(|| {
        let why = "recorded_at is no moment of the calendar".to_owned();
        SealError::Event { position, source: RecordError::Unreadable(why) }
    })?;
    let record = EventRecord {
        global_position: position,
        event_id: id(1)?,
        aggregate_type: text(2)?,
        aggregate_id: text(3)?,
        sequence: row.try_get_unchecked(4)?,
        event_type: text(5)?,
        event_version: text(6)?,
        tenant: text(7)?,
        actor: text(8)?,
        correlation_id: id(9)?,
        causation_id: id(10)?,
        recorded_at: recorded_at.into(),
        payload: text(12)?,
        metadata: text(13)?,
    };
    let canonical = record.canonical().map_err(|source| SealError::Event { position, source })?;
    Ok((position, canonical))
}

/// The text of moments; events of one batch share theirs.
#[derive(Default)]
pub(super) struct Moment {
    at: Option<i64>,
    text: String,
}

impl Moment {
    /// The text of so many microseconds after 2000; none for what is no moment of the calendar, such as infinity.
    fn text(&mut self, microseconds: i64) -> Option<&str> {
        if self.at != Some(microseconds) {
            let moment = DateTime::from_timestamp_micros(microseconds.checked_add(EPOCH)?)?;
            self.text = moment.to_rfc3339_opts(SecondsFormat::Micros, true);
            self.at = Some(microseconds);
        }
        Some(&self.text)
    }
}
