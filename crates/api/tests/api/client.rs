//! A client that checks each answer against the OpenAPI document.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use baeum_commands::Commands;
use baeum_domain::{identity::user::Role, ids::UserId};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::world::World;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A request in the making.
pub(crate) struct Ask<'a> {
    world: &'a World,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Body,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// Someone who is signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) tenant: &'static str,
    pub(crate) email: String,
    pub(crate) token: String,
}

impl World {
    pub(crate) fn ask(&self, method: Method, path: impl Into<String>) -> Ask<'_> {
        Ask { world: self, method, path: path.into(), headers: vec![], body: Body::empty() }
    }

    pub(crate) fn get(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: impl Into<String>) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    /// Registers someone and signs them in.
    pub(crate) async fn someone(&self, name: &str) -> Person {
        self.someone_of("main", name).await
    }

    /// The same in another tenant.
    pub(crate) async fn someone_of(&self, tenant: &'static str, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let ask = self.post("/v1/users").header("baeum-tenant", tenant);
        let reply = ask.json(&registration(&email)).send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let id = reply.body["user_id"].as_str().expect("an id").parse().expect("a UUID");
        self.sign_in(tenant, id, &email).await
    }

    /// Registers someone with a role besides.
    pub(crate) async fn someone_with(&self, name: &str, role: Role) -> Person {
        let person = self.someone(name).await;
        self.grant(&self.commands, person, role).await
    }

    /// Registers someone whom no test has met.
    pub(crate) async fn someone_with_any_name(&self) -> Person {
        self.someone(&baeum_testing::new_id().simple().to_string()).await
    }

    /// Gives someone a role in their shard, and signs them in anew.
    pub(crate) async fn grant(&self, commands: &Commands, person: Person, role: Role) -> Person {
        let request = baeum_commands::Request {
            caller: baeum_commands::Caller {
                tenant: person.tenant.into(),
                user_id: UserId(Uuid::nil()),
                roles: [Role::Admin].into(),
            },
            idempotency: None,
            expected_sequence: None,
            correlation_id: baeum_testing::new_id(),
        };
        commands.change_role(&request, UserId(person.id), role, true).await.expect("granted");
        self.sign_in(person.tenant, person.id, &person.email).await
    }

    pub(crate) async fn sign_in(&self, tenant: &'static str, id: Uuid, email: &str) -> Person {
        let credentials = json!({"email": email, "password": PASSWORD});
        let ask = self.post("/v1/auth/token").header("baeum-tenant", tenant);
        let reply = ask.json(&credentials).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body["token_type"], "Bearer");
        assert_eq!(reply.body["expires_in"], 900);
        let token = reply.body["access_token"].as_str().expect("a token").to_owned();
        Person { id, tenant, email: email.to_owned(), token }
    }

    /// Takes the level test, answering right; gives the test's id.
    pub(crate) async fn assess(&self, person: &Person) -> String {
        let mut reply = self.post("/v1/assessments").by(person).send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let id = reply.body["assessment_id"].as_str().expect("an id").to_owned();
        while let Some(item) = reply.body["next_item"]["id"].as_str() {
            let answer = json!({"item_id": item, "choice": 1, "response_ms": 2000});
            reply = self.post(format!("/v1/assessments/{id}/responses")).by(person).json(&answer).send().await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        assert_eq!(reply.body["state"], "assessed");
        id
    }

    /// Starts a lesson; gives its id.
    pub(crate) async fn start_lesson(&self, person: &Person) -> String {
        let reply = self.post("/v1/lessons").by(person).send().await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.body["lesson_id"].as_str().expect("an id").to_owned()
    }

    /// Watches the clip of a lesson.
    pub(crate) async fn watch(&self, person: &Person, lesson: &str) {
        let viewing = json!({"clip_id": "market", "watched_ms": 90_000, "speed_percent": 100,
                             "repeats": [{"segment": 1, "times": 2}]});
        let reply = self.post(format!("/v1/lessons/{lesson}/clips")).by(person).json(&viewing).send().await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

pub(crate) fn registration(email: &str) -> Value {
    json!({
        "email": email, "password": PASSWORD, "display_name": "Mina", "native_language": "ko",
        "target_language": "en", "country": "KR", "time_zone": "Asia/Seoul", "interests": ["food"],
    })
}

impl Ask<'_> {
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn by(self, person: &Person) -> Self {
        self.bearer(&person.token)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        let value = format!("Bearer {token}");
        self.header("authorization", value)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub(crate) fn text(mut self, content_type: &str, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// The answer before its body is read.
    pub(crate) async fn open(self) -> axum::response::Response {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(self.body).expect("a sound request");
        self.world.router.clone().oneshot(request).await.expect("an answer")
    }

    pub(crate) async fn send(self) -> Reply {
        let (method, path) = (self.method.clone(), self.path.clone());
        let response = self.open().await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 8 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let reply = Reply { status: parts.status, headers: parts.headers, body, text };
        assert_ne!(reply.status, 500, "{method} {path}: {reply:?}");
        reply.check_problem(&path);
        crate::openapi::check_documented(&method, &path, &reply);
        reply
    }
}

impl Reply {
    /// The kind of the problem; `-` when there is none.
    pub(crate) fn code(&self) -> &str {
        self.body["type"].as_str().and_then(|it| it.strip_prefix("/problems/")).unwrap_or("-")
    }

    /// Status and kind of the problem, for a table.
    pub(crate) fn problem(&self) -> (u16, &str) {
        (self.status.as_u16(), self.code())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn position(&self) -> i64 {
        let position = self.body["position"].as_i64().expect("a position");
        assert_eq!(self.header("baeum-position"), position.to_string());
        position
    }

    fn check_problem(&self, path: &str) {
        assert!(self.header("x-request-id").parse::<Uuid>().is_ok(), "every answer names its request");
        if self.status.as_u16() < 400 || path.starts_with("/health") {
            return;
        }
        assert_eq!(self.header(header::CONTENT_TYPE.as_str()), "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        assert_eq!(self.body["instance"], path.split('?').next().unwrap_or_default(), "{self:?}");
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|it| !it.is_empty()), "{self:?}");
        }
        assert_ne!(self.code(), "-", "{self:?}");
    }
}
