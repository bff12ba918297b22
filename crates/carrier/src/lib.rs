//! The carrier over HTTP: an adapter of the port `baeum_domain::kit::carrier`.
//!
//! ```text
//! POST /v1/shipments              Idempotency-Key: <reference>   {reference, address, grams, items} → 201 {shipment}
//! GET  /v1/shipments?reference=…                                                → {shipment, tracking: [{whereabouts, at}]}
//! ```
//!
//! A shipment that cannot be is answered 422 `{code}`. Messages come the other way, signed: see [`message`]. Nothing that is
//! sent or answered is written to a log: it holds addresses.

pub mod message;

use std::time::Duration;

use baeum_domain::kit::{
    address::Address,
    carrier::{Answer, Carrier, CarrierError, Parcel, Reference, Tracking, Whereabouts},
};
use chrono::{DateTime, Utc};
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Why there is no such adapter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no address.
    #[error("'{0}' is no address of a carrier: give one such as https://api.carrier.example")]
    Address(String),
    /// A key goes over the network in clear.
    #[error("a carrier's key is not sent unencrypted: '{0}' must begin with https, or be of this machine")]
    Plain(String),
    /// A key or secret is empty or not visible ASCII.
    #[error("the {0} of the carrier must be visible ASCII characters, at least one")]
    Secret(&'static str),
    /// The client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(String),
}

/// A carrier that is reached over HTTP.
pub struct HttpCarrier {
    http: reqwest::Client,
    base_url: String,
    message_secret: Zeroizing<String>,
}

#[derive(Serialize)]
struct NewShipment<'a> {
    reference: String,
    address: &'a Address,
    grams: u32,
    items: u32,
}

#[derive(Deserialize)]
struct Made {
    shipment: String,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

#[derive(Deserialize)]
struct Known {
    tracking: Vec<Sighting>,
}

#[derive(Deserialize)]
struct Sighting {
    whereabouts: String,
    at: DateTime<Utc>,
}

impl HttpCarrier {
    /// A carrier at an address, with the key that we show and the secret that it signs its messages with.
    ///
    /// # Errors
    /// What of them cannot be used.
    pub fn new(base_url: &str, key: &str, message_secret: &str) -> Result<Self, ConfigError> {
        let base_url = base_url.trim_end_matches('/').to_owned();
        let url = Url::parse(&base_url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| ConfigError::Address(base_url.clone()))?;
        let host = url.host_str().ok_or_else(|| ConfigError::Address(base_url.clone()))?;
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        if url.scheme() == "http" && !here {
            return Err(ConfigError::Plain(base_url));
        }
        for (name, secret) in [("key", key), ("message secret", message_secret)] {
            if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ConfigError::Secret(name));
            }
        }
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ConfigError::Secret("key"))?;
        authorization.set_sensitive(true);
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, authorization)]))
            .timeout(PATIENCE)
            // Key and addresses go nowhere but to the address that was given.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("baeum/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ConfigError::Client(error.to_string()))?;
        Ok(Self { http, base_url, message_secret: Zeroizing::new(message_secret.to_owned()) })
    }

    async fn send_parcel(&self, parcel: &Parcel) -> Result<String, CarrierError> {
        let reference = parcel.reference.to_string();
        let body = NewShipment {
            reference: reference.clone(),
            address: &parcel.address,
            grams: parcel.grams,
            items: parcel.items,
        };
        let url = format!("{}/v1/shipments", self.base_url);
        let answer = self.http.post(url).header(KEY, reference).json(&body).send().await.map_err(unavailable)?;
        let status = answer.status();
        let bytes = read(answer).await?;
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let Made { shipment } = parse(&bytes)?;
                Ok(shipment)
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                let Refusal { code } = parse(&bytes)?;
                Err(CarrierError::Refused(code.chars().take(80).collect()))
            }
            other => Err(answered(other)),
        }
    }

    async fn find_parcel(&self, reference: &Reference) -> Result<Vec<Tracking>, CarrierError> {
        let url = format!("{}/v1/shipments", self.base_url);
        let asked = self.http.get(url).query(&[("reference", reference.to_string())]);
        let answer = asked.send().await.map_err(unavailable)?;
        let status = answer.status();
        let bytes = read(answer).await?;
        match status {
            StatusCode::OK => {
                let Known { tracking } = parse(&bytes)?;
                // A word that is not known yet is nothing to go by.
                let known = tracking.into_iter().filter_map(|it| Some((it.whereabouts.parse().ok()?, it.at)));
                let with = |(whereabouts, at): (Whereabouts, DateTime<Utc>)| Tracking {
                    reference: reference.clone(),
                    whereabouts,
                    at,
                };
                Ok(known.map(with).collect())
            }
            StatusCode::NOT_FOUND => Ok(vec![]),
            other => Err(answered(other)),
        }
    }
}

impl Carrier for HttpCarrier {
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, String> {
        Box::pin(self.send_parcel(parcel))
    }

    fn track<'a>(&'a self, reference: &'a Reference) -> Answer<'a, Vec<Tracking>> {
        Box::pin(self.find_parcel(reference))
    }

    fn read_message(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<Tracking, CarrierError> {
        message::read(&self.message_secret, signature, body, now)
    }
}

/// Why there was no answer, without what was sent.
fn unavailable(error: reqwest::Error) -> CarrierError {
    CarrierError::Unavailable(error.without_url().to_string())
}

fn answered(status: StatusCode) -> CarrierError {
    CarrierError::Unavailable(format!("it answered {status}"))
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, CarrierError> {
    let mut bytes = vec![];
    while let Some(part) = answer.chunk().await.map_err(unavailable)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > LONGEST_ANSWER {
            return Err(CarrierError::Unreadable("more than can be read"));
        }
    }
    Ok(bytes)
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CarrierError> {
    serde_json::from_slice(bytes).map_err(|_| CarrierError::Unavailable("its answer is not of the form".to_owned()))
}
