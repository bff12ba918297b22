//! Counts of words, pairs and triples in the clean text, and the evidence as a sentence sees it that was counted too.

use std::collections::HashMap;

use baeum_ml::learning::error_detector::evidence::{Evidence, KINDS, keys, level_of, rows, word_key};
use baeum_ml::learning::error_detector::features::normal_form;

/// Counts by key, and the table made of them.
#[derive(Debug)]
pub(crate) struct Counts {
    counts: HashMap<u64, u32>,
    pub(crate) evidence: Evidence,
}

/// The keys of the words of a sentence.
pub(crate) fn word_keys<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u64> {
    words.map(|word| word_key(&normal_form(word))).collect()
}

impl Counts {
    /// Counts sentences, given as keys of their words.
    pub(crate) fn of(sentences: impl Iterator<Item = Vec<u64>>) -> Self {
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for key in sentences.flat_map(|words| keys(&words)) {
            *counts.entry(key).or_default() += 1;
        }
        counts.retain(|_, count| *count > 1);
        counts.shrink_to_fit();
        let evidence = Evidence::from_counts(counts.iter().map(|(key, count)| (*key, *count)));
        Self { counts, evidence }
    }

    /// How many keys were seen twice and more.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The evidence of a sentence. `source` is the sentence that was counted and that this one was made of: what it
    /// holds is counted without it, as if it had never been read. Without that, training would learn that every sound
    /// text has been seen before.
    pub(crate) fn rows(&self, words: &[u64], source: &[u64]) -> Vec<[u32; KINDS]> {
        let mut own: HashMap<u64, u32> = HashMap::new();
        for key in keys(source) {
            *own.entry(key).or_default() += 1;
        }
        rows(words, self.evidence.classes(), |key| {
            let stored = self.evidence.level(key);
            let Some(own) = own.get(&key) else { return stored };
            let count = self.counts.get(&key).copied().unwrap_or(0);
            // Above the level of its count, the slots belong to other keys, and stay.
            if stored > level_of(count) { stored } else { level_of(count.saturating_sub(*own)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_does_not_count_for_itself() {
        let words = |text: &'static str| word_keys(text.split(' '));
        let texts = ["the cat sat", "the cat sat", "the cat sat", "a cat ran", "a cat ran"];
        let counts = Counts::of(texts.into_iter().map(words));
        let pair = |text, source| counts.rows(&words(text), &words(source))[1][1] % 16;
        assert_eq!(pair("the cat sat", "nothing at all"), 2, "seen three times");
        assert_eq!(pair("the cat sat", "the cat sat"), 1, "seen twice elsewhere");
        assert_eq!(pair("a cat ran", "a cat ran"), 0, "seen once elsewhere");
    }
}
