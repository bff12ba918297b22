//! Charges: the tries of payments.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::table::Row;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) customer: Option<String>,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    /// Code and message of a try that failed.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) metadata: std::collections::BTreeMap<String, String>,
    pub(crate) created: i64,
}

impl Charge {
    pub(crate) fn paid(&self) -> bool {
        self.failure.is_none()
    }
}

impl Row for Charge {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn owner(&self) -> Option<&str> {
        self.customer.as_deref()
    }

    fn json(&self) -> Value {
        let (code, message) = self.failure.clone().unzip();
        json!({
            "id": self.id, "object": "charge", "amount": self.amount,
            "amount_captured": if self.paid() { self.amount } else { 0 }, "amount_refunded": self.amount_refunded,
            "captured": self.paid(), "currency": self.currency, "customer": self.customer, "failure_code": code,
            "failure_message": message, "metadata": self.metadata, "paid": self.paid(),
            "payment_intent": self.payment_intent, "payment_method": self.payment_method,
            "refunded": self.paid() && self.amount_refunded == self.amount,
            "status": if self.paid() { "succeeded" } else { "failed" }, "created": self.created, "livemode": false,
        })
    }
}
