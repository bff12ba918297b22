//! Penn tags and lemmas for text that has none: an averaged perceptron, trained on the treebanks.

use std::collections::{BTreeMap, HashMap};

use baeum_ml::learning::error_detector::features::normal_form;

use crate::corpus::Word;
use crate::rng::Rng;

/// Rows of weights, chosen by hash.
const ROWS: usize = 1 << 18;
const FEATURES: usize = 14;
const PASSES: usize = 5;

/// The tagger.
#[derive(Debug)]
pub(crate) struct Tagger {
    tags: Vec<String>,
    weights: Vec<f32>,
    /// Tag of a form that has had no other, seen five times and more.
    sure: HashMap<String, u32>,
}

impl Tagger {
    /// Learns from sentences in a random order, always the same.
    pub(crate) fn learn(sentences: &[Vec<Word>]) -> Self {
        let mut seen: BTreeMap<String, BTreeMap<&str, u32>> = BTreeMap::new();
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for word in sentences.iter().flatten() {
            *seen.entry(normal_form(&word.form)).or_default().entry(&word.tag).or_default() += 1;
            numbers.insert(&word.tag, 0);
        }
        numbers.values_mut().zip(0..).for_each(|(number, at)| *number = at);
        let only = |(form, tags): (&String, &BTreeMap<&str, u32>)| {
            let (tag, count) = tags.first_key_value()?;
            (tags.len() == 1 && *count >= 5).then(|| (form.clone(), numbers[tag]))
        };
        let sure: HashMap<_, _> = seen.iter().filter_map(only).collect();
        let width = numbers.len();
        let mut this = Self {
            tags: numbers.keys().map(|tag| (*tag).to_owned()).collect(),
            weights: vec![0.0; ROWS * width],
            sure,
        };
        let mut late = vec![0.0; ROWS * width];
        let (mut rng, mut step) = (Rng::new(1), 1.0);
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        for _ in 0..PASSES {
            rng.shuffle(&mut order);
            for sentence in order.iter().map(|at| &sentences[*at]) {
                let forms: Vec<&str> = sentence.iter().map(|w| w.form.as_str()).collect();
                let truth: Vec<u32> = sentence.iter().map(|w| numbers[w.tag.as_str()]).collect();
                let shapes: Vec<String> = forms.iter().map(|form| normal_form(form)).collect();
                let mut found = Vec::with_capacity(forms.len());
                for (at, truth) in truth.into_iter().enumerate() {
                    let rows = rows(&forms, &shapes, &found, at);
                    let guess = this.best(&rows);
                    if guess != truth {
                        for row in rows {
                            for (tag, sign) in [(truth, 1.0), (guess, -1.0)] {
                                let cell = row * width + tag as usize;
                                this.weights[cell] += sign;
                                late[cell] += sign * step;
                            }
                        }
                    }
                    step += 1.0;
                    found.push(guess);
                }
            }
        }
        this.weights.iter_mut().zip(late).for_each(|(weight, late)| *weight -= late / step);
        this
    }

    /// Penn tags of the words of a sentence.
    pub(crate) fn tags(&self, forms: &[&str]) -> Vec<&str> {
        let shapes: Vec<String> = forms.iter().map(|form| normal_form(form)).collect();
        let mut found = Vec::with_capacity(forms.len());
        for at in 0..forms.len() {
            let sure = self.sure.get(&shapes[at]).copied();
            found.push(sure.unwrap_or_else(|| self.best(&rows(forms, &shapes, &found, at))));
        }
        found.into_iter().map(|tag| self.tags[tag as usize].as_str()).collect()
    }

    fn best(&self, rows: &[usize; FEATURES]) -> u32 {
        let width = self.tags.len();
        let mut sums = vec![0.0f32; width];
        for row in rows {
            sums.iter_mut().zip(&self.weights[row * width..]).for_each(|(sum, weight)| *sum += weight);
        }
        let best = (0..width).max_by(|a, b| sums[*a].total_cmp(&sums[*b]).then(b.cmp(a)));
        best.and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
    }
}

/// Rows of the weights that speak of a word: itself, its ends, its neighbours and the tags before it.
fn rows(forms: &[&str], shapes: &[String], found: &[u32], at: usize) -> [usize; FEATURES] {
    let shape = |shift: isize| at.checked_add_signed(shift).and_then(|i| shapes.get(i)).map_or("", String::as_str);
    let tag = |back: usize| at.checked_sub(back).and_then(|i| found.get(i)).map_or(99, |tag| *tag);
    let ending = |word: &str, count: usize| {
        let skip = word.chars().count().saturating_sub(count);
        word.chars().skip(skip).collect::<String>()
    };
    let own = shape(0);
    let capital = forms[at].chars().next().is_some_and(char::is_uppercase);
    let look = (u32::from(capital) * 2 + u32::from(at == 0)) * 2 + u32::from(own.contains('-'));
    let texts = [
        own.to_owned(),
        ending(own, 3),
        ending(own, 2),
        own.chars().take(2).collect(),
        format!("{} {}", tag(1), tag(2)),
        format!("{} {own}", tag(1)),
        shape(-1).to_owned(),
        shape(-2).to_owned(),
        shape(1).to_owned(),
        shape(2).to_owned(),
        ending(shape(1), 3),
        ending(shape(-1), 3),
        format!("{look} {}", ending(own, 1)),
        tag(1).to_string(),
    ];
    let mut rows = [0; FEATURES];
    for ((row, text), kind) in rows.iter_mut().zip(texts).zip(0u64..) {
        let fold = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ kind, fold);
        let hash = (hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        *row = usize::try_from(hash).unwrap_or(0) % ROWS;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_tagged_by_its_neighbours() {
        let sentence = |text: &str| -> Vec<Word> {
            let word = |part: &str| part.split_once('/').map(|(form, tag)| Word::new(form, form, tag));
            text.split(' ').filter_map(word).collect()
        };
        let texts =
            ["I/PRP walk/VB home/RB", "a/DT walk/NN ends/VBZ", "I/PRP run/VB home/RB", "the/DT run/NN ends/VBZ"];
        let all: Vec<Vec<Word>> = texts.iter().cycle().take(40).map(|text| sentence(text)).collect();
        let tagger = Tagger::learn(&all);
        assert_eq!(tagger.tags(&["the", "walk", "ends"]), ["DT", "NN", "VBZ"]);
        assert_eq!(tagger.tags(&["I", "run", "home"]), ["PRP", "VB", "RB"]);
    }
}
