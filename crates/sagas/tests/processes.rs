//! Processes on a real database: they resume where they were cut off, and do nothing twice.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use baeum_commands::{
    Caller, Commands, Ports, Request,
    identity::register::Registration,
    keys::{KeyRing, SecretKey},
    vault::Field,
};
use baeum_domain::{
    Sealed,
    catalog::Catalog,
    identity::user::{Role, samples},
    ids::{AttemptId, LessonId, UserId, ViewingId},
    learning::{
        evaluation::{Answer, DeferralReason, Evaluation, Evaluator, EvaluatorError, OneModel, Verdict},
        lesson::{Command, Error, Lesson},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::Cefr,
};
use baeum_eventlog::{CommandContext, EventFilter, EventLog, Loaded, Options};
use baeum_ml::{
    assessment::adaptive_test::CatalogTest, learning::planner::CatalogPlanner,
    recommendation::bandit_recommender::BanditRecommender, review::fsrs_scheduler::FsrsScheduler,
};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, eventually, new_id};
use chrono::{NaiveDate, TimeDelta};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 1).expect("a date");

struct World {
    commands: Commands,
    clock: Arc<TestClock>,
    database: TestDatabase,
}

/// These tests submit verdicts of their own.
struct NoEvaluator;

impl Evaluator for NoEvaluator {
    fn evaluate(&self, _: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        Err(EvaluatorError::Failed { model_id: "none".into(), reason: "there is none".into() })
    }

    fn model_id(&self) -> &'static str {
        "none"
    }

    fn weights_hash(&self) -> &'static str {
        "0"
    }
}

fn catalog() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let names = [
        "titles.toml",
        "clips/b1.toml",
        "items/b1.toml",
        "notifications/en/learning.toml",
        "notifications/ko/learning.toml",
    ];
    let files = names.map(|name| (name, fs::read_to_string(root.join(name)).expect("the catalogue is there")));
    Catalog::parse(files.iter().map(|(name, text)| (*name, text.as_str()))).expect("the catalogue is sound")
}

fn keys() -> Arc<KeyRing> {
    let key = |byte| SecretKey::from([byte; 32]);
    Arc::new(KeyRing::new(vec![("test".into(), key(1))], key(2), Arc::new(TestEntropy::default())))
}

impl World {
    async fn create() -> Self {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let catalog = Arc::new(catalog());
        let ports = Ports {
            test: Arc::new(CatalogTest::new(&catalog)),
            planner: Arc::new(CatalogPlanner::new(catalog.clone())),
            recommender: Arc::new(BanditRecommender::new(catalog.clone())),
            scheduler: Arc::new(FsrsScheduler),
            evaluators: Arc::new(OneModel::direct(Arc::new(NoEvaluator))),
            listener: None,
            entropy: Arc::new(TestEntropy::default()),
            keys: keys(),
            catalog,
        };
        Self { commands: Commands::new(log, ports), clock, database }
    }

    fn log(&self) -> &EventLog {
        self.commands.log()
    }

    async fn learner(&self) -> UserId {
        let request = Request {
            caller: Caller { tenant: "main".into(), user_id: UserId(Uuid::nil()), roles: BTreeSet::new() },
            idempotency: None,
            expected_sequence: None,
            correlation_id: new_id(),
        };
        let registration = Registration {
            email: format!("{}@example.org", new_id()),
            password: "correct horse battery".into(),
            display_name: "Mina".into(),
            preferences: samples::preferences(),
            roles: BTreeSet::from([Role::Learner]),
        };
        self.commands.register(&request, registration).await.expect("registered").answer.user_id
    }

    async fn execute(&self, lesson_id: LessonId, command: Command) {
        let context = CommandContext {
            tenant: "main".into(),
            actor: "test".into(),
            command_id: new_id(),
            fingerprint: None,
            correlation_id: new_id(),
            causation_id: new_id(),
            expected_sequence: None,
        };
        let prepare = move |_: Loaded<Lesson>| std::future::ready(Ok::<_, Error>(command.clone()));
        let id = lesson_id.to_string();
        self.log().execute::<Lesson, (), Error, _>(&context, &id, prepare, |_, _| ()).await.expect("decided");
    }

    /// A learner's lesson from its start to its end.
    async fn complete_lesson(&self, learner_id: UserId) {
        let answer = Sealed { key_id: new_id(), nonce: String::new(), ciphertext: String::new() };
        let verdict = Verdict {
            score: 0.8,
            spans: vec![],
            model_id: "test".into(),
            weights_hash: "00".into(),
            latency_us: 1,
            meaning: None,
        };
        let lesson_id = self.attempt(learner_id, answer, Evaluation::Given(verdict)).await;
        self.execute(lesson_id, Command::Complete { local_date: TODAY }).await;
    }

    /// A learner's lesson from its start to an attempt.
    async fn attempt(&self, learner_id: UserId, answer: Sealed, evaluation: Evaluation) -> LessonId {
        let lesson_id = LessonId(new_id());
        let (clip, task) = ("b1-clip", "b1-task");
        let plan = LessonPlan {
            level: Cefr::B1,
            clips: vec![PlannedClip { clip_id: clip.parse().expect("an id"), duration_ms: 60_000, segments: 8 }],
            tasks: vec![PlannedTask {
                task_id: task.parse().expect("an id"),
                clip_id: clip.parse().expect("an id"),
                kind: TaskKind::Writing,
                focus: "articles".parse().expect("a focus"),
                min_words: 1,
            }],
            required_attempts: 1,
        };
        let local_date = TODAY;
        let steps = [
            Command::Start { lesson_id, learner_id, plan, local_date },
            Command::ConsumeClip {
                viewing_id: ViewingId(new_id()),
                clip_id: clip.parse().expect("an id"),
                watched_ms: 60_000,
                speed_percent: 100,
                repeats: vec![],
                local_date,
            },
            Command::SubmitAttempt {
                attempt_id: AttemptId(new_id()),
                task_id: task.parse().expect("an id"),
                kind: TaskKind::Writing,
                answer,
                words: 5,
                duration_ms: None,
                evaluation,
                assignment: None,
            },
        ];
        for step in steps {
            self.execute(lesson_id, step).await;
        }
        lesson_id
    }

    fn start(&self) -> (CancellationToken, tokio::task::JoinHandle<()>) {
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(baeum_sagas::run(self.commands.clone(), baeum_sagas::registry(), stop)))
    }

    async fn count(&self, event_type: &str) -> usize {
        let filter = EventFilter { event_type: Some(event_type.into()), ..EventFilter::default() };
        self.log().read_filtered(0, 1_000, &filter).await.expect("readable").0.len()
    }

    async fn until(&self, event_type: &str, expected: usize) {
        let what = format!("{expected} {event_type}");
        eventually(&what, || async { (self.count(event_type).await >= expected).then_some(()) }).await;
    }

    async fn all_sent(&self) {
        eventually("every command was sent", || async {
            let head = self.log().head().await.ok()?;
            let (waiting, behind): (i64, i64) = sqlx::query_as(
                "SELECT (SELECT count(*) FROM process_commands WHERE status = 'pending'),
                        (SELECT count(*) FROM process_cursors WHERE position < $1)",
            )
            .bind(head)
            .fetch_one(&self.database.pool)
            .await
            .ok()?;
            (waiting == 0 && behind == 0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_away_for_a_day_between_two_steps_goes_on() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.complete_lesson(learner).await;
    let (stop, running) = world.start();
    world.until("RecommendationGenerated", 1).await;
    stop.cancel();
    running.await.expect("stopped");
    world.clock.advance(TimeDelta::days(1));
    let (stop, running) = world.start();
    world.until("OttContentSuggested", 1).await;
    world.all_sent().await;
    let failed: i64 = sqlx::query_scalar("SELECT count(*) FROM process_instances WHERE status = 'failed'")
        .fetch_one(&world.database.pool)
        .await
        .expect("counted");
    assert_eq!(failed, 0);
    let of_an_attempt_that_was_evaluated_at_once: i64 =
        sqlx::query_scalar("SELECT count(*) FROM process_instances WHERE process = 'deferred_evaluation'")
            .fetch_one(&world.database.pool)
            .await
            .expect("counted");
    assert_eq!(of_an_attempt_that_was_evaluated_at_once, 0);
    stop.cancel();
    running.await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_the_whole_log_again_repeats_no_step() {
    let world = World::create().await;
    let learner = world.learner().await;
    for _ in 0..3 {
        world.complete_lesson(learner).await;
    }
    let counted = async || {
        let mut counts = vec![];
        for name in ["CurriculumLessonPlanned", "ProgressUpdated", "RecommendationGenerated", "OttContentSuggested"] {
            counts.push(world.count(name).await);
        }
        counts
    };
    for _ in 0..2 {
        let (stop, running) = world.start();
        world.until("OttContentSuggested", 3).await;
        world.all_sent().await;
        stop.cancel();
        running.await.expect("stopped");
        assert_eq!(counted().await, [3, 3, 3, 3]);
        // As if neither cursor nor state had been kept.
        for table in ["process_instances", "process_commands"] {
            sqlx::query(&format!("DELETE FROM {table}")).execute(&world.database.pool).await.expect("deleted");
        }
        sqlx::query("UPDATE process_cursors SET position = 0").execute(&world.database.pool).await.expect("set back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_is_given_up_with_its_reason_and_stops_no_other() {
    let world = World::create().await;
    // Nobody of this id is registered, so there is nobody to recommend to.
    world.complete_lesson(UserId(new_id())).await;
    let learner = world.learner().await;
    world.complete_lesson(learner).await;
    let (stop, running) = world.start();
    world.until("OttContentSuggested", 1).await;
    let reason = eventually("the refusal is kept", || async {
        sqlx::query_scalar::<_, Option<String>>("SELECT reason FROM process_instances WHERE status = 'failed'")
            .fetch_optional(&world.database.pool)
            .await
            .ok()?
            .flatten()
    })
    .await;
    assert!(reason.contains("user-not-found"), "{reason}");
    stop.cancel();
    running.await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_no_model_can_evaluate_is_put_off_again_and_again_and_never_given_up() {
    let world = World::create().await;
    let learner = world.learner().await;
    let answer = world.commands.vault().seal("main", learner, Field::Answer, "I has a dog.").await.expect("sealed");
    world.attempt(learner, answer, Evaluation::Deferred(DeferralReason::Late)).await;
    let (stop, running) = world.start();
    let waiting = eventually("it was tried more than once", || async {
        let sql = "SELECT instances.status, commands.status, last_error FROM process_commands commands
                   JOIN process_instances instances USING (process, instance_id)
                   WHERE process = 'deferred_evaluation' AND attempts > 1";
        sqlx::query_as::<_, (String, String, String)>(sql).fetch_optional(&world.database.pool).await.ok()?
    })
    .await;
    assert_eq!((waiting.0.as_str(), waiting.1.as_str()), ("running", "pending"));
    assert!(waiting.2.contains("there is none") && !waiting.2.contains("dog"), "{}", waiting.2);
    assert_eq!(world.count("EvaluationCompleted").await, 0);
    stop.cancel();
    running.await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_get_on_times_out() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.complete_lesson(learner).await;
    // A command that is not even kept stands for a step that never succeeds.
    sqlx::query(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN IF NEW.step = 'recommend' THEN RETURN NULL; END IF; RETURN NEW; END $$",
    )
    .execute(&world.database.pool)
    .await
    .expect("created");
    sqlx::query("CREATE TRIGGER lose BEFORE INSERT ON process_commands FOR EACH ROW EXECUTE FUNCTION lose()")
        .execute(&world.database.pool)
        .await
        .expect("created");
    let (stop, running) = world.start();
    eventually("the instance waits", || async {
        let waiting =
            "SELECT count(*) FROM process_instances WHERE process = 'lesson_completion' AND status = 'running'";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&world.database.pool).await.ok()?;
        (waiting == 1).then_some(())
    })
    .await;
    // Time that passes by the clock of the platform is none by which a process is late; that of the database is.
    world.clock.advance(TimeDelta::days(365));
    sqlx::query("UPDATE process_instances SET deadline = deadline - interval '16 minutes'")
        .execute(&world.database.pool)
        .await
        .expect("set back");
    let reason = eventually("the instance has failed", || async {
        sqlx::query_scalar::<_, Option<String>>("SELECT reason FROM process_instances WHERE status = 'failed'")
            .fetch_optional(&world.database.pool)
            .await
            .ok()?
            .flatten()
    })
    .await;
    assert_eq!(reason, "timed out");
    assert_eq!(world.count("RecommendationGenerated").await, 0);
    stop.cancel();
    running.await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_put_off_is_sent_though_the_clock_of_the_platform_stands_still() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.complete_lesson(learner).await;
    let (stop, running) = world.start();
    world.until("OttContentSuggested", 1).await;
    world.all_sent().await;
    stop.cancel();
    running.await.expect("stopped");
    // As a process leaves it that was killed after it had put a command off.
    let kept = sqlx::query(
        "INSERT INTO process_commands (process, instance_id, position, step, command, tenant, correlation_id,
                                       causation_id, next_attempt_at)
         SELECT 'lesson_completion', instance_id, $1, 'suggest', $2, 'main', $3, $3,
                clock_timestamp() + interval '300 milliseconds'
         FROM process_instances WHERE process = 'lesson_completion'",
    )
    .bind(world.log().head().await.expect("a head"))
    .bind(suggest_again(&world).await)
    .bind(new_id())
    .execute(&world.database.pool)
    .await
    .expect("kept");
    assert_eq!(kept.rows_affected(), 1);
    let (stop, running) = world.start();
    world.all_sent().await;
    assert_eq!(world.count("OttContentSuggested").await, 1, "it was done before");
    stop.cancel();
    running.await.expect("stopped");
}

/// The command of the step `suggest`, as it was kept.
async fn suggest_again(world: &World) -> serde_json::Value {
    let filter = EventFilter { event_type: Some("RecommendationGenerated".into()), ..EventFilter::default() };
    let (events, _) = world.log().read_filtered(0, 1, &filter).await.expect("readable");
    let generated = &events[0].payload["RecommendationGenerated"];
    let (learner_id, lesson_id) = (&generated["learner_id"], &generated["lesson_id"]);
    serde_json::json!({ "SuggestWatchOptions": { "learner_id": learner_id, "lesson_id": lesson_id } })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_this_build_cannot_read_stops_no_process_that_does_not_react_to_its_type() {
    let world = World::create().await;
    let learner = world.learner().await;
    sqlx::query(
        "WITH head AS (UPDATE log_head SET position = position + 1 RETURNING position)
         INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                             global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
         SELECT 'user', $1, 99, 'GoalSet', '99', '{}', '{}', position, $2, 'main', 'test', $2, $2, now() FROM head",
    )
    .bind(learner.to_string())
    .bind(new_id())
    .execute(&world.database.pool)
    .await
    .expect("appended");
    // Another learner, whose history can be read.
    let other = UserId(new_id());
    world.complete_lesson(other).await;
    let (stop, running) = world.start();
    world.until("ProgressUpdated", 1).await;
    world.until("CurriculumLessonPlanned", 1).await;
    stop.cancel();
    running.await.expect("stopped");
}
