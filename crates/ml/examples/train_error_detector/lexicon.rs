//! Inflection, tags and spelling learned from the clean training text.

use std::collections::{BTreeMap, HashMap};

use baeum_ml::learning::error_detector::features::{MAX_VOCABULARY, normal_form};
use baeum_ml::learning::error_detector::irregular;

use crate::corpus::Word;
use crate::tagger::Tagger;

/// What a word of a treebank counts beside one of plain text: the treebanks are the smaller and the more modern part.
const TREEBANK_COUNT: u32 = 5;
/// Forms of one tag that are put in place of others.
const FREQUENT: usize = 400;

/// Forms by lemma and tag, lemmas by form and tag, counts of forms, real misspellings, and a tagger.
#[derive(Debug)]
pub(crate) struct Lexicon {
    inflections: HashMap<(String, String), String>,
    lemmas: HashMap<(String, String), String>,
    counts: BTreeMap<String, u32>,
    frequent: HashMap<String, Vec<String>>,
    misspellings: HashMap<String, Vec<String>>,
    tagger: Tagger,
}

impl Lexicon {
    /// From the treebanks.
    pub(crate) fn learn(sentences: &[Vec<Word>]) -> Self {
        let mut forms: BTreeMap<(String, String), BTreeMap<String, u32>> = BTreeMap::new();
        let mut lemmas: BTreeMap<(String, String), BTreeMap<String, u32>> = BTreeMap::new();
        let mut counts = BTreeMap::new();
        let mut by_tag: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for word in sentences.iter().flatten() {
            let form = normal_form(&word.form);
            let tag = word.tag.clone();
            *forms.entry((word.lemma.clone(), tag.clone())).or_default().entry(form.clone()).or_default() += 1;
            *lemmas.entry((form.clone(), tag.clone())).or_default().entry(word.lemma.clone()).or_default() += 1;
            *by_tag.entry(tag).or_default().entry(form.clone()).or_default() += 1;
            *counts.entry(form).or_insert(0) += TREEBANK_COUNT;
        }
        let best = |(key, counts): (_, BTreeMap<String, u32>)| {
            Some((key, counts.into_iter().max_by_key(|(_, n)| *n).map(|(form, _)| form)?))
        };
        let frequent = |(tag, counts): (String, BTreeMap<String, u32>)| {
            let mut forms: Vec<_> =
                counts.into_iter().filter(|(form, _)| form.chars().all(char::is_alphabetic)).collect();
            forms.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            (tag, forms.into_iter().take(FREQUENT).map(|(form, _)| form).collect())
        };
        Self {
            inflections: forms.into_iter().filter_map(best).collect(),
            lemmas: lemmas.into_iter().filter_map(best).collect(),
            counts,
            frequent: by_tag.into_iter().map(frequent).collect(),
            misspellings: HashMap::new(),
            tagger: Tagger::learn(sentences),
        }
    }

    /// Counts the words of plain text too.
    pub(crate) fn count_plain(&mut self, sentences: &[Vec<String>]) {
        for word in sentences.iter().flatten() {
            *self.counts.entry(normal_form(word)).or_insert(0) += 1;
        }
    }

    /// Takes real misspellings from lines `wrong->right`; lines with several corrections are passed over.
    pub(crate) fn read_misspellings(&mut self, lines: &str) {
        let word = |text: &str| text.len() > 3 && text.chars().all(|c| c.is_ascii_lowercase());
        for (wrong, right) in lines.lines().filter_map(|line| line.trim().split_once("->")) {
            if word(wrong) && word(right) && self.count(wrong) == 0 && self.count(right) > 0 {
                self.misspellings.entry(right.to_owned()).or_default().push(wrong.to_owned());
            }
        }
    }

    /// How a word has really been misspelled.
    pub(crate) fn misspellings(&self, form: &str) -> &[String] {
        self.misspellings.get(form).map_or(&[], Vec::as_slice)
    }

    /// The commonest forms of a Penn tag in the treebanks.
    pub(crate) fn frequent(&self, tag: &str) -> &[String] {
        self.frequent.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The form of a lemma for a Penn tag: as seen in the treebanks, else by table and rule where the text has it.
    pub(crate) fn inflect(&self, lemma: &str, tag: &str) -> Option<String> {
        if let Some(seen) = self.inflections.get(&(lemma.to_owned(), tag.to_owned())) {
            return Some(seen.clone());
        }
        by_rule(lemma, tag).filter(|form| self.count(form) > 0)
    }

    /// The words of a sentence with lemmas and Penn tags.
    pub(crate) fn tagged(&self, forms: &[String]) -> Vec<Word> {
        let forms: Vec<&str> = forms.iter().map(String::as_str).collect();
        let tags = self.tagger.tags(&forms);
        forms.iter().zip(tags).map(|(form, tag)| Word::new(form, &self.lemma(&normal_form(form), tag), tag)).collect()
    }

    /// The lemma of a form: as seen, else the commonest word of which rules make that form; empty where there is none.
    fn lemma(&self, form: &str, tag: &str) -> String {
        if let Some(seen) = self.lemmas.get(&(form.to_owned(), tag.to_owned())) {
            return seen.clone();
        }
        let endings: &[(&str, &str)] = match tag {
            "VBZ" | "NNS" => &[("s", ""), ("es", ""), ("ies", "y")],
            "VBD" | "VBN" => &[("ed", ""), ("d", ""), ("ied", "y")],
            "VBG" => &[("ing", ""), ("ing", "e")],
            "NN" | "VB" | "VBP" | "JJ" | "RB" => return form.to_owned(),
            _ => return String::new(),
        };
        let stem = |(cut, put): &(&str, &str)| form.strip_suffix(cut).map(|stem| format!("{stem}{put}"));
        let undoubled = |stem: String| {
            let twice = stem.len() > 3 && stem.as_bytes()[stem.len() - 1] == stem.as_bytes()[stem.len() - 2];
            if twice && stem.is_ascii() { vec![stem[..stem.len() - 1].to_owned(), stem] } else { vec![stem] }
        };
        let fits = |lemma: &String| by_rule(lemma, tag).as_deref() == Some(form) && self.count(lemma) > 0;
        let found = endings.iter().filter_map(stem).flat_map(undoubled).filter(fits);
        found.max_by_key(|lemma| self.count(lemma)).unwrap_or_default()
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
        let tags: std::collections::BTreeSet<_> = self.lemmas.keys().map(|(_, tag)| tag.clone()).collect();
        tags.into_iter().collect()
    }
}

/// The form of a lemma for a Penn tag by table and rule.
fn by_rule(lemma: &str, tag: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_plain_text_get_lemmas_whose_forms_exist() {
        let seen = vec![vec![Word::new("The", "the", "DT"), Word::new("dogs", "dog", "NNS")]];
        let mut lexicon = Lexicon::learn(&seen);
        let plain = ["stop", "stopped", "making", "make", "carry", "carries"].map(str::to_owned);
        lexicon.count_plain(&[plain.to_vec()]);
        assert_eq!(lexicon.lemma("stopped", "VBD"), "stop");
        assert_eq!(lexicon.lemma("making", "VBG"), "make");
        assert_eq!(lexicon.lemma("carries", "VBZ"), "carry");
        assert_eq!(lexicon.lemma("things", "NNS"), "", "no such word was read");
        assert_eq!(lexicon.inflect("make", "VBZ"), None, "nobody wrote it");
    }

    #[test]
    fn only_sure_misspellings_of_known_words_are_taken() {
        let mut lexicon = Lexicon::learn(&[]);
        lexicon.count_plain(&[vec!["receive".into(), "ther".into(), "their".into()]]);
        lexicon.read_misspellings("recieve->receive\nther->their\nabcd->their, there,\nzzzz->unknown\n");
        assert_eq!(lexicon.misspellings("receive"), ["recieve"]);
        assert!(lexicon.misspellings("their").is_empty());
    }
}
