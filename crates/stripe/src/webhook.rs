//! Signed webhooks (<https://docs.stripe.com/webhooks/signatures>).
//!
//! The header `Stripe-Signature` is `t=<seconds>,v1=<hex>,…`. Each `v1` is the HMAC-SHA-256 of `<seconds>.<body>` under a
//! secret of the endpoint; while a secret is being replaced there is one for each.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{event::Event, form::Invalid, secret::Secret};

/// By how much a delivery may be old.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);
/// How many signatures of a header are looked at: more than there are ever secrets in use.
const SIGNATURES: usize = 8;

/// Why a delivery is not believed. Answer such a one 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not a header of that form.
    #[error("the header Stripe-Signature is missing its time or has no signature of the version v1")]
    Header,
    /// Signed by somebody else, or changed on the way.
    #[error("no signature fits the body: another secret signed it, or it was changed; is the endpoint's secret right?")]
    Signature,
    /// Signed too long ago, or in the future: perhaps an old delivery that somebody sends again.
    #[error(
        "the delivery was signed {age_seconds} seconds ago, beyond the {tolerance_seconds} that are allowed; are the clocks right?"
    )]
    Stale {
        /// How long ago, below zero for the future.
        age_seconds: i64,
        /// What is allowed.
        tolerance_seconds: u64,
    },
    /// Signed, but not an event.
    #[error("the delivery is signed, but is no event of the API")]
    Body,
}

/// Checks deliveries to one endpoint.
#[derive(Clone, Debug)]
pub struct Webhooks {
    secrets: Vec<Secret>,
    tolerance: Duration,
}

impl Webhooks {
    /// Deliveries signed under any of `secrets` are believed: several while one replaces another. A delivery may be five
    /// minutes old.
    ///
    /// # Errors
    /// When there is no secret, or an empty one.
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Result<Self, Invalid> {
        let secrets: Vec<_> = secrets.into_iter().collect();
        if secrets.is_empty() || secrets.iter().any(|it| it.expose().is_empty()) {
            return Err(Invalid::Config(
                "a webhook endpoint needs at least one secret, and none may be empty".to_owned(),
            ));
        }
        Ok(Self { secrets, tolerance: DEFAULT_TOLERANCE })
    }

    /// The same with another tolerance. Below the error of the two clocks nothing is believed any more.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }

    /// The event of a delivery, if it is believed at `now` (seconds since 1970). `body` is what came, byte by byte.
    ///
    /// A delivery that is sent again within the tolerance passes: an event whose id was dealt with must do nothing.
    ///
    /// # Errors
    /// When it is not signed under a secret of this endpoint, is too old, or is no event.
    pub fn verify(&self, header: &str, body: &[u8], now: i64) -> Result<Event, WebhookError> {
        let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
        let mut times = fields().filter(|(name, _)| *name == "t").map(|(_, value)| value);
        let (time, None) = (times.next().ok_or(WebhookError::Header)?, times.next()) else {
            return Err(WebhookError::Header);
        };
        let signed_at: i64 = time.parse().map_err(|_| WebhookError::Header)?;
        let signatures: Vec<_> = fields().filter(|(name, _)| *name == "v1").take(SIGNATURES).collect();
        if signatures.is_empty() {
            return Err(WebhookError::Header);
        }
        let fits = signatures.iter().filter_map(|(_, it)| decode(it)).any(|it| self.signed(time, body, &it));
        if !fits {
            return Err(WebhookError::Signature);
        }
        let age_seconds = now.saturating_sub(signed_at);
        if age_seconds.unsigned_abs() > self.tolerance.as_secs() {
            return Err(WebhookError::Stale { age_seconds, tolerance_seconds: self.tolerance.as_secs() });
        }
        serde_json::from_slice(body).map_err(|_| WebhookError::Body)
    }

    /// Whether a secret gives this signature; the comparison takes the same time wherever it differs.
    fn signed(&self, time: &str, body: &[u8], signature: &[u8; 32]) -> bool {
        self.secrets.iter().any(|secret| {
            let mut mac = mac(secret);
            mac.update(time.as_bytes());
            mac.update(b".");
            mac.update(body);
            mac.verify_slice(signature).is_ok()
        })
    }
}

fn mac(secret: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length")
}

/// Lower-case hex of 32 bytes, which is the only way that a signature is written.
fn decode(signature: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let lower = !signature.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower && hex::decode_to_slice(signature, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_790_000_000;
    const BODY: &str = r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","created":1790000000,"data":{"object":{"object":"other"}}}"#;

    fn endpoint(secrets: &[&str]) -> Webhooks {
        Webhooks::new(secrets.iter().map(|it| Secret::new(*it))).expect("secrets")
    }

    fn signature(secret: &str, time: i64, body: &[u8]) -> String {
        let mut mac = mac(&Secret::new(secret));
        mac.update(format!("{time}.").as_bytes());
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    fn header(secret: &str, time: i64, body: &[u8]) -> String {
        format!("t={time},v1={}", signature(secret, time, body))
    }

    #[test]
    fn a_signature_is_the_one_that_other_programs_compute() {
        // printf '1790000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_known
        let expected = "9b658ee1a66f3233d76d5c0a9e0b2396aac35d5825b14ad24c57b453e2590949";
        assert_eq!(signature("whsec_known", NOW, br#"{"id":"evt_1"}"#), expected);
    }

    #[test]
    fn a_delivery_is_believed_under_each_secret_while_one_replaces_the_other() {
        let both = endpoint(&["whsec_new", "whsec_old"]);
        for secret in ["whsec_new", "whsec_old"] {
            let event = both.verify(&header(secret, NOW, BODY.as_bytes()), BODY.as_bytes(), NOW).expect("believed");
            assert_eq!(event.id, "evt_1");
        }
        // The sender signs under both meanwhile, and an endpoint that knows one of them believes it.
        let [new, old] = ["whsec_new", "whsec_old"].map(|secret| signature(secret, NOW, BODY.as_bytes()));
        let doubly =
            format!("t={NOW},v1={new},v1={old},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39");
        for secret in ["whsec_new", "whsec_old"] {
            assert!(endpoint(&[secret]).verify(&doubly, BODY.as_bytes(), NOW).is_ok());
        }
        let refused = endpoint(&["whsec_other"]).verify(&doubly, BODY.as_bytes(), NOW).expect_err("another secret");
        assert_eq!(refused, WebhookError::Signature);
    }

    #[test]
    fn a_delivery_is_stale_one_second_after_the_tolerance_and_not_before() {
        let endpoint = endpoint(&["whsec_1"]);
        for (now, fresh) in [(NOW + 300, true), (NOW + 301, false), (NOW - 300, true), (NOW - 301, false)] {
            let result = endpoint.verify(&header("whsec_1", NOW, BODY.as_bytes()), BODY.as_bytes(), now);
            assert_eq!(result.is_ok(), fresh, "{now}");
            assert!(fresh || matches!(result, Err(WebhookError::Stale { .. })));
        }
        let wider = endpoint.with_tolerance(Duration::from_secs(3_600));
        assert!(wider.verify(&header("whsec_1", NOW, BODY.as_bytes()), BODY.as_bytes(), NOW + 3_600).is_ok());
    }

    #[test]
    fn a_header_of_another_form_is_refused() {
        let good = signature("whsec_1", NOW, BODY.as_bytes());
        let endpoint = endpoint(&["whsec_1"]);
        for wrong in [
            String::new(),
            format!("v1={good}"),
            format!("t={NOW}"),
            format!("t={NOW},v0={good}"),
            format!("t=now,v1={good}"),
            format!("t={NOW},t={NOW},v1={good}"),
        ] {
            assert_eq!(
                endpoint.verify(&wrong, BODY.as_bytes(), NOW).expect_err("refused"),
                WebhookError::Header,
                "{wrong}"
            );
        }
        for wrong in [String::from("xyz"), good[..62].to_owned(), good.to_uppercase()] {
            let wrong = format!("t={NOW},v1={wrong}");
            assert_eq!(
                endpoint.verify(&wrong, BODY.as_bytes(), NOW).expect_err("refused"),
                WebhookError::Signature,
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_signed_but_no_event_is_refused() {
        let result = endpoint(&["whsec_1"]).verify(&header("whsec_1", NOW, b"[]"), b"[]", NOW);
        assert_eq!(result.expect_err("refused"), WebhookError::Body);
    }

    #[test]
    fn an_endpoint_without_a_secret_cannot_be_made() {
        assert!(Webhooks::new([]).is_err());
        assert!(Webhooks::new([Secret::new("")]).is_err());
    }

    proptest! {
        #[test]
        fn any_changed_byte_of_the_body_is_refused(at in 0..BODY.len(), change in 1..=u8::MAX) {
            let mut body = BODY.as_bytes().to_vec();
            let header = header("whsec_1", NOW, &body);
            body[at] ^= change;
            prop_assert_eq!(endpoint(&["whsec_1"]).verify(&header, &body, NOW).expect_err("refused"), WebhookError::Signature);
        }

        #[test]
        fn any_changed_byte_of_the_header_is_refused(at in 0..200usize, to in 0x20..0x7fu8) {
            let genuine = header("whsec_1", NOW, BODY.as_bytes());
            let mut changed = genuine.clone().into_bytes();
            let at = at % changed.len();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let changed = String::from_utf8(changed).expect("ASCII");
            prop_assert!(endpoint(&["whsec_1"]).verify(&changed, BODY.as_bytes(), NOW).is_err(), "{}", changed);
        }

        #[test]
        fn any_other_length_of_the_body_is_refused(cut in 0..BODY.len(), more in prop::collection::vec(any::<u8>(), 1..8)) {
            let header = header("whsec_1", NOW, BODY.as_bytes());
            prop_assert!(endpoint(&["whsec_1"]).verify(&header, &BODY.as_bytes()[..cut], NOW).is_err());
            let longer = [BODY.as_bytes(), &more].concat();
            prop_assert!(endpoint(&["whsec_1"]).verify(&header, &longer, NOW).is_err());
        }

        #[test]
        fn whatever_is_signed_under_the_secret_passes_the_signature(body in prop::collection::vec(any::<u8>(), 0..300), secret in "[!-~]{1,80}") {
            let result = endpoint(&[&secret]).verify(&header(&secret, NOW, &body), &body, NOW);
            prop_assert!(!matches!(result, Err(WebhookError::Signature | WebhookError::Header)));
        }
    }
}
