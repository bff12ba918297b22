//! Reads the data: treebanks (`CoNLL-U`), minimal pairs (`BLiMP`), the catalogue, and the sets that are only measured on.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow_lite::Context;
use baeum_domain::learning::evaluation::ErrorCategory;
use baeum_ml::learning::error_detector::tags;
use baeum_ml::learning::error_detector::tokenize::{self, Token};

use crate::lexicon::Lexicon;

/// A word of clean text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Word {
    pub(crate) form: String,
    pub(crate) lemma: String,
    /// Penn tag.
    pub(crate) tag: String,
    /// What the author really typed, where the treebank marks it as a mistake.
    pub(crate) typed: Option<String>,
}

impl Word {
    pub(crate) fn new(form: &str, lemma: &str, tag: &str) -> Self {
        Self { form: form.to_owned(), lemma: lemma.to_owned(), tag: tag.to_owned(), typed: None }
    }
}

/// A sentence with a tag number for each word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Example {
    pub(crate) words: Vec<String>,
    /// Places in `TAGS`.
    pub(crate) tags: Vec<u32>,
    /// Penn tag of each word, empty where unknown.
    pub(crate) pos: Vec<String>,
}

impl Example {
    /// The words, each mistake followed by its category.
    pub(crate) fn marked(&self) -> String {
        let name = |tag: u32| tags::TAGS.get(tag as usize).copied().flatten();
        let one =
            |(word, tag): (&String, &u32)| name(*tag).map_or_else(|| word.clone(), |tag| format!("{word}[{tag}]"));
        self.words.iter().zip(&self.tags).map(one).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.words.iter().zip(0..).map(|(word, at)| Token::bare(word, at)).collect()
    }
}

/// Two sentences that differ in one thing; only the first is English.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) paradigm: String,
    pub(crate) good: String,
    pub(crate) bad: String,
}

/// Clean sentences, split by document.
#[derive(Debug, Default)]
pub(crate) struct Clean {
    pub(crate) train: Vec<Vec<Word>>,
    pub(crate) validation: Vec<Vec<Word>>,
    pub(crate) test: Vec<Vec<Word>>,
}

pub(crate) fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Reads the treebanks below `data/ud`. Dev and test documents of EWT stay what their makers made them;
/// of PUD all is for training. What else lies there is not read.
pub(crate) fn treebanks(data: &Path) -> anyhow_lite::Result<Clean> {
    let mut clean = Clean::default();
    let ewt = data.join("ud/ewt");
    for (file, part) in [("dev", &mut clean.validation), ("test", &mut clean.test)] {
        part.extend(conllu(&ewt.join(format!("en_ewt-ud-{file}.conllu")))?);
    }
    let names = ewt.join("not-to-release/file-lists/files.train");
    let names = fs::read_to_string(&names).context(|| format!("reading {}", names.display()))?;
    let train: HashSet<String> = names.lines().map(|line| line.trim().to_owned()).collect();
    for path in files_below(&ewt.join("not-to-release/sources"), ".conllu") {
        let name =
            path.strip_prefix(ewt.join("not-to-release/sources")).unwrap_or(&path).to_string_lossy().into_owned();
        if train.contains(&name) {
            clean.train.extend(conllu(&path)?);
        }
    }
    clean.train.extend(conllu(&data.join("ud/pud/en_pud-ud-test.conllu"))?);
    Ok(clean)
}

/// The sentences of one `CoNLL-U` file that are fit to train on: 3 to 60 words, no words joined by hand.
fn conllu(path: &Path) -> anyhow_lite::Result<Vec<Vec<Word>>> {
    let text = fs::read_to_string(path).context(|| format!("reading {}", path.display()))?;
    let fit = |words: &Vec<Word>| {
        let lower = words.iter().filter(|w| w.form.chars().any(char::is_lowercase)).count();
        (3..=60).contains(&words.len())
            && lower * 2 > words.len()
            && !words.iter().any(|w| matches!(w.tag.as_str(), "GW" | "ADD" | "AFX" | "XX" | "FW"))
    };
    Ok(text.split("\n\n").map(|block| block.lines().filter_map(conllu_word).collect()).filter(fit).collect())
}

fn conllu_word(line: &str) -> Option<Word> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [id, form, lemma, _, tag, _, _, _, _, misc] = columns.as_slice() else { return None };
    id.parse::<u32>().ok()?;
    let correct = misc.split('|').find_map(|part| part.strip_prefix("CorrectForm="));
    match correct {
        Some("_") | None => Some(Word::new(form, &lemma.to_lowercase(), tag)),
        Some(correct) => {
            Some(Word { typed: Some((*form).to_owned()), ..Word::new(correct, &lemma.to_lowercase(), tag) })
        }
    }
}

/// The catalogue's own sentences.
pub(crate) fn catalogue(folder: &Path, lexicon: &Lexicon) -> Vec<Vec<Word>> {
    let mut sentences = Vec::new();
    for path in files_below(folder, ".toml") {
        let parsed = fs::read_to_string(&path).ok().and_then(|text| text.parse::<toml::Table>().ok());
        let mut texts = Vec::new();
        strings(&toml::Value::Table(parsed.unwrap_or_default()), "", &mut texts);
        for text in texts {
            let tokens = tokenize::tokenize(&text);
            for range in tokenize::sentences(&tokens) {
                let words: Vec<String> = tokens[range].iter().map(|t| t.text.clone()).collect();
                if words.len() >= 4 && words.iter().all(|word| word.is_ascii()) {
                    sentences.push(lexicon.tagged(&words));
                }
            }
        }
    }
    sentences
}

fn strings(value: &toml::Value, key: &str, into: &mut Vec<String>) {
    match value {
        toml::Value::String(text) if matches!(key, "text" | "sample" | "passage" | "synopsis") => {
            into.push(text.clone());
        }
        toml::Value::Array(items) => items.iter().for_each(|item| strings(item, key, into)),
        toml::Value::Table(table) => table.iter().for_each(|(key, item)| strings(item, key, into)),
        _ => {}
    }
}

/// The minimal pairs below `data/blimp/data`, in the order of the files.
pub(crate) fn blimp(data: &Path) -> anyhow_lite::Result<Vec<Pair>> {
    #[derive(serde::Deserialize)]
    struct Line {
        sentence_good: String,
        sentence_bad: String,
    }
    let mut pairs = Vec::new();
    for path in files_below(&data.join("blimp/data"), ".jsonl") {
        let paradigm = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?.lines() {
            let line: Line = serde_json::from_str(line).context(|| format!("a line of {}", path.display()))?;
            pairs.push(Pair { paradigm: paradigm.clone(), good: line.sentence_good, bad: line.sentence_bad });
        }
    }
    Ok(pairs)
}

/// Both sides of a pair as examples; the words that differ are wrong in the second. `None` where words are missing.
pub(crate) fn pair_examples(pair: &Pair, category: ErrorCategory) -> Option<[Example; 2]> {
    let cut = |text: &str| tokenize::tokenize(text).into_iter().map(|t| t.text).collect::<Vec<_>>();
    let (good, bad) = (cut(&pair.good), cut(&pair.bad));
    let tag = u32::try_from(tags::index(Some(category))).ok()?;
    let tags: Vec<u32> = good.iter().zip(&bad).map(|(a, b)| if a == b { 0 } else { tag }).collect();
    let wrong = tags.iter().filter(|t| **t != 0).count();
    let pos = vec![String::new(); good.len()];
    (good.len() == bad.len() && (1..=2).contains(&wrong)).then(|| {
        [Example { words: good, tags: vec![0; bad.len()], pos: pos.clone() }, Example { words: bad, tags, pos }]
    })
}

/// FCE's test part as tokens with c or i: only measured on, never trained on.
pub(crate) fn fce(data: &Path) -> anyhow_lite::Result<Vec<Example>> {
    fce_part(data, "test")
}

/// A part of FCE. Its training part may train only what is not passed on: the licence is for research.
pub(crate) fn fce_part(data: &Path, part: &str) -> anyhow_lite::Result<Vec<Example>> {
    let path = data.join(format!("fce/fce-public.{part}.original.tsv"));
    let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
    let mut all = vec![Example::default()];
    for line in text.lines() {
        match (line.split_once('\t'), all.last_mut()) {
            (Some((word, label)), Some(last)) => {
                last.words.push(word.to_owned());
                last.tags.push(u32::from(label.trim() == "i"));
            }
            _ => all.push(Example::default()),
        }
    }
    all.retain(|example| !example.words.is_empty());
    Ok(all)
}

/// Learners' sentences of JFLEG's test part with their first correction: only measured on.
pub(crate) fn jfleg(data: &Path) -> anyhow_lite::Result<Vec<Pair>> {
    let read = |name: &str| {
        let path = data.join("jfleg/test").join(name);
        fs::read_to_string(&path).context(|| format!("reading {}", path.display()))
    };
    let (bad, good) = (read("test.src")?, read("test.ref0")?);
    let pairs = bad.lines().zip(good.lines()).filter(|(bad, good)| bad.trim() != good.trim());
    Ok(pairs.map(|(bad, good)| Pair { paradigm: "jfleg".into(), good: good.into(), bad: bad.into() }).collect())
}

/// Errors of a command-line tool: a message, with what was being done.
pub(crate) mod anyhow_lite {
    use std::error::Error;
    use std::fmt::Display;

    pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

    pub(crate) trait Context<T> {
        fn context(self, what: impl FnOnce() -> String) -> Result<T>;
    }

    impl<T, E: Display> Context<T> for std::result::Result<T, E> {
        fn context(self, what: impl FnOnce() -> String) -> Result<T> {
            self.map_err(|e| format!("{}: {e}", what()).into())
        }
    }
}
