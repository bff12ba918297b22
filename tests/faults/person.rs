//! A client who repeats a command with its key until it is answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    ledger::{Kind, Ledger, command_id},
    support::{Answer, PASSWORD, account, send},
};

/// How long a client waits for one answer.
const ONE_ANSWER: Duration = Duration::from_secs(6);
/// How long a command may stay without one, whatever is done to the servers.
const PATIENCE: Duration = Duration::from_secs(150);

/// The client went away and left a command without knowing what became of it.
#[derive(Debug)]
pub(crate) struct WentAway;

/// Someone at one server, with an account.
pub(crate) struct Person {
    http: reqwest::Client,
    base: String,
    ledger: Arc<Ledger>,
    /// The address to sign in with.
    pub(crate) email: String,
    password: String,
    /// Nobody until registered or signed in.
    pub(crate) id: Uuid,
    token: Option<String>,
    rng: Rng,
    /// One in so many failures makes the client go away for good; 0 for never.
    fickle: u32,
}

impl Person {
    /// Someone who has an account, or is about to register.
    pub(crate) fn new(base: &str, ledger: Arc<Ledger>, email: &str, password: &str, rng: Rng) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(ONE_ANSWER).build().expect("a client");
        let (base, email, password) = (base.to_owned(), email.to_owned(), password.to_owned());
        Self { http, base, ledger, email, password, id: Uuid::nil(), token: None, rng, fickle: 0 }
    }

    /// A learner who registers. One in `fickle` failures makes them go away.
    pub(crate) async fn register(
        base: &str,
        ledger: Arc<Ledger>,
        name: &str,
        rng: Rng,
        fickle: u32,
    ) -> Result<Self, WentAway> {
        let email = format!("{name}@example.org");
        let mut person = Self::new(base, ledger, &email, PASSWORD, rng);
        person.fickle = fickle;
        let body = account(&email);
        person.command(Kind::Register, Method::POST, "/v1/users", &format!("register-{name}"), body).await?;
        person.sign_in().await;
        Ok(person)
    }

    /// Signs in, again where needed.
    pub(crate) async fn sign_in(&mut self) {
        let began = Instant::now();
        let body = json!({ "email": self.email, "password": self.password });
        loop {
            match send(self.request(Method::POST, "/v1/auth/token").json(&body)).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    self.token = answer.body["access_token"].as_str().map(ToOwned::to_owned);
                    self.id = answer.body["user_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
                    return;
                }
                other => assert!(began.elapsed() < PATIENCE, "{} cannot sign in: {other:?}", self.email),
            }
            self.pause().await;
        }
    }

    /// Sends a command with its key until it is answered.
    pub(crate) async fn command(
        &mut self,
        kind: Kind,
        method: Method,
        path: &str,
        key: &str,
        body: Value,
    ) -> Result<Value, WentAway> {
        let id = command_id(self.id, key);
        self.ledger.send(id, kind);
        let began = Instant::now();
        loop {
            let request = self.request(method.clone(), path).header("Idempotency-Key", key).json(&body);
            let answer = send(request).await;
            match answer {
                Ok(answer) if answer.status.is_success() => {
                    let position = answer.body["position"].as_i64().expect("a command answers its position");
                    self.ledger.acknowledge(id, position, answer.headers.contains_key("idempotency-replayed"));
                    return Ok(answer.body);
                }
                Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => self.sign_in().await,
                Ok(answer) if !may_pass(&answer) => {
                    self.ledger.complain(format!("{method} {path} of {} was refused: {:#}", self.email, answer.body));
                    return Err(WentAway);
                }
                other if began.elapsed() > PATIENCE => {
                    self.ledger.complain(format!("{method} {path} of {} was not answered: {other:?}", self.email));
                    return Err(WentAway);
                }
                // Only a failure of which the outcome is not known is worth going away for.
                Err(_) if self.fickle > 0 && self.rng.u32(0..self.fickle) == 0 => return Err(WentAway),
                _ => {}
            }
            self.pause().await;
        }
    }

    /// A query, `None` where it is not answered well.
    pub(crate) async fn get(&mut self, path: &str) -> Option<Value> {
        let mut answer = send(self.request(Method::GET, path)).await.ok()?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.sign_in().await;
            answer = send(self.request(Method::GET, path)).await.ok()?;
        }
        (answer.status == StatusCode::OK).then_some(answer.body)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(20..150))).await;
    }
}

/// Whether the same command may be answered otherwise in a moment.
fn may_pass(answer: &Answer) -> bool {
    let kind = answer.body["type"].as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
    match answer.status.as_u16() {
        // The level of a learner follows from the test by a saga.
        409 => ["idempotency-key-in-flight", "contended", "no-level", "evaluation-pending"].contains(&kind),
        429 | 502 | 503 => true,
        _ => false,
    }
}
