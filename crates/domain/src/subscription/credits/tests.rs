use super::*;
use crate::{money::samples::money, spec::given};

const MINA: UserId = UserId(Uuid::from_u128(1));
const PURCHASE: PurchaseId = PurchaseId(Uuid::from_u128(2));

fn day(month: u32, day: u32) -> DateTime<Utc> {
    format!("2026-{month:02}-{day:02}T00:00:00Z").parse().expect("a moment")
}

fn granted(units: u32, used: u32, month: u32) -> Event {
    Event::AllowanceGranted { subscriber: MINA, units, used, from: day(month, 1), until: day(month + 1, 1) }
}

fn grant(units: u32, month: u32, on: u32, continues: bool) -> Command {
    Command::GrantAllowance { subscriber: MINA, units, from: day(month, on), until: day(month + 1, 1), continues }
}

fn spend(attempt: u128, at: DateTime<Utc>) -> Command {
    Command::Spend { subscriber: MINA, attempt_id: AttemptId(Uuid::from_u128(attempt)), at }
}

fn charged(attempt: u128, source: Source, balance: u32, at: DateTime<Utc>) -> Event {
    Event::EvaluationCharged { subscriber: MINA, attempt_id: AttemptId(Uuid::from_u128(attempt)), source, balance, at }
}

fn buy(units: u32, unit_price: i64) -> Command {
    let (subscriber, purchase_id) = (MINA, PURCHASE);
    Command::Buy { subscriber, purchase_id, units, unit_price: money(unit_price, "KRW"), at: day(1, 2) }
}

fn billed(units: u32) -> Event {
    let Ok(events) = CreditBalance::default().decide(buy(units, 100)) else { panic!("it can be bought") };
    events.into_iter().next().expect("a bill")
}

fn added(units: u32, balance: u32) -> Event {
    Event::CreditsAdded { subscriber: MINA, purchase_id: PURCHASE, units, balance }
}

#[test]
fn an_evaluation_takes_one_of_the_allowance_first_then_a_credit() {
    let history = vec![granted(1, 0, 1), billed(1), added(1, 1)];
    let first = charged(1, Source::Allowance, 1, day(1, 3));
    let second = charged(2, Source::Credits, 0, day(1, 3));
    given::<CreditBalance>(history.clone()).when(spend(1, day(1, 3))).then([first.clone()]);
    let used: Vec<_> = history.into_iter().chain([first]).collect();
    given::<CreditBalance>(used.clone()).when(spend(2, day(1, 3))).then([second.clone()]);
    given::<CreditBalance>(used.into_iter().chain([second]))
        .when(spend(3, day(1, 3)))
        .then_refused("no evaluation is left");
}

#[test]
fn an_allowance_ends_with_its_time_and_the_next_one_is_whole() {
    let used = vec![granted(1, 0, 1), charged(1, Source::Allowance, 0, day(1, 3))];
    given::<CreditBalance>([granted(1, 0, 1)]).when(spend(1, day(2, 1))).then_refused("no evaluation is left");
    given::<CreditBalance>(used.clone()).when(grant(1, 2, 1, false)).then([granted(1, 0, 2)]);
    given::<CreditBalance>(used).when(grant(9, 1, 1, false)).then([]);
}

#[test]
fn a_change_of_plan_within_a_period_gives_nothing_back_that_was_used() {
    let used = vec![granted(10, 0, 1), charged(1, Source::Allowance, 0, day(1, 3))];
    let more = Event::AllowanceGranted { subscriber: MINA, units: 50, used: 1, from: day(1, 5), until: day(2, 1) };
    given::<CreditBalance>(used).when(grant(50, 1, 5, true)).then([more]);
}

#[test]
fn an_evaluation_is_charged_once_however_late_it_is_told_again() {
    let mut history = vec![granted(5, 0, 1), charged(1, Source::Allowance, 0, day(1, 3))];
    given::<CreditBalance>(history.clone()).when(spend(1, day(1, 3))).then([]);
    history.push(granted(5, 0, 2));
    given::<CreditBalance>(history.clone()).when(spend(1, day(1, 3))).then([]);
    history.push(granted(5, 0, 3));
    given::<CreditBalance>(history).when(spend(1, day(1, 3))).then_refused("cannot be charged any more");
}

#[test]
fn credits_are_added_when_they_are_paid() {
    let Event::CreditPurchaseBilled { bill, .. } = billed(30) else { panic!("a bill") };
    assert_eq!((bill.total, bill.check()), (money(3_000, "KRW"), Ok(())));
    given::<CreditBalance>([]).when(buy(30, 100)).then([billed(30)]);
    given::<CreditBalance>([billed(30)]).when(buy(31, 100)).then_refused("another number of credits");
    let confirm = Command::ConfirmPurchase { subscriber: MINA, purchase_id: PURCHASE };
    let drop = Command::DropPurchase { subscriber: MINA, purchase_id: PURCHASE };
    let dropped = Event::CreditPurchaseDropped { subscriber: MINA, purchase_id: PURCHASE };
    given::<CreditBalance>([]).when(confirm.clone()).then_refused("buy credits first");
    given::<CreditBalance>([billed(30)]).when(confirm.clone()).then([added(30, 30)]);
    given::<CreditBalance>([billed(30)]).when(drop.clone()).then([dropped.clone()]);
    given::<CreditBalance>([billed(30), dropped]).when(confirm).then_refused("was dropped before");
    given::<CreditBalance>([billed(30), added(30, 30)]).when(drop).then_refused("was paid before");
}

#[test]
fn only_whole_purchases_that_are_not_used_are_taken_back() {
    let back = Command::TakeBack { subscriber: MINA, purchase_id: PURCHASE };
    let taken = Event::CreditsTakenBack { subscriber: MINA, purchase_id: PURCHASE, units: 2, balance: 0 };
    let history = vec![billed(2), added(2, 2)];
    given::<CreditBalance>(history.clone()).when(back.clone()).then([taken]);
    given::<CreditBalance>(history.into_iter().chain([charged(1, Source::Credits, 1, day(1, 3))]))
        .when(back)
        .then_refused("1 of its 2 credits are left");
}

#[test]
fn credits_cost_something_and_come_in_sensible_numbers() {
    for (command, why) in [(buy(0, 100), "buy 1 to"), (buy(MAX_UNITS + 1, 1), "buy 1 to"), (buy(1, 0), "set a price")] {
        given::<CreditBalance>([]).when(command).then_refused(why);
    }
}
