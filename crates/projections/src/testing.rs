//! What tests of projections share: a database of their own, small models, and a learner to write events of.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use baeum_domain::{
    Clock, Decider, Sealed,
    assessment::{
        assessment::{Assessment, Command as AssessmentCommand, StoppingRule},
        calibration::{ItemBelief, ItemCalibrator},
        testing::{Ability, LevelReport, Selection, SelectionReason, SkillEstimate},
    },
    catalog::Catalog,
    emotion::affect::{AffectBelief, AffectModel, Signal},
    identity::access::{Access, Category, Command as AccessCommand},
    identity::user::{Command as UserCommand, Preferences, Role, User},
    ids::{AssessmentId, AttemptId, ImportId, ImportedAttemptId, LessonId, RecommendationId, UserId, ViewingId},
    learning::{
        evaluation::Verdict,
        imported_attempt::{Attempt, Command as ImportCommand, ImportedAttempt},
        lesson::{Command as LessonCommand, Lesson, SegmentRepeat},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::{Cefr, Skill},
    progress::progress::{Command as ProgressCommand, Evidence, Progress},
    recommendation::recommendation::{Command as RecommendationCommand, Recommendation},
};
use baeum_eventlog::{CommandContext, EventLog, Options, StoredPayload};
use baeum_testing::TestDatabase;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Models, registry, run, wait_for};

pub(crate) const LEARNER: UserId = UserId(Uuid::from_u128(1));
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A log in a database of its own.
pub(crate) struct World {
    pub(crate) log: EventLog,
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) models: Models,
}

/// Runs a test in a new database, which is dropped at its end. Its pool has one connection, as the embedded database
/// has: whoever asks for a second one while holding it waits in vain.
pub(crate) async fn in_a_world(test: impl AsyncFnOnce(&World)) {
    in_a_world_with(1, test).await;
}

/// The same with a pool of so many connections.
pub(crate) async fn in_a_world_with(connections: u32, test: impl AsyncFnOnce(&World)) {
    let database = TestDatabase::create_with(connections).await;
    test(&World::open(database.pool.clone()).await).await;
}

impl World {
    async fn open(pool: PgPool) -> Self {
        let clock = Arc::new(TestClock::default());
        let log = EventLog::open(pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        let models =
            Models { affect: Arc::new(TestAffect), calibrator: Arc::new(TestCalibrator), catalog: Arc::new(catalog()) };
        Self { log, pool, clock, models }
    }

    /// Executes a command; answers the position of its last event.
    pub(crate) async fn execute<D: Decider>(&self, id: Uuid, command: D::Command) -> i64 {
        let fresh = self.clock.new_id();
        let context = CommandContext {
            tenant: "main".into(),
            actor: LEARNER.to_string(),
            command_id: fresh,
            fingerprint: None,
            correlation_id: fresh,
            causation_id: fresh,
            expected_sequence: None,
        };
        let prepare = move |_| std::future::ready(Ok::<_, D::Error>(command.clone()));
        let outcome = self.log.execute::<D, (), D::Error, _>(&context, &id.to_string(), prepare, |_, _| ()).await;
        outcome.expect("the command is allowed").position
    }

    /// Appends an event as some other build would.
    pub(crate) async fn append_foreign(&self, aggregate_type: &str, event_type: &str, version: &str) -> i64 {
        let position = self.log.head().await.expect("the log can be read") + 1;
        sqlx::query(
            "WITH head AS (UPDATE log_head SET position = $1)
             INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata,
                                 global_position, event_id, tenant, actor, correlation_id, causation_id, recorded_at)
             VALUES ($2, $3, 1, $4, $5, $6, '{}', $1, $7, 'main', 'other', $7, $7, $8)",
        )
        .bind(position)
        .bind(aggregate_type)
        .bind(self.clock.new_id().to_string())
        .bind(event_type)
        .bind(version)
        .bind(StoredPayload::Object([(event_type.to_owned(), StoredPayload::Null)].into_iter().collect()))
        .bind(self.clock.new_id())
        .bind(self.clock.now())
        .execute(&self.pool)
        .await
        .expect("a foreign event can be appended");
        position
    }

    /// Runs the workers until every projection has come to the head.
    pub(crate) async fn project(&self) {
        let stop = CancellationToken::new();
        let projections = registry(&self.models);
        let workers = tokio::spawn(run(self.log.clone(), projections.clone(), stop.clone()));
        let head = self.log.head().await.expect("the log can be read");
        for projection in projections {
            wait_for(&self.pool, projection.name(), head, PATIENCE).await.expect("the projection comes to the head");
        }
        stop.cancel();
        workers.await.expect("the workers end in order");
    }

    pub(crate) async fn register(&self) -> i64 {
        self.execute::<User>(
            LEARNER.0,
            UserCommand::Register {
                user_id: LEARNER,
                roles: [Role::Learner].into(),
                preferences: preferences("Asia/Seoul"),
            },
        )
        .await
    }

    pub(crate) async fn consent(&self, policy: Option<&str>) -> i64 {
        let change = UserCommand::Change {
            preferences: None,
            daily_minutes: None,
            emotion_care_policy: Some(policy.map(str::to_owned)),
        };
        self.execute::<User>(LEARNER.0, change).await
    }

    /// Starts a sitting that ends after `items` answers.
    pub(crate) async fn start_sitting(&self, sitting: u128, items: u32) -> i64 {
        let start = AssessmentCommand::Start {
            assessment_id: AssessmentId(Uuid::from_u128(sitting)),
            learner_id: LEARNER,
            rule: StoppingRule { target_standard_error: 0.1, min_items: 1, max_items: items },
            first: selection("one"),
        };
        self.execute::<Assessment>(Uuid::from_u128(sitting), start).await
    }

    pub(crate) async fn answer(&self, sitting: u128, item: &str, correct: bool, next: &str) -> i64 {
        let respond = AssessmentCommand::Respond {
            item: item.parse().expect("a valid item id"),
            choice: u8::from(!correct),
            correct,
            response_ms: Some(4000),
            before: Ability { theta: 0.0, standard_error: 1.0 },
            report: report(),
            next: Some(selection(next)),
        };
        self.execute::<Assessment>(Uuid::from_u128(sitting), respond).await
    }

    pub(crate) async fn start_lesson(&self, lesson: u128, local_date: &str) -> i64 {
        let start = LessonCommand::Start {
            lesson_id: LessonId(Uuid::from_u128(lesson)),
            learner_id: LEARNER,
            plan: plan(),
            local_date: date(local_date),
        };
        self.execute::<Lesson>(Uuid::from_u128(lesson), start).await
    }

    pub(crate) async fn watch(&self, lesson: u128, viewing: u128, watched_ms: u32, local_date: &str) -> i64 {
        let consume = LessonCommand::ConsumeClip {
            viewing_id: ViewingId(Uuid::from_u128(viewing)),
            clip_id: "cafe".parse().expect("a valid clip id"),
            watched_ms,
            speed_percent: 100,
            repeats: vec![SegmentRepeat { segment: 2, times: 3 }],
            local_date: date(local_date),
        };
        self.execute::<Lesson>(Uuid::from_u128(lesson), consume).await
    }

    pub(crate) async fn attempt(&self, lesson: u128, attempt: u128, score: f64) -> i64 {
        let submit = LessonCommand::SubmitAttempt {
            attempt_id: AttemptId(Uuid::from_u128(attempt)),
            task_id: "cafe-w1".parse().expect("a valid task id"),
            kind: TaskKind::Writing,
            answer: Sealed { key_id: Uuid::from_u128(9), nonce: "bm9uY2U=".into(), ciphertext: "dGV4dA==".into() },
            words: 7,
            duration_ms: Some(5000),
            verdict: verdict(score),
        };
        self.execute::<Lesson>(Uuid::from_u128(lesson), submit).await
    }

    pub(crate) async fn complete(&self, lesson: u128, local_date: &str) -> i64 {
        let complete = LessonCommand::Complete { local_date: date(local_date) };
        self.execute::<Lesson>(Uuid::from_u128(lesson), complete).await
    }

    /// A learner who consents, sits a test, completes a lesson, leaves another and is in a third: every table has rows.
    pub(crate) async fn live_a_day(&self) -> i64 {
        self.register().await;
        self.consent(Some("2026-01")).await;
        self.start_sitting(10, 2).await;
        self.answer(10, "one", true, "two").await;
        self.answer(10, "two", false, "one").await;
        self.start_lesson(20, "2026-03-01").await;
        self.watch(20, 21, 60_000, "2026-03-01").await;
        self.attempt(20, 22, 0.4).await;
        self.attempt(20, 23, 0.8).await;
        self.complete(20, "2026-03-01").await;
        let generate = RecommendationCommand::Generate {
            recommendation_id: RecommendationId(Uuid::from_u128(25)),
            learner_id: LEARNER,
            lesson_id: LessonId(Uuid::from_u128(20)),
            model_id: "test".into(),
            titles: vec![],
            clips: vec![],
            policy: None,
        };
        self.execute::<Recommendation>(Uuid::from_u128(25), generate).await;
        self.start_lesson(30, "2026-03-02").await;
        self.execute::<Lesson>(Uuid::from_u128(30), LessonCommand::Abandon).await;
        self.observe(5, 0.75).await;
        self.look_at_the_learner(60).await;
        self.import(70, "Q7", 17, 0.5).await;
        self.start_lesson(40, "2026-03-02").await
    }

    /// Somebody looks at the learner's name.
    pub(crate) async fn look_at_the_learner(&self, access: u128) -> i64 {
        let note = AccessCommand::Note {
            access_id: Uuid::from_u128(access),
            subject_id: LEARNER,
            what: [Category::Name].into(),
            route: "GET /v1/learners/{id}".into(),
        };
        self.execute::<Access>(LEARNER.0, note).await
    }

    /// Imports an attempt that the learner made on a day of May 2024; answers its position.
    pub(crate) async fn import(&self, attempt: u128, item: &str, day: u32, score: f64) -> i64 {
        let values = Attempt {
            attempt_id: ImportedAttemptId(Uuid::from_u128(attempt)),
            import_id: ImportId(Uuid::from_u128(7)),
            source: "old-lms".parse().expect("a source"),
            learner_id: LEARNER,
            item: item.to_owned(),
            skill: Some(Skill::Reading),
            occurred_at: format!("2024-05-{day:02}T08:00:00Z").parse().expect("a moment"),
            score,
            correct: (item != "essay").then_some(score > 0.5),
            duration_ms: Some(1_000 * day),
            words: None,
            digest: attempt.to_string(),
        };
        let import = ImportCommand::Import { attempt: values, now: self.clock.now() };
        self.execute::<ImportedAttempt>(Uuid::from_u128(attempt), import).await
    }

    /// Takes evidence into the learner's progress.
    pub(crate) async fn observe(&self, source_position: i64, outcome: f64) -> i64 {
        let evidence = vec![Evidence { skill: Skill::Writing, focus: None, outcome, weight: 1.0 }];
        let source_type = "EvaluationCompleted".into();
        let observe = ProgressCommand::Observe { learner_id: LEARNER, source_position, source_type, evidence };
        self.execute::<Progress>(LEARNER.0, observe).await
    }
}

pub(crate) fn preferences(time_zone: &str) -> Preferences {
    Preferences {
        native_language: "ko".parse().expect("a language"),
        target_language: "en".parse().expect("a language"),
        country: "KR".parse().expect("a country"),
        time_zone: time_zone.parse().expect("a time zone"),
        interests: ["travel".parse().expect("a topic")].into(),
    }
}

pub(crate) fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub(crate) fn report() -> LevelReport {
    let ability = Ability { theta: 0.7, standard_error: 0.4 };
    LevelReport {
        ability,
        band: Cefr::B2,
        bands: vec![],
        skills: vec![SkillEstimate { skill: Skill::Reading, ability, answered: 1, correct: 1 }],
        weaknesses: vec![],
        model: None,
    }
}

pub(crate) fn plan() -> LessonPlan {
    LessonPlan {
        level: Cefr::B2,
        clips: vec![PlannedClip { clip_id: "cafe".parse().expect("a clip id"), duration_ms: 60_000, segments: 10 }],
        tasks: vec![PlannedTask {
            task_id: "cafe-w1".parse().expect("a task id"),
            clip_id: "cafe".parse().expect("a clip id"),
            kind: TaskKind::Writing,
            focus: "articles".parse().expect("a focus"),
            min_words: 3,
        }],
        required_attempts: 1,
    }
}

pub(crate) fn verdict(score: f64) -> Verdict {
    Verdict { score, spans: vec![], model_id: "test".into(), weights_hash: "00".into(), latency_us: 5 }
}

fn selection(item: &str) -> Selection {
    let reason = SelectionReason::Information { rank: 1, drawn_from: 1, held_back: 0 };
    let item = item.parse().expect("a valid item id");
    Selection { item, skill: Skill::Reading, theta: 0.0, information: 0.5, reason }
}

fn catalog() -> Catalog {
    let item = |id: &str| {
        format!(
            "[[item]]\nid = \"{id}\"\nlevel = \"A1\"\nskill = \"reading\"\nfocus = \"articles\"\nquestion = \"?\"\n\
             choices = [\"a\", \"an\"]\nanswer = 0\ndiscrimination = 1.5\ndifficulty = -0.5\n"
        )
    };
    let clip = "[[clip]]\nid = \"cafe\"\ntitle = \"T\"\nlevel = \"B2\"\ntopics = [\"food\", \"work\"]\nskills = \
                [\"listening\"]\nfocus = []\nduration_ms = 60000\nsynopsis = \"S\"\nsegments = [{ start_ms = 0, end_ms = \
                900, text = \"t\", gloss = \"g\" }]\ntasks = [{ id = \"cafe-w1\", kind = \"writing\", prompt = \"?\", focus \
                = \"articles\", min_words = 3, sample = \"!\" }]\n";
    let content = [item("one"), item("two"), clip.to_owned()].concat();
    Catalog::parse([("content.toml", content.as_str())]).expect("a valid catalogue")
}

/// A clock that stands still until it is told to go on.
pub(crate) struct TestClock {
    now: Mutex<DateTime<Utc>>,
    ids: AtomicU64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            now: Mutex::new("2026-03-01T09:00:00Z".parse().expect("a valid moment")),
            ids: AtomicU64::new(1_000_000),
        }
    }
}

impl TestClock {
    /// Sets it to a moment.
    pub(crate) fn set(&self, moment: &str) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = moment.parse().expect("a valid moment");
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self) -> Uuid {
        Uuid::from_u128(self.ids.fetch_add(1, Ordering::Relaxed).into())
    }
}

/// Believes one of two halves more with each signal.
struct TestAffect;

impl AffectModel for TestAffect {
    fn observe(&self, before: Option<&AffectBelief>, signal: &Signal, at: DateTime<Utc>) -> AffectBelief {
        let likely = match signal {
            Signal::Answered { correct: true, .. } | Signal::CompletedLesson => 0,
            Signal::Watched { to_the_end, .. } => usize::from(!to_the_end) * 3,
            Signal::Attempted { score, .. } if *score >= 0.6 => 0,
            Signal::Answered { .. } | Signal::Attempted { ordinal: 1, .. } | Signal::TookHint => 1,
            Signal::Attempted { .. } | Signal::GaveUp => 2,
        };
        let mut probabilities = before.map_or([0.25; 4], |belief| belief.probabilities).map(|it| it / 2.0);
        probabilities[likely] += 0.5;
        let errors_in_a_row = before.map_or(0, |belief| belief.errors_in_a_row) + u32::from(likely == 1);
        AffectBelief { probabilities, errors_in_a_row, at }
    }

    fn model_id(&self) -> &'static str {
        "test-affect"
    }
}

/// Moves the difficulty a little with each answer.
struct TestCalibrator;

impl ItemCalibrator for TestCalibrator {
    fn prior(&self, discrimination: f64, difficulty: f64) -> ItemBelief {
        ItemBelief {
            log_discrimination: discrimination.ln(),
            difficulty,
            var_log_discrimination: 0.04,
            var_difficulty: 0.25,
            covariance: 0.0,
        }
    }

    fn update(&self, belief: ItemBelief, _guessing: f64, ability: Ability, correct: bool) -> ItemBelief {
        let step = if correct { -0.25 } else { 0.25 };
        ItemBelief { difficulty: belief.difficulty + step * ability.standard_error, var_difficulty: 0.16, ..belief }
    }
}
