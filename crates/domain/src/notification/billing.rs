//! What is told about money and subscriptions.
//!
//! What is *owed* goes out by e-mail even to who has switched the topic off: receipts, refunds, failed charges, the end of a
//! trial before it costs something, and the end of service for want of payment. Consumer law asks for these, in a form that
//! can be kept. The rest can be switched off like all else.

use super::template::{Kind, Spec};

const TOPIC: &str = "billing";

const fn owed(id: &'static str, parameters: &'static [(&'static str, Kind)]) -> Spec {
    Spec { id, topic: TOPIC, parameters, owed: true }
}

const fn courtesy(id: &'static str, parameters: &'static [(&'static str, Kind)]) -> Spec {
    Spec { id, topic: TOPIC, parameters, owed: false }
}

const AMOUNT: (&str, Kind) = ("amount", Kind::Money);
const DAY: (&str, Kind) = ("day", Kind::Date);
const INVOICE: (&str, Kind) = ("invoice", Kind::Reference);
const PLAN: (&str, Kind) = ("plan", Kind::Plan);
const RETRY: (&str, Kind) = ("retry", Kind::Date);
const UNTIL: (&str, Kind) = ("until", Kind::Date);

/// A trial is about to end: on `day`, and then costs `amount`.
pub const TRIAL_ENDING: Spec = owed("trial_ending", &[PLAN, DAY, AMOUNT]);
/// A period was paid on `day`: the first and the last day of it are `from` and `until`.
pub const RECEIPT_PERIOD: Spec = owed("receipt_period", &[AMOUNT, DAY, ("from", Kind::Date), UNTIL, INVOICE]);
/// A change of plan was paid.
pub const RECEIPT_CHANGE: Spec = owed("receipt_change", &[AMOUNT, DAY, INVOICE]);
/// Usage credits were paid.
pub const RECEIPT_CREDITS: Spec = owed("receipt_credits", &[AMOUNT, DAY, INVOICE]);
/// A charge failed, is tried again on `retry`, and there is service until `until`.
pub const CHARGE_FAILED: Spec = owed("charge_failed", &[AMOUNT, RETRY, UNTIL, INVOICE]);
/// The same where there is no service before it is paid.
pub const CHARGE_FAILED_UNSERVED: Spec = owed("charge_failed_unserved", &[AMOUNT, RETRY, INVOICE]);
/// Money was given back.
pub const REFUND_MADE: Spec = owed("refund_made", &[AMOUNT, DAY]);
/// Money was given back that must not have been taken.
pub const SURPLUS_REFUNDED: Spec = owed("surplus_refunded", &[AMOUNT, DAY]);
/// Another plan, or the same for another price.
pub const PLAN_CHANGED: Spec = courtesy("plan_changed", &[PLAN, AMOUNT, DAY]);
/// It will end with its period, as was asked for.
pub const CANCELLATION_SCHEDULED: Spec = courtesy("cancellation_scheduled", &[PLAN, DAY]);
/// It was ended, as was asked for.
pub const SUBSCRIPTION_CANCELLED: Spec = courtesy("subscription_cancelled", &[PLAN, DAY]);
/// It was ended since it was not paid: the last attempt failed.
pub const SUBSCRIPTION_CANCELLED_UNPAID: Spec = owed("subscription_cancelled_unpaid", &[PLAN, DAY]);
/// Its time was over.
pub const SUBSCRIPTION_EXPIRED: Spec = courtesy("subscription_expired", &[PLAN, DAY]);

/// All of them.
pub const ALL: [Spec; 13] = [
    TRIAL_ENDING,
    RECEIPT_PERIOD,
    RECEIPT_CHANGE,
    RECEIPT_CREDITS,
    CHARGE_FAILED,
    CHARGE_FAILED_UNSERVED,
    REFUND_MADE,
    SURPLUS_REFUNDED,
    PLAN_CHANGED,
    CANCELLATION_SCHEDULED,
    SUBSCRIPTION_CANCELLED,
    SUBSCRIPTION_CANCELLED_UNPAID,
    SUBSCRIPTION_EXPIRED,
];
