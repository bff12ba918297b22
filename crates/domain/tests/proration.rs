//! The cases of `docs/proration.md`, which were worked out by hand, are what a subscriber is shown and then billed.

use std::{fs, path::PathBuf};

use baeum_domain::{
    Decider,
    identity::locale::TimeZone,
    ids::{SubscriptionId, UserId},
    money::Money,
    subscription::{
        coupon::{CouponTerms, Discount},
        dunning::Dunning,
        period::Interval,
        plan::{PlanTerms, samples},
        subscription::{Command, Event, Subscription},
    },
};
use chrono::{DateTime, NaiveDateTime, TimeZone as _, Utc};
use uuid::Uuid;

fn document() -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/proration.md");
    fs::read_to_string(file).expect("the document is there")
}

/// The rows of the table: thirteen cells each.
fn cases(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    rows.filter(|row| row[0].parse::<u32>().is_ok()).collect()
}

fn money(text: &str) -> Money {
    let (amount, code) = text.split_once(' ').expect("an amount and a currency");
    let minor = amount.replace('.', "").parse().expect("an amount");
    let money = Money::new(minor, code.parse().expect("a currency")).expect("in range");
    assert_eq!(money.to_string(), text, "written with the decimals of its currency");
    money
}

fn moment(local: &str, zone: &TimeZone) -> DateTime<Utc> {
    let format = if local.len() == 16 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    let local = NaiveDateTime::parse_from_str(local, format).expect("a local time");
    let zone: chrono_tz::Tz = zone.as_str().parse().expect("a zone");
    zone.from_local_datetime(&local).single().expect("a time that occurs once").with_timezone(&Utc)
}

fn interval(text: &str) -> Interval {
    let (every, unit) = text.split_once(' ').expect("a number and a unit");
    Interval { every: every.parse().expect("a number"), unit: unit.parse().expect("a unit") }
}

fn coupon(text: &str) -> Option<CouponTerms> {
    let discount = match text.strip_suffix(" %") {
        _ if text == "–" => return None,
        Some(percent) => Discount::Share(percent.parse::<u32>().expect("a number") * 100),
        None => Discount::Amount(money(text)),
    };
    Some(CouponTerms { code: "table".parse().expect("a code"), discount, periods: None })
}

fn decide(subscription: &mut Subscription, command: Command) -> Vec<Event> {
    let events = subscription.decide(command).expect("allowed");
    for event in &events {
        subscription.evolve(event);
    }
    events
}

fn pay(subscription: &mut Subscription) {
    let open = subscription.contract.as_ref().and_then(|contract| contract.open);
    if let Some(open) = open {
        decide(subscription, Command::RecordPaid { invoice_id: open.invoice_id });
    }
}

/// A subscription that has come to the beginning of `period`, everything paid.
fn subscribed(
    terms: PlanTerms,
    zone: &TimeZone,
    coupon: Option<CouponTerms>,
    at: DateTime<Utc>,
    period: u32,
) -> Subscription {
    let mut subscription = Subscription::default();
    let start = Command::Start {
        subscription_id: SubscriptionId(Uuid::from_u128(1)),
        subscriber: UserId(Uuid::from_u128(2)),
        terms,
        time_zone: zone.clone(),
        dunning: Dunning::default(),
        coupon,
        trial: false,
        at,
    };
    decide(&mut subscription, start);
    pay(&mut subscription);
    for number in 1..period {
        let ends_at = subscription.contract.as_ref().expect("started").period.ends_at;
        decide(&mut subscription, Command::EndPeriod { number, at: ends_at });
        pay(&mut subscription);
    }
    subscription
}

#[test]
fn every_case_of_the_document_is_shown_and_billed_as_worked_out() {
    let document = document();
    let cases = cases(&document);
    assert!(cases.len() >= 20, "there are {} cases", cases.len());
    for case in cases {
        let [number, zone, anchor, period, every, present, new, discount, changed, seconds, credit, charge, to_pay] =
            case[..]
        else {
            panic!("case {case:?} has not thirteen cells");
        };
        assert!(document.contains(&format!("\n{number}. ")), "case {number} has no working");
        let zone: TimeZone = zone.parse().expect("a zone");
        let (present_every, new_every) = every.split_once(" → ").unwrap_or((every, every));
        let present = PlanTerms { interval: interval(present_every), ..samples::terms("present", money(present)) };
        let new = PlanTerms { interval: interval(new_every), ..samples::terms("new", money(new)) };
        let period = period.parse().expect("a number");
        let mut subscription = subscribed(present, &zone, coupon(discount), moment(anchor, &zone), period);

        let at = moment(changed, &zone);
        let shown = subscription.preview_change(&new, at).unwrap_or_else(|error| panic!("case {number}: {error}"));
        let proration = shown.proration.expect("something was paid");
        let found = format!("{} / {}", proration.seconds_left, proration.seconds_all);
        assert_eq!(found, seconds, "seconds of case {number}");
        let found = (proration.credit, proration.charge, shown.net);
        assert_eq!(found, (money(credit), money(charge), money(to_pay)), "amounts of case {number}");

        let events = decide(&mut subscription, Command::ChangePlan { terms: new, shown_at: at, net: shown.net, at });
        let [Event::SubscriptionPlanChanged { bill: Some(bill), .. }] = &events[..] else {
            panic!("case {number} is not one change: {events:?}");
        };
        assert_eq!(bill.check(), Ok(()), "the bill of case {number}");
        assert_eq!(bill.lines, shown.lines, "what was shown in case {number} is what is billed");
        assert_eq!(bill.total.minus(bill.credit_added), Ok(money(to_pay)), "the bill of case {number}");
    }
}
