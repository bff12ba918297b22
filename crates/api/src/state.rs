//! What the handlers share.

use std::{ops::Deref, sync::Arc};

use baeum_commands::{Commands, EventLog};
use baeum_domain::{Clock, catalog::Catalog};
use baeum_projections::{Models, Projection};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    keys::{KeyError, KeyRing},
    min_position::Positions,
    throttle::Throttle,
};

/// Whether something is connected at this moment.
pub type Connected = Arc<dyn Fn() -> bool + Send + Sync>;

/// What the API is made of.
pub struct ApiConfig {
    /// Whose log is served.
    pub tenant: String,
    /// Everything that can be done.
    pub commands: Commands,
    /// The models of the read models.
    pub models: Models,
    /// The read models.
    pub registry: Vec<Arc<dyn Projection>>,
    /// Renders the metrics of the process.
    pub metrics: PrometheusHandle,
    /// Whether the broker is connected, where there is one.
    pub broker_connected: Option<Connected>,
    /// Ends the streams when the server drains.
    pub stop: CancellationToken,
    /// `embedded` or `production`, for whoever asks.
    pub mode: &'static str,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

/// The inside of [`ApiState`].
pub struct Shared {
    pub(crate) tenant: String,
    pub(crate) commands: Commands,
    pub(crate) models: Models,
    pub(crate) registry: Vec<Arc<dyn Projection>>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) broker_connected: Option<Connected>,
    pub(crate) stop: CancellationToken,
    pub(crate) mode: &'static str,
    pub(crate) keys: KeyRing,
    pub(crate) positions: Positions,
    pub(crate) throttle: Throttle,
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
    /// When the keys cannot be read.
    pub async fn new(config: ApiConfig) -> Result<Self, KeyError> {
        let ApiConfig { tenant, commands, models, registry, metrics, broker_connected, stop, mode } = config;
        let keys = KeyRing::load(&commands).await?;
        Ok(Self(Arc::new(Shared {
            tenant,
            commands,
            models,
            registry,
            metrics,
            broker_connected,
            stop,
            mode,
            keys,
            positions: Positions::new(),
            throttle: Throttle::new(),
        })))
    }

    pub(crate) fn log(&self) -> &EventLog {
        self.commands.log()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.commands.log().clock().as_ref()
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.commands.catalog()
    }
}
