//! From the acknowledgement of an append to the moment when the read model shows it, while commands come at a steady
//! rate and every projection runs: by the in-process tail, and by a relay and JetStream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_domain::{
    Decider,
    ids::UserId,
    level::Skill,
    progress::{
        knowledge_tracing::Tracing,
        progress::{Command, Evidence, Progress},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Options, nats::Broker, relay};
use baeum_ml::{
    assessment::{ability_filter::MomentFilter, calibration::OnlineCalibrator},
    emotion::affect_model::HiddenMarkovAffect,
};
use baeum_projections::{Models, registry, run as project, wait_for};
use baeum_testing::{TestClock, TestDatabase, nats_url, new_id, stream_name};
use futures::future::try_join_all;
use sqlx::PgPool;
use tokio::{task::JoinHandle, time::sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Failure, report::Row, servers::tell, world};

/// Commands a second.
const RATE: u32 = 1_000;
/// How many learners send them in turn.
const LEARNERS: usize = 1_000;
/// For how many seconds nothing is counted.
const WARM_UP: u32 = 3;
/// How often the read model is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Measures for so long.
pub(crate) async fn run(seconds: u32) -> Result<Vec<Row>, Failure> {
    let mut rows = measure("in-process tail", seconds, None).await?;
    let stream = stream_name();
    let broker = Broker::connect(&nats_url(), &stream).await?;
    let through_broker = measure("relay and JetStream", seconds, Some(broker)).await;
    let client = async_nats::jetstream::new(async_nats::connect(nats_url()).await?);
    client.delete_stream(&stream).await?;
    rows.extend(through_broker?);
    Ok(rows)
}

async fn measure(way: &str, seconds: u32, broker: Option<Broker>) -> Result<Vec<Row>, Failure> {
    let database = TestDatabase::create_with(32).await;
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = EventLog::open(database.pool.clone(), clock, broker.clone(), Options::default()).await?;
    let models = Models {
        affect: Arc::new(HiddenMarkovAffect::new()),
        calibrator: Arc::new(OnlineCalibrator::new()),
        abilities: Arc::new(MomentFilter::default()),
        catalog: Arc::new(world::catalog()?),
    };
    let stop = CancellationToken::new();
    let mut running = vec![tokio::spawn(project(log.clone(), registry(&models), stop.clone()))];
    running.extend(broker.map(|broker| tokio::spawn(relay::run(log.clone(), broker, stop.clone()))));
    let looking = look(database.pool.clone(), stop.clone());

    let learners: Vec<UserId> = (0..LEARNERS).map(|_| UserId(new_id())).collect();
    // The rate is kept whether or not answers come: a command waits for its moment, not for the one before.
    let began = tokio::time::Instant::now();
    let count = (WARM_UP + seconds) * RATE;
    let mut sent: Vec<JoinHandle<Result<Sent, Failure>>> = vec![];
    for number in 0..count {
        let due = began + Duration::from_secs(1) / RATE * number;
        sleep_until(due).await;
        let learner = learners[number as usize % LEARNERS];
        sent.push(tokio::spawn(send(log.clone(), learner, i64::from(number) + 1, due.into_std())));
    }
    let sent = try_join_all(sent).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let took = began.elapsed();
    let last = sent.iter().map(|sent| sent.position).max().unwrap_or(0);
    wait_for(&database.pool, "progress", last, Duration::from_secs(60)).await?;
    stop.cancel();
    let looks = looking.await??;
    for part in running {
        part.await?;
    }
    let measured = &sent[(WARM_UP * RATE) as usize..];
    report(way, measured, &looks, took.saturating_sub(Duration::from_secs(WARM_UP.into())))
}

/// A command that was answered.
struct Sent {
    due: Instant,
    answered: Instant,
    position: i64,
}

/// Takes evidence into the progress of a learner: one event.
async fn send(log: EventLog, learner_id: UserId, source_position: i64, due: Instant) -> Result<Sent, Failure> {
    let evidence = vec![Evidence { skill: Skill::Writing, focus: None, outcome: 0.7, weight: 1.0 }];
    let (source_type, tracing) = ("EvaluationCompleted".into(), Tracing::default());
    let command = Command::Observe { learner_id, source_position, source_type, evidence, tracing };
    let id = new_id();
    let context = CommandContext {
        tenant: "main".into(),
        actor: learner_id.to_string(),
        command_id: id,
        fingerprint: None,
        correlation_id: id,
        causation_id: id,
        expected_sequence: None,
    };
    let prepare = move |_| std::future::ready(Ok::<_, <Progress as Decider>::Error>(command.clone()));
    let aggregate = learner_id.to_string();
    let outcome =
        log.execute::<Progress, (), <Progress as Decider>::Error, _>(&context, &aggregate, prepare, |_, _| ());
    let position = outcome.await?.position;
    Ok(Sent { due, answered: Instant::now(), position })
}

/// Asks the read model how far it is, again and again, and notes when it was found further.
fn look(pool: PgPool, stop: CancellationToken) -> JoinHandle<Result<Vec<(Instant, i64)>, sqlx::Error>> {
    tokio::spawn(async move {
        let mut connection = pool.acquire().await?;
        let (mut looks, mut known) = (vec![], 0);
        loop {
            let last = stop.is_cancelled();
            let position: Option<i64> =
                sqlx::query_scalar("SELECT min(position) FROM projection_cursors WHERE name = 'progress'")
                    .fetch_one(&mut *connection)
                    .await?;
            if position.is_some_and(|position| position > known) {
                known = position.unwrap_or(known);
                looks.push((Instant::now(), known));
            }
            if last {
                return Ok(looks);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    })
}

fn report(way: &str, sent: &[Sent], looks: &[(Instant, i64)], took: Duration) -> Result<Vec<Row>, Failure> {
    let appended = sent.iter().map(|sent| sent.answered - sent.due).collect();
    let append = Row::new("live", format!("append at {RATE}/s, {way}"), 1, appended, took).with_events(1.0);
    let mut visible = Vec::with_capacity(sent.len());
    for sent in sent {
        let shown = looks.partition_point(|(_, position)| *position < sent.position);
        let (shown, _) = looks.get(shown).ok_or("an event was never shown")?;
        visible.push(shown.saturating_duration_since(sent.answered));
    }
    let visible = Row::new("live", format!("appended → shown by progress, {way}"), 1, visible, took);
    tell(&format!("live: {way}: shown {:.1} ms after the append at p99", visible.p99_ms));
    Ok(vec![visible.with_events(1.0), append])
}
