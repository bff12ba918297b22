//! The handle through which everything is done.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use baeum_domain::{
    Clock, Entropy,
    assessment::testing::AdaptiveTest,
    catalog::Catalog,
    kit::carrier::Carrier,
    learning::{evaluation::EvaluatorRegistry, planning::LessonPlanner, speech::Listener},
    recommendation::recommending::Recommender,
    review::scheduling::ReviewScheduler,
    subscription::{gateway::MaybeGateway, policy::BillingPolicy},
};
use baeum_eventlog::EventLog;
use tokio::sync::Semaphore;

use crate::{
    keys::KeyService,
    learning::{self, deployment::Deployments},
    notification,
    vault::Vault,
};

/// The models and the content that commands need.
#[derive(Clone)]
pub struct Ports {
    /// Items, clips and titles.
    pub catalog: Arc<Catalog>,
    /// Evaluate answers.
    pub evaluators: Arc<dyn EvaluatorRegistry>,
    /// Judges how texts are spoken, where there is a model for it.
    pub listener: Option<Arc<dyn Listener>>,
    /// Runs the level test.
    pub test: Arc<dyn AdaptiveTest>,
    /// Plans lessons.
    pub planner: Arc<dyn LessonPlanner>,
    /// Recommends titles and clips.
    pub recommender: Arc<dyn Recommender>,
    /// Schedules reviews.
    pub scheduler: Arc<dyn ReviewScheduler>,
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
    pub(crate) settings: notification::Settings,
    pub(crate) gateway: MaybeGateway,
    pub(crate) billing: Arc<BillingPolicy>,
    pub(crate) carrier: Option<Arc<dyn Carrier>>,
    pub(crate) patience: Duration,
    pub(crate) late: Arc<Semaphore>,
    pub(crate) deployments: Deployments,
}

impl Commands {
    /// Commands on `log` with the models and content of `ports`.
    pub fn new(log: EventLog, ports: Ports) -> Self {
        let vault = Vault::new(log.pool().clone(), log.clock().clone(), ports.entropy.clone(), ports.keys.clone());
        let settings = notification::Settings::default();
        Self {
            log,
            ports,
            vault,
            settings,
            gateway: None,
            billing: Arc::default(),
            carrier: None,
            patience: learning::PATIENCE,
            late: Arc::new(Semaphore::new(learning::LATE)),
            deployments: Deployments::default(),
        }
    }

    /// The same commands where notifications are set up so.
    #[must_use]
    pub fn with_notifications(self, settings: notification::Settings) -> Self {
        Self { settings, ..self }
    }

    /// The same with a payment gateway. Without one, charges and refunds wait, and nothing is lost.
    #[must_use]
    pub fn with_gateway(self, gateway: MaybeGateway) -> Self {
        Self { gateway, ..self }
    }

    /// The payment gateway, where there is one.
    pub fn payment_gateway(&self) -> &MaybeGateway {
        &self.gateway
    }

    /// The same with what the operator decided about billing.
    #[must_use]
    pub fn with_billing(self, policy: BillingPolicy) -> Self {
        Self { billing: Arc::new(policy), ..self }
    }

    /// What the operator decided about billing.
    pub fn billing(&self) -> &BillingPolicy {
        &self.billing
    }

    /// The same with a carrier that kits are handed to. Without one they wait.
    #[must_use]
    pub fn with_carrier(self, carrier: Arc<dyn Carrier>) -> Self {
        Self { carrier: Some(carrier), ..self }
    }

    /// The same where a learner waits so long for a verdict, before the attempt is taken in without one.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The models that evaluate answers.
    pub fn evaluators(&self) -> &dyn EvaluatorRegistry {
        self.ports.evaluators.as_ref()
    }

    /// The same where evaluators let no more than so many answers wait: no more are then evaluated late at once, which would
    /// only refuse each other.
    #[must_use]
    pub fn with_evaluators_that_let_wait(self, most: NonZeroUsize) -> Self {
        Self { late: Arc::new(Semaphore::new(most.get().min(learning::LATE))), ..self }
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
