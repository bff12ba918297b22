//! The handle through which everything is done.

use std::sync::Arc;

use baeum_domain::{
    Clock, Entropy, assessment::testing::AdaptiveTest, catalog::Catalog, learning::evaluation::Evaluator,
    learning::planning::LessonPlanner, learning::speech::Listener, recommendation::recommending::Recommender,
};
use baeum_eventlog::EventLog;

use crate::{keys::KeyService, vault::Vault};

/// The models and the content that commands need.
#[derive(Clone)]
pub struct Ports {
    /// Items, clips and titles.
    pub catalog: Arc<Catalog>,
    /// Evaluates answers.
    pub evaluator: Arc<dyn Evaluator>,
    /// Judges how texts are spoken, where there is a model for it.
    pub listener: Option<Arc<dyn Listener>>,
    /// Runs the level test.
    pub test: Arc<dyn AdaptiveTest>,
    /// Plans lessons.
    pub planner: Arc<dyn LessonPlanner>,
    /// Recommends titles and clips.
    pub recommender: Arc<dyn Recommender>,
    /// Makes keys, nonces and salts.
    pub entropy: Arc<dyn Entropy>,
    /// Wraps the keys of people.
    pub keys: Arc<dyn KeyService>,
}

/// Everything that can be done. Cheap to clone. Each use is a method, in the file of its name.
#[derive(Clone)]
pub struct Commands {
    pub(crate) log: EventLog,
    pub(crate) ports: Ports,
    pub(crate) vault: Vault,
}

impl Commands {
    /// Commands on `log` with the models and content of `ports`.
    pub fn new(log: EventLog, ports: Ports) -> Self {
        let vault = Vault::new(log.pool().clone(), log.clock().clone(), ports.entropy.clone(), ports.keys.clone());
        Self { log, ports, vault }
    }

    /// The log that the commands append to.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// Items, clips and titles.
    pub fn catalog(&self) -> &Catalog {
        &self.ports.catalog
    }

    /// Seals and opens personal text.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.log.clock().as_ref()
    }
}
