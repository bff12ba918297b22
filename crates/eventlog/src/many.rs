//! Commands on many aggregates at once, appended in one statement: the way into the log for imports.
//!
//! The same guards hold as for one command: the primary key (type, id, sequence) refuses what was decided on less than
//! the log has, and the row of the head is locked until the commit, so that positions are dense. There are no receipts:
//! a command that is sent again is found by its aggregate, which decides nothing then.

use std::{collections::HashMap, convert::Infallible};

use baeum_domain::{Decider, DomainEvent as _};
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    CommandContext, EventLog, ExecuteError,
    appender::{JsonText, metadata_of},
    decode::Stored,
    error::LogError,
    read::version,
};

/// How often a batch is decided on fresh states before it is given up.
const ATTEMPTS: u32 = 8;

/// The streams of a batch, as they are. The subquery is not merged into the join, which would let a planner that knows
/// little of the table read all of it.
const STREAMS: &str = "
SELECT e.aggregate_id, e.global_position, e.sequence, e.event_type, e.event_version, e.payload
FROM unnest($2::text[]) AS wanted(id) CROSS JOIN LATERAL (
    SELECT * FROM events
    WHERE aggregate_type = $1 AND aggregate_id = wanted.id AND tenant = $3 ORDER BY sequence OFFSET 0
) AS e";

const INSERT: &str = "
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::json[], $6::uuid[])
        WITH ORDINALITY AS t(aggregate_id, sequence, event_type, event_version, payload, event_id, ordinal)
), head AS (
    UPDATE log_head SET position = position + (SELECT count(*) FROM new)
    RETURNING position - (SELECT count(*) FROM new) AS base
), inserted AS (
    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                        global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
    SELECT $7, aggregate_id, sequence, event_type, event_version::text, payload, $8,
           base + ordinal, event_id, $9, $10, $11, $12, $13
    FROM new CROSS JOIN head
)
SELECT base FROM head";

/// What came of many commands.
#[derive(Debug)]
pub struct Many<E> {
    /// How many events each command has led to, in their order, or why it was refused.
    pub outcomes: Vec<Result<usize, E>>,
    /// Position of the last event that was appended, where one was.
    pub position: Option<i64>,
}

struct NewRow<'a> {
    aggregate_id: &'a str,
    sequence: i64,
    event_type: &'static str,
    version: i32,
    payload: String,
}

impl EventLog {
    /// Executes a command on each of many aggregates (id, command), and appends all that they decide at once, in their
    /// order. A refused one keeps the others from nothing. Several may be on the same aggregate.
    ///
    /// Meant for some thousand commands a call: all of it is held in memory and sent in one statement. What a caller
    /// who goes away has sent may be in the log or not; sending it again finds out.
    ///
    /// # Errors
    /// When others keep changing the aggregates, an event cannot be read, or the database cannot be reached.
    pub async fn execute_many<D: Decider>(
        &self,
        context: &CommandContext,
        commands: &[(String, D::Command)],
    ) -> Result<Many<D::Error>, ExecuteError<Infallible>> {
        for _ in 0..ATTEMPTS {
            let mut states = self.streams::<D>(&context.tenant, commands).await?;
            let mut rows: Vec<NewRow<'_>> = Vec::with_capacity(commands.len());
            let mut outcomes = Vec::with_capacity(commands.len());
            for (id, command) in commands {
                let (state, sequence) = states.entry(id).or_default();
                let decided = state.decide(command.clone());
                outcomes.push(match decided {
                    Ok(events) => {
                        for event in &events {
                            *sequence += 1;
                            state.evolve(event);
                            rows.push(NewRow::of::<D>(id, *sequence, event)?);
                        }
                        Ok(events.len())
                    }
                    Err(refusal) => Err(refusal),
                });
            }
            if rows.is_empty() {
                return Ok(Many { outcomes, position: None });
            }
            match self.insert_many::<D>(context, &rows).await {
                Ok(base) => {
                    let position = base + i64::try_from(rows.len()).expect("a batch is bounded");
                    self.observe_head(position);
                    return Ok(Many { outcomes, position: Some(position) });
                }
                // Another process was faster with one of them: all are decided on what is there now.
                Err(sqlx::Error::Database(error)) if error.constraint() == Some("events_pkey") => {}
                Err(error) => return Err(LogError::Unavailable(error).into()),
            }
        }
        Err(ExecuteError::Contended(ATTEMPTS))
    }

    /// The state and sequence of each aggregate that has one.
    async fn streams<'a, D: Decider>(
        &self,
        tenant: &str,
        commands: &'a [(String, D::Command)],
    ) -> Result<HashMap<&'a str, (D, i64)>, LogError> {
        let ids: Vec<&str> = commands.iter().map(|(id, _)| id.as_str()).collect();
        let rows = sqlx::query(STREAMS).bind(D::AGGREGATE).bind(&ids).bind(tenant).fetch_all(&self.pool).await?;
        let mut states = HashMap::with_capacity(commands.len());
        if rows.is_empty() {
            return Ok(states);
        }
        let known: HashMap<&str, &'a str> = ids.iter().map(|id| (*id, *id)).collect();
        for row in &rows {
            let Some(id) = known.get(row.try_get::<&str, _>(0)?) else { continue };
            let (state, sequence): &mut (D, i64) = states.entry(*id).or_default();
            let next = row.try_get(2)?;
            // An id that was asked for twice is answered twice.
            if next > *sequence {
                state.evolve(&event::<D>(row)?);
                *sequence = next;
            }
        }
        Ok(states)
    }

    async fn insert_many<D: Decider>(&self, context: &CommandContext, rows: &[NewRow<'_>]) -> Result<i64, sqlx::Error> {
        let metadata = metadata_of(&context.actor, context.correlation_id, context.causation_id);
        sqlx::query_scalar(INSERT)
            .bind(rows.iter().map(|row| row.aggregate_id).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.sequence).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.event_type).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| JsonText(&row.payload)).collect::<Vec<_>>())
            .bind(rows.iter().map(|_| self.clock.new_id()).collect::<Vec<_>>())
            .bind(D::AGGREGATE)
            .bind(JsonText(&metadata))
            .bind(&context.tenant)
            .bind(&context.actor)
            .bind(context.correlation_id)
            .bind(context.causation_id)
            .bind(self.clock.now())
            .fetch_one(&self.pool)
            .await
    }
}

impl<'a> NewRow<'a> {
    fn of<D: Decider>(aggregate_id: &'a str, sequence: i64, event: &D::Event) -> Result<Self, LogError> {
        let event_type = event.event_type();
        let payload = serde_json::to_string(event);
        Ok(Self {
            aggregate_id,
            sequence,
            event_type,
            version: i32::from(D::Event::current_version(event_type).unwrap_or(1)),
            payload: payload.map_err(|source| LogError::Unwritable { what: "an event", source })?,
        })
    }
}

fn event<D: Decider>(row: &PgRow) -> Result<D::Event, LogError> {
    let stored = Stored {
        position: row.try_get(1)?,
        aggregate_type: D::AGGREGATE,
        event_type: row.try_get(3)?,
        version: version(row.try_get(4)?),
    };
    // What `json` sends is its text.
    stored.read::<D>(row.try_get_unchecked(5)?)
}
