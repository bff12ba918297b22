//! Signing in with address and password.

use baeum_domain::{identity::user::User, ids::UserId};
use baeum_eventlog::ExecuteError;

use super::{Error, credentials, password};
use crate::{Caller, Commands};

impl Commands {
    /// Who has this address and password.
    ///
    /// # Errors
    /// [`Error::WrongCredentials`], whichever of the two is wrong, after the same time; or a failing store.
    pub async fn authenticate(&self, tenant: &str, email: &str, password: &str) -> Result<Caller, ExecuteError<Error>> {
        let found = credentials::find_by_email(&self.vault, tenant, email).await.map_err(ExecuteError::Refused)?;
        let hash = found.as_ref().map(|it| it.password_hash.clone());
        let right = password::verify(password.to_owned(), hash).await.map_err(ExecuteError::Refused)?;
        let Some(found) = found.filter(|_| right) else {
            return Err(ExecuteError::Refused(Error::WrongCredentials));
        };
        let loaded = self.log.load::<User>(tenant, &found.user_id.to_string()).await?;
        // An address that was reserved but never registered with cannot sign in.
        let profile = loaded.state.profile.as_ref().ok_or(ExecuteError::Refused(Error::WrongCredentials))?;
        Ok(Caller { tenant: tenant.to_owned(), user_id: UserId(found.user_id), roles: profile.roles.clone() })
    }
}
