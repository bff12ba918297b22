//! What the carrier knows, and what it tells.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{Receiver, Settings};

/// How long the receiver of a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What becomes of a parcel that is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It is taken, and the answer breaks off.
    LostAnswer,
    /// It is not taken: 500.
    Error,
    /// It is not taken, now or later: 422.
    Refuse,
}

/// How its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// As it should be.
    Genuine,
    /// Signed by somebody else.
    Forged,
    /// Signed an hour ago.
    Stale,
}

/// A parcel that was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shipment {
    /// Its sender's name of it.
    pub reference: String,
    /// Its name here.
    pub shipment: String,
    /// Where it goes, as it was given.
    pub address: Value,
    /// What it weighs, in grams.
    pub grams: u64,
    /// Where it was: place and moment, in the order in which that became known.
    pub tracking: Vec<(String, String)>,
}

/// What came of bringing a parcel.
pub(crate) enum Brought {
    Taken { shipment: String, new: bool, answer_lost: bool },
    Refused(&'static str),
    Failed,
}

pub(crate) struct Desk {
    settings: Settings,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    shipments: BTreeMap<String, Shipment>,
    faults: VecDeque<Fault>,
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        // reqwest is built without a provider of its own; a second installation is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { settings, http, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a client shows the key.
    pub(crate) fn admits(&self, authorization: Option<&str>) -> bool {
        authorization.and_then(|it| it.strip_prefix("Bearer ")) == Some(self.settings.key.as_str())
    }

    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    pub(crate) fn bring(&self, reference: &str, address: &Value, grams: u64) -> Brought {
        let mut state = self.state();
        let fault = state.faults.pop_front();
        if fault == Some(Fault::Error) {
            return Brought::Failed;
        }
        if let Some(known) = state.shipments.get(reference) {
            let (shipment, answer_lost) = (known.shipment.clone(), fault == Some(Fault::LostAnswer));
            return Brought::Taken { shipment, new: false, answer_lost };
        }
        if fault == Some(Fault::Refuse) || address["country"] == "AQ" {
            return Brought::Refused("undeliverable");
        }
        let shipment = format!("LC{:09}", state.shipments.len() + 1);
        let tracking = vec![];
        let (reference, address) = (reference.to_owned(), address.clone());
        let taken = Shipment { reference: reference.clone(), shipment: shipment.clone(), address, grams, tracking };
        state.shipments.insert(reference, taken);
        Brought::Taken { shipment, new: true, answer_lost: fault == Some(Fault::LostAnswer) }
    }

    pub(crate) fn find(&self, reference: &str) -> Option<Shipment> {
        self.state().shipments.get(reference).cloned()
    }

    pub(crate) fn shipments(&self) -> Vec<Shipment> {
        self.state().shipments.values().cloned().collect()
    }

    pub(crate) async fn track(&self, reference: &str, whereabouts: &str, at: &str, messages: &[Message]) -> Vec<u16> {
        if let Some(shipment) = self.state().shipments.get_mut(reference) {
            shipment.tracking.push((whereabouts.to_owned(), at.to_owned()));
        }
        let body = json!({"reference": reference, "whereabouts": whereabouts, "at": at}).to_string();
        let mut statuses = vec![];
        for message in messages {
            let Some(receiver) = &self.settings.receiver else { continue };
            let header = self.sign(receiver, *message, &body);
            let sent = self.http.post(receiver.url.as_str()).header("Carrier-Signature", header);
            let sent = sent.header("Content-Type", "application/json").body(body.clone()).send().await;
            statuses.push(sent.map_or(0, |answer| answer.status().as_u16()));
        }
        statuses
    }

    fn sign(&self, receiver: &Receiver, message: Message, body: &str) -> String {
        let time = (self.settings.clock)() - if message == Message::Stale { 3_600 } else { 0 };
        let secret = if message == Message::Forged { "of somebody else" } else { receiver.secret.as_str() };
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{time}.{body}").as_bytes());
        format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
    }
}
