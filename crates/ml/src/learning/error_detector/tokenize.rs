//! Cuts text into tokens and sentences, keeping where each token stands.
//!
//! Words are cut the way English treebanks cut them ("don't" is `do` + `n't`, "Tom's" is `Tom` + `'s`), because
//! the detector is trained on treebanks. Offsets count Unicode scalar values, never bytes.

use std::ops::Range;

/// A word, number or punctuation mark of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its characters, with typographic apostrophes and quotation marks made plain.
    pub text: String,
    /// Where it begins, in Unicode scalar values from 0.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// Whether a line break stands before it.
    pub after_break: bool,
}

impl Token {
    /// A token of a text that was cut before; its place is `index`.
    pub fn bare(text: &str, index: u32) -> Self {
        Self { text: text.chars().map(plain).collect(), start: index, end: index + 1, after_break: false }
    }

    /// Whether the detector judges it: only words with a Latin letter are judged.
    pub fn is_judged(&self) -> bool {
        self.text.chars().any(is_latin)
    }

    /// Whether it is a word of any script.
    pub fn is_word(&self) -> bool {
        self.text.chars().any(char::is_alphabetic)
    }
}

/// Endings that are tokens of their own, as treebanks have them.
const CLITICS: [&str; 6] = ["'s", "'re", "'ve", "'ll", "'d", "'m"];
/// Abbreviations that keep their full stop and end no sentence.
const ABBREVIATIONS: [&str; 9] = ["mr", "mrs", "ms", "dr", "st", "vs", "no", "prof", "jr"];

fn plain(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{2bc}' | '`' | '\u{b4}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2013}' | '\u{2014}' => '-',
        other => other,
    }
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || (('\u{c0}'..='\u{24f}').contains(&c) && c.is_alphabetic())
}

/// Cuts a text into tokens, in order. Never fails; text without words gives punctuation or nothing.
pub fn tokenize(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().map(plain).collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut after_break = false;
    while let Some(&c) = chars.get(at) {
        if c.is_whitespace() || c.is_control() {
            after_break |= c == '\n';
            at += 1;
            continue;
        }
        let end = if c.is_alphanumeric() { word_end(&chars, at) } else { mark_end(&chars, at) };
        push_split(&mut tokens, &chars, at..end, after_break);
        after_break = false;
        at = end;
    }
    tokens
}

/// Where the word or number that begins at `start` ends.
fn word_end(chars: &[char], start: usize) -> usize {
    let is_letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphabetic());
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    // Dotted letters such as "p.m." and "U.S." are one token.
    let mut dotted = start;
    while is_letter(dotted) && chars.get(dotted + 1) == Some(&'.') && !is_letter_before(chars, dotted, start) {
        dotted += 2;
    }
    if dotted >= start + 4 {
        return dotted;
    }
    let mut end = start + 1;
    while let Some(&c) = chars.get(end) {
        let joins = c.is_alphanumeric()
            || is_mark(c)
            || (c == '\'' && is_letter(end - 1) && is_letter(end + 1))
            || (matches!(c, '.' | ',' | ':') && is_digit(end - 1) && is_digit(end + 1));
        if !joins {
            break;
        }
        end += 1;
    }
    let word: String = chars[start..end].iter().flat_map(|c| c.to_lowercase()).collect();
    let abbreviated = chars.get(end) == Some(&'.') && is_letter(start) && ABBREVIATIONS.contains(&word.as_str());
    // "no" and "st" often end sentences: they keep the stop only where something follows that continues.
    let goes_on = chars.get(end + 1).is_some_and(|c| *c == ' ') && chars.get(end + 2).is_some_and(|c| c.is_uppercase());
    let title = !matches!(word.as_str(), "no" | "st");
    if abbreviated && title && goes_on { end + 1 } else { end }
}

fn is_letter_before(chars: &[char], at: usize, start: usize) -> bool {
    at > start && chars.get(at - 1).is_some_and(|c| c.is_alphabetic())
}

/// Whether a character only modifies the one before it (accents that combine, joiners, variation selectors).
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Where the run of one punctuation mark that begins at `start` ends.
fn mark_end(chars: &[char], start: usize) -> usize {
    let first = chars[start];
    // An apostrophe that begins a clitic standing alone ("'s") belongs to it.
    if first == '\'' {
        let tail: String = chars[start..].iter().take(3).flat_map(|c| c.to_lowercase()).collect();
        if let Some(clitic) = CLITICS.iter().find(|clitic| tail.starts_with(**clitic)) {
            let end = start + clitic.len();
            if start > 0 && chars.get(end).is_none_or(|c| !c.is_alphanumeric()) {
                return end;
            }
        }
    }
    let mut end = start + 1;
    while chars.get(end).is_some_and(|c| *c == first || is_mark(*c)) {
        end += 1;
    }
    end
}

/// Pushes one run of characters, split into word and clitic.
fn push_split(tokens: &mut Vec<Token>, chars: &[char], run: Range<usize>, after_break: bool) {
    // ASCII lowering keeps the number of characters, which the split counts on.
    let word: Vec<char> = chars[run.clone()].iter().map(char::to_ascii_lowercase).collect();
    let ends_with = |tail: &str| word.len() > tail.len() && word.ends_with(&tail.chars().collect::<Vec<_>>());
    let tail = if ends_with("n't") || word == ['c', 'a', 'n', 'n', 'o', 't'] {
        3
    } else {
        CLITICS.iter().find(|clitic| ends_with(clitic)).map_or(0, |clitic| clitic.len())
    };
    let cut = run.end - tail;
    let parts = [run.start..cut, cut..run.end];
    for (at, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
        tokens.push(Token {
            text: chars[part.clone()].iter().collect(),
            start: offset(part.start),
            end: offset(part.end),
            after_break: after_break && at == 0,
        });
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Groups tokens into sentences: ranges of indices, in order, together covering every token.
pub fn sentences(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for at in 0..tokens.len() {
        // A quotation mark or bracket closes a sentence only where it touches what it closes.
        let closes = |i: usize| {
            let closing = tokens.get(i).is_some_and(|t| matches!(t.text.as_str(), "\"" | "'" | ")" | "]"));
            closing && i > start && tokens[i - 1].end == tokens[i].start
        };
        let ends =
            |i: usize| tokens.get(i).is_some_and(|t| t.text.starts_with(['.', '!', '?', '\u{2026}', '\u{3002}']));
        let ended = ends(at) || (closes(at) && ends(at - 1));
        let next_continues = tokens.get(at + 1).is_some_and(|t| !t.after_break) && (ends(at + 1) || closes(at + 1));
        let broken = tokens.get(at + 1).is_some_and(|t| t.after_break);
        if (ended && !next_continues) || broken || at + 1 == tokens.len() {
            ranges.push(start..at + 1);
            start = at + 1;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokenize(text).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn contractions_are_cut_as_treebanks_cut_them() {
        assert_eq!(words("I don't know Tom’s dog."), ["I", "do", "n't", "know", "Tom", "'s", "dog", "."]);
        assert_eq!(words("We cannot go at 10:30 p.m."), ["We", "can", "not", "go", "at", "10:30", "p.m."]);
        assert_eq!(words("Mr. Park said \"no\"..."), ["Mr.", "Park", "said", "\"", "no", "\"", "..."]);
    }

    #[test]
    fn offsets_count_scalar_values_not_bytes() {
        let tokens = tokenize("안녕 👍 he");
        assert_eq!(tokens.iter().map(|t| (t.start, t.end)).collect::<Vec<_>>(), [(0, 2), (3, 4), (5, 7)]);
    }

    #[test]
    fn a_text_is_cut_into_its_sentences() {
        let tokens = tokenize("He left. \"Why?\" she said\nNobody knew");
        let ranges = sentences(&tokens);
        let firsts: Vec<_> = ranges.iter().map(|r| tokens[r.start].text.as_str()).collect();
        assert_eq!(firsts, ["He", "\"", "she", "Nobody"]);
        assert_eq!(ranges.last().map(|r| r.end), Some(tokens.len()));
    }
}
