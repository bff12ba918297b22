//! A matrix of answers, packed eight items a byte, and its distinct rows.

use std::collections::HashMap;

/// Items that share a byte.
pub(super) const GROUP: usize = 8;

/// Who answered what, and how. Persons are rows, items are columns; an answer may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Responses {
    items: Vec<String>,
    persons: usize,
    /// A bit per answer, set where it is right; [`Responses::groups`] bytes a person, item 0 in the lowest bit.
    right: Vec<u8>,
    /// The same, set where there is no answer. Bits beyond the last item are never set.
    missing: Vec<u8>,
}

impl Responses {
    /// No persons yet.
    pub fn new(items: Vec<String>) -> Self {
        Self { items, ..Self::default() }
    }

    /// Adds a person. Answers beyond the last item are dropped; too few are missing at the end.
    pub fn push(&mut self, answers: impl IntoIterator<Item = Option<bool>>) {
        let (groups, items, at) = (self.groups(), self.items.len(), self.right.len());
        self.persons += 1;
        self.right.resize(at + groups, 0);
        self.missing.resize(at + groups, 0);
        let mut answers = answers.into_iter();
        for item in 0..items {
            let (byte, bit) = (at + item / GROUP, 1 << (item % GROUP));
            match answers.next().flatten() {
                Some(true) => self.right[byte] |= bit,
                Some(false) => {}
                None => self.missing[byte] |= bit,
            }
        }
    }

    /// The names of the items.
    pub fn items(&self) -> &[String] {
        &self.items
    }

    /// How many persons there are.
    pub fn persons(&self) -> usize {
        self.persons
    }

    /// The answer of a person to an item.
    pub fn answer(&self, person: usize, item: usize) -> Option<bool> {
        let (byte, bit) = (person * self.groups() + item / GROUP, 1 << (item % GROUP));
        (self.missing[byte] & bit == 0).then(|| self.right[byte] & bit != 0)
    }

    /// How many right answers and how many answers each item has.
    pub fn tally(&self) -> Vec<(usize, usize)> {
        let groups = self.groups();
        // How often each byte occurs in each group: a count of bytes is a count of all their bits.
        let histogram = |bytes: &[u8]| {
            let mut counts = vec![[0_usize; 256]; groups];
            for row in bytes.chunks_exact(groups.max(1)) {
                for (counts, byte) in counts.iter_mut().zip(row) {
                    counts[usize::from(*byte)] += 1;
                }
            }
            counts
        };
        let (right, missing) = (histogram(&self.right), histogram(&self.missing));
        let of_item = |counts: &[[usize; 256]], item: usize| {
            let of_bytes = counts[item / GROUP].iter().enumerate();
            of_bytes.filter(|(byte, _)| byte >> (item % GROUP) & 1 == 1).map(|(_, count)| count).sum::<usize>()
        };
        let items = 0..self.items.len();
        items.map(|item| (of_item(&right, item), self.persons - of_item(&missing, item))).collect()
    }

    pub(super) fn groups(&self) -> usize {
        self.items.len().div_ceil(GROUP)
    }
}

/// The distinct rows of a matrix with how often each occurs, in the order of their first occurrence. Equal rows have
/// equal posteriors, so a short test of many persons costs no more than its patterns.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    pub(super) items: usize,
    pub(super) groups: usize,
    right: Vec<u8>,
    missing: Vec<u8>,
    pub(super) weights: Vec<u32>,
    /// Which pattern each person has.
    pub(super) of_person: Vec<u32>,
    pub(super) any_missing: bool,
}

impl Patterns {
    pub(super) fn of(responses: &Responses) -> Self {
        let groups = responses.groups();
        let mut patterns = Self {
            items: responses.items.len(),
            groups,
            right: vec![],
            missing: vec![],
            weights: vec![],
            of_person: Vec::with_capacity(responses.persons),
            any_missing: responses.missing.iter().any(|byte| *byte != 0),
        };
        let mut known = HashMap::<(&[u8], &[u8]), u32>::with_capacity(responses.persons);
        if groups == 0 {
            return patterns;
        }
        for row in responses.right.chunks_exact(groups).zip(responses.missing.chunks_exact(groups)) {
            let next = u32::try_from(patterns.weights.len()).expect("fewer patterns than 2^32");
            let pattern = *known.entry(row).or_insert_with(|| {
                patterns.right.extend_from_slice(row.0);
                patterns.missing.extend_from_slice(row.1);
                patterns.weights.push(0);
                next
            });
            patterns.weights[pattern as usize] += 1;
            patterns.of_person.push(pattern);
        }
        patterns
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// Bits of right and of missing answers.
    pub(super) fn row(&self, pattern: usize) -> (&[u8], &[u8]) {
        let range = pattern * self.groups..(pattern + 1) * self.groups;
        (&self.right[range.clone()], &self.missing[range])
    }

    /// Whether the bits of a group say that none of its items was answered.
    pub(super) fn is_void(&self, group: usize, missing: u8) -> bool {
        missing == void(self.items, group)
    }
}

/// The bits of a group of which every item is missing.
fn void(items: usize, group: usize) -> u8 {
    let present = (items - group * GROUP).min(GROUP);
    u8::MAX >> (GROUP - present)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("i{number}")).collect()
    }

    #[test]
    fn answers_come_back_as_they_went_in() {
        let mut responses = Responses::new(names(11));
        let rows: Vec<Vec<_>> = (0..5_usize)
            .map(|person| (0..11).map(|item| [Some(true), Some(false), None][(person + item * item) % 3]).collect())
            .collect();
        for row in &rows {
            responses.push(row.iter().copied());
        }
        for (person, row) in rows.iter().enumerate() {
            for (item, answer) in row.iter().enumerate() {
                assert_eq!(responses.answer(person, item), *answer, "person {person}, item {item}");
            }
        }
        let (right, answered) = responses.tally()[4];
        let of_item = || rows.iter().filter_map(|row| row[4]);
        assert_eq!((right, answered), (of_item().filter(|it| *it).count(), of_item().count()));
    }

    #[test]
    fn equal_rows_are_one_pattern_and_a_missing_answer_is_not_a_wrong_one() {
        let mut responses = Responses::new(names(2));
        for row in [[Some(true), None], [Some(true), Some(false)], [Some(true), None], [None, None]] {
            responses.push(row);
        }
        let patterns = Patterns::of(&responses);
        assert_eq!((patterns.weights.as_slice(), patterns.of_person.as_slice()), (&[2, 1, 1][..], &[0, 1, 0, 2][..]));
        assert!(patterns.is_void(0, patterns.row(2).1[0]) && !patterns.is_void(0, patterns.row(0).1[0]));
    }
}
