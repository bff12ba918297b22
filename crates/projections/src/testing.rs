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
        calibration::{AbilityBelief, AbilityFilter, ItemBelief, ItemCalibrator, ItemDemand},
        item_bank::{CalibratedItem, Calibration, Command as BankCommand, ITEM_BANK, ItemBank},
        testing::{Ability, LevelReport, Selection, SelectionReason, SkillEstimate},
    },
    catalog::Catalog,
    emotion::affect::{AffectBelief, AffectModel, Signal},
    identity::access::{Access, Category, Command as AccessCommand},
    identity::user::{Command as UserCommand, Preferences, Role, User},
    ids::{
        AssessmentId, AttemptId, ImportId, ImportedAttemptId, InvoiceId, LessonId, PlanId, RecommendationId,
        ReservationId, ReviewId, SkuId, SubscriptionId, UserId, ViewingId,
    },
    kit::{
        curation::{Choice, Reason},
        kit::{Command as KitCommand, Kit, id_of as kit_of, unit_id},
        plan::{Command as KitPlanCommand, KitPlan, id_of as kit_plan_of, samples::terms},
        sku::{Assortment, Command as SkuCommand, Kind, id_of as assortment_of, samples::listing},
        stock::{Command as StockCommand, Stock, id_of as stock_of},
    },
    learning::{
        evaluation::{Assignment, DeferralReason, Evaluation, Verdict},
        imported_attempt::{Attempt, Command as ImportCommand, ImportedAttempt},
        lesson::{Command as LessonCommand, Lesson, SegmentRepeat},
        planning::{LessonPlan, PlannedClip, PlannedTask, TaskKind},
    },
    level::{Cefr, Skill},
    notification::{
        channel::Channel,
        notification::{Cause, Command as NotificationCommand, Content, Notification, id_of},
    },
    progress::{
        knowledge_tracing::Tracing,
        progress::{Command as ProgressCommand, Evidence, Progress},
    },
    recommendation::recommendation::{Command as RecommendationCommand, Recommendation},
    review::{
        deck::{Command as DeckCommand, Deck, Fit, Front, Origin, Reviewed, card_of},
        scheduling::{Memory, Rating},
    },
};
use baeum_eventlog::{CommandContext, EventLog, Options, StoredPayload};
use baeum_testing::TestDatabase;
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Models, registry, run, wait_for};

pub(crate) const LEARNER: UserId = UserId(Uuid::from_u128(1));
/// The bill that the learner's kit is for.
pub(crate) const KIT: InvoiceId = InvoiceId(Uuid::from_u128(80));
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
        let models = Models {
            affect: Arc::new(TestAffect),
            calibrator: Arc::new(TestCalibrator),
            abilities: Arc::new(TestFilter),
            catalog: Arc::new(catalog()),
        };
        Self { log, pool, clock, models }
    }

    /// Executes a command; answers the position of its last event.
    pub(crate) async fn execute<D: Decider>(&self, id: Uuid, command: D::Command) -> i64 {
        self.execute_on::<D>(&id.to_string(), command).await
    }

    /// The same with an id that is no UUID.
    pub(crate) async fn execute_on<D: Decider>(&self, id: &str, command: D::Command) -> i64 {
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
        let outcome = self.log.execute::<D, (), D::Error, _>(&context, id, prepare, |_, _| ()).await;
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
        self.submit(lesson, attempt, Evaluation::Given(verdict(score))).await
    }

    /// An attempt that is taken in without a verdict.
    pub(crate) async fn defer(&self, lesson: u128, attempt: u128, reason: DeferralReason) -> i64 {
        self.submit(lesson, attempt, Evaluation::Deferred(reason)).await
    }

    /// Gives an attempt that waits its verdict.
    pub(crate) async fn evaluate(&self, lesson: u128, attempt: u128, score: f64) -> i64 {
        let attempt_id = AttemptId(Uuid::from_u128(attempt));
        let complete = LessonCommand::CompleteEvaluation { attempt_id, verdict: verdict(score), assignment: None };
        self.execute::<Lesson>(Uuid::from_u128(lesson), complete).await
    }

    async fn submit(&self, lesson: u128, attempt: u128, evaluation: Evaluation) -> i64 {
        self.submit_in(lesson, attempt, evaluation, None).await
    }

    /// The same by an arm of an experiment.
    pub(crate) async fn submit_in(
        &self,
        lesson: u128,
        attempt: u128,
        evaluation: Evaluation,
        assignment: Option<Assignment>,
    ) -> i64 {
        let submit = LessonCommand::SubmitAttempt {
            attempt_id: AttemptId(Uuid::from_u128(attempt)),
            task_id: "cafe-w1".parse().expect("a valid task id"),
            kind: TaskKind::Writing,
            answer: sealed(),
            words: 7,
            duration_ms: Some(5000),
            evaluation,
            assignment,
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
        self.execute_on::<ItemBank>(ITEM_BANK, BankCommand::Calibrate(calibration("one", 0.25, 1))).await;
        self.add_card("cafe-w1", "2026-03-01T09:00:00Z").await;
        let reviewed = self.review_card("cafe-w1", 1, Rating::Good, "2026-03-01T09:00:00Z").await;
        self.fit_scheduler(reviewed).await;
        self.look_at_the_learner(60).await;
        self.import(70, "Q7", 17, 0.5).await;
        self.be_told().await;
        crate::subscription::testing::buy_something(self).await;
        self.fill_the_shelf().await;
        self.open_kit().await;
        self.send_kit().await;
        self.scan_unit().await;
        crate::learning::evaluator_experiments::testing::take_part(self).await;
        self.start_lesson(40, "2026-03-02").await
    }

    /// Does a command to the learner's kit.
    pub(crate) async fn kit(&self, command: KitCommand) -> i64 {
        self.execute::<Kit>(kit_of(KIT).0, command).await
    }

    /// Does a command to the stock of tea.
    pub(crate) async fn stock(&self, command: StockCommand) -> i64 {
        self.execute::<Stock>(stock_of("main", &sku("tea")), command).await
    }

    /// Tea is listed, there, and partly set aside; a plan comes with kits.
    async fn fill_the_shelf(&self) -> i64 {
        let at = self.clock.now();
        let list = SkuCommand::List { sku: sku("tea"), listing: listing(Kind::Sample, Cefr::B2, "food", 7_000) };
        self.execute::<Assortment>(assortment_of("main"), list).await;
        let plan_id: PlanId = "plus".parse().expect("a plan id");
        let set = KitPlanCommand::Set { plan_id: plan_id.clone(), terms: terms(2) };
        self.execute::<KitPlan>(kit_plan_of("main", &plan_id), set).await;
        self.stock(StockCommand::Receive { sku: sku("tea"), delivery_id: Uuid::from_u128(82), units: 5, at }).await;
        self.stock(StockCommand::Reserve {
            sku: sku("tea"),
            reservation_id: ReservationId(Uuid::from_u128(83)),
            kit_id: kit_of(KIT),
            units: 2,
            expires_at: at + chrono::TimeDelta::days(1),
            at,
        })
        .await
    }

    /// A book and cards, as a blind box.
    pub(crate) async fn open_kit(&self) -> i64 {
        let at = self.clock.now();
        let choices = vec![choice("market-book", Kind::Book), choice("food-cards", Kind::Cards)];
        self.kit(KitCommand::Open {
            learner_id: LEARNER,
            subscription_id: SubscriptionId(Uuid::from_u128(81)),
            period: 1,
            invoice_id: KIT,
            limits: terms(2).limits[0],
            reveal_at: Some(at + chrono::TimeDelta::days(10)),
            hold_until: at + chrono::TimeDelta::days(21),
            choices: Ok(choices),
            at,
        })
        .await
    }

    /// Tea takes the place of the cards.
    pub(crate) async fn replace_item(&self) -> i64 {
        let at = self.clock.now();
        let (unavailable, choice) = (sku("food-cards"), Some(choice("tea", Kind::Sample)));
        self.kit(KitCommand::Replace { slot: 2, unavailable, choice, hold_until: at, at }).await
    }

    /// It is reserved, paid, packed and handed over.
    pub(crate) async fn send_kit(&self) -> i64 {
        let at = self.clock.now();
        self.kit(KitCommand::NoteReserved).await;
        self.kit(KitCommand::NotePaid { at }).await;
        self.kit(KitCommand::Pack { at }).await;
        self.kit(KitCommand::Ship { shipment: sealed(), at }).await
    }

    /// The learner scans the code of its first unit.
    pub(crate) async fn scan_unit(&self) -> i64 {
        let unit_id = unit_id(kit_of(KIT), 1);
        self.kit(KitCommand::Scan { unit_id, by: LEARNER, at: self.clock.now() }).await
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

    /// Is told of something in the inbox, and not by mail.
    async fn be_told(&self) {
        let cause = Cause { event_id: Uuid::from_u128(50), event_type: "LessonCompleted".into(), position: 9 };
        let template = "lesson_completed_only".parse().expect("a template");
        let notification_id = id_of(LEARNER, &cause, &template);
        let content = Content {
            template,
            topic: "lessons".parse().expect("a topic"),
            language: "ko".parse().expect("a language"),
            parameters: [("score".to_owned(), "0.8".to_owned())].into(),
        };
        let channels = [Channel::InApp, Channel::Email].map(|it| (it, self.clock.now())).into();
        let request = NotificationCommand::Request { notification_id, learner_id: LEARNER, cause, content, channels };
        let delivered = NotificationCommand::Succeed { channel: Channel::InApp, attempt: 1 };
        for step in [request, delivered, NotificationCommand::Read, NotificationCommand::Cancel] {
            self.execute::<Notification>(notification_id.0, step).await;
        }
    }

    /// Adds a card of a task to the learner's.
    pub(crate) async fn add_card(&self, task: &str, due_at: &str) -> i64 {
        let add = DeckCommand::Add {
            learner_id: LEARNER,
            fronts: vec![front(task)],
            origin: Origin::Lesson { lesson_id: LessonId(Uuid::from_u128(20)) },
            due_at: due_at.parse().expect("a moment"),
        };
        self.execute::<Deck>(LEARNER.0, add).await
    }

    /// Reviews such a card; it is due three days later.
    pub(crate) async fn review_card(&self, task: &str, review: u128, rating: Rating, at: &str) -> i64 {
        let review = Reviewed {
            learner_id: LEARNER,
            card_id: card_of(LEARNER, &front(task)),
            review_id: ReviewId(Uuid::from_u128(review)),
            rating,
            now: at.parse().expect("a moment"),
            memory: Memory { stability: 2.0, difficulty: 5.0 },
            retrievability: None,
            interval_days: 3,
            model_id: "test".into(),
        };
        self.execute::<Deck>(LEARNER.0, DeckCommand::Review(review)).await
    }

    /// Takes in a fit of the scheduler's parameters to the log up to a position.
    pub(crate) async fn fit_scheduler(&self, input_position: i64) -> i64 {
        let fit = Fit {
            input_position,
            model_id: "test".into(),
            parameters: vec![0.5, 1.5],
            parameters_hash: "00".into(),
            reviews: 200,
            log_loss_before: 0.4,
            log_loss_after: 0.3,
        };
        self.execute::<Deck>(LEARNER.0, DeckCommand::Optimize { learner_id: LEARNER, fit }).await
    }

    /// Takes evidence into the learner's progress.
    pub(crate) async fn observe(&self, source_position: i64, outcome: f64) -> i64 {
        let evidence = vec![Evidence { skill: Skill::Writing, focus: None, outcome, weight: 1.0 }];
        let source_type = "EvaluationCompleted".into();
        let tracing = Tracing::default();
        let observe = ProgressCommand::Observe { learner_id: LEARNER, source_position, source_type, evidence, tracing };
        self.execute::<Progress>(LEARNER.0, observe).await
    }
}

fn sealed() -> Sealed {
    Sealed { key_id: Uuid::from_u128(9), nonce: "bm9uY2U=".into(), ciphertext: "dGV4dA==".into() }
}

fn sku(name: &str) -> SkuId {
    name.parse().expect("a SKU")
}

fn choice(name: &str, kind: Kind) -> Choice {
    let listing = listing(kind, Cefr::B2, "food", 7_000);
    let reason = Reason { level_distance: 0, interests: [].into(), had_before: false, points: 40, rank: 1 };
    Choice { sku: sku(name), value: listing.values[0], listing, reason }
}

/// A calibration of one item that rests on the log up to a position.
pub(crate) fn calibration(item: &str, difficulty: f64, input_position: i64) -> Calibration {
    let item = CalibratedItem {
        item: item.parse().expect("a valid item id"),
        discrimination: 2.0,
        discrimination_error: 0.2,
        difficulty,
        difficulty_error: 0.1,
        guessing: 0.25,
        answers: 200,
    };
    let (model_id, parameters_hash) = ("test".into(), format!("{difficulty}"));
    Calibration { input_position, model_id, parameters_hash, learners: 200, items: vec![item] }
}

/// The front of a card that asks for a task.
pub(crate) fn front(task: &str) -> Front {
    Front::Task { task_id: task.parse().expect("a valid task id") }
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
    Verdict { score, spans: vec![], model_id: "test".into(), weights_hash: "00".into(), latency_us: 5, meaning: None }
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

/// Moves half the way to the difficulty with each answer, and by one half beyond.
struct TestFilter;

impl AbilityFilter for TestFilter {
    fn prior(&self) -> AbilityBelief {
        AbilityBelief::gaussian(0.5, 1.0)
    }

    fn drift(&self, belief: AbilityBelief, _days: f64) -> AbilityBelief {
        belief
    }

    fn update(&self, belief: AbilityBelief, item: ItemDemand, correct: bool) -> AbilityBelief {
        let beyond = if correct { 0.5 } else { -0.5 };
        let theta = f64::midpoint(belief.theta, item.difficulty) + beyond;
        AbilityBelief { theta, standard_error: belief.standard_error / 2.0, ..belief }
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
