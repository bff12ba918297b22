//! Many who append at once: nobody's events are lost, doubled, hidden or reordered.

use std::time::Duration;

use crate::support::{TENANT, context, execute, goal, process, registered};
use baeum_domain::identity::user::{Event, User};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError};
use baeum_testing::TestDatabase;
use futures::future::join_all;
use uuid::Uuid;

const REPETITIONS: usize = 100;
const RACING: u16 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racing_appends_on_one_stream_of_one_process_have_the_expected_winners() {
    race(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racing_appends_on_one_stream_of_two_processes_have_the_expected_winners() {
    race(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racing_appends_on_one_stream_of_four_processes_have_the_expected_winners() {
    race(4).await;
}

/// In turn, all are to win, each on what came before it; and only one, of those who were promised the same version.
async fn race(processes: usize) {
    let database = TestDatabase::create().await;
    let logs = join_all((0..processes).map(|_| process(&database))).await;
    for repetition in 0..REPETITIONS {
        let id = registered(&logs[repetition % processes]).await;
        let promised = (repetition % 2 == 1).then_some(1);
        let racing = (0..RACING).map(|n| change(&logs[usize::from(n) % processes], id, 20 + n, promised));
        let mut won: Vec<(i64, u16)> = join_all(racing).await.into_iter().flatten().collect();
        won.sort_unstable();
        let winners = if promised.is_some() { 1 } else { usize::from(RACING) };
        assert_eq!(won.len(), winners, "of repetition {repetition}");
        let stream = logs[0].read_stream::<User>(TENANT, &id.to_string(), 1).await.expect("readable");
        let stored = stream.iter().map(|event| match event.payload {
            Event::GoalSet { daily_minutes } => (event.sequence, daily_minutes),
            ref other => panic!("nobody appended {other:?}"),
        });
        assert_eq!(stored.collect::<Vec<_>>(), won, "each winner's event stands where it was told, once");
        assert!((2..).zip(&stream).all(|(sequence, event)| event.sequence == sequence), "sequences have gaps");
    }
    let (count, head) = count_and_head(&logs[0]).await;
    let changes = REPETITIONS / 2 * usize::from(RACING) + REPETITIONS / 2;
    assert_eq!(usize::try_from(count).expect("a count"), REPETITIONS + changes);
    assert_eq!(count, head, "positions have gaps");
}

/// Sets a goal; gives sequence and goal, or `None` for who lost to another's version.
async fn change(log: &EventLog, id: Uuid, minutes: u16, promised: Option<i64>) -> Option<(i64, u16)> {
    // A caller that gave up after many conflicts asks again, as a client would.
    loop {
        let context = CommandContext { expected_sequence: promised, ..context(None) };
        match execute(log, &context, id, goal(minutes)).await {
            Ok(outcome) => return Some((outcome.sequence, minutes)),
            Err(ExecuteError::Contended(_)) => {}
            Err(ExecuteError::PreconditionFailed { expected: 1, .. }) if promised.is_some() => return None,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn count_and_head(log: &EventLog) -> (i64, i64) {
    sqlx::query_as("SELECT count(*), coalesce(max(global_position), 0) FROM events")
        .fetch_one(log.pool())
        .await
        .expect("readable")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_no_position_before_an_earlier_one_while_four_processes_append() {
    const WRITERS: usize = 32;
    const COMMANDS: u16 = 50;
    let database = TestDatabase::create().await;
    let logs = join_all((0..4).map(|_| process(&database))).await;
    let written = i64::try_from(WRITERS * (1 + usize::from(COMMANDS))).expect("few");
    let writing = join_all((0..WRITERS).map(|writer| {
        let log = &logs[writer % 4];
        async move {
            let id = registered(log).await;
            for n in 0..COMMANDS {
                execute(log, &context(None), id, goal(20 + n)).await.expect("appended");
            }
        }
    }));
    // Of a log that hid a late neighbour, the first reader would skip a position, the second count fewer than its head.
    let following = async {
        let mut cursor = 0;
        while cursor < written {
            for event in logs[0].read_raw(cursor, 1_000).await.expect("readable") {
                assert_eq!(event.position, cursor + 1, "a position was read before an earlier one");
                cursor = event.position;
            }
        }
    };
    let counting = async {
        loop {
            let (count, head) = count_and_head(&logs[1]).await;
            assert_eq!(count, head, "one snapshot of the log has a gap");
            if head == written {
                break;
            }
        }
    };
    let all = async { tokio::join!(writing, following, counting) };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("readers come to the end");
}
