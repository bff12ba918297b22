//! Everything that the gateway knows, and the one way to change it.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    charge::Charge, customer::Customer, event::Event, fault::Plan, payment_intent::PaymentIntent,
    payment_method::PaymentMethod, refund::Refund, setup_intent::SetupIntent, table::Table,
};

/// For how long the answer to a key is kept, in seconds.
const KEPT: i64 = 24 * 60 * 60;

/// The answer to the first request with a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) key: String,
    /// A hash of what was asked.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) created: i64,
}

/// A change: an object as it is from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Customer(Customer),
    PaymentMethod(PaymentMethod),
    SetupIntent(SetupIntent),
    PaymentIntent(PaymentIntent),
    Charge(Charge),
    Refund(Refund),
    Event(Event),
    Answer(Answer),
    Plan(Plan),
}

/// What one request changed: a line of the journal, written whole or not at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// How many ids were given out when it was done.
    pub(crate) serial: u64,
    pub(crate) changes: Vec<Change>,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) serial: u64,
    pub(crate) customers: Table<Customer>,
    pub(crate) payment_methods: Table<PaymentMethod>,
    pub(crate) setup_intents: Table<SetupIntent>,
    pub(crate) payment_intents: Table<PaymentIntent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) events: Table<Event>,
    pub(crate) plan: Plan,
    answers: HashMap<String, Answer>,
    /// Keys in the order of their answers, the oldest first.
    answered: VecDeque<(i64, String)>,
}

impl Books {
    pub(crate) fn apply(&mut self, entry: Entry) {
        self.serial = entry.serial;
        for change in entry.changes {
            match change {
                Change::Customer(it) => self.customers.put(it),
                Change::PaymentMethod(it) => self.payment_methods.put(it),
                Change::SetupIntent(it) => self.setup_intents.put(it),
                Change::PaymentIntent(it) => self.payment_intents.put(it),
                Change::Charge(it) => self.charges.put(it),
                Change::Refund(it) => self.refunds.put(it),
                Change::Event(it) => self.events.put(it),
                Change::Answer(it) => self.keep(it),
                Change::Plan(it) => self.plan = it,
            }
        }
    }

    /// The answer to this key, for 24 hours.
    pub(crate) fn answer(&self, key: &str, now: i64) -> Option<&Answer> {
        self.answers.get(key).filter(|it| now - it.created < KEPT)
    }

    fn keep(&mut self, answer: Answer) {
        let now = answer.created;
        while let Some((created, key)) = self.answered.front()
            && now - created >= KEPT
        {
            if self.answers.get(key).is_some_and(|it| it.created == *created) {
                self.answers.remove(key);
            }
            self.answered.pop_front();
        }
        self.answered.push_back((now, answer.key.clone()));
        self.answers.insert(answer.key.clone(), answer);
    }
}
