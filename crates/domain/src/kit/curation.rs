//! Which SKUs a kit is made of.
//!
//! A pure function of what is known: the same input gives the same kit. One SKU after the other is chosen by its points,
//! as maximal marginal relevance has it (Carbonell & Goldstein, 1998): what fits the learner, less what the kit has
//! already. Points: level 40 (a neighbouring band 20, further away none is chosen), each shared interest 15 up to 30;
//! less 25 for a kind and 5 for a topic that the kit has already, less 60 for what an earlier kit had. Equal points go by
//! a digest of kit and SKU, so that learners alike do not all get the same. The weights are set by hand.
//!
//! Where the values of the best would not fit the limits, the next best are tried (depth first, at most [`MAX_STEPS`]).

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    plan::ValueLimits,
    sku::{Entry, Kind, Listing},
};
use crate::{
    identity::locale::Language,
    ids::{KitId, SkuId, Topic, derive_id},
    level::Cefr,
    money::Money,
};

/// How many choices are tried before it is given up.
pub const MAX_STEPS: u32 = 20_000;

/// What a choice is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct CurationInput<'a> {
    /// The kit. Equal points go by it.
    pub kit_id: KitId,
    /// What there is.
    pub assortment: &'a BTreeMap<SkuId, Entry>,
    /// The language that the learner learns.
    pub language: &'a Language,
    /// Their level; who has none begins at the first.
    pub level: Option<Cefr>,
    /// What they like.
    pub interests: &'a BTreeSet<Topic>,
    /// What earlier kits had.
    pub past: &'a BTreeSet<SkuId>,
    /// What cannot be had.
    pub unavailable: &'a BTreeSet<SkuId>,
    /// What the kit has already.
    pub kept: &'a [SkuId],
    /// How many more are to be chosen.
    pub items: u8,
    /// What all are worth together.
    pub limits: ValueLimits,
}

/// Why a SKU was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// How many bands its level lies from the learner's, 0 or 1.
    pub level_distance: u8,
    /// Interests of the learner that it is about.
    pub interests: BTreeSet<Topic>,
    /// Whether an earlier kit had it.
    pub had_before: bool,
    /// Its points when it was chosen.
    pub points: i32,
    /// Its rank by points among those that could be chosen then, from 1.
    pub rank: u32,
}

/// A SKU that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The SKU.
    pub sku: SkuId,
    /// What was known of it.
    pub listing: Listing,
    /// What it is worth.
    pub value: Money,
    /// Why it was chosen.
    pub reason: Reason,
}

/// Nothing fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no {items} SKUs of {candidates} that can be had fit the learner and make the value")]
pub struct Unsuitable {
    /// How many were to be chosen.
    pub items: u8,
    /// Out of how many.
    pub candidates: usize,
}

/// Chooses.
///
/// # Errors
/// Nothing fits.
pub fn curate(input: &CurationInput<'_>) -> Result<Vec<Choice>, Unsuitable> {
    let currency = input.limits.least.currency();
    let mut candidates: Vec<Candidate<'_>> = input
        .assortment
        .iter()
        .filter(|(sku, entry)| !entry.retired && !input.unavailable.contains(*sku) && !input.kept.contains(sku))
        .filter_map(|(sku, entry)| Candidate::of(input, sku, &entry.listing, entry.listing.value(currency)?))
        .collect();
    candidates.sort_by(|one, other| other.points.cmp(&one.points).then_with(|| one.tie.cmp(&other.tie)));
    let kept = input.kept.iter().filter_map(|sku| Some(&input.assortment.get(sku)?.listing));
    let kept: Vec<&Listing> = kept.collect();
    let worth = kept.iter().filter_map(|listing| listing.value(currency)).map(Money::minor).sum();
    let mut search = Search { input, candidates: &candidates, kept, worth, chosen: vec![], steps: 0 };
    let unsuitable = Unsuitable { items: input.items, candidates: candidates.len() };
    if !search.fill() {
        return Err(unsuitable);
    }
    Ok(search.chosen.into_iter().map(|(number, reason)| candidates[number].chosen(reason)).collect())
}

/// A SKU that may be chosen.
struct Candidate<'a> {
    sku: &'a SkuId,
    listing: &'a Listing,
    value: Money,
    level_distance: u8,
    interests: BTreeSet<Topic>,
    had_before: bool,
    points: i32,
    tie: Uuid,
}

impl<'a> Candidate<'a> {
    fn of(input: &CurationInput<'_>, sku: &'a SkuId, listing: &'a Listing, value: Money) -> Option<Self> {
        let level = input.level.unwrap_or(Cefr::A1);
        let level_distance = listing.levels.iter().map(|it| it.distance(level)).min().filter(|far| *far <= 1)?;
        if listing.language != *input.language {
            return None;
        }
        let interests: BTreeSet<Topic> = listing.topics.intersection(input.interests).cloned().collect();
        let had_before = input.past.contains(sku);
        let liked = i32::try_from(interests.len()).unwrap_or(i32::MAX).min(2);
        let points = 40 - 20 * i32::from(level_distance) + 15 * liked - 60 * i32::from(had_before);
        let tie = derive_id(&["curation", &input.kit_id.to_string(), sku.as_str()]);
        Some(Self { sku, listing, value, level_distance, interests, had_before, points, tie })
    }

    fn chosen(&self, reason: Reason) -> Choice {
        Choice { sku: self.sku.clone(), listing: self.listing.clone(), value: self.value, reason }
    }
}

struct Search<'a> {
    input: &'a CurationInput<'a>,
    candidates: &'a [Candidate<'a>],
    kept: Vec<&'a Listing>,
    /// What the kit is worth so far, in minor units.
    worth: i64,
    chosen: Vec<(usize, Reason)>,
    steps: u32,
}

impl Search<'_> {
    /// Chooses until all are there; `false` when it cannot be.
    fn fill(&mut self) -> bool {
        let missing = usize::from(self.input.items) - self.chosen.len();
        if missing == 0 {
            return self.worth >= self.input.limits.least.minor() && self.worth <= self.input.limits.most.minor();
        }
        let mut open: Vec<(i32, usize)> = (0..self.candidates.len())
            .filter(|number| self.chosen.iter().all(|(chosen, _)| chosen != number))
            .map(|number| (self.points(number), number))
            .collect();
        open.sort_by_key(|(points, number)| (std::cmp::Reverse(*points), *number));
        if !self.can_fit(&open, missing) {
            return false;
        }
        for (rank, (points, number)) in (1..).zip(open) {
            if self.steps == MAX_STEPS {
                return false;
            }
            self.steps += 1;
            let candidate = &self.candidates[number];
            self.worth += candidate.value.minor();
            self.chosen.push((
                number,
                Reason {
                    level_distance: candidate.level_distance,
                    interests: candidate.interests.clone(),
                    had_before: candidate.had_before,
                    points,
                    rank,
                },
            ));
            if self.fill() {
                return true;
            }
            self.chosen.pop();
            self.worth -= candidate.value.minor();
        }
        false
    }

    /// Its points, less what the kit has of the same already.
    fn points(&self, number: usize) -> i32 {
        let candidate = &self.candidates[number];
        let has =
            self.kept.iter().copied().chain(self.chosen.iter().map(|(chosen, _)| self.candidates[*chosen].listing));
        let (mut kinds, mut topics) = (BTreeSet::<Kind>::new(), BTreeSet::<&Topic>::new());
        for listing in has {
            kinds.insert(listing.kind);
            topics.extend(&listing.topics);
        }
        let shared = candidate.listing.topics.iter().filter(|topic| topics.contains(topic)).count();
        let shared = i32::try_from(shared).unwrap_or(i32::MAX).min(10);
        candidate.points - 25 * i32::from(kinds.contains(&candidate.listing.kind)) - 5 * shared
    }

    /// Whether the cheapest of what is open are not too dear and the dearest not too cheap.
    fn can_fit(&self, open: &[(i32, usize)], missing: usize) -> bool {
        if open.len() < missing {
            return false;
        }
        let mut values: Vec<i64> = open.iter().map(|(_, number)| self.candidates[*number].value.minor()).collect();
        values.sort_unstable();
        let cheapest: i64 = values.iter().take(missing).sum();
        let dearest: i64 = values.iter().rev().take(missing).sum();
        self.worth + cheapest <= self.input.limits.most.minor()
            && self.worth + dearest >= self.input.limits.least.minor()
    }
}

#[cfg(test)]
mod tests;
