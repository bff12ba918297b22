//! The assortment: every SKU of a tenant, out of which kits are chosen.
//!
//! Life cycle of a SKU: listed, listed anew with other facts as often as wanted, retired; a retired one can be listed
//! again. All of them are one stream, so that a choice sees all of them as of one moment. Invariants: at most
//! [`MAX_SKUS`]; one price a currency; a unit weighs something. A retired SKU is chosen for no kit any more; kits that
//! have it keep what they have.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    identity::locale::Language,
    ids::{ClipId, SkuId, Topic, derive_id},
    level::Cefr,
    money::{Currency, Money},
    text::{self, TextError},
};

/// How many SKUs a tenant has at most, retired ones included.
pub const MAX_SKUS: usize = 1_000;
/// How long a name is at most, in characters.
pub const NAME_LIMIT: usize = 120;
/// How many topics a SKU has at most.
pub const MAX_TOPICS: usize = 10;
/// What a unit weighs at most, in grams.
pub const MAX_GRAMS: u32 = 20_000;

/// The id of a tenant's assortment.
pub fn id_of(tenant: &str) -> Uuid {
    derive_id(&["assortment", tenant])
}

/// What kind of thing it is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// To be read.
    Book,
    /// To be written in.
    Workbook,
    /// Flash cards.
    Cards,
    /// Something small to taste, hold or use, portioned by weight.
    Sample,
}

/// What is known of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// What it is called, at most [`NAME_LIMIT`] characters.
    pub name: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// The language that it teaches.
    pub language: Language,
    /// For which levels, at least one.
    pub levels: BTreeSet<Cefr>,
    /// What it is about, at most [`MAX_TOPICS`].
    pub topics: BTreeSet<Topic>,
    /// The clip that the QR code of a unit opens a lesson on.
    pub opens: ClipId,
    /// What a unit weighs in the parcel, in grams, 1 to [`MAX_GRAMS`].
    pub parcel_grams: u32,
    /// How many grams a unit holds, where it is portioned out of bulk: 60 for a portion of 60 g.
    pub portion_grams: Option<u32>,
    /// What a unit is worth, one a currency.
    pub values: Vec<Money>,
}

impl Listing {
    /// What a unit is worth in this currency.
    pub fn value(&self, currency: Currency) -> Option<Money> {
        self.values.iter().copied().find(|value| value.currency() == currency)
    }

    /// How many units `grams` of bulk make.
    ///
    /// # Errors
    /// A SKU that is not portioned, or a rest that makes no unit.
    pub fn portions(&self, sku: &SkuId, grams: u64) -> Result<u32, Error> {
        let portion = u64::from(self.portion_grams.ok_or_else(|| Error::NotPortioned(sku.clone()))?);
        let rest = grams % portion;
        if rest != 0 {
            return Err(Error::Remainder { sku: sku.clone(), grams, portion, rest });
        }
        u32::try_from(grams / portion).map_err(|_| Error::Impossible(sku.clone(), "that is more than can be counted"))
    }
}

/// What can have happened to an assortment.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A SKU is there.
    SkuListed {
        /// The SKU.
        sku: SkuId,
        /// What is known of it.
        listing: Listing,
    },
    /// Other facts are known of it from now on.
    SkuRevised {
        /// The SKU.
        sku: SkuId,
        /// Which revision, from 2.
        revision: u32,
        /// What is known of it.
        listing: Listing,
    },
    /// It is chosen no more.
    SkuRetired {
        /// The SKU.
        sku: SkuId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// An assortment, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assortment {
    /// Every SKU that was ever listed.
    pub skus: BTreeMap<SkuId, Entry>,
}

/// A SKU of the assortment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which revision, from 1.
    pub revision: u32,
    /// What is known of it.
    pub listing: Listing,
    /// Whether it is chosen no more.
    pub retired: bool,
}

/// What can be asked of an assortment.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have a SKU, with these facts.
    List {
        /// The SKU.
        sku: SkuId,
        /// What is known of it.
        listing: Listing,
    },
    /// Choose it no more.
    Retire {
        /// The SKU.
        sku: SkuId,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such SKU.
    #[error("there is no SKU {0}: list it first")]
    Unknown(SkuId),
    /// There are too many.
    #[error("there are {MAX_SKUS} SKUs, which is the limit: revise one that is retired")]
    TooMany,
    /// Its name says nothing, or too much.
    #[error("the name of SKU {0} cannot be used: {1}")]
    Name(SkuId, TextError),
    /// It cannot be so.
    #[error("SKU {0} is not possible: {1}")]
    Impossible(SkuId, &'static str),
    /// It is not portioned.
    #[error("SKU {0} is not portioned out of bulk: give units, not grams")]
    NotPortioned(SkuId),
    /// A rest would be left.
    #[error("{grams} g are no whole number of units of SKU {sku}: {rest} g are left of portions of {portion} g")]
    Remainder {
        /// The SKU.
        sku: SkuId,
        /// What came.
        grams: u64,
        /// A portion.
        portion: u64,
        /// What would be left.
        rest: u64,
    },
}

impl Assortment {
    /// What is known of a SKU.
    ///
    /// # Errors
    /// There is no such SKU.
    pub fn listing(&self, sku: &SkuId) -> Result<&Listing, Error> {
        self.skus.get(sku).map(|entry| &entry.listing).ok_or_else(|| Error::Unknown(sku.clone()))
    }
}

impl Decider for Assortment {
    const AGGREGATE: &'static str = "assortment";
    const CONTEXT: &'static str = "kit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::List { sku, listing } => match self.skus.get(&sku) {
                Some(entry) if entry.listing == listing && !entry.retired => Ok(vec![]),
                Some(entry) => {
                    check(&sku, &listing)?;
                    Ok(vec![Event::SkuRevised { sku, revision: entry.revision + 1, listing }])
                }
                None if self.skus.len() >= MAX_SKUS => Err(Error::TooMany),
                None => {
                    check(&sku, &listing)?;
                    Ok(vec![Event::SkuListed { sku, listing }])
                }
            },
            Command::Retire { sku } => match self.skus.get(&sku) {
                Some(entry) if entry.retired => Ok(vec![]),
                Some(_) => Ok(vec![Event::SkuRetired { sku }]),
                None => Err(Error::Unknown(sku)),
            },
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::SkuListed { sku, listing } => {
                self.skus.insert(sku.clone(), Entry { revision: 1, listing: listing.clone(), retired: false });
            }
            Event::SkuRevised { sku, revision, listing } => {
                let entry = Entry { revision: *revision, listing: listing.clone(), retired: false };
                self.skus.insert(sku.clone(), entry);
            }
            Event::SkuRetired { sku } => {
                if let Some(entry) = self.skus.get_mut(sku) {
                    entry.retired = true;
                }
            }
        }
    }
}

fn check(sku: &SkuId, listing: &Listing) -> Result<(), Error> {
    let impossible = |why| Err(Error::Impossible(sku.clone(), why));
    text::check(&listing.name, NAME_LIMIT).map_err(|error| Error::Name(sku.clone(), error))?;
    if listing.levels.is_empty() {
        return impossible("name at least one level");
    }
    if listing.topics.len() > MAX_TOPICS {
        return impossible("name at most 10 topics");
    }
    if !(1..=MAX_GRAMS).contains(&listing.parcel_grams) {
        return impossible("a unit weighs 1 to 20000 g");
    }
    if listing.portion_grams.is_some_and(|grams| !(1..=MAX_GRAMS).contains(&grams)) {
        return impossible("a portion is 1 to 20000 g");
    }
    if listing.values.is_empty() || listing.values.iter().any(|value| !value.is_positive()) {
        return impossible("give at least one value, each more than nothing");
    }
    let currencies: BTreeSet<String> = listing.values.iter().map(|value| value.currency().to_string()).collect();
    if currencies.len() != listing.values.len() {
        return impossible("give one value a currency");
    }
    Ok(())
}

/// Sample values for tests and documentation.
pub mod samples {
    use super::{Kind, Listing};
    use crate::{ids::SkuId, level::Cefr, money::samples::money};

    /// A SKU's name.
    ///
    /// # Panics
    /// When it is none.
    pub fn sku(name: &str) -> SkuId {
        name.parse().expect("a SKU")
    }

    /// A thing of this kind for a level and a topic, worth so many won.
    ///
    /// # Panics
    /// When the topic is none.
    pub fn listing(kind: Kind, level: Cefr, topic: &str, krw: i64) -> Listing {
        Listing {
            name: format!("{kind} about {topic}"),
            kind,
            language: "en".parse().expect("a language"),
            levels: [level].into(),
            topics: [topic.parse().expect("a topic")].into(),
            opens: "market".parse().expect("a clip id"),
            parcel_grams: 250,
            portion_grams: (kind == Kind::Sample).then_some(60),
            values: vec![money(krw, "KRW")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        samples::{listing, sku},
        *,
    };
    use crate::{money::samples::money, spec::given};

    fn tea() -> Listing {
        listing(Kind::Sample, Cefr::B1, "food", 4_000)
    }

    fn listed() -> Event {
        Event::SkuListed { sku: sku("tea"), listing: tea() }
    }

    #[test]
    fn a_sku_is_listed_once_revised_and_retired() {
        given::<Assortment>([]).when(Command::List { sku: sku("tea"), listing: tea() }).then([listed()]);
        let dearer = Listing { values: vec![money(4_500, "KRW")], ..tea() };
        let revised = Event::SkuRevised { sku: sku("tea"), revision: 2, listing: dearer.clone() };
        given::<Assortment>([listed()]).when(Command::List { sku: sku("tea"), listing: dearer }).then([revised]);
        let retired = Event::SkuRetired { sku: sku("tea") };
        given::<Assortment>([listed()]).when(Command::Retire { sku: sku("tea") }).then([retired.clone()]);
        let back = Event::SkuRevised { sku: sku("tea"), revision: 2, listing: tea() };
        given::<Assortment>([listed(), retired]).when(Command::List { sku: sku("tea"), listing: tea() }).then([back]);
        given::<Assortment>([]).when(Command::Retire { sku: sku("tea") }).then_refused("there is no SKU tea");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let one_price = Listing { values: vec![money(1, "KRW"), money(2, "KRW")], ..tea() };
        for (wrong, why) in [
            (Listing { name: " ".into(), ..tea() }, "the text is empty"),
            (Listing { levels: BTreeSet::new(), ..tea() }, "at least one level"),
            (Listing { parcel_grams: 0, ..tea() }, "weighs 1 to 20000 g"),
            (Listing { portion_grams: Some(0), ..tea() }, "a portion is"),
            (Listing { values: vec![], ..tea() }, "at least one value"),
            (Listing { values: vec![money(0, "KRW")], ..tea() }, "more than nothing"),
            (one_price, "one value a currency"),
        ] {
            given::<Assortment>([]).when(Command::List { sku: sku("tea"), listing: wrong }).then_refused(why);
        }
    }

    #[test]
    fn bulk_becomes_units_and_a_rest_is_refused() {
        assert_eq!(tea().portions(&sku("tea"), 6_000), Ok(100));
        let error = tea().portions(&sku("tea"), 100).expect_err("a rest");
        assert!(error.to_string().contains("40 g are left of portions of 60 g"), "{error}");
        let book = listing(Kind::Book, Cefr::B1, "food", 9_000);
        assert!(book.portions(&sku("book"), 600).is_err());
    }
}
