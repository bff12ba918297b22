//! Asking the service.

use std::{
    fmt::{self, Debug, Formatter},
    time::{Duration, Instant},
};

use baeum_domain::learning::evaluation::{Evaluating, EvaluatorError, ModelRef, Question, ServedEvaluator, Verdict};
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect,
};
use sha2::{Digest as _, Sha256};

use crate::{
    breaker::{Breaker, Now},
    prompt::{self, PROMPT_VERSION},
    verdict,
};

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;
/// After how many failures in a row the service counts as away.
const FAILURES: u32 = 5;

/// A key, which is shown nowhere.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` without white space at its ends.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where the service is, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name and version of the model, as verdicts are to state it.
    pub model_id: String,
    /// The address before `/chat/completions`, for instance `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model, as the service names it.
    pub model: String,
    /// The key of the service, where it wants one.
    pub key: Option<Secret>,
    /// How long one question may take, however long somebody waits.
    pub timeout: Duration,
    /// For how long nothing is asked once the service is away.
    pub pause: Duration,
}

/// Why there is no evaluator.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The address is none.
    #[error("'{0}' is no address of a chat service: give one such as https://api.openai.com/v1")]
    Address(String),
    /// The key would go unencrypted.
    #[error("a key is not sent unencrypted but to this machine: '{0}' must begin with https")]
    Unencrypted(String),
    /// The key is no header.
    #[error("the key of the chat service has characters that no key has")]
    Key,
    /// The client cannot be made.
    #[error("the HTTP client of the chat service cannot be made: {0}")]
    Client(reqwest::Error),
}

/// Asks a language model. Cheap to ask from many tasks at once.
pub struct ChatEvaluator {
    http: reqwest::Client,
    url: Url,
    model: ModelRef,
    name: String,
    timeout: Duration,
    breaker: Breaker,
}

/// How a question ends that gets no verdict.
enum Trouble {
    /// The service did not answer as a service does.
    Away(String),
    /// The model answered, with no verdict.
    Unread(verdict::Unread),
}

impl ChatEvaluator {
    /// An evaluator. Nothing is sent yet. `now` tells the circuit breaker the time.
    ///
    /// # Errors
    /// An address that is none, or a key that cannot be sent.
    pub fn new(settings: &Settings, now: Now) -> Result<Self, ChatError> {
        let Settings { model_id, base_url, model, key, timeout, pause } = settings;
        let address = || ChatError::Address(base_url.clone());
        let url = Url::parse(&format!("{}/chat/completions", base_url.trim_end_matches('/'))).map_err(|_| address())?;
        if !url.has_host() || !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() {
            return Err(address());
        }
        if key.is_some() && url.scheme() == "http" && !is_here(&url) {
            return Err(ChatError::Unencrypted(base_url.clone()));
        }
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(Secret(key)) = key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ChatError::Key)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(*timeout)
            // Neither the key nor an answer goes anywhere but to the address that was given.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("baeum/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ChatError::Client)?;
        let weights_hash = settings_hash(model, &url);
        Ok(Self {
            http,
            url,
            model: ModelRef { model_id: model_id.clone(), weights_hash },
            name: model.clone(),
            timeout: *timeout,
            breaker: Breaker::new(FAILURES, *pause, now),
        })
    }

    async fn ask(&self, question: &Question) -> Result<verdict::Found, Trouble> {
        let away = |error: reqwest::Error| Trouble::Away(innermost(&error));
        let body = prompt::request(&self.name, question).to_string();
        let mut answer = self.http.post(self.url.clone()).body(body).send().await.map_err(away)?;
        if !answer.status().is_success() {
            return Err(Trouble::Away(format!("it answered with status {}", answer.status().as_u16())));
        }
        let mut body = vec![];
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(Trouble::Unread(verdict::Unread::TooMuch));
            }
        }
        verdict::read(&body, &question.text).map_err(Trouble::Unread)
    }
}

impl ServedEvaluator for ChatEvaluator {
    fn evaluate(&self, question: Question, patience: Duration) -> Evaluating<'_> {
        Box::pin(async move {
            let model_id = || self.model.model_id.clone();
            let unavailable = |reason| EvaluatorError::Unavailable { model_id: model_id(), reason };
            let Some(permit) = self.breaker.enter() else {
                return Err(unavailable("it did not answer before, and is asked again in a while".to_owned()));
            };
            let (began, patience) = (Instant::now(), patience.min(self.timeout));
            let asked = tokio::time::timeout(patience, self.ask(&question)).await;
            metrics::histogram!("baeum_chat_seconds", "model" => model_id()).record(began.elapsed().as_secs_f64());
            match asked {
                Ok(Ok(verdict::Found { score, spans })) => {
                    permit.succeed();
                    let ModelRef { model_id, weights_hash } = self.model.clone();
                    let latency_us = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
                    Ok(Verdict { score, spans, model_id, weights_hash, latency_us, meaning: None })
                }
                Ok(Err(Trouble::Unread(reason))) => {
                    permit.succeed();
                    Err(EvaluatorError::Failed { model_id: model_id(), reason: reason.to_string() })
                }
                Ok(Err(Trouble::Away(reason))) => {
                    permit.fail();
                    Err(unavailable(reason))
                }
                Err(_) => {
                    permit.fail();
                    Err(EvaluatorError::Late { model_id: model_id(), patience })
                }
            }
        })
    }

    fn model(&self) -> &ModelRef {
        &self.model
    }
}

/// SHA-256 of what decides the answers and can be known here: the model's name, the prompt's version and the host.
fn settings_hash(model: &str, url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    hex::encode(Sha256::digest(format!("{model}\n{PROMPT_VERSION}\n{host}")))
}

/// Whether an address is of this machine.
fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// What is at the bottom of an error: the layers above it repeat the address.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
