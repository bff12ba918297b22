//! The port of the carrier: who takes parcels to people, and tells where they are.

use std::{future::Future, pin::Pin};

use chrono::{DateTime, Utc};

use super::address::Address;
use crate::ids::KitId;

/// An answer that is waited for.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, CarrierError>> + Send + 'a>>;

/// A parcel to be taken. It has no debug form, which would show the address.
#[derive(Clone)]
pub struct Parcel {
    /// Our name of it, which the carrier gives back with all that it tells: tenant and kit.
    pub reference: Reference,
    /// Where it goes.
    pub address: Address,
    /// What it weighs, in grams.
    pub grams: u32,
    /// How many things are in it.
    pub items: u32,
}

/// Whose kit a parcel is: written `<tenant>/<kit>`. It is the idempotency key too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The tenant.
    pub tenant: String,
    /// The kit.
    pub kit_id: KitId,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.tenant, self.kit_id)
    }
}

impl std::str::FromStr for Reference {
    type Err = CarrierError;
    fn from_str(text: &str) -> Result<Self, CarrierError> {
        let parts = text.rsplit_once('/').and_then(|(tenant, kit)| Some((tenant, kit.parse().ok()?)));
        let (tenant, kit_id) = parts.ok_or(CarrierError::Unreadable("a reference that is not ours"))?;
        Ok(Self { tenant: tenant.to_owned(), kit_id })
    }
}

/// Where a parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Whereabouts {
    /// The carrier knows of it.
    Accepted,
    /// On its way.
    InTransit,
    /// With its recipient.
    Delivered,
    /// Back with us.
    Returned,
    /// Nobody knows.
    Lost,
}

/// What a carrier tells of a parcel. It may come late, twice and in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The parcel.
    pub reference: Reference,
    /// Where it is.
    pub whereabouts: Whereabouts,
    /// When that was so.
    pub at: DateTime<Utc>,
}

/// Why a carrier does not do or tell something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarrierError {
    /// It will not take the parcel, now or later.
    #[error("the carrier does not take the parcel: {0}")]
    Refused(String),
    /// It gave no answer, or none that counts: ask again under the same reference.
    #[error("the carrier gave no answer: {0}")]
    Unavailable(String),
    /// What it said cannot be read.
    #[error("the carrier said {0}")]
    Unreadable(&'static str),
    /// A message that is not from it.
    #[error("the message is not signed by the carrier: {0}")]
    Forged(&'static str),
    /// A message that was signed too long ago, or will be.
    #[error("the message was signed {0} seconds ago, 300 are allowed")]
    Stale(i64),
}

/// A carrier.
pub trait Carrier: Send + Sync {
    /// Has a parcel taken; the answer is the carrier's name of the shipment. The same reference is the same shipment,
    /// however often it is asked for.
    fn ship<'a>(&'a self, parcel: &'a Parcel) -> Answer<'a, String>;

    /// All that is known of a shipment.
    fn track<'a>(&'a self, reference: &'a Reference) -> Answer<'a, Vec<Tracking>>;

    /// Reads a message of the carrier's: header and body as they came, and the time now.
    ///
    /// # Errors
    /// A message that is forged, stale or unreadable.
    fn read_message(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<Tracking, CarrierError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_tenant_and_kit() {
        let text = "main/00000000-0000-0000-0000-000000000007";
        let reference: Reference = text.parse().expect("ours");
        assert_eq!(
            (reference.tenant.as_str(), reference.kit_id.0.as_u128(), reference.to_string().as_str()),
            ("main", 7, text)
        );
        assert!("main".parse::<Reference>().is_err() && "main/x".parse::<Reference>().is_err());
    }
}
