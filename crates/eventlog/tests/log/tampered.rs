//! Whoever owns the database changes the log: each way is found, at its position.

use baeum_eventlog::sealer;
use baeum_proof::{EventRecord, Hash, Tile, Tree, audit::Folder};
use tempfile::TempDir;

use crate::sealed::{Sealed, audit, signer};

/// The log of these tests: 300 events, a checkpoint after each fifty.
async fn world() -> Sealed {
    Sealed::of(6, 50).await
}

async fn is_found(world: &Sealed, what: &str, sql: &str, expected: &str) {
    let found = world.found(sql, &[]).await.expect_err(what);
    assert!(found.starts_with(expected), "{what}: {found}");
    assert!(!found.contains('\n'), "{what} is told in one line: {found}");
}

/// Moves all later events by so many positions.
fn shift(after: i64, by: i64) -> String {
    format!(
        "UPDATE events SET global_position = -(global_position + {by}) WHERE global_position > {after};
         UPDATE events SET global_position = -global_position WHERE global_position < 0;
         UPDATE log_head SET position = position + {by};"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_changed_in_any_column_is_found() {
    let world = world().await;
    for column in [
        "payload = '{\"GoalSet\": {\"daily_minutes\": 21}}'",
        "payload = (payload::text || ' ')::json",
        "metadata = '{}'",
        "actor = 'mallory'",
        "tenant = 'other'",
        "event_type = 'Other'",
        "event_version = '1.0'",
        "event_id = gen_random_uuid()",
        "correlation_id = gen_random_uuid()",
        "causation_id = gen_random_uuid()",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "recorded_at = recorded_at - interval '4052 years'",
        "aggregate_id = aggregate_id || 'x'",
    ] {
        let sql = format!("UPDATE events SET {column} WHERE global_position = 123");
        is_found(&world, column, &sql, "the first wrong position is 123: ").await;
    }
    let sql = "UPDATE events SET actor = 'mallory' WHERE global_position = 123";
    let found = world.found(sql, &[]).await.expect_err("changed");
    assert!(found.ends_with("leads to the signed checkpoint of size 150, so the event was changed"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_deleted_inserted_reordered_or_cut_off_are_found() {
    let world = world().await;
    let delete = "DELETE FROM events WHERE global_position = 123;";
    is_found(
        &world,
        "deleted",
        delete,
        "the first wrong position is 123: its event is missing, the next is that of 124",
    )
    .await;
    is_found(
        &world,
        "deleted, the rest moved up",
        &format!("{delete}{}", shift(123, -1)),
        "the first wrong position is 123: ",
    )
    .await;
    let insert = format!(
        "{} INSERT INTO events SELECT aggregate_type, 'new', 1, event_type, event_version, payload, metadata, 124,
         gen_random_uuid(), tenant, actor, correlation_id, causation_id, recorded_at FROM events WHERE global_position = 1",
        shift(123, 1)
    );
    is_found(&world, "inserted", &insert, "the first wrong position is 124: ").await;
    let swap = "UPDATE events SET global_position = -global_position WHERE global_position IN (60, 123);
                UPDATE events SET global_position = 183 + global_position WHERE global_position < 0";
    is_found(&world, "reordered", swap, "the first wrong position is 60: ").await;
    let cut = "DELETE FROM events WHERE global_position > 280; UPDATE log_head SET position = 280";
    is_found(&world, "cut off", cut, "the first wrong position is 281: the events end before it").await;
    let first = "DELETE FROM events WHERE global_position = 1";
    is_found(&world, "the first", first, "the first wrong position is 1: its event is missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_and_tiles_that_were_changed_are_found() {
    let world = world().await;
    let swap = "UPDATE seal_checkpoints a SET note = split_part(a.note, E'\\n\\n', 1) || E'\\n\\n' ||
                split_part(b.note, E'\\n\\n', 2) FROM seal_checkpoints b WHERE a.size = 150 AND b.size = 200";
    is_found(&world, "another signature", swap, "the first wrong position is 150: the checkpoint of size 150").await;
    let garbled = "UPDATE seal_checkpoints SET note = 'nothing' WHERE size = 150";
    is_found(&world, "no checkpoint", garbled, "the first wrong position is 101: ").await;
    let none = "TRUNCATE seal_checkpoints; INSERT INTO seal_checkpoints VALUES (300, 'x')";
    is_found(&world, "no signed checkpoint", none, "the first wrong position is ").await;
    // The second byte of hash 122, which is that of position 123.
    let slot = "UPDATE seal_tiles SET hashes = set_byte(hashes, 122 * 32 + 1, 255 - get_byte(hashes, 122 * 32 + 1))
                WHERE level = 0 AND index = 0";
    let found = world.found(slot, &[]).await.expect_err("a hash was changed");
    assert!(found.starts_with("the first wrong position is 123: "), "{found}");
    assert!(
        found.ends_with("the events lead to the signed checkpoint of size 150, so the tree was changed"),
        "{found}"
    );
    let upper = "UPDATE seal_tiles SET hashes = set_byte(hashes, 1, 255 - get_byte(hashes, 1)) WHERE level = 1";
    is_found(&world, "a higher hash", upper, "the first wrong position is one of 1 to 256: tile/1/000.p/1 has").await;
    let gone = "DELETE FROM seal_tiles WHERE level = 0 AND index = 1";
    is_found(&world, "a tile is gone", gone, "the first wrong position is 257: tile/0/001.p/44").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_changed_with_their_tree_are_found_between_two_checkpoints() {
    let world = world().await;
    let mut change = world.change().await;
    sqlx::raw_sql("UPDATE events SET actor = 'mallory' WHERE global_position = 123")
        .execute(&mut *change)
        .await
        .expect("changed");
    // The tree is made anew over what the events are now.
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log");
    sealer::export(&mut change, &path, None).await.expect("exported");
    let (mut tree, mut tiles) = (Tree::new(), vec![]);
    for line in Folder::new(path).events().expect("events") {
        let leaf = EventRecord::leaf(&line.expect("a line"));
        tree.push(leaf, |tile: Tile, hashes: Vec<Hash>| tiles.push((tile, hashes)));
    }
    tiles.extend(tree.edge().map(|(tile, hashes)| (tile, hashes.to_vec())));
    for (tile, hashes) in tiles {
        sqlx::query("UPDATE seal_tiles SET hashes = $3 WHERE level = $1 AND index = $2")
            .bind(i32::from(tile.level()))
            .bind(tile.index().cast_signed())
            .bind(Tile::write(&hashes))
            .execute(&mut *change)
            .await
            .expect("changed");
    }
    let found = audit(&mut change, &[signer(&world.log).verifier().clone()], &[]).await.expect_err("changed");
    assert!(found.starts_with("the first wrong position is one of 101 to 150: events and tiles agree"), "{found}");
}
