//! The auditor's trail: who did what to whom, and what led to what.

use std::collections::{BTreeMap, BTreeSet};

use baeum_domain::Recorded;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    EventLog,
    error::LogError,
    read::{COLUMNS, EventRow},
};

/// How many events one call looks at, at most.
const SCAN: i64 = 10_000;
/// How many events of one correlation are looked at, at most.
const RELATED: i64 = 1_000;

/// Which deeds.
#[derive(Clone, Debug, Default)]
pub struct TrailFilter {
    /// Of this tenant.
    pub tenant: String,
    /// Done by this user or process.
    pub actor: Option<String>,
    /// Done to this one: the events of an aggregate of this id, and those that name it in their payload, as the events of
    /// a learner's lessons name the learner.
    pub subject: Option<String>,
    /// That follow from one outside request.
    pub correlation_id: Option<Uuid>,
}

/// An event with what led to it and what followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Causes {
    /// What led to it, nearest first, up to the event that a request from outside caused.
    pub up: Vec<Recorded<Value>>,
    /// The event.
    pub event: Recorded<Value>,
    /// What followed, in the order of positions.
    pub down: Vec<Recorded<Value>>,
    /// Whether there was more than a call looks at.
    pub truncated: bool,
}

impl EventLog {
    /// Up to `limit` events after `position` that pass `filter`, and the position up to which the log was looked at.
    ///
    /// A correlation is found by its index, at once. Else a call looks at 10,000 events at most: go on from the returned
    /// position until it is the head.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn trail(
        &self,
        position: i64,
        limit: usize,
        filter: &TrailFilter,
    ) -> Result<(Vec<Recorded<Value>>, i64), LogError> {
        let (head, position) = (self.head().await?, position.max(self.floor()));
        let end = if filter.correlation_id.is_some() { head } else { head.min(position.saturating_add(SCAN)) };
        // Without an order within, the index of correlations is what finds the rows.
        let by_correlation = if filter.correlation_id.is_some() { "correlation_id = $6 AND" } else { "$6 IS NULL AND" };
        let sql = format!(
            "WITH found AS MATERIALIZED (
                 SELECT {COLUMNS} FROM events
                 WHERE {by_correlation} global_position > $1 AND global_position <= $2 AND tenant = $3
                   AND ($4::text IS NULL OR actor = $4)
                   AND ($5::text IS NULL OR aggregate_id = $5 OR strpos(payload::text, to_json($5)::text) > 0)
             ) SELECT * FROM found ORDER BY global_position LIMIT $7"
        );
        let rows: Vec<EventRow> = sqlx::query_as(&sql)
            .bind(position)
            .bind(end)
            .bind(&filter.tenant)
            .bind(&filter.actor)
            .bind(&filter.subject)
            .bind(filter.correlation_id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let events: Vec<Recorded<Value>> = rows.into_iter().map(Into::into).collect();
        let looked_at = match events.last() {
            Some(last) if events.len() >= limit => last.position,
            _ => end.max(position),
        };
        Ok((events, looked_at))
    }

    /// The event of this id with what led to it and what followed, among the events of its correlation; `None` where the
    /// tenant has no such event. 1,000 events of the correlation are looked at, at most.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn causes(&self, tenant: &str, event_id: Uuid) -> Result<Option<Causes>, LogError> {
        let found: Option<Uuid> =
            sqlx::query_scalar("SELECT correlation_id FROM events WHERE event_id = $1 AND tenant = $2")
                .bind(event_id)
                .bind(tenant)
                .fetch_optional(&self.pool)
                .await?;
        let Some(correlation_id) = found else { return Ok(None) };
        let filter =
            TrailFilter { tenant: tenant.to_owned(), correlation_id: Some(correlation_id), ..TrailFilter::default() };
        let limit = usize::try_from(RELATED).unwrap_or(usize::MAX);
        let (mut related, _) = self.trail(self.floor(), limit, &filter).await?;
        let truncated = related.len() == limit;
        let mut by_id: BTreeMap<Uuid, Recorded<Value>> = related.drain(..).map(|it| (it.event_id, it)).collect();
        let Some(event) = by_id.remove(&event_id) else {
            // It stands after the first thousand of its correlation: it is told alone.
            let alone: Option<EventRow> =
                sqlx::query_as(&format!("SELECT {COLUMNS} FROM events WHERE event_id = $1 AND tenant = $2"))
                    .bind(event_id)
                    .bind(tenant)
                    .fetch_optional(&self.pool)
                    .await?;
            return Ok(alone.map(|row| Causes { up: vec![], event: row.into(), down: vec![], truncated: true }));
        };
        let mut up = vec![];
        let mut cause = event.causation_id;
        while let Some(led) = by_id.remove(&cause) {
            cause = led.causation_id;
            up.push(led);
        }
        // A cause stands before its effects, so one look in order finds all.
        let mut known = BTreeSet::from([event_id]);
        let mut rest: Vec<_> = by_id.into_values().collect();
        rest.sort_by_key(|it| it.position);
        let down =
            rest.into_iter().filter(|it| known.contains(&it.causation_id) && known.insert(it.event_id)).collect();
        Ok(Some(Causes { up, event, down, truncated }))
    }
}
