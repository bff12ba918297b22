//! Creating, offering anew and retiring plans.

use baeum_domain::{
    identity::user::Role,
    ids::PlanId,
    subscription::plan::{self, Command, Listing, Offer, Plan},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Creates a plan with its first offer. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an offer that cannot be made, a plan that exists, or a failing log.
    pub async fn create_plan(
        &self,
        request: &Request,
        plan_id: PlanId,
        offer: Offer,
    ) -> Result<Outcome<Listing>, ExecuteError<Error>> {
        let create = Command::Create { plan_id: plan_id.clone(), offer };
        self.on_plan(request, &plan_id, create).await
    }

    /// Offers a plan on other terms from now on. Who has subscribed keeps theirs. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an offer that cannot be made, an unknown or retired plan, or a failing log.
    pub async fn offer_plan(
        &self,
        request: &Request,
        plan_id: PlanId,
        offer: Offer,
    ) -> Result<Outcome<Listing>, ExecuteError<Error>> {
        self.on_plan(request, &plan_id, Command::Offer { offer }).await
    }

    /// Has a plan take no new subscribers. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an unknown plan, or a failing log.
    pub async fn retire_plan(
        &self,
        request: &Request,
        plan_id: PlanId,
    ) -> Result<Outcome<Listing>, ExecuteError<Error>> {
        self.on_plan(request, &plan_id, Command::Retire).await
    }

    async fn on_plan(
        &self,
        request: &Request,
        plan_id: &PlanId,
        command: Command,
    ) -> Result<Outcome<Listing>, ExecuteError<Error>> {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        self.log
            .execute::<Plan, _, Error, _>(
                &request.context(self.clock()),
                &plan::id_of(&request.caller.tenant, plan_id).to_string(),
                |_: Loaded<Plan>| std::future::ready(Ok(command.clone())),
                |plan, _| plan.listing.clone().expect("a command is decided on a created plan only"),
            )
            .await
    }
}
