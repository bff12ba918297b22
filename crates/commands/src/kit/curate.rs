//! Choosing what a kit is made of: from the learner's level and interests, the assortment, and what earlier kits had.

use std::collections::BTreeSet;

use baeum_domain::{
    identity::user::{Profile, User},
    ids::{InvoiceId, KitId, SkuId, SubscriptionId, UserId},
    kit::{
        curation::{Choice, CurationInput, Unsuitable, curate},
        kit::{self, Kit, Order, Stage, id_of},
        plan::{self, KitPlan, Presentation, ValueLimits},
        sku::{self, Assortment},
    },
    learning::curriculum::Curriculum,
    level::Cefr,
    subscription::{bill::Purpose, subscription::Subscription},
};
use baeum_eventlog::{CommandContext, ExecuteError};
use chrono::TimeDelta;

use super::Error;
use crate::Commands;

/// Of how many periods before it a kit repeats nothing, where it can.
const REMEMBERED: u32 = 12;
/// For how many days at least stock is held for an item that takes another's place.
const HOLD_AGAIN: i64 = 7;

/// What a learner is, as far as a choice needs.
struct Learner {
    profile: Profile,
    level: Option<Cefr>,
    past: BTreeSet<SkuId>,
}

/// What is chosen for.
struct Wanted<'a> {
    kit_id: KitId,
    unavailable: &'a BTreeSet<SkuId>,
    kept: &'a [SkuId],
    items: u8,
    limits: ValueLimits,
}

impl Commands {
    /// Opens the kit of a period, with what is chosen for it. A plan without kits, a currency that they have no limits in,
    /// and a subscriber who was forgotten get none.
    pub(super) async fn open_kit(
        &self,
        context: &CommandContext,
        subscription_id: SubscriptionId,
        invoice_id: InvoiceId,
        period: u32,
    ) -> Result<(), ExecuteError<Error>> {
        let tenant = &context.tenant;
        let subscription = self.log.load::<Subscription>(tenant, &subscription_id.to_string()).await?.state;
        let Some(contract) = &subscription.contract else { return Ok(()) };
        let learner_id = contract.subscriber;
        let stream = plan::id_of(tenant, &contract.terms.plan_id).to_string();
        let kits = self.log.load::<KitPlan>(tenant, &stream).await?.state;
        let terms = kits.terms.as_ref().and_then(|it| Some((it, it.limits(contract.terms.price.currency())?)));
        let Some((terms, limits)) = terms else { return Ok(()) };
        let kit_id = id_of(invoice_id);
        let Some(learner) = self.learner(tenant, learner_id, subscription_id, period).await.map_err(refused)? else {
            return Ok(());
        };
        let nothing = BTreeSet::new();
        let wanted = Wanted { kit_id, unavailable: &nothing, kept: &[], items: terms.items, limits };
        let choices = self.choose(tenant, &learner, &wanted).await.map_err(refused)?;
        let at = self.clock().now();
        let reveal_at = match terms.presentation {
            Presentation::Open => None,
            Presentation::Blind { reveal_after_days } => Some(at + TimeDelta::days(reveal_after_days.into())),
        };
        let hold_until = at + TimeDelta::days(terms.hold_days.into());
        let open = kit::Command::Open {
            learner_id,
            subscription_id,
            period,
            invoice_id,
            limits,
            reveal_at,
            hold_until,
            choices,
            at,
        };
        self.execute_kit(context, kit_id, open).await.map(|_| ())
    }

    /// Puts something else where an item cannot be had, or cancels the kit.
    pub(super) async fn replace_item(
        &self,
        context: &CommandContext,
        kit_id: KitId,
        slot: u8,
        unavailable: SkuId,
    ) -> Result<(), ExecuteError<Error>> {
        let tenant = &context.tenant;
        let kit = self.log.load::<Kit>(tenant, &kit_id.to_string()).await?.state;
        let Some(order) = kit.order.as_ref().filter(|order| order.stage == Stage::Curated) else { return Ok(()) };
        let choice = self.substitute(tenant, order, slot, &unavailable).await.map_err(refused)?;
        let at = self.clock().now();
        let hold_until = order.hold_until.max(at + TimeDelta::days(HOLD_AGAIN));
        let replace = kit::Command::Replace { slot, unavailable, choice, hold_until, at };
        self.execute_kit(context, kit_id, replace).await.map(|_| ())
    }

    async fn substitute(
        &self,
        tenant: &str,
        order: &Order,
        slot: u8,
        unavailable: &SkuId,
    ) -> Result<Option<Choice>, Error> {
        let learner = self.learner(tenant, order.learner_id, order.subscription_id, order.period).await?;
        let Some(learner) = learner else { return Ok(None) };
        let mut gone = order.unavailable.clone();
        gone.insert(unavailable.clone());
        let kept: Vec<_> = order.items.values().filter(|it| it.slot != slot).map(|it| it.sku.clone()).collect();
        let wanted = Wanted { kit_id: order.kit_id, unavailable: &gone, kept: &kept, items: 1, limits: order.limits };
        Ok(self.choose(tenant, &learner, &wanted).await?.ok().and_then(|mut choices| choices.pop()))
    }

    async fn choose(
        &self,
        tenant: &str,
        learner: &Learner,
        wanted: &Wanted<'_>,
    ) -> Result<Result<Vec<Choice>, Unsuitable>, Error> {
        let assortment = self.log.load::<Assortment>(tenant, &sku::id_of(tenant).to_string()).await?.state;
        Ok(curate(&CurationInput {
            kit_id: wanted.kit_id,
            assortment: &assortment.skus,
            language: &learner.profile.preferences.target_language,
            level: learner.level,
            interests: &learner.profile.preferences.interests,
            past: &learner.past,
            unavailable: wanted.unavailable,
            kept: wanted.kept,
            items: wanted.items,
            limits: wanted.limits,
        }))
    }

    /// What the learner is, and what kits of the periods before had; `None` for nobody, and for who was forgotten.
    async fn learner(
        &self,
        tenant: &str,
        learner_id: UserId,
        subscription_id: SubscriptionId,
        period: u32,
    ) -> Result<Option<Learner>, Error> {
        if self.log.erased().contains(learner_id) {
            return Ok(None);
        }
        let id = learner_id.to_string();
        let user = self.log.load::<User>(tenant, &id).await?.state;
        let Some(profile) = user.profile.clone() else { return Ok(None) };
        let level = self.log.load::<Curriculum>(tenant, &id).await?.state.level;
        let mut past = BTreeSet::new();
        for number in period.saturating_sub(REMEMBERED).max(1)..period {
            let earlier = id_of(Purpose::Period { subscription_id, number }.invoice_id());
            let earlier = self.log.load::<Kit>(tenant, &earlier.to_string()).await?.state;
            let sent = earlier.order.iter().filter(|order| order.stage != Stage::Cancelled);
            past.extend(sent.flat_map(|order| order.items.values().map(|item| item.sku.clone())));
        }
        Ok(Some(Learner { profile, level, past }))
    }
}

fn refused(error: Error) -> ExecuteError<Error> {
    ExecuteError::Refused(error)
}
