//! Notices of money: from what the subscription's aggregate decides to the mail that arrives.

use baeum_domain::{
    Decider,
    identity::user::Role,
    ids::{SubscriptionId, UserId},
    money::samples::money,
    notification::{channel::Channel, preferences::Preferences},
    subscription::{
        bill::{Bill, Purpose, payment_id},
        dunning::Dunning,
        invoice::{self, Invoice},
        period::Interval,
        plan::PlanTerms,
        subscription::{self, Subscription},
    },
};
use baeum_eventlog::Loaded;
use baeum_testing::{eventually, new_id};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    smtp::{body, field, words},
    world::{World, request},
};

const AT_ONCE: TimeDelta = TimeDelta::zero();

/// What is decided of a command.
async fn decide<D: Decider<Command: Clone + Sync>>(world: &World, id: &str, command: D::Command) {
    let prepare = move |_: Loaded<D>| std::future::ready(Ok::<_, D::Error>(command.clone()));
    world.log().execute::<D, (), D::Error, _>(&world.context(), id, prepare, |_, _| ()).await.expect("decided");
}

fn start(
    subscription_id: SubscriptionId,
    subscriber: UserId,
    trial_days: u16,
    at: DateTime<Utc>,
) -> subscription::Command {
    subscription::Command::Start {
        subscription_id,
        subscriber,
        terms: PlanTerms {
            plan_id: "standard".parse().expect("a plan"),
            offer: 1,
            interval: Interval::MONTHLY,
            price: money(12_900, "KRW"),
            trial_days,
            evaluations: 30,
        },
        time_zone: "Asia/Seoul".parse().expect("a time zone"),
        dunning: Dunning::default(),
        coupon: None,
        trial: true,
        at,
    }
}

/// Wants nothing about money by mail.
async fn switch_off(world: &World, learner: UserId) {
    let channels = [("billing".parse().expect("a topic"), [Channel::InApp].into())].into();
    let preferences = Preferences { channels, quiet_hours: None };
    let request = request(learner, Role::Learner);
    world.commands.set_notification_preferences(&request, learner, preferences).await.expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_charge_is_told_by_mail_in_korean_to_who_switched_the_topic_off_too() {
    let world = World::create().await;
    let learner = world.learner().await;
    switch_off(&world, learner).await;
    world.start_processes();
    world.dispatch(world.senders());
    let subscription_id = SubscriptionId(new_id());
    let id = subscription_id.to_string();
    let started = world.log().clock().now();
    decide::<Subscription>(&world, &id, start(subscription_id, learner, 14, started)).await;
    // The trial is over, and the first charge fails.
    world.clock.advance(TimeDelta::days(14));
    let at = world.log().clock().now();
    decide::<Subscription>(&world, &id, subscription::Command::EndPeriod { number: 0, at }).await;
    let invoice_id = Purpose::Period { subscription_id, number: 1 }.invoice_id();
    let next_attempt_at = Some(started + TimeDelta::days(15));
    let failed = subscription::Command::RecordFailedCharge { invoice_id, attempt: 1, next_attempt_at, at };
    decide::<Subscription>(&world, &id, failed).await;
    let mail = eventually("the failed charge is told by mail", || async {
        world.clock.advance(TimeDelta::milliseconds(20));
        world.mail.mails().into_iter().find(|mail| words(&field(mail, "Subject")).starts_with("결제가 되지"))
    })
    .await;
    assert_eq!(words(&field(&mail, "Subject")), "결제가 되지 않았습니다: 12,900원");
    let text = body(&mail);
    assert!(text.starts_with("Mina님, 12,900원 결제가 되지 않았습니다."), "{text}");
    // Tried again on the day after, and served until the seventh day after the trial's last, by the calendar of Seoul.
    assert!(text.contains("다음 결제 시도: 3월 16일\n") && text.contains("이용 가능 기한: 3월 22일\n"), "{text}");
    assert!(text.contains(&format!("청구서 번호: {invoice_id}\n")) && !text.contains('{'), "{text}");
    assert_eq!((field(&mail, "List-Unsubscribe").as_str(), text.contains("unsubscribe")), ("", false));
    // What is no more than kind is not mailed to who switched it off: it is in the inbox.
    decide::<Subscription>(&world, &id, subscription::Command::RecordPaid { invoice_id }).await;
    decide::<Subscription>(&world, &id, subscription::Command::CancelAtPeriodEnd).await;
    eventually("the end is told in the inbox", || async {
        world.clock.advance(TimeDelta::milliseconds(20));
        let requested = world.events("NotificationRequested").await;
        requested.iter().any(|it| it["content"]["template"] == "cancellation_scheduled").then_some(())
    })
    .await;
    world.at_rest().await;
    let subjects: Vec<_> = world.mail.mails().iter().map(|mail| words(&field(mail, "Subject"))).collect();
    assert!(!subjects.iter().any(|it| it.starts_with("구독이")), "{subjects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_told_of_three_days_before_its_end_and_a_payment_by_a_receipt() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.never_quiet(learner).await;
    world.start_processes();
    world.dispatch(world.senders());
    let subscription_id = SubscriptionId(new_id());
    let started = world.log().clock().now();
    decide::<Subscription>(&world, &subscription_id.to_string(), start(subscription_id, learner, 14, started)).await;
    // The trial ends on 15 March at six in the evening.
    let scheduled = eventually("the notice is scheduled", || async {
        world.clock.advance(TimeDelta::milliseconds(20));
        world.events("NotificationScheduled").await.into_iter().find(|it| it["channel"] == "email")
    })
    .await;
    assert_eq!(scheduled["not_before"], "2026-03-12T01:00:00Z", "ten in the morning in Seoul");
    world.at_rest().await;
    assert!(world.mail.mails().is_empty());
    world.clock.advance(TimeDelta::days(11));
    world.until("NotificationDelivered", "email", 1, TimeDelta::milliseconds(20)).await;
    let mail = world.mail.mails().remove(0);
    assert_eq!(words(&field(&mail, "Subject")), "무료 체험이 3월 15일에 끝납니다");
    assert!(body(&mail).contains("결제 예정 금액: 12,900원 "), "{}", body(&mail));
    let bill: Bill = baeum_domain::subscription::bill::samples::bill(money(12_900, "KRW"), money(0, "KRW"));
    let (id, at) = (bill.invoice_id.to_string(), world.log().clock().now());
    let issue = invoice::Command::Issue { subscriber: learner, bill: bill.clone(), at };
    decide::<Invoice>(&world, &id, issue).await;
    let payment = payment_id(bill.invoice_id);
    let paid = invoice::Command::RecordPayment { payment_id: payment, amount: bill.total, at };
    // The same outcome comes as often as the gateway tells it.
    decide::<Invoice>(&world, &id, paid.clone()).await;
    decide::<Invoice>(&world, &id, paid).await;
    world.until("NotificationDelivered", "email", 2, AT_ONCE + TimeDelta::milliseconds(20)).await;
    world.at_rest().await;
    let mails = world.mail.mails();
    assert_eq!(mails.len(), 2, "one receipt");
    let text = body(&mails[1]);
    assert_eq!(words(&field(&mails[1], "Subject")), "결제 완료: 12,900원");
    assert!(text.contains("이용 기간: 1월 31일 ~ 2월 27일\n") && text.contains("결제일: 3월 12일\n"), "{text}");
}
