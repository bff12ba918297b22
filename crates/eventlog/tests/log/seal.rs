//! The sealer: killed, doubled, on another shard, on a log that was changed, and in sight of witnesses.

use std::sync::{Arc, Mutex, PoisonError};

use baeum_domain::position::Shard;
use baeum_eventlog::{
    lease,
    sealer::{ProofError, SealOptions, Witness, WitnessError, lag},
    shard,
};
use baeum_proof::{Checkpoint, EventRecord, Hash, Signer, Tile, bundle, consistency, inclusion};
use baeum_testing::{TestDatabase, eventually};
use futures::future::BoxFuture;
use sqlx::Acquire as _;
use tokio::time::{Duration, sleep};

use crate::{
    sealed::{Running, Sealed, all_sealed, audit, options, seal, signer},
    support::{open, process, registered, registered_many},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_is_verified_from_files_with_the_key_alone() {
    let world = Sealed::of(3, 120).await;
    let honest = world.found("", &[]).await.expect("it is honest");
    assert_eq!((honest.size, honest.checkpoints, honest.unproven()), (360, 3, 0));
    assert_eq!((honest.first, honest.last), (1, 360));
    let late = world
        .found(
            "INSERT INTO events SELECT aggregate_type, aggregate_id || 'x', 1, event_type, event_version,
        payload, metadata, 361, gen_random_uuid(), tenant, actor, correlation_id, causation_id, recorded_at
        FROM events WHERE global_position = 360; UPDATE log_head SET position = 361",
            &[],
        )
        .await;
    assert_eq!(late.expect("nothing is said of it").unproven(), 1, "nothing is proven of what is not sealed yet");
    let stranger = Signer::from_seed(&[8; 32], "school.example/shard-0").expect("a key");
    let mut connection = world.database.pool.acquire().await.expect("a connection");
    let doubted = audit(&mut connection, &[stranger.verifier().clone()], &[]).await.expect_err("another key");
    assert!(
        doubted.starts_with("the first wrong position is 120: the checkpoint of size 120 in checkpoints cannot be"),
        "{doubted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealer_that_is_killed_at_any_place_is_followed_by_one_that_goes_on() {
    let database = TestDatabase::create().await;
    let log = open(&database, None).await;
    for round in 0..12_u64 {
        let other = process(&database).await;
        let sealer = Running::start(&other, options(&log));
        let appending = registered_many(&log, 60);
        let killing = async {
            sleep(Duration::from_millis(round * 3)).await;
            sealer.task.abort();
        };
        tokio::join!(appending, killing);
        drop(other);
        // What a killed process leaves is a lease that ends after some seconds; they need not be waited for here.
        lease::release_all(&database.pool).await.expect("released");
    }
    seal(&log, vec![]).await;
    let mut connection = database.pool.acquire().await.expect("a connection");
    let honest = audit(&mut connection, &[signer(&log).verifier().clone()], &[]).await.expect("it is honest");
    assert_eq!((honest.size, honest.unproven()), (720, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sealers_at_once_make_one_tree() {
    let database = TestDatabase::create().await;
    let (log, one, other) = (open(&database, None).await, process(&database).await, process(&database).await);
    let sealers = [Running::start(&one, options(&log)), Running::start(&other, options(&log))];
    for _ in 0..10 {
        // Both take the lease in turn, and the one who had it works on for up to a second without knowing.
        lease::release_all(&database.pool).await.expect("released");
        registered_many(&log, 40).await;
    }
    all_sealed(&log).await;
    for sealer in sealers {
        sealer.stop().await;
    }
    let mut connection = database.pool.acquire().await.expect("a connection");
    let honest = audit(&mut connection, &[signer(&log).verifier().clone()], &[]).await.expect("it is honest");
    assert_eq!(honest.size, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_changed_is_not_sealed_any_further_until_it_is_mended() {
    let world = Sealed::of(2, 40).await;
    let log = &world.log;
    registered(log).await;
    for (break_it, mend_it, said) in [
        (
            "UPDATE events SET actor = 'mallory' WHERE global_position = 70",
            "UPDATE events SET actor = 'test' WHERE global_position = 70",
            "position 70: its event does not have the hash that was sealed",
        ),
        (
            "UPDATE events SET global_position = 900 WHERE global_position = 81",
            "UPDATE events SET global_position = 81 WHERE global_position = 900",
            "position 81 is missing: after it comes 900",
        ),
        (
            "UPDATE seal_tiles SET hashes = set_byte(hashes, 3, 255 - get_byte(hashes, 3))",
            "UPDATE seal_tiles SET hashes = set_byte(hashes, 3, 255 - get_byte(hashes, 3))",
            "the checkpoint of size 80 has another root than the stored tiles give",
        ),
        (
            "UPDATE log_head SET position = 79",
            "UPDATE log_head SET position = 81",
            "the log ends at position 79, and was sealed up to 80",
        ),
    ] {
        let change = |sql: &'static str| {
            let pool = &world.database.pool;
            async move {
                let mut connection = pool.acquire().await.expect("a connection");
                let mut change = connection.begin().await.expect("begun");
                sqlx::raw_sql("ALTER TABLE events DISABLE TRIGGER ALL").execute(&mut *change).await.expect("off");
                sqlx::raw_sql(sql).execute(&mut *change).await.expect("changed");
                change.commit().await.expect("kept");
            }
        };
        change(break_it).await;
        let sealer = Running::start(log, options(log));
        eventually(said, async || lag(log).await.expect("asked").misfit.filter(|why| why.contains(said))).await;
        assert_eq!(lag(log).await.expect("asked").sealed, 80, "nothing more is sealed");
        sealer.stop().await;
        change(mend_it).await;
    }
    seal(log, vec![]).await;
    assert_eq!(lag(log).await.expect("asked").misfit, None);
    let honest = world.found("", &[]).await.expect("it is honest again");
    assert_eq!(honest.size, 81);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_for_the_same_log_is_refused() {
    let world = Sealed::of(1, 4).await;
    let renamed = Signer::from_seed(&[7; 32], "other.example/shard-0").expect("a key");
    let sealer = Running::start(&world.log, SealOptions { signer: renamed, ..options(&world.log) });
    let why = eventually("it says why", async || lag(&world.log).await.expect("asked").misfit).await;
    assert!(
        why.contains("sealed as 'school.example/shard-0', and this sealer is to seal it as 'other.example"),
        "{why}"
    );
    sealer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_of_a_shard_begins_at_its_floor() {
    let database = TestDatabase::create().await;
    let shard = Shard::new(3).expect("a shard");
    shard::assign(&database.pool, shard).await.expect("an empty log");
    let log = open(&database, None).await;
    registered_many(&log, 5).await;
    seal(&log, vec![]).await;
    let proof = log.prove_inclusion(log.floor() + 2, None).await.expect("proven");
    assert_eq!((proof.index, proof.size), (1, 5));
    let mut connection = database.pool.acquire().await.expect("a connection");
    let honest = audit(&mut connection, &[signer(&log).verifier().clone()], &[]).await.expect("it is honest");
    assert_eq!((honest.floor, honest.first, honest.last), (shard.floor(), shard.floor() + 1, shard.floor() + 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_proven_to_the_checkpoint_that_a_client_holds() {
    let world = Sealed::of(3, 100).await;
    let log = &world.log;
    let keys = [signer(log).verifier().clone()];
    let note = log.checkpoint().await.expect("asked").expect("sealed");
    let latest = Checkpoint::verify(&note, &keys).expect("signed");
    for (position, size) in [(1, None), (150, None), (300, None), (100, Some(100)), (7, Some(123))] {
        let it = log.prove_inclusion(position, size).await.expect("proven");
        let record = EventRecord::read(&it.record).expect("canonical");
        assert_eq!(record.global_position, position);
        assert!(inclusion::verify(EventRecord::leaf(&it.record), it.index, it.size, &it.path, it.root));
        assert_eq!(it.checkpoint.is_some(), it.size != 123, "123 is the size of no checkpoint");
        let grown = log.prove_consistency(it.size, None).await.expect("proven");
        assert_eq!((grown.to_root, grown.from_root), (latest.root, it.root));
        assert!(consistency::verify(it.size, it.root, latest.size, latest.root, &grown.path));
    }
    assert!(matches!(log.prove_inclusion(301, None).await, Err(ProofError::NotSealed { sealed: 300, .. })));
    assert!(matches!(log.prove_consistency(301, None).await, Err(ProofError::NoRange(_))));
    // Tiles and entries as a client of tiles reads them.
    let tile = |name: &str| name.parse::<Tile>().expect("a name");
    let hashes = log.tile(tile("tile/0/001.p/44")).await.expect("asked").expect("there");
    let entries = log.tile(tile("tile/entries/001.p/44")).await.expect("asked").expect("there");
    let of_entries: Vec<Hash> = bundle::entries(&entries).expect("whole").into_iter().map(Hash::of_leaf).collect();
    assert_eq!(Tile::read(&hashes), Some(of_entries));
    assert_eq!(log.tile(tile("tile/0/001.p/12")).await.expect("asked").map(|it| it.len()), Some(12 * 32));
    for absent in ["tile/0/001", "tile/0/001.p/45", "tile/1/000", "tile/1/000.p/2", "tile/entries/001.p/45"] {
        assert_eq!(log.tile(tile(absent)).await.expect("asked"), None, "{absent}");
    }
}

/// Keeps what it is shown.
#[derive(Default)]
struct Notary(Mutex<Vec<String>>);

impl Notary {
    fn notes(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Witness for Notary {
    fn name(&self) -> &'static str {
        "notary"
    }

    fn latest(&self, _: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        Box::pin(std::future::ready(Ok(self.notes().pop())))
    }

    fn show(&self, notes: Vec<String>) -> BoxFuture<'_, Result<(), WitnessError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(notes);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_sees_every_checkpoint_and_a_tail_that_was_cut_off_is_missed() {
    let world = Sealed::of(4, 30).await;
    let notary = Arc::new(Notary::default());
    let sealer = Running::start(&world.log, SealOptions { witnesses: vec![notary.clone()], ..options(&world.log) });
    eventually("it was shown all", async || (notary.notes().len() == 4).then_some(())).await;
    sealer.stop().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("witness");
    std::fs::write(&file, notary.notes().join("\n")).expect("written");
    let witnesses = [file];
    let honest = world.found("", &witnesses).await.expect("it is honest");
    assert_eq!((honest.checkpoints, honest.witnessed), (8, 4));

    // Whoever owns the database cuts everything off after 77 events, with all that told of it.
    let cut = "DELETE FROM events WHERE global_position > 77; UPDATE log_head SET position = 77;
               DELETE FROM seal_checkpoints WHERE size > 77; UPDATE seal_tiles SET hashes = substr(hashes, 1, 60 * 32);
               UPDATE seal_head SET size = 60";
    let unseen = world.found(cut, &[]).await.expect("without the witness nothing is missed");
    assert_eq!((unseen.size, unseen.unproven()), (60, 17));
    let missed = world.found(cut, &witnesses).await.expect_err("with it, it is");
    assert!(
        missed.starts_with("the first wrong position is 78: the log ends before it, though a witness has"),
        "{missed}"
    );

    // And the sealer itself does not go on on such a log.
    let mut connection = world.database.pool.acquire().await.expect("a connection");
    let mut change = connection.begin().await.expect("begun");
    let off = "ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE seal_checkpoints DISABLE TRIGGER ALL";
    sqlx::raw_sql(&format!("{off}; {cut}")).execute(&mut *change).await.expect("cut");
    change.commit().await.expect("kept");
    drop(connection);
    let sealer = Running::start(&world.log, SealOptions { witnesses: vec![notary], ..options(&world.log) });
    let why = eventually("it says why", async || lag(&world.log).await.expect("asked").misfit).await;
    assert!(why.contains("the witness notary has seen 120 events, and 60 are sealed"), "{why}");
    sealer.stop().await;
}
