//! What the platform can send by, and where it is reached.

use std::collections::BTreeSet;

use baeum_domain::notification::channel::Channel;

/// How notifications are set up here. The inbox is always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The channels that can be sent by.
    pub channels: BTreeSet<Channel>,
    /// Where people reach this server, without a slash at the end: links in messages begin so.
    pub public_url: Option<String>,
    /// Whether webhooks may go to addresses that are not of the public internet.
    pub private_webhooks: bool,
}

impl Default for Settings {
    /// The inbox alone, and no webhook into the private network.
    fn default() -> Self {
        Self { channels: BTreeSet::from([Channel::InApp]), public_url: None, private_webhooks: false }
    }
}
