use uuid::Uuid;

use super::*;
use crate::{money::samples::money, spec::given, subscription::period::Interval};

const REFUND: RefundId = RefundId(Uuid::from_u128(8));
const PAYMENT: PaymentId = PaymentId(Uuid::from_u128(9));

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

fn usd(minor: i64) -> Money {
    money(minor, "USD")
}

/// 31.00 USD for January 2026, paid when it began.
fn purchase(refunded: i64) -> Purchase {
    let zone = "UTC".parse().expect("a zone");
    let period = Period::anchored(1, at("2026-01-01T00:00:00Z"), &zone, Interval::MONTHLY);
    Purchase { paid: usd(3_100), refunded: usd(refunded), paid_at: at("2026-01-01T00:00:00Z"), period }
}

fn request(minor: i64, ground: Ground, when: &str) -> Command {
    Command::Request {
        refund_id: REFUND,
        payment_id: PAYMENT,
        reference: "ch_1".into(),
        amount: usd(minor),
        ground,
        reason: Reason::NotWanted,
        at: at(when),
    }
}

fn requested(minor: i64, surplus: bool, when: &str) -> Event {
    Event::RefundRequested {
        refund_id: REFUND,
        payment_id: PAYMENT,
        reference: "ch_1".into(),
        amount: usd(minor),
        surplus,
        reason: Reason::NotWanted,
        at: at(when),
    }
}

const SENT_AT: &str = "2026-01-10T00:00:00Z";

fn sent() -> Event {
    Event::RefundSent {
        refund_id: REFUND,
        reference: "ch_1".into(),
        amount: usd(3_100),
        idempotency_key: idempotency_key(REFUND),
        at: at(SENT_AT),
    }
}

#[test]
fn within_the_first_days_all_of_it_can_be_given_back() {
    let policy = RefundPolicy::default();
    let early = "2026-01-14T23:59:59Z";
    let ground = Ground::Policy(policy, purchase(0));
    given::<Refund>([]).when(request(3_100, ground, early)).then([requested(3_100, false, early)]);
    given::<Refund>([]).when(request(3_101, ground, early)).then_refused("the policy allows 31.00 USD now");
    given::<Refund>([]).when(request(1, ground, "2026-01-15T00:00:00Z")).then_refused("allows 0.00 USD now");
    let rest = Ground::Policy(policy, purchase(3_000));
    given::<Refund>([]).when(request(101, rest, early)).then_refused("allows 1.00 USD now");
}

#[test]
fn afterwards_a_policy_may_give_back_unused_time() {
    let policy = RefundPolicy { whole_days: 14, unused_time: true };
    // Ten of 31 days are left.
    let late = at("2026-01-22T00:00:00Z");
    assert_eq!(policy.refundable(&purchase(0), late), Ok(usd(1_000)));
    assert_eq!(policy.refundable(&purchase(400), late), Ok(usd(600)));
    assert_eq!(policy.refundable(&purchase(1_500), late), Ok(usd(0)));
    assert_eq!(policy.refundable(&purchase(0), at("2026-03-01T00:00:00Z")), Ok(usd(0)));
}

#[test]
fn a_surplus_is_given_back_in_whole_at_any_time() {
    let late = "2027-01-01T00:00:00Z";
    given::<Refund>([]).when(request(3_100, Ground::Surplus(usd(3_100)), late)).then([requested(3_100, true, late)]);
    given::<Refund>([]).when(request(3_000, Ground::Surplus(usd(3_100)), late)).then_refused("not the whole");
}

#[test]
fn it_is_sent_under_one_key_and_has_one_outcome() {
    let start = requested(3_100, false, SENT_AT);
    given::<Refund>([start.clone()]).when(Command::Send { at: at(SENT_AT) }).then([sent()]);
    let (refund_id, payment_id) = (REFUND, PAYMENT);
    let succeeded =
        Event::RefundSucceeded { refund_id, payment_id, amount: usd(3_100), surplus: false, at: at(SENT_AT) };
    let success = Command::RecordSuccess { at: at(SENT_AT) };
    let failure = Command::RecordFailure { code: "charge_expired".into(), at: at(SENT_AT) };
    given::<Refund>([start.clone(), sent()]).when(success.clone()).then([succeeded.clone()]);
    given::<Refund>([start.clone(), sent(), succeeded]).when(failure.clone()).then_refused("look into it");
    given::<Refund>([start.clone()]).when(success).then_refused("is requested");
    let code = "charge_expired".to_owned();
    let failed = Event::RefundFailed { refund_id, payment_id, code, at: at(SENT_AT) };
    given::<Refund>([start.clone(), sent()]).when(failure).then([failed]);
    let rejected = Event::RefundRejected { refund_id, payment_id };
    given::<Refund>([start.clone()]).when(Command::Reject).then([rejected]);
    given::<Refund>([start, sent()]).when(Command::Reject).then_refused("cannot be given up any more");
}
