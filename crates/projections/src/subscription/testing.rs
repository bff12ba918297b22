//! Subscriptions and money of the learner of the tests, done on the aggregates as their processes would.

use baeum_domain::{
    ids::{InvoiceId, PlanId, PurchaseId, RefundId, SubscriptionId},
    money::{Money, samples::money},
    subscription::{
        bill::{Bill, Item, Line, Purpose, payment_id},
        credits::{self, CreditBalance},
        dunning::Dunning,
        invoice::{self, Invoice, VoidReason},
        payment::{self, AskedBy, ChargeOutcome, Payment},
        period::Interval,
        plan::{self, Offer, Plan, PlanTerms, samples::terms},
        refund::{self, Ground, Purchase, Reason, Refund, RefundPolicy},
        subscription::{Command, Subscription},
    },
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::testing::{LEARNER, World};

pub(crate) const SUBSCRIPTION: SubscriptionId = SubscriptionId(Uuid::from_u128(80));

/// The moment at which the clock of the tests stands.
pub(crate) fn now() -> DateTime<Utc> {
    "2026-03-01T09:00:00Z".parse().expect("a moment")
}

fn krw(minor: i64) -> Money {
    money(minor, "KRW")
}

pub(crate) fn offer(price: i64) -> Offer {
    Offer { interval: Interval::MONTHLY, prices: vec![krw(price)], trial_days: 7, evaluations: 100 }
}

pub(crate) fn plan_stream(plan: &PlanId) -> Uuid {
    plan::id_of("main", plan)
}

/// The learner subscribes for 12,900 won a month.
pub(crate) fn start(trial: bool) -> Command {
    Command::Start {
        subscription_id: SUBSCRIPTION,
        subscriber: LEARNER,
        terms: PlanTerms { trial_days: 7, ..terms("plus", krw(12_900)) },
        time_zone: "UTC".parse().expect("a zone"),
        dunning: Dunning::default(),
        coupon: None,
        trial,
        at: now(),
    }
}

/// The invoice of a period of that subscription.
pub(crate) fn invoice_of(number: u32) -> InvoiceId {
    Purpose::Period { subscription_id: SUBSCRIPTION, number }.invoice_id()
}

pub(crate) fn paid(number: u32) -> Command {
    Command::RecordPaid { invoice_id: invoice_of(number) }
}

pub(crate) fn failed(number: u32, attempt: u32, next_attempt_at: Option<DateTime<Utc>>) -> Command {
    Command::RecordFailedCharge { invoice_id: invoice_of(number), attempt, next_attempt_at, at: now() }
}

fn bill(number: u32) -> Bill {
    let purpose = Purpose::Period { subscription_id: SUBSCRIPTION, number };
    let line = Line::of_time(Item::Period, krw(12_900), now(), now());
    Bill::draw(purpose, now(), vec![line], krw(0)).expect("one currency")
}

pub(crate) async fn issue(world: &World, number: u32) -> i64 {
    let issue = invoice::Command::Issue { subscriber: LEARNER, bill: bill(number), at: now() };
    world.execute::<Invoice>(invoice_of(number).0, issue).await
}

pub(crate) async fn pay(world: &World, number: u32) -> i64 {
    let payment_id = payment_id(invoice_of(number));
    let pay = invoice::Command::RecordPayment { payment_id, amount: krw(12_900), at: now() };
    world.execute::<Invoice>(invoice_of(number).0, pay).await
}

pub(crate) async fn void(world: &World, number: u32) -> i64 {
    let void = invoice::Command::Void { reason: VoidReason::Unpaid, at: now() };
    world.execute::<Invoice>(invoice_of(number).0, void).await
}

async fn on_payment(world: &World, number: u32, command: payment::Command) -> i64 {
    world.execute::<Payment>(payment_id(invoice_of(number)).0, command).await
}

pub(crate) async fn request(world: &World, number: u32) -> i64 {
    let invoice_id = invoice_of(number);
    let zone = "UTC".parse().expect("a zone");
    let attempts_at = Dunning::default().attempts(now(), &zone).expect("in the calendar");
    let (payment_id, amount) = (payment_id(invoice_id), krw(12_900));
    on_payment(world, number, payment::Command::Request { payment_id, invoice_id, amount, attempts_at }).await
}

pub(crate) async fn begin(world: &World, number: u32, attempt: u32) -> i64 {
    let asked_by = AskedBy::Subscriber;
    on_payment(world, number, payment::Command::BeginCharge { attempt, asked_by, at: now() }).await
}

async fn record(world: &World, number: u32, attempt: u32, outcome: ChargeOutcome) -> i64 {
    on_payment(world, number, payment::Command::RecordCharge { attempt, outcome, at: now() }).await
}

pub(crate) async fn succeed(world: &World, number: u32, attempt: u32, reference: &str) -> i64 {
    record(world, number, attempt, ChargeOutcome::Succeeded { reference: reference.to_owned() }).await
}

pub(crate) async fn fail(world: &World, number: u32, attempt: u32) -> i64 {
    record(world, number, attempt, ChargeOutcome::Failed { code: "card_declined".to_owned() }).await
}

pub(crate) async fn close(world: &World, number: u32) -> i64 {
    on_payment(world, number, payment::Command::Close { at: now() }).await
}

/// Gives a part of the charge `ch_<number>` back.
pub(crate) async fn refund(world: &World, number: u32, refund: u128, minor: i64) -> i64 {
    let (refund_id, payment_id) = (RefundId(Uuid::from_u128(refund)), payment_id(invoice_of(number)));
    let (amount, at, reference) = (krw(minor), now(), format!("ch_{number}"));
    let purchase = Purchase { paid: krw(12_900), refunded: krw(0), paid_at: now(), period: None };
    let (ground, reason) = (Ground::Policy(RefundPolicy::default(), purchase), Reason::NotWanted);
    let request =
        refund::Command::Request { refund_id, payment_id, reference: reference.clone(), amount, ground, reason, at };
    world.execute::<Refund>(refund_id.0, request).await;
    on_payment(world, number, payment::Command::ReserveRefund { refund_id, reference, amount }).await;
    world.execute::<Refund>(refund_id.0, refund::Command::Send { at }).await;
    world.execute::<Refund>(refund_id.0, refund::Command::RecordSuccess { at }).await
}

pub(crate) fn grant(units: u32) -> credits::Command {
    let until = now() + chrono::TimeDelta::days(31);
    credits::Command::GrantAllowance { subscriber: LEARNER, units, from: now(), until, continues: false }
}

pub(crate) fn buy(purchase: u128, units: u32) -> credits::Command {
    let purchase_id = PurchaseId(Uuid::from_u128(purchase));
    credits::Command::Buy { subscriber: LEARNER, purchase_id, units, unit_price: krw(100), at: now() }
}

pub(crate) fn spend(attempt: u128) -> credits::Command {
    let attempt_id = baeum_domain::ids::AttemptId(Uuid::from_u128(attempt));
    credits::Command::Spend { subscriber: LEARNER, attempt_id, at: now() }
}

/// The learner subscribes to a plan, pays, and gets something back: every table of money has rows.
pub(crate) async fn buy_something(world: &World) {
    let plus: PlanId = "plus".parse().expect("a plan id");
    let create = plan::Command::Create { plan_id: plus.clone(), offer: offer(12_900) };
    world.execute::<Plan>(plan_stream(&plus), create).await;
    world.execute::<Subscription>(SUBSCRIPTION.0, start(false)).await;
    issue(world, 1).await;
    request(world, 1).await;
    begin(world, 1, 1).await;
    fail(world, 1, 1).await;
    begin(world, 1, 2).await;
    succeed(world, 1, 2, "ch_1").await;
    pay(world, 1).await;
    world.execute::<Subscription>(SUBSCRIPTION.0, paid(1)).await;
    refund(world, 1, 81, 2_900).await;
    let stream = credits::id_of(LEARNER);
    world.execute::<CreditBalance>(stream, grant(100)).await;
    world.execute::<CreditBalance>(stream, buy(82, 10)).await;
    world.execute::<CreditBalance>(stream, spend(22)).await;
}
