//! How a request is worked on: its key, its fault, the books, the journal and the webhooks.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json,
    body::Bytes,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    books::{Answer, Books, Change, Entry},
    card::{self, TestCard},
    courier::Courier,
    desk::{Desk, Operation},
    event::Event,
    fault::{Fault, Plan, Trouble},
    form::Form,
    journal::Journal,
    line::Line,
    payment_method::PaymentMethod,
    problem::Problem,
    settings::{Hands, Settings},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request to change something.
pub(crate) struct Sent {
    pub(crate) path: String,
    /// The id in the path, or nothing.
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) line: Line,
}

impl Sent {
    /// What a repeat with the same key must have in common with it.
    fn hash(&self) -> String {
        let digest = Sha256::new().chain_update(&self.path).chain_update("\n").chain_update(&self.body).finalize();
        hex::encode(digest)
    }
}

/// What the books hold, and where they are kept.
pub(crate) struct State {
    pub(crate) books: Books,
    journal: Option<Journal>,
    /// Whether the gateway has ended: nothing may change any more.
    closed: bool,
}

impl State {
    pub(crate) fn new(books: Books, journal: Option<Journal>) -> Self {
        Self { books, journal, closed: false }
    }

    /// Writes an entry down, then does what it says.
    pub(crate) fn commit(&mut self, entry: Entry) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the gateway has ended"));
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&entry)?;
        }
        self.books.apply(entry);
        Ok(())
    }

    /// Commits changes that no request asked for.
    pub(crate) fn put(&mut self, change: Change) -> io::Result<()> {
        self.commit(Entry { serial: self.books.serial, changes: vec![change] })
    }

    pub(crate) fn close(&mut self) {
        (self.journal, self.closed) = (None, true);
    }
}

/// Whoever panicked in between has changed nothing: an entry is applied whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct Gateway {
    pub(crate) settings: Settings,
    pub(crate) url: String,
    pub(crate) instance: String,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) courier: Option<Courier>,
    /// Makes the clock stand.
    pub(crate) hands: Hands,
    /// How many requests there were with a key.
    attempts: Mutex<HashMap<String, u32>>,
    /// The keys whose first request is being worked on.
    busy: Mutex<HashSet<String>>,
    /// Counts the times that held requests were let go.
    gate: watch::Sender<u64>,
    /// How many are held.
    held: watch::Sender<usize>,
    /// How many requests were answered.
    answers: AtomicU64,
    stop: CancellationToken,
}

/// What a request gets, other than an answer.
pub(crate) struct Lost;

/// That a key is being worked on, until this is dropped.
struct Busy<'a>(&'a Gateway, String);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        lock(&self.0.busy).remove(&self.1);
    }
}

/// That a request is held, until this is dropped.
struct Held<'a>(&'a Gateway);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| *held -= 1);
    }
}

enum Begin<'a> {
    Go(Option<Busy<'a>>),
    Replay(u16, Value),
}

impl Gateway {
    pub(crate) fn new(
        settings: Settings,
        url: String,
        instance: String,
        state: Arc<Mutex<State>>,
        courier: Option<Courier>,
        hands: Hands,
        stop: CancellationToken,
    ) -> Self {
        Self {
            settings,
            url,
            instance,
            state,
            courier,
            hands,
            attempts: Mutex::default(),
            busy: Mutex::default(),
            gate: watch::Sender::new(0),
            held: watch::Sender::new(0),
            answers: AtomicU64::new(0),
            stop,
        }
    }

    pub(crate) fn now(&self) -> i64 {
        (self.settings.clock)()
    }

    /// Works on a request, to its end even when its client goes away: the bank does not notice that either.
    pub(crate) async fn change(self: Arc<Self>, sent: Sent, operation: Operation) -> Response {
        let line = sent.line.clone();
        match tokio::spawn(async move { self.execute(sent, operation).await }).await {
            Ok(Ok(response)) => response,
            Ok(Err(Lost)) => {
                line.cut();
                // Nobody gets it.
                StatusCode::OK.into_response()
            }
            Err(_) => Problem::within("The gateway failed within.").into_response(),
        }
    }

    async fn execute(&self, sent: Sent, operation: Operation) -> Result<Response, Lost> {
        let fault = self.fault(&sent);
        match fault {
            Some(Fault::RateLimited) => return Ok(Problem::rate_limited().into_response()),
            Some(Fault::ErrorBefore) => return Ok(Problem::within("It failed before it was begun.").into_response()),
            Some(Fault::LostBefore) => return Err(Lost),
            _ => {}
        }
        let busy = match self.begin(&sent) {
            Err(problem) => return Ok(problem.into_response()),
            Ok(Begin::Replay(status, body)) => {
                let mut response = response(status, body);
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                return Ok(response);
            }
            Ok(Begin::Go(busy)) => busy,
        };
        let held = match fault {
            Some(Fault::Slow) => {
                let slow = tokio::time::sleep(self.settings.slow);
                self.stop.run_until_cancelled(slow).await.ok_or(Lost)?;
                None
            }
            Some(Fault::Held) => {
                let mut gate = self.gate.subscribe();
                self.held.send_modify(|held| *held += 1);
                let held = Held(self);
                self.stop.run_until_cancelled(gate.changed()).await.ok_or(Lost)?.map_err(|_| Lost)?;
                Some(held)
            }
            _ => None,
        };
        let (status, body) = self.run(&sent, operation, fault);
        // In this order: whoever sees that it is done, finds what was done.
        drop(busy);
        drop(held);
        if fault == Some(Fault::LostAfter) { Err(Lost) } else { Ok(response(status, body)) }
    }

    /// What is to go wrong with this request.
    fn fault(&self, sent: &Sent) -> Option<Fault> {
        let mut attempt = 0;
        if let Some(key) = &sent.key {
            let mut attempts = lock(&self.attempts);
            let attempts = attempts.entry(key.clone()).or_default();
            attempt = *attempts;
            *attempts = attempts.saturating_add(1);
        }
        let mut state = lock(&self.state);
        if !state.books.plan.next.is_empty() {
            let mut plan = state.books.plan.clone();
            let next = plan.next.pop_front();
            // Were the journal full, the request fails next and is told so.
            let _ = state.put(Change::Plan(plan));
            return next;
        }
        let books = &state.books;
        let key = sent.key.clone().unwrap_or_else(|| format!("request {} without a key", books.serial));
        let of_card = || card_of(books, sent).filter(|_| attempt == 0).and_then(|card| card.fault);
        books.plan.fault(&key, attempt).or_else(of_card)
    }

    /// Looks whether the key was used before.
    fn begin(&self, sent: &Sent) -> Result<Begin<'_>, Problem> {
        let Some(key) = &sent.key else { return Ok(Begin::Go(None)) };
        // Held while the answers are looked at: a request is busy until its answer is there.
        let mut busy = lock(&self.busy);
        if busy.contains(key) {
            return Err(Problem::key_in_use(key));
        }
        if let Some(answer) = lock(&self.state).books.answer(key, self.now()) {
            if answer.request != sent.hash() {
                return Err(Problem::key_reused(key));
            }
            return Ok(Begin::Replay(answer.status, answer.body.clone()));
        }
        busy.insert(key.clone());
        Ok(Begin::Go(Some(Busy(self, key.clone()))))
    }

    /// Does it, whole or not at all, and keeps the answer.
    fn run(&self, sent: &Sent, operation: Operation, fault: Option<Fault>) -> (u16, Value) {
        let mut state = lock(&self.state);
        let (now, key) = (self.now(), sent.key.as_deref());
        let mut desk = Desk::new(&state.books, now, &self.url, &self.instance, key, self.courier.is_some());
        let result = operation(&mut desk, &sent.id, Form::parse(&sent.body));
        let mut entry = desk.finish();
        let (mut status, mut body) = match result {
            Ok(body) => (StatusCode::OK.as_u16(), body),
            Err(problem) if problem.begun() => (problem.status.as_u16(), problem.body()),
            Err(problem) => return (problem.status.as_u16(), problem.body()),
        };
        if fault == Some(Fault::ErrorAfter) {
            (status, body) = (500, Problem::within("It failed after it was done.").body());
        }
        if let Some(key) = &sent.key {
            let (key, request, body) = (key.clone(), sent.hash(), body.clone());
            entry.changes.push(Change::Answer(Answer { key, request, status, body, created: now }));
        }
        let trouble = self.trouble(&state.books, sent, &mut entry);
        let events = events_of(&entry);
        if let Err(error) = state.commit(entry) {
            let problem = Problem::within(format!("Nothing was done, as the journal cannot be written: {error}"));
            return (problem.status.as_u16(), problem.body());
        }
        if let Some(courier) = &self.courier {
            courier.send(&events, trouble);
        }
        (status, body)
    }

    /// What is to go wrong with the webhooks of an entry.
    fn trouble(&self, books: &Books, sent: &Sent, entry: &mut Entry) -> Option<Trouble> {
        let events = events_of(entry);
        let (Some(first), Some(_)) = (events.first(), &self.courier) else { return None };
        let trouble = if books.plan.next_webhooks.is_empty() {
            let of_card = || card_of(books, sent).and_then(|card| card.trouble);
            books.plan.trouble(&first.id).or_else(of_card)
        } else {
            let mut plan: Plan = books.plan.clone();
            let next = plan.next_webhooks.pop_front();
            entry.changes.push(Change::Plan(plan));
            next
        };
        if trouble == Some(Trouble::Lost) {
            for change in &mut entry.changes {
                if let Change::Event(event) = change {
                    event.due = false;
                }
            }
        }
        trouble
    }

    /// Names an answer, so that it is found in the logs of both sides.
    pub(crate) fn name(&self, mut response: Response) -> Response {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let id = format!("req_{}_{number}", &self.instance[..self.instance.len().min(8)]);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }

    /// What the customer decided at the bank's page.
    pub(crate) fn authenticate(&self, sent: &Sent, operation: Operation) -> (StatusCode, Value) {
        let (status, body) = self.run(sent, operation, None);
        (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
    }

    /// Lets held requests go, and waits until they are done.
    pub(crate) async fn release(&self) {
        self.gate.send_modify(|times| *times += 1);
        // The sender is in `self`, so it is not gone.
        let _ = self.held.subscribe().wait_for(|held| *held == 0).await;
    }

    /// Waits until so many are held.
    pub(crate) async fn held(&self, at_least: usize) -> usize {
        let mut held = self.held.subscribe();
        held.wait_for(|held| *held >= at_least).await.map_or(0, |held| *held)
    }
}

fn events_of(entry: &Entry) -> Vec<Event> {
    let event = |change: &Change| if let Change::Event(event) = change { Some(event.clone()) } else { None };
    entry.changes.iter().filter_map(event).collect()
}

/// The test card that a request charges.
fn card_of(books: &Books, sent: &Sent) -> Option<&'static TestCard> {
    let form = Form::parse(&sent.body);
    let confirms = sent.path.ends_with("/confirm") || form.peek("confirm") == Some("true");
    if !sent.path.starts_with("/v1/payment_intents") || !confirms {
        return None;
    }
    let of_intent = || books.payment_intents.get(&sent.id)?.payment_method.as_deref();
    let method = form.peek("payment_method").or_else(of_intent)?;
    card::named(method).or_else(|| books.payment_methods.get(method).map(PaymentMethod::card))
}

fn response(status: u16, body: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(body)).into_response()
}

/// An answer of the control's.
pub(crate) fn ok() -> Json<Value> {
    Json(json!({"ok": true}))
}
