//! A sentence in which mistakes are made.

use std::sync::Arc;

use baeum_domain::learning::evaluation::ErrorCategory;
use baeum_ml::learning::error_detector::tags;

use crate::corpus::Word;
use crate::lexicon::Lexicon;

/// A word on its way to an example.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) word: Word,
    pub(crate) tag: u32,
    /// Whether a mistake stands here or beside it: no second one then.
    pub(crate) taken: bool,
}

/// The words of a sentence, and what is needed to inflect them.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) slots: Vec<Slot>,
    pub(crate) lexicon: Arc<Lexicon>,
}

impl Draft {
    pub(crate) fn free(&self, at: usize) -> bool {
        self.slots.get(at).is_some_and(|s| !s.taken)
    }

    pub(crate) fn has_tag(&self, at: usize, tags: &[&str]) -> bool {
        self.slots.get(at).is_some_and(|s| tags.contains(&s.word.tag.as_str()))
    }

    pub(crate) fn lower(&self, at: usize) -> String {
        self.slots.get(at).map(|s| s.word.form.to_lowercase()).unwrap_or_default()
    }

    /// Writes another form at a place and labels it.
    pub(crate) fn replace(&mut self, at: usize, form: &str, category: ErrorCategory) -> bool {
        if !self.free(at) || self.slots[at].word.form.to_lowercase() == form.to_lowercase() || form.is_empty() {
            return false;
        }
        let capital =
            self.slots[at].word.form.chars().next().is_some_and(char::is_uppercase) && self.slots[at].word.form != "I";
        self.slots[at].word.form = if capital { capitalised(form) } else { form.to_owned() };
        self.slots[at].tag = number(category);
        self.slots[at].taken = true;
        true
    }

    /// Leaves a word out and labels the one after it.
    pub(crate) fn drop(&mut self, at: usize, category: ErrorCategory) -> bool {
        let next_fits = self.free(at + 1) && self.slots[at + 1].word.form.chars().any(char::is_alphanumeric);
        if !self.free(at) || !next_fits {
            return false;
        }
        let gone = self.slots.remove(at);
        if at == 0 && gone.word.form.chars().next().is_some_and(char::is_uppercase) {
            self.slots[0].word.form = capitalised(&self.slots[0].word.form);
        }
        self.slots[at].tag = number(category);
        self.slots[at].taken = true;
        if let Some(before) = at.checked_sub(1) {
            self.slots[before].taken = true;
        }
        true
    }

    /// Puts a word before a place and labels it.
    pub(crate) fn insert(&mut self, at: usize, form: &str, tag: &str, category: ErrorCategory) -> bool {
        if !self.free(at) || at == 0 {
            return false;
        }
        self.slots[at].taken = true;
        self.slots.insert(at, Slot { word: Word::new(form, form, tag), tag: number(category), taken: true });
        true
    }

    /// How the noun phrase after `at` ends: its head noun's tag, if adjectives and nouns lead there.
    pub(crate) fn head_tag(&self, at: usize) -> Option<&str> {
        let mut last = None;
        for slot in self.slots.iter().skip(at) {
            match slot.word.tag.as_str() {
                tag @ ("NN" | "NNS" | "NNP" | "NNPS") => last = Some(tag),
                "JJ" | "JJR" | "JJS" | "CD" | "RB" if last.is_none() => {}
                _ => break,
            }
        }
        last
    }
}

/// The place of a category in the softmax.
pub(crate) fn number(category: ErrorCategory) -> u32 {
    u32::try_from(tags::index(Some(category))).unwrap_or(0)
}

pub(crate) fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}
