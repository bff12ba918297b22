//! Mistakes with the forms of verbs and nouns.

use baeum_domain::learning::evaluation::ErrorCategory::{NounNumber, Tense};

use crate::draft::Draft;
use crate::rng::Rng;

impl Draft {
    pub(crate) fn verb_form(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let (tag, lemma) = (slot.word.tag.clone(), slot.word.lemma.clone());
        let cued =
            self.slots.iter().any(|s| matches!(s.word.form.to_lowercase().as_str(), "yesterday" | "ago" | "last"));
        let usual = self
            .slots
            .iter()
            .any(|s| matches!(s.word.form.to_lowercase().as_str(), "every" | "usually" | "always" | "now"));
        let others: &[&str] = match tag.as_str() {
            "VBD" if cued && lemma != "be" => &["VB", "VBZ", "VBN", "VB"],
            "VBD" => &["VB", "VBN", "VBG"],
            "VBG" => &["VB", "VBN", "VBD"],
            "VBN" => &["VBD", "VB", "VBG"],
            "VB" => &["VBD", "VBG", "VBZ", "VBZ", "VBN"],
            "VBZ" | "VBP" if usual && lemma != "be" => &["VBG", "VBD"],
            "VBZ" | "VBP" => &["VBG", "VBN"],
            _ => return false,
        };
        // A past that only lost its ending is wrong where the subject is not third person too often to tell; leave "be".
        if lemma == "be" && tag == "VBD" {
            return false;
        }
        let other = rng.pick(others).copied().unwrap_or("VB");
        self.lexicon.inflect(&lemma, other).is_some_and(|form| self.replace(at, &form, Tense))
    }

    /// Present for past or past for present, where another verb of the sentence tells the time.
    pub(crate) fn tense_shift(&mut self, at: usize, _: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let told = |tags: &[&str]| (0..self.slots.len()).any(|other| other != at && self.has_tag(other, tags));
        let third = at > 0
            && (self.has_tag(at - 1, &["NN", "NNP"]) || matches!(self.lower(at - 1).as_str(), "he" | "she" | "it"));
        let present = if third { "VBZ" } else { "VBP" };
        let form = match (slot.word.tag.as_str(), slot.word.form.to_lowercase().as_str()) {
            ("VBD", "was") if told(&["VBD"]) => Some("is".to_owned()),
            ("VBD", "were") if told(&["VBD"]) => Some("are".to_owned()),
            ("VBD", _) if told(&["VBD"]) && slot.word.lemma != "be" => self.lexicon.inflect(&slot.word.lemma, present),
            ("VBZ", "is") if told(&["VBZ", "VBP"]) => Some("was".to_owned()),
            ("VBP", "are") if told(&["VBZ", "VBP"]) => Some("were".to_owned()),
            ("VBZ" | "VBP", _) if told(&["VBZ", "VBP"]) && slot.word.lemma != "be" => {
                self.lexicon.inflect(&slot.word.lemma, "VBD")
            }
            _ => None,
        };
        form.is_some_and(|form| self.replace(at, &form, Tense))
    }

    /// "I am agree".
    pub(crate) fn add_be(&mut self, at: usize, _: &mut Rng) -> bool {
        let verb = self.slots.get(at).is_some_and(|s| {
            matches!(s.word.tag.as_str(), "VBP" | "VBZ" | "VBD")
                && !matches!(s.word.lemma.as_str(), "be" | "have" | "do" | "")
                && !s.word.form.starts_with('\'')
        });
        if !verb || at == 0 || !self.has_tag(at - 1, &["PRP", "NN", "NNS", "NNP"]) {
            return false;
        }
        let past = self.has_tag(at, &["VBD"]);
        let be = match self.lower(at - 1).as_str() {
            "i" if !past => "am",
            "we" | "you" | "they" => {
                if past {
                    "were"
                } else {
                    "are"
                }
            }
            _ if self.has_tag(at - 1, &["NNS"]) => {
                if past {
                    "were"
                } else {
                    "are"
                }
            }
            _ => {
                if past {
                    "was"
                } else {
                    "is"
                }
            }
        };
        self.insert(at, be, "VBZ", Tense)
    }

    /// "I already seen it", "You like it?"
    pub(crate) fn drop_auxiliary(&mut self, at: usize, _: &mut Rng) -> bool {
        let helps =
            matches!(self.lower(at).as_str(), "have" | "has" | "had" | "will" | "would" | "do" | "does" | "did")
                && (at + 1..at + 3).any(|next| self.has_tag(next, &["VB", "VBN"]));
        at > 0 && helps && self.drop(at, Tense)
    }

    /// "informations", "an advice" is left to the articles.
    pub(crate) fn count_uncountable(&mut self, at: usize, _: &mut Rng) -> bool {
        use baeum_ml::learning::error_detector::irregular::{UNCOUNTABLE, add_s};
        let form = self.lower(at);
        let counted = self.has_tag(at, &["NN"]) && UNCOUNTABLE.contains(&form.as_str()) && form != "news";
        counted && self.replace(at, &add_s(&form), NounNumber)
    }

    pub(crate) fn over_regular(&mut self, at: usize, rng: &mut Rng) -> bool {
        use baeum_ml::learning::error_detector::irregular::{add_ed, add_s};
        let Some(slot) = self.slots.get(at) else { return false };
        let lemma = slot.word.lemma.clone();
        let (form, category) = match slot.word.tag.as_str() {
            "VBD" | "VBN" if lemma != "be" && lemma.len() > 1 => (add_ed(&lemma), Tense),
            "NNS" => (if rng.chance(0.5) { add_s(&lemma) } else { add_s(&slot.word.form.to_lowercase()) }, NounNumber),
            _ => return false,
        };
        self.lexicon.count(&form) == 0 && self.replace(at, &form, category)
    }

    pub(crate) fn drop_be(&mut self, at: usize, _: &mut Rng) -> bool {
        let is_be = self.slots.get(at).is_some_and(|s| s.word.lemma == "be" && s.word.tag.starts_with("VB"));
        at > 0 && is_be && self.drop(at, Tense)
    }

    pub(crate) fn drop_to(&mut self, at: usize, rng: &mut Rng) -> bool {
        if at > 0 && self.has_tag(at, &["TO"]) {
            return self.drop(at, Tense);
        }
        // "can to go"
        let after_modal = at > 0 && self.has_tag(at - 1, &["MD"]) && self.has_tag(at, &["VB"]);
        after_modal && rng.chance(0.5) && self.insert(at, "to", "TO", Tense)
    }

    pub(crate) fn noun_number(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let lemma = slot.word.lemma.clone();
        // A noun before a noun is rarely counted either way.
        if self.slots.get(at + 1).is_some_and(|s| s.word.tag.starts_with("NN")) {
            return false;
        }
        let window = &self.slots[at.saturating_sub(3)..at];
        let says = |words: &[&str]| window.iter().any(|s| words.contains(&s.word.form.to_lowercase().as_str()));
        let other = match slot.word.tag.as_str() {
            "NN" if says(&["a", "an", "this", "one", "each", "every", "another"]) || rng.chance(0.5) => "NNS",
            "NNS"
                if says(&["many", "these", "those", "two", "three", "few", "several", "some", "all", "of"])
                    || rng.chance(0.6) =>
            {
                "NN"
            }
            _ => return false,
        };
        self.lexicon.inflect(&lemma, other).is_some_and(|form| self.replace(at, &form, NounNumber))
    }
}
