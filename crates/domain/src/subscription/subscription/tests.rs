use uuid::Uuid;

use super::*;
use crate::{
    money::samples::money,
    spec::given,
    subscription::{
        bill::{Item, Purpose},
        period::Interval,
        plan::samples::terms,
    },
};

const ID: SubscriptionId = SubscriptionId(Uuid::from_u128(1));
const MINA: UserId = UserId(Uuid::from_u128(2));

/// A day of 2026 at 00:00 in Seoul.
fn day(month: u32, day: u32) -> DateTime<Utc> {
    format!("2026-{month:02}-{day:02}T00:00:00+09:00").parse().expect("a moment")
}

fn krw(minor: i64) -> Money {
    money(minor, "KRW")
}

fn monthly() -> PlanTerms {
    terms("plus", krw(12_900))
}

fn premium() -> PlanTerms {
    terms("premium", krw(19_900))
}

fn start_with(terms: PlanTerms, coupon: Option<CouponTerms>, trial: bool) -> Command {
    Command::Start {
        subscription_id: ID,
        subscriber: MINA,
        terms,
        time_zone: "Asia/Seoul".parse().expect("a zone"),
        dunning: Dunning::default(),
        coupon,
        trial,
        at: day(1, 31),
    }
}

fn start() -> Command {
    start_with(monthly(), None, false)
}

fn coupon(periods: Option<u32>) -> CouponTerms {
    CouponTerms { code: "spring".parse().expect("a code"), discount: Discount::Share(5_000), periods }
}

/// What all these commands, one after the other, decide.
fn history(commands: impl IntoIterator<Item = Command>) -> Vec<Event> {
    let (mut subscription, mut events) = (Subscription::default(), vec![]);
    for command in commands {
        let decided = subscription.decide(command.clone()).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        for event in &decided {
            subscription.evolve(event);
        }
        events.extend(decided);
    }
    events
}

fn state(commands: impl IntoIterator<Item = Command>) -> Contract {
    Subscription::fold(&history(commands)).contract.expect("started")
}

fn invoice(number: u32) -> InvoiceId {
    Purpose::Period { subscription_id: ID, number }.invoice_id()
}

fn paid(number: u32) -> Command {
    Command::RecordPaid { invoice_id: invoice(number) }
}

fn failed(number: u32, attempt: u32, next: Option<DateTime<Utc>>) -> Command {
    Command::RecordFailedCharge { invoice_id: invoice(number), attempt, next_attempt_at: next, at: day(3, 1) }
}

fn end(number: u32, at: DateTime<Utc>) -> Command {
    Command::EndPeriod { number, at }
}

/// January's last day to February's, paid.
fn going_on() -> Vec<Command> {
    vec![start(), paid(1)]
}

/// The second period is due and its first charge failed.
fn past_due() -> Vec<Command> {
    vec![start(), paid(1), end(1, day(2, 28)), failed(2, 1, Some(day(3, 1)))]
}

/// Every command, decided twice, decides nothing the second time.
fn then(given_commands: Vec<Command>, command: Command) -> Vec<Event> {
    let before = history(given_commands);
    let decided = Subscription::fold(&before).decide(command.clone()).expect("allowed");
    given::<Subscription>(before).when(command).then(decided.clone());
    decided
}

fn refused(given_commands: Vec<Command>, command: Command, part: &str) {
    given::<Subscription>(history(given_commands)).when(command).then_refused(part);
}

#[test]
fn who_starts_is_billed_for_the_first_period_and_served_when_it_is_paid() {
    let events = then(vec![], start());
    let [Event::SubscriptionStarted { period, bill: Some(bill), .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at, period.ends_at), (1, day(1, 31), day(2, 28)));
    assert_eq!((bill.invoice_id, bill.total, bill.due_at), (invoice(1), krw(12_900), day(1, 31)));
    assert_eq!(state([start()]).service_until(), None);
    then(vec![start()], paid(1));
    assert_eq!(state(going_on()).service_until(), Some(day(3, 7)), "the period, and the dunning of the next");
    refused(vec![start()], paid(2), "is not of subscription");
}

#[test]
fn a_trial_is_served_unpaid_and_then_renewed_or_over() {
    let trial = PlanTerms { trial_days: 7, ..monthly() };
    let begin = start_with(trial.clone(), None, true);
    assert_eq!(state([begin.clone()]).status, Status::Trialing);
    refused(vec![begin.clone()], end(0, day(2, 6)), "goes on until");
    let events = then(vec![begin.clone()], end(0, day(2, 7)));
    let [Event::SubscriptionRenewed { period, bill, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at, period.ends_at), (1, day(2, 7), day(3, 7)));
    assert_eq!(bill.invoice_id, invoice(1));
    let ended = then(vec![begin.clone(), Command::CancelAtPeriodEnd], end(0, day(2, 7)));
    assert_eq!(ended, [Event::SubscriptionExpired { subscription_id: ID, at: day(2, 7) }]);
    let other = Command::ChangePlan { terms: premium(), shown_at: day(2, 1), net: krw(0), at: day(2, 1) };
    let changed = then(vec![begin], other);
    assert!(matches!(&changed[..], [Event::SubscriptionPlanChanged { bill: None, proration: None, .. }]));
}

#[test]
fn each_period_is_renewed_once_and_keeps_the_anchor_day() {
    let events = then(going_on(), end(1, day(2, 28)));
    let [Event::SubscriptionRenewed { period, bill, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at, period.ends_at), (2, day(2, 28), day(3, 31)));
    assert_eq!(bill.invoice_id, invoice(2));
    refused(going_on(), end(2, day(3, 31)), "has not begun");
    refused(vec![start()], end(1, day(2, 28)), "is open: pay it first");
}

#[test]
fn a_renewal_that_comes_after_service_ended_bills_no_past_time() {
    let events = then(going_on(), end(1, day(3, 7)));
    let [Event::SubscriptionRenewed { period, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at, period.ends_at), (2, day(3, 7), day(4, 7)));
}

#[test]
fn a_failed_charge_is_told_and_service_ends_with_the_dunning() {
    let renewed = vec![start(), paid(1), end(1, day(2, 28))];
    let events = then(renewed, failed(2, 1, Some(day(3, 1))));
    let notice = Event::DunningNoticeDue {
        subscription_id: ID,
        subscriber: MINA,
        invoice_id: invoice(2),
        attempt: 1,
        amount: krw(12_900),
        next_attempt_at: Some(day(3, 1)),
        service_until: Some(day(3, 7)),
    };
    assert_eq!(events, [Event::SubscriptionPastDue { subscription_id: ID, invoice_id: invoice(2) }, notice]);
    let contract = state(past_due());
    assert_eq!((contract.status, contract.service_until()), (Status::PastDue, Some(day(3, 7))));
    let second = then(past_due(), failed(2, 2, Some(day(3, 3))));
    assert_eq!(second.len(), 1, "told again, but past due only once");
}

#[test]
fn paying_recovers_and_failing_to_the_end_cancels() {
    let recovered = Event::SubscriptionBillPaid { subscription_id: ID, invoice_id: invoice(2), recovered: true };
    assert_eq!(then(past_due(), paid(2)), [recovered]);
    let mut commands = past_due();
    commands.push(paid(2));
    assert_eq!(state(commands).status, Status::Active);
    let events = then(past_due(), failed(2, 2, None));
    let [Event::DunningNoticeDue { service_until: None, .. }, Event::SubscriptionCancelled { cause, open_invoice, .. }] =
        &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((*cause, *open_invoice), (Cause::Unpaid, Some(invoice(2))));
}

#[test]
fn a_voided_bill_gives_its_account_credit_back() {
    let downgrade = Command::ChangePlan {
        terms: terms("basic", krw(2_900)),
        shown_at: day(2, 14),
        net: krw(-5_000),
        at: day(2, 14),
    };
    let mut commands = going_on();
    commands.extend([downgrade, end(1, day(2, 28))]);
    let contract = state(commands.clone());
    assert_eq!((contract.account_credit, contract.open), (krw(2_100), None), "the credit paid the second period");
    let mut commands = vec![start(), paid(1)];
    commands.push(Command::ChangePlan {
        terms: terms("basic", krw(11_900)),
        shown_at: day(2, 14),
        net: krw(-500),
        at: day(2, 14),
    });
    commands.push(end(1, day(2, 28)));
    let open = state(commands.clone()).open.expect("11,400 are to be paid");
    assert_eq!((open.total, open.credit_applied), (krw(11_400), krw(500)));
    let void = Command::RecordVoided { invoice_id: invoice(2) };
    refused(commands.clone(), void.clone(), "cancel it before its invoice is voided");
    commands.push(Command::CancelNow { at: day(3, 1) });
    refused(commands.clone(), Command::Reactivate { at: day(3, 2) }, "is open: pay it first");
    then(commands.clone(), void.clone());
    commands.push(void);
    assert_eq!(state(commands.clone()).account_credit, krw(500));
    then(commands, Command::Reactivate { at: day(3, 2) });
}

#[test]
fn a_change_costs_what_was_shown() {
    let subscription = Subscription::fold(&history(going_on()));
    let shown = subscription.preview_change(&premium(), day(2, 14)).expect("possible");
    assert_eq!((shown.net, shown.total), (krw(3_500), krw(3_500)));
    let change = |net, minutes| Command::ChangePlan {
        terms: premium(),
        shown_at: day(2, 14),
        net,
        at: day(2, 14) + chrono::TimeDelta::minutes(minutes),
    };
    let events = then(going_on(), change(krw(3_500), 15));
    let [Event::SubscriptionPlanChanged { bill: Some(bill), period, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(bill.purpose, Purpose::Change { subscription_id: ID, number: 1 });
    assert_eq!((period.number, period.ends_at), (1, day(2, 28)));
    refused(going_on(), change(krw(3_499), 0), "holds no longer");
    refused(going_on(), change(krw(3_500), 16), "holds no longer");
    refused(going_on(), change(krw(3_500), -1), "holds no longer");
}

#[test]
fn what_was_changed_is_prorated_from_what_it_became() {
    let first = Command::ChangePlan { terms: premium(), shown_at: day(2, 14), net: krw(3_500), at: day(2, 14) };
    let mut commands = going_on();
    commands.push(first);
    let open = Purpose::Change { subscription_id: ID, number: 1 }.invoice_id();
    refused(
        commands.clone(),
        Command::ChangePlan { terms: monthly(), shown_at: day(2, 20), net: krw(0), at: day(2, 20) },
        "is open: pay it first",
    );
    commands.push(Command::RecordPaid { invoice_id: open });
    // A quarter of the month is left on the 21st: 19900 / 4 = 4975 back, 12900 / 4 = 3225 to pay.
    let back = Command::ChangePlan { terms: monthly(), shown_at: day(2, 21), net: krw(-1_750), at: day(2, 21) };
    then(commands.clone(), back.clone());
    commands.push(back);
    let contract = state(commands);
    assert_eq!((contract.account_credit, contract.changes, contract.open), (krw(1_750), 2, None));
}

#[test]
fn another_interval_begins_a_period_of_its_own() {
    let yearly = PlanTerms { interval: Interval::YEARLY, ..terms("plus-year", krw(129_000)) };
    let change = Command::ChangePlan { terms: yearly, shown_at: day(2, 14), net: krw(122_550), at: day(2, 14) };
    let events = then(going_on(), change);
    let [Event::SubscriptionPlanChanged { bill: Some(bill), period, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at), (2, day(2, 14)));
    assert_eq!(bill.invoice_id, invoice(2));
    let items: Vec<_> = bill.lines.iter().map(|line| (line.item, line.amount.minor())).collect();
    assert_eq!(items, [(Item::UnusedTime, -6_450), (Item::Period, 129_000)]);
}

#[test]
fn a_change_needs_the_same_currency_and_a_period_that_goes_on() {
    let change = |terms, at| Command::ChangePlan { terms, shown_at: at, net: krw(0), at };
    refused(going_on(), change(terms("plus", money(990, "USD")), day(2, 14)), "billed in KRW, the plan in USD");
    refused(going_on(), change(premium(), day(2, 28)), "is over: renew it first");
    refused(going_on(), change(terms("plus", krw(-1)), day(2, 14)), "its price is negative");
    let mut ending = going_on();
    ending.push(Command::CancelAtPeriodEnd);
    refused(ending, change(premium(), day(2, 14)), "ends with its period");
}

#[test]
fn a_pause_keeps_what_was_paid() {
    let mut commands = going_on();
    then(commands.clone(), Command::Pause { at: day(2, 14) });
    commands.push(Command::Pause { at: day(2, 14) });
    assert_eq!(state(commands.clone()).service_until(), None);
    assert_eq!(then(commands.clone(), end(1, day(3, 31))), []);
    refused(commands.clone(), Command::Resume { at: day(2, 13) }, "before what has happened");
    let events = then(commands.clone(), Command::Resume { at: day(5, 1) });
    let [Event::SubscriptionResumed { period, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.ends_at), (1, day(5, 15)), "14 days were left");
    commands.push(Command::Resume { at: day(5, 1) });
    let renewed = then(commands, end(1, day(5, 15)));
    let [Event::SubscriptionRenewed { period, .. }] = &renewed[..] else { panic!("{renewed:?}") };
    assert_eq!((period.number, period.ends_at), (2, day(6, 15)));
    refused(vec![start()], Command::Pause { at: day(2, 1) }, "is open: pay it first");
}

#[test]
fn a_cancellation_at_the_end_serves_what_was_paid_and_can_be_taken_back() {
    let mut commands = going_on();
    then(commands.clone(), Command::CancelAtPeriodEnd);
    commands.push(Command::CancelAtPeriodEnd);
    assert_eq!(state(commands.clone()).service_until(), Some(day(2, 28)));
    let withdrawn = Event::SubscriptionCancellationWithdrawn { subscription_id: ID };
    assert_eq!(then(commands.clone(), Command::Reactivate { at: day(2, 20) }), [withdrawn]);
    let expired = Event::SubscriptionExpired { subscription_id: ID, at: day(2, 28) };
    assert_eq!(then(commands, end(1, day(3, 15))), [expired]);
}

#[test]
fn who_comes_back_begins_a_new_period_and_pays_first() {
    let mut commands = going_on();
    then(commands.clone(), Command::CancelNow { at: day(2, 14) });
    commands.push(Command::CancelNow { at: day(2, 14) });
    assert_eq!(state(commands.clone()).service_until(), None);
    refused(commands.clone(), Command::Reactivate { at: day(2, 13) }, "before what has happened");
    refused(commands.clone(), Command::Resume { at: day(4, 1) }, "reactivate it instead");
    let events = then(commands.clone(), Command::Reactivate { at: day(4, 1) });
    let [Event::SubscriptionReactivated { period, bill, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((period.number, period.starts_at, bill.invoice_id), (2, day(4, 1), invoice(2)));
    commands.push(Command::Reactivate { at: day(4, 1) });
    assert_eq!(state(commands.clone()).service_until(), None);
    commands.push(paid(2));
    assert_eq!(state(commands).service_until(), Some(day(5, 8)));
}

#[test]
fn what_was_replaced_never_comes_back() {
    let other = id_of(MINA, 2);
    let replace = |by| Command::Replace { by };
    refused(going_on(), replace(other), "change its plan, or cancel it first");
    let mut commands = going_on();
    commands.push(Command::CancelNow { at: day(2, 14) });
    let replaced = Event::SubscriptionReplaced { subscription_id: ID, by: other };
    assert_eq!(then(commands.clone(), replace(other)), [replaced]);
    commands.push(replace(other));
    refused(commands.clone(), replace(id_of(MINA, 3)), "go on with that one");
    refused(commands, Command::Reactivate { at: day(4, 1) }, "go on with that one");
}

#[test]
fn a_coupon_counts_for_its_periods() {
    let begin = start_with(monthly(), Some(coupon(Some(2))), false);
    let commands = vec![begin, paid(1), end(1, day(2, 28)), paid(2), end(2, day(3, 31))];
    let totals: Vec<_> = history(commands)
        .into_iter()
        .filter_map(|event| match event {
            Event::SubscriptionStarted { bill, .. } => bill.map(|bill| bill.total.minor()),
            Event::SubscriptionRenewed { bill, .. } => Some(bill.total.minor()),
            _ => None,
        })
        .collect();
    assert_eq!(totals, [6_450, 6_450, 12_900]);
    then(going_on(), Command::ApplyCoupon { coupon: coupon(None) });
    let mut applied = going_on();
    applied.push(Command::ApplyCoupon { coupon: coupon(None) });
    let other = CouponTerms { code: "summer".parse().expect("a code"), ..coupon(None) };
    refused(applied, Command::ApplyCoupon { coupon: other }, "uses coupon spring");
    let foreign = CouponTerms { discount: Discount::Amount(money(1, "USD")), ..coupon(None) };
    refused(going_on(), Command::ApplyCoupon { coupon: foreign }, "cannot be used");
}

#[test]
fn where_nothing_is_to_be_paid_nothing_stays_open() {
    let free = CouponTerms { discount: Discount::Share(10_000), ..coupon(None) };
    let contract = state([start_with(monthly(), Some(free), false)]);
    assert_eq!((contract.open, contract.service_until()), (None, Some(day(3, 7))));
    assert_eq!(then(vec![start_with(terms("free", krw(0)), None, false)], paid(1)), []);
}

#[test]
fn nothing_happens_before_the_start_or_beyond_the_calendar() {
    refused(vec![], Command::CancelAtPeriodEnd, "start one first");
    let Command::Start { subscription_id, subscriber, terms, time_zone, dunning, coupon, trial, .. } = start() else {
        panic!("a start");
    };
    let at = "8999-12-31T00:00:00Z".parse().expect("a moment");
    let late = Command::Start { subscription_id, subscriber, terms, time_zone, dunning, coupon, trial, at };
    refused(vec![], late, "beyond the calendar");
}
