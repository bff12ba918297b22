use std::collections::BTreeSet;

use baeum_commands::{
    Caller, CommandContext, Request,
    identity::{register::Registration, request_erasure::ErasureWish},
    keys::{KeyRing, SecretKey},
    vault::Field,
};
use baeum_domain::{
    Clock,
    identity::{
        erasure::{Command, Erasure, Ground},
        user::{Role, samples},
    },
};
use baeum_eventlog::{EventLog, Loaded, Options};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, new_id};
use uuid::Uuid;

use super::*;
use crate::{catalog, models};

struct World {
    commands: Commands,
    clock: Arc<TestClock>,
    _database: TestDatabase,
}

impl World {
    async fn create() -> Self {
        let database = TestDatabase::create_with(1).await;
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let catalog = Arc::new(catalog::load(None).expect("a catalogue"));
        let key = |byte| SecretKey::from([byte; 32]);
        let ring = KeyRing::new(vec![("test".into(), key(1))], key(2), Arc::new(TestEntropy::default()));
        let ports = models::ports(&catalog, Arc::new(ring), None).expect("models");
        Self { commands: Commands::new(log, ports), clock, _database: database }
    }

    /// The process as it is after a start.
    fn eraser(&self) -> Eraser {
        Eraser::new(self.commands.clone(), vec![], vec![])
    }

    async fn learner(&self) -> UserId {
        let registration = Registration {
            email: format!("{}@example.org", new_id()),
            password: "correct horse battery".into(),
            display_name: "미나".into(),
            preferences: samples::preferences(),
            roles: BTreeSet::from([Role::Learner]),
        };
        let registered = self.commands.register(&request(UserId(Uuid::nil()), &[]), registration).await;
        registered.expect("registered").answer.user_id
    }

    async fn ask(&self, subject: UserId, grace_days: u16) {
        let wish = ErasureWish { ground: Ground::Objection, grace_days, password: None };
        let by = request(UserId(Uuid::from_u128(7)), &[Role::Admin]);
        self.commands.request_erasure(&by, subject, &wish).await.expect("asked for");
    }

    async fn standing(&self, subject: UserId) -> Option<Standing> {
        let loaded = self.commands.log().load::<Erasure>("main", &subject.to_string()).await.expect("readable");
        loaded.state.standing
    }

    async fn name(&self, subject: UserId) -> Option<String> {
        let found = self.commands.identity_of("main", subject).await.expect("a key store");
        found.map(|it| it.display_name)
    }
}

fn request(user_id: UserId, roles: &[Role]) -> Request {
    Request {
        caller: Caller { tenant: "main".into(), user_id, roles: roles.iter().copied().collect() },
        idempotency: None,
        expected_sequence: None,
        correlation_id: new_id(),
    }
}

#[tokio::test]
async fn a_process_that_is_killed_after_each_step_is_followed_by_one_that_goes_on() {
    let world = World::create().await;
    let (mina, jun) = (world.learner().await, world.learner().await);
    let answer = world.commands.vault().seal("main", mina, Field::Answer, "My quince.").await.expect("sealed");
    world.ask(mina, 0).await;
    let mut steps = vec![];
    for _ in 0..4 {
        world.eraser().work().await.expect("a step");
        steps.push(world.standing(mina).await);
    }
    assert_eq!(steps, [Standing::Erased, Standing::Finished, Standing::Finished, Standing::Finished].map(Some));
    assert_eq!(world.name(mina).await, None);
    assert_eq!(world.commands.vault().open("main", mina, Field::Answer, &answer).await.expect("asked"), None);
    assert_eq!(world.name(jun).await.as_deref(), Some("미나"));
    assert_eq!(world.standing(jun).await, None);
}

#[tokio::test]
async fn a_key_that_was_not_destroyed_when_its_process_was_killed_is_destroyed_by_the_next() {
    let world = World::create().await;
    let mina = world.learner().await;
    world.ask(mina, 0).await;
    // All that was done: the log says that they are forgotten.
    let id = new_id();
    let context = CommandContext {
        tenant: "main".into(),
        actor: "process:erasure".into(),
        command_id: id,
        fingerprint: None,
        correlation_id: id,
        causation_id: id,
        expected_sequence: None,
    };
    let note = Command::NoteErased { subject_id: mina, key_ids: vec![], now: world.clock.now() };
    let log = world.commands.log();
    let prepare =
        |_: Loaded<Erasure>| std::future::ready(Ok::<_, baeum_domain::identity::erasure::Error>(note.clone()));
    log.execute::<Erasure, _, _, _>(&context, &mina.to_string(), prepare, |_, _| ()).await.expect("noted");
    assert_eq!(world.name(mina).await.as_deref(), Some("미나"));
    world.eraser().work().await.expect("a step");
    assert_eq!((world.name(mina).await, world.standing(mina).await), (None, Some(Standing::Finished)));
}

#[tokio::test]
async fn nobody_is_forgotten_within_their_grace_or_after_a_withdrawal() {
    let world = World::create().await;
    let (mina, jun) = (world.learner().await, world.learner().await);
    world.ask(mina, 7).await;
    world.ask(jun, 7).await;
    let mut eraser = world.eraser();
    eraser.work().await.expect("nothing is due");
    world.clock.advance(TimeDelta::days(6));
    world.commands.withdraw_erasure(&request(jun, &[]), jun).await.expect("withdrawn");
    eraser.work().await.expect("nothing is due");
    assert_eq!(world.name(mina).await.as_deref(), Some("미나"));
    world.clock.advance(TimeDelta::days(1));
    eraser.work().await.expect("one is due");
    eraser.work().await.expect("and finished");
    assert_eq!((world.name(mina).await, world.standing(mina).await), (None, Some(Standing::Finished)));
    assert_eq!(
        (world.name(jun).await.as_deref(), world.standing(jun).await),
        (Some("미나"), Some(Standing::Withdrawn))
    );
}

#[tokio::test]
async fn what_a_command_leaves_that_was_on_its_way_is_swept_a_minute_later() {
    let world = World::create().await;
    let mina = world.learner().await;
    world.ask(mina, 0).await;
    let mut eraser = world.eraser();
    for _ in 0..2 {
        eraser.work().await.expect("a step");
    }
    let pool = world.commands.log().pool();
    let late = "INSERT INTO command_receipts (tenant, command_id, fingerprint, position, sequence, answer, recorded_at,
                                              aggregate_type, aggregate_id, actor)
                VALUES ('main', gen_random_uuid(), '', 1, 1, '{}', now(), 'lesson', 'one of theirs', $1)";
    sqlx::query(late).bind(mina.to_string()).execute(pool).await.expect("a receipt");
    world.clock.advance(TimeDelta::seconds(61));
    // The first reads that it is finished, and sees that it is time.
    for _ in 0..2 {
        eraser.work().await.expect("swept");
    }
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM command_receipts").fetch_one(pool).await.expect("counted");
    assert_eq!(left, 0);
}
