//! Push messages, by a gateway over HTTP that knows people's devices.
//!
//! `POST` of JSON with `notification_id`, `learner_id`, `topic`, `title` and `body`, under a bearer token. The notification's id
//! is the `Idempotency-Key`, so that a gateway takes a repeated message once.

use std::time::Duration;

use baeum_commands::notification::deliver::{Failure, Message};
use futures::future::BoxFuture;
use reqwest::{StatusCode, Url, redirect};
use serde::Serialize;

use super::sender::{Sender, lasting, passing, unsent};

const PATIENCE: Duration = Duration::from_secs(10);

/// Why push cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The URL of the gateway.
    #[error("is no URL of a push gateway: give one such as https://push.example.org/messages")]
    Url,
    /// The HTTP client.
    #[error("cannot be used: {0}")]
    Client(#[from] reqwest::Error),
}

/// Sends push messages.
pub struct PushSender {
    http: reqwest::Client,
    url: Url,
    token: Option<String>,
}

#[derive(Serialize)]
struct PushMessage<'a> {
    notification_id: String,
    learner_id: String,
    topic: &'a str,
    title: &'a str,
    body: &'a str,
}

impl PushSender {
    /// Push by the gateway at `url`, which is given `token` if there is one. Nothing is connected yet.
    ///
    /// # Errors
    /// When the URL is no http(s) URL, or no client can be made.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, PushError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = Url::parse(url).ok().filter(|it| matches!(it.scheme(), "http" | "https")).ok_or(PushError::Url)?;
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).build()?;
        Ok(Self { http, url, token })
    }
}

impl Sender for PushSender {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let body = PushMessage {
                notification_id: message.notification_id.to_string(),
                learner_id: message.learner_id.to_string(),
                topic: message.topic.as_str(),
                title: &message.rendered.subject,
                body: message.rendered.text.trim(),
            };
            let request = self.http.post(self.url.clone()).header("Idempotency-Key", &body.notification_id).json(&body);
            let request = match &self.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let status = request.send().await.map_err(|error| unsent(&error))?.status();
            match status {
                status if status.is_success() => Ok(()),
                // No device, or a message that the gateway will never take. A token that is wrong can be mended.
                StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::UNPROCESSABLE_ENTITY => {
                    Err(lasting(format!("http-{}", status.as_u16())))
                }
                status => Err(passing(format!("http-{}", status.as_u16()))),
            }
        })
    }
}
