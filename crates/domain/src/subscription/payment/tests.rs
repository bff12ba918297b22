use uuid::Uuid;

use super::*;
use crate::{money::samples::money, spec::given, subscription::bill::payment_id};

const INVOICE: InvoiceId = InvoiceId(Uuid::from_u128(7));
const REFUND: RefundId = RefundId(Uuid::from_u128(8));

fn day(day: u32) -> DateTime<Utc> {
    format!("2026-01-{day:02}T00:00:00Z").parse().expect("a moment")
}

fn usd(minor: i64) -> Money {
    money(minor, "USD")
}

fn requested() -> Event {
    let attempts_at = vec![day(1), day(2), day(4)];
    Event::PaymentRequested { payment_id: payment_id(INVOICE), invoice_id: INVOICE, amount: usd(990), attempts_at }
}

fn begin(attempt: u32, on: u32) -> Command {
    Command::BeginCharge { attempt, asked_by: AskedBy::Schedule, at: day(on) }
}

fn attempted(attempt: u32, on: u32) -> Event {
    let payment_id = payment_id(INVOICE);
    Event::ChargeAttempted {
        payment_id,
        attempt,
        asked_by: AskedBy::Schedule,
        idempotency_key: idempotency_key(payment_id, attempt),
        amount: usd(990),
        at: day(on),
    }
}

fn succeed(attempt: u32, reference: &str) -> Command {
    Command::RecordCharge { attempt, outcome: ChargeOutcome::Succeeded { reference: reference.into() }, at: day(9) }
}

fn succeeded(attempt: u32, reference: &str) -> Event {
    Event::ChargeSucceeded {
        payment_id: payment_id(INVOICE),
        invoice_id: INVOICE,
        attempt,
        reference: reference.into(),
        amount: usd(990),
        at: day(9),
    }
}

fn surplus(attempt: u32, reference: &str) -> Event {
    let (payment_id, reference) = (payment_id(INVOICE), reference.into());
    Event::SurplusCharged { payment_id, attempt, reference, amount: usd(990), at: day(9) }
}

fn fail(attempt: u32) -> Command {
    Command::RecordCharge { attempt, outcome: ChargeOutcome::Failed { code: "card_declined".into() }, at: day(9) }
}

fn failed(attempt: u32, next: Option<u32>) -> Event {
    Event::ChargeFailed {
        payment_id: payment_id(INVOICE),
        invoice_id: INVOICE,
        attempt,
        code: "card_declined".into(),
        next_attempt_at: next.map(day),
        at: day(9),
    }
}

fn closed() -> Event {
    Event::PaymentClosed { payment_id: payment_id(INVOICE), invoice_id: INVOICE, at: day(9) }
}

#[test]
fn an_attempt_is_recorded_with_its_key_before_the_gateway_is_called() {
    given::<Payment>([requested()]).when(begin(1, 1)).then([attempted(1, 1)]);
    given::<Payment>([requested(), attempted(1, 1)]).when(begin(1, 2)).then([]);
    assert_ne!(idempotency_key(payment_id(INVOICE), 1), idempotency_key(payment_id(INVOICE), 2));
}

#[test]
fn while_an_answer_is_missing_nothing_else_is_attempted() {
    given::<Payment>([requested(), attempted(1, 1)]).when(begin(2, 2)).then_refused("ask the gateway under the key");
    // The answer was lost; asked again, or by a call of its own, the gateway tells it.
    given::<Payment>([requested(), attempted(1, 1)]).when(succeed(1, "ch_1")).then([succeeded(1, "ch_1")]);
}

#[test]
fn a_charge_is_attempted_again_on_the_days_of_its_schedule() {
    let once = [requested(), attempted(1, 1), failed(1, Some(2))];
    given::<Payment>(once[..2].to_vec()).when(fail(1)).then([failed(1, Some(2))]);
    given::<Payment>(once.clone()).when(begin(2, 1)).then_refused("not to be charged before 2026-01-02");
    given::<Payment>(once.clone()).when(begin(3, 4)).then_refused("not the next: that is 2");
    given::<Payment>(once).when(begin(2, 2)).then([attempted(2, 2)]);
}

#[test]
fn after_the_last_failure_it_is_closed() {
    let history =
        vec![requested(), attempted(1, 1), failed(1, Some(2)), attempted(2, 2), failed(2, Some(4)), attempted(3, 4)];
    given::<Payment>(history.clone()).when(fail(3)).then([failed(3, None), closed()]);
    let ended = history.into_iter().chain([failed(3, None), closed()]);
    given::<Payment>(ended).when(begin(4, 9)).then_refused("is closed");
}

#[test]
fn a_subscriber_may_try_at_once_without_using_up_the_schedule() {
    let history = vec![requested(), attempted(1, 1), failed(1, Some(2))];
    let asked = Command::BeginCharge { attempt: 2, asked_by: AskedBy::Subscriber, at: day(1) };
    let key = idempotency_key(payment_id(INVOICE), 2);
    let by_subscriber = Event::ChargeAttempted {
        payment_id: payment_id(INVOICE),
        attempt: 2,
        asked_by: AskedBy::Subscriber,
        idempotency_key: key,
        amount: usd(990),
        at: day(1),
    };
    given::<Payment>(history.clone()).when(asked).then([by_subscriber.clone()]);
    given::<Payment>(history.into_iter().chain([by_subscriber])).when(fail(2)).then([failed(2, Some(2))]);
}

#[test]
fn an_outcome_told_twice_changes_nothing() {
    let paid = vec![requested(), attempted(1, 1), succeeded(1, "ch_1")];
    given::<Payment>(paid.clone()).when(succeed(1, "ch_1")).then([]);
    given::<Payment>(paid.clone()).when(fail(1)).then([]);
    given::<Payment>(paid).when(begin(2, 2)).then_refused("has succeeded");
    given::<Payment>([requested()]).when(succeed(1, "ch_1")).then_refused("never begun");
}

#[test]
fn a_charge_that_must_not_have_been_is_a_surplus_and_no_payment() {
    // Said to have failed, it succeeded after all: it pays, since nothing else did.
    let once = vec![requested(), attempted(1, 1), failed(1, Some(2))];
    given::<Payment>(once.clone()).when(succeed(1, "ch_1")).then([succeeded(1, "ch_1")]);
    // But not while another attempt may pay, ...
    let twice: Vec<_> = once.into_iter().chain([attempted(2, 2)]).collect();
    given::<Payment>(twice.clone()).when(succeed(1, "ch_1")).then([surplus(1, "ch_1")]);
    // ... nor after one has, ...
    let paid = twice.into_iter().chain([succeeded(2, "ch_2")]);
    given::<Payment>(paid).when(succeed(1, "ch_1")).then([surplus(1, "ch_1")]);
    // ... nor twice under one key, ...
    let paid = vec![requested(), attempted(1, 1), succeeded(1, "ch_1")];
    given::<Payment>(paid).when(succeed(1, "ch_9")).then([surplus(1, "ch_9")]);
    // ... nor when it was given up on the way.
    given::<Payment>([requested(), attempted(1, 1), closed()]).when(succeed(1, "ch_1")).then([surplus(1, "ch_1")]);
}

#[test]
fn no_more_is_given_back_than_was_taken() {
    let reserve = |id: u128, minor| Command::ReserveRefund {
        refund_id: RefundId(Uuid::from_u128(id)),
        reference: "ch_1".into(),
        amount: usd(minor),
    };
    let reserved = Event::RefundReserved {
        payment_id: payment_id(INVOICE),
        refund_id: REFUND,
        reference: "ch_1".into(),
        amount: usd(600),
    };
    let released = Event::RefundReleased { payment_id: payment_id(INVOICE), refund_id: REFUND };
    let settled = Event::RefundSettled { payment_id: payment_id(INVOICE), refund_id: REFUND, amount: usd(600) };
    let paid = vec![requested(), attempted(1, 1), succeeded(1, "ch_1")];
    let held: Vec<_> = paid.iter().cloned().chain([reserved.clone()]).collect();
    let made: Vec<_> = held.iter().cloned().chain([settled.clone()]).collect();
    given::<Payment>(paid.clone()).when(reserve(8, 991)).then_refused("9.90 USD are left");
    given::<Payment>(paid.clone()).when(reserve(8, 0)).then_refused("0.00 USD cannot be refunded");
    given::<Payment>(paid).when(reserve(8, 600)).then([reserved]);
    given::<Payment>(held.clone()).when(reserve(9, 391)).then_refused("3.90 USD are left");
    given::<Payment>(held.clone()).when(Command::SettleRefund { refund_id: REFUND }).then([settled]);
    given::<Payment>(held.clone()).when(Command::ReleaseRefund { refund_id: REFUND }).then([released.clone()]);
    given::<Payment>(made.clone()).when(reserve(9, 391)).then_refused("3.90 USD are left");
    given::<Payment>(made).when(Command::ReleaseRefund { refund_id: REFUND }).then_refused("was made before");
    let free = held.into_iter().chain([released]);
    given::<Payment>(free).when(reserve(9, 990)).then([Event::RefundReserved {
        payment_id: payment_id(INVOICE),
        refund_id: RefundId(Uuid::from_u128(9)),
        reference: "ch_1".into(),
        amount: usd(990),
    }]);
}
