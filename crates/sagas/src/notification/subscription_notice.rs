//! What subscribers are told of their subscription: that a trial is about to end and cost something, that a charge failed,
//! that a plan was changed, that it ends or has ended.
//!
//! The end of a trial is told three days before, at ten in the morning by the subscriber's clock; at once where it is nearer.
//! The notice is scheduled when the trial begins; whatever changes its end, its price or whether it goes on (a coupon,
//! another plan, a cancellation) cancels that notice, and schedules another where there is still one to give.
//! An instance is a subscription; it never ends.

use std::{collections::BTreeMap, time::Duration};

use baeum_commands::{dispatch::ProcessCommand, notification::request::NotificationRequest};
use baeum_domain::{
    AnyEvent, Recorded,
    identity::locale::TimeZone,
    ids::{NotificationId, PlanId, UserId},
    money::Money,
    notification::{
        billing::{
            CANCELLATION_SCHEDULED, CHARGE_FAILED, CHARGE_FAILED_UNSERVED, PLAN_CHANGED, SUBSCRIPTION_CANCELLED,
            SUBSCRIPTION_CANCELLED_UNPAID, SUBSCRIPTION_EXPIRED, TRIAL_ENDING,
        },
        quiet_hours::WallTime,
        template::Spec,
    },
    subscription::{
        coupon::Discount,
        period::Period,
        subscription::{Cause, Event},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::congratulation::cause;
use crate::process::{Effect, Process};

/// How long before its end a trial is told of.
const BEFORE: TimeDelta = TimeDelta::days(3);
/// When, by the subscriber's clock.
const MORNING: WallTime = WallTime::new(10, 0);

/// The process.
pub struct SubscriptionNotice;

/// What an instance remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// The subscription, once started.
    pub subscription: Option<Known>,
    /// The notice of the end of the trial that may still wait.
    pub notice: Option<NotificationId>,
}

/// A subscription, as far as its subscriber is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Who is told.
    pub subscriber: UserId,
    /// Whose calendar it follows.
    pub time_zone: TimeZone,
    /// The plan.
    pub plan: PlanId,
    /// The price of a period.
    pub price: Money,
    /// What a coupon takes off the next period.
    pub discount: Option<Discount>,
    /// When the trial ends, while it is in one.
    pub trial_ends_at: Option<DateTime<Utc>>,
    /// Whether it goes on by itself: neither ended, nor to end.
    pub goes_on: bool,
}

/// The end of a trial that costs something.
#[derive(Clone, Debug, PartialEq)]
struct Conversion {
    at: DateTime<Utc>,
    plan: PlanId,
    amount: Money,
}

impl Known {
    /// The end of the trial, where it leads to a charge.
    fn conversion(&self) -> Option<Conversion> {
        let at = self.trial_ends_at.filter(|_| self.goes_on)?;
        // A discount of another currency was refused when the coupon was applied.
        let off = self.discount.and_then(|it| it.of(self.price).ok()).unwrap_or(Money::zero(self.price.currency()));
        let amount = self.price.minus(off).ok().filter(|it| it.is_positive())?;
        Some(Conversion { at, plan: self.plan.clone(), amount })
    }

    fn begin(&mut self, period: &Period) {
        self.trial_ends_at = (period.number == 0).then_some(period.ends_at);
        self.goes_on = true;
    }
}

impl Process for SubscriptionNotice {
    const NAME: &'static str = "subscription_notice";
    const TIMEOUT: Option<Duration> = None;
    const EVENTS: &'static [&'static str] = &[
        "SubscriptionStarted",
        "SubscriptionRenewed",
        "SubscriptionPlanChanged",
        "SubscriptionCouponApplied",
        "DunningNoticeDue",
        "SubscriptionCancellationScheduled",
        "SubscriptionCancellationWithdrawn",
        "SubscriptionCancelled",
        "SubscriptionExpired",
        "SubscriptionReactivated",
    ];
    type State = Remembered;

    fn instance(event: &Recorded<AnyEvent>) -> Option<String> {
        matches!(event.payload, AnyEvent::Subscription(_)).then(|| event.aggregate_id.clone())
    }

    fn react(state: &Remembered, event: &Recorded<AnyEvent>) -> Vec<Effect> {
        let Some(known) = after(state, event) else { return vec![] };
        let (changed, notice) = notice(state, &known, event);
        let cancel = state.notice.filter(|_| changed).map(|notification_id| Effect::Send {
            step: "cancel",
            command: ProcessCommand::CancelNotification { learner_id: known.subscriber, notification_id },
        });
        let send = |step| move |request| Effect::Send { step, command: ProcessCommand::RequestNotification(request) };
        let told = told(&known, event).map(send("tell"));
        cancel.into_iter().chain(told).chain(notice.map(send("trial"))).collect()
    }

    fn evolve(state: &mut Remembered, event: &Recorded<AnyEvent>) {
        let Some(known) = after(state, event) else { return };
        let (changed, notice) = notice(state, &known, event);
        if changed {
            state.notice = notice.map(|it| it.notification_id());
        }
        state.subscription = Some(known);
    }
}

/// The subscription after an event; none for one whose start is not known, since its subscriber was forgotten.
fn after(state: &Remembered, event: &Recorded<AnyEvent>) -> Option<Known> {
    let AnyEvent::Subscription(change) = &event.payload else { return None };
    let mut known = match change {
        Event::SubscriptionStarted { subscriber, terms, time_zone, coupon, period, .. } => Known {
            subscriber: *subscriber,
            time_zone: time_zone.clone(),
            plan: terms.plan_id.clone(),
            price: terms.price,
            discount: coupon.as_ref().map(|it| it.discount),
            trial_ends_at: (period.number == 0).then_some(period.ends_at),
            goes_on: true,
        },
        _ => state.subscription.clone()?,
    };
    match change {
        Event::SubscriptionRenewed { period, .. } | Event::SubscriptionReactivated { period, .. } => {
            known.begin(period);
        }
        Event::SubscriptionPlanChanged { terms, period, .. } => {
            (known.plan, known.price) = (terms.plan_id.clone(), terms.price);
            known.begin(period);
        }
        Event::SubscriptionCouponApplied { coupon, .. } => known.discount = Some(coupon.discount),
        Event::SubscriptionCancellationWithdrawn { .. } => known.goes_on = true,
        Event::SubscriptionCancellationScheduled { .. }
        | Event::SubscriptionCancelled { .. }
        | Event::SubscriptionExpired { .. } => known.goes_on = false,
        _ => {}
    }
    Some(known)
}

/// Whether an event changes how the trial ends, and the notice of it that is then to be given.
fn notice(state: &Remembered, known: &Known, event: &Recorded<AnyEvent>) -> (bool, Option<NotificationRequest>) {
    let (before, now) = (state.subscription.as_ref().and_then(Known::conversion), known.conversion());
    if before == now {
        return (false, None);
    }
    let request = now.map(|Conversion { at, plan, amount }| NotificationRequest {
        not_before: Some((known.time_zone.local_date(at - BEFORE), MORNING)),
        ..request(
            known,
            event,
            &TRIAL_ENDING,
            vec![("plan", plan.to_string()), ("amount", amount.to_string())],
            vec![("day", at)],
        )
    });
    (true, request)
}

/// What is told of an event at once.
fn told(known: &Known, event: &Recorded<AnyEvent>) -> Option<NotificationRequest> {
    let AnyEvent::Subscription(change) = &event.payload else { return None };
    let plan = || ("plan", known.plan.to_string());
    let (spec, parameters, days) = match change {
        Event::DunningNoticeDue { amount, invoice_id, next_attempt_at, service_until, .. } => {
            let parameters = vec![("amount", amount.to_string()), ("invoice", invoice_id.to_string())];
            match (*next_attempt_at, *service_until) {
                (Some(retry), Some(until)) => (CHARGE_FAILED, parameters, vec![("retry", retry), ("until", until)]),
                (Some(retry), None) => (CHARGE_FAILED_UNSERVED, parameters, vec![("retry", retry)]),
                // The last attempt: that it ended the subscription is told, once.
                (None, _) => return None,
            }
        }
        Event::SubscriptionPlanChanged { effective_at, .. } => {
            let parameters = vec![plan(), ("amount", known.price.to_string())];
            (PLAN_CHANGED, parameters, vec![("day", *effective_at)])
        }
        Event::SubscriptionCancellationScheduled { ends_at, .. } => {
            (CANCELLATION_SCHEDULED, vec![plan()], vec![("day", *ends_at)])
        }
        Event::SubscriptionCancelled { at, cause, .. } => {
            let spec = match cause {
                Cause::Requested => SUBSCRIPTION_CANCELLED,
                Cause::Unpaid => SUBSCRIPTION_CANCELLED_UNPAID,
            };
            (spec, vec![plan()], vec![("day", *at)])
        }
        Event::SubscriptionExpired { at, .. } => (SUBSCRIPTION_EXPIRED, vec![plan()], vec![("day", *at)]),
        _ => return None,
    };
    Some(request(known, event, &spec, parameters, days))
}

fn request(
    known: &Known,
    event: &Recorded<AnyEvent>,
    spec: &Spec,
    parameters: Vec<(&str, String)>,
    days: Vec<(&str, DateTime<Utc>)>,
) -> NotificationRequest {
    let named = |(name, moment): (&str, _)| (name.to_owned(), moment);
    NotificationRequest {
        learner_id: known.subscriber,
        cause: cause(event),
        at: event.recorded_at,
        template: spec.template(),
        parameters: parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        days: days.into_iter().map(named).collect::<BTreeMap<_, _>>(),
        not_before: None,
    }
}

#[cfg(test)]
mod tests;
