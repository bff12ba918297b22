use std::collections::BTreeSet;

use baeum_domain::{
    AnyEvent, Recorded,
    identity::erasure::{Command as ErasureCommand, Erasure, Ground, Requester},
    identity::user::{Command as UserCommand, Role, User},
    subscription::{
        credits::{self, CreditBalance},
        subscription::{Command, Subscription},
    },
};
use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use crate::{
    identity::accesses::Accesses,
    rebuild::{Options, Outcome, SandboxName, compare, rebuild, rebuild_with, replay_into},
    registry,
    subscription::testing::{SUBSCRIPTION, begin, issue, now, refund, request, spend},
    testing::{LEARNER, PATIENCE, World, in_a_world, in_a_world_with, preferences},
    wait_for,
};

/// Erases the learner of the world as far as the log goes; the position of that.
async fn erase(world: &World) -> i64 {
    let now = baeum_domain::Clock::now(world.clock.as_ref());
    let (requested_by, ground) = (Requester::Subject, Ground::ConsentWithdrawn);
    let request = ErasureCommand::Request { subject_id: LEARNER, requested_by, ground, grace_days: 0, now };
    world.execute::<Erasure>(LEARNER.0, request).await;
    world.execute::<Erasure>(LEARNER.0, ErasureCommand::NoteErased { subject_id: LEARNER, key_ids: vec![], now }).await
}

/// Rows of the learner by table.
async fn rows(pool: &PgPool, world: &World) -> Vec<(&'static str, usize)> {
    let tables = personal_rows(pool, &registry(&world.models), LEARNER).await.expect("a database");
    tables.into_iter().map(|it| (it.table, it.rows.len())).collect()
}

/// Tables that still have rows of the learner, but for the record of who looked at them, which stays.
async fn left(world: &World) -> Vec<&'static str> {
    let found = rows(&world.pool, world).await;
    let of_record = Accesses.tables();
    let left = found.into_iter().filter(|(table, count)| *count > 0 && !of_record.contains(table));
    left.map(|(table, _)| table).collect()
}

#[test]
fn every_table_says_what_it_holds_of_a_person_and_no_projection_mixes_people_with_what_is_anonymous() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(in_a_world(async |world| {
        for projection in registry(&world.models) {
            let name = projection.name();
            let tables: BTreeSet<_> = projection.tables().iter().copied().collect();
            let said: BTreeSet<_> = projection.personal().iter().map(Personal::table).collect();
            assert_eq!(said, tables, "{name}: say in personal() what each of its tables holds");
            // Events of a forgotten person are taken in whole or not at all.
            let count = |of: fn(&&Personal) -> bool| projection.personal().iter().filter(of).count();
            let rows = count(|it| matches!(it, Personal::Rows { .. }));
            let others = count(|it| !matches!(it, Personal::Rows { .. } | Personal::OfNobody { .. }));
            assert!(rows == 0 || others == 0, "{name}: divide it into two projections");
        }
    }));
}

#[tokio::test]
async fn a_persons_rows_are_found_in_every_personal_table() {
    in_a_world(async |world| {
        world.live_a_day().await;
        world.project().await;
        let found = rows(&world.pool, world).await;
        let of_record = Accesses.tables();
        let empty: Vec<_> = found.iter().filter(|(table, n)| *n == 0 && !of_record.contains(table)).collect();
        assert!(found.len() > 12 && empty.is_empty(), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn an_erasure_removes_a_persons_rows_and_keeps_what_is_anonymous_and_everybody_elses() {
    in_a_world(async |world| {
        world.live_a_day().await;
        let jun = Uuid::from_u128(2);
        let register = UserCommand::Register {
            user_id: UserId(jun),
            roles: [Role::Learner].into(),
            preferences: preferences("Asia/Seoul"),
        };
        world.execute::<User>(jun, register).await;
        world.project().await;
        let items = items(world).await;
        assert!(!items.is_empty());
        erase(world).await;
        world.project().await;
        assert_eq!(left(world).await, Vec::<&str>::new());
        assert_eq!(self::items(world).await, items);
        let other = crate::identity::learners::find(&world.pool, UserId(jun)).await.expect("a database");
        assert!(other.is_some(), "somebody else is still there");
    })
    .await;
}

async fn items(world: &World) -> Vec<(String, i64, i64)> {
    sqlx::query_as("SELECT item, responses, correct FROM item_parameters ORDER BY item")
        .fetch_all(&world.pool)
        .await
        .expect("a database")
}

#[tokio::test]
async fn what_a_person_still_does_after_their_erasure_leaves_no_row() {
    in_a_world(async |world| {
        world.live_a_day().await;
        erase(world).await;
        world.start_lesson(50, "2026-03-03").await;
        world.watch(50, 51, 60_000, "2026-03-03").await;
        world.attempt(50, 52, 0.5).await;
        // What their bills still come to stays in the books, and leads to nobody.
        issue(world, 2).await;
        request(world, 2).await;
        begin(world, 2, 1).await;
        refund(world, 1, 90, 100).await;
        world.execute::<Subscription>(SUBSCRIPTION.0, Command::CancelNow { at: now() }).await;
        world.execute::<CreditBalance>(credits::id_of(LEARNER), spend(52)).await;
        world.project().await;
        assert_eq!(left(world).await, Vec::<&str>::new());
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_brings_nothing_back_and_a_comparison_finds_no_difference() {
    in_a_world_with(5, async |world| {
        world.live_a_day().await;
        world.project().await;
        erase(world).await;
        world.project().await;
        for projection in registry(&world.models) {
            let compared = compare(&world.log, projection.clone(), |_, _| {}).await.expect("compared");
            assert!(compared.is_equal(), "{}", projection.name());
            rebuild(&world.log, projection, |_, _| {}).await.expect("rebuilt");
        }
        assert_eq!(left(world).await, Vec::<&str>::new());
        assert!(!items(world).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_unfinished_rebuild_is_emptied_too_and_goes_on_without_them() {
    in_a_world_with(5, async |world| {
        world.live_a_day().await;
        world.project().await;
        let progress = registry(&world.models).into_iter().find(|it| it.name() == "progress").expect("there is one");
        let options = Options::default();
        let stop = options.stop.clone();
        // It is stopped as soon as it has got on, or else when it is about to end.
        let outcome = rebuild_with(&world.log, progress.clone(), &options, move |done, _| {
            if done > 0 {
                stop.cancel();
            }
        });
        let outcome = outcome.await.expect("no mistake");
        erase(world).await;
        world.project().await;
        let registry = registry(&world.models);
        forget(&world.pool, &registry, LEARNER, &[]).await.expect("forgotten");
        if let Outcome::Paused(_) = outcome {
            let shadow: i64 = sqlx::query_scalar("SELECT count(*) FROM rebuild_progress.progress")
                .fetch_one(&world.pool)
                .await
                .expect("an unfinished rebuild");
            assert_eq!(shadow, 0);
        }
        rebuild(&world.log, progress, |_, _| {}).await.expect("rebuilt");
        assert_eq!(left(world).await, Vec::<&str>::new());
    })
    .await;
}

async fn count(world: &World, table: &str) -> i64 {
    sqlx::query_scalar(&format!("SELECT count(*) FROM {table}")).fetch_one(&world.pool).await.expect("a table")
}

#[tokio::test]
async fn sandboxes_and_what_is_kept_of_the_past_forget_a_person_too() {
    in_a_world_with(5, async |world| {
        let head = world.live_a_day().await;
        world.project().await;
        let registry = registry(&world.models);
        let sandbox: SandboxName = "march".parse().expect("a name");
        for name in ["progress", "lessons"] {
            let projection = registry.iter().find(|it| it.name() == name).expect("there is one");
            let replayed =
                replay_into(&world.log, projection.clone(), &sandbox, head, &Options::default(), |_, _| {}).await;
            assert_eq!(replayed.expect("replayed"), Outcome::Rebuilt(head));
        }
        // As a table of an older build looks.
        sqlx::query("ALTER TABLE march.lessons DROP COLUMN learner_id CASCADE")
            .execute(&world.pool)
            .await
            .expect("altered");
        for key in [LEARNER.to_string(), "somebody else".to_owned()] {
            let keep = "INSERT INTO history_checkpoints VALUES ('progress', $1, 1, 1, '{}', now())";
            sqlx::query(keep).bind(key).execute(&world.pool).await.expect("kept");
        }
        assert!(count(world, "march.progress").await > 0);
        erase(world).await;
        world.project().await;
        let id = LEARNER.to_string();
        forget(&world.pool, &registry, LEARNER, &[&id]).await.expect("forgotten");
        assert_eq!((count(world, "march.progress").await, count(world, "history_checkpoints").await), (0, 1));
        let gone: bool = sqlx::query_scalar("SELECT to_regclass('march.lessons') IS NULL")
            .fetch_one(&world.pool)
            .await
            .expect("asked");
        assert!(gone, "tables whose rows cannot be told apart are dropped");
        // Replayed again, they hold nothing of that person.
        let lessons = registry.iter().find(|it| it.name() == "lessons").expect("there is one");
        let replayed = replay_into(&world.log, lessons.clone(), &sandbox, head, &Options::default(), |_, _| {}).await;
        assert_eq!(replayed.expect("replayed"), Outcome::Rebuilt(head));
        assert_eq!(count(world, "march.lessons").await, 0);
    })
    .await;
}

#[tokio::test]
async fn streams_of_a_person_that_are_parked_are_removed() {
    in_a_world(async |world| {
        world.register().await;
        world.project().await;
        for (projection, key) in [("lessons", "a lesson of theirs"), ("progress", "a lesson of theirs")] {
            let park = "INSERT INTO parked_streams VALUES ($1, $2, 1, 'a reason', 1, now())";
            sqlx::query(park).bind(projection).bind(key).execute(&world.pool).await.expect("parked");
            let hold = "INSERT INTO parked_events VALUES ($1, 2, $2)";
            sqlx::query(hold).bind(projection).bind(key).execute(&world.pool).await.expect("held");
        }
        let position = erase(world).await;
        let registry = registry(&world.models);
        assert!(!has_passed(&world.pool, &registry, position).await.expect("asked"));
        world.project().await;
        assert!(has_passed(&world.pool, &registry, position).await.expect("asked"));
        for time in 0..2 {
            let gone = forget(&world.pool, &registry, LEARNER, &["a lesson of theirs"]).await.expect("forgotten");
            assert_eq!(gone, if time == 0 { 4 } else { 0 });
        }
        vacuum(&world.pool, &registry).await.expect("vacuumed");
        wait_for(&world.pool, "lessons", position, PATIENCE).await.expect("it is still there");
    })
    .await;
}

#[test]
fn an_erasure_is_met_in_every_partition() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(in_a_world(async |world| {
        let position = erase(world).await;
        let stored = world.log.read(position - 1, 1).await.expect("read");
        let event: &Recorded<_> = &stored[0];
        assert_eq!(world.log.erased().meet(event), Some(LEARNER));
        assert!(world.log.erased().contains(LEARNER));
        let decoded = baeum_eventlog::decode(event.clone()).expect("readable");
        assert!(matches!(decoded.payload, AnyEvent::Erasure(_)));
    }));
}
