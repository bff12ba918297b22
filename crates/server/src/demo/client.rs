//! A client of the public HTTP API that repeats what was not answered, with the same key.

use std::time::Duration;

use reqwest::{Method, StatusCode, header::RETRY_AFTER};
use serde_json::Value;

/// How often a request is repeated before the client gives up.
const TRIES: u32 = 6;

/// Why the client cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The URL is none.
    #[error("'{0}' is not the URL of a server: give one such as http://127.0.0.1:8080")]
    Url(String),
    /// Nobody answers.
    #[error("no server answers at {url} ({reason}): start one with `baeum serve`, or give its --url")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server refused.
    #[error("{method} {path} was answered {status}: {detail}")]
    Refused {
        /// What was asked.
        method: Method,
        /// Of what.
        path: String,
        /// The status.
        status: StatusCode,
        /// What the server said.
        detail: String,
    },
    /// The answer has not the shape that the API promises.
    #[error("the answer to {0} lacks '{1}'")]
    Shape(String, &'static str),
}

/// A client, signed in or not.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// A client of the server at `url`.
    pub(crate) fn new(url: &str) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(ClientError::Url(url.to_owned()));
        }
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build();
        Ok(Self { http: http.map_err(|_| ClientError::Url(url.to_owned()))?, base, token: None })
    }

    /// The same client, signed in.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Checks that a server is there.
    pub(crate) async fn ready(&self) -> Result<(), ClientError> {
        match self.http.get(format!("{}/health/ready", self.base)).send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(self.unreachable(format!("it is not ready: {}", answer.status()))),
            Err(error) => Err(self.unreachable(reason(&error))),
        }
    }

    /// Asks a query.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.send(Method::GET, path, None, None).await
    }

    /// Sends a command; `key` makes it safe to repeat.
    pub(crate) async fn post(&self, path: &str, key: &str, body: Value) -> Result<Value, ClientError> {
        self.send(Method::POST, path, Some(key), Some(body)).await
    }

    /// Sends a change; `key` makes it safe to repeat.
    pub(crate) async fn patch(&self, path: &str, key: &str, body: Value) -> Result<Value, ClientError> {
        self.send(Method::PATCH, path, Some(key), Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> Result<Value, ClientError> {
        let mut pause = Duration::from_millis(200);
        for attempt in 1.. {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            if let Some(body) = &body {
                request = request.json(body);
            }
            let last = attempt == TRIES;
            match request.send().await {
                Err(error) if last => return Err(self.unreachable(reason(&error))),
                Err(_) => {}
                Ok(answer) => {
                    let status = answer.status();
                    if status.is_success() {
                        return answer.json().await.map_err(|error| self.unreachable(reason(&error)));
                    }
                    let asked = answer.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.parse().ok());
                    // A conflict that passes says when to come again.
                    if last || !may_pass(status) && (status != StatusCode::CONFLICT || asked.is_none()) {
                        let problem: Value = answer.json().await.unwrap_or_default();
                        let detail = problem["detail"].as_str().unwrap_or("no reason given").to_owned();
                        return Err(ClientError::Refused { method, path: path.to_owned(), status, detail });
                    }
                    pause = asked.map_or(pause, Duration::from_secs);
                }
            }
            tokio::time::sleep(pause.min(Duration::from_secs(5))).await;
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Unreachable { url: self.base.clone(), reason }
    }
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS
}

/// The innermost reason of an error of the HTTP client.
fn reason(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
