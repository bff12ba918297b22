//! What could stand in place of a flagged word, where that is safe to say.
//!
//! The network says that something is wrong; these rules speak only where one repair is near certain. No rule, no
//! suggestion.

use super::features::{Vocabulary, normal_form};
use super::irregular::{self, UNCOUNTABLE};
use super::tokenize::Token;

const MODALS: [&str; 14] =
    ["can", "could", "will", "would", "shall", "should", "may", "might", "must", "ca", "wo", "did", "does", "do"];
const NUMBERS: [&str; 12] =
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "many", "several", "these"];
const VOWELS: [char; 6] = ['a', 'e', 'i', 'o', 'u', 'y'];
/// Words that begin with a vowel letter and a consonant sound.
const CONSONANT_SOUND: [&str; 11] = ["uni", "use", "usu", "eu", "one", "once", "ubi", "uk", "ura", "util", "utop"];
/// Words that begin with a consonant letter and a vowel sound, and the exceptions to the line above.
const VOWEL_SOUND: [&str; 7] = ["hour", "honest", "honor", "honour", "heir", "unim", "unin"];
/// Words that are said both ways.
const EITHER_SOUND: [&str; 5] = ["herb", "histor", "hotel", "oner", "ouija"];

/// A suggestion for the token at `at` of a sentence; `Some("")` to leave it out.
pub fn suggest(sentence: &[Token], at: usize, vocabulary: &Vocabulary) -> Option<String> {
    let form = |index: Option<usize>| index.and_then(|i| sentence.get(i)).map(|t| normal_form(&t.text));
    let word = form(Some(at))?;
    let before = form(at.checked_sub(1)).unwrap_or_default();
    let after = form(Some(at + 1)).unwrap_or_default();
    if word == before && word.chars().all(char::is_alphabetic) && !matches!(word.as_str(), "that" | "had") {
        return Some(String::new());
    }
    let starts = at == 0 || !sentence.iter().take(at).any(Token::is_word);
    let found = article(&word, &after)
        .or_else(|| agreement(&before, &word, starts_clause(sentence, at), vocabulary))
        .or_else(|| determiner(&word, &after, vocabulary))
        .or_else(|| verb_form(&before, &word))
        .or_else(|| noun(&before, &word, vocabulary))
        .or_else(|| spelling(&sentence[at].text, starts, vocabulary))?;
    (found != word).then(|| with_case_of(&sentence[at].text, found))
}

/// Whether the word before `at` can be a subject: nothing before it makes it an object ("see you are").
fn starts_clause(sentence: &[Token], at: usize) -> bool {
    const OPENERS: [&str; 12] =
        ["and", "but", "because", "that", "if", "when", ",", "so", "\"", "think", "or", "although"];
    let earlier = at.checked_sub(2).and_then(|i| sentence.get(i));
    earlier.is_none_or(|t| !t.is_judged() || OPENERS.contains(&normal_form(&t.text).as_str()))
}

/// a or an by the sound that follows.
fn article(word: &str, after: &str) -> Option<String> {
    let begins = |list: &[&str]| list.iter().any(|head| after.starts_with(head));
    let spoken = after.len() > 1 && after.chars().all(|c| c.is_ascii_lowercase()) && after.contains(VOWELS);
    if !matches!(word, "a" | "an") || !spoken || begins(&EITHER_SOUND) {
        return None;
    }
    let sounds_vowel =
        (after.starts_with(['a', 'e', 'i', 'o', 'u']) && !begins(&CONSONANT_SOUND)) || begins(&VOWEL_SOUND);
    Some(if sounds_vowel { "an" } else { "a" }.to_owned())
}

/// Whether the token at `at` is a or an where the sound that follows wants the other. Abbreviations ("an FBI agent")
/// and lone letters are not judged.
pub fn is_wrong_article(sentence: &[Token], at: usize) -> bool {
    let [Some(word), Some(after)] = [sentence.get(at), sentence.get(at + 1)] else { return false };
    let capitals = after.text.chars().skip(1).any(char::is_uppercase);
    // A capital A may be a grade or a letter of the alphabet ("vitamin A is").
    let letter = word.text == "A" && sentence.iter().take(at).any(Token::is_word);
    let form = normal_form(&word.text);
    !capitals && !letter && article(&form, &normal_form(&after.text)).is_some_and(|right| right != form)
}

/// The verb right after a subject pronoun.
fn agreement(subject: &str, word: &str, clause: bool, vocabulary: &Vocabulary) -> Option<String> {
    let third = matches!(subject, "he" | "she" | "it");
    let plural = matches!(subject, "we" | "they" | "you");
    if !clause || !(third || plural || subject == "i") {
        return None;
    }
    let fixed = match (word, third, plural) {
        ("have", true, _) => "has",
        ("has", false, _) => "have",
        ("are" | "am" | "be", true, _) => "is",
        ("were", true, _) => "was",
        ("is" | "am" | "be", false, true) => "are",
        ("was", false, true) => "were",
        ("is" | "are" | "be", false, false) => "am",
        ("do", true, _) => "does",
        ("does", false, _) => "do",
        _ => "",
    };
    if !fixed.is_empty() {
        return Some(fixed.to_owned());
    }
    if third {
        let form = irregular::verb(word).third;
        let is_base = irregular::irregular_verbs().any(|v| v.base == word && v.past != word);
        let regular = vocabulary.count(&irregular::add_ed(word)) > 0 && vocabulary.count(&form) > 0;
        return (is_base || regular).then_some(form);
    }
    let base = irregular::irregular_verbs().find(|v| v.third == word).map(|v| v.base);
    let strip = || word.strip_suffix('s').filter(|base| vocabulary.count(&irregular::add_ed(base)) > 0);
    base.or_else(|| strip().map(str::to_owned))
}

/// this/these before a noun of the other number.
fn determiner(word: &str, after: &str, vocabulary: &Vocabulary) -> Option<String> {
    let singular = after.strip_suffix('s').is_some_and(|stem| vocabulary.count(stem) > 1 && !stem.ends_with('s'));
    let plural = singular || irregular_plural_of(after).is_some();
    match word {
        "this" if plural => Some("these".to_owned()),
        "that" if plural => Some("those".to_owned()),
        _ => None,
    }
}

fn irregular_plural_of(word: &str) -> Option<&'static str> {
    ["man", "woman", "child", "foot", "tooth", "mouse"]
        .into_iter()
        .find(|noun| irregular::irregular_plural(noun) == Some(word))
}

/// Regular endings on irregular verbs, and inflected verbs after a modal.
fn verb_form(before: &str, word: &str) -> Option<String> {
    let over_regular = irregular::irregular_verbs().find(|v| {
        v.past != irregular::add_ed(&v.base) && (irregular::add_ed(&v.base) == word || v.past.clone() + "ed" == word)
    });
    if let Some(verb) = over_regular {
        let perfect = matches!(before, "have" | "has" | "had" | "'ve");
        return Some(if perfect { verb.participle } else { verb.past });
    }
    if MODALS.contains(&before) || before == "n't" {
        if word == "of" && before != "n't" {
            return Some("have".to_owned());
        }
        let inflected = |v: &irregular::Verb| v.third == word || (v.past == word && v.base != word);
        return irregular::irregular_verbs().find(inflected).map(|v| v.base);
    }
    None
}

/// Plurals that do not exist, and singulars after a number.
fn noun(before: &str, word: &str, vocabulary: &Vocabulary) -> Option<String> {
    let uncountable =
        word.strip_suffix('s').filter(|stem| UNCOUNTABLE.contains(stem) && *stem != "work" && *stem != "new");
    if let Some(stem) = uncountable {
        return Some(stem.to_owned());
    }
    let wrong_plural = ["man", "woman", "child", "foot", "tooth", "mouse"].into_iter().find_map(|noun| {
        irregular::irregular_plural(noun)
            .filter(|plural| irregular::add_s(noun) == word || format!("{plural}s") == word)
    });
    if let Some(plural) = wrong_plural {
        return Some(plural.to_owned());
    }
    let form = irregular::plural(word);
    let counted = NUMBERS.contains(&before) && vocabulary.count(word) > 1 && vocabulary.count(&form) > 1;
    counted.then_some(form)
}

/// The one frequent word at edit distance 1 of an unknown word.
fn spelling(text: &str, starts: bool, vocabulary: &Vocabulary) -> Option<String> {
    let word = normal_form(text);
    let letters: Vec<char> = word.chars().collect();
    let name = !starts && text.chars().next().is_some_and(char::is_uppercase);
    let unfit = letters.len() < 4 || letters.len() > 20 || name || !letters.iter().all(char::is_ascii_lowercase);
    if unfit || vocabulary.count(&word) > 0 {
        return None;
    }
    let mut near: Vec<(u32, String)> = edits(&letters)
        .into_iter()
        .map(|candidate| (vocabulary.count(&candidate), candidate))
        .filter(|(count, candidate)| *count >= 5 && candidate.chars().count() >= 4)
        .collect();
    near.sort_unstable_by(|a, b| b.cmp(a));
    near.dedup();
    match near.as_slice() {
        [(_, only)] => Some(only.clone()),
        [(most, best), (next, _), ..] if *most >= 8 * next => Some(best.clone()),
        _ => None,
    }
}

/// Every string one deletion, swap, replacement or insertion away.
fn edits(word: &[char]) -> Vec<String> {
    let mut all = Vec::new();
    for at in 0..=word.len() {
        let (head, tail) = word.split_at(at);
        let mut push = |middle: &[char], tail: &[char]| all.push([head, middle, tail].concat().into_iter().collect());
        for c in 'a'..='z' {
            push(&[c], tail);
            if !tail.is_empty() {
                push(&[c], &tail[1..]);
            }
        }
        if let [_, rest @ ..] = tail {
            push(&[], rest);
        }
        if let [first, second, rest @ ..] = tail {
            push(&[*second, *first], rest);
        }
    }
    all
}

/// Capitalises the suggestion where the original is.
fn with_case_of(original: &str, suggestion: String) -> String {
    let capital = original.chars().next().is_some_and(char::is_uppercase) && original != "I";
    let mut chars = suggestion.chars();
    match chars.next() {
        Some(first) if capital => first.to_uppercase().chain(chars).collect(),
        _ => suggestion,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokenize::tokenize;
    use super::*;

    fn suggestion(text: &str, word: &str) -> Option<String> {
        let vocabulary =
            Vocabulary::parse("book 50\nbooks 40\nbeautiful 30\nwalked 9\nwalks 6\nwalk 9\nform 40\nfrom 90\n");
        let tokens = tokenize(text);
        let at = tokens.iter().position(|t| t.text == word).expect("the word stands in the text");
        suggest(&tokens, at, &vocabulary)
    }

    #[test]
    fn safe_repairs_are_suggested() {
        let cases = [
            ("A apple fell", "A", "An"),
            ("I met an university teacher", "an", "a"),
            ("She have a cat", "have", "has"),
            ("He walk home", "walk", "walks"),
            ("We was late", "was", "were"),
            ("I buyed it", "buyed", "bought"),
            ("He can goes", "goes", "go"),
            ("two book", "book", "books"),
            ("much informations", "informations", "information"),
            ("a beautifull day", "beautifull", "beautiful"),
            ("Beautifull day", "Beautifull", "Beautiful"),
            ("I read this books", "this", "these"),
        ];
        for (text, word, expected) in cases {
            assert_eq!(suggestion(text, word).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn articles_follow_the_sound_not_the_letter() {
        let wrong = ["a apple", "an university", "a hour", "an car", "a unimportant thing"];
        let right =
            ["an apple", "a university", "an hour", "a car", "an FBI agent", "a UN base", "a 8", "an unusual day"];
        let found = |text: &str| is_wrong_article(&tokenize(text), 0);
        assert!(wrong.iter().all(|text| found(text)));
        assert_eq!(right.iter().find(|text| found(text)), None);
        assert!(!is_wrong_article(&tokenize("vitamin A is good"), 1));
    }

    #[test]
    fn a_doubled_word_is_left_out() {
        let tokens = tokenize("in the the park");
        assert_eq!(suggest(&tokens, 2, &Vocabulary::default()).as_deref(), Some(""));
    }

    #[test]
    fn nothing_is_suggested_where_no_rule_is_sure() {
        for (text, word) in
            [("He depends of her", "of"), ("an apple", "an"), ("I met Beautifl", "Beautifl"), ("a frm", "frm")]
        {
            assert_eq!(suggestion(text, word), None, "{text}");
        }
    }
}
