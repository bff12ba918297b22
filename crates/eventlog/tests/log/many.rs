//! Many commands at once.

use baeum_domain::identity::user::{Error, User};
use baeum_eventlog::{Many, Options};
use baeum_testing::{TestClock, TestDatabase, new_id};
use uuid::Uuid;

use super::support::{context, execute, goal, open, process, register};

type Commands = Vec<(String, baeum_domain::identity::user::Command)>;

fn counts(many: &Many<Error>) -> Vec<Option<usize>> {
    many.outcomes.iter().map(|outcome| outcome.as_ref().ok().copied()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_on_new_known_and_refusing_aggregates_go_together() {
    let database = TestDatabase::create_with(1).await;
    let log = open(&database, None).await;
    let [new, known, nobody] = [new_id(), new_id(), new_id()];
    execute(&log, &context(None), known, register(known)).await.expect("registered");
    let commands: Commands = vec![
        (new.to_string(), register(new)),
        (known.to_string(), register(known)),
        (nobody.to_string(), goal(20)),
        (known.to_string(), goal(30)),
        // Decided on what the first of these has just led to.
        (new.to_string(), goal(40)),
        (new.to_string(), goal(40)),
    ];
    let context = context(None);
    let many = log.execute_many::<User>(&context, &commands).await.expect("executed");
    assert_eq!(counts(&many), [Some(1), Some(0), None, Some(1), Some(1), Some(0)]);
    assert_eq!((many.position, log.head().await.expect("a head")), (Some(4), 4));
    let events = log.read(1, 10).await.expect("the log");
    let told: Vec<_> = events.iter().map(|it| (it.position, it.aggregate_id.as_str(), it.sequence)).collect();
    let [of_new, of_known] = [new, known].map(|id| id.to_string());
    assert_eq!(told, [(2, of_new.as_str(), 1), (3, of_known.as_str(), 2), (4, of_new.as_str(), 2)]);
    assert!(events.iter().all(|it| it.correlation_id == context.correlation_id && it.actor == "test"));
    let again = log.execute_many::<User>(&context, &commands).await.expect("executed");
    assert_eq!((counts(&again), again.position), (vec![Some(0), Some(0), None, Some(0), Some(0), Some(0)], None));
    // One at a time goes on from there.
    execute(&log, &super::support::context(None), new, goal(50)).await.expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_do_the_same_at_once_do_it_once_and_leave_no_gap() {
    let database = TestDatabase::create().await;
    let ids: Vec<Uuid> = (0..500).map(|_| new_id()).collect();
    let commands: Commands = ids.iter().map(|id| (id.to_string(), register(*id))).collect();
    let mut running = vec![];
    for turn in 0..4 {
        let log = process(&database).await;
        let mut commands = commands.clone();
        commands.rotate_left(turn * 100);
        running.push(tokio::spawn(async move {
            let mut appended = 0;
            for batch in commands.chunks(50) {
                let many = log.execute_many::<User>(&context(None), batch).await.expect("executed");
                appended += counts(&many).into_iter().map(|it| it.expect("allowed")).sum::<usize>();
            }
            appended
        }));
    }
    let mut appended = 0;
    for one in running {
        appended += one.await.expect("no panic");
    }
    assert_eq!(appended, 500);
    let clock = std::sync::Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    let log = baeum_eventlog::EventLog::open(database.pool.clone(), clock, None, Options::default()).await;
    let events = log.expect("the log opens").read(0, 1_000).await.expect("the log");
    assert!(events.iter().map(|it| it.position).eq(1..=500), "positions are dense");
}
