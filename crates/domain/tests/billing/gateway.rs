//! A gateway as the world has them: it charges once a key, loses answers, and calls back whenever it likes.

use std::collections::{BTreeMap, VecDeque};

use baeum_domain::ids::{PaymentId, RefundId};

/// What the gateway does with a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Whether money is taken.
    pub(crate) succeeds: bool,
    /// Whether anybody hears of it before they ask again.
    pub(crate) told: bool,
}

/// A call for a charge.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) payment_id: PaymentId,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    pub(crate) amount: i64,
}

#[derive(Default)]
pub(crate) struct Gateway {
    /// Calls for charges that have not arrived yet.
    pub(crate) calls: VecDeque<Call>,
    /// Charges by key: the reference of those that took money.
    pub(crate) charges: BTreeMap<String, (Call, Option<String>)>,
    /// Refunds that were asked for: key, payment, amount.
    pub(crate) refunds: VecDeque<(String, PaymentId, RefundId, i64)>,
    /// Refunds by key: the payment, and what was given back where it succeeded.
    pub(crate) refunded: BTreeMap<String, (PaymentId, i64)>,
    /// What was taken under keys that had an outcome already, which no gateway may do.
    pub(crate) wrong: BTreeMap<PaymentId, i64>,
}

impl Gateway {
    /// Does what a call asks for, once a key, and gives the reference where money was taken.
    pub(crate) fn charge(&mut self, call: &Call, succeeds: bool) -> Option<String> {
        let reference = succeeds.then(|| format!("ch_{}", call.key));
        self.charges.entry(call.key.clone()).or_insert_with(|| (call.clone(), reference)).1.clone()
    }

    /// Does what a refund asks for, once a key, and says whether it succeeded.
    pub(crate) fn refund(&mut self, key: String, payment_id: PaymentId, amount: i64, succeeds: bool) -> bool {
        let given = if succeeds { amount } else { 0 };
        self.refunded.entry(key).or_insert((payment_id, given)).1 > 0
    }

    /// How many charges of a payment took money.
    pub(crate) fn taken(&self, payment_id: PaymentId) -> usize {
        self.charges.values().filter(|(call, reference)| call.payment_id == payment_id && reference.is_some()).count()
    }

    /// What was taken and given back for a payment, in minor units.
    pub(crate) fn amounts(&self, payment_id: PaymentId) -> (i64, i64) {
        let of = |call: &Call| call.payment_id == payment_id;
        let taken = self.charges.values().filter(|(call, reference)| of(call) && reference.is_some());
        let taken: i64 = taken.map(|(call, _)| call.amount).sum();
        let back: i64 = self.refunded.values().filter(|(id, _)| *id == payment_id).map(|(_, amount)| amount).sum();
        (taken + self.wrong.get(&payment_id).copied().unwrap_or(0), back)
    }

    /// What lies with it, in minor units.
    pub(crate) fn holds(&self) -> i64 {
        let taken = self.charges.values().filter(|(_, reference)| reference.is_some()).map(|(call, _)| call.amount);
        let back = self.refunded.values().map(|(_, amount)| amount);
        taken.sum::<i64>() + self.wrong.values().sum::<i64>() - back.sum::<i64>()
    }
}
