//! The items that a test can ask.

use std::{collections::BTreeMap, fmt::Write as _};

use baeum_domain::{
    assessment::item::Item,
    catalog::Catalog,
    ids::{Focus, ItemId},
    level::Skill,
};
use sha2::{Digest, Sha256};

use super::Rules;
use crate::assessment::{irt::Curve, posterior::Likelihood};

/// An item, as far as the test sees it.
#[derive(Clone, Debug)]
pub struct BankItem {
    /// Its name.
    pub id: ItemId,
    /// The skill that it tests.
    pub skill: Skill,
    /// The grammar point or sub-skill that it tests.
    pub focus: Focus,
    /// Discrimination, difficulty and guessing.
    pub curve: Curve,
    /// The probability that a sitting which would choose it may have it, above 0 to 1.
    pub exposure: f64,
    /// Whether its answers do not count.
    pub pretest: bool,
    likelihood: Likelihood,
    pub(super) key: u64,
}

impl BankItem {
    /// An item of which every sitting may have as much as it wants, and whose answers count.
    pub fn new(id: ItemId, skill: Skill, focus: Focus, curve: Curve) -> Self {
        let (likelihood, key) = (Likelihood::of(curve), key(id.as_str()));
        Self { id, skill, focus, curve, exposure: 1.0, pretest: false, likelihood, key }
    }

    /// The logarithms of the probabilities of its answers.
    pub fn likelihood(&self) -> &Likelihood {
        &self.likelihood
    }
}

impl From<&Item> for BankItem {
    fn from(item: &Item) -> Self {
        let curve = Curve { a: item.discrimination, b: item.difficulty, c: item.guessing() };
        let new = Self::new(item.id.clone(), item.skill, item.focus.clone(), curve);
        Self { exposure: item.exposure, pretest: item.pretest, ..new }
    }
}

/// All items, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Bank {
    items: Vec<BankItem>,
    places: BTreeMap<ItemId, usize>,
}

impl Bank {
    /// The items of `catalog`, with their parameters as they stand there.
    pub fn of(catalog: &Catalog) -> Self {
        catalog.items.values().map(BankItem::from).collect()
    }

    /// The items.
    pub fn items(&self) -> &[BankItem] {
        &self.items
    }

    /// The place of an item.
    pub fn place(&self, id: &ItemId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Gives the item at `place` an exposure-control parameter, above 0 to 1.
    pub fn set_exposure(&mut self, place: usize, exposure: f64) {
        self.items[place].exposure = exposure;
    }

    /// SHA-256 of everything that a test under `rules` computes with, lower-case hexadecimal.
    pub fn hash(&self, rules: &Rules) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{rules:?}\n"));
        for item in &self.items {
            let Curve { a, b, c } = item.curve;
            hash.update(format!("{} {} {} ", item.id, item.skill, item.pretest));
            for number in [a, b, c, item.exposure] {
                hash.update(number.to_bits().to_be_bytes());
            }
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Of two items of one name the last is kept.
impl FromIterator<BankItem> for Bank {
    fn from_iter<T: IntoIterator<Item = BankItem>>(items: T) -> Self {
        let by_name: BTreeMap<_, _> = items.into_iter().map(|item| (item.id.clone(), item)).collect();
        let places = by_name.keys().cloned().zip(0..).collect();
        Self { items: by_name.into_values().collect(), places }
    }
}

/// A number from a name: FNV-1a (Fowler, Noll & Vo). It depends on no other item, so that a new item in the bank changes
/// what exposure control draws for no other.
fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
