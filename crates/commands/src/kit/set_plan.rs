//! Saying which plans come with a kit, by administrators.

use baeum_domain::{
    ids::PlanId,
    kit::plan::{self, Command, KitPlan, KitTerms},
    subscription::plan::{Plan, id_of as plan_stream},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, must_be_admin};
use crate::{Commands, Request};

impl Commands {
    /// Has each period of a plan come with such a kit from now on.
    ///
    /// # Errors
    /// A caller who may not, a plan that there is not, kits that cannot be, or a failing log.
    pub async fn set_kit_plan(
        &self,
        request: &Request,
        plan_id: PlanId,
        terms: KitTerms,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        let plan = self
            .log
            .load::<Plan>(&request.caller.tenant, &plan_stream(&request.caller.tenant, &plan_id).to_string())
            .await?;
        if plan.state.listing.is_none() {
            return Err(ExecuteError::Refused(Error::UnknownPlan(plan_id)));
        }
        self.change_kit_plan(request, &plan_id.clone(), Command::Set { plan_id, terms }).await
    }

    /// Has periods of a plan that begin from now on come without a kit.
    ///
    /// # Errors
    /// A caller who may not, or a failing log.
    pub async fn end_kit_plan(&self, request: &Request, plan_id: PlanId) -> Result<Outcome<()>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        self.change_kit_plan(request, &plan_id.clone(), Command::End { plan_id }).await
    }

    async fn change_kit_plan(
        &self,
        request: &Request,
        plan_id: &PlanId,
        command: Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let id = plan::id_of(&request.caller.tenant, plan_id).to_string();
        let prepare = |_: Loaded<KitPlan>| std::future::ready(Ok(command.clone()));
        self.log.execute::<KitPlan, (), Error, _>(&request.context(self.clock()), &id, prepare, |_, _| ()).await
    }
}
