//! Granting and revoking roles.

use std::collections::BTreeSet;

use baeum_domain::{
    identity::user::{self, Role, User},
    ids::UserId,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{Commands, Request};

/// The answer to a change of roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesChanged {
    /// What the user may now do.
    pub roles: BTreeSet<Role>,
}

impl Commands {
    /// Grants (`true`) or revokes (`false`) a role of `user_id`. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an unknown user, the last role of a user, or a failing log.
    pub async fn change_role(
        &self,
        request: &Request,
        user_id: UserId,
        role: Role,
        grant: bool,
    ) -> Result<Outcome<RolesChanged>, ExecuteError<Error>> {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        self.refuse_erased(user_id).map_err(ExecuteError::Refused)?;
        let command = if grant { user::Command::GrantRole { role } } else { user::Command::RevokeRole { role } };
        self.log
            .execute::<User, _, Error, _>(
                &request.context(self.clock()),
                &user_id.to_string(),
                |_: Loaded<User>| std::future::ready(Ok(command.clone())),
                |user, _| RolesChanged {
                    roles: user.profile.as_ref().map(|profile| profile.roles.clone()).unwrap_or_default(),
                },
            )
            .await
    }
}
