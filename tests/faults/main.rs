//! Faults: servers and processes fail while clients work, and nothing that was answered is lost, nothing happens twice.
//!
//! Servers are private, processes are real, and whatever is started here ends here. The seed of a run is printed;
//! `BAEUM_SEED` repeats its choices (not the timing of the machine).

#[path = "../support/mod.rs"]
mod support;

mod drill;
mod embedded;
mod faults;
mod invariants;
mod ledger;
mod line;
mod load;
mod nats_server;
mod node;
mod person;
mod report;
mod world;

use std::time::Duration;

use drill::Plan;
use fastrand::Rng;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_once_under_load_loses_and_doubles_nothing() {
    let faults = faults::all();
    let injections = number("BAEUM_FAULTS").unwrap_or(faults.len());
    let plan = Plan { injections, group: 2, thorough_every: usize::MAX, clients: 6, think: Duration::from_millis(60) };
    run(&plan).await;
}

/// `cargo test --release -p baeum-server --test faults -- --ignored --nocapture a_long_run`; `BAEUM_FAULTS` says how many.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes about 20 minutes"]
async fn a_long_run_of_two_hundred_faults_under_load_loses_and_doubles_nothing() {
    let injections = number("BAEUM_FAULTS").unwrap_or(200);
    let plan = Plan { injections, group: 2, thorough_every: 20, clients: 6, think: Duration::from_millis(150) };
    run(&plan).await;
}

async fn run(plan: &Plan) {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut world = World::start(&mut rng).await;
    let mut report = drill::run(&mut world, &faults::all(), plan, &mut rng).await;
    report.notes.push(format!("BAEUM_SEED={seed}"));
    report.publish();
    // Commands were cut off from their answers, or the lines cut nothing.
    assert!(world.front.iter().chain(&world.back).any(|line| line.cuts() > 0), "no line was cut");
    assert!(world.ledger.counts().replayed > 0, "no command was answered from its receipt");
}

/// The seed of this run, which a failing one is repeated with.
fn seed() -> u64 {
    let seed = number("BAEUM_SEED").map_or_else(|| fastrand::u64(..1_000_000), |it| it as u64);
    eprintln!("BAEUM_SEED={seed}");
    seed
}

fn number(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is '{text}': give a number")))
}
