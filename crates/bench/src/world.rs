//! A world to measure in: a database of its own, the real catalogue and models, and learners with lessons.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use baeum_commands::{
    Caller, Commands, Ports, Request,
    identity::register::Registration,
    keys::{KeyRing, SecretKey},
    learning::consume_clip::Viewing,
};
use baeum_domain::{
    assessment::testing::Weakness,
    catalog::Catalog,
    identity::user::{Role, samples},
    ids::{AssessmentId, LessonId, UserId},
    learning::{
        curriculum,
        evaluation::EvaluatorRegistry,
        planning::{LessonPlan, PlannedTask, TaskKind},
    },
    level::{Cefr, Skill},
};
use baeum_eventlog::{CommandContext, EventLog, Options};
use baeum_ml::{
    assessment::adaptive_test::CatalogTest, learning::planner::CatalogPlanner,
    recommendation::bandit_recommender::BanditRecommender, review::fsrs_scheduler::FsrsScheduler,
};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, new_id};
use uuid::Uuid;

use crate::Failure;

/// A world with its own database.
pub(crate) struct World {
    /// Everything that can be done in it.
    pub(crate) commands: Commands,
    _database: TestDatabase,
}

/// A started lesson whose clips were watched.
pub(crate) struct OpenLesson {
    /// Whose.
    pub(crate) request: Request,
    /// The lesson.
    pub(crate) lesson_id: LessonId,
    /// Its writing tasks.
    pub(crate) tasks: Vec<PlannedTask>,
}

/// Keys that wrap those of learners.
fn keys() -> Arc<KeyRing> {
    let key = |byte| SecretKey::from([byte; 32]);
    Arc::new(KeyRing::new(vec![("bench".into(), key(1))], key(2), Arc::new(TestEntropy::default())))
}

impl World {
    /// A world in which answers are evaluated by `evaluators`.
    pub(crate) async fn create(evaluators: Arc<dyn EvaluatorRegistry>) -> Result<Self, Failure> {
        let database = TestDatabase::create().await;
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let log = EventLog::open(database.pool.clone(), clock, None, Options::default()).await?;
        let catalog = Arc::new(catalog()?);
        let ports = Ports {
            test: Arc::new(CatalogTest::new(&catalog)),
            planner: Arc::new(CatalogPlanner::new(catalog.clone())),
            recommender: Arc::new(BanditRecommender::new(catalog.clone())),
            scheduler: Arc::new(FsrsScheduler),
            entropy: Arc::new(TestEntropy::default()),
            keys: keys(),
            listener: None,
            evaluators,
            catalog,
        };
        Ok(Self { commands: Commands::new(log, ports), _database: database })
    }

    /// A learner with a level, and a request of theirs.
    pub(crate) async fn learner(&self) -> Result<Request, Failure> {
        self.learner_of(Cefr::B1).await
    }

    /// A learner with this level.
    pub(crate) async fn learner_of(&self, level: Cefr) -> Result<Request, Failure> {
        let nobody = request(UserId(Uuid::nil()));
        let registered = self
            .commands
            .register(
                &nobody,
                Registration {
                    email: format!("{}@example.org", new_id()),
                    password: "correct horse battery".into(),
                    display_name: "Bench".into(),
                    preferences: samples::preferences(),
                    roles: BTreeSet::from([Role::Learner]),
                },
            )
            .await?;
        let learner_id = registered.answer.user_id;
        let context = CommandContext { fingerprint: None, ..request(learner_id).context(self.clock()) };
        let command = curriculum::Command::Assign {
            learner_id,
            assessment_id: AssessmentId(new_id()),
            level,
            weaknesses: vec![Weakness { skill: Skill::Writing, focus: "articles".parse()? }],
        };
        self.commands.dispatch(&context, baeum_commands::dispatch::ProcessCommand::Curriculum(command)).await?;
        Ok(request(learner_id))
    }

    /// A lesson of `learner` in which attempts can be submitted.
    pub(crate) async fn open_lesson(&self, learner: &Request) -> Result<OpenLesson, Failure> {
        let started = self.commands.start_lesson(learner).await?.answer;
        let (lesson_id, plan): (LessonId, LessonPlan) = (started.lesson_id, started.plan.ok_or("no plan")?);
        for clip in &plan.clips {
            let viewing = Viewing {
                clip_id: clip.clip_id.clone(),
                watched_ms: clip.duration_ms,
                speed_percent: 100,
                repeats: vec![],
            };
            self.commands.consume_clip(learner, lesson_id, viewing).await?;
        }
        let tasks = plan.tasks.into_iter().filter(|task| task.kind == TaskKind::Writing).collect();
        Ok(OpenLesson { request: learner.clone(), lesson_id, tasks })
    }

    fn clock(&self) -> &dyn baeum_domain::Clock {
        self.commands.log().clock().as_ref()
    }
}

fn request(user_id: UserId) -> Request {
    Request {
        caller: Caller { tenant: "main".into(), user_id, roles: BTreeSet::from([Role::Learner]) },
        idempotency: None,
        expected_sequence: None,
        correlation_id: new_id(),
    }
}

/// The catalogue of the repository.
pub(crate) fn catalog() -> Result<Catalog, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let mut files = vec![];
    for folder in [root.clone(), root.join("items"), root.join("clips")] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "toml") {
                files.push((path.display().to_string(), fs::read_to_string(path)?));
            }
        }
    }
    let parsed = Catalog::parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    parsed.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
}
