//! What the network sees of a token: a word row, rows of character n-grams, a shape, and evidence of its neighbours.

use std::collections::HashMap;

use super::evidence::{Evidence, KINDS, word_key};
use super::tokenize::Token;

/// Rows of the word table: the vocabulary first, then [`UNKNOWN_ROWS`] shared rows.
pub const WORD_ROWS: usize = 12_288;
/// Shared rows for words outside the vocabulary, chosen by hash.
pub const UNKNOWN_ROWS: usize = 1_024;
/// The most words that a vocabulary may hold.
pub const MAX_VOCABULARY: usize = WORD_ROWS - UNKNOWN_ROWS;
/// Rows of the character n-gram table, chosen by hash.
pub const GRAM_ROWS: usize = 16_384;
/// The most n-grams taken of one token.
pub const GRAMS: usize = 16;
/// Rows of the shape table.
pub const SHAPES: usize = 32;

/// One token as row numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Row of the word table, below [`WORD_ROWS`].
    pub word: u32,
    /// Rows of the n-gram table, each below [`GRAM_ROWS`]; 1 to [`GRAMS`] of them.
    pub grams: Vec<u32>,
    /// Row of the shape table, below [`SHAPES`].
    pub shape: u32,
    /// Rows of the evidence table, one a kind.
    pub evidence: [u32; KINDS],
}

/// The words that the detector knows, the most frequent first, with their counts in the training text.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    words: HashMap<String, (u32, u32)>,
}

impl Vocabulary {
    /// Reads lines of `word count`, the most frequent first. Lines of another form are skipped, as are words
    /// past [`MAX_VOCABULARY`].
    pub fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        let known = pairs.filter_map(|(word, count)| Some((word.to_owned(), count.parse().ok()?)));
        let words = known.take(MAX_VOCABULARY).zip(0..).map(|((word, count), rank)| (word, (rank, count))).collect();
        Self { words }
    }

    /// The row of a lower-case word.
    pub fn rank(&self, word: &str) -> Option<u32> {
        self.words.get(word).map(|(rank, _)| *rank)
    }

    /// How often a lower-case word stood in the training text; 0 where it is not in the vocabulary.
    pub fn count(&self, word: &str) -> u32 {
        self.words.get(word).map_or(0, |(_, count)| *count)
    }

    /// How many words it holds.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// The form under which a token is looked up: lower case, each digit as 0.
pub fn normal_form(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}

/// The features of the tokens of one sentence, in order.
pub fn features(tokens: &[Token], vocabulary: &Vocabulary, evidence: &Evidence) -> Vec<Features> {
    let first_word = tokens.iter().position(Token::is_word);
    let forms: Vec<String> = tokens.iter().map(|token| normal_form(&token.text)).collect();
    let keys: Vec<u64> = forms.iter().map(|form| word_key(form)).collect();
    let row = |((at, token), (form, found)): ((usize, &Token), (&String, [u32; KINDS]))| {
        token_features((&token.text, form), Some(at) == first_word, vocabulary, true, found)
    };
    tokens.iter().enumerate().zip(forms.iter().zip(evidence.rows(&keys))).map(row).collect()
}

/// The features of one token, given as it stands and in its normal form. `known` false treats the word as outside the
/// vocabulary (a regulariser of training).
pub fn token_features(
    (text, form): (&str, &str),
    first: bool,
    vocabulary: &Vocabulary,
    known: bool,
    evidence: [u32; KINDS],
) -> Features {
    let rank = if known { vocabulary.rank(form) } else { None };
    let word = rank.unwrap_or_else(|| row(MAX_VOCABULARY, UNKNOWN_ROWS, hash(form.chars(), 7)));
    let shape = case_class(text) * 4 + u32::from(rank.is_some()) * 2 + u32::from(first);
    Features { word, grams: gram_rows(form), shape, evidence }
}

/// Prefixes and suffixes of up to four letters, then trigrams from the left, at most [`GRAMS`] in all.
fn gram_rows(form: &str) -> Vec<u32> {
    let chars: Vec<char> = std::iter::once('<').chain(form.chars().take(40)).chain(std::iter::once('>')).collect();
    let mut slices: Vec<&[char]> = Vec::with_capacity(GRAMS);
    for length in 2..=5 {
        if chars.len() >= length {
            slices.push(&chars[..length]);
            slices.push(&chars[chars.len() - length..]);
        }
    }
    slices.extend(chars.windows(3).skip(1));
    slices.truncate(GRAMS);
    slices.into_iter().map(|gram| row(0, GRAM_ROWS, hash(gram.iter().copied(), 3))).collect()
}

/// How the characters of a token look: 0 lower case, 1 capitalised, 2 capitals, 3 one capital, 4 mixed, 5 digits,
/// 6 punctuation, 7 another script.
fn case_class(text: &str) -> u32 {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let upper = letters.iter().filter(|c| c.is_uppercase()).count();
    let lower = letters.iter().filter(|c| c.is_lowercase()).count();
    match letters.first() {
        None if text.chars().any(|c| c.is_ascii_digit()) => 5,
        None => 6,
        Some(_) if upper + lower == 0 => 7,
        Some(_) if upper == 0 => 0,
        Some(_) if upper == 1 && lower == 0 => 3,
        Some(_) if lower == 0 => 2,
        Some(first) if upper == 1 && first.is_uppercase() => 1,
        Some(_) => 4,
    }
}

/// FNV-1a over scalar values, finished with a multiply-shift so that the low bits are usable.
fn hash(chars: impl Iterator<Item = char>, seed: u64) -> u64 {
    let fold = |h: u64, c: char| (h ^ u64::from(u32::from(c))).wrapping_mul(0x0000_0100_0000_01b3);
    let h = chars.fold(0xcbf2_9ce4_8422_2325 ^ seed, fold);
    (h ^ (h >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

fn row(first: usize, rows: usize, hash: u64) -> u32 {
    u32::try_from(first as u64 + hash % rows as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_have_their_own_row_and_others_share() {
        let vocabulary = Vocabulary::parse("the 90\ncat 4\nbroken\n");
        assert_eq!(vocabulary.len(), 2);
        assert_eq!(token_features(("Cat", "cat"), true, &vocabulary, true, [0; KINDS]).word, 1);
        let unknown = token_features(("Zyzzyva", "zyzzyva"), false, &vocabulary, true, [0; KINDS]);
        assert!(unknown.word as usize >= MAX_VOCABULARY && (unknown.word as usize) < WORD_ROWS);
    }

    #[test]
    fn every_row_number_is_in_range() {
        for text in ["a", "İ", "안녕", "👍🏽", "a-very-long-word-that-has-no-end-whatever-one-does", "1,000.5", "\u{0}"]
        {
            let found = token_features((text, &normal_form(text)), true, &Vocabulary::default(), true, [0; KINDS]);
            assert!((1..=GRAMS).contains(&found.grams.len()), "{text}");
            assert!(found.grams.iter().all(|g| (*g as usize) < GRAM_ROWS), "{text}");
            assert!((found.shape as usize) < SHAPES && (found.word as usize) < WORD_ROWS, "{text}");
        }
    }
}
