//! Checks of text that people type.

/// Why a text is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("the text is empty: write at least one word")]
    Empty,
    /// Longer than allowed.
    #[error("the text has {length} characters, {limit} are allowed: shorten it")]
    TooLong {
        /// Its length in Unicode scalar values.
        length: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// Holds a control character other than line feed or tab.
    #[error("the text holds the control character U+{code:04X} at character {at}: remove it")]
    Control {
        /// The code point.
        code: u32,
        /// Its place, in Unicode scalar values from 0.
        at: usize,
    },
}

/// Checks that `text` says something, is at most `limit` characters long, and holds no control characters
/// (line feed and tab are allowed). Returns it without white space at its ends.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(text: &str, limit: usize) -> Result<&str, TextError> {
    let trimmed = text.trim();
    if let Some((at, code)) = text.chars().enumerate().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(TextError::Control { code: code.into(), at });
    }
    if trimmed.is_empty() {
        return Err(TextError::Empty);
    }
    let length = trimmed.chars().count();
    if length > limit {
        return Err(TextError::TooLong { length, limit });
    }
    Ok(trimmed)
}

/// Counts the words of `text`: runs of characters between white space that hold a letter or a digit.
pub fn count_words(text: &str) -> u32 {
    let words = text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).count();
    u32::try_from(words).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_sentences_pass_and_lose_outer_space() {
        assert_eq!(check("  I like tea.\n", 100), Ok("I like tea."));
    }

    #[test]
    fn empty_long_and_control_characters_are_refused() {
        assert_eq!(check(" \n ", 10), Err(TextError::Empty));
        assert_eq!(check("abcdef", 3), Err(TextError::TooLong { length: 6, limit: 3 }));
        assert_eq!(check("a\u{0}b", 10), Err(TextError::Control { code: 0, at: 1 }));
        assert_eq!(check("a\u{1b}[31m", 10), Err(TextError::Control { code: 27, at: 1 }));
    }

    #[test]
    fn words_are_counted_without_punctuation() {
        assert_eq!(count_words("Well - I don't know, 3 times!"), 6);
    }
}
