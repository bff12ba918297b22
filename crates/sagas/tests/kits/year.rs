//! A year of kits under a clock that is moved, with everything going wrong at random.

use std::collections::BTreeMap;

use baeum_domain::{
    Clock as _,
    ids::{KitId, SubscriptionId, UserId},
    kit::{
        kit::{Stage, id_of},
        sku::samples::sku,
    },
    subscription::{bill::Bill, subscription},
};
use baeum_local_carrier::Fault;
use chrono::{DateTime, Utc};
use fastrand::Rng;

use crate::{ledger, world::World};

const STEP: i64 = 3;
const NAMES: [&str; 4] = ["book", "workbook", "cards", "tea"];

/// A subscriber, with the bill that they still owe.
struct Subscriber {
    user: UserId,
    subscription_id: SubscriptionId,
    open: Option<Bill>,
    /// When they will have paid, or given up.
    decides_at: DateTime<Utc>,
    pays: bool,
    kits: Vec<KitId>,
    has_address: bool,
}

fn seed() -> u64 {
    let given = std::env::var("BAEUM_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| fastrand::u64(..1_000_000))
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout, reason = "by the seed a year that went wrong is lived again")]
async fn a_year_of_kits_in_which_everything_goes_wrong_at_random() {
    let seed = seed();
    println!("BAEUM_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let world = World::with_kits(3, 6).await;
    let running = world.start();
    let mut people = vec![];
    for number in 0..6 {
        let country = match number {
            0 => None,
            1 => Some("AQ"),
            _ => Some("KR"),
        };
        let user = world.learner(country).await;
        let (subscription_id, bill) = world.subscribe(user).await;
        let mut person = Subscriber {
            user,
            subscription_id,
            open: None,
            decides_at: world.clock.now(),
            pays: true,
            kits: vec![],
            has_address: country.is_some(),
        };
        person.owe(&world, bill, &mut rng).await;
        people.push(person);
    }
    for _ in 0..365 / STEP {
        trouble(&world, &mut rng).await;
        for person in &mut people {
            person.live(&world, &mut rng).await;
        }
        world.pass(STEP).await;
        let on_their_way: Vec<KitId> = people.iter().flat_map(|person| person.kits.clone()).collect();
        carry(&world, &on_their_way, &mut rng).await;
    }
    // Whoever owes something gives up, and what is on its way arrives or is lost.
    for person in &mut people {
        person.give_up(&world).await;
    }
    for _ in 0..12 {
        world.pass(10).await;
    }
    running.stop().await;
    let failed: Vec<(String, String)> =
        sqlx::query_as("SELECT step, last_error FROM process_commands WHERE status = 'failed'")
            .fetch_all(&world.database.pool)
            .await
            .expect("a database");
    assert!(failed.is_empty(), "given up: {failed:?}");
    let sums = ledger::check(&world.events().await);
    println!("{sums:?}");
    assert!(sums.kits > 50 && sums.delivered > 10, "{sums:?}");
    assert!(sums.replaced > 0 && sums.refunded > 0 && !sums.cancelled.is_empty(), "{sums:?}");
}

impl Subscriber {
    /// A bill is there: it will be paid soon, late, or never.
    async fn owe(&mut self, world: &World, bill: Bill, rng: &mut Rng) {
        world.invoice(self.user, &bill).await;
        let (days, pays) = match rng.u32(0..10) {
            0 => (rng.i64(1..25), true),
            1 => (16, false),
            _ => (0, true),
        };
        self.decides_at = world.clock.now() + chrono::TimeDelta::days(days);
        self.pays = pays;
        self.kits.push(id_of(bill.invoice_id));
        self.open = Some(bill);
    }

    async fn live(&mut self, world: &World, rng: &mut Rng) {
        let now = world.clock.now();
        if !self.has_address && rng.u32(0..20) == 0 {
            world.live_in(self.user, "KR").await;
            self.has_address = true;
        }
        if self.open.is_some() && now >= self.decides_at {
            if self.pays {
                let bill = self.open.take().expect("an open bill");
                world.charge(self.subscription_id, &bill).await;
            } else {
                self.give_up(world).await;
            }
        }
        let contract = world.contract(self.subscription_id).await;
        let ended = matches!(contract.status, subscription::Status::Cancelled | subscription::Status::Expired);
        let command = if ended && self.open.is_none() && rng.u32(0..4) == 0 {
            subscription::Command::Reactivate { at: now }
        } else if !ended && self.open.is_none() && now >= contract.period.ends_at {
            subscription::Command::EndPeriod { number: contract.period.number, at: now }
        } else {
            return;
        };
        world.execute::<subscription::Subscription>(self.subscription_id.0, command).await;
        let bill = world.latest_bill(self.subscription_id).await;
        self.owe(world, bill, rng).await;
    }

    /// The subscription is cancelled, then its bill voided, as billing does.
    async fn give_up(&mut self, world: &World) {
        let Some(bill) = self.open.take() else { return };
        let cancel = subscription::Command::CancelNow { at: world.clock.now() };
        world.execute::<subscription::Subscription>(self.subscription_id.0, cancel).await;
        let invoice_id = bill.invoice_id;
        world.void(invoice_id).await;
        let voided = subscription::Command::RecordVoided { invoice_id };
        world.execute::<subscription::Subscription>(self.subscription_id.0, voided).await;
    }
}

/// Deliveries, counts, faults of the carrier, and administrators who change their mind.
async fn trouble(world: &World, rng: &mut Rng) {
    let name = NAMES[rng.usize(..4)];
    match rng.u32(0..8) {
        0..3 => world.deliver(name, rng.u32(1..6)).await,
        3 => {
            let there = world.stock(name).await.on_hand;
            let found = there.saturating_sub(rng.u32(0..3));
            world.commands.count_stock(&world.admin(), sku(name), found).await.expect("counted");
        }
        4 => world.carrier.next([Fault::LostAnswer, Fault::Error]),
        5 => world.carrier.next([Fault::Refuse]),
        _ => {}
    }
}

/// Parcels arrive, come back, get lost, or nothing is said of them.
async fn carry(world: &World, kits: &[KitId], rng: &mut Rng) {
    let mut stages: BTreeMap<KitId, Stage> = BTreeMap::new();
    for kit_id in kits {
        stages.insert(*kit_id, stage(world, *kit_id).await);
    }
    for (kit_id, stage) in stages {
        if !matches!(stage, Stage::Shipped | Stage::InTransit) {
            continue;
        }
        let whereabouts = match rng.u32(0..12) {
            0..3 => "in_transit",
            3..9 => "delivered",
            9 => "returned",
            10 => "lost",
            _ => continue,
        };
        world.moved(kit_id, whereabouts).await;
    }
}

async fn stage(world: &World, kit_id: KitId) -> Stage {
    let loaded = world.log().load::<baeum_domain::kit::kit::Kit>("main", &kit_id.to_string()).await.expect("loaded");
    loaded.state.order.as_ref().map_or(Stage::Curated, |order| order.stage)
}
