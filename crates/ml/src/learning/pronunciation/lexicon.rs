//! The pronouncing dictionary, and the words of a text.
//!
//! One line a pronunciation, sorted by bytes: the word in lower case, a space, one letter a sound (`A` for the first of
//! [`Sound::ALL`], and so on in ASCII). It is made from the CMU Pronouncing Dictionary by the training command.

use std::fmt::Write;

use baeum_domain::learning::sounds::Sound;

/// The sounds of one way to say a word, as places in [`Sound::ALL`].
pub type Pronunciation = Vec<u8>;

/// The most ways to say one word that are tried.
const VARIANTS: usize = 4;

/// The dictionary.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    text: String,
    lines: Vec<(u32, u32)>,
}

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextWord {
    /// Where it begins, in Unicode scalar values.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// The ways to say it; none where the dictionary lacks it.
    pub variants: Vec<Pronunciation>,
}

impl Lexicon {
    /// Reads the form that [`Self::write`] writes. Lines out of order are never found.
    pub fn parse(text: String) -> Self {
        let mut lines = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let end = at + line.trim_end().len();
            if let (Ok(from), Ok(to)) = (u32::try_from(at), u32::try_from(end)) {
                lines.push((from, to));
            }
            at += line.len();
        }
        Self { text, lines }
    }

    /// The form that is stored, of pairs of word and pronunciation.
    pub fn write(pairs: impl IntoIterator<Item = (String, Pronunciation)>) -> String {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // By word first: sorting whole lines would put "a b" behind "a's b".
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup();
        pairs.into_iter().fold(String::new(), |mut text, (word, sounds)| {
            let sounds: String = sounds.iter().map(|sound| char::from(b'A' + sound)).collect();
            let _ = writeln!(text, "{word} {sounds}");
            text
        })
    }

    /// The ways to say a lower-case word.
    pub fn find(&self, word: &str) -> Vec<Pronunciation> {
        let line = |(from, to): (u32, u32)| self.text[from as usize..to as usize].split_once(' ').unwrap_or_default();
        let first = self.lines.partition_point(|at| line(*at).0 < word);
        let same = self.lines[first..].iter().map(|at| line(*at)).take_while(|(found, _)| *found == word);
        let classes = |sounds: &str| sounds.bytes().map(|b| b.wrapping_sub(b'A')).collect::<Vec<u8>>();
        let sound = |sounds: &Vec<u8>| !sounds.is_empty() && sounds.iter().all(|s| usize::from(*s) < Sound::ALL.len());
        same.map(|(_, sounds)| classes(sounds)).filter(sound).take(VARIANTS).collect()
    }

    /// The form that is stored.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many pronunciations it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The words of a text: runs of letters, digits and inner apostrophes. A possessive that the dictionary lacks is
    /// said as its noun with s, z or iz.
    pub fn words(&self, text: &str) -> Vec<TextWord> {
        let chars: Vec<char> = text.chars().map(|c| if c == '’' { '\'' } else { c }).collect();
        let inside = |at: usize| {
            let letter = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric());
            letter(at) || (chars.get(at) == Some(&'\'') && at > 0 && letter(at - 1) && letter(at + 1))
        };
        let (mut words, mut at) = (Vec::new(), 0);
        while at < chars.len() {
            let start = at;
            while inside(at) {
                at += 1;
            }
            if at > start {
                let word: String = chars[start..at].iter().flat_map(|c| c.to_lowercase()).collect();
                let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                words.push(TextWord { start: place(start), end: place(at), variants: self.variants(&word) });
            } else {
                at += 1;
            }
        }
        words
    }

    fn variants(&self, word: &str) -> Vec<Pronunciation> {
        let known = self.find(word);
        let Some(noun) = word.strip_suffix("'s").filter(|_| known.is_empty()) else { return known };
        let class = |sound: Sound| sound as u8;
        let ending = |last: Option<&u8>| match last.and_then(|last| Sound::ALL.get(usize::from(*last))) {
            Some(Sound::S | Sound::Z | Sound::Sh | Sound::Zh | Sound::Ch | Sound::Jh) => {
                vec![class(Sound::Ih), class(Sound::Z)]
            }
            Some(Sound::P | Sound::T | Sound::K | Sound::F | Sound::Th) => vec![class(Sound::S)],
            _ => vec![class(Sound::Z)],
        };
        let inflected = |sounds: Pronunciation| [sounds.clone(), ending(sounds.last())].concat();
        self.find(noun).into_iter().map(inflected).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let sounds = |names: &str| -> Pronunciation {
            names.split(' ').filter_map(|name| name.parse::<Sound>().ok()).map(|sound| sound as u8).collect()
        };
        let pairs =
            [("a", "AH"), ("a", "EY"), ("a's", "EY Z"), ("cat", "K AE T"), ("dog", "D AO G"), ("bus", "B AH S")];
        Lexicon::parse(Lexicon::write(pairs.map(|(word, names)| (word.to_owned(), sounds(names)))))
    }

    fn said(variants: &[Pronunciation]) -> Vec<String> {
        let name = |sound: &u8| Sound::ALL[usize::from(*sound)].to_string();
        variants.iter().map(|v| v.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn every_way_to_say_a_word_is_found_and_no_other() {
        assert_eq!(said(&lexicon().find("a")), ["AH", "EY"]);
        assert_eq!(said(&lexicon().find("dog")), ["D AO G"]);
        assert!(lexicon().find("do").is_empty() && lexicon().find("zebra").is_empty());
    }

    #[test]
    fn a_text_is_cut_into_words_with_their_places() {
        let words = lexicon().words("A cat’s \"dog\", 고양이!");
        assert_eq!(words.iter().map(|w| (w.start, w.end)).collect::<Vec<_>>(), [(0, 1), (2, 7), (9, 12), (15, 18)]);
        assert_eq!(said(&words[1].variants), ["K AE T S"]);
        assert!(words[3].variants.is_empty());
        assert_eq!(said(&lexicon().words("bus's")[0].variants), ["B AH S IH Z"]);
    }
}
