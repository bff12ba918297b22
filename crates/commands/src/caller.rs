//! Who asks, and how.

use std::collections::BTreeSet;

use baeum_domain::{
    Clock,
    identity::user::Role,
    ids::{UserId, derive_id},
};
use baeum_eventlog::CommandContext;
use uuid::Uuid;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose log they belong to.
    pub tenant: String,
    /// The user.
    pub user_id: UserId,
    /// What they may do.
    pub roles: BTreeSet<Role>,
}

impl Caller {
    /// Whether they have any of these roles.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.roles.contains(role))
    }
}

/// What a client sends so that a repeated request gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Chosen by the client, 1 to 255 visible characters.
    pub key: String,
    /// A digest of method, path and body.
    pub fingerprint: String,
}

/// A command as it comes in: who asks, with which key and precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// So that a repeated request gets the same answer, if the client sent a key.
    pub idempotency: Option<IdempotencyKey>,
    /// The version that the resource must have, if the client said so.
    pub expected_sequence: Option<i64>,
    /// What ties the consequences of this request together.
    pub correlation_id: Uuid,
}

impl Request {
    /// The context in which the log executes the command.
    ///
    /// The command's id derives from tenant, user and key, so that one user's key never meets another's.
    pub fn context(&self, clock: &dyn Clock) -> CommandContext {
        let user = self.caller.user_id.to_string();
        let command_id = match &self.idempotency {
            Some(idempotency) => derive_id(&["command", &self.caller.tenant, &user, &idempotency.key]),
            None => clock.new_id(),
        };
        CommandContext {
            tenant: self.caller.tenant.clone(),
            actor: user,
            command_id,
            fingerprint: self.idempotency.as_ref().map(|it| it.fingerprint.clone()),
            correlation_id: self.correlation_id,
            causation_id: command_id,
            expected_sequence: self.expected_sequence,
        }
    }
}
