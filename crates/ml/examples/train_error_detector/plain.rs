//! Reads plain English below `data/text`: books as XHTML, word problems as JSON lines, sentences as TSV. No labels;
//! what is read of each source, and under which licence, stands in `docs/models.md`.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use baeum_ml::learning::error_detector::tokenize::{sentences, tokenize};

use crate::corpus::anyhow_lite::{Context, Result};
use crate::corpus::files_below;

/// Words of each sentence that is fit to train on, each sentence once, in the order of the files.
pub(crate) fn sentences_below(folder: &Path) -> Result<Vec<Vec<String>>> {
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for ending in [".xhtml", ".jsonl", ".tsv"] {
        for path in files_below(folder, ending) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !wanted(&name, ending) {
                continue;
            }
            let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
            let paragraphs = match ending {
                ".xhtml" => paragraphs(&text),
                ".jsonl" => text.lines().filter_map(question).collect(),
                _ => text.lines().flat_map(split_sentences).collect(),
            };
            for paragraph in paragraphs {
                let tokens = tokenize(&paragraph);
                for range in sentences(&tokens) {
                    let words: Vec<String> = tokens[range].iter().map(|token| token.text.clone()).collect();
                    if is_fit(&words) && seen.insert(words.join(" ").to_lowercase()) {
                        all.push(words);
                    }
                }
            }
        }
    }
    Ok(all)
}

/// Chapters and stories of a book, not its front and back matter; of other sources the files with texts.
fn wanted(name: &str, ending: &str) -> bool {
    const MATTER: [&str; 12] = [
        "colophon",
        "imprint",
        "titlepage",
        "uncopyright",
        "halftitle",
        "dedication",
        "endnotes",
        "epigraph",
        "toc",
        "loi",
        "glossary",
        "bibliography",
    ];
    match ending {
        ".xhtml" => !MATTER.iter().any(|matter| name.starts_with(matter)),
        ".jsonl" => matches!(name, "train.jsonl" | "test.jsonl"),
        _ => matches!(name, "tune.tsv" | "validation.tsv" | "test.tsv"),
    }
}

/// The text of each `p` element, without marks of its own.
fn paragraphs(xhtml: &str) -> Vec<String> {
    let after_tag = |piece: &str| piece.split_once('>').map(|(_, text)| text.to_owned());
    let bodies = xhtml.split("<p").skip(1).filter(|piece| piece.starts_with(['>', ' ']));
    let bodies = bodies.filter_map(|piece| piece.split("</p>").next().and_then(after_tag));
    bodies.map(|body| plain(&body)).collect()
}

/// Without tags, with the commonest entities spelled out and with plain dashes and spaces.
fn plain(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    let mut inside = false;
    for c in body.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            '\u{2060}' | '\u{feff}' | '\u{ad}' => {}
            '\u{2014}' | '\u{2e3a}' => text.push_str(if inside { "" } else { " - " }),
            c if !inside => text.push(if c.is_whitespace() { ' ' } else { c }),
            _ => {}
        }
    }
    text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"")
}

fn question(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value.get("question")?.as_str().map(str::to_owned)
}

/// The two simple sentences of a line `long TAB simple <::::> simple`, which is cut into tokens already.
fn split_sentences(line: &str) -> Vec<String> {
    let Some((_, simple)) = line.split_once('\t') else { return Vec::new() };
    let joined = |part: &str| {
        let marks = [(" ,", ","), (" .", "."), (" 's", "'s"), (" n't", "n't"), (" 're", "'re"), (" ;", ";")];
        marks.iter().fold(part.trim().replace("''", "\""), |text, (from, to)| text.replace(from, to))
    };
    simple.split("<::::>").map(joined).collect()
}

/// A sentence of 4 to 40 words in Latin letters that begins with a capital, ends with a mark, and is mostly lower case.
fn is_fit(words: &[String]) -> bool {
    let count = |test: fn(char) -> bool| words.iter().filter(|word| word.chars().next().is_some_and(test)).count();
    let letters = |word: &String| word.chars().all(|c| c.is_ascii() || ('\u{c0}'..'\u{17f}').contains(&c));
    let opens = words.iter().find(|word| word.as_str() != "\"" && word.as_str() != "'");
    (4..=40).contains(&words.len())
        && words.iter().all(letters)
        && opens.is_some_and(|word| word.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()))
        && words.last().is_some_and(|word| word.ends_with(['.', '!', '?', '"', '\'']))
        && count(char::is_lowercase) * 2 >= words.len()
        // What is not said is often left out between quotation marks that were cut apart.
        && words.iter().filter(|word| word.as_str() == "\"").count() != 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_read_without_its_marks() {
        let text = "<h2>II</h2>\n<p class=\"a\">\u{201c}Well,\u{201d} said <i>he</i>.</p><pre>x</pre><p>Tom &amp; I\u{2014}we left.</p>";
        assert_eq!(paragraphs(text), ["\u{201c}Well,\u{201d} said he.", "Tom & I - we left."]);
    }

    #[test]
    fn simple_sentences_are_joined_again() {
        let line = "Long one .\tIt 's red , he said . <::::> We did n't go .";
        assert_eq!(split_sentences(line), ["It's red, he said.", "We didn't go."]);
    }

    #[test]
    fn headings_and_fragments_are_not_sentences() {
        let fit = |text: &str| is_fit(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(fit("She went home ."));
        assert!(!fit("she went home ."));
        assert!(!fit("CHAPTER THE FIRST ENDS ."));
        assert!(!fit("She went home and"));
        assert!(!fit("Go ."));
    }
}
