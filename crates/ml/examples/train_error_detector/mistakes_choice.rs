//! Mistakes with the choice of a word, its capital and the space beside it.

use baeum_domain::learning::evaluation::ErrorCategory::{Spelling, WordChoice};

use crate::draft::{Draft, number};
use crate::rng::Rng;
use crate::wordlists::WRITTEN_TOGETHER;

impl Draft {
    /// Another common word of the same Penn tag: most of such pairs of words do not go together.
    pub(crate) fn other_word(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let tag = slot.word.tag.as_str();
        let content = matches!(tag, "NN" | "NNS" | "VB" | "VBD" | "VBZ" | "VBP" | "VBG" | "VBN" | "JJ" | "RB");
        if !content || matches!(slot.word.lemma.as_str(), "be" | "have" | "do" | "not") {
            return false;
        }
        // Commoner words more often: learners take words that they know.
        let others = self.lexicon.frequent(tag);
        let place = (rng.unit() * rng.unit() * others.len() as f64) as usize;
        let Some(other) = others.get(place).cloned() else { return false };
        let auxiliary =
            matches!(other.as_str(), "is" | "are" | "was" | "were" | "be" | "been" | "has" | "have" | "had");
        !auxiliary && other.len() > 2 && self.replace(at, &other, WordChoice)
    }

    /// "i", "english", "monday".
    pub(crate) fn lower_case(&mut self, at: usize, _: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let capital = slot.word.form.chars().next().is_some_and(char::is_uppercase);
        let name = slot.word.tag.starts_with("NNP") && at > 0 && slot.word.form.len() > 3;
        let known = self.lexicon.count(&self.lower(at)) > 20;
        if !self.free(at) || !capital || !(slot.word.form == "I" || (name && known)) {
            return false;
        }
        let form = self.lower(at);
        let slot = &mut self.slots[at];
        (slot.word.form, slot.tag, slot.taken) = (form, number(Spelling), true);
        true
    }

    /// "alot", "infront", "some times": a space too few or too many.
    pub(crate) fn wrong_space(&mut self, at: usize, _: &mut Rng) -> bool {
        let (this, next) = (self.lower(at), self.lower(at + 1));
        let joined = WRITTEN_TOGETHER.iter().find(|(a, b)| *a == this && *b == next);
        if let Some((a, b)) = joined
            && self.free(at)
            && self.free(at + 1)
            && self.replace(at, &format!("{a}{b}"), Spelling)
        {
            self.slots.remove(at + 1);
            return true;
        }
        let halves = ["some", "any", "every", "my", "your", "him", "her", "them", "with", "be"];
        let cut = halves.iter().find_map(|half| Some((*half, this.strip_prefix(half)?.to_owned())));
        let Some((head, tail)) = cut.filter(|(_, tail)| {
            matches!(
                tail.as_str(),
                "thing" | "body" | "one" | "times" | "where" | "how" | "self" | "selves" | "out" | "in" | "cause"
            )
        }) else {
            return false;
        };
        if !self.replace(at, head, Spelling) {
            return false;
        }
        let mut second = self.slots[at].clone();
        second.word.form = tail;
        self.slots.insert(at + 1, second);
        true
    }
}
