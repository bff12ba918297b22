//! The broker: a JetStream stream that carries the log to other processes.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, ReplayPolicy, pull},
    stream::{Config, RetentionPolicy, StorageType},
};
use tokio::sync::watch;

use crate::error::LogError;

/// A connection to NATS and the stream that carries the log.
#[derive(Clone)]
pub struct Broker {
    pub(crate) client: async_nats::Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) stream: String,
}

impl Broker {
    /// Connects, and creates the stream where it does not exist. Its subjects are `<stream>.>`.
    ///
    /// # Errors
    /// When the server cannot be reached, has no JetStream, or refuses the stream.
    pub async fn connect(url: &str, stream: &str) -> Result<Self, LogError> {
        let client = async_nats::ConnectOptions::new()
            .name("baeum")
            .connection_timeout(Duration::from_secs(5))
            .connect(url)
            .await
            .map_err(|error| LogError::Broker(format!("no connection to {}: {error}", without_secret(url))))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_secs(5));
        let broker = Self { client, jetstream, stream: stream.to_owned() };
        broker.ensure_stream().await?;
        Ok(broker)
    }

    /// Creates the stream where it does not exist.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn ensure_stream(&self) -> Result<(), LogError> {
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.>", self.stream)],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            // The relay repeats what it is not sure of within this window; consumers skip what they know in any case.
            duplicate_window: Duration::from_secs(120),
            ..Config::default()
        };
        self.jetstream.get_or_create_stream(config).await.map_err(|error| {
            LogError::Broker(format!("stream '{}' cannot be created (is JetStream on?): {error}", self.stream))
        })?;
        Ok(())
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Messages from now on, in order.
    pub(crate) async fn follow(&self) -> Result<pull::Ordered, LogError> {
        let broken = |error: String| LogError::Broker(format!("stream '{}' cannot be followed: {error}", self.stream));
        let stream = self.jetstream.get_stream(&self.stream).await.map_err(|error| broken(error.to_string()))?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::New,
            replay_policy: ReplayPolicy::Instant,
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| broken(error.to_string()))?;
        consumer.messages().await.map_err(|error| broken(error.to_string()))
    }

    /// The subject on which processes tell each other that the log has grown. It is not part of the stream.
    pub(crate) fn head_subject(&self) -> String {
        format!("{}-head", self.stream)
    }

    /// Tells the relay of every new head, the latest only. Ends when the log is dropped.
    pub(crate) async fn announce(self, mut head: watch::Receiver<i64>) {
        while head.changed().await.is_ok() {
            let position = *head.borrow_and_update();
            // A word that is lost costs the relay one poll interval.
            let _ = self.client.publish(self.head_subject(), position.to_string().into()).await;
        }
    }
}

/// Whether `url` is one that [`Broker::connect`] can try.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), String> {
    url.parse::<async_nats::ServerAddr>().map(drop).map_err(|error| error.to_string())
}

/// A URL as it may be shown: without user name and password.
fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}
