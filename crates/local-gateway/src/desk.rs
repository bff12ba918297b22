//! Where one request is worked on: it reads the books, and collects what is to change.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    books::{Books, Change, Entry},
    event::Event,
    problem::Problem,
};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(crate) struct Desk<'a> {
    pub(crate) books: &'a Books,
    /// Seconds since 1970.
    pub(crate) now: i64,
    /// Where the gateway is reached: pages of banks are under it.
    pub(crate) url: &'a str,
    instance: &'a str,
    key: Option<&'a str>,
    /// Whether there is somebody to send webhooks to.
    webhooks: bool,
    serial: u64,
    changes: Vec<Change>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(
        books: &'a Books,
        now: i64,
        url: &'a str,
        instance: &'a str,
        key: Option<&'a str>,
        webhooks: bool,
    ) -> Self {
        Self { books, now, url, instance, key, webhooks, serial: books.serial, changes: vec![] }
    }

    /// A new id: 24 letters and digits that depend on the gateway's instance and on how many there were before.
    pub(crate) fn id(&mut self, prefix: &str) -> String {
        self.serial += 1;
        let digest = Sha256::new().chain_update(self.instance).chain_update(self.serial.to_be_bytes()).finalize();
        let letters = digest.iter().take(24).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
        format!("{prefix}_{}", letters.collect::<String>())
    }

    pub(crate) fn put(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Has the world told that something happened to `object`.
    pub(crate) fn tell(&mut self, kind: &str, object: Value) {
        let event = Event {
            id: self.id("evt"),
            kind: kind.to_owned(),
            created: self.now,
            object,
            idempotency_key: self.key.map(ToOwned::to_owned),
            due: self.webhooks,
        };
        self.put(Change::Event(event));
    }

    pub(crate) fn finish(self) -> Entry {
        Entry { serial: self.serial, changes: self.changes }
    }
}

/// A question about the books, of an object with an id or of many.
pub(crate) type Question = fn(&Books, &str, &mut crate::form::Form) -> Result<Value, Problem>;
/// A request to change something, of an object with an id or of none yet.
pub(crate) type Operation = fn(&mut Desk<'_>, &str, crate::form::Form) -> Result<Value, Problem>;
