//! Creating, looking at and withdrawing coupons.

use baeum_domain::{
    identity::user::Role,
    ids::CouponCode,
    subscription::coupon::{self, Command, Coupon, CouponTerms, Issue},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use chrono::{DateTime, Utc};

use super::Error;
use crate::{Caller, Commands, Request};

impl Commands {
    /// Creates a coupon. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, a coupon that gives nothing, a code that is taken, or a failing log.
    pub async fn create_coupon(
        &self,
        request: &Request,
        terms: CouponTerms,
        limit: Option<u32>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Outcome<Issue>, ExecuteError<Error>> {
        let code = terms.code.clone();
        self.on_coupon(request, &code, Command::Create { terms, limit, until }).await
    }

    /// Has a coupon be redeemed by nobody else. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an unknown coupon, or a failing log.
    pub async fn withdraw_coupon(
        &self,
        request: &Request,
        code: &CouponCode,
    ) -> Result<Outcome<Issue>, ExecuteError<Error>> {
        self.on_coupon(request, code, Command::Withdraw).await
    }

    /// A coupon as it stands, with its version. Only administrators may look.
    ///
    /// # Errors
    /// A caller who may not, an unknown coupon, or a failing log.
    pub async fn coupon(&self, caller: &Caller, code: &CouponCode) -> Result<(Issue, i64), ExecuteError<Error>> {
        if !caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        let loaded = self.log.load::<Coupon>(&caller.tenant, &coupon::id_of(&caller.tenant, code).to_string()).await?;
        let issue = loaded.state.issue.clone();
        let issue = issue.ok_or_else(|| ExecuteError::Refused(coupon::Error::NotCreated.into()))?;
        Ok((issue, loaded.sequence))
    }

    async fn on_coupon(
        &self,
        request: &Request,
        code: &CouponCode,
        command: Command,
    ) -> Result<Outcome<Issue>, ExecuteError<Error>> {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        self.log
            .execute::<Coupon, _, Error, _>(
                &request.context(self.clock()),
                &coupon::id_of(&request.caller.tenant, code).to_string(),
                |_: Loaded<Coupon>| std::future::ready(Ok(command.clone())),
                |coupon, _| coupon.issue.clone().expect("a command is decided on a created coupon only"),
            )
            .await
    }
}
