//! How a try ends that is not answered well: what that says about what was done, and whether a repeat helps.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::error::{Doubt, Error, FOREIGN, Refusal};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");

/// How one try ended, if not well.
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether it may have been done, and how to find out.
    pub(crate) doubt: Option<Doubt>,
    /// Whether a repeat may end otherwise.
    pub(crate) repeat: bool,
    /// How long to wait before it.
    pub(crate) after: Option<Duration>,
}

/// The end of a request that is not answered well: what was sent earlier may leave a doubt that the last try does not.
pub(crate) fn unsettled(failure: Failure, doubt: Option<Doubt>) -> Error {
    let Some(doubt) = doubt else {
        return match failure.error {
            // A question changes nothing, so there is nothing to doubt.
            Error::Unknown { reason, .. } => Error::Unavailable { reason },
            error => error,
        };
    };
    match failure.error {
        // Somebody on the way answered, a proxy perhaps: the API has not looked at the key.
        Error::Refused(refusal) if refusal.kind == FOREIGN => Error::Unknown {
            doubt,
            reason: format!("an earlier try was not answered, the last one with {} by somebody else", refusal.status),
            request_id: None,
        },
        // What the API answers by the key, or about the request itself, holds for the earlier tries too.
        settled @ (Error::Invalid(_)
        | Error::Declined(_)
        | Error::AuthenticationRequired(_)
        | Error::KeyReused(_)
        | Error::Refused(_)) => settled,
        Error::Unknown { reason, request_id, .. } => Error::Unknown { doubt, reason, request_id },
        Error::RateLimited { request_id, .. } => Error::Unknown {
            doubt,
            reason: "an earlier try was not answered, the last one with 429".to_owned(),
            request_id,
        },
        Error::Unavailable { reason } => Error::Unknown { doubt, reason, request_id: None },
        Error::Unauthorized(refusal) => Error::Unknown {
            doubt,
            reason: "an earlier try was not answered, and then the key was no longer accepted".to_owned(),
            request_id: refusal.request_id,
        },
    }
}

/// Without an answer only a connection that never was tells that nothing was done.
pub(crate) fn no_answer(error: &reqwest::Error) -> Failure {
    let reason = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
    let doubt = (!error.is_connect() && !error.is_builder()).then_some(Doubt::NoAnswer);
    Failure { error: Error::Unavailable { reason }, doubt, repeat: !error.is_builder(), after: None }
}

/// What an answer that is not 2xx means (<https://docs.stripe.com/error-low-level>).
pub(crate) fn refused(headers: &HeaderMap, refusal: Refusal) -> Failure {
    let text = |name| headers.get(name).and_then(|it: &HeaderValue| it.to_str().ok());
    let after = text(RETRY_AFTER).and_then(|it| it.trim().parse().ok()).map(Duration::from_secs);
    let repeat = match text(SHOULD_RETRY) {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(refusal.status, 409 | 429 | 500..),
    };
    let is = |code: &str| refusal.code.as_deref() == Some(code) || refusal.decline_code.as_deref() == Some(code);
    let unknown = |doubt, reason: &str| {
        let reason = format!("it answered {} ({reason})", refusal.status);
        Error::Unknown { doubt, reason, request_id: refusal.request_id.clone() }
    };
    // An answer that repeats do not change, unless the API says that they do.
    let settled = |error: fn(Box<Refusal>) -> Error, refusal| Failure {
        error: error(Box::new(refusal)),
        doubt: None,
        repeat,
        after,
    };
    match refusal.status {
        429 => Failure {
            error: Error::RateLimited { retry_after: after, request_id: refusal.request_id },
            doubt: None,
            repeat,
            after,
        },
        // Another request with this key is on its way, perhaps an earlier try of this one.
        409 => Failure {
            error: unknown(Doubt::InProgress, "another request with this key, or about this object, is on its way"),
            doubt: Some(Doubt::InProgress),
            repeat,
            after,
        },
        500.. if text(REPLAYED) == Some("true") => Failure {
            error: unknown(Doubt::SavedServerError, "and says so to every repeat"),
            doubt: Some(Doubt::SavedServerError),
            repeat: false,
            after: None,
        },
        500.. => Failure {
            error: unknown(Doubt::ServerError, "an error within"),
            doubt: Some(Doubt::ServerError),
            repeat,
            after,
        },
        401 | 403 => settled(Error::Unauthorized, refusal),
        _ if refusal.kind == "idempotency_error" => settled(Error::KeyReused, refusal),
        _ if is("authentication_required") => settled(Error::AuthenticationRequired, refusal),
        _ if refusal.kind == "card_error" => settled(Error::Declined, refusal),
        _ => settled(Error::Refused, refusal),
    }
}

/// The innermost reason of an error of the HTTP client: the outer ones repeat the URL.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_of_an_earlier_try_outlives_a_last_try_that_was_not_sent() {
        let not_sent = || Failure {
            error: Error::Unavailable { reason: "refused".to_owned() },
            doubt: None,
            repeat: true,
            after: None,
        };
        assert!(matches!(unsettled(not_sent(), None), Error::Unavailable { .. }));
        let error = unsettled(not_sent(), Some(Doubt::NoAnswer));
        assert!(matches!(error, Error::Unknown { doubt: Doubt::NoAnswer, .. }), "{error}");
        let declined = answered(402, &[], r#"{"error":{"type":"card_error"}}"#);
        assert!(matches!(unsettled(declined, Some(Doubt::NoAnswer)), Error::Declined(_)));
        let of_a_proxy = unsettled(answered(404, &[], "<html>"), Some(Doubt::NoAnswer));
        assert!(matches!(of_a_proxy, Error::Unknown { doubt: Doubt::NoAnswer, .. }), "{of_a_proxy}");
    }

    fn answered(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Failure {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        refused(&headers.collect(), Refusal::read(status, body.as_bytes(), None))
    }

    #[test]
    fn what_an_answer_means_is_decided_by_status_headers_and_codes() {
        let too_many = answered(429, &[("retry-after", "7")], "");
        assert!(too_many.repeat && too_many.doubt.is_none());
        assert_eq!(too_many.after, Some(Duration::from_secs(7)));
        // A date instead of seconds is not understood: the client's own pause holds.
        assert_eq!(answered(429, &[("retry-after", "Fri, 31 Dec 2027 23:59:59 GMT")], "").after, None);
        assert!(!answered(503, &[("stripe-should-retry", "false")], "").repeat);
        assert!(answered(400, &[("stripe-should-retry", "true")], "").repeat);
        for (status, headers, doubt) in [
            (500, &[][..], Doubt::ServerError),
            (502, &[], Doubt::ServerError),
            (500, &[("idempotent-replayed", "true")], Doubt::SavedServerError),
            (409, &[], Doubt::InProgress),
        ] {
            assert_eq!(answered(status, headers, "<html>").doubt, Some(doubt), "{status}");
        }
        let error = |status, body: &str| answered(status, &[], &format!("{{\"error\":{{{body}}}}}")).error;
        let asks = r#""type":"card_error","code":"authentication_required""#;
        assert!(matches!(error(402, asks), Error::AuthenticationRequired(_)));
        assert!(matches!(error(402, r#""type":"card_error","code":"card_declined""#), Error::Declined(_)));
        assert!(matches!(error(400, r#""type":"idempotency_error""#), Error::KeyReused(_)));
        assert!(matches!(error(404, r#""type":"invalid_request_error""#), Error::Refused(_)));
        assert!(matches!(error(403, ""), Error::Unauthorized(_)));
    }

    #[test]
    fn a_question_that_fails_leaves_nothing_to_doubt() {
        let error = unsettled(answered(500, &[], ""), None);
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    }
}
