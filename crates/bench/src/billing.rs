//! Billing runs: from the end of a period to its payment, for many subscribers at once, through processes and a gateway over
//! HTTP, beside what the log appends at most.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use baeum_commands::operations::advance_clock::{advance_clock, begin_clock};
use baeum_domain::{
    Decider,
    ids::{SubscriptionId, UserId},
    learning::evaluation::OneModel,
    money::samples::money,
    subscription::{
        billing_account::{self, BillingAccount},
        dunning::Dunning,
        gateway::Gateway as _,
        plan::samples::terms,
        subscription::{Command, Subscription},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Loaded};
use baeum_gateway::StripeGateway;
use baeum_local_gateway::{LocalGateway, Settings as GatewaySettings};
use baeum_ml::learning::error_detector::ErrorDetector;
use baeum_testing::{TestDatabase, new_id};
use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use crate::{
    Failure, Settings,
    append::{CONNECTIONS, Store as _, ours::Ours},
    drive::drive,
    report::Row,
    servers::tell,
    world::World,
};

/// How many clients append for comparison, and how many subscribe at once.
const CLIENTS: usize = 64;
/// For how many months they are billed.
const MONTHS: u32 = 3;
const TENANT: &str = "main";

/// A billing run a subscriber and month, and the events that it writes, beside bare appends of the same run.
#[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
pub(crate) async fn run(subscribers: usize, settings: &Settings) -> Result<Vec<Row>, Failure> {
    tell("billing: bare appends");
    let database = TestDatabase::create().await;
    let bare = Ours::open(&database.url(), CONNECTIONS, true).await?;
    let clients = (0..CLIENTS).map(|index| bare.client(index)).collect();
    let measured = drive(clients, settings.window(1)).await?;
    let append =
        Row::new("billing", "append, 2 events a command", CLIENTS, measured.latencies, measured.took).with_events(2.0);

    tell("billing: subscribing");
    let world = World::create(Arc::new(OneModel::direct(Arc::new(ErrorDetector::load()?)))).await?;
    let log = world.commands.log().clone();
    let seconds = Arc::new(AtomicI64::new(log.clock().now().timestamp()));
    begin_clock(&log, "bench", log.clock().now()).await?;
    let of_gateway = seconds.clone();
    let server =
        LocalGateway::start(GatewaySettings::new(Arc::new(move || of_gateway.load(Ordering::SeqCst)), "bench")).await?;
    let gateway = StripeGateway::new(server.url().to_owned(), "sk_test_bench".to_owned(), vec![])?;
    let commands = world.commands.clone().with_gateway(Some(Arc::new(gateway.clone())));
    let stop = CancellationToken::new();
    let running = tokio::spawn(baeum_sagas::run(commands, baeum_sagas::registry(), stop.clone()));
    stream::iter(0..subscribers)
        .map(|_| subscribe(&log, &gateway))
        .buffer_unordered(CLIENTS)
        .try_collect::<()>()
        .await?;
    rest(&log).await?;

    let (mut took, before) = (Duration::ZERO, log.head().await?);
    for month in 0..MONTHS {
        tell(&format!("billing: month {}", month + 1));
        let to = log.clock().now() + TimeDelta::days(31);
        seconds.store(to.timestamp(), Ordering::SeqCst);
        let began = Instant::now();
        advance_clock(&log, "bench", to).await?;
        rest(&log).await?;
        took += began.elapsed();
    }
    let events = log.head().await? - before - i64::from(MONTHS);
    stop.cancel();
    running.await?;
    let runs = subscribers as f64 * f64::from(MONTHS);
    let row = Row::new("billing", "billing runs, period end to paid", 1, vec![], took);
    let per_second = runs / took.as_secs_f64();
    let row = Row { per_second, events_per_second: Some(events as f64 / took.as_secs_f64()), ..row };
    println!("billing: {:.1} events a run; runs over appends a second", events as f64 / runs);
    Ok(vec![row.beside(&append), append])
}

/// Waits until nothing is left to do.
async fn rest(log: &EventLog) -> Result<(), Failure> {
    let registry = baeum_sagas::registry();
    loop {
        let head = log.head().await?;
        let rests = baeum_sagas::at_rest(log.pool(), &registry, head, log.clock().now()).await?;
        if rests && log.head().await? == head {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn subscribe(log: &EventLog, gateway: &StripeGateway) -> Result<(), Failure> {
    let (subscriber, subscription_id) = (UserId(new_id()), SubscriptionId(new_id()));
    let customer = gateway.customer(TENANT, subscriber).await?;
    let payment_method = gateway.attach(&customer, "pm_card_visa").await?;
    let id = subscriber.to_string();
    send::<BillingAccount>(log, &id, billing_account::Command::Open { subscriber, customer }).await?;
    send::<BillingAccount>(log, &id, billing_account::Command::Save { subscriber, payment_method }).await?;
    let start = Command::Start {
        subscription_id,
        subscriber,
        terms: terms("plus", money(12_900, "KRW")),
        time_zone: "Asia/Seoul".parse()?,
        dunning: Dunning::default(),
        coupon: None,
        trial: false,
        at: log.clock().now(),
    };
    send::<Subscription>(log, &subscription_id.to_string(), start).await
}

async fn send<D: Decider>(log: &EventLog, id: &str, command: D::Command) -> Result<(), Failure>
where
    D::Command: Clone + Send + Sync,
    D::Error: std::error::Error + Send + Sync + 'static,
{
    let context = CommandContext {
        tenant: TENANT.into(),
        actor: "bench".into(),
        command_id: new_id(),
        fingerprint: None,
        correlation_id: new_id(),
        causation_id: new_id(),
        expected_sequence: None,
    };
    let prepare = |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
    log.execute::<D, (), D::Error, _>(&context, id, prepare, |_, _| ()).await?;
    Ok(())
}
