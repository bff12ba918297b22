//! Against a real HTTP server that answers well, slowly, wrongly, or not at all.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use baeum_chat::{ChatError, ChatEvaluator, Secret, Settings};
use baeum_domain::{
    learning::evaluation::{EvaluatorError, Question, ServedEvaluator as _, Verdict},
    level::Cefr,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

const TEXT: &str = "Yesterday he go home.";

/// What the server does.
#[derive(Clone)]
enum Manner {
    Say(Value),
    Status(u16),
    Never,
    Raw(&'static str),
}

#[derive(Clone)]
struct Service {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

impl Service {
    async fn start(manner: Manner) -> (Self, SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = Self { manner: Arc::new(Mutex::new(manner)), asked: Arc::default(), seen: Arc::default() };
        (service.clone(), address, service.serve(listener))
    }

    fn serve(self, listener: TcpListener) -> JoinHandle<()> {
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") })
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().expect("no panic") = manner;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    service.asked.fetch_add(1, Ordering::SeqCst);
    let sent = serde_json::from_slice(&body).expect("JSON is sent");
    service.seen.lock().expect("no panic").push((headers, sent));
    let manner = service.manner.lock().expect("no panic").clone();
    match manner {
        Manner::Say(said) => {
            let message = json!({ "role": "assistant", "content": said.to_string() });
            let body = json!({ "choices": [{ "message": message, "finish_reason": "stop" }] });
            (StatusCode::OK, body.to_string())
        }
        Manner::Status(status) => (StatusCode::from_u16(status).expect("a status"), "internals".into()),
        Manner::Never => std::future::pending().await,
        Manner::Raw(text) => (StatusCode::OK, text.into()),
    }
}

fn good() -> Value {
    let mistake =
        json!({ "quote": "go", "occurrence": 1, "category": "tense", "confidence": 0.9, "suggestion": "went" });
    json!({ "score": 0.4, "mistakes": [mistake] })
}

fn settings(address: SocketAddr) -> Settings {
    Settings {
        model_id: "chat-test".into(),
        base_url: format!("http://{address}/v1"),
        model: "some-model".into(),
        key: Some(Secret::new(" sk-4711\n")),
        timeout: Duration::from_secs(20),
        pause: Duration::from_secs(30),
    }
}

/// An evaluator whose breaker's clock is moved by hand, in seconds.
fn evaluator(settings: &Settings) -> (ChatEvaluator, Arc<AtomicU64>) {
    let (began, seconds) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let told = seconds.clone();
    let now = Arc::new(move || began + Duration::from_secs(told.load(Ordering::SeqCst)));
    (ChatEvaluator::new(settings, now).expect("an evaluator"), seconds)
}

async fn ask(evaluator: &ChatEvaluator, patience: Duration) -> Result<Verdict, EvaluatorError> {
    let question = Question { prompt: "What happened?".into(), text: TEXT.into(), level: Cefr::A2, references: vec![] };
    evaluator.evaluate(question, patience).await
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_good_answer_is_a_verdict_and_nobody_is_named_to_the_service() {
    let (service, address, _serving) = Service::start(Manner::Say(good())).await;
    let (evaluator, _) = evaluator(&settings(address));
    let verdict = ask(&evaluator, LONG).await.expect("a verdict");
    let span = &verdict.spans[0];
    assert_eq!((verdict.score, span.start, span.end), (0.4, 13, 15));
    assert_eq!((verdict.model_id.as_str(), &verdict.weights_hash), ("chat-test", &evaluator.model().weights_hash));
    let seen = service.seen.lock().expect("no panic");
    let (headers, sent) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer sk-4711");
    assert_eq!(sent["response_format"]["json_schema"]["strict"], json!(true));
    let fields: Vec<_> = sent.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, ["messages", "model", "response_format", "seed", "temperature"], "no user is named");
}

#[tokio::test]
async fn what_is_no_verdict_is_a_failure_and_the_service_is_asked_on() {
    let (service, address, _serving) = Service::start(Manner::Raw("<html>")).await;
    let (evaluator, _) = evaluator(&settings(address));
    let mut outside = good();
    outside["mistakes"][0]["quote"] = json!("went");
    let mut unlikely = good();
    unlikely["score"] = json!(7);
    let wrong = [Manner::Raw("<html>"), Manner::Raw("{}"), Manner::Say(outside), Manner::Say(unlikely)];
    for manner in wrong.iter().cycle().take(12) {
        service.set(manner.clone());
        let error = ask(&evaluator, LONG).await.expect_err("no verdict");
        assert!(matches!(error, EvaluatorError::Failed { .. }), "{error}");
        assert!(!error.to_string().contains("went"), "{error}");
    }
    service.set(Manner::Say(good()));
    ask(&evaluator, LONG).await.expect("a verdict");
    assert_eq!(service.asked(), 13);
}

#[tokio::test]
async fn a_service_that_is_away_is_left_alone_for_a_while_and_then_asked_once() {
    let (service, address, _serving) = Service::start(Manner::Status(500)).await;
    let (evaluator, seconds) = evaluator(&settings(address));
    for _ in 0..8 {
        let error = ask(&evaluator, LONG).await.expect_err("no verdict");
        assert!(matches!(error, EvaluatorError::Unavailable { .. }), "{error}");
        assert!(!error.to_string().contains("internals"), "{error}");
    }
    assert_eq!(service.asked(), 5, "it opens after five");
    seconds.store(30, Ordering::SeqCst);
    for _ in 0..3 {
        ask(&evaluator, LONG).await.expect_err("no verdict");
    }
    assert_eq!(service.asked(), 6, "one question finds out");
    service.set(Manner::Say(good()));
    ask(&evaluator, LONG).await.expect_err("it is open");
    seconds.store(60, Ordering::SeqCst);
    for _ in 0..3 {
        ask(&evaluator, LONG).await.expect("a verdict");
    }
    assert_eq!(service.asked(), 9, "it is closed");
}

#[tokio::test]
async fn who_waits_no_longer_is_told_so() {
    let (_service, address, _serving) = Service::start(Manner::Never).await;
    let (patient, _) = evaluator(&settings(address));
    let error = ask(&patient, Duration::from_millis(50)).await.expect_err("no verdict");
    assert!(matches!(error, EvaluatorError::Late { .. }), "{error}");
    let (evaluator, _) = evaluator(&Settings { timeout: Duration::from_millis(50), ..settings(address) });
    let error = ask(&evaluator, LONG).await.expect_err("no verdict");
    assert!(matches!(error, EvaluatorError::Late { .. } | EvaluatorError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_service_that_dies_is_away_until_it_lives_again() {
    let (service, address, serving) = Service::start(Manner::Say(good())).await;
    let (evaluator, seconds) = evaluator(&settings(address));
    ask(&evaluator, LONG).await.expect("a verdict");
    serving.abort();
    assert!(serving.await.is_err_and(|error| error.is_cancelled()));
    service.set(Manner::Status(503));
    for _ in 0..6 {
        let error = ask(&evaluator, LONG).await.expect_err("no verdict");
        assert!(matches!(error, EvaluatorError::Unavailable { .. }), "{error}");
    }
    service.set(Manner::Say(good()));
    let _serving = service.clone().serve(TcpListener::bind(address).await.expect("the same port"));
    seconds.store(30, Ordering::SeqCst);
    ask(&evaluator, LONG).await.expect("a verdict");
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_and_the_key_is_shown_nowhere() {
    let address: SocketAddr = "127.0.0.1:9".parse().expect("an address");
    let with = |base_url: &str| Settings { base_url: base_url.into(), ..settings(address) };
    let make = |settings: &Settings| ChatEvaluator::new(settings, Arc::new(Instant::now)).map(drop);
    for wrong in ["api.example.org", "ftp://api.example.org", "https://user@api.example.org"] {
        assert!(matches!(make(&with(wrong)), Err(ChatError::Address(_))), "{wrong}");
    }
    assert!(matches!(make(&with("http://api.example.org/v1")), Err(ChatError::Unencrypted(_))));
    assert!(make(&with("https://api.example.org/v1")).is_ok());
    assert!(!format!("{:?}", settings(address)).contains("4711"));
    let hash = |settings: &Settings| evaluator(settings).0.model().weights_hash.clone();
    let elsewhere = hash(&with("https://api.example.org/v1"));
    assert_ne!(hash(&settings(address)), elsewhere);
    assert_ne!(hash(&Settings { model: "another".into(), ..settings(address) }), hash(&settings(address)));
}
