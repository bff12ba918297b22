//! Which words were seen beside each other in clean text: counts of words, pairs and triples as 16 levels.
//!
//! The counts stand in one table of four-bit slots. A key owns two slots; its level is the smaller of the two, so that
//! a key that was never counted has a level above 0 only where both of its slots belong to others (in the shipped
//! table: about one key in ten, then mostly a low level). The network is given levels, never counts, and learns how
//! far to trust them.

use std::collections::HashMap;

/// Slots of the table; two share a byte.
pub const SLOTS: usize = 1 << 23;
/// Levels that a slot can hold.
pub const LEVELS: usize = 16;
/// What is asked about a token: the kinds of evidence, in the order of [`rows`].
pub const KINDS: usize = 14;

/// Lowest counts of the levels from 1 on. A count of one is level 0: a text that is trained on knows itself.
const LOWEST: [u32; LEVELS - 1] = [2, 3, 4, 6, 9, 13, 21, 41, 81, 161, 321, 641, 1281, 2561, 10_001];

const ARTICLES: [&str; 3] = ["a", "an", "the"];
/// Words that learners leave out beside articles.
const LEFT_OUT: [&str; 9] = ["to", "in", "on", "at", "of", "for", "with", "about", "from"];
/// Words that are taken for each other, each within its set.
const CLASSES: [&str; 16] = [
    "a an the",
    "in on at to for of with from by about into during since until between among through over",
    "is are was were am be been being",
    "have has had having",
    "do does did doing done",
    "this these that those",
    "much many lot",
    "he him his",
    "they them their",
    "she her hers",
    "we us our",
    "i me my",
    "some any",
    "which who what that",
    "than then that",
    "other another others",
];

/// The hash under which a word, in its normal form, is counted.
pub fn word_key(form: &str) -> u64 {
    let fold = |h: u64, c: char| (h ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(form.chars().fold(0xcbf2_9ce4_8422_2325, fold))
}

fn mixed(key: u64) -> u64 {
    let z = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn joined(kind: u64, words: &[u64]) -> u64 {
    words.iter().fold(kind.wrapping_mul(0x9e37_79b9_7f4a_7c15), |key, word| mixed(key.rotate_left(17) ^ word))
}

fn one(a: u64) -> u64 {
    joined(1, &[a])
}

fn pair(a: u64, b: u64) -> u64 {
    joined(2, &[a, b])
}

fn triple(a: u64, b: u64, c: u64) -> u64 {
    joined(3, &[a, b, c])
}

/// Two words with one between them.
fn gap(a: u64, b: u64) -> u64 {
    joined(4, &[a, b])
}

/// The word at a place of a sentence; one mark before its beginning, another after its end.
fn word_at(words: &[u64], at: isize) -> u64 {
    usize::try_from(at).map_or(2, |at| words.get(at).copied().unwrap_or(3))
}

/// Every key that a sentence holds, as often as it holds it: what is counted.
pub fn keys(words: &[u64]) -> Vec<u64> {
    let mut all = Vec::with_capacity(words.len() * 4 + 4);
    for at in 0..=words.len() {
        let w = |shift: isize| word_at(words, at.cast_signed() + shift);
        all.extend([pair(w(-1), w(0)), triple(w(-2), w(-1), w(0))]);
        if at < words.len() {
            all.push(one(w(0)));
        }
        if at >= 2 && at < words.len() {
            all.push(gap(w(-2), w(0)));
        }
    }
    all
}

/// The level of a count.
pub fn level_of(count: u32) -> u8 {
    u8::try_from(LOWEST.partition_point(|lowest| *lowest <= count)).unwrap_or(0)
}

/// Rows of the evidence table of the network for each word of a sentence: kind × [`LEVELS`] + level.
///
/// The kinds: the word; pair with the word before; after; the pair that would stand without it; the triples in which it
/// is last, middle, first; the pairs over one word, back and on; the triples before it with an article, with another
/// small word, with a comma put in (the best of each); with another of its class in its place; the pair the other way
/// round.
pub fn rows(words: &[u64], classes: &Classes, mut level: impl FnMut(u64) -> u8) -> Vec<[u32; KINDS]> {
    let mut all = Vec::with_capacity(words.len());
    for at in 0..words.len() {
        let w = |shift: isize| word_at(words, at.cast_signed() + shift);
        let mut best = |others: &[u64], key: &dyn Fn(u64) -> u64| {
            others.iter().filter(|x| **x != w(0)).map(|x| level(key(*x))).max().unwrap_or(0)
        };
        let put_in = |x: u64| triple(w(-1), x, w(0));
        let found = [
            best(&[0], &|_| one(w(0))),
            best(&[0], &|_| pair(w(-1), w(0))),
            best(&[0], &|_| pair(w(0), w(1))),
            best(&[0], &|_| pair(w(-1), w(1))),
            best(&[0], &|_| triple(w(-2), w(-1), w(0))),
            best(&[0], &|_| triple(w(-1), w(0), w(1))),
            best(&[0], &|_| triple(w(0), w(1), w(2))),
            best(&[0], &|_| gap(w(-2), w(0))),
            best(&[0], &|_| gap(w(0), w(2))),
            best(&classes.articles, &put_in),
            best(&classes.left_out, &put_in),
            best(&classes.comma, &put_in),
            best(classes.of(w(0)), &|x| triple(w(-1), x, w(1))),
            best(&[0], &|_| pair(w(1), w(0))),
        ];
        let mut row = [0; KINDS];
        for ((kind, place), level) in (0..).zip(&mut row).zip(found) {
            *place = kind * 16 + u32::from(level);
        }
        all.push(row);
    }
    all
}

/// Words that are tried in place of others, as keys.
#[derive(Clone, Debug)]
pub struct Classes {
    articles: Vec<u64>,
    left_out: Vec<u64>,
    comma: Vec<u64>,
    members: HashMap<u64, Vec<u64>>,
}

impl Classes {
    fn of(&self, word: u64) -> &[u64] {
        self.members.get(&word).map_or(&[], Vec::as_slice)
    }
}

impl Default for Classes {
    fn default() -> Self {
        let mut members: HashMap<u64, Vec<u64>> = HashMap::new();
        for class in CLASSES {
            let class: Vec<u64> = class.split(' ').map(word_key).collect();
            for word in &class {
                members.entry(*word).or_default().extend(class.iter().filter(|other| *other != word));
            }
        }
        let keys = |words: &[&str]| words.iter().map(|word| word_key(word)).collect();
        Self { articles: keys(&ARTICLES), left_out: keys(&LEFT_OUT), comma: keys(&[","]), members }
    }
}

/// The table.
#[derive(Clone, Debug)]
pub struct Evidence {
    slots: Vec<u8>,
    classes: Classes,
}

impl Evidence {
    /// From its bytes, the first of two slots in the lower half; `None` where there are not [`SLOTS`] / 2 of them.
    pub fn from_bytes(slots: Vec<u8>) -> Option<Self> {
        (slots.len() == SLOTS / 2).then(|| Self { slots, classes: Classes::default() })
    }

    /// From counts. Their order does not matter.
    pub fn from_counts(counts: impl IntoIterator<Item = (u64, u32)>) -> Self {
        let mut all = Self { slots: vec![0; SLOTS / 2], classes: Classes::default() };
        for (key, count) in counts {
            for slot in slots(key) {
                if all.slot(slot) < level_of(count) {
                    let shift = (slot % 2) * 4;
                    let byte = &mut all.slots[slot / 2];
                    *byte = (*byte & !(15 << shift)) | (level_of(count) << shift);
                }
            }
        }
        all
    }

    /// The bytes of [`Self::from_bytes`].
    pub fn bytes(&self) -> &[u8] {
        &self.slots
    }

    /// The words that are tried in place of others.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    fn slot(&self, slot: usize) -> u8 {
        (self.slots[slot / 2] >> ((slot % 2) * 4)) & 15
    }

    /// The level of a key, 0 to 15.
    pub fn level(&self, key: u64) -> u8 {
        let [first, second] = slots(key);
        self.slot(first).min(self.slot(second))
    }

    /// The rows of a sentence, as [`rows`] has them.
    pub fn rows(&self, words: &[u64]) -> Vec<[u32; KINDS]> {
        rows(words, &self.classes, |key| self.level(key))
    }
}

/// The two slots of a key.
fn slots(key: u64) -> [usize; 2] {
    let (low, high) = (key & 0xffff_ffff, key >> 32);
    [low, high].map(|half| usize::try_from(half).unwrap_or(0) % SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(text: &str) -> Vec<u64> {
        text.split(' ').map(word_key).collect()
    }

    fn learned(texts: &[&str]) -> Evidence {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for key in texts.iter().flat_map(|text| keys(&sentence(text))) {
            *counts.entry(key).or_default() += 1;
        }
        Evidence::from_counts(counts)
    }

    #[test]
    fn what_was_never_counted_has_level_nought_and_what_was_counted_twice_has_one() {
        let evidence = learned(&["she is interested in music", "he is interested in art", "once only"]);
        let levels = |text: &str, at: usize| evidence.rows(&sentence(text))[at].map(|row| row % 16);
        let right = levels("she is interested in dogs", 3);
        assert_eq!((right[0], right[1], right[4]), (1, 1, 1), "the word, its pair and its triple were seen twice");
        let wrong = levels("she is interested on dogs", 3);
        assert_eq!((wrong[0], wrong[1], wrong[4]), (0, 0, 0));
        assert_eq!(levels("once only", 0)[0], 0, "seen once is as good as never");
    }

    #[test]
    fn a_word_left_out_or_taken_for_another_leaves_evidence() {
        let evidence = learned(&["i listen to music", "i listen to music", "it is true", "it is true"]);
        let levels = |text: &str, at: usize| evidence.rows(&sentence(text))[at].map(|row| row % 16);
        assert_eq!(levels("i listen music", 2)[10], 1, "to is missing before music");
        assert_eq!(levels("it are true", 1)[12], 1, "is fits better than are");
        assert_eq!(levels("listen i to music", 0)[13], 1, "the pair stood the other way round");
    }

    #[test]
    fn the_bytes_give_the_same_table_again() {
        let evidence = learned(&["a b c", "a b c", "a b c"]);
        let again = Evidence::from_bytes(evidence.bytes().to_vec()).expect("the length is right");
        assert_eq!(again.rows(&sentence("a b c")), evidence.rows(&sentence("a b c")));
        assert!(Evidence::from_bytes(vec![0; 7]).is_none());
    }

    #[test]
    fn every_row_number_is_of_its_kind() {
        let evidence = learned(&["a b"]);
        for row in evidence.rows(&sentence("a b c d")) {
            assert!(row.iter().zip(0..).all(|(row, kind)| row / 16 == kind));
        }
        assert!(evidence.rows(&[]).is_empty());
    }
}
