//! What the log and its tables hold of one person: found, read and forgotten.

use baeum_domain::{
    Recorded,
    identity::subject::{Whose, types_of},
    ids::UserId,
};
use serde_json::Value;
use sqlx::{FromRow, PgPool};

use crate::{
    EventLog, begin,
    error::LogError,
    read::{COLUMNS, EventRow},
};

/// Over how many positions one statement looks.
const SCAN: i64 = 50_000;

/// A stream of the log that is about one person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, FromRow)]
pub struct SubjectStream {
    /// Type of the aggregate.
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: String,
    /// How many events it has.
    pub events: i64,
}

impl EventLog {
    /// The streams of one person in their tenant's log, without those that record what was done with their data.
    ///
    /// It reads the whole log once, page by page: erasures and exports are rare, and appends pay for no index of people.
    /// Where a read model knows the streams of each person, this is the one place to ask it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn streams_of(&self, tenant: &str, subject: UserId) -> Result<Vec<SubjectStream>, LogError> {
        let id = subject.to_string();
        let (themselves, learner) = (types_of(Whose::Themselves), types_of(Whose::Learner));
        let subscriber = types_of(Whose::Subscriber);
        let mut streams: Vec<SubjectStream> = vec![];
        let (mut position, head) = (self.floor(), self.head().await?);
        while position < head {
            let end = head.min(position + SCAN);
            // The text is looked for first: taking the JSON of every event apart would be dearer.
            let page: Vec<SubjectStream> = sqlx::query_as(
                "SELECT aggregate_type, aggregate_id, count(*) AS events FROM events
                 WHERE global_position > $1 AND global_position <= $2 AND tenant = $3
                   AND (aggregate_type = ANY($5) AND aggregate_id = $4
                        OR aggregate_type = ANY($6) AND strpos(payload::text, $4) > 0
                           AND payload -> event_type ->> 'learner_id' = $4
                        OR aggregate_type = ANY($7) AND strpos(payload::text, $4) > 0
                           AND payload -> event_type ->> 'subscriber' = $4)
                 GROUP BY aggregate_type, aggregate_id",
            )
            .bind(position)
            .bind(end)
            .bind(tenant)
            .bind(&id)
            .bind(&themselves)
            .bind(&learner)
            .bind(&subscriber)
            .fetch_all(&self.pool)
            .await?;
            for found in page {
                let same = |it: &&mut SubjectStream| {
                    (&it.aggregate_type, &it.aggregate_id) == (&found.aggregate_type, &found.aggregate_id)
                };
                match streams.iter_mut().find(same) {
                    Some(known) => known.events += found.events,
                    None => streams.push(found),
                }
            }
            position = end;
        }
        // Not every event of the books names its subscriber.
        for stream in streams.iter_mut().filter(|it| subscriber.contains(&it.aggregate_type.as_str())) {
            stream.events = sqlx::query_scalar(
                "SELECT count(*) FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND tenant = $3",
            )
            .bind(&stream.aggregate_type)
            .bind(&stream.aggregate_id)
            .bind(tenant)
            .fetch_one(&self.pool)
            .await?;
        }
        streams.sort();
        Ok(streams)
    }

    /// The events of some streams after a position, in the order of the log, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn read_streams(
        &self,
        tenant: &str,
        streams: &[SubjectStream],
        position: i64,
        limit: i64,
    ) -> Result<Vec<Recorded<Value>>, LogError> {
        let (types, ids) = keys(streams);
        let rows: Vec<EventRow> = sqlx::query_as(&format!(
            "SELECT {COLUMNS} FROM events
             WHERE (aggregate_type, aggregate_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
               AND tenant = $3 AND global_position > $4
             ORDER BY global_position LIMIT $5"
        ))
        .bind(types)
        .bind(ids)
        .bind(tenant)
        .bind(position)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Removes what is kept beside the log of a person's streams: snapshots, and what commands of theirs and on those
    /// streams were answered. The log itself stays as it is. Gives the number of rows.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_streams(
        &self,
        tenant: &str,
        subject: UserId,
        streams: &[SubjectStream],
    ) -> Result<u64, LogError> {
        let (types, ids) = keys(streams);
        let mut db = begin(&self.pool).await?;
        let snapshots = sqlx::query(
            "DELETE FROM aggregate_snapshots
             WHERE (aggregate_type, aggregate_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
        )
        .bind(&types)
        .bind(&ids)
        .execute(&mut *db)
        .await?;
        let receipts = sqlx::query(
            "DELETE FROM command_receipts
             WHERE tenant = $1 AND aggregate_type <> 'erasure'
               AND (actor = $2 OR (aggregate_type, aggregate_id) IN (SELECT * FROM unnest($3::text[], $4::text[])))",
        )
        .bind(tenant)
        .bind(subject.to_string())
        .bind(&types)
        .bind(&ids)
        .execute(&mut *db)
        .await?;
        // Those from before migration 14 do not say whose they are: their last event does, or their answer.
        let earlier = sqlx::query(
            "DELETE FROM command_receipts r
             WHERE tenant = $1 AND aggregate_type IS NULL
               AND (EXISTS (SELECT FROM events e WHERE e.global_position = r.position AND e.tenant = $1
                            AND (e.aggregate_type, e.aggregate_id)
                                IN (SELECT * FROM unnest($3::text[], $4::text[])))
                    OR EXISTS (SELECT FROM unnest($4::text[] || $2) AS id WHERE strpos(r.answer::text, id) > 0))",
        )
        .bind(tenant)
        .bind(subject.to_string())
        .bind(&types)
        .bind(&ids)
        .execute(&mut *db)
        .await?;
        db.commit().await?;
        Ok(snapshots.rows_affected() + receipts.rows_affected() + earlier.rows_affected())
    }
}

fn keys(streams: &[SubjectStream]) -> (Vec<&str>, Vec<&str>) {
    streams.iter().map(|it| (it.aggregate_type.as_str(), it.aggregate_id.as_str())).unzip()
}

/// The tables of this crate that [`EventLog::forget_streams`] leaves dead rows in.
pub const FORGOTTEN_IN: [&str; 2] = ["aggregate_snapshots", "command_receipts"];

/// Removes dead rows from the files of tables, so that no process can come across them; `rewrite` makes the files anew,
/// so that none of their bytes is left either. A rewrite locks the table for as long as it takes, and gives up within two
/// seconds where somebody else holds it.
///
/// # Errors
/// When the database cannot be reached, or a table cannot be locked.
pub async fn vacuum(pool: &PgPool, tables: &[&str], rewrite: bool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    sqlx::query("SET lock_timeout = '2s'").execute(&mut *connection).await?;
    let mut done = Ok(());
    for table in tables {
        let statement = if rewrite { format!("VACUUM (FULL) {table}") } else { format!("VACUUM {table}") };
        done = sqlx::query(&statement).persistent(false).execute(&mut *connection).await.map(drop);
        if done.is_err() {
            break;
        }
    }
    sqlx::query("RESET lock_timeout").execute(&mut *connection).await?;
    done
}
