//! What learners write, and who they are, stands in no log line; and a panic is an answer.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::Ordering},
};

use axum::{body::to_bytes, http::Method};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{client::PASSWORD, world::in_a_world};

/// Keeps what is logged.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Keeps what all tests of this process log.
pub(crate) fn listen() -> Kept {
    static KEPT: OnceLock<Kept> = OnceLock::new();
    let install = || {
        let kept = Kept::default();
        let lines = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG);
        lines.with_writer(kept.clone()).init();
        kept
    };
    KEPT.get_or_init(install).clone()
}

#[tokio::test]
async fn log_lines_hold_no_personal_data() {
    let kept = listen();
    in_a_world(async |world| {
        let mina = world.someone("mina-the-learner").await;
        world.assess(&mina).await;
        let lesson = world.start_lesson(&mina).await;
        world.watch(&mina, &lesson).await;
        let path = format!("/v1/lessons/{lesson}/attempts");
        for answer in ["My quince is ripe.", "Please panic about my quince.", "my quince \u{1} quince"] {
            let attempt = json!({"task_id": "market-w1", "kind": "writing", "answer": answer});
            world.post(&path).by(&mina).json(&attempt).send().await;
        }
        for audio in ["RIFF quince", "panic"] {
            let ask = world.post(format!("{path}/audio?task_id=market-s1")).by(&mina).text("audio/wav", audio);
            ask.header("baeum-text", "How%20much%20is%20a%20quince").send().await;
        }
        world.get(format!("/v1/lessons/{lesson}")).by(&mina).send().await;
        let own = format!("/v1/learners/{}", mina.id);
        let change = json!({"display_name": "Minarella"});
        world.ask(Method::PATCH, own.clone()).by(&mina).json(&change).send().await;
        world.get(&own).by(&mina).send().await;
        let wrong = json!({"email": mina.email, "password": "wrong horse battery"});
        world.post("/v1/auth/token").json(&wrong).send().await;
        world.pool.close().await;
        world
            .post(&path)
            .by(&mina)
            .json(&json!({"task_id": "market-w1", "kind": "writing",
            "answer": "A last quince of mine."}))
            .send()
            .await;
    })
    .await;
    let lines = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = String::from_utf8_lossy(&lines);
    assert!(lines.contains("/v1/lessons/{id}/attempts") && lines.contains("request_id"), "requests are logged");
    for word in ["quince", "mina-the-learner", "Minarella", PASSWORD, "wrong horse", "eyJ"] {
        let line = lines.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "{word}: {line:?}");
    }
}

#[tokio::test]
async fn a_panic_is_answered_with_a_problem_and_the_next_request_is_served() {
    in_a_world(async |world| {
        let mina = world.someone("mina").await;
        world.assess(&mina).await;
        world.models.broken.store(true, Ordering::SeqCst);
        let response = world.post("/v1/lessons").by(&mina).open().await;
        assert_eq!(response.status(), 500);
        assert!(response.headers().contains_key("x-request-id"));
        let bytes = to_bytes(response.into_body(), 10_000).await.expect("a body");
        let problem: Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!((&problem["type"], &problem["instance"]), (&json!("/problems/internal"), &json!("/v1/lessons")));
        assert!(!problem.to_string().contains("a mistake of ours"));
        world.models.broken.store(false, Ordering::SeqCst);
        world.start_lesson(&mina).await;
    })
    .await;
}
