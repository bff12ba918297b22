//! Mistakes with articles, prepositions and agreement.

use baeum_domain::learning::evaluation::ErrorCategory::{Agreement, Article, Preposition};

use crate::draft::Draft;
use crate::rng::Rng;
use crate::wordlists::{PREPOSITIONS, preposition_instead};

impl Draft {
    pub(crate) fn drop_article(&mut self, at: usize, rng: &mut Rng) -> bool {
        let singular = self.head_tag(at + 1) == Some("NN");
        let fits = match self.lower(at).as_str() {
            "a" | "an" => true,
            "the" => singular || rng.chance(0.3),
            _ => false,
        };
        fits && self.drop(at, Article)
    }

    pub(crate) fn add_article(&mut self, at: usize, rng: &mut Rng) -> bool {
        let opens = self.has_tag(at, &["NN", "NNS", "NNP", "JJ", "PRP", "PRP$"]);
        let closed = at > 0
            && self.has_tag(
                at - 1,
                &[
                    "DT", "PRP$", "JJ", "CD", "NN", "NNP", "NNS", "POS", "JJR", "JJS", "PDT", "WDT", "RB", "VBG",
                    "VBN", "HYPH", "WP$",
                ],
            );
        let Some(head) = self.head_tag(at).or(Some("")) else { return false };
        let form = match (head, self.lower(at).as_str()) {
            ("NNS", _) | (_, "my" | "your" | "his" | "her" | "our" | "their") => {
                if rng.chance(0.5) {
                    "a"
                } else {
                    "the"
                }
            }
            ("NNP", _) => {
                if rng.chance(0.8) {
                    "the"
                } else {
                    "a"
                }
            }
            ("NN", _) => {
                if rng.chance(0.5) {
                    "the"
                } else {
                    "a"
                }
            }
            _ => return false,
        };
        if !opens || closed {
            return false;
        }
        let vowel = self.lower(at).starts_with(['a', 'e', 'i', 'o', 'u']);
        self.insert(at, if form == "a" && vowel { "an" } else { form }, "DT", Article)
    }

    pub(crate) fn swap_article(&mut self, at: usize, rng: &mut Rng) -> bool {
        let form = match self.lower(at).as_str() {
            "a" if rng.chance(0.75) => "an",
            "an" if rng.chance(0.75) => "a",
            "a" | "an" if rng.chance(0.4) => "the",
            "the" if rng.chance(0.3) && self.head_tag(at + 1).is_some_and(|t| t != "NN") => "a",
            _ => return false,
        };
        self.has_tag(at, &["DT"]) && self.replace(at, form, Article)
    }

    fn is_preposition(&self, at: usize) -> bool {
        self.has_tag(at, &["IN"]) && PREPOSITIONS.contains(&self.lower(at).as_str())
    }

    pub(crate) fn swap_preposition(&mut self, at: usize, rng: &mut Rng) -> bool {
        let other = preposition_instead(&self.lower(at), rng);
        self.is_preposition(at) && self.replace(at, other, Preposition)
    }

    pub(crate) fn drop_preposition(&mut self, at: usize, _: &mut Rng) -> bool {
        at > 0 && self.is_preposition(at) && self.drop(at, Preposition)
    }

    pub(crate) fn add_preposition(&mut self, at: usize, rng: &mut Rng) -> bool {
        let after_verb = at > 0
            && self.slots[at - 1].word.tag.starts_with("VB")
            && self.slots[at - 1].word.lemma != "be"
            && (self.has_tag(at, &["DT", "PRP", "PRP$"]) || self.slots[at].word.tag.starts_with("NN"));
        let adverb = matches!(
            self.lower(at).as_str(),
            "home" | "there" | "here" | "yesterday" | "tomorrow" | "last" | "next" | "abroad"
        ) && at > 0
            && !self.has_tag(at - 1, &["DT", "IN", "PRP$", "JJ"]);
        let form = rng.pick(&["to", "about", "with", "at", "in", "on", "for", "of"]).copied().unwrap_or("to");
        (after_verb || adverb) && self.insert(at, form, "IN", Preposition)
    }

    pub(crate) fn agreement(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let (tag, lemma, form) = (slot.word.tag.clone(), slot.word.lemma.clone(), slot.word.form.to_lowercase());
        let wrong = match (form.as_str(), tag.as_str()) {
            ("is", _) => Some(if rng.chance(0.85) { "are" } else { "am" }.to_owned()),
            ("are" | "am", _) => Some("is".to_owned()),
            ("was", "VBD") => Some("were".to_owned()),
            ("were", "VBD") => Some("was".to_owned()),
            ("has", "VBZ") => Some("have".to_owned()),
            ("have", "VBP") => Some("has".to_owned()),
            (_, "VBZ") if !form.starts_with('\'') => self.lexicon.inflect(&lemma, "VBP"),
            (_, "VBP") if !form.starts_with('\'') => self.lexicon.inflect(&lemma, "VBZ"),
            _ => None,
        };
        wrong.is_some_and(|wrong| self.replace(at, &wrong, Agreement))
    }

    pub(crate) fn determiner(&mut self, at: usize, _: &mut Rng) -> bool {
        let wrong = match self.lower(at).as_str() {
            "this" => "these",
            "these" => "this",
            "that" => "those",
            "those" => "that",
            "much" => "many",
            "many" => "much",
            _ => return false,
        };
        let before_noun = self.head_tag(at + 1).is_some();
        before_noun && self.has_tag(at, &["DT", "JJ"]) && self.replace(at, wrong, Agreement)
    }
}
