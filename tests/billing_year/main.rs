//! A year of subscribers under clock travel: real processes, a gateway over real HTTP that loses, doubles and fails, people who
//! change, pause, cancel, come back, ask for money and have cards that are declined. And the same year while the process that
//! bills is killed again and again: the same books, cent for cent.
//!
//! `BAEUM_SUBSCRIBERS` (8) and `BAEUM_KILLS` (6) say how many, `BAEUM_SEED` which year.

#[path = "../support/mod.rs"]
mod support;

mod books;
mod people;
mod world;

use std::time::Instant;

use world::World;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a whole number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_balances_and_comes_out_the_same_when_the_process_that_bills_is_killed_again_and_again() {
    let (people, kills) = (number("BAEUM_SUBSCRIBERS", 8), number("BAEUM_KILLS", 6));
    let seed = number("BAEUM_SEED", 0x0b_ae_00_12);
    eprintln!("BAEUM_SEED={seed} BAEUM_SUBSCRIBERS={people} BAEUM_KILLS={kills}");
    let began = Instant::now();
    let mut calm = World::create(seed, people).await;
    calm.live_a_year(&[]).await;
    let (steps, expected) = (calm.steps(), calm.check().await);
    eprintln!("{} in {:.0?}, {steps} steps of the clock: {expected}", calm.counted(), began.elapsed());
    drop(calm);
    let began = Instant::now();
    let mut random = fastrand::Rng::with_seed(seed);
    let moments: Vec<_> = (0..kills).map(|_| random.u64(1..steps)).collect();
    let mut killed = World::create(seed, people).await;
    killed.live_a_year(&moments).await;
    let found = killed.check().await;
    eprintln!("{} in {:.0?}, killed {} times", killed.counted(), began.elapsed(), killed.kills());
    assert_eq!(killed.kills(), kills, "every kill took place");
    assert_eq!(found, expected, "the same books, cent for cent");
}
