//! Of a subscription: its periods end in time, its bills become invoices and payments, its evaluations are included.
//!
//! An instance is a subscription. The timer stands at the end of the period for as long as the subscription goes on and no
//! bill is open: an open bill comes first, and its payment sets the timer again.

use std::time::Duration;

use baeum_commands::{dispatch::ProcessCommand, subscription::billing::BillingCommand};
use baeum_domain::{
    AnyEvent, Recorded,
    identity::locale::TimeZone,
    ids::SubscriptionId,
    subscription::{bill::Bill, dunning::Dunning, period::Period, subscription::Event},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::process::{Effect, Process};

/// The timer of the end of the period.
const PERIOD_END: &str = "period_end";

/// The process.
pub struct Renewal;

/// What is remembered of a subscription, once it has started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State(Option<Remembered>);

/// What is remembered of a subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Remembered {
    subscription_id: SubscriptionId,
    evaluations: u32,
    time_zone: TimeZone,
    dunning: Dunning,
    number: u32,
    ends_at: DateTime<Utc>,
    /// Whether a bill waits for its payment.
    open: bool,
    /// Whether it is neither paused nor at its end.
    goes_on: bool,
}

impl Remembered {
    /// What the timer is for, if it stands.
    fn timer(&self) -> Option<(u32, DateTime<Utc>)> {
        (self.goes_on && !self.open).then_some((self.number, self.ends_at))
    }

    fn begin(&mut self, period: &Period, bill: Option<&Bill>) {
        (self.number, self.ends_at) = (period.number, period.ends_at);
        self.open |= bill.is_some_and(|bill| bill.total.is_positive());
        self.goes_on = true;
    }

    /// The step that includes what is evaluated until the end of the period.
    fn grant(&self, from: DateTime<Utc>, continues: bool) -> Effect {
        let (subscription_id, units, until) = (self.subscription_id, self.evaluations, self.ends_at);
        send("grant", BillingCommand::GrantAllowance { subscription_id, units, from, until, continues })
    }

    /// The steps that have a bill paid.
    fn collect(&self, bill: &Bill, effects: &mut Vec<Effect>) {
        // In this order, by their names: what is to be paid is an invoice first.
        effects.push(send("issue", BillingCommand::IssueInvoice { bill: bill.clone() }));
        if bill.total.is_positive() {
            let (invoice_id, amount) = (bill.invoice_id, bill.total);
            let attempts_at = self.dunning.attempts(bill.due_at, &self.time_zone);
            let attempts_at = attempts_at.unwrap_or_else(|| vec![bill.due_at]);
            effects.push(send("request", BillingCommand::RequestPayment { invoice_id, amount, attempts_at }));
        }
    }
}

pub(super) fn send(step: &'static str, command: BillingCommand) -> Effect {
    Effect::Send { step, command: ProcessCommand::Billing(command) }
}

impl Process for Renewal {
    const NAME: &'static str = "renewal";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &[
        "SubscriptionStarted",
        "SubscriptionRenewed",
        "SubscriptionPlanChanged",
        "SubscriptionBillPaid",
        "SubscriptionBillVoided",
        "SubscriptionPaused",
        "SubscriptionResumed",
        "SubscriptionCancelled",
        "SubscriptionExpired",
        "SubscriptionReactivated",
    ];
    type State = State;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        match &event.payload {
            AnyEvent::Subscription(
                Event::SubscriptionStarted { subscription_id, .. }
                | Event::SubscriptionRenewed { subscription_id, .. }
                | Event::SubscriptionPlanChanged { subscription_id, .. }
                | Event::SubscriptionBillPaid { subscription_id, .. }
                | Event::SubscriptionBillVoided { subscription_id, .. }
                | Event::SubscriptionPaused { subscription_id, .. }
                | Event::SubscriptionResumed { subscription_id, .. }
                | Event::SubscriptionCancelled { subscription_id, .. }
                | Event::SubscriptionExpired { subscription_id, .. }
                | Event::SubscriptionReactivated { subscription_id, .. },
            ) => Some(subscription_id.to_string()),
            _ => None,
        }
    }

    fn react(state: &State, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let AnyEvent::Subscription(of_subscription) = &event.payload else { return vec![] };
        let mut next = state.clone();
        Self::evolve(&mut next, event);
        let Some(after) = &next.0 else { return vec![] };
        let before = state.0.as_ref();
        let mut effects = vec![];
        match of_subscription {
            Event::SubscriptionStarted { period, bill, .. } => {
                effects.push(after.grant(period.starts_at, false));
                if let Some(bill) = bill {
                    after.collect(bill, &mut effects);
                }
            }
            Event::SubscriptionRenewed { period, bill, .. } | Event::SubscriptionReactivated { period, bill, .. } => {
                effects.push(after.grant(period.starts_at, false));
                after.collect(bill, &mut effects);
            }
            Event::SubscriptionPlanChanged { effective_at, period, bill, .. } => {
                let continues = before.is_some_and(|before| before.number == period.number);
                effects.push(after.grant(*effective_at, continues));
                if let Some(bill) = bill {
                    after.collect(bill, &mut effects);
                }
            }
            Event::SubscriptionResumed { at, .. } => effects.push(after.grant(*at, true)),
            _ => {}
        }
        let timer = after.timer();
        if timer != before.and_then(Remembered::timer) {
            effects.push(match timer {
                Some((number, at)) => {
                    let end = BillingCommand::EndPeriod { subscription_id: after.subscription_id, number };
                    Effect::Schedule { timer: PERIOD_END, at, command: ProcessCommand::Billing(end) }
                }
                None => Effect::Unschedule { timer: PERIOD_END },
            });
        }
        effects
    }

    fn evolve(state: &mut State, event: &Recorded<AnyEvent>) {
        let AnyEvent::Subscription(event) = &event.payload else { return };
        if let Event::SubscriptionStarted { subscription_id, terms, time_zone, dunning, period, bill, .. } = event {
            let mut started = Remembered {
                subscription_id: *subscription_id,
                evaluations: terms.evaluations,
                time_zone: time_zone.clone(),
                dunning: dunning.clone(),
                number: period.number,
                ends_at: period.ends_at,
                open: false,
                goes_on: true,
            };
            started.begin(period, bill.as_ref());
            state.0 = Some(started);
            return;
        }
        let Some(remembered) = &mut state.0 else { return };
        match event {
            Event::SubscriptionRenewed { period, bill, .. } | Event::SubscriptionReactivated { period, bill, .. } => {
                remembered.begin(period, Some(bill));
            }
            Event::SubscriptionPlanChanged { terms, period, bill, .. } => {
                remembered.evaluations = terms.evaluations;
                remembered.begin(period, bill.as_ref());
            }
            Event::SubscriptionBillPaid { .. } | Event::SubscriptionBillVoided { .. } => remembered.open = false,
            Event::SubscriptionResumed { period, .. } => remembered.begin(period, None),
            Event::SubscriptionPaused { .. }
            | Event::SubscriptionCancelled { .. }
            | Event::SubscriptionExpired { .. } => remembered.goes_on = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        Decider,
        money::samples::money,
        subscription::{
            plan::samples::terms,
            subscription::{Command, Subscription},
        },
    };
    use uuid::Uuid;

    use super::*;
    use crate::process::testing::{play, recorded};
    use baeum_domain::ids::UserId;

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    /// The events of these commands, and what follows from each.
    fn effects_of(commands: Vec<Command>) -> Vec<Vec<Effect>> {
        let mut subscription = Subscription::default();
        let mut history = vec![];
        for command in commands {
            for event in subscription.decide(command).expect("decided") {
                subscription.evolve(&event);
                history.push(event);
            }
        }
        let history: Vec<_> = (1..).zip(history).map(|(position, event)| recorded(position, event)).collect();
        play::<Renewal>(&history)
    }

    fn start() -> Command {
        Command::Start {
            subscription_id: SubscriptionId(Uuid::from_u128(1)),
            subscriber: UserId(Uuid::from_u128(2)),
            terms: terms("plus", money(12_900, "KRW")),
            time_zone: "Asia/Seoul".parse().expect("a time zone"),
            dunning: Dunning::default(),
            coupon: None,
            trial: false,
            at: moment("2026-01-31T00:00:00Z"),
        }
    }

    fn steps(effects: &[Effect]) -> Vec<String> {
        let name = |effect: &Effect| match effect {
            Effect::Send { step, .. } => (*step).to_owned(),
            Effect::Schedule { timer, at, .. } => format!("{timer} at {}", at.to_rfc3339()),
            Effect::Unschedule { timer } => format!("no {timer}"),
            Effect::Finish => "finish".to_owned(),
        };
        effects.iter().map(name).collect()
    }

    #[test]
    fn a_bill_becomes_an_invoice_and_a_payment_and_the_period_ends_once_it_is_paid() {
        let subscription_id = SubscriptionId(Uuid::from_u128(1));
        let invoice_id = baeum_domain::subscription::bill::Purpose::Period { subscription_id, number: 1 }.invoice_id();
        let effects = effects_of(vec![start(), Command::RecordPaid { invoice_id }]);
        assert_eq!(steps(&effects[0]), ["grant", "issue", "request"]);
        assert_eq!(steps(&effects[1]), ["period_end at 2026-02-28T00:00:00+00:00"]);
        let Effect::Send {
            command: ProcessCommand::Billing(BillingCommand::RequestPayment { attempts_at, .. }), ..
        } = &effects[0][2]
        else {
            panic!("{effects:?}")
        };
        assert_eq!(attempts_at.len(), 5, "once when it is due, and four times after");
    }

    #[test]
    fn a_pause_takes_the_timer_back_and_its_end_sets_it_later() {
        let subscription_id = SubscriptionId(Uuid::from_u128(1));
        let invoice_id = baeum_domain::subscription::bill::Purpose::Period { subscription_id, number: 1 }.invoice_id();
        let (pause, resume) = (moment("2026-02-10T00:00:00Z"), moment("2026-02-12T00:00:00Z"));
        let effects = effects_of(vec![
            start(),
            Command::RecordPaid { invoice_id },
            Command::Pause { at: pause },
            Command::Resume { at: resume },
            Command::CancelNow { at: resume },
        ]);
        assert_eq!(steps(&effects[2]), ["no period_end"]);
        assert_eq!(steps(&effects[3]), ["grant", "period_end at 2026-03-02T00:00:00+00:00"]);
        assert_eq!(steps(&effects[4]), ["no period_end"]);
    }

    #[test]
    fn a_trial_is_not_paid_and_its_end_is_waited_for() {
        let Command::Start { subscription_id, subscriber, terms, time_zone, dunning, coupon, at, .. } = start() else {
            panic!("a start")
        };
        let terms = baeum_domain::subscription::plan::PlanTerms { trial_days: 7, ..terms };
        let trial = Command::Start { subscription_id, subscriber, terms, time_zone, dunning, coupon, trial: true, at };
        assert_eq!(steps(&effects_of(vec![trial])[0]), ["grant", "period_end at 2026-02-07T00:00:00+00:00"]);
    }
}
