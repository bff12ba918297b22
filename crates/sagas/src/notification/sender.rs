//! The ports by which messages leave the platform.

use std::{collections::BTreeMap, sync::Arc};

use baeum_commands::notification::deliver::{Failure, Message};
use baeum_domain::notification::channel::Channel;
use futures::future::BoxFuture;

use super::webhook::WebhookSender;

/// A way out: it hands a message to the next in line, and says whether that took it.
///
/// The same message may come again, after a crash between sending and recording; its id is then the same, and is to be told
/// to the receiver, so that they can take it once.
pub trait Sender: Send + Sync + 'static {
    /// Sends a message.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>>;
}

/// The inbox: what is recorded as delivered is there.
struct Inbox;

impl Sender for Inbox {
    fn send<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Every way out.
#[derive(Clone)]
pub struct Senders {
    by_channel: BTreeMap<Channel, Arc<dyn Sender>>,
    pub(super) webhooks: WebhookSender,
}

impl Senders {
    /// The inbox, and webhooks.
    pub fn new(webhooks: WebhookSender) -> Self {
        Self { by_channel: BTreeMap::from([(Channel::InApp, Arc::new(Inbox) as Arc<dyn Sender>)]), webhooks }
    }

    /// The same with a sender for a channel.
    #[must_use]
    pub fn with(mut self, channel: Channel, sender: impl Sender) -> Self {
        self.by_channel.insert(channel, Arc::new(sender));
        self
    }

    pub(super) fn of(&self, channel: Channel) -> Option<Arc<dyn Sender>> {
        self.by_channel.get(&channel).cloned()
    }
}

/// An attempt that may go better another time.
pub(super) fn passing(reason: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), lasting: false }
}

/// An attempt that would fail again in the same way.
pub(super) fn lasting(reason: impl Into<String>) -> Failure {
    Failure { reason: reason.into(), lasting: true }
}

/// What a failing HTTP request is called, by its kind alone: its text would name URLs.
pub(super) fn unsent(error: &reqwest::Error) -> Failure {
    passing(if error.is_timeout() {
        "timed-out"
    } else if error.is_connect() {
        "not-connected"
    } else {
        "not-sent"
    })
}
