//! Where a learner's kits go.
//!
//! Life cycle: set, changed, removed, as often as wanted. Invariant: it is never in an event but sealed under the
//! learner's key; it is opened for the learner and for the carrier alone.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::Country,
    ids::UserId,
    sealed::Sealed,
    text::{self, TextError},
};

/// How long a line is at most, in characters.
pub const LINE_LIMIT: usize = 120;

/// An address in clear: what is sealed, and what the carrier gets. It has no debug form, which would show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who receives the parcel.
    pub recipient: String,
    /// Street, house, flat.
    pub street: String,
    /// City, with whatever else the post wants.
    pub city: String,
    /// The postal code, where the country has them.
    #[serde(default)]
    pub postal_code: Option<String>,
    /// The country.
    pub country: Country,
    /// By which the carrier can reach the recipient.
    #[serde(default)]
    pub phone: Option<String>,
}

impl Address {
    /// Checks each line; its name is told with what is wrong with it.
    ///
    /// # Errors
    /// The first line that is empty, too long, or holds control characters.
    pub fn check(&self) -> Result<(), (&'static str, TextError)> {
        let required = [("recipient", &self.recipient), ("street", &self.street), ("city", &self.city)];
        let optional = [("postal_code", &self.postal_code), ("phone", &self.phone)];
        let optional = optional.into_iter().filter_map(|(name, line)| Some((name, line.as_ref()?)));
        for (name, line) in required.into_iter().chain(optional) {
            text::check(line, LINE_LIMIT).map_err(|error| (name, error))?;
        }
        Ok(())
    }
}

/// What can have happened to where a learner's kits go.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// They go there from now on.
    DeliveryAddressSet {
        /// Whose kits.
        learner_id: UserId,
        /// The address, sealed under the learner's key.
        address: Sealed,
        /// When.
        at: DateTime<Utc>,
    },
    /// It is not known any more where they go.
    DeliveryAddressRemoved {
        /// Whose kits.
        learner_id: UserId,
        /// When.
        at: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// Where a learner's kits go, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryAddress {
    /// The address, sealed, where one is known.
    pub address: Option<Sealed>,
}

/// What can be asked of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send them there.
    Set {
        /// Whose kits.
        learner_id: UserId,
        /// The address, sealed.
        address: Sealed,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Know of no address.
    Remove {
        /// Whose kits.
        learner_id: UserId,
        /// Now.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused: none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {}

impl Decider for DeliveryAddress {
    const AGGREGATE: &'static str = "delivery_address";
    const CONTEXT: &'static str = "kit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        Ok(match command {
            Command::Set { address, .. } if self.address.as_ref() == Some(&address) => vec![],
            Command::Set { learner_id, address, at } => vec![Event::DeliveryAddressSet { learner_id, address, at }],
            Command::Remove { .. } if self.address.is_none() => vec![],
            Command::Remove { learner_id, at } => vec![Event::DeliveryAddressRemoved { learner_id, at }],
        })
    }

    fn evolve(&mut self, event: &Event) {
        self.address = match event {
            Event::DeliveryAddressSet { address, .. } => Some(address.clone()),
            Event::DeliveryAddressRemoved { .. } => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::spec::given;

    fn set(text: &str) -> (Command, Event) {
        let learner_id = UserId(Uuid::from_u128(1));
        let address = Sealed { key_id: Uuid::from_u128(9), nonce: "bm9uY2U=".into(), ciphertext: text.into() };
        let at = DateTime::UNIX_EPOCH;
        (
            Command::Set { learner_id, address: address.clone(), at },
            Event::DeliveryAddressSet { learner_id, address, at },
        )
    }

    #[test]
    fn an_address_is_set_changed_and_removed() {
        let ((first, first_set), (second, second_set)) = (set("b25l"), set("dHdv"));
        given::<DeliveryAddress>([]).when(first).then([first_set.clone()]);
        given::<DeliveryAddress>([first_set.clone()]).when(second).then([second_set]);
        let (learner_id, at) = (UserId(Uuid::from_u128(1)), DateTime::UNIX_EPOCH);
        let removed = Event::DeliveryAddressRemoved { learner_id, at };
        given::<DeliveryAddress>([first_set]).when(Command::Remove { learner_id, at }).then([removed]);
    }

    #[test]
    fn a_line_that_cannot_be_is_named() {
        let address = Address {
            recipient: "Mina".into(),
            street: "1 Sejong-daero".into(),
            city: "Seoul".into(),
            postal_code: None,
            country: "KR".parse().expect("a country"),
            phone: Some("\u{0}".into()),
        };
        assert_eq!(address.check().expect_err("a control character").0, "phone");
        assert!(Address { phone: None, ..address.clone() }.check().is_ok());
        let nobody = Address { recipient: " ".into(), phone: None, ..address };
        assert_eq!(nobody.check(), Err(("recipient", TextError::Empty)));
    }
}
