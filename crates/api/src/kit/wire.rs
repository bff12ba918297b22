//! What kits look like over HTTP.

use baeum_domain::{
    kit::{kit, plan, sku},
    money::{Currency, Money as DomainMoney},
};
use baeum_projections::kit::kits;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    problem::Problem,
    wire::{Level, mirror, texts},
};

/// An amount of money.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KitMoney)]
pub(crate) struct KitMoney {
    /// Minor units: 990 for 9.90 USD, 12900 for 12900 KRW.
    minor: i64,
    /// ISO 4217 code.
    #[schema(example = "KRW")]
    currency: String,
    /// How many decimals the minor unit stands for; told, and not needed of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decimals: Option<u8>,
}

impl From<DomainMoney> for KitMoney {
    fn from(money: DomainMoney) -> Self {
        let currency = money.currency();
        Self { minor: money.minor(), currency: currency.to_string(), decimals: Some(currency.decimals()) }
    }
}

impl KitMoney {
    /// Reads it.
    ///
    /// # Errors
    /// `money-not-possible`.
    pub(super) fn read(&self, field: &'static str) -> Result<DomainMoney, Problem> {
        let wrong = |detail: String| Problem::new("money-not-possible", detail).with("field", field);
        let currency: Currency = self.currency.parse().map_err(|error| wrong(format!("{field}.currency: {error}")))?;
        if self.decimals.is_some_and(|decimals| decimals != currency.decimals()) {
            return Err(wrong(format!("{field}.decimals: {currency} has {}", currency.decimals())));
        }
        DomainMoney::new(self.minor, currency).map_err(|error| wrong(format!("{field}.minor: {error}")))
    }
}

mirror! {
    /// What kind of thing it is.
    #[serde(rename_all = "snake_case")]
    ItemKind = baeum_domain::kit::sku::Kind { Book, Workbook, Cards, Sample }
}

mirror! {
    /// Where a kit is.
    #[serde(rename_all = "snake_case")]
    KitStage = baeum_domain::kit::kit::Stage { Curated, Packed, Shipped, InTransit, Delivered, Returned, Cancelled }
}

mirror! {
    /// Why a kit was cancelled.
    #[serde(rename_all = "snake_case")]
    KitCancelReason = baeum_domain::kit::kit::CancelReason {
        NothingSuitable, OutOfStock, NotPaid, SubscriptionEnded, NoAddress, CarrierRefused, Lost, Requested
    }
}

/// A learning kit, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitAnswer {
    kit_id: Uuid,
    learner_id: Uuid,
    /// The subscription that it belongs to.
    subscription_id: Uuid,
    /// Which period of it, from 1.
    period: u32,
    /// The bill that it waits for.
    invoice_id: Uuid,
    stage: KitStage,
    /// Whether stock is set aside for every item.
    reserved: bool,
    /// Whether it is a blind box, whose contents are hidden until they are revealed.
    blind: bool,
    /// When the contents of a blind box are revealed at the latest; on delivery, if that is earlier.
    reveal_at: Option<DateTime<Utc>>,
    /// How many items it has.
    item_count: usize,
    /// What it is made of; nothing while that is hidden.
    items: Option<Vec<KitItem>>,
    /// Its units with their codes, once packed.
    units: Vec<KitUnit>,
    /// Whether it waits for an address: PUT /v1/kits/address.
    address_missing: bool,
    /// The carrier's name of the shipment, for the owner alone.
    shipment: Option<String>,
    /// Why it was cancelled, if it was.
    cancel_reason: Option<KitCancelReason>,
    /// What of it was refunded, once that was settled.
    refunded: Option<KitMoney>,
    opened_at: DateTime<Utc>,
    paid_at: Option<DateTime<Utc>>,
    packed_at: Option<DateTime<Utc>>,
    shipped_at: Option<DateTime<Utc>>,
    in_transit_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    /// When it came back or was cancelled.
    ended_at: Option<DateTime<Utc>>,
}

/// An item of a kit.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitItem {
    /// Its place in the kit, from 1.
    slot: u8,
    sku: String,
    kind: ItemKind,
    /// The clip that its code opens a lesson on.
    opens: String,
    value: KitMoney,
    /// Why it was chosen.
    reason: KitItemReason,
}

/// Why an item was chosen.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitItemReason {
    /// How many bands its level lies from the learner's, 0 or 1.
    level_distance: u8,
    /// Interests of the learner that it is about.
    interests: Vec<String>,
    /// Whether an earlier kit had it.
    had_before: bool,
    /// Its points when it was chosen.
    points: i32,
    /// Its rank by points then, from 1.
    rank: u32,
}

/// A unit of a kit.
#[derive(Serialize, ToSchema)]
pub(crate) struct KitUnit {
    /// Its place in the kit, from 1.
    slot: u8,
    /// Its QR code.
    qr: String,
    /// What it is; nothing while the contents are hidden.
    sku: Option<String>,
    /// The lesson that it opened.
    lesson_id: Option<Uuid>,
    /// When it was first scanned.
    scanned_at: Option<DateTime<Utc>>,
    /// When its code was revoked.
    revoked_at: Option<DateTime<Utc>>,
}

impl KitAnswer {
    /// A kit with the name of its shipment, where that may be shown.
    pub(super) fn of(kit: kits::Kit, shipment: Option<String>) -> Self {
        let shown = kit.is_shown();
        let kit_id = kit.kit_id;
        let units = kit.units.into_iter().map(|unit| KitUnit {
            slot: unit.slot,
            qr: format!("/v1/kits/{kit_id}/units/{}/qr.svg", unit.slot),
            sku: shown.then(|| unit.sku.into()),
            lesson_id: unit.lesson_id.map(|it| it.0),
            scanned_at: unit.scanned_at,
            revoked_at: unit.revoked_at,
        });
        Self {
            kit_id: kit_id.0,
            learner_id: kit.learner_id.0,
            subscription_id: kit.subscription_id.0,
            period: kit.period,
            invoice_id: kit.invoice_id.0,
            stage: kit.stage.into(),
            reserved: kit.reserved,
            blind: kit.reveal_at.is_some(),
            reveal_at: kit.reveal_at,
            item_count: kit.items.len(),
            units: units.collect(),
            items: shown.then(|| kit.items.into_iter().map(Into::into).collect()),
            address_missing: kit.address_missing,
            shipment,
            cancel_reason: kit.cancel_reason.map(Into::into),
            refunded: kit.refunded.map(Into::into),
            opened_at: kit.opened_at,
            paid_at: kit.paid_at,
            packed_at: kit.packed_at,
            shipped_at: kit.shipped_at,
            in_transit_at: kit.in_transit_at,
            delivered_at: kit.delivered_at,
            ended_at: kit.ended_at,
        }
    }
}

impl From<kit::Item> for KitItem {
    fn from(item: kit::Item) -> Self {
        let reason = item.reason;
        Self {
            slot: item.slot,
            sku: item.sku.into(),
            kind: item.kind.into(),
            opens: item.opens.into(),
            value: item.value.into(),
            reason: KitItemReason {
                level_distance: reason.level_distance,
                interests: texts(reason.interests),
                had_before: reason.had_before,
                points: reason.points,
                rank: reason.rank,
            },
        }
    }
}

/// What is known of a SKU.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SkuListing {
    /// What it is called, at most 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    kind: ItemKind,
    /// The language that it teaches, ISO 639-1.
    #[schema(example = "en")]
    language: String,
    /// For which levels, at least one.
    levels: Vec<Level>,
    /// What it is about, at most 10.
    topics: Vec<String>,
    /// The clip that the QR code of a unit opens a lesson on.
    opens: String,
    /// What a unit weighs in the parcel, in grams.
    #[schema(minimum = 1, maximum = 20_000)]
    parcel_grams: u32,
    /// How many grams a unit holds, where it is portioned out of bulk.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 20_000)]
    portion_grams: Option<u32>,
    /// What a unit is worth, one a currency.
    values: Vec<KitMoney>,
}

impl SkuListing {
    /// Reads it.
    ///
    /// # Errors
    /// `invalid-body`, `money-not-possible`.
    pub(super) fn read(self) -> Result<sku::Listing, Problem> {
        let wrong = |field: &'static str, error: &dyn std::fmt::Display| {
            Problem::new("invalid-body", format!("{field}: {error}")).with("field", field)
        };
        let topics = self.topics.iter().map(|topic| topic.parse().map_err(|error| wrong("topics", &error)));
        Ok(sku::Listing {
            name: self.name.trim().to_owned(),
            kind: self.kind.into(),
            language: self.language.parse().map_err(|error| wrong("language", &error))?,
            levels: self.levels.into_iter().map(Into::into).collect(),
            topics: topics.collect::<Result<_, _>>()?,
            opens: self.opens.parse().map_err(|error| wrong("opens", &error))?,
            parcel_grams: self.parcel_grams,
            portion_grams: self.portion_grams,
            values: self.values.iter().map(|value| value.read("values")).collect::<Result<_, _>>()?,
        })
    }
}

impl From<sku::Listing> for SkuListing {
    fn from(listing: sku::Listing) -> Self {
        Self {
            name: listing.name,
            kind: listing.kind.into(),
            language: listing.language.into(),
            levels: listing.levels.into_iter().map(Into::into).collect(),
            topics: texts(listing.topics),
            opens: listing.opens.into(),
            parcel_grams: listing.parcel_grams,
            portion_grams: listing.portion_grams,
            values: listing.values.into_iter().map(Into::into).collect(),
        }
    }
}

/// What kits of a plan are like.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KitPlanTerms {
    /// How many items.
    #[schema(minimum = 1, maximum = 10)]
    items: u8,
    /// What they are worth together, one range a currency.
    limits: Vec<KitLimits>,
    /// For a blind box: after how many days contents are shown at the latest. Left out, they are shown at once.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 90)]
    reveal_after_days: Option<u16>,
    /// For how many days stock is held for a kit that is not paid; 21 if left out.
    #[serde(default = "three_weeks")]
    #[schema(minimum = 1, maximum = 90)]
    hold_days: u16,
}

fn three_weeks() -> u16 {
    21
}

/// What the items of a kit are worth together.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KitLimits {
    least: KitMoney,
    most: KitMoney,
}

impl KitPlanTerms {
    /// Reads it.
    ///
    /// # Errors
    /// `money-not-possible`.
    pub(super) fn read(&self) -> Result<plan::KitTerms, Problem> {
        let limits = self.limits.iter().map(|limits| {
            let (least, most) = (limits.least.read("limits")?, limits.most.read("limits")?);
            Ok(plan::ValueLimits { least, most })
        });
        let presentation = match self.reveal_after_days {
            None => plan::Presentation::Open,
            Some(reveal_after_days) => plan::Presentation::Blind { reveal_after_days },
        };
        let limits = limits.collect::<Result<_, Problem>>()?;
        Ok(plan::KitTerms { items: self.items, limits, presentation, hold_days: self.hold_days })
    }
}

impl From<plan::KitTerms> for KitPlanTerms {
    fn from(terms: plan::KitTerms) -> Self {
        let limits = terms.limits.into_iter().map(|it| KitLimits { least: it.least.into(), most: it.most.into() });
        let reveal_after_days = match terms.presentation {
            plan::Presentation::Open => None,
            plan::Presentation::Blind { reveal_after_days } => Some(reveal_after_days),
        };
        Self { items: terms.items, limits: limits.collect(), reveal_after_days, hold_days: terms.hold_days }
    }
}

/// Done: where something is, a query tells.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {}
