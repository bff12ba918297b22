use super::*;
use crate::{
    notification::testing::requests,
    process::testing::{play, recorded},
};
use baeum_domain::{
    Decider as _,
    ids::SubscriptionId,
    money::samples::money,
    subscription::{
        coupon::CouponTerms,
        dunning::Dunning,
        period::Interval,
        plan::PlanTerms,
        subscription::{Command, Subscription},
    },
};
use uuid::Uuid;

const ID: SubscriptionId = SubscriptionId(Uuid::from_u128(7));
const SUBSCRIBER: UserId = UserId(Uuid::from_u128(1));

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

fn terms(plan: &str, price: i64, trial_days: u16) -> PlanTerms {
    PlanTerms {
        plan_id: plan.parse().expect("a plan"),
        offer: 1,
        interval: Interval::MONTHLY,
        price: money(price, "KRW"),
        trial_days,
        evaluations: 30,
    }
}

fn coupon(share: u32) -> CouponTerms {
    let code = "spring".parse().expect("a code");
    CouponTerms { code, discount: Discount::Share(share), periods: Some(1) }
}

/// Noon of 1 March 2026 in Seoul.
fn start(trial_days: u16) -> Command {
    Command::Start {
        subscription_id: ID,
        subscriber: SUBSCRIBER,
        terms: terms("standard", 12_900, trial_days),
        time_zone: "Asia/Seoul".parse().expect("a time zone"),
        dunning: Dunning::default(),
        coupon: None,
        trial: true,
        at: moment("2026-03-01T03:00:00Z"),
    }
}

/// What the process does about the events that the aggregate decides of these commands, event by event.
fn told(commands: impl IntoIterator<Item = Command>) -> Vec<Vec<Effect>> {
    let (mut aggregate, mut history) = (Subscription::default(), vec![]);
    for command in commands {
        let events = aggregate.decide(command.clone()).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        for event in events {
            aggregate.evolve(&event);
            let position = i64::try_from(history.len()).expect("few") + 1;
            history.push(recorded(position, event));
        }
    }
    let shown = |event: &Recorded<AnyEvent>| SubscriptionNotice::EVENTS.contains(&event.event_type.as_str());
    history.retain(shown);
    play::<SubscriptionNotice>(&history)
}

/// The steps of an event: for a request the template, and when it is told where that is later.
fn steps(effects: &[Effect]) -> Vec<String> {
    let told = |effect: &Effect| match effect {
        Effect::Send { command: ProcessCommand::RequestNotification(request), .. } => match request.not_before {
            Some((day, time)) => format!("{} on {day} at {time}", request.template),
            None => request.template.to_string(),
        },
        Effect::Send { step, .. } => (*step).to_owned(),
        Effect::Schedule { timer, .. } | Effect::Unschedule { timer } => (*timer).to_owned(),
        Effect::Finish => "finish".to_owned(),
    };
    effects.iter().map(told).collect()
}

#[test]
fn the_end_of_a_trial_is_told_three_days_before_with_what_it_then_costs() {
    let effects = told([start(14)]);
    assert_eq!(steps(&effects[0]), ["trial_ending on 2026-03-12 at 10:00"]);
    let [notice] = requests(&effects[0])[..] else { panic!("one notice: {effects:?}") };
    assert_eq!((notice.learner_id, notice.days["day"]), (SUBSCRIBER, moment("2026-03-15T03:00:00Z")));
    assert_eq!((notice.parameters["plan"].as_str(), notice.parameters["amount"].as_str()), ("standard", "12900 KRW"));
}

#[test]
fn who_pays_from_the_first_day_is_told_of_no_trial() {
    assert_eq!(told([start(0)]), [vec![]]);
}

#[test]
fn another_price_replaces_the_notice_and_a_free_period_needs_none() {
    let half = told([start(14), Command::ApplyCoupon { coupon: coupon(5_000) }]);
    assert_eq!(steps(&half[1]), ["cancel", "trial_ending on 2026-03-12 at 10:00"]);
    assert_eq!(requests(&half[1])[0].parameters["amount"], "6450 KRW");
    let free = told([start(14), Command::ApplyCoupon { coupon: coupon(10_000) }]);
    assert_eq!(steps(&free[1]), ["cancel"]);
}

#[test]
fn another_plan_in_a_trial_is_told_and_so_is_its_price_at_the_end() {
    let at = moment("2026-03-05T03:00:00Z");
    let change = Command::ChangePlan { terms: terms("family", 19_900, 14), shown_at: at, net: money(0, "KRW"), at };
    let effects = told([start(14), change]);
    assert_eq!(steps(&effects[1]), ["cancel", "plan_changed", "trial_ending on 2026-03-12 at 10:00"]);
    let amounts: Vec<_> = requests(&effects[1]).iter().map(|it| it.parameters["amount"].clone()).collect();
    assert_eq!(amounts, ["19900 KRW", "19900 KRW"]);
}

#[test]
fn a_trial_that_will_not_go_on_is_not_told_of_unless_that_is_taken_back() {
    let at = moment("2026-03-05T03:00:00Z");
    let effects = told([start(14), Command::CancelAtPeriodEnd, Command::Reactivate { at }]);
    assert_eq!(steps(&effects[1]), ["cancel", "cancellation_scheduled"]);
    assert_eq!(steps(&effects[2]), ["trial_ending on 2026-03-12 at 10:00"]);
    let ended = told([start(14), Command::CancelNow { at }]);
    assert_eq!(steps(&ended[1]), ["cancel", "subscription_cancelled"]);
}

/// A subscription that was begun by paying, or trying to, and the invoice of its first period.
fn failed(attempt: u32, next: Option<&str>) -> Command {
    let invoice_id = baeum_domain::subscription::bill::Purpose::Period { subscription_id: ID, number: 1 }.invoice_id();
    let at = moment("2026-03-15T03:00:05Z");
    Command::RecordFailedCharge { invoice_id, attempt, next_attempt_at: next.map(moment), at }
}

#[test]
fn a_charge_that_failed_is_told_with_the_next_attempt_and_until_when_there_is_service() {
    let end = Command::EndPeriod { number: 0, at: moment("2026-03-15T03:00:00Z") };
    let effects = told([start(14), end, failed(1, Some("2026-03-16T03:00:00Z"))]);
    assert_eq!(steps(&effects[1]), ["cancel"], "the trial has ended");
    assert_eq!(steps(&effects[2]), ["charge_failed"]);
    let [notice] = requests(&effects[2])[..] else { panic!("one notice: {effects:?}") };
    assert_eq!(notice.parameters["amount"], "12900 KRW");
    assert_eq!(notice.days["retry"], moment("2026-03-16T03:00:00Z"));
    assert_eq!(notice.days["until"], moment("2026-03-22T03:00:00Z"), "the dunning ends on the seventh day");
}

#[test]
fn who_is_not_served_before_paying_is_told_so() {
    let effects = told([start(0), failed(1, Some("2026-03-16T03:00:00Z"))]);
    assert_eq!(steps(&effects[1]), ["charge_failed_unserved"]);
}

#[test]
fn the_end_for_want_of_payment_is_told_as_such_and_one_of_its_time_as_another() {
    let end = || Command::EndPeriod { number: 0, at: moment("2026-03-15T03:00:00Z") };
    let unpaid = told([start(14), end(), failed(1, Some("2026-03-16T03:00:00Z")), failed(2, None)]);
    let last: Vec<String> = unpaid[2..].iter().flat_map(|it| steps(it)).collect();
    assert_eq!(last, ["charge_failed", "subscription_cancelled_unpaid"], "the last failure is told once");
    let expired = told([start(14), Command::CancelAtPeriodEnd, end()]);
    assert_eq!(steps(&expired[2]), ["subscription_expired"]);
}

#[test]
fn of_somebody_who_was_forgotten_nothing_is_told() {
    // Their instance is gone, so the start is not known any more.
    let (mut aggregate, mut events) = (Subscription::default(), vec![]);
    for command in [start(14), Command::CancelNow { at: moment("2026-03-05T03:00:00Z") }] {
        events = aggregate.decide(command).expect("decided");
        for event in &events {
            aggregate.evolve(event);
        }
    }
    let later: Vec<_> = events.into_iter().map(|event| recorded(2, event)).collect();
    assert_eq!(play::<SubscriptionNotice>(&later), [vec![]]);
}
