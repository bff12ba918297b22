//! Messages of the carrier: `{reference, whereabouts, at}`, with the header `Carrier-Signature: t=<seconds>,v1=<hex>`, the
//! HMAC-SHA-256 of `<seconds>.<body>` under the secret that was agreed on. One may be five minutes old.

use baeum_domain::kit::carrier::{CarrierError, Tracking};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

/// How old a message may be, in seconds.
pub const TOLERANCE: i64 = 300;

#[derive(Deserialize)]
struct Body {
    reference: String,
    whereabouts: String,
    at: DateTime<Utc>,
}

/// The signature of a body at a moment (seconds since 1970), as it stands in the header.
pub fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
    format!("t={seconds},v1={}", hex::encode(mac(secret, &seconds.to_string(), body).finalize().into_bytes()))
}

/// Reads a message that came with this header.
///
/// # Errors
/// One that is forged, stale or unreadable.
pub fn read(secret: &str, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<Tracking, CarrierError> {
    let field = |name| signature.split(',').find_map(|field| field.trim().strip_prefix(name));
    let time = field("t=").ok_or(CarrierError::Forged("its time is missing"))?;
    let given = field("v1=").ok_or(CarrierError::Forged("its signature is missing"))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(given, &mut bytes).map_err(|_| CarrierError::Forged("its signature is no hex of 32 bytes"))?;
    let signed = mac(secret, time, body).verify_slice(&bytes);
    signed.map_err(|_| CarrierError::Forged("another secret signed it, or it was changed"))?;
    let signed_at: i64 = time.parse().map_err(|_| CarrierError::Forged("its time is no number"))?;
    let age = now.timestamp().saturating_sub(signed_at);
    if age.abs() > TOLERANCE {
        return Err(CarrierError::Stale(age));
    }
    let said: Body = serde_json::from_slice(body).map_err(|_| CarrierError::Unreadable("no reference with a place"))?;
    let whereabouts = said.whereabouts.parse();
    let whereabouts = whereabouts.map_err(|_| CarrierError::Unreadable("a place that is not known"))?;
    Ok(Tracking { reference: said.reference.parse()?, whereabouts, at: said.at })
}

fn mac(secret: &str, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use baeum_domain::kit::carrier::Whereabouts;

    use super::*;

    const BODY: &[u8] = br#"{"reference":"main/00000000-0000-0000-0000-000000000007","whereabouts":"delivered","at":"2026-03-01T09:00:00Z"}"#;

    fn now() -> DateTime<Utc> {
        "2026-03-01T09:00:10Z".parse().expect("a moment")
    }

    #[test]
    fn a_signature_is_the_one_that_other_programs_compute() {
        // printf '1790000000.{}' | openssl dgst -sha256 -hmac cs_known
        let expected = "t=1790000000,v1=111a108d62698e335733da0763c8161fe5ba3319f44adb8819eb27ea216805f6";
        assert_eq!(sign("cs_known", 1_790_000_000, b"{}"), expected);
    }

    #[test]
    fn what_the_carrier_signed_is_read() {
        let header = sign("cs_1", now().timestamp(), BODY);
        let tracking = read("cs_1", &header, BODY, now()).expect("signed");
        assert_eq!((tracking.whereabouts, tracking.reference.tenant.as_str()), (Whereabouts::Delivered, "main"));
    }

    #[test]
    fn forged_changed_and_stale_messages_are_refused() {
        let header = sign("cs_1", now().timestamp(), BODY);
        assert!(matches!(read("cs_2", &header, BODY, now()), Err(CarrierError::Forged(_))));
        let changed = String::from_utf8_lossy(BODY).replace("delivered", "returned");
        assert!(matches!(read("cs_1", &header, changed.as_bytes(), now()), Err(CarrierError::Forged(_))));
        for wrong in ["", "t=1", "v1=00", "t=1,v1=zz"] {
            assert!(matches!(read("cs_1", wrong, BODY, now()), Err(CarrierError::Forged(_))), "{wrong}");
        }
        for (seconds, fresh) in [(-300, true), (-301, false), (300, true), (301, false)] {
            let header = sign("cs_1", now().timestamp() + seconds, BODY);
            assert_eq!(read("cs_1", &header, BODY, now()).is_ok(), fresh, "{seconds}");
        }
        let header = sign("cs_1", now().timestamp(), b"{}");
        assert!(matches!(read("cs_1", &header, b"{}", now()), Err(CarrierError::Unreadable(_))));
    }
}
