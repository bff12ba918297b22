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
mod node;
mod person;
mod report;
mod restore;
mod world;

use std::time::Duration;

use drill::Plan;
use fastrand::Rng;
use faults::Fault;
use line::Line;
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_once_under_load_loses_and_doubles_nothing() {
    let faults = faults::all();
    let injections = number("BAEUM_FAULTS").unwrap_or(faults.len());
    let plan = Plan { injections, group: 2, thorough_every: usize::MAX, clients: 6, think: Duration::from_millis(60) };
    run(World::start, &faults, &plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_three_nats_servers_that_are_killed_in_turn_loses_and_doubles_nothing() {
    let plan =
        Plan { injections: 4, group: 1, thorough_every: usize::MAX, clients: 4, think: Duration::from_millis(80) };
    run(World::start_clustered, &faults::of_a_cluster(), &plan).await;
}

/// `cargo test --release -p baeum-server --test faults -- --ignored --nocapture a_long_run`; `BAEUM_FAULTS` says how many.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes about 20 minutes"]
async fn a_long_run_of_two_hundred_faults_under_load_loses_and_doubles_nothing() {
    let injections = number("BAEUM_FAULTS").unwrap_or(200);
    let plan = Plan { injections, group: 2, thorough_every: 20, clients: 6, think: Duration::from_millis(150) };
    run(World::start, &faults::all(), &plan).await;
}

async fn run(start: impl AsyncFnOnce(&mut Rng) -> World, faults: &[Box<dyn Fault>], plan: &Plan) {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut world = start(&mut rng).await;
    let mut report = drill::run(&mut world, faults, plan, &mut rng).await;
    report.notes.push(format!("BAEUM_SEED={seed}"));
    report.publish();
    let cuts: u64 = world.front.iter().chain(&world.back).map(Line::cuts).sum();
    // What is cut after it took place must be answered from its receipt.
    assert!(cuts < 20 || world.ledger.counts().replayed > 0, "{cuts} cuts, and no stored answer");
}

/// The seed of the choices of a run, printed for a failing one to be repeated with.
fn seed() -> u64 {
    let seed = number("BAEUM_SEED").map_or_else(|| fastrand::u64(..1_000_000), |it| it as u64);
    eprintln!("BAEUM_SEED={seed}");
    seed
}

fn number(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is '{text}': give a number")))
}
