//! The broker: a JetStream stream that carries the log to other processes.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{DeliverPolicy, ReplayPolicy, pull},
    stream::{Config, RetentionPolicy, StorageType},
};
use futures::StreamExt;
use tokio::sync::watch;

use crate::error::LogError;

/// The headers by which the broker refuses a message that does not come right after the one that they name: by its
/// sequence, and by its id.
pub(crate) const FENCE: &str = "Nats-Expected-Last-Sequence";
pub(crate) const CHAIN: &str = "Nats-Expected-Last-Msg-Id";
/// The header with a message's id: the event's position.
pub(crate) const POSITION: &str = "Nats-Msg-Id";
/// The header with an event's id.
pub(crate) const EVENT_ID: &str = "ce-id";

/// A connection to NATS and the stream that carries the log.
#[derive(Clone)]
pub struct Broker {
    pub(crate) client: async_nats::Client,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) stream: String,
    /// How many servers are to keep the stream; `None` leaves it as it is.
    replicas: Option<usize>,
    /// The head of the log as other processes have told it.
    pub(crate) heard: watch::Receiver<i64>,
}

impl Broker {
    /// Connects, and creates the stream where it does not exist. Its subjects are `<stream>.>`. `url` may name several
    /// servers of a cluster, with commas between them.
    ///
    /// # Errors
    /// When no server can be reached, it has no JetStream, or refuses the stream.
    pub async fn connect(url: &str, stream: &str) -> Result<Self, LogError> {
        Self::connect_replicated(url, stream, None).await
    }

    /// The same with so many servers that keep the stream; `None` leaves a stream as it is and makes a new one on one
    /// server.
    ///
    /// # Errors
    /// As [`Broker::connect`].
    pub async fn connect_replicated(url: &str, stream: &str, replicas: Option<usize>) -> Result<Self, LogError> {
        let shown = url.split(',').map(without_secret).collect::<Vec<_>>().join(",");
        let refused = |error: String| LogError::Broker(format!("no connection to {shown}: {error}"));
        let client = async_nats::ConnectOptions::new()
            .name("baeum")
            .connection_timeout(Duration::from_secs(5))
            .connect(servers(url).map_err(refused)?)
            .await
            .map_err(|error| refused(error.to_string()))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(Duration::from_secs(3));
        let heard = listen(&client, head_subject(stream)).await?;
        let broker = Self { client, jetstream, stream: stream.to_owned(), replicas, heard };
        broker.ensure_stream().await?;
        Ok(broker)
    }

    /// Creates the stream where it does not exist, and gives it the replicas that are asked for.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn ensure_stream(&self) -> Result<(), LogError> {
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.>", self.stream)],
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: self.replicas.unwrap_or(1),
            // Message ids are there to be named by the next message; what is known to be stored is not sent again.
            duplicate_window: Duration::from_secs(1),
            ..Config::default()
        };
        let refused = |error: String| {
            LogError::Broker(format!(
                "stream '{}' cannot be created or changed (is JetStream on, and are there servers for its replicas?): \
                 {error}",
                self.stream
            ))
        };
        let stream = self.jetstream.get_or_create_stream(config).await.map_err(|error| refused(error.to_string()))?;
        let mut found = stream.cached_info().config.clone();
        if let Some(replicas) = self.replicas.filter(|wanted| *wanted != found.num_replicas) {
            found.num_replicas = replicas;
            self.jetstream.update_stream(found).await.map_err(|error| refused(error.to_string()))?;
        }
        Ok(())
    }

    /// The name of the stream that carries the log.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The stream with what the broker says of it at this moment.
    pub(crate) async fn ask_stream(&self) -> Result<jetstream::stream::Stream, LogError> {
        let found = self.jetstream.get_stream(&self.stream).await;
        found.map_err(|error| LogError::Broker(format!("stream '{}' does not answer: {error}", self.stream)))
    }

    /// Whether the connection stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Messages from now on, in order.
    pub(crate) async fn follow(&self) -> Result<pull::Ordered, LogError> {
        let broken = |error: String| LogError::Broker(format!("stream '{}' cannot be followed: {error}", self.stream));
        let stream = self.ask_stream().await?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::New,
            replay_policy: ReplayPolicy::Instant,
            ..pull::OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| broken(error.to_string()))?;
        consumer.messages().await.map_err(|error| broken(error.to_string()))
    }

    /// Tells other processes of every new head that this one learns of first, the latest only. Ends when the log is
    /// dropped.
    pub(crate) async fn announce(self, mut head: watch::Receiver<i64>) {
        while head.changed().await.is_ok() {
            let position = *head.borrow_and_update();
            if position > *self.heard.borrow() {
                // A word that is lost costs whoever waits for it one poll interval.
                let _ = self.client.publish(head_subject(&self.stream), position.to_string().into()).await;
            }
        }
    }
}

/// The subject on which processes tell each other that the log has grown. It is not part of the stream.
fn head_subject(stream: &str) -> String {
    format!("{stream}-head")
}

/// Follows what is told on `subject`, until nobody wants to know it.
async fn listen(client: &async_nats::Client, subject: String) -> Result<watch::Receiver<i64>, LogError> {
    let mut words = client.subscribe(subject).await.map_err(|error| LogError::Broker(error.to_string()))?;
    let (heard, receiver) = watch::channel(0);
    tokio::spawn(async move {
        loop {
            let word = tokio::select! {
                word = words.next() => word,
                () = heard.closed() => None,
            };
            let Some(word) = word else { return };
            let position = std::str::from_utf8(&word.payload).ok().and_then(|it| it.parse::<i64>().ok());
            heard.send_if_modified(|known| {
                let news = position.filter(|it| it > known);
                *known = news.unwrap_or(*known);
                news.is_some()
            });
        }
    });
    Ok(receiver)
}

fn servers(urls: &str) -> Result<Vec<async_nats::ServerAddr>, String> {
    urls.split(',').map(|url| url.trim().parse().map_err(|error: std::io::Error| error.to_string())).collect()
}

/// Whether `url` is one that [`Broker::connect`] can try.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), String> {
    servers(url).map(drop)
}

/// A URL as it may be shown: without user name and password.
fn without_secret(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}
