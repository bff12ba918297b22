//! Mistakes with words: confused, misspelled, swapped.

use std::collections::HashSet;

use baeum_domain::learning::evaluation::ErrorCategory::{Order, Spelling, WordChoice};

use crate::draft::{Draft, capitalised, number};
use crate::rng::Rng;
use crate::wordlists::CONFUSED;

impl Draft {
    pub(crate) fn confuse(&mut self, at: usize, rng: &mut Rng) -> bool {
        let form = self.lower(at);
        let sets: Vec<_> = CONFUSED.iter().filter(|set| set.split(' ').any(|word| word == form)).collect();
        let Some(set) = rng.pick(&sets) else { return false };
        let others: Vec<&str> = set.split(' ').filter(|word| *word != form).collect();
        let other = rng.pick(&others).copied().unwrap_or("");
        self.replace(at, other, WordChoice)
    }

    /// Adjective for adverb, -ing for -ed, "more" before a comparative.
    pub(crate) fn word_class(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let form = slot.word.form.to_lowercase();
        match slot.word.tag.as_str() {
            "JJR" if form.ends_with("er") && rng.chance(0.5) => self.insert(at, "more", "RBR", WordChoice),
            "JJS" if form.ends_with("est") && rng.chance(0.5) => self.insert(at, "most", "RBS", WordChoice),
            "RB" => {
                let stem = form.strip_suffix("ly").map(str::to_owned).unwrap_or_default();
                let known = self.lexicon.count(&stem) > 2;
                known && self.replace(at, &stem, WordChoice)
            }
            "JJ" => {
                let other = form
                    .strip_suffix("ed")
                    .map(|stem| format!("{stem}ing"))
                    .or_else(|| form.strip_suffix("ing").map(|stem| format!("{stem}ed")))
                    .unwrap_or_else(|| format!("{form}ly"));
                self.lexicon.count(&other) > 2 && self.replace(at, &other, WordChoice)
            }
            _ => false,
        }
    }

    /// Object for subject pronoun, or a pronoun too few.
    pub(crate) fn pronoun(&mut self, at: usize, rng: &mut Rng) -> bool {
        if !self.has_tag(at, &["PRP", "PRP$"]) {
            return false;
        }
        if rng.chance(0.4) && self.slots.get(at + 1).is_some_and(|s| s.word.tag.starts_with("VB") || s.word.tag == "MD")
        {
            return at > 0 && self.drop(at, WordChoice);
        }
        let other = match self.lower(at).as_str() {
            "he" => ["him", "his"],
            "she" | "hers" => ["her", "her"],
            "they" => ["them", "their"],
            "we" => ["us", "our"],
            "me" | "i" => ["my", "me"],
            "him" => ["he", "his"],
            "them" => ["they", "their"],
            "us" => ["we", "our"],
            "his" => ["he", "him"],
            "their" => ["they", "them"],
            "my" => ["me", "mine"],
            "your" => ["you", "yours"],
            "our" => ["us", "ours"],
            _ => return false,
        };
        let other = rng.pick(&other).copied().unwrap_or("");
        self.replace(at, other, WordChoice)
    }

    pub(crate) fn misspell(&mut self, at: usize, rng: &mut Rng) -> bool {
        let Some(slot) = self.slots.get(at) else { return false };
        let real = self.lexicon.misspellings(&slot.word.form.to_lowercase());
        if let (true, Some(wrong)) = (rng.chance(0.7), rng.pick(real)) {
            let wrong = wrong.clone();
            return self.replace(at, &wrong, Spelling);
        }
        let mut letters: Vec<char> = slot.word.form.chars().collect();
        let name = slot.word.tag.starts_with("NNP");
        if letters.len() < 4 || name || !letters.iter().all(char::is_ascii_alphabetic) {
            return false;
        }
        for _ in 0..=rng.below(4) / 3 {
            let place = 1 + rng.below(letters.len() - 1);
            let vowels: HashSet<char> = "aeiou".chars().collect();
            match rng.below(6) {
                0 => drop(letters.remove(place)),
                1 => letters.insert(place, letters[place]),
                2 if place + 1 < letters.len() => letters.swap(place, place + 1),
                3 | 4 if vowels.contains(&letters[place]) => {
                    letters[place] = *rng.pick(&['a', 'e', 'i', 'o', 'u']).unwrap_or(&'e');
                }
                _ => letters[place] = char::from(b'a' + u8::try_from(rng.below(26)).unwrap_or(0)),
            }
            if letters.len() < 3 {
                return false;
            }
        }
        let form: String = letters.into_iter().collect();
        self.lexicon.count(&form.to_lowercase()) == 0 && self.replace(at, &form, Spelling)
    }

    pub(crate) fn swap_words(&mut self, at: usize, rng: &mut Rng) -> bool {
        let word = |i: usize| {
            self.slots
                .get(i)
                .is_some_and(|s| s.word.form.chars().all(char::is_alphabetic) && !s.word.tag.starts_with("NNP"))
        };
        if !(self.free(at) && self.free(at + 1) && word(at) && word(at + 1)) {
            return false;
        }
        let pair = (self.slots[at].word.tag.as_str(), self.slots[at + 1].word.tag.as_str());
        let likely = matches!(
            pair,
            ("JJ", "NN" | "NNS")
                | ("MD" | "VBZ" | "VBP" | "VBD", "PRP")
                | ("PRP", "VBD" | "VBP" | "VBZ")
                | ("RB", "VBN" | "JJ" | "VB")
                | ("WRB", _)
                | ("DT", "JJ")
        );
        let clauses = matches!(pair, ("RB", "RB") | ("CC" | "UH", _) | (_, "CC" | "UH")) || pair.0 == pair.1;
        if clauses || !(likely || rng.chance(0.2)) {
            return false;
        }
        let (a, b) = (self.slots[at].word.form.clone(), self.slots[at + 1].word.form.clone());
        if a.to_lowercase() == b.to_lowercase() {
            return false;
        }
        self.slots.swap(at, at + 1);
        if a.chars().next().is_some_and(char::is_uppercase) && a != "I" {
            self.slots[at + 1].word.form = a.to_lowercase();
            self.slots[at].word.form = capitalised(&b);
        }
        for slot in &mut self.slots[at..=at + 1] {
            slot.tag = number(Order);
            slot.taken = true;
        }
        true
    }

    pub(crate) fn double_word(&mut self, at: usize, _: &mut Rng) -> bool {
        if !self.has_tag(at, &["DT", "IN", "TO", "PRP", "PRP$", "MD"]) || self.lower(at) == "that" {
            return false;
        }
        let form = self.lower(at);
        let tag = self.slots[at].word.tag.clone();
        let free = self.free(at);
        free && self.insert(at + 1, &form, &tag, WordChoice)
    }
}
