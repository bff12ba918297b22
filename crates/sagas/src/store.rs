//! The tables of the processes. SQL of processes is here and nowhere else.
//!
//! Pauses and deadlines are counted by the clock of the database, one for all runners: the clock of the platform may stand
//! still, leap, or differ between them. Timers go by the clock of the platform, which is handed in.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

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
/// The time of every running instance starts anew: time in which nobody worked does not count against it.
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
    if position.is_some() && process.timeout.is_some() {
        sqlx::query(
            "UPDATE process_instances SET deadline = clock_timestamp() + make_interval(secs => $2)
             WHERE process = $1 AND status = 'running' AND deadline IS NOT NULL",
        )
        .bind(process.name)
        .bind(patience(process))
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

/// For how many seconds an instance may stand still.
fn patience(process: &Erased) -> Option<f64> {
    process.timeout.as_ref().map(Duration::as_secs_f64)
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

/// Status and state of these instances, of those that are known.
pub(crate) async fn states(
    db: &mut PgConnection,
    process: &Erased,
    instances: &[String],
) -> Result<HashMap<String, (String, Value)>, sqlx::Error> {
    let rows: Vec<(String, String, Value)> = sqlx::query_as(
        "SELECT instance_id, status, state FROM process_instances WHERE process = $1 AND instance_id = ANY($2)",
    )
    .bind(process.name)
    .bind(instances)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(id, status, state)| (id, (status, state))).collect())
}

/// What a page of events leads to, gathered so that it is kept in a few statements however many events it has.
#[derive(Default)]
pub(crate) struct Kept {
    /// Status and state of each instance that met an event.
    instances: BTreeMap<String, (&'static str, Value)>,
    commands: Vec<New>,
    /// Timers that are set, or taken back where there is none.
    timers: BTreeMap<(String, &'static str), Option<Alarm>>,
}

/// When a timer goes off, and with which command.
type Alarm = (DateTime<Utc>, New);

/// A command as it is kept.
struct New {
    instance_id: String,
    position: i64,
    step: &'static str,
    command: String,
    tenant: String,
    correlation_id: Uuid,
    causation_id: Uuid,
}

impl Kept {
    /// Adds what follows from an event for an instance.
    ///
    /// # Errors
    /// When a command cannot be written down.
    pub(crate) fn add(
        &mut self,
        instance_id: &str,
        event: &Recorded<AnyEvent>,
        state: Value,
        effects: Vec<Effect>,
    ) -> Result<(), serde_json::Error> {
        let status = if effects.contains(&Effect::Finish) { "done" } else { "running" };
        self.instances.insert(instance_id.to_owned(), (status, state));
        let new = |step, command: &ProcessCommand| -> Result<New, serde_json::Error> {
            Ok(New {
                instance_id: instance_id.to_owned(),
                position: event.position,
                step,
                command: serde_json::to_string(command)?,
                tenant: event.tenant.clone(),
                correlation_id: event.correlation_id,
                causation_id: event.event_id,
            })
        };
        for effect in effects {
            match effect {
                Effect::Send { step, command } => self.commands.push(new(step, &command)?),
                Effect::Schedule { timer, at, command } => {
                    self.timers.insert((instance_id.to_owned(), timer), Some((at, new(timer, &command)?)));
                }
                Effect::Unschedule { timer } => {
                    self.timers.insert((instance_id.to_owned(), timer), None);
                }
                Effect::Finish => {}
            }
        }
        Ok(())
    }

    /// Writes it.
    pub(crate) async fn write(
        self,
        db: &mut PgConnection,
        process: &Erased,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        if self.instances.is_empty() {
            return Ok(());
        }
        let states: Vec<_> = self.instances.values().map(|(_, state)| state.to_string()).collect();
        sqlx::query(
            "INSERT INTO process_instances (process, instance_id, status, state, deadline, updated_at)
             SELECT $1, it.id, it.status, it.state::json, clock_timestamp() + make_interval(secs => $5), $6
             FROM unnest($2::text[], $3::text[], $4::text[]) AS it (id, status, state)
             ON CONFLICT (process, instance_id) DO UPDATE
             SET status = excluded.status, state = excluded.state, deadline = excluded.deadline,
                 updated_at = excluded.updated_at",
        )
        .bind(process.name)
        .bind(self.instances.keys().collect::<Vec<_>>())
        .bind(self.instances.values().map(|(status, _)| *status).collect::<Vec<_>>())
        .bind(states)
        .bind(patience(process))
        .bind(now)
        .execute(&mut *db)
        .await?;
        if !self.commands.is_empty() {
            write_commands(&mut *db, process, &self.commands).await?;
        }
        let (set, taken_back): (Vec<_>, Vec<_>) = self.timers.into_iter().partition(|(_, timer)| timer.is_some());
        if !taken_back.is_empty() {
            sqlx::query(
                "DELETE FROM process_timers AS timers USING unnest($2::text[], $3::text[]) AS it (id, timer)
                 WHERE process = $1 AND instance_id = it.id AND timers.timer = it.timer",
            )
            .bind(process.name)
            .bind(taken_back.iter().map(|((id, _), _)| id.as_str()).collect::<Vec<_>>())
            .bind(taken_back.iter().map(|((_, timer), _)| *timer).collect::<Vec<_>>())
            .execute(&mut *db)
            .await?;
        }
        let set: Vec<_> = set.into_iter().filter_map(|(_, timer)| timer).collect();
        if !set.is_empty() {
            write_timers(db, process, &set).await?;
        }
        Ok(())
    }
}

fn column<'a, T>(rows: impl IntoIterator<Item = &'a New>, of: impl Fn(&'a New) -> T) -> Vec<T> {
    rows.into_iter().map(of).collect()
}

async fn write_commands(db: &mut PgConnection, process: &Erased, new: &[New]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO process_commands (process, instance_id, position, step, command, tenant, correlation_id,
                                       causation_id, next_attempt_at)
         SELECT $1, it.id, it.position, it.step, it.command::json, it.tenant, it.correlation, it.causation,
                clock_timestamp()
         FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[])
              AS it (id, position, step, command, tenant, correlation, causation)
         ON CONFLICT DO NOTHING",
    )
    .bind(process.name)
    .bind(column(new, |it| it.instance_id.as_str()))
    .bind(column(new, |it| it.position))
    .bind(column(new, |it| it.step))
    .bind(column(new, |it| it.command.as_str()))
    .bind(column(new, |it| it.tenant.as_str()))
    .bind(column(new, |it| it.correlation_id))
    .bind(column(new, |it| it.causation_id))
    .execute(db)
    .await?;
    Ok(())
}

async fn write_timers(
    db: &mut PgConnection,
    process: &Erased,
    set: &[(DateTime<Utc>, New)],
) -> Result<(), sqlx::Error> {
    let new = || set.iter().map(|(_, new)| new);
    sqlx::query(
        "INSERT INTO process_timers (process, instance_id, timer, at, position, command, tenant, correlation_id,
                                     causation_id)
         SELECT $1, it.id, it.timer, it.at, it.position, it.command::json, it.tenant, it.correlation, it.causation
         FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::text[], $8::uuid[],
                     $9::uuid[])
              AS it (id, timer, at, position, command, tenant, correlation, causation)
         ON CONFLICT (process, instance_id, timer) DO UPDATE
         SET at = excluded.at, position = excluded.position, command = excluded.command, tenant = excluded.tenant,
             correlation_id = excluded.correlation_id, causation_id = excluded.causation_id",
    )
    .bind(process.name)
    .bind(column(new(), |it| it.instance_id.as_str()))
    .bind(column(new(), |it| it.step))
    .bind(set.iter().map(|(at, _)| *at).collect::<Vec<_>>())
    .bind(column(new(), |it| it.position))
    .bind(column(new(), |it| it.command.as_str()))
    .bind(column(new(), |it| it.tenant.as_str()))
    .bind(column(new(), |it| it.correlation_id))
    .bind(column(new(), |it| it.causation_id))
    .execute(db)
    .await?;
    Ok(())
}

/// Lets the timers go off whose moment has come by the clock of the platform, the earliest first: each becomes a command.
/// Gives their number, none when another has taken the process over.
pub(crate) async fn fire(
    pool: &PgPool,
    process: &Erased,
    epoch: i64,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let fired = sqlx::query(
        "WITH due AS (
             DELETE FROM process_timers WHERE (process, instance_id, timer) IN (
                 SELECT process, instance_id, timer FROM process_timers
                 WHERE process = $1 AND at <= $2 ORDER BY at, position LIMIT $4
             )
             AND EXISTS (SELECT 1 FROM process_cursors WHERE process_cursors.process = $1 AND epoch = $3)
             RETURNING *
         )
         INSERT INTO process_commands (process, instance_id, position, step, command, tenant, correlation_id,
                                       causation_id, next_attempt_at, moment)
         SELECT process, instance_id, position, 'timer:' || timer, command, tenant, correlation_id, causation_id,
                clock_timestamp(), at
         FROM due ON CONFLICT DO NOTHING",
    )
    .bind(process.name)
    .bind(now)
    .bind(epoch)
    .bind(limit)
    .execute(pool)
    .await?;
    Ok(fired.rows_affected())
}

/// The first waiting command of each instance, as far as it is due: those of events first, then those of timers in the order
/// of their moments.
pub(crate) async fn due(pool: &PgPool, process: &Erased, limit: i64) -> Result<Vec<Pending>, sqlx::Error> {
    sqlx::query_as(
        "SELECT instance_id, position, step, command, tenant, correlation_id, causation_id, attempts FROM (
             SELECT DISTINCT ON (instance_id) * FROM process_commands
             WHERE process = $1 AND status = 'pending' ORDER BY instance_id, position, step
         ) AS first
         WHERE next_attempt_at <= clock_timestamp() ORDER BY moment NULLS FIRST, position LIMIT $2",
    )
    .bind(process.name)
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// In how long the next waiting command is due, and when the next timer goes off, if any waits.
pub(crate) async fn next_due(
    pool: &PgPool,
    process: &Erased,
) -> Result<(Option<Duration>, Option<DateTime<Utc>>), sqlx::Error> {
    let (seconds, timer): (Option<f64>, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT (
             SELECT extract(epoch FROM min(next_attempt_at) - clock_timestamp())::float8 FROM (
                 SELECT DISTINCT ON (instance_id) next_attempt_at FROM process_commands
                 WHERE process = $1 AND status = 'pending' ORDER BY instance_id, position, step
             ) AS first
         ), (SELECT min(at) FROM process_timers WHERE process = $1)",
    )
    .bind(process.name)
    .fetch_one(pool)
    .await?;
    Ok((seconds.map(|it| Duration::from_secs_f64(it.max(0.0))), timer))
}

/// Strikes off commands that were done.
pub(crate) async fn done(pool: &PgPool, process: &Erased, commands: &[&Pending]) -> Result<(), sqlx::Error> {
    if commands.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM process_commands AS commands
         USING unnest($2::text[], $3::bigint[], $4::text[]) AS it (id, position, step)
         WHERE process = $1 AND instance_id = it.id AND commands.position = it.position AND commands.step = it.step",
    )
    .bind(process.name)
    .bind(commands.iter().map(|it| it.instance_id.as_str()).collect::<Vec<_>>())
    .bind(commands.iter().map(|it| it.position).collect::<Vec<_>>())
    .bind(commands.iter().map(|it| it.step.as_str()).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Puts a command off for some time.
pub(crate) async fn put_off(
    pool: &PgPool,
    process: &Erased,
    command: &Pending,
    pause: Duration,
    error: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE process_commands
         SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + make_interval(secs => $5), last_error = $6
         WHERE process = $1 AND instance_id = $2 AND position = $3 AND step = $4",
    )
    .bind(process.name)
    .bind(&command.instance_id)
    .bind(command.position)
    .bind(&command.step)
    .bind(pause.as_secs_f64())
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
             WHERE process = $1 AND status = 'running' AND deadline < clock_timestamp()
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

/// Whether these processes have nothing to do: all have met the event at `position`, no command waits, and no timer's moment
/// has come at `now`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn at_rest(
    pool: &PgPool,
    registry: &[Erased],
    position: i64,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let names: Vec<&str> = registry.iter().map(|it| it.name).collect();
    let there = i64::try_from(names.len()).unwrap_or(i64::MAX);
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM process_cursors WHERE process = ANY($1) AND position >= $2) = $4
            AND NOT EXISTS (SELECT FROM process_commands WHERE process = ANY($1) AND status = 'pending')
            AND NOT EXISTS (SELECT FROM process_timers WHERE process = ANY($1) AND at <= $3)",
    )
    .bind(names)
    .bind(position)
    .bind(now)
    .bind(there)
    .fetch_one(pool)
    .await
}

/// When the next timer of these processes goes off, if any is set.
///
/// # Errors
/// When the database cannot be reached.
pub async fn next_timer(pool: &PgPool, registry: &[Erased]) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let names: Vec<&str> = registry.iter().map(|it| it.name).collect();
    sqlx::query_scalar("SELECT min(at) FROM process_timers WHERE process = ANY($1)").bind(names).fetch_one(pool).await
}

/// The last moment at which timers go off that go off together with the next one: within so much time after it.
pub(crate) async fn next_timers(
    pool: &PgPool,
    registry: &[Erased],
    together: chrono::TimeDelta,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    let Some(next) = next_timer(pool, registry).await? else { return Ok(None) };
    let names: Vec<&str> = registry.iter().map(|it| it.name).collect();
    sqlx::query_scalar("SELECT max(at) FROM process_timers WHERE process = ANY($1) AND at <= $2")
        .bind(names)
        .bind(next + together)
        .fetch_one(pool)
        .await
}

/// Removes what processes remember of a person whose erasure they have all met: their instances, by the ids of the person
/// and of their streams, or because they name the person, the commands that were still to be sent or were given up, their
/// timers and those of their notifications. Gives the number of rows.
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
    let timers = sqlx::query("DELETE FROM process_timers WHERE instance_id = ANY($1) OR strpos(command::text, $2) > 0")
        .bind(ids)
        .bind(subject.to_string())
        .execute(&mut *db)
        .await?;
    let of_notifications = timers::forget(&mut db, ids).await?;
    db.commit().await?;
    let of_processes = commands.rows_affected() + instances.rows_affected() + timers.rows_affected();
    Ok(of_processes + of_notifications)
}

/// Removes dead rows from the files of these tables.
///
/// # Errors
/// When the database cannot be reached.
pub async fn vacuum(pool: &PgPool) -> Result<(), sqlx::Error> {
    let tables = ["process_commands", "process_instances", "process_timers", "notification_timers"];
    baeum_eventlog::vacuum(pool, &tables, false).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use baeum_domain::{identity::user::samples, ids::LessonId};
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

    /// Keeps an instance that met an event.
    async fn keep(db: &mut PgConnection, process: &Erased, effects: Vec<Effect>) {
        let mut kept = Kept::default();
        kept.add("one", &recorded(1, samples::registered()), Value::Null, effects).expect("written down");
        kept.write(db, process, DateTime::UNIX_EPOCH).await.expect("kept");
    }

    /// As if so many seconds had passed by the clock of the database.
    async fn pass(pool: &PgPool, seconds: f64) {
        sqlx::query("UPDATE process_instances SET deadline = deadline - make_interval(secs => $1)")
            .bind(seconds)
            .execute(pool)
            .await
            .expect("passed");
    }

    #[tokio::test]
    async fn what_a_runner_keeps_that_stalled_until_another_took_over_does_not_count() {
        let (database, process) = (TestDatabase::create().await, Erased::of::<Slow>());
        let pool = &database.pool;
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(take_over(pool, &process, 1, now).await.expect("taken over"), Some(0));
        // The first keeps an instance, and stalls.
        let mut stalled = begin(pool).await.expect("begun");
        keep(&mut stalled, &process, vec![]).await;
        assert_eq!(take_over(pool, &process, 2, now).await.expect("taken over"), Some(0));
        assert!(!move_cursor(&mut stalled, &process, 1, (0, 1), now).await.expect("asked"));
        stalled.rollback().await.expect("rolled back");
        // The second keeps it; now the first goes on.
        let mut db = begin(pool).await.expect("begun");
        keep(&mut db, &process, vec![]).await;
        assert!(move_cursor(&mut db, &process, 2, (0, 1), now).await.expect("asked"));
        db.commit().await.expect("committed");
        assert_eq!(time_out(pool, &process, 2, now).await.expect("asked"), 0);
        pass(pool, 61.0).await;
        assert_eq!(time_out(pool, &process, 1, now).await.expect("asked"), 0);
        assert_eq!(take_over(pool, &process, 1, now).await.expect("asked"), None);
        assert_eq!(time_out(pool, &process, 2, now).await.expect("asked"), 1);
    }

    fn command(lesson: u128) -> ProcessCommand {
        let (learner_id, lesson_id) = (UserId(Uuid::from_u128(7)), LessonId(Uuid::from_u128(lesson)));
        ProcessCommand::SuggestWatchOptions { learner_id, lesson_id }
    }

    fn schedule(timer: &'static str, days: i64) -> Effect {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(days);
        Effect::Schedule { timer, at, command: command(days.unsigned_abs().into()) }
    }

    #[tokio::test]
    async fn a_timer_goes_off_once_when_the_clock_has_come_to_its_moment() {
        let (database, process) = (TestDatabase::create().await, Erased::of::<Slow>());
        let (pool, start) = (&database.pool, DateTime::UNIX_EPOCH);
        take_over(pool, &process, 1, start).await.expect("taken over");
        let mut db = begin(pool).await.expect("begun");
        let twice =
            [schedule("again", 1), schedule("again", 3), schedule("gone", 1), Effect::Unschedule { timer: "gone" }];
        keep(&mut db, &process, twice.into()).await;
        keep(&mut db, &process, vec![schedule("first", 2)]).await;
        db.commit().await.expect("committed");
        let fired = async |days| fire(pool, &process, 1, start + TimeDelta::days(days), 10).await.expect("asked");
        assert_eq!((fired(1).await, due(pool, &process, 10).await.expect("asked").len()), (0, 0));
        assert_eq!(next_due(pool, &process).await.expect("asked"), (None, Some(start + TimeDelta::days(2))));
        assert_eq!(fire(pool, &process, 2, start + TimeDelta::days(9), 10).await.expect("of another epoch"), 0);
        assert_eq!(fired(2).await, 1);
        let sent = due(pool, &process, 10).await.expect("asked");
        assert_eq!((sent[0].step.as_str(), &sent[0].command.0), ("timer:first", &command(2)));
        done(pool, &process, &[&sent[0]]).await.expect("struck off");
        assert_eq!((fired(2).await, fired(400).await, fired(400).await), (0, 1, 0));
        assert_eq!(due(pool, &process, 10).await.expect("asked")[0].command.0, command(3));
        assert!(!at_rest(pool, &[process], 0, start).await.expect("asked"), "a command waits");
    }

    #[tokio::test]
    async fn timers_of_a_forgotten_person_go_too() {
        let (database, process) = (TestDatabase::create().await, Erased::of::<Slow>());
        let pool = &database.pool;
        let mut db = begin(pool).await.expect("begun");
        keep(&mut db, &process, vec![schedule("first", 2)]).await;
        db.commit().await.expect("committed");
        assert_eq!(forget(pool, UserId(Uuid::from_u128(8)), &["two"]).await.expect("nothing of them"), 0);
        assert_eq!(forget(pool, UserId(Uuid::from_u128(7)), &["two"]).await.expect("forgotten"), 1);
        assert_eq!(next_timer(pool, &[process]).await.expect("asked"), None);
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
            let mut kept = Kept::default();
            kept.add(instance, &event, state, vec![]).expect("written down");
            kept.write(&mut db, &process, DateTime::UNIX_EPOCH).await.expect("kept");
        }
        db.commit().await.expect("committed");
        assert_eq!(forget(pool, mina, &[]).await.expect("forgotten"), 1);
        let left: Vec<String> =
            sqlx::query_scalar("SELECT instance_id FROM process_instances").fetch_all(pool).await.expect("asked");
        assert_eq!(left, ["one of his"]);
    }
}
