//! The tables of the processes. SQL of processes is here and nowhere else.

use baeum_commands::dispatch::ProcessCommand;
use baeum_domain::{AnyEvent, Recorded, ids::UserId};
use baeum_eventlog::begin;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgPool, types::Json};
use uuid::Uuid;

use crate::{
    notification::timers,
    process::{Effect, Erased},
};

/// A command that waits to be sent.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Pending {
    pub(crate) instance_id: String,
    pub(crate) position: i64,
    pub(crate) step: String,
    pub(crate) command: Json<ProcessCommand>,
    pub(crate) tenant: String,
    pub(crate) correlation_id: Uuid,
    pub(crate) causation_id: Uuid,
    pub(crate) attempts: i32,
}

/// Takes a process over for the holder of its lease in this epoch, and gives the position up to which it was read; `None`
/// when a later holder has done so. From then on nothing of an earlier holder is kept.
///
/// The time of every running instance starts anew: neither time in which nobody worked nor the clock of an earlier
/// holder counts against it.
pub(crate) async fn take_over(
    pool: &PgPool,
    process: &Erased,
    epoch: i64,
    now: DateTime<Utc>,
) -> Result<Option<i64>, sqlx::Error> {
    let mut db = begin(pool).await?;
    let position = sqlx::query_scalar(
        "INSERT INTO process_cursors (process, position, epoch, updated_at) VALUES ($1, log_floor(), $2, $3)
         ON CONFLICT (process) DO UPDATE SET epoch = excluded.epoch WHERE process_cursors.epoch <= excluded.epoch
         RETURNING position",
    )
    .bind(process.name)
    .bind(epoch)
    .bind(now)
    .fetch_optional(&mut *db)
    .await?;
    if position.is_some() {
        sqlx::query(
            "UPDATE process_instances SET deadline = $2
             WHERE process = $1 AND status = 'running' AND deadline IS NOT NULL",
        )
        .bind(process.name)
        .bind(deadline(process, now))
        .execute(&mut *db)
        .await?;
    }
    db.commit().await?;
    Ok(position)
}

/// Moves the cursor by compare-and-set; `false` when another has moved it, or has taken the process over.
pub(crate) async fn move_cursor(
    db: &mut PgConnection,
    process: &Erased,
    epoch: i64,
    (from, to): (i64, i64),
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query(
        "UPDATE process_cursors SET position = $3, error = NULL, updated_at = $4
         WHERE process = $1 AND position = $2 AND epoch = $5",
    )
    .bind(process.name)
    .bind(from)
    .bind(to)
    .bind(now)
    .bind(epoch)
    .execute(db)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// When an instance that gets on now must get on again.
fn deadline(process: &Erased, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    process.timeout.and_then(|it| chrono::TimeDelta::from_std(it).ok()).map(|it| now + it)
}

/// Notes why a process does not get on.
pub(crate) async fn note_error(pool: &PgPool, process: &Erased, error: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE process_cursors SET error = $2 WHERE process = $1")
        .bind(process.name)
        .bind(error)
        .execute(pool)
        .await?;
    Ok(())
}

/// Status and state of an instance.
pub(crate) async fn state(
    db: &mut PgConnection,
    process: &Erased,
    instance_id: &str,
) -> Result<Option<(String, Value)>, sqlx::Error> {
    sqlx::query_as("SELECT status, state FROM process_instances WHERE process = $1 AND instance_id = $2")
        .bind(process.name)
        .bind(instance_id)
        .fetch_optional(db)
        .await
}

/// Keeps the state of an instance and the commands that it sends.
pub(crate) async fn keep(
    db: &mut PgConnection,
    process: &Erased,
    instance_id: &str,
    event: &Recorded<AnyEvent>,
    state: Value,
    effects: Vec<Effect>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let status = if effects.contains(&Effect::Finish) { "done" } else { "running" };
    sqlx::query(
        "INSERT INTO process_instances (process, instance_id, status, state, deadline, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (process, instance_id) DO UPDATE
         SET status = excluded.status, state = excluded.state, deadline = excluded.deadline,
             updated_at = excluded.updated_at",
    )
    .bind(process.name)
    .bind(instance_id)
    .bind(status)
    .bind(state)
    .bind(deadline(process, now))
    .bind(now)
    .execute(&mut *db)
    .await?;
    for effect in effects {
        let Effect::Send { step, command } = effect else { continue };
        sqlx::query(
            "INSERT INTO process_commands (process, instance_id, position, step, command, tenant, correlation_id,
                                           causation_id, next_attempt_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(process.name)
        .bind(instance_id)
        .bind(event.position)
        .bind(step)
        .bind(Json(command))
        .bind(&event.tenant)
        .bind(event.correlation_id)
        .bind(event.event_id)
        .bind(now)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The first waiting command of each instance, as far as it is due. No pause is longer than a minute: a time beyond that
/// was written by a clock that is ahead of this one, and does not count.
pub(crate) async fn due(
    pool: &PgPool,
    process: &Erased,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Pending>, sqlx::Error> {
    sqlx::query_as(
        "SELECT instance_id, position, step, command, tenant, correlation_id, causation_id, attempts FROM (
             SELECT DISTINCT ON (instance_id) * FROM process_commands
             WHERE process = $1 AND status = 'pending' ORDER BY instance_id, position, step
         ) AS first
         WHERE next_attempt_at <= $2 OR next_attempt_at > $2 + interval '61 seconds' ORDER BY position LIMIT $3",
    )
    .bind(process.name)
    .bind(now)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// When the next waiting command is due, if any waits.
pub(crate) async fn next_due(pool: &PgPool, process: &Erased) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar("SELECT min(next_attempt_at) FROM process_commands WHERE process = $1 AND status = 'pending'")
        .bind(process.name)
        .fetch_one(pool)
        .await
}

/// Strikes off a command that was done.
pub(crate) async fn done(pool: &PgPool, process: &Erased, command: &Pending) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM process_commands WHERE process = $1 AND instance_id = $2 AND position = $3 AND step = $4")
        .bind(process.name)
        .bind(&command.instance_id)
        .bind(command.position)
        .bind(&command.step)
        .execute(pool)
        .await?;
    Ok(())
}

/// Puts a command off.
pub(crate) async fn put_off(
    pool: &PgPool,
    process: &Erased,
    command: &Pending,
    until: DateTime<Utc>,
    error: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE process_commands SET attempts = attempts + 1, next_attempt_at = $5, last_error = $6
         WHERE process = $1 AND instance_id = $2 AND position = $3 AND step = $4",
    )
    .bind(process.name)
    .bind(&command.instance_id)
    .bind(command.position)
    .bind(&command.step)
    .bind(until)
    .bind(error)
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives a command up for good, and with it its instance where that has an end to reach.
pub(crate) async fn give_up(
    pool: &PgPool,
    process: &Erased,
    command: &Pending,
    error: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH failed AS (
             UPDATE process_commands SET status = 'failed', attempts = attempts + 1, last_error = $5
             WHERE process = $1 AND instance_id = $2 AND position = $3 AND step = $4
         )
         UPDATE process_instances SET status = 'failed', reason = $5, updated_at = $6
         WHERE process = $1 AND instance_id = $2 AND deadline IS NOT NULL",
    )
    .bind(process.name)
    .bind(&command.instance_id)
    .bind(command.position)
    .bind(&command.step)
    .bind(error)
    .bind(now)
    .execute(pool)
    .await?;
    Ok(())
}

/// Fails every instance whose time is up, with the commands that it still had to send, unless another has taken the
/// process over. Returns how many.
pub(crate) async fn time_out(
    pool: &PgPool,
    process: &Erased,
    epoch: i64,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "WITH late AS (
             UPDATE process_instances SET status = 'failed', reason = 'timed out', updated_at = $2
             WHERE process = $1 AND status = 'running' AND deadline < $2
               AND EXISTS (SELECT 1 FROM process_cursors WHERE process = $1 AND epoch = $3)
             RETURNING instance_id
         ), dropped AS (
             UPDATE process_commands SET status = 'failed'
             WHERE process = $1 AND status = 'pending' AND instance_id IN (SELECT instance_id FROM late)
         )
         SELECT count(*) FROM late",
    )
    .bind(process.name)
    .bind(now)
    .bind(epoch)
    .fetch_one(pool)
    .await
}

/// Whether every process that ever ran, and the dispatcher of notifications, has met the event at `position`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn has_passed(pool: &PgPool, registry: &[Erased], position: i64) -> Result<bool, sqlx::Error> {
    let names: Vec<&str> = registry.iter().map(|it| it.name).collect();
    let behind: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM process_cursors WHERE process = ANY($1) AND position < $2)")
            .bind(names)
            .bind(position)
            .fetch_one(pool)
            .await?;
    Ok(!behind && timers::has_passed(pool, position).await?)
}

/// Removes what processes remember of a person whose erasure they have all met: their instances, by the ids of the person
/// and of their streams, or because they name the person, the commands that were still to be sent or were given up, and the timers of their notifications.
/// Gives the number of rows.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(pool: &PgPool, subject: UserId, ids: &[&str]) -> Result<u64, sqlx::Error> {
    let mut db = begin(pool).await?;
    let commands =
        sqlx::query("DELETE FROM process_commands WHERE instance_id = ANY($1) OR strpos(command::text, $2) > 0")
            .bind(ids)
            .bind(subject.to_string())
            .execute(&mut *db)
            .await?;
    let instances =
        sqlx::query("DELETE FROM process_instances WHERE instance_id = ANY($1) OR strpos(state::text, $2) > 0")
            .bind(ids)
            .bind(subject.to_string())
            .execute(&mut *db)
            .await?;
    let timers = timers::forget(&mut db, ids).await?;
    db.commit().await?;
    Ok(commands.rows_affected() + instances.rows_affected() + timers)
}

/// Removes dead rows from the files of these tables.
///
/// # Errors
/// When the database cannot be reached.
pub async fn vacuum(pool: &PgPool) -> Result<(), sqlx::Error> {
    baeum_eventlog::vacuum(pool, &["process_commands", "process_instances", "notification_timers"], false).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use baeum_domain::identity::user::samples;
    use baeum_testing::TestDatabase;
    use chrono::TimeDelta;

    use super::*;
    use crate::process::{Process, testing::recorded};

    struct Slow;

    impl Process for Slow {
        const NAME: &'static str = "slow";
        const TIMEOUT: Option<Duration> = Some(Duration::from_secs(60));
        const EVENTS: &'static [&'static str] = &[];
        type State = ();

        fn instance(_: &Recorded<AnyEvent>) -> Option<String> {
            None
        }

        fn react((): &(), _: &Recorded<AnyEvent>) -> Vec<Effect> {
            vec![]
        }

        fn evolve((): &mut (), _: &Recorded<AnyEvent>) {}
    }

    #[tokio::test]
    async fn what_a_runner_keeps_that_stalled_until_another_took_over_does_not_count() {
        let (database, process) = (TestDatabase::create().await, Erased::of::<Slow>());
        let pool = &database.pool;
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let (behind, ahead) = (now - TimeDelta::hours(1), now + TimeDelta::hours(1));
        assert_eq!(take_over(pool, &process, 1, behind).await.expect("taken over"), Some(0));
        let event = recorded(1, samples::registered());
        // The first, whose clock is behind, keeps an instance that any other would find late, and stalls.
        let mut stalled = begin(pool).await.expect("begun");
        keep(&mut stalled, &process, "one", &event, Value::Null, vec![], behind).await.expect("kept");
        assert_eq!(take_over(pool, &process, 2, now).await.expect("taken over"), Some(0));
        assert!(!move_cursor(&mut stalled, &process, 1, (0, 1), behind).await.expect("asked"));
        stalled.rollback().await.expect("rolled back");
        // The second keeps it; now the first goes on with a clock that is ahead.
        let mut db = begin(pool).await.expect("begun");
        keep(&mut db, &process, "one", &event, Value::Null, vec![], now).await.expect("kept");
        assert!(move_cursor(&mut db, &process, 2, (0, 1), now).await.expect("asked"));
        db.commit().await.expect("committed");
        assert_eq!(time_out(pool, &process, 1, ahead).await.expect("asked"), 0);
        assert_eq!(take_over(pool, &process, 1, ahead).await.expect("asked"), None);
        assert_eq!(time_out(pool, &process, 2, ahead).await.expect("asked"), 1);
    }

    #[tokio::test]
    async fn what_names_somebody_who_was_forgotten_goes_whatever_it_is_called() {
        let (database, process) = (TestDatabase::create().await, Erased::of::<Slow>());
        let pool = &database.pool;
        let [mina, jun] = [1, 2].map(|number| UserId(Uuid::from_u128(number)));
        let event = recorded(1, samples::registered());
        let mut db = begin(pool).await.expect("begun");
        for (instance, person) in [("a subscription of hers", mina), ("one of his", jun)] {
            let state = serde_json::json!({ "subscriber": person });
            keep(&mut db, &process, instance, &event, state, vec![], DateTime::UNIX_EPOCH).await.expect("kept");
        }
        db.commit().await.expect("committed");
        assert_eq!(forget(pool, mina, &[]).await.expect("forgotten"), 1);
        let left: Vec<String> =
            sqlx::query_scalar("SELECT instance_id FROM process_instances").fetch_all(pool).await.expect("asked");
        assert_eq!(left, ["one of his"]);
    }
}
