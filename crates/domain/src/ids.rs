//! Typed ids. A learner's id cannot be passed where a lesson's is meant.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace under which Baeum derives ids from other ids (UUID version 5).
pub const NAMESPACE: Uuid = Uuid::from_u128(0x6261_6575_6d00_4000_8000_6c65_6172_6e00);

/// Derives a stable id from the parts that name a thing, so that doing the same thing twice meets the same id.
pub fn derive_id(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{1f}").as_bytes())
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

uuid_ids! {
    /// A registered person. A learner is a user; their learner id is their user id.
    UserId,
    /// One sitting of the level test.
    AssessmentId,
    /// One lesson of one learner.
    LessonId,
    /// One viewing of a clip within a lesson.
    ViewingId,
    /// One answer to a task of a lesson.
    AttemptId,
    /// A comparison of evaluators on learners who were divided by chance.
    ExperimentId,
    /// A card of a learner, derived from what it asks.
    CardId,
    /// One review of a card.
    ReviewId,
    /// What was recommended after one lesson.
    RecommendationId,
    /// One file of attempts that was imported.
    ImportId,
    /// One attempt that was made in another system.
    ImportedAttemptId,
    /// A subscription of a subscriber to a plan.
    SubscriptionId,
    /// An invoice, derived from what it is for.
    InvoiceId,
    /// The payment of an invoice, with all attempts to charge it.
    PaymentId,
    /// A refund of a payment, in whole or in part.
    RefundId,
    /// A purchase of usage credits.
    PurchaseId,
    /// What one person is told of one cause.
    NotificationId,
    /// A partner system's standing wish to be told of events.
    WebhookId,
    /// A learning kit, derived from the invoice of the period that it belongs to.
    KitId,
    /// Units of a SKU that are set aside for a kit.
    ReservationId,
    /// A unit in a kit: what its QR code names.
    UnitId,
}

/// Why a name is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind}: use 1 to 64 lower-case letters, digits, '-' and '_'")]
pub struct NotASlug {
    text: String,
    kind: &'static str,
}

macro_rules! slugs {
    ($($(#[$doc:meta])* $name:ident = $kind:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotASlug;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let fits = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
                if fits {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(NotASlug { text: text.chars().take(80).collect(), kind: $kind })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotASlug;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )+};
}

slugs! {
    /// An item of the level test, by its name in the catalogue.
    ItemId = "item id",
    /// A short clip, by its name in the catalogue.
    ClipId = "clip id",
    /// A speaking or writing task of a clip, by its name in the catalogue.
    TaskId = "task id",
    /// A drama or film, by its name in the catalogue.
    TitleId = "title id",
    /// What people are interested in, for instance `travel`.
    Topic = "topic",
    /// A grammar point or sub-skill, for instance `past_simple`.
    Focus = "focus",
    /// Another system that attempts come from, for instance `old-lms`.
    Source = "source",
    /// A plan that can be subscribed to.
    PlanId = "plan id",
    /// What is typed in to get a discount.
    CouponCode = "coupon code",
    /// An instructor or partner who shares in what is paid.
    PartnerId = "partner id",
    /// A text that notifications are made from, for instance `lesson_completed`.
    TemplateId = "template id",
    /// What notifications are about, for instance `lessons`: people choose their channels by it.
    NotificationTopic = "notification topic",
    /// A stock keeping unit: what kits are made of.
    SkuId = "SKU",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_differ_by_every_part() {
        assert_eq!(derive_id(&["a", "b"]), derive_id(&["a", "b"]));
        assert_ne!(derive_id(&["a", "b"]), derive_id(&["ab", ""]));
        assert_ne!(derive_id(&["a", "b"]), derive_id(&["b", "a"]));
    }

    #[test]
    fn names_with_other_characters_are_refused() {
        assert!("a1-cafe_2".parse::<ClipId>().is_ok());
        for wrong in ["", "A1", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(wrong.parse::<ClipId>().is_err(), "{wrong} must be refused");
        }
        assert!(serde_json::from_str::<Topic>("\"../etc\"").is_err());
    }
}
