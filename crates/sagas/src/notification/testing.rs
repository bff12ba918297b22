//! Helpers of the tests of these processes.

use baeum_commands::{dispatch::ProcessCommand, notification::request::NotificationRequest};

use crate::process::Effect;

/// The notifications that are requested.
pub(super) fn requests(effects: &[Effect]) -> Vec<&NotificationRequest> {
    let request = |effect| match effect {
        &Effect::Send { command: ProcessCommand::RequestNotification(ref request), .. } => Some(request),
        _ => None,
    };
    effects.iter().filter_map(request).collect()
}
