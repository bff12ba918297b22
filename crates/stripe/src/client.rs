//! Sending requests: deadlines, repeats, and what an end says about what was done.

use std::{
    fmt::{self, Debug, Formatter},
    time::Duration,
};

use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde::de::DeserializeOwned;

use crate::{
    error::{Doubt, Error, Refusal},
    failure::{Failure, innermost, no_answer, refused, unsettled},
    form::{Form, Invalid},
    idempotency::IdempotencyKey,
    retry::{Jitter, Retry},
    secret::Secret,
};

/// The version of the API that this client speaks. What is used of it has not changed since 2022-11-15.
pub const API_VERSION: &str = "2025-09-30.clover";

const VERSION: HeaderName = HeaderName::from_static("stripe-version");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The longest answer that is read, in bytes: a page of 100 objects is far below.
const LONGEST_ANSWER: usize = 8 << 20;

/// Where the API is, and how to speak to it.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://api.stripe.com`, or the address of a local gateway.
    pub base_url: String,
    /// The account's secret or restricted key, `sk_…` or `rk_…`.
    pub secret_key: Secret,
    /// How long one try may take in all. Banks take seconds: below some 30 s good answers are missed.
    pub timeout: Duration,
    /// How long connecting may take of that.
    pub connect_timeout: Duration,
    /// How requests are repeated.
    pub retry: Retry,
}

impl Config {
    /// Stripe itself with this key.
    pub fn stripe(secret_key: Secret) -> Self {
        Self {
            base_url: "https://api.stripe.com".to_owned(),
            secret_key,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            retry: Retry::default(),
        }
    }
}

/// A client of the API. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    retry: Retry,
    jitter: Jitter,
}

impl Debug for Client {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base_url", &self.base_url).field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// A request, to be sent as often as needed.
struct Request<'a> {
    method: Method,
    path: String,
    form: Form,
    key: Option<&'a IdempotencyKey>,
}

impl Client {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address or the key is none, no try is allowed, or a key for real money would go unencrypted.
    pub fn new(config: &Config, jitter: Jitter) -> Result<Self, Invalid> {
        let wrong = |text: String| Err(Invalid::Config(text));
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let plain = match Url::parse(&base_url) {
            Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => url.scheme() == "http",
            _ => {
                return wrong(format!(
                    "'{base_url}' is no address of a payment API: give one such as https://api.stripe.com"
                ));
            }
        };
        let key = config.secret_key.expose();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if !(key.starts_with("sk_") || key.starts_with("rk_")) || !visible {
            return wrong("the payment API's secret key begins with sk_ or rk_: this one does not".to_owned());
        }
        if plain && (key.starts_with("sk_live_") || key.starts_with("rk_live_")) {
            return wrong(format!("a key for real money is not sent unencrypted: '{base_url}' must begin with https"));
        }
        if config.retry.tries == 0 {
            return wrong("a request must be sent at least once: tries is 0".to_owned());
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {key}")).expect("visible ASCII is a header");
        authorization.set_sensitive(true);
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, authorization), (VERSION, HeaderValue::from_static(API_VERSION))]);
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(config.timeout)
            .connect_timeout(config.connect_timeout)
            // The key goes nowhere but to the address that was given.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("baeum/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Invalid::Config(format!("the HTTP client cannot be made: {}", innermost(&error))))?;
        Ok(Self { http, base_url, retry: config.retry, jitter })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String, form: Form) -> Result<T, Error> {
        self.send(&Request { method: Method::GET, path, form, key: None }).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: String,
        form: Form,
        key: &IdempotencyKey,
    ) -> Result<T, Error> {
        self.send(&Request { method: Method::POST, path, form, key: Some(key) }).await
    }

    /// Deleting twice is deleting once, so it needs no key.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        self.send(&Request { method: Method::DELETE, path, form: Form::default(), key: None }).await
    }

    /// Sends a request until it is answered, a repeat is no use, or it was tried often enough.
    ///
    /// A doubt stays: when the first try may have done it and the last one was not even sent, it may have been done. Only
    /// an answer that the API gives by the key settles it.
    async fn send<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, Error> {
        let mut doubt = None;
        for failed in 1.. {
            let failure = match self.attempt(request).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if request.method != Method::GET {
                doubt = failure.doubt.or(doubt);
            }
            let too_long = failure.after.is_some_and(|after| after > self.retry.cap);
            if !failure.repeat || failed >= self.retry.tries || too_long {
                return Err(unsettled(failure, doubt));
            }
            let pause = self.retry.pause(failed, (self.jitter)());
            tokio::time::sleep(failure.after.map_or(pause, |after| pause.max(after))).await;
        }
        unreachable!("the last try returns")
    }

    async fn attempt<T: DeserializeOwned>(&self, request: &Request<'_>) -> Result<T, Failure> {
        let mut url = format!("{}{}", self.base_url, request.path);
        let encoded = request.form.encode();
        if request.method == Method::GET && !encoded.is_empty() {
            url = format!("{url}?{encoded}");
        }
        let mut sent = self.http.request(request.method.clone(), url);
        if request.method == Method::POST {
            sent = sent.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(encoded);
        }
        if let Some(key) = request.key {
            sent = sent.header(KEY, key.as_str());
        }
        let answer = sent.send().await.map_err(|error| no_answer(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = read(answer).await?;
        let request_id = headers.get(REQUEST_ID).and_then(|it| it.to_str().ok()).map(ToOwned::to_owned);
        tracing::debug!(method = %request.method, path = request.path, status = status.as_u16(), request_id, "payment API");
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| Failure {
                error: Error::Unavailable {
                    reason: format!("its answer has not the shape that was promised: {error}"),
                },
                // It was done, but what it is cannot be told; a repeat would read the same.
                doubt: Some(Doubt::SavedServerError),
                repeat: false,
                after: None,
            });
        }
        Err(refused(&headers, Refusal::read(status.as_u16(), &body, request_id)))
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut body = vec![];
    while let Some(chunk) = answer.chunk().await.map_err(|error| no_answer(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            let reason = format!("its answer is longer than {LONGEST_ANSWER} bytes");
            let doubt = Some(Doubt::SavedServerError);
            return Err(Failure { error: Error::Unavailable { reason }, doubt, repeat: false, after: None });
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn client(base_url: &str, key: &str) -> Result<Client, Invalid> {
        let config = Config { base_url: base_url.to_owned(), ..Config::stripe(Secret::new(key)) };
        Client::new(&config, Arc::new(|| 0.5))
    }

    #[test]
    fn a_client_without_a_usable_address_or_key_is_refused_with_a_reason() {
        assert!(client("https://api.stripe.com", "sk_test_1").is_ok());
        assert!(client("http://127.0.0.1:8090/", "sk_test_1").is_ok());
        for (base_url, key) in [
            ("api.stripe.com", "sk_test_1"),
            ("ftp://api.stripe.com", "sk_test_1"),
            ("https://api.stripe.com", "pk_test_1"),
            ("https://api.stripe.com", ""),
            ("https://api.stripe.com", "sk_test_1\n"),
            ("http://127.0.0.1:8090", "sk_live_1"),
        ] {
            let error = client(base_url, key).expect_err("refused").to_string();
            assert!(key.is_empty() || !error.contains(key), "{error}");
        }
    }

    #[test]
    fn neither_the_client_nor_its_configuration_shows_the_key() {
        let config = Config::stripe(Secret::new("sk_test_4711"));
        let client = Client::new(&config, Arc::new(|| 0.5)).expect("a client");
        for shown in [format!("{config:?}"), format!("{client:?}")] {
            assert!(!shown.contains("4711"), "{shown}");
        }
    }
}
