//! Inflection and tags learned from the clean training text.

use std::collections::{BTreeMap, HashMap};

use baeum_ml::learning::error_detector::features::{MAX_VOCABULARY, normal_form};
use baeum_ml::learning::error_detector::irregular;

use crate::corpus::Word;

/// Forms by lemma and tag, the commonest lemma and tag of a form, and counts of forms.
#[derive(Debug, Default)]
pub(crate) struct Lexicon {
    inflections: HashMap<(String, String), String>,
    readings: HashMap<String, (String, String)>,
    counts: BTreeMap<String, u32>,
}

impl Lexicon {
    pub(crate) fn learn(sentences: &[Vec<Word>]) -> Self {
        let mut forms: BTreeMap<(String, String), BTreeMap<String, u32>> = BTreeMap::new();
        let mut readings: BTreeMap<String, BTreeMap<(String, String), u32>> = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for word in sentences.iter().flatten() {
            let form = normal_form(&word.form);
            let key = (word.lemma.clone(), word.tag.clone());
            *forms.entry(key.clone()).or_default().entry(form.clone()).or_default() += 1;
            *readings.entry(form.clone()).or_default().entry(key).or_default() += 1;
            *counts.entry(form).or_insert(0) += 1;
        }
        let best = |counts: BTreeMap<String, u32>| counts.into_iter().max_by_key(|(_, n)| *n).map(|(form, _)| form);
        let inflections = forms.into_iter().filter_map(|(key, counts)| Some((key, best(counts)?))).collect();
        let commonest = |(form, counts): (String, BTreeMap<(String, String), u32>)| {
            Some((form, counts.into_iter().max_by_key(|(_, n)| *n)?.0))
        };
        Self { inflections, readings: readings.into_iter().filter_map(commonest).collect(), counts }
    }

    /// The form of a lemma for a Penn tag: as seen, else by table and rule.
    pub(crate) fn inflect(&self, lemma: &str, tag: &str) -> Option<String> {
        if let Some(seen) = self.inflections.get(&(lemma.to_owned(), tag.to_owned())) {
            return Some(seen.clone());
        }
        if lemma == "be" || lemma.chars().any(|c| !c.is_ascii_lowercase()) || lemma.len() < 2 {
            return None;
        }
        let verb = || irregular::verb(lemma);
        match tag {
            "VB" | "VBP" | "NN" => Some(lemma.to_owned()),
            "VBZ" => Some(verb().third),
            "VBD" => Some(verb().past),
            "VBN" => Some(verb().participle),
            "VBG" => Some(verb().ing),
            "NNS" => Some(irregular::plural(lemma)),
            _ => None,
        }
    }

    /// The word with its commonest lemma and tag.
    pub(crate) fn tagged(&self, text: &str) -> Word {
        let form = normal_form(text);
        let guess = || {
            let tag = if text.chars().any(char::is_alphabetic) { "UNKNOWN" } else { "." };
            (form.clone(), tag.to_owned())
        };
        let (lemma, tag) = self.readings.get(&form).cloned().unwrap_or_else(guess);
        Word::new(text, &lemma, &tag)
    }

    pub(crate) fn count(&self, form: &str) -> u32 {
        self.counts.get(form).copied().unwrap_or(0)
    }

    /// The vocabulary that goes into the weights: forms seen three times and more, the most frequent first.
    pub(crate) fn vocabulary(&self) -> String {
        let mut words: Vec<_> = self.counts.iter().filter(|(form, n)| **n >= 3 && !form.contains(' ')).collect();
        words.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let lines: Vec<String> = words.iter().take(MAX_VOCABULARY).map(|(form, n)| format!("{form} {n}\n")).collect();
        lines.concat()
    }

    /// Penn tags seen, in order.
    pub(crate) fn tags(&self) -> Vec<String> {
        let tags: std::collections::BTreeSet<_> = self.readings.values().map(|(_, tag)| tag.clone()).collect();
        tags.into_iter().collect()
    }
}
