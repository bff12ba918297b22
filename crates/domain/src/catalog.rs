//! The catalogue: test items, clips, titles and the texts of notifications, read from TOML and checked.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::{self, Display},
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::Spanned;

use crate::{
    assessment::item::Item,
    ids::{ClipId, ItemId, TaskId, TitleId, Topic},
    media::{
        clip::{Clip, MAX_REFERENCE, MAX_REFERENCES, Task},
        title::Title,
    },
    notification::template::{Template, TemplateKey},
};

/// All content, by its names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// Items of the level test.
    pub items: BTreeMap<ItemId, Item>,
    /// Short clips.
    pub clips: BTreeMap<ClipId, Clip>,
    /// Dramas and films.
    pub titles: BTreeMap<TitleId, Title>,
    /// Texts of notifications.
    pub notifications: BTreeMap<TemplateKey, Template>,
}

/// A mistake in a catalogue file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CatalogError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "item")]
    items: Vec<Spanned<toml::Table>>,
    #[serde(default, rename = "clip")]
    clips: Vec<Spanned<toml::Table>>,
    #[serde(default, rename = "title")]
    titles: Vec<Spanned<toml::Table>>,
    #[serde(default, rename = "notification")]
    notifications: Vec<Spanned<toml::Table>>,
}

impl Catalog {
    /// Reads files given as (name, text), and checks them together.
    ///
    /// # Errors
    /// Every mistake that was found, each with its file and line.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<CatalogError>> {
        let mut catalog = Self::default();
        let mut errors = vec![];
        let mut tasks = BTreeSet::<TaskId>::new();
        for (file, text) in files {
            let mut reader = Reader { file, text, errors: &mut errors };
            let parsed: File = match toml::from_str(text) {
                Ok(parsed) => parsed,
                Err(error) => {
                    let at = error.span().map_or(0, |span| span.start);
                    reader.report(at, error.message());
                    continue;
                }
            };
            for record in parsed.items {
                reader.take(record, &mut catalog.items, |item: &Item| item.id.clone(), check_item);
            }
            for record in parsed.clips {
                let check = |clip: &Clip| {
                    check_clip(clip)?;
                    match clip.tasks.iter().find(|task| !tasks.insert(task.id.clone())) {
                        Some(task) => Err(format!("task id '{}' is used twice: give each task its own", task.id)),
                        None => Ok(()),
                    }
                };
                reader.take(record, &mut catalog.clips, |clip: &Clip| clip.id.clone(), check);
            }
            for record in parsed.titles {
                reader.take(record, &mut catalog.titles, |title: &Title| title.id.clone(), check_title);
            }
            for record in parsed.notifications {
                let key = |it: &Template| TemplateKey { id: it.id.clone(), language: it.language.clone() };
                reader.take(record, &mut catalog.notifications, key, Template::check);
            }
        }
        if errors.is_empty() { Ok(catalog) } else { Err(errors) }
    }

    /// The clip and task of this name.
    pub fn task(&self, id: &TaskId) -> Option<(&Clip, &Task)> {
        self.clips.values().find_map(|clip| clip.tasks.iter().find(|task| task.id == *id).map(|task| (clip, task)))
    }

    /// Every topic that clips and titles are about.
    pub fn topics(&self) -> BTreeSet<&Topic> {
        let of_clips = self.clips.values().flat_map(|clip| &clip.topics);
        of_clips.chain(self.titles.values().flat_map(|title| &title.topics)).collect()
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    errors: &'a mut Vec<CatalogError>,
}

impl Reader<'_> {
    fn take<K: Ord + Display, V: DeserializeOwned>(
        &mut self,
        record: Spanned<toml::Table>,
        into: &mut BTreeMap<K, V>,
        id: impl Fn(&V) -> K,
        check: impl FnOnce(&V) -> Result<(), String>,
    ) {
        let at = record.span().start;
        let named = record.get_ref().get("id").and_then(toml::Value::as_str).unwrap_or("(no id)").to_owned();
        let value: V = match record.into_inner().try_into() {
            Ok(value) => value,
            Err(error) => {
                // The table has lost its places; the line of the key that the message names is looked up in the text.
                let message = error.message().to_owned();
                let at = self.line_of_key(at, &message).unwrap_or(at);
                return self.report(at, &format!("'{named}': {message}"));
            }
        };
        if let Err(problem) = check(&value) {
            return self.report(at, &format!("'{named}': {problem}"));
        }
        match into.entry(id(&value)) {
            Entry::Vacant(place) => {
                place.insert(value);
            }
            Entry::Occupied(_) => self.report(at, &format!("id '{named}' is used twice: give each entry its own")),
        }
    }

    fn line_of_key(&self, record: usize, message: &str) -> Option<usize> {
        let quoted = message.split('`').nth(1)?;
        self.text.get(record..)?.find(quoted).map(|offset| record + offset)
    }

    fn report(&mut self, at: usize, problem: &str) {
        let line = self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        let problem = problem.trim().replace('\n', " ");
        self.errors.push(CatalogError { file: self.file.to_owned(), line, problem });
    }
}

fn check_item(item: &Item) -> Result<(), String> {
    if !(2..=6).contains(&item.choices.len()) {
        return Err(format!("has {} choices: give 2 to 6", item.choices.len()));
    }
    if usize::from(item.answer) >= item.choices.len() {
        return Err(format!("answer {} is no choice: give 0 to {}", item.answer, item.choices.len() - 1));
    }
    if item.choices.iter().collect::<BTreeSet<_>>().len() != item.choices.len() {
        return Err("two choices are the same".into());
    }
    if !(0.2..=3.0).contains(&item.discrimination) {
        return Err(format!("discrimination {} is out of range: give 0.2 to 3", item.discrimination));
    }
    if !(item.exposure > 0.0 && item.exposure <= 1.0) {
        return Err(format!("exposure {} is out of range: give more than 0, to 1", item.exposure));
    }
    if !(-4.0..=4.0).contains(&item.difficulty) {
        return Err(format!("difficulty {} is out of range: give -4 to 4", item.difficulty));
    }
    Ok(())
}

fn check_clip(clip: &Clip) -> Result<(), String> {
    if !(60_000..=180_000).contains(&clip.duration_ms) {
        return Err(format!("duration_ms {} is out of range: give 60000 to 180000", clip.duration_ms));
    }
    let mut end = 0;
    for (number, segment) in clip.segments.iter().enumerate() {
        if segment.start_ms < end || segment.end_ms <= segment.start_ms {
            return Err(format!("segment {number} does not follow the one before it: order them by start_ms"));
        }
        end = segment.end_ms;
    }
    if end == 0 || end > clip.duration_ms {
        return Err(format!("the segments end at {end} ms, the clip lasts {} ms", clip.duration_ms));
    }
    if clip.tasks.is_empty() {
        return Err("has no tasks: give at least one".into());
    }
    clip.tasks.iter().try_for_each(check_task)
}

fn check_task(task: &Task) -> Result<(), String> {
    let Task { id, references, .. } = task;
    if references.len() > MAX_REFERENCES {
        return Err(format!("task '{id}' has {} references: give {MAX_REFERENCES} at most", references.len()));
    }
    for (number, reference) in (1..).zip(references) {
        if reference.trim().is_empty() {
            return Err(format!("reference {number} of task '{id}' is empty: write what an answer has to mean"));
        }
        let length = reference.chars().count();
        if length > MAX_REFERENCE {
            let problem = format!("reference {number} of task '{id}' has {length} characters");
            return Err(format!("{problem}: give {MAX_REFERENCE} at most"));
        }
        if references[..number - 1].contains(reference) {
            return Err(format!("reference {number} of task '{id}' repeats another: give each once"));
        }
    }
    Ok(())
}

fn check_title(title: &Title) -> Result<(), String> {
    if title.providers.is_empty() {
        return Err("has no providers: give at least one".into());
    }
    if let Some(provider) = title.providers.iter().find(|provider| !provider.url.starts_with("https://")) {
        return Err(format!("url '{}' is not https", provider.url));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"
[[item]]
id = "a1-reading-01"
level = "A1"
skill = "reading"
focus = "articles"
question = "I have ___ cat."
choices = ["a", "an"]
answer = 0
discrimination = 1.1
difficulty = -2.0
"#;

    const CLIP: &str = r#"
[[clip]]
id = "cat"
title = "Cat"
level = "A1"
topics = ["animals"]
skills = ["listening"]
focus = ["detail"]
duration_ms = 60000
synopsis = "A cat."
segments = [{ start_ms = 0, end_ms = 1000, text = "A cat.", gloss = "-" }]
tasks = [
  { id = "cat-w1", kind = "writing", prompt = "What?", focus = "detail", min_words = 1, sample = "A cat.", references = ["A cat."] },
]
"#;

    #[test]
    fn a_task_has_the_references_that_its_clip_gives_it_and_else_none() {
        let references = |text: &str| {
            let catalog = Catalog::parse([("clips/a1.toml", text)]).expect("no mistake");
            catalog.task(&"cat-w1".parse().expect("a name")).expect("a task").1.references.clone()
        };
        assert_eq!(references(CLIP), ["A cat."]);
        assert!(references(&CLIP.replace(", references = [\"A cat.\"]", "")).is_empty());
    }

    #[test]
    fn references_that_are_no_texts_or_too_many_are_told_by_file_and_line() {
        let problem = |list: &str| {
            let text = CLIP.replace("[\"A cat.\"]", list);
            let errors = Catalog::parse([("clips/a1.toml", text.as_str())]).expect_err(list);
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        for (list, expected) in [
            (r#"["A cat.", " "]"#, "reference 2 of task 'cat-w1' is empty: write what an answer has to mean"),
            (r#"["a", "b", "c", "d", "e", "f"]"#, "task 'cat-w1' has 6 references: give 5 at most"),
            (r#"["A cat.", "A cat."]"#, "reference 2 of task 'cat-w1' repeats another: give each once"),
            (
                &format!("[\"{}\"]", "a ".repeat(501)),
                "reference 1 of task 'cat-w1' has 1002 characters: give 1000 at most",
            ),
        ] {
            assert_eq!(problem(list), format!("clips/a1.toml:2: 'cat': {expected}"));
        }
        assert!(problem("\"A cat.\"").starts_with("clips/a1.toml:"), "{}", problem("\"A cat.\""));
    }

    fn errors(text: &str) -> Vec<String> {
        let errors = Catalog::parse([("items/a1.toml", text)]).expect_err("a mistake");
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_file_is_read() {
        let catalog = Catalog::parse([("items/a1.toml", ITEM)]).expect("no mistake");
        assert_eq!(catalog.items.len(), 1);
    }

    #[test]
    fn every_mistake_names_its_file_and_line() {
        assert_eq!(
            errors(&ITEM.replace("answer = 0", "answer = 7")),
            ["items/a1.toml:2: 'a1-reading-01': answer 7 is no choice: give 0 to 1"]
        );
        assert_eq!(
            errors(&format!("{ITEM}{ITEM}")),
            ["items/a1.toml:13: id 'a1-reading-01' is used twice: give each entry its own"]
        );
    }

    #[test]
    fn mistakes_of_syntax_type_and_vocabulary_are_found() {
        assert!(errors("[[item]\n")[0].starts_with("items/a1.toml:1: "));
        assert!(errors(&ITEM.replace("\"A1\"", "\"Z9\""))[0].contains("Z9"));
        assert!(errors(&ITEM.replace("answer = 0", "answer = \"a\""))[0].contains("'a1-reading-01'"));
        assert!(errors(&ITEM.replace("answer = 0", "anwser = 0"))[0].starts_with("items/a1.toml:9: "));
    }
}
