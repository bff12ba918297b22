//! Word pieces of BERT, uncased: a word in lower case without accents, cut at marks, then the longest piece first.

use std::collections::HashMap;

use super::super::error_detector::tokenize::Token;

/// The most pieces that are read of one token.
pub const MOST: usize = 4;
/// How tokens can look, for the form embedding.
pub const FORMS: usize = 16;

/// The vocabulary of pieces.
#[derive(Clone, Debug, Default)]
pub struct WordPieces {
    rows: HashMap<String, u32>,
    unknown: u32,
    /// The piece before every sentence.
    pub(super) begin: u32,
    /// The piece after every sentence.
    pub(super) end: u32,
}

impl WordPieces {
    /// One piece a line, by row; a piece that continues a word begins with `##`. Where `[UNK]`, `[CLS]` or `[SEP]` is
    /// missing, row 0 stands for it.
    pub fn parse(text: &str) -> Self {
        let rows: HashMap<String, u32> = text.lines().map(str::to_owned).zip(0..).collect();
        let row = |name: &str| rows.get(name).copied().unwrap_or(0);
        Self { unknown: row("[UNK]"), begin: row("[CLS]"), end: row("[SEP]"), rows }
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows of a token's pieces: 1 to [`MOST`].
    pub fn pieces(&self, token: &str) -> Vec<u32> {
        let mut found = self.cut(token, MOST);
        if found.is_empty() {
            found.push(self.unknown);
        }
        found
    }

    /// The rows of a text's pieces, at most so many; tokens play no part.
    pub fn text(&self, text: &str, most: usize) -> Vec<u32> {
        let mut found = Vec::new();
        for word in text.split_whitespace() {
            found.extend(self.cut(word, most - found.len()));
            if found.len() == most {
                break;
            }
        }
        found
    }

    /// The rows of the pieces of what stands between blanks, at most so many.
    fn cut(&self, text: &str, most: usize) -> Vec<u32> {
        let lower: Vec<char> = text.chars().flat_map(char::to_lowercase).filter_map(base).collect();
        let mut found = Vec::with_capacity(2);
        // A mark is a word of its own.
        for word in lower.chunk_by(|a, b| a.is_alphanumeric() && b.is_alphanumeric()) {
            found.extend(self.word(word));
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        found
    }

    /// The longest piece first; a word with a part that no piece has is unknown as a whole.
    fn word(&self, word: &[char]) -> Vec<u32> {
        let (mut rows, mut start) = (Vec::new(), 0);
        while start < word.len() {
            let longest = (start + 1..=word.len().min(start + 24)).rev().find_map(|end| {
                let mut piece = String::from(if start == 0 { "" } else { "##" });
                piece.extend(&word[start..end]);
                self.rows.get(&piece).map(|row| (*row, end))
            });
            let Some((row, end)) = longest else { return vec![self.unknown] };
            rows.push(row);
            start = end;
        }
        rows
    }
}

/// A lower-case letter without its accent; `None` for an accent that stands alone.
fn base(c: char) -> Option<char> {
    Some(match c {
        '\u{300}'..='\u{36f}' => return None,
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ő' => 'o',
        'ś' | 'š' | 'ş' => 's',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    })
}

/// How the characters of a token look, below [`FORMS`]: lower case, capitalised, capitals, one capital, mixed, digits,
/// marks, another script; each for the first word of a sentence and for others.
pub fn form(token: &Token, first: bool) -> u32 {
    let letters = || token.text.chars().filter(|c| c.is_alphabetic());
    let (upper, lower) =
        (letters().filter(|c| c.is_uppercase()).count(), letters().filter(|c| c.is_lowercase()).count());
    let class = match letters().next() {
        None if token.text.chars().any(|c| c.is_ascii_digit()) => 5,
        None => 6,
        Some(_) if upper + lower == 0 => 7,
        Some(_) if upper == 0 => 0,
        Some(_) if lower == 0 && upper == 1 => 3,
        Some(_) if lower == 0 => 2,
        Some(initial) if upper == 1 && initial.is_uppercase() => 1,
        Some(_) => 4,
    };
    class * 2 + u32::from(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_cut_into_the_longest_pieces_and_an_unknown_part_makes_it_unknown() {
        let pieces = WordPieces::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n##i\nn\n'\nt\ncafe\n-\n");
        assert_eq!(pieces.pieces("Playing"), [4, 5]);
        assert_eq!(pieces.pieces("playix"), [1]);
        assert_eq!(pieces.pieces("n't"), [7, 8, 9]);
        assert_eq!(pieces.pieces("Café"), [10]);
        assert_eq!(pieces.pieces("play-play-play-play"), [4, 11, 4, 11]);
        assert_eq!(pieces.pieces("\u{301}"), [1]);
    }

    #[test]
    fn a_text_is_cut_at_blanks_and_marks_into_no_more_pieces_than_are_wanted() {
        let pieces = WordPieces::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n##i\nn\n'\nt\ncafe\n-\n");
        assert_eq!(pieces.text(" Playing  café-n't\n\u{301} ", 99), [4, 5, 10, 11, 7, 8, 9]);
        assert_eq!(pieces.text("play-playing-play playing", 4), [4, 11, 4, 5]);
        assert_eq!(pieces.text("playing playing", 3), [4, 5, 4]);
        assert!(pieces.text(" ", 99).is_empty());
    }

    #[test]
    fn case_is_seen_by_the_form_alone() {
        let of = |text| form(&Token::bare(text, 0), false);
        assert_eq!(["i", "I", "USA", "Paris", "iPad", "10", ",", "안녕"].map(of), [0, 6, 4, 2, 8, 10, 12, 14]);
        assert_eq!(form(&Token::bare("Paris", 0), true), 3);
    }
}
