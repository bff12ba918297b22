//! The one statement that writes to the log.

use baeum_domain::Clock;
use sqlx::{
    Encode, PgConnection, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, types::Oid},
};
use uuid::Uuid;

use super::{Job, NewEvent, NewEvents};

/// Whatever can be done before the head is locked is done before: reading the arrays, checking the JSON, and laying out
/// the rows, which counting them makes happen.
///
/// Without a row, the log has not reached $14: it is not the log that the states were remembered of.
const INSERT: &str = "
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::json[], $7::json[],
                         $8::uuid[], $9::text[], $10::text[], $11::uuid[], $12::uuid[])
        WITH ORDINALITY AS t(aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             event_id, tenant, actor, correlation_id, causation_id, ordinal)
), head AS (
    UPDATE log_head SET position = position + (SELECT count(*) FROM new) WHERE position >= $14
    RETURNING position - (SELECT count(*) FROM new) AS base
), inserted AS (
    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                        global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
    SELECT aggregate_type, aggregate_id, sequence, event_type, event_version::text, payload, metadata,
           base + ordinal, event_id, tenant, actor, correlation_id, causation_id, $13
    FROM new CROSS JOIN head
), received AS (
    INSERT INTO command_receipts (tenant, command_id, fingerprint, position, sequence, answer, recorded_at,
                                  aggregate_type, aggregate_id, actor)
    SELECT r.tenant, r.command_id, r.fingerprint, base + r.events, r.sequence, r.answer, $13,
           r.aggregate_type, r.aggregate_id, r.actor
    FROM unnest($15::text[], $16::uuid[], $17::text[], $18::bigint[], $19::bigint[], $20::json[], $21::text[],
                $22::text[], $23::text[])
        AS r(tenant, command_id, fingerprint, events, sequence, answer, aggregate_type, aggregate_id, actor)
        CROSS JOIN head
)
SELECT base FROM head";

/// Inserts a batch; gives the position before its first event, or `None` where the log has not `reached` so far.
pub(super) async fn insert(
    connection: &mut PgConnection,
    clock: &dyn Clock,
    reached: i64,
    batch: &[Job],
) -> Result<Option<i64>, sqlx::Error> {
    let metadata: Vec<String> = batch.iter().map(|job| metadata(&job.stream)).collect();
    let mut events: Vec<(i64, &Job, &NewEvent, &str)> = vec![];
    let mut receipts = vec![];
    let mut ends: Vec<i64> = vec![];
    let mut count = 0;
    for (job, metadata) in batch.iter().zip(&metadata) {
        for (sequence, event) in (job.stream.before + 1..).zip(&job.stream.events) {
            events.push((sequence, job, event, metadata));
            count += 1;
        }
        if let Some(receipt) = &job.receipt {
            receipts.push((receipt, &job.stream));
            ends.push(count);
        }
    }
    sqlx::query_scalar(INSERT)
        .bind(column(&events, |(_, job, ..)| job.stream.aggregate_type))
        .bind(column(&events, |(_, job, ..)| job.stream.aggregate_id.as_str()))
        .bind(column(&events, |(sequence, ..)| *sequence))
        .bind(column(&events, |(_, _, event, _)| event.event_type))
        .bind(column(&events, |(_, _, event, _)| i32::from(event.event_version)))
        .bind(column(&events, |(_, _, event, _)| JsonText(&event.payload)))
        .bind(column(&events, |(.., metadata)| JsonText(metadata)))
        .bind(column(&events, |_| clock.new_id()))
        .bind(column(&events, |(_, job, ..)| job.stream.tenant.as_str()))
        .bind(column(&events, |(_, job, ..)| job.stream.actor.as_str()))
        .bind(column(&events, |(_, job, ..)| job.stream.correlation_id))
        .bind(column(&events, |(_, job, ..)| job.stream.causation_id))
        .bind(clock.now())
        .bind(reached)
        .bind(column(&receipts, |(receipt, _)| receipt.tenant.as_str()))
        .bind(column(&receipts, |(receipt, _)| receipt.command_id))
        .bind(column(&receipts, |(receipt, _)| receipt.fingerprint.as_str()))
        .bind(ends)
        .bind(column(&receipts, |(receipt, _)| receipt.sequence))
        .bind(column(&receipts, |(receipt, _)| JsonText(&receipt.answer)))
        .bind(column(&receipts, |(_, stream)| stream.aggregate_type))
        .bind(column(&receipts, |(_, stream)| stream.aggregate_id.as_str()))
        .bind(column(&receipts, |(_, stream)| stream.actor.as_str()))
        .fetch_optional(connection)
        .await
}

fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn metadata(stream: &NewEvents) -> String {
    metadata_of(&stream.actor, stream.correlation_id, stream.causation_id)
}

/// What stock cqrs-es tools see of where an event comes from.
pub(crate) fn metadata_of(actor: &str, correlation_id: Uuid, causation_id: Uuid) -> String {
    let actor = serde_json::Value::from(actor);
    format!(r#"{{"correlation_id": "{correlation_id}", "causation_id": "{causation_id}", "actor": {actor}}}"#)
}

/// JSON that is text already.
pub(crate) struct JsonText<'a>(pub(crate) &'a str);

impl Type<Postgres> for JsonText<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(114))
    }
}

impl PgHasArrayType for JsonText<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(199))
    }
}

impl Encode<'_, Postgres> for JsonText<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

/// Why a job of a batch cannot be appended.
#[derive(sqlx::FromRow)]
pub(super) struct Conflict {
    /// Its place in the batch.
    #[sqlx(try_from = "i64")]
    pub(super) place: usize,
    /// Whether the command was executed before; else the stream has moved on.
    pub(super) executed: bool,
}

/// Which jobs of a batch cannot be appended, in order.
pub(super) async fn conflicts(connection: &mut PgConnection, batch: &[Job]) -> Result<Vec<Conflict>, sqlx::Error> {
    sqlx::query_as(
        "SELECT place, executed FROM (
            SELECT j.ordinal - 1 AS place,
                   EXISTS (SELECT FROM command_receipts r WHERE r.tenant = j.tenant AND r.command_id = j.command_id)
                       AS executed,
                   EXISTS (SELECT FROM events e WHERE e.aggregate_type = j.aggregate_type
                           AND e.aggregate_id = j.aggregate_id AND e.sequence = j.sequence) AS moved_on
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::uuid[]) WITH ORDINALITY
                 AS j(aggregate_type, aggregate_id, sequence, tenant, command_id, ordinal)
         ) AS jobs WHERE executed OR moved_on ORDER BY place",
    )
    .bind(column(batch, |job| job.stream.aggregate_type))
    .bind(column(batch, |job| job.stream.aggregate_id.as_str()))
    .bind(column(batch, |job| (!job.stream.events.is_empty()).then_some(job.stream.before + 1)))
    .bind(column(batch, |job| job.receipt.as_ref().map(|receipt| receipt.tenant.as_str())))
    .bind(column(batch, |job| job.receipt.as_ref().map(|receipt| receipt.command_id)))
    .fetch_all(connection)
    .await
}
