//! Registering: the address is reserved in the credential store, then the user is born in the log.

use std::collections::BTreeSet;

use baeum_domain::{
    identity::user::{self, Preferences, Role, User},
    ids::{UserId, derive_id},
    text,
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{
    Error,
    credentials::{self, Holder, NewCredentials},
    password,
};
use crate::{Commands, Request};

/// What someone gives to register.
#[derive(Clone)]
pub struct Registration {
    /// Their address, by which they sign in.
    pub email: String,
    /// 10 to 128 characters.
    pub password: String,
    /// What they want to be called, 1 to 80 characters.
    pub display_name: String,
    /// How they want to learn.
    pub preferences: Preferences,
    /// What they may do.
    pub roles: BTreeSet<Role>,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The new user.
    pub user_id: UserId,
}

impl Commands {
    /// Registers a user. The caller of `request` is nobody yet; only tenant and key matter.
    ///
    /// # Errors
    /// Wrong input, an address that is taken, or a failing store.
    pub async fn register(
        &self,
        request: &Request,
        registration: Registration,
    ) -> Result<Outcome<Registered>, ExecuteError<Error>> {
        let mut context = request.context(self.clock());
        let user_id = UserId(derive_id(&["user", &context.command_id.to_string()]));
        context.actor = user_id.to_string();
        // The same key as a person who was forgotten: it would be their id again.
        self.refuse_erased(user_id).map_err(ExecuteError::Refused)?;
        // Hashing a password is slow.
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        self.log
            .execute::<User, _, Error, _>(
                &context,
                &user_id.to_string(),
                |_: Loaded<User>| self.reserve(&request.caller.tenant, user_id, &registration),
                |_, _| Registered { user_id },
            )
            .await
    }

    async fn reserve(
        &self,
        tenant: &str,
        user_id: UserId,
        registration: &Registration,
    ) -> Result<user::Command, Error> {
        let email = check_email(&registration.email)?;
        password::check(&registration.password)?;
        let display_name = text::check(&registration.display_name, 80).map_err(Error::DisplayName)?;
        self.check_interests(&registration.preferences)?;
        // A key is made for whoever comes so far: not for those whose address is taken.
        if let Some(holder) = credentials::find_by_email(&self.vault, tenant, email).await?
            && holder.user_id != user_id.0
        {
            self.release_abandoned(tenant, &holder).await?;
        }
        let mut salt = [0; 16];
        self.ports.entropy.fill(&mut salt);
        let password_hash = password::hash(registration.password.clone(), salt).await?;
        let new = NewCredentials { user_id, email, display_name, password_hash, reserved_at: self.clock().now() };
        while !credentials::reserve(&self.vault, tenant, &new).await? {
            let Some(holder) = credentials::find_by_email(&self.vault, tenant, email).await? else { continue };
            if holder.user_id == user_id.0 {
                break;
            }
            self.release_abandoned(tenant, &holder).await?;
        }
        Ok(user::Command::Register {
            user_id,
            roles: registration.roles.clone(),
            preferences: registration.preferences.clone(),
        })
    }

    /// Gives up a reservation that was abandoned, since its process died before the user was born.
    async fn release_abandoned(&self, tenant: &str, holder: &Holder) -> Result<(), Error> {
        let born = self.log.load::<User>(tenant, &holder.user_id.to_string()).await;
        let unborn = born.is_ok_and(|loaded| loaded.state.profile.is_none());
        if !unborn || self.clock().now() - holder.reserved_at < TimeDelta::minutes(1) {
            return Err(Error::EmailTaken);
        }
        Ok(credentials::release(self.log.pool(), holder).await?)
    }

    pub(super) fn check_interests(&self, preferences: &Preferences) -> Result<(), Error> {
        let known = self.catalog().topics();
        match preferences.interests.iter().find(|topic| !known.contains(topic)) {
            None => Ok(()),
            Some(given) => Err(Error::UnknownInterest {
                given: given.to_string(),
                known: known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

fn check_email(email: &str) -> Result<&str, Error> {
    let email = email.trim();
    let sound = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && host.len() >= 3 && host.contains('.') && !host.contains('@') && !host.ends_with('.')
        });
    if sound { Ok(email) } else { Err(Error::NotAnEmail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_refused() {
        assert!(check_email(" mina@example.org ").is_ok());
        for wrong in ["", "mina", "@example.org", "mina@", "mina@host", "mi na@example.org", "a@b@c.de", "a@b.c\u{0}"] {
            assert!(check_email(wrong).is_err(), "{wrong:?} must be refused");
        }
    }
}
