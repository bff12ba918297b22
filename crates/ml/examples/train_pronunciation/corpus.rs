//! The recordings of speechocean762 and the dictionary of CMU, as far as training needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use baeum_domain::learning::sounds::Sound;
use baeum_ml::learning::pronunciation::audio::{decode, resample};
use baeum_ml::learning::pronunciation::features::{Frames, frames};
use baeum_ml::learning::pronunciation::lexicon::{Lexicon, Pronunciation};

use crate::Result;

/// Rates as which a recording is read besides its own, where something is learned from it: voices of other sizes and speeds.
const OTHER_RATES: [usize; 2] = [14_400, 17_600];
/// Every so many-th speaker of the training part is kept for choosing and for the thresholds.
const KEPT_OUT: usize = 9;

/// One recording.
pub(crate) struct Utterance {
    pub child: bool,
    pub text: String,
    /// The ways to say each of its words.
    pub words: Vec<Vec<Pronunciation>>,
    /// Its frames; where something is learned from it also as recorded at other rates.
    pub frames: Vec<Frames>,
}

/// The parts of the corpus. No speaker is in two.
pub(crate) struct Corpus {
    pub train: Vec<Utterance>,
    pub validation: Vec<Utterance>,
    pub test: Vec<Utterance>,
}

/// The dictionary: that of CMU, and of the corpus what it adds.
pub(crate) fn lexicon(cmudict: &Path, corpus: &Path) -> Result<Lexicon> {
    let mut pairs: Vec<(String, Pronunciation)> = Vec::new();
    for line in fs::read_to_string(cmudict.join("cmudict.dict"))?.lines() {
        let line = line.split(" #").next().unwrap_or(line);
        let Some((word, sounds)) = line.split_once(' ') else { continue };
        let word = word.split('(').next().unwrap_or(word);
        if word.chars().all(|c| c.is_ascii_lowercase() || c == '\'') && word.starts_with(|c: char| c != '\'') {
            pairs.extend(pronunciation(sounds).map(|sounds| (word.to_owned(), sounds)));
        }
    }
    let known: BTreeSet<String> = pairs.iter().map(|(word, _)| word.clone()).collect();
    for line in fs::read_to_string(corpus.join("resource/lexicon.txt"))?.lines() {
        let Some((word, sounds)) = line.split_once(['\t', ' ']) else { continue };
        let word = word.to_lowercase();
        if !known.contains(&word) {
            pairs.extend(pronunciation(sounds).map(|sounds| (word, sounds)));
        }
    }
    // A stable sort keeps the order of the dictionary, the usual way first; the same sounds with another stress go.
    let mut seen = BTreeSet::new();
    pairs.retain(|pair| seen.insert(pair.clone()));
    Ok(Lexicon::parse(Lexicon::write(pairs)))
}

fn pronunciation(sounds: &str) -> Option<Pronunciation> {
    let class = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).parse::<Sound>().ok();
    sounds.split_whitespace().map(|name| Some(class(name)? as u8)).collect()
}

/// Reads the corpus.
pub(crate) fn read(folder: &Path, lexicon: &Lexicon) -> Result<Corpus> {
    let mut corpus = Corpus { train: Vec::new(), validation: Vec::new(), test: part(folder, "test", lexicon, &|_| 1)? };
    let speakers: BTreeSet<String> = pairs(&folder.join("train/spk2age"))?.into_keys().collect();
    let kept: BTreeSet<String> = speakers.into_iter().step_by(KEPT_OUT).collect();
    let rates = |speaker: &str| if kept.contains(speaker) { 1 } else { 1 + OTHER_RATES.len() };
    for utterance in part(folder, "train", lexicon, &rates)? {
        let into = if utterance.frames.len() == 1 { &mut corpus.validation } else { &mut corpus.train };
        into.push(utterance);
    }
    Ok(corpus)
}

fn pairs(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path)?;
    let pair = |line: &str| line.split_once(['\t', ' ']).map(|(a, b)| (a.to_owned(), b.trim().to_owned()));
    Ok(text.lines().filter_map(pair).collect())
}

fn part(
    folder: &Path,
    name: &str,
    lexicon: &Lexicon,
    rates: &(dyn Fn(&str) -> usize + Sync),
) -> Result<Vec<Utterance>> {
    let of = |file: &str| pairs(&folder.join(name).join(file));
    let (texts, files, speakers, ages) = (of("text")?, of("wav.scp")?, of("utt2spk")?, of("spk2age")?);
    let mut all = Vec::new();
    for (id, text) in &texts {
        let (Some(file), Some(speaker)) = (files.get(id), speakers.get(id)) else { continue };
        let samples = decode(&fs::read(folder.join(file))?)?;
        let mut versions = vec![frames(&samples)];
        for rate in OTHER_RATES.iter().take(rates(speaker) - 1) {
            versions.push(frames(&resample(samples.clone(), *rate)?));
        }
        let words: Vec<_> = lexicon.words(text).into_iter().map(|word| word.variants).collect();
        if words.iter().any(Vec::is_empty) {
            println!("{id}: a word of {text:?} is in no dictionary");
        }
        let child = ages.get(speaker).and_then(|age| age.parse::<u32>().ok()).is_some_and(|age| age < 16);
        all.push(Utterance { child, text: text.clone(), words, frames: versions });
    }
    Ok(all)
}
