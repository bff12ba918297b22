//! What the tests of export and import share.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use baeum_domain::{
    Decider,
    identity::{
        erasure::{Command as ErasureCommand, Erasure, Ground, Requester},
        user::{Command, Role, User, samples},
    },
    ids::UserId,
};
use baeum_eventlog::{CommandContext, EventLog, Options};
use baeum_exchange::{
    export::{ExportError, Exported, Request, Target, export},
    import::{self, ImportError, Imported, Spec},
};
use baeum_projections::{
    Projection,
    identity::learners::Learners,
    learning::{imported_attempts::ImportedAttempts, imported_items::ImportedItems},
    progress::progress::Progress,
    rebuild::rebuild,
};
use baeum_testing::{TestClock, TestDatabase, TestEntropy, new_id};
use tempfile::TempDir;

/// A log in a database of its own, and a folder.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) log: EventLog,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: TempDir,
    entropy: TestEntropy,
}

impl World {
    pub(crate) async fn create() -> Self {
        // The embedded database has one connection: whoever asks for a second one while holding it waits in vain.
        Self::create_with(1).await
    }

    pub(crate) async fn create_with(connections: u32) -> Self {
        let database = TestDatabase::create_with(connections).await;
        let clock = Arc::new(TestClock::at("2026-03-01T23:50:00Z"));
        let log = EventLog::open(database.pool.clone(), clock.clone(), None, Options::default()).await.expect("a log");
        Self { database, log, clock, folder: tempfile::tempdir().expect("a folder"), entropy: TestEntropy::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).expect("written");
        self.path(name)
    }

    /// Registers a user: two events, since the second sets a goal.
    pub(crate) async fn user(&self) -> UserId {
        let id = UserId(new_id());
        let preferences = samples::preferences();
        let register = Command::Register { user_id: id, roles: [Role::Learner].into(), preferences };
        self.execute::<User>(id, register).await;
        let goal = Command::Change { preferences: None, daily_minutes: Some(20), emotion_care_policy: None };
        self.execute::<User>(id, goal).await;
        id
    }

    /// Says in the log that somebody was forgotten; answers its position.
    pub(crate) async fn erase(&self, subject_id: UserId) -> i64 {
        let now = self.log.clock().now();
        let (requested_by, ground) = (Requester::Subject, Ground::ConsentWithdrawn);
        let request = ErasureCommand::Request { subject_id, requested_by, ground, grace_days: 0, now };
        self.execute::<Erasure>(subject_id, request).await;
        self.execute::<Erasure>(subject_id, ErasureCommand::NoteErased { subject_id, key_ids: vec![], now }).await;
        self.head().await
    }

    async fn execute<D: Decider<Command: Sync>>(&self, id: UserId, command: D::Command) {
        let fresh = new_id();
        let context = CommandContext {
            tenant: "main".into(),
            actor: id.to_string(),
            command_id: fresh,
            fingerprint: None,
            correlation_id: fresh,
            causation_id: fresh,
            expected_sequence: None,
        };
        let prepare = move |_| std::future::ready(Ok::<_, D::Error>(command.clone()));
        let done = self.log.execute::<D, (), D::Error, _>(&context, &id.to_string(), prepare, |_, _| ()).await;
        done.expect("the command is allowed");
    }

    /// Brings the read models up to the head.
    pub(crate) async fn project(&self) {
        for projection in registry() {
            rebuild(&self.log, projection, |_, _| {}).await.expect("rebuilt");
        }
    }

    pub(crate) fn target(&self) -> Target {
        Target::parse(&self.path("export").display().to_string()).expect("a target")
    }

    pub(crate) async fn export(&self, request: &Request) -> Result<Exported, ExportError> {
        export(&self.log, &registry(), &self.target(), request, |_, _| {}).await
    }

    pub(crate) async fn import(&self, spec: &str, data: &Path) -> Result<Imported, ImportError> {
        self.import_as("main", spec, data, false).await
    }

    pub(crate) async fn import_as(
        &self,
        tenant: &str,
        spec: &str,
        data: &Path,
        every_row: bool,
    ) -> Result<Imported, ImportError> {
        let spec = Spec::load(&self.write("spec.toml", spec), data)?;
        let (file, rejects) = (data.to_owned(), self.path("rejects.csv"));
        let request = import::Request { file, rejects, tenant: tenant.to_owned(), every_row };
        import::import(&self.log, &self.entropy, spec, &request, |_, _| {}).await
    }

    /// Lines of the rejects, without the header.
    pub(crate) fn rejects(&self) -> Vec<(u64, String)> {
        let mut reader = csv::Reader::from_path(self.path("rejects.csv")).expect("there are rejects");
        let row = |row: Result<csv::StringRecord, csv::Error>| {
            let row = row.expect("a row");
            (row[0].parse().expect("a line"), row[1].to_owned())
        };
        reader.records().map(row).collect()
    }

    pub(crate) async fn head(&self) -> i64 {
        self.log.head().await.expect("a head")
    }
}

pub(crate) fn registry() -> Vec<Arc<dyn Projection>> {
    vec![Arc::new(Learners), Arc::new(Progress), Arc::new(ImportedAttempts), Arc::new(ImportedItems)]
}

/// All that can be exported.
pub(crate) fn everything() -> Request {
    Request { events: true, models: registry().iter().map(|it| it.name().to_owned()).collect(), ..Request::default() }
}

pub(crate) fn events() -> Request {
    Request { events: true, ..Request::default() }
}
