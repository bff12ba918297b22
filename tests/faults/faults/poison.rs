//! An event that no build knows.

use fastrand::Rng;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{BY_HAND, Fault};
use crate::world::World;

/// An event of a version that this build does not know stands in one learner's stream, until an operator has it skipped.
pub(crate) struct Poison;

impl Fault for Poison {
    fn name(&self) -> &'static str {
        "poison event, skipped by an operator"
    }

    fn inject<'a>(&'a self, world: &'a mut World, rng: &'a mut Rng) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let victim = world.newcomer(rng).await;
            append(world, victim, Uuid::from_u128(rng.u128(..))).await;
            // The read models park that learner and go on with the others.
            world.recover().await;
            let parked = world.parked().await;
            assert!(!parked.is_empty(), "no read model minds the event");
            for (projection, key) in &parked {
                assert_eq!(*key, victim.to_string(), "{projection} parks another than the learner with the event");
                world.skip(projection, key).await;
            }
            world.recover().await;
            assert_eq!(world.parked().await, [], "skipped, but still parked");
        })
    }
}

/// Appends to the learner's stream, as another build would, with the head moved.
async fn append(world: &World, learner: Uuid, id: Uuid) {
    let appended = sqlx::query(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
         SELECT 'user', $1, (SELECT max(sequence) + 1 FROM events WHERE aggregate_type = 'user' AND aggregate_id = $1),
                'GoalSet', '99', '{\"GoalSet\": {}}', '{}', position, $2, 'main', $3, $2, $2, now()
         FROM head",
    )
    .bind(learner.to_string())
    .bind(id)
    .bind(BY_HAND)
    .execute(&world.pool)
    .await;
    appended.expect("appended");
}
