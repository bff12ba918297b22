//! What the handlers share.

use std::{ops::Deref, sync::Arc};

use baeum_domain::{Clock, catalog::Catalog, subscription::gateway::Gateway};
use baeum_projections::{Models, Projection};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    min_position::Positions,
    tenants::{Desk, Directory, ServeError, ServedShard},
    throttle::Throttle,
};

/// Whether something is connected at this moment.
pub type Connected = Arc<dyn Fn() -> bool + Send + Sync>;

/// Moves the clock of a platform on which time is travelled, and tells how far it came in the time that a request has.
pub type Travel = Arc<dyn Fn(DateTime<Utc>) -> BoxFuture<'static, Result<DateTime<Utc>, TravelError>> + Send + Sync>;

/// Why the clock was not moved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TravelError {
    /// A rule refuses it.
    #[error("{0}")]
    Refused(String),
    /// The log cannot be reached.
    #[error("{0}")]
    Unavailable(String),
}

/// What the API is made of.
pub struct ApiConfig {
    /// The shards, each with its tenants. Who names no tenant is of the first.
    pub shards: Vec<ServedShard>,
    /// The models of the read models.
    pub models: Models,
    /// The read models.
    pub registry: Vec<Arc<dyn Projection>>,
    /// Renders the metrics of the process.
    pub metrics: PrometheusHandle,
    /// Ends the streams when the server drains.
    pub stop: CancellationToken,
    /// `embedded` or `production`, for whoever asks.
    pub mode: &'static str,
    /// Moves the clock, where it stands still until it is moved.
    pub travel: Option<Travel>,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// The inside of [`ApiState`].
pub struct Shared {
    pub(crate) directory: Directory,
    pub(crate) models: Models,
    pub(crate) registry: Vec<Arc<dyn Projection>>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) stop: CancellationToken,
    pub(crate) mode: &'static str,
    pub(crate) positions: Positions,
    pub(crate) throttle: Throttle,
    pub(crate) travel: Option<Travel>,
}

impl Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl ApiState {
    /// Reads the signing keys and is ready.
    ///
    /// # Errors
    /// When the keys cannot be read, or a tenant has two shards.
    pub async fn new(config: ApiConfig) -> Result<Self, ServeError> {
        let ApiConfig { shards, models, registry, metrics, stop, mode, travel } = config;
        let directory = Directory::open(shards).await?;
        Ok(Self(Arc::new(Shared {
            directory,
            models,
            registry,
            metrics,
            stop,
            mode,
            positions: Positions::new(),
            throttle: Throttle::new(),
            travel,
        })))
    }

    /// The clock, which all shards share.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.any().commands.log().clock().as_ref()
    }

    /// The payment gateway, where there is one: all shards share it.
    pub(crate) fn payment_gateway(&self) -> Option<&dyn Gateway> {
        self.any().commands.payment_gateway().as_deref()
    }

    /// The catalogue, which all shards share.
    pub(crate) fn catalog(&self) -> &Catalog {
        self.any().commands.catalog()
    }

    /// What is the same in every shard, such as who signs the carrier's messages.
    pub(crate) fn any_commands(&self) -> &baeum_commands::Commands {
        &self.any().commands
    }

    fn any(&self) -> &Desk {
        self.directory.desks().first().expect("a directory has a shard")
    }
}
