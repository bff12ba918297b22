//! Puts mistakes of learners into clean sentences, so that every label is known.

use std::sync::Arc;

use baeum_domain::learning::evaluation::ErrorCategory::{self, NounNumber, Preposition, Spelling, Tense, WordChoice};

use crate::corpus::{Example, Word};
use crate::draft::{Draft, Slot, number};
use crate::lexicon::Lexicon;
use crate::rng::Rng;

/// Makes mistakes; one seeded generator makes the same ones again.
#[derive(Debug)]
pub(crate) struct Corruptor {
    lexicon: Arc<Lexicon>,
    /// Probability that a sentence stays clean.
    clean: f64,
}

type Operation = fn(&mut Draft, usize, &mut Rng) -> bool;

/// Operations with their weights: what learners do as often as annotated essays have it (shares of error types in the
/// FCE corpus, Bryant et al., 2019), less what is no word (punctuation), more of what courses teach.
const OPERATIONS: [(f64, Operation); 26] = [
    (8.0, Draft::drop_article),
    (3.0, Draft::add_article),
    (2.0, Draft::swap_article),
    (8.0, Draft::swap_preposition),
    (4.0, Draft::drop_preposition),
    (3.0, Draft::add_preposition),
    (5.0, Draft::agreement),
    (2.0, Draft::determiner),
    (8.0, Draft::verb_form),
    (3.0, Draft::tense_shift),
    (1.5, Draft::over_regular),
    (2.0, Draft::drop_be),
    (1.5, Draft::add_be),
    (1.0, Draft::drop_auxiliary),
    (2.0, Draft::drop_to),
    (6.0, Draft::noun_number),
    (1.0, Draft::count_uncountable),
    (9.0, Draft::confuse),
    (3.0, Draft::word_class),
    (6.0, Draft::other_word),
    (2.0, Draft::pronoun),
    (11.0, Draft::misspell),
    (2.0, Draft::lower_case),
    (1.5, Draft::wrong_space),
    (3.0, Draft::swap_words),
    (1.0, Draft::double_word),
];

impl Corruptor {
    pub(crate) fn new(lexicon: &Arc<Lexicon>, clean: f64) -> Self {
        Self { lexicon: Arc::clone(lexicon), clean }
    }

    /// The sentence with no, one or several mistakes.
    pub(crate) fn example(&self, sentence: &[Word], rng: &mut Rng) -> Example {
        let typos = rng.chance(0.5);
        let slot = |word: &Word| {
            let mut slot = Slot { word: word.clone(), tag: 0, taken: false };
            if let (true, Some(typed)) = (typos, &word.typed) {
                slot.word.form.clone_from(typed);
                slot.tag = number(self.typed_category(word, typed));
                slot.taken = true;
            }
            slot
        };
        let slots = sentence.iter().map(slot).collect();
        let mut draft = Draft { slots, lexicon: Arc::clone(&self.lexicon) };
        if !rng.chance(self.clean) {
            let count = 1 + (rng.unit() * 0.28 * draft.slots.len() as f64) as usize;
            let total: f64 = OPERATIONS.iter().map(|(weight, _)| weight).sum();
            let mut made = 0;
            for _ in 0..12 * count {
                let mut point = rng.unit() * total;
                let chosen = OPERATIONS.iter().find(|(weight, _)| {
                    point -= weight;
                    point < 0.0
                });
                // Each operation looks for a place from a random one on.
                let (start, length) = (rng.below(draft.slots.len()), draft.slots.len());
                let hit = chosen.is_some_and(|(_, operation)| {
                    (0..length).any(|at| operation(&mut draft, (start + at) % length, rng))
                });
                made += usize::from(hit);
                if made == count {
                    break;
                }
            }
        }
        Example {
            tags: draft.slots.iter().map(|s| s.tag).collect(),
            pos: draft.slots.iter().map(|s| s.word.tag.clone()).collect(),
            words: draft.slots.into_iter().map(|s| s.word.form).collect(),
        }
    }

    /// What kind of mistake an author's own typing is.
    fn typed_category(&self, word: &Word, typed: &str) -> ErrorCategory {
        let lower = typed.to_lowercase();
        match word.tag.get(..2) {
            _ if self.lexicon.count(&lower) < 3 => Spelling,
            Some("NN") => NounNumber,
            Some("VB") => Tense,
            Some("IN") => Preposition,
            _ => WordChoice,
        }
    }
}
