//! The log of Baeum, through [`EventLog::execute`].

use std::{str::FromStr as _, sync::Arc};

use baeum_eventlog::{CommandContext, EventLog, Options, connections};
use baeum_testing::{TestClock, new_id};
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;

use super::Store;
use crate::{
    Failure,
    drive::Client,
    workbook::{self, Desk, Workbook},
};

/// A handle on the log; its clients share one appender.
pub(crate) struct Ours {
    log: EventLog,
    receipts: bool,
}

impl Ours {
    /// Opens the log of the database at `url`. With `receipts`, each command leaves what repeats it.
    pub(crate) async fn open(url: &str, connections: u32, receipts: bool) -> Result<Self, Failure> {
        Self::open_with(url, connections, receipts, Options::default()).await
    }

    /// Opens it without a memory of aggregates: each is read.
    pub(crate) async fn forgetful(url: &str, connections: u32) -> Result<Self, Failure> {
        Self::open_with(url, connections, false, Options { cache: 0, ..Options::default() }).await
    }

    async fn open_with(url: &str, most: u32, receipts: bool, options: Options) -> Result<Self, Failure> {
        let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
        let pool = connections(most).connect_with(PgConnectOptions::from_str(url)?).await?;
        Ok(Self::over(EventLog::open(pool, clock, None, options).await?, receipts))
    }

    /// The same over a log that is open.
    pub(crate) fn over(log: EventLog, receipts: bool) -> Self {
        Self { log, receipts }
    }

    /// The log.
    pub(crate) fn log(&self) -> &EventLog {
        &self.log
    }
}

impl Store for Ours {
    fn client(&self, index: usize) -> Box<dyn Client> {
        let fingerprint = self.receipts.then(|| "0123456789abcdef0123456789abcdef".to_owned());
        Box::new(OurClient { log: self.log.clone(), desk: Desk::new(index), fingerprint })
    }
}

struct OurClient {
    log: EventLog,
    desk: Desk,
    fingerprint: Option<String>,
}

impl Client for OurClient {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let command = self.desk.next();
        let context = context(self.fingerprint.clone());
        Box::pin(async move {
            let id = command.workbook_id.to_string();
            let prepare = |_| std::future::ready(Ok::<_, workbook::Error>(command.clone()));
            self.log.execute::<Workbook, u32, _, _>(&context, &id, prepare, |state, _| state.answered).await?;
            Ok(())
        })
    }
}

/// A command of a learner.
pub(crate) fn context(fingerprint: Option<String>) -> CommandContext {
    CommandContext {
        tenant: "main".into(),
        actor: "learner".into(),
        command_id: new_id(),
        fingerprint,
        correlation_id: new_id(),
        causation_id: new_id(),
        expected_sequence: None,
    }
}
