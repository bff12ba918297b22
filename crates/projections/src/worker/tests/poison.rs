use baeum_domain::operations::parked_stream::{self, Command as DeedCommand, ParkedStream};

use super::*;
use crate::{parking, registry};

fn key(user: u128) -> String {
    Uuid::from_u128(user).to_string()
}

/// An event of a user.
async fn set_goal(world: &World, user: u128, minutes: u16) -> i64 {
    let change = Command::Change { preferences: None, daily_minutes: Some(minutes), emotion_care_policy: None };
    world.execute::<User>(Uuid::from_u128(user), change).await
}

/// Three users with six events: 1; 2, 4, 6; 3, 5. The tally fails at the second.
async fn six_events(world: &World) -> (Arc<Tally>, Vec<Arc<dyn Projection>>) {
    let tally = create_tally(world).await;
    tally.fails_at.store(2, Ordering::Relaxed);
    register_others(world, 1..4).await;
    for (user, minutes) in [(2, 10), (3, 20), (2, 30)] {
        set_goal(world, user, minutes).await;
    }
    (tally.clone(), vec![tally])
}

/// Has the parked stream of a user retried, or its event skipped.
async fn intervene(world: &World, user: u128, skip: Option<&str>) -> i64 {
    let parked = parking::find(&world.pool, "tally", &key(user)).await.expect("a database").expect("it is parked");
    let (projection, key, position) = ("tally".to_owned(), key(user), parked.position);
    let id = parked_stream::id_of(&projection, &key);
    let attempts = parked.attempts.cast_unsigned();
    let command = match skip {
        None => DeedCommand::Retry { projection, key, position, attempts },
        Some(reason) => DeedCommand::Skip { projection, key, position, reason: reason.to_owned() },
    };
    world.execute::<ParkedStream>(id, command).await
}

/// Key, position, attempts and waiting events of each parked stream.
async fn parked(world: &World) -> Vec<(String, i64, i32, i64)> {
    let found = parking::list(&world.pool, "tally", "", 100).await.expect("a database");
    found.into_iter().map(|it| (it.key, it.position, it.attempts, it.waiting)).collect()
}

#[tokio::test]
async fn a_poison_event_parks_its_stream_and_the_others_go_on() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        with_workers(world, &projections, async || {
            let live = status_when(world, &projections, "tally", |it| it.state == ProjectionState::Live).await;
            assert_eq!((live.error, live.parked_streams, live.parked_events), (None, 1, 3));
            set_goal(world, 2, 40).await;
            set_goal(world, 1, 50).await;
            caught_up(world).await;
        })
        .await;
        assert_eq!((tallied(world).await, parked(world).await), (vec![1, 3, 5, 8], vec![(key(2), 2, 1, 3)]));
        let stream = parking::find(&world.pool, "tally", &key(2)).await.expect("a database").expect("it is parked");
        assert!(stream.reason.contains("no_such_table"), "{}", stream.reason);
        assert!(equals_a_rebuild(world, &tally).await);
    })
    .await;
}

#[tokio::test]
async fn a_retry_by_a_build_that_knows_better_takes_in_what_waited_in_its_order() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        with_workers(world, &projections, async || {
            caught_up(world).await;
            // The same build fails again, and counts.
            intervene(world, 2, None).await;
            caught_up(world).await;
            assert_eq!(parked(world).await, [(key(2), 2, 2, 2)]);

            tally.fails_at.store(0, Ordering::Relaxed);
            intervene(world, 2, None).await;
            set_goal(world, 2, 40).await;
            caught_up(world).await;
        })
        .await;
        assert_eq!((tallied(world).await, parked(world).await), (vec![1, 2, 3, 4, 5, 6, 9], vec![]));
        assert!(equals_a_rebuild(world, &tally).await);
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_fails_at_a_later_event_stands_still_there() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        with_workers(world, &projections, async || {
            caught_up(world).await;
            tally.fails_at.store(4, Ordering::Relaxed);
            intervene(world, 2, None).await;
            caught_up(world).await;
        })
        .await;
        assert_eq!((tallied(world).await, parked(world).await), (vec![1, 2, 3, 5], vec![(key(2), 4, 1, 1)]));
        assert!(equals_a_rebuild(world, &tally).await);
    })
    .await;
}

#[tokio::test]
async fn a_skipped_event_is_left_out_for_ever_and_the_log_says_who_did_it_and_why() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        let mut deed = 0;
        with_workers(world, &projections, async || {
            caught_up(world).await;
            deed = intervene(world, 2, Some("made by a test")).await;
            caught_up(world).await;
        })
        .await;
        assert_eq!((tallied(world).await, parked(world).await), (vec![1, 3, 4, 5, 6], vec![]));
        let recorded = world.log.read(deed - 1, 1).await.expect("the log can be read").remove(0);
        assert_eq!(
            (recorded.actor.as_str(), recorded.event_type.as_str()),
            (&*LEARNER.to_string(), "ParkedEventSkipped")
        );
        assert_eq!(recorded.payload["ParkedEventSkipped"]["reason"], "made by a test");
        assert!(equals_a_rebuild(world, &tally).await);
        // Nor does a build take it in that could.
        tally.fails_at.store(0, Ordering::Relaxed);
        assert!(equals_a_rebuild(world, &tally).await);
    })
    .await;
}

#[tokio::test]
async fn a_panic_parks_and_several_bad_streams_of_one_page_do_not_hold_up_the_others() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        tally.panics_at.store(5, Ordering::Relaxed);
        with_workers(world, &projections, async || caught_up(world).await).await;
        assert_eq!(
            (tallied(world).await, parked(world).await),
            (vec![1, 3], vec![(key(2), 2, 1, 2), (key(3), 5, 1, 0)])
        );
        let stream = parking::find(&world.pool, "tally", &key(3)).await.expect("a database").expect("it is parked");
        assert!(stream.reason.contains("an event that nobody thought of"), "{}", stream.reason);
    })
    .await;
}

#[tokio::test]
async fn an_event_from_the_future_parks_only_where_it_is_read() {
    in_a_world(async |world| {
        world.live_a_day().await;
        let foreign = world.append_foreign("recommendation", "RecommendationGenerated", "9").await;
        world.append_foreign("spaceship", "Launched", "1").await;
        let projections = registry(&world.models);
        with_workers(world, &projections, async || {
            for projection in &projections {
                let live = |it: &ProjectionStatus| it.state == ProjectionState::Live;
                let found = status_when(world, &projections, projection.name(), live).await;
                // The index of learners' streams reads every aggregate, and must not miss one.
                let expected = match projection.name() {
                    "recommendations" => 1,
                    "subject_streams" => 2,
                    _ => 0,
                };
                assert_eq!((found.parked_streams, found.lag), (expected, 0), "{}", projection.name());
            }
        })
        .await;
        let parked = parking::list(&world.pool, "recommendations", "", 10).await.expect("a database");
        assert_eq!(
            parked[0].reason,
            format!(
                "event RecommendationGenerated version 9 at position {foreign} cannot be read by this build: \
                 this build knows it up to version 2: upgrade"
            )
        );
    })
    .await;
}

#[tokio::test]
async fn an_event_from_the_future_stops_a_projection_in_total_order() {
    in_a_world(async |world| {
        let before = world.live_a_day().await;
        let foreign = world.append_foreign("assessment", "ItemAnswered", "9").await;
        let projections = registry(&world.models);
        with_workers(world, &projections, async || {
            let failed = |it: &ProjectionStatus| it.state == ProjectionState::Failed;
            let stopped = status_when(world, &projections, "item_parameters", failed).await;
            assert_eq!((stopped.position, stopped.lag, stopped.parked_streams), (before, 1, 0));
            assert!(stopped.error.expect("a reason").contains(&format!("at position {foreign}")));
            assert!(stopped.waiting_since.is_some());
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_parks_nothing() {
    in_a_world(async |world| {
        let (tally, projections) = six_events(world).await;
        tally.fails_at.store(0, Ordering::Relaxed);
        tally.loses_connection_at.store(4, Ordering::Relaxed);
        with_workers(world, &projections, async || {
            let failed = |it: &ProjectionStatus| it.state == ProjectionState::Failed;
            status_when(world, &projections, "tally", failed).await;
            assert_eq!((tallied(world).await, parked(world).await), (vec![], vec![]));
            tally.loses_connection_at.store(0, Ordering::Relaxed);
            caught_up(world).await;
        })
        .await;
        assert_eq!((tallied(world).await, parked(world).await), (vec![1, 2, 3, 4, 5, 6], vec![]));
    })
    .await;
}
