//! Mail: sent once in effect, tried again, given up, tried again by an operator, unsubscribed from.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use baeum_commands::notification::deliver::{Failure, Message};
use baeum_domain::{
    identity::user::Role,
    notification::{
        backoff,
        channel::Channel,
        notification::{Stage, Suppression},
    },
};
use baeum_sagas::notification::{
    email::EmailSender,
    sender::{Sender, Senders},
    webhook::WebhookSender,
};
use baeum_testing::eventually;
use chrono::TimeDelta;
use futures::future::BoxFuture;

use crate::{
    smtp::field,
    world::{World, admin, request},
};

const AT_ONCE: TimeDelta = TimeDelta::zero();

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_by_mail_and_in_the_inbox_and_the_log_names_nobody() {
    let world = World::create().await;
    let learner = world.learner().await;
    let id = world.tell(learner, 1).await;
    world.dispatch(world.senders());
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    world.until("NotificationDelivered", "in_app", 1, AT_ONCE).await;
    let mails = world.mail.mails();
    assert_eq!(mails.len(), 1);
    let address = world.commands.address_of("main", learner).await.expect("a database").expect("an address");
    assert_eq!(field(&mails[0], "Message-ID"), format!("<{id}.email@example.org>"));
    assert_eq!(field(&mails[0], "To"), format!("Mina <{}>", address.email));
    assert_eq!(field(&mails[0], "From"), "Baeum <no-reply@example.org>");
    assert!(field(&mails[0], "Date").starts_with("Sun, 01 Mar 2026 09:00:00"), "{}", mails[0]);
    assert_eq!(field(&mails[0], "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(mails[0].contains("charset=utf-8"), "{}", mails[0]);
    let all = world.log().read(0, 1_000).await.expect("readable");
    let text = format!("{all:?}");
    assert!(!text.contains(&address.email) && !text.contains("Mina"), "the log names somebody: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cause_that_comes_again_leads_to_no_second_message() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.dispatch(world.senders());
    for _ in 0..3 {
        world.tell(learner, 1).await;
    }
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    world.tell(learner, 1).await;
    world.tell(learner, 2).await;
    world.until("NotificationDelivered", "email", 2, AT_ONCE).await;
    world.at_rest().await;
    assert_eq!(world.events("NotificationRequested").await.len(), 2);
    assert_eq!(world.mail.mails().len(), 2);
}

/// Sends a mail for real, and then never comes back, as a process that is killed at that moment.
struct Killed(EmailSender, Arc<AtomicBool>);

impl Sender for Killed {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.0.send(message).await?;
            self.1.store(true, Ordering::SeqCst);
            std::future::pending().await
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_killed_between_sending_and_recording_sends_again_under_the_same_id() {
    let world = World::create().await;
    let learner = world.learner().await;
    let id = world.tell(learner, 1).await;
    let sent = Arc::new(AtomicBool::new(false));
    let email = EmailSender::new(&world.mail.url, "no-reply@example.org").expect("a mail server");
    let senders = Senders::new(WebhookSender::new(true).expect("a client"));
    let killed = world.dispatch(senders.with(Channel::Email, Killed(email, sent.clone())));
    eventually("the mail is out", || async { sent.load(Ordering::SeqCst).then_some(()) }).await;
    killed.abort();
    let _ = killed.await;
    assert_eq!(world.notification(id).await.deliveries[&Channel::Email].attempts, 0, "nothing was recorded");
    world.dispatch(world.senders());
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    world.at_rest().await;
    let ids: Vec<_> = world.mail.mails().iter().map(|mail| field(mail, "Message-ID")).collect();
    assert_eq!(ids.len(), 2, "at least once in attempt");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 1, "once in effect for who honours the id");
    assert_eq!(world.events("NotificationDelivered").await.iter().filter(|it| it["channel"] == "email").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_for_now_is_tried_again_later() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.never_quiet(learner).await;
    world.mail.refuse(["451 4.7.1 greylisted, mina", "421 busy"]);
    world.tell(learner, 1).await;
    world.dispatch(world.senders());
    world.until("NotificationDelivered", "email", 1, TimeDelta::seconds(5)).await;
    let failed = world.events("NotificationFailed").await;
    let told: Vec<_> = failed.iter().map(|it| (it["attempt"].as_u64(), it["reason"].as_str())).collect();
    assert_eq!(told, [(Some(1), Some("smtp-451")), (Some(2), Some("smtp-421"))], "codes alone, no words of the server");
    let delivered = world.events("NotificationDelivered").await;
    let delivered = delivered.iter().find(|it| it["channel"] == "email").expect("delivered");
    assert_eq!(delivered["attempt"], 3);
    assert_eq!(world.mail.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_tried_again_by_an_operator_alone() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.never_quiet(learner).await;
    world.mail.refuse(["550 no such user"]);
    let id = world.tell(learner, 1).await;
    world.dispatch(world.senders());
    world.until("NotificationDeadLettered", "email", 1, AT_ONCE).await;
    world.at_rest().await;
    assert_eq!(world.events("NotificationDeadLettered").await[0]["reason"], "smtp-550");
    assert!(world.mail.mails().is_empty());
    let learners = request(learner, Role::Learner);
    let refused = world.commands.retry_notification(&learners, id, Channel::Email).await;
    assert!(refused.expect_err("refused").to_string().contains("administrator"));
    world.commands.retry_notification(&admin(), id, Channel::Email).await.expect("recorded");
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    assert_eq!(world.mail.mails().len(), 1);
    let again = world.commands.retry_notification(&admin(), id, Channel::Email).await;
    assert!(again.expect_err("delivered").to_string().contains("no dead letter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_always_fails_is_given_up_after_so_many_attempts() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.never_quiet(learner).await;
    world.mail.refuse(std::iter::repeat_n("451 later", 50));
    let id = world.tell(learner, 1).await;
    world.dispatch(world.senders());
    world.until("NotificationDeadLettered", "email", 1, TimeDelta::hours(1)).await;
    assert_eq!(world.notification(id).await.deliveries[&Channel::Email].attempts, backoff::LIMIT);
    assert_eq!(world.events("NotificationFailed").await.len(), backoff::LIMIT as usize - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_in_a_mail_ends_that_topic_by_mail_and_nothing_else() {
    let world = World::create().await;
    let learner = world.learner().await;
    world.dispatch(world.senders());
    world.tell(learner, 1).await;
    world.until("NotificationDelivered", "email", 1, AT_ONCE).await;
    let link = field(&world.mail.mails()[0], "List-Unsubscribe");
    let token = link.trim_matches(['<', '>']).split_once("?token=").expect("a token").1.to_owned();
    assert!(link.starts_with("<https://learn.example.org/v1/notifications/unsubscribe?token="), "{link}");
    let read = world.commands.read_link(&token).await.expect("valid");
    assert_eq!((read.learner_id, read.topic.as_str(), read.channel), (learner, "levels", Channel::Email));
    // One that is on its way already is not sent either.
    let waiting = world.tell(learner, 2).await;
    world.commands.unsubscribe(&token, baeum_testing::new_id()).await.expect("unsubscribed");
    world.commands.unsubscribe(&token, baeum_testing::new_id()).await.expect("once more changes nothing");
    assert_eq!(world.events("NotificationTopicUnsubscribed").await.len(), 1);
    let next = world.tell(learner, 3).await;
    world.until("NotificationDelivered", "in_app", 3, AT_ONCE).await;
    world.at_rest().await;
    assert!(!world.notification(next).await.deliveries.contains_key(&Channel::Email));
    // It was sent before the link was followed, or suppressed after.
    let stage = world.notification(waiting).await.deliveries[&Channel::Email].stage;
    assert_eq!(world.mail.mails().len(), 1 + usize::from(stage == Stage::Delivered));
    assert!(world.commands.unsubscribe("forged.token", baeum_testing::new_id()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_their_mind_or_is_gone_before_it_is_sent_is_not_told() {
    let world = World::create().await;
    let learner = world.learner().await;
    let id = world.tell(learner, 1).await;
    sqlx::query("DELETE FROM credentials").execute(&world.database.pool).await.expect("erased");
    world.dispatch(world.senders());
    world.until("NotificationSuppressed", "email", 1, AT_ONCE).await;
    world.at_rest().await;
    let reasons = world.events("NotificationSuppressed").await;
    let no_address = Suppression::NoAddress.to_string();
    assert!(reasons.iter().all(|it| it["reason"] == no_address.as_str()), "{reasons:?}");
    assert_eq!(world.notification(id).await.next_attempt(Channel::Email), None);
    assert!(world.mail.mails().is_empty());
}
