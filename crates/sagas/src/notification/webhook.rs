//! Webhooks: telling partner systems of events, signed as Standard Webhooks has it.
//!
//! `webhook-id` is the same in every attempt, `webhook-timestamp` is that of the attempt, and `webhook-signature` is `v1,` and
//! base64 of the HMAC-SHA256 of `id.timestamp.body` under the secret
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>). Any status of 200 to 299
//! is a yes; redirects are not followed. Deliveries of one webhook go out beside each other, so they may come out of order:
//! `data.position` tells the order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use baeum_commands::notification::{
    deliver::Failure,
    endpoint,
    webhooks::{Endpoint, SECRET_PREFIX},
};
use baeum_domain::{Recorded, ids::derive_id};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{
    StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::sender::{lasting, passing, unsent};

/// How long a partner may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends webhooks. Cheap to clone.
#[derive(Clone)]
pub struct WebhookSender {
    http: reqwest::Client,
    private_too: bool,
}

/// A name that stands for an address which is not of the public internet.
#[derive(Debug, thiserror::Error)]
#[error("the name stands for an address that is not of the public internet")]
struct NotPublic;

/// Looks names up, and leaves out what is not of the public internet: the check is that of the very addresses that are
/// connected to, so a name cannot stand for another between check and use.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|it| endpoint::is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

impl WebhookSender {
    /// A sender that reaches the public internet, and with `private_too` every address.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(private_too: bool) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(redirect::Policy::none())
            // A proxy would look names up by itself.
            .no_proxy()
            .user_agent(concat!("baeum/", env!("CARGO_PKG_VERSION")));
        if !private_too {
            builder = builder.dns_resolver(Arc::new(PublicNames));
        }
        Ok(Self { http: builder.build()?, private_too })
    }

    /// Tells a partner of an event.
    pub(super) async fn send(
        &self,
        webhook_id: Uuid,
        to: &Endpoint,
        event: &Recorded<Value>,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let url = endpoint::check(&to.url, self.private_too).map_err(|_| lasting("address-not-public"))?;
        let id = message_id(webhook_id, event.event_id);
        let body = body(event);
        let timestamp = now.timestamp();
        let signature = sign(&to.secret, &id, timestamp, &body).ok_or_else(|| lasting("secret-not-usable"))?;
        let request = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(response) => match response.status() {
                status if status.is_success() => Ok(()),
                StatusCode::GONE => Err(lasting("http-410")),
                status => Err(passing(format!("http-{}", status.as_u16()))),
            },
            Err(error) if is_not_public(&error) => Err(lasting("address-not-public")),
            Err(error) => Err(unsent(&error)),
        }
    }
}

fn is_not_public(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<NotPublic>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// The id of a message: the same in every attempt, and for each webhook another.
pub fn message_id(webhook_id: Uuid, event_id: Uuid) -> String {
    format!("msg_{}", derive_id(&["webhook", &webhook_id.to_string(), &event_id.to_string()]).simple())
}

/// What a partner is told: the event as the log has it.
fn body(event: &Recorded<Value>) -> String {
    let data = event.payload.as_object().and_then(|it| it.values().next()).unwrap_or(&Value::Null);
    json!({
        "type": event.event_type,
        "timestamp": event.recorded_at,
        "data": {
            "position": event.position,
            "event_id": event.event_id,
            "event_version": event.event_version,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "sequence": event.sequence,
            "event": data,
        },
    })
    .to_string()
}

/// The signature of a message; `None` for a secret that is none.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let key = BASE64.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    let mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    let signed = mac.chain_update(format!("{id}.{timestamp}.{body}")).finalize().into_bytes();
    Some(format!("v1,{}", BASE64.encode(signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_published_example_is() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(sign("no secret", "msg_1", 1, "{}"), None);
    }

    #[tokio::test]
    async fn a_name_that_stands_for_this_machine_is_not_connected_to() {
        let sender = WebhookSender::new(false).expect("a client");
        // The resolver is asked for names only; this one is known to every machine.
        let error = sender.http.post("http://localhost:9/").send().await.expect_err("refused");
        assert!(is_not_public(&error), "{error:?}");
    }
}
