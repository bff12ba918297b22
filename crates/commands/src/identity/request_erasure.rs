//! Asking for a person to be forgotten, and taking that back.

use baeum_domain::{
    identity::{
        erasure::{self, Erasure, Ground, Requester, Standing},
        user::{self, Role, User},
    },
    ids::UserId,
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::{Error, credentials, password};
use crate::{Caller, Commands, Request};

/// How a person is to be forgotten.
#[derive(Clone)]
pub struct ErasureWish {
    /// Why.
    pub ground: Ground,
    /// Days in which it can be taken back, 0 to 30.
    pub grace_days: u16,
    /// The person's own password, where they ask themselves.
    pub password: Option<String>,
}

/// How far the erasure of a person is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureStatus {
    /// `None` where nobody asked for it.
    pub standing: Option<Standing>,
}

impl Commands {
    /// Asks for a person to be forgotten: themselves, by their password, or by an administrator.
    ///
    /// # Errors
    /// Someone else's account, a wrong password, a grace that is too long, an unknown user, or a failing store.
    pub async fn request_erasure(
        &self,
        request: &Request,
        subject: UserId,
        wish: &ErasureWish,
    ) -> Result<Outcome<ErasureStatus>, ExecuteError<Error>> {
        let requester = Self::requester(&request.caller, subject)?;
        let context = request.context(self.clock());
        // Checking a password is slow, and after the erasure there is none.
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        if requester == Requester::Subject {
            self.confirm(&request.caller.tenant, subject, wish.password.as_deref()).await?;
        }
        self.ask_for_erasure(&context, subject, requester, wish).await
    }

    /// The same by whoever operates the platform.
    ///
    /// # Errors
    /// A grace that is too long, an unknown user, or a failing log.
    pub async fn request_erasure_as_operator(
        &self,
        context: &CommandContext,
        subject: UserId,
        ground: Ground,
        grace_days: u16,
    ) -> Result<Outcome<ErasureStatus>, ExecuteError<Error>> {
        let wish = ErasureWish { ground, grace_days, password: None };
        self.ask_for_erasure(context, subject, Requester::Operator, &wish).await
    }

    /// Takes a request back, within its grace.
    ///
    /// # Errors
    /// Someone else's account, nothing to take back, an erasure that has taken place, or a failing log.
    pub async fn withdraw_erasure(
        &self,
        request: &Request,
        subject: UserId,
    ) -> Result<Outcome<ErasureStatus>, ExecuteError<Error>> {
        Self::requester(&request.caller, subject)?;
        self.must_be_registered(&request.caller.tenant, subject).await?;
        let command = erasure::Command::Withdraw { subject_id: subject };
        self.execute_erasure(&request.context(self.clock()), subject, command).await
    }

    /// How far the erasure of a person is. Themselves and administrators may ask.
    ///
    /// # Errors
    /// Someone else's account, an unknown user, or a failing log.
    pub async fn erasure_of(&self, caller: &Caller, subject: UserId) -> Result<ErasureStatus, ExecuteError<Error>> {
        Self::requester(caller, subject)?;
        let tenant = &caller.tenant;
        self.must_be_registered(tenant, subject).await?;
        let loaded = self.log.load::<Erasure>(tenant, &subject.to_string()).await?;
        Ok(ErasureStatus { standing: loaded.state.standing })
    }

    fn requester(caller: &Caller, subject: UserId) -> Result<Requester, ExecuteError<Error>> {
        if caller.user_id == subject {
            Ok(Requester::Subject)
        } else if caller.has_any(&[Role::Admin]) {
            Ok(Requester::Administrator)
        } else {
            Err(ExecuteError::Refused(Error::NotYours(subject)))
        }
    }

    async fn confirm(&self, tenant: &str, subject: UserId, given: Option<&str>) -> Result<(), ExecuteError<Error>> {
        let refused = ExecuteError::Refused;
        let given = given.ok_or(refused(Error::PasswordMissing))?;
        let hash = credentials::password_hash(self.log.pool(), tenant, subject).await;
        let hash = hash.map_err(|error| refused(error.into()))?;
        let right = password::verify(given.to_owned(), hash).await.map_err(refused)?;
        if right { Ok(()) } else { Err(refused(Error::WrongPassword)) }
    }

    async fn ask_for_erasure(
        &self,
        context: &CommandContext,
        subject: UserId,
        requested_by: Requester,
        wish: &ErasureWish,
    ) -> Result<Outcome<ErasureStatus>, ExecuteError<Error>> {
        self.must_be_registered(&context.tenant, subject).await?;
        let (ground, grace_days, now) = (wish.ground, wish.grace_days, self.clock().now());
        let command = erasure::Command::Request { subject_id: subject, requested_by, ground, grace_days, now };
        self.execute_erasure(context, subject, command).await
    }

    pub(super) async fn execute_erasure(
        &self,
        context: &CommandContext,
        subject: UserId,
        command: erasure::Command,
    ) -> Result<Outcome<ErasureStatus>, ExecuteError<Error>> {
        self.log
            .execute::<Erasure, _, Error, _>(
                context,
                &subject.to_string(),
                |_: Loaded<Erasure>| std::future::ready(Ok(command.clone())),
                |erasure, _| ErasureStatus { standing: erasure.standing },
            )
            .await
    }

    async fn must_be_registered(&self, tenant: &str, subject: UserId) -> Result<(), ExecuteError<Error>> {
        let loaded = self.log.load::<User>(tenant, &subject.to_string()).await?;
        let found = loaded.state.profile.as_ref().map(drop);
        found.ok_or_else(|| ExecuteError::Refused(user::Error::NotRegistered.into()))
    }
}
