//! A backup is enough: what `pg_dump` writes, restored into a fresh server beside an empty broker, goes on.

use std::{
    fs::File,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use baeum_testing::{NatsCluster, PostgresServer};
use fastrand::Rng;
use sqlx::{Connection as _, PgConnection};

use crate::{
    invariants::{check, check_read_models, check_stream},
    seed,
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_restored_into_fresh_servers_goes_on_with_log_cursors_and_read_models() {
    let mut rng = Rng::with_seed(seed());
    let folder = tempfile::TempDir::new().expect("a folder");
    let dump = folder.path().join("baeum.dump");
    let (head, ledger) = {
        let mut world = World::start(&mut rng).await;
        work(&world, "before", &mut rng).await;
        let head = world.settle().await;
        let mut pg_dump = world.postgres.command("pg_dump");
        pg_dump.args(["--format=custom", "--dbname", &world.postgres.url()]);
        succeeds(pg_dump.stdout(File::create(&dump).expect("a file")));
        (head, Arc::clone(&world.ledger))
    };
    let (postgres, nats) = (PostgresServer::start().await, NatsCluster::start(1).await);
    let mut pg_restore = postgres.command("pg_restore");
    pg_restore.args(["--exit-on-error", "--no-owner", "--dbname", &postgres.url()]);
    succeeds(pg_restore.stdin(File::open(&dump).expect("the dump")));
    // Nothing begins anew: cursors stand where they stood.
    let mut database = PgConnection::connect(&postgres.url()).await.expect("a connection");
    for (what, least) in [
        ("the head", "SELECT position FROM log_head"),
        ("every read model", "SELECT min(position) FROM projection_cursors"),
        ("every saga", "SELECT min(position) FROM process_cursors"),
    ] {
        let position: i64 = sqlx::query_scalar(least).fetch_one(&mut database).await.expect("a position");
        assert_eq!(position, head, "{what} is not where it was");
    }
    database.close().await.expect("closed");
    let mut world = World::on(postgres, nats, ledger, &mut rng).await;
    work(&world, "after", &mut rng).await;
    let now = world.settle().await;
    assert!(now > head, "nothing came after {head}");
    let breaches = check(&world).await.breaches;
    assert!(breaches.is_empty(), "{breaches:#?}");
    assert_eq!(check_read_models(&world).await, None);
    assert_eq!(check_stream(&world, now).await, (None, 0), "the fresh stream is not filled");
}

/// Clients work for a while.
async fn work(world: &World, family: &str, rng: &mut Rng) {
    let load = world.load(4, Duration::from_millis(20), family, rng);
    tokio::time::sleep(Duration::from_secs(3)).await;
    load.end().await;
}

fn succeeds(command: &mut Command) {
    let output = command.stderr(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
    let output = output.expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
