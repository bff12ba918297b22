//! Noting who looks at the personal data of whom: before it is given away, so that none is given unnoted.

use std::collections::BTreeSet;

use baeum_domain::{
    identity::access::{self, Access, Category},
    ids::UserId,
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded};
use uuid::Uuid;

use super::Error;
use crate::{Caller, Commands};

/// An access that is about to take place.
#[derive(Clone, Debug)]
pub struct NewAccess<'a> {
    /// Whose log.
    pub tenant: &'a str,
    /// Who looks: a user's id, or `operator:<account>`.
    pub actor: String,
    /// Whose data.
    pub subject: UserId,
    /// What of it.
    pub what: BTreeSet<Category>,
    /// By which door: a route of the API, or a command of the command line.
    pub route: &'a str,
    /// What ties the consequences of the request together.
    pub correlation_id: Uuid,
}

impl Commands {
    /// Notes an access. Where this fails, the data must not be given.
    ///
    /// # Errors
    /// When the log fails.
    pub async fn record_access(&self, new: NewAccess<'_>) -> Result<(), ExecuteError<Error>> {
        let access_id = self.clock().new_id();
        let context = CommandContext {
            tenant: new.tenant.to_owned(),
            actor: new.actor,
            command_id: access_id,
            fingerprint: None,
            correlation_id: new.correlation_id,
            causation_id: access_id,
            expected_sequence: None,
        };
        let (subject_id, what, route) = (new.subject, new.what, new.route.to_owned());
        let command = access::Command::Note { access_id, subject_id, what, route };
        self.log
            .execute::<Access, _, Error, _>(
                &context,
                &subject_id.to_string(),
                |_: Loaded<Access>| std::future::ready(Ok(command.clone())),
                |_, _| (),
            )
            .await?;
        Ok(())
    }

    /// Notes that a user looks at the data of another; their own they may read unnoted.
    ///
    /// # Errors
    /// When the log fails.
    pub async fn record_access_of(
        &self,
        caller: &Caller,
        subject: UserId,
        what: impl IntoIterator<Item = Category> + Send,
        route: &str,
        correlation_id: Uuid,
    ) -> Result<(), ExecuteError<Error>> {
        if caller.user_id == subject {
            return Ok(());
        }
        let (actor, what) = (caller.user_id.to_string(), what.into_iter().collect());
        self.record_access(NewAccess { tenant: &caller.tenant, actor, subject, what, route, correlation_id }).await
    }
}
