//! Writing exposure-control parameters into the files of a catalogue, which stay as they are otherwise.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use baeum_domain::{catalog::Catalog, ids::ItemId};

use super::{IrtError, write};
use crate::catalog::{DEPTH, collect};

/// Writes the parameters of all items into the files below `folder`.
///
/// # Errors
/// A file that cannot be read or written, or in which an item is written in a way that is not understood: nothing is then
/// written to that file.
pub(super) fn rewrite(folder: &Path, exposures: &BTreeMap<ItemId, f64>) -> Result<(), IrtError> {
    let mut paths = vec![];
    collect(folder, DEPTH, &mut paths)?;
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| IrtError::Read { path: name.clone(), error })?;
        let new = rewritten(&text, exposures);
        if let Some(item) = missed(&text, &new, exposures) {
            return Err(IrtError::NotRewritten { path: name, item });
        }
        if new != text {
            write(&path, &new)?;
        }
    }
    Ok(())
}

/// The text with a line `exposure = …` after the line of each item's difficulty, and none for items of exposure 1.
fn rewritten(text: &str, exposures: &BTreeMap<ItemId, f64>) -> String {
    let mut new = String::with_capacity(text.len());
    let (mut in_item, mut exposure) = (false, None);
    for line in text.split_inclusive('\n') {
        let (key, value) = line.split_once('=').map_or((line.trim(), ""), |(key, value)| (key.trim(), value.trim()));
        if key.starts_with('[') {
            (in_item, exposure) = (key == "[[item]]", None);
        }
        if in_item && key == "id" {
            exposure = value.trim_matches(['"', '\'']).parse::<ItemId>().ok().and_then(|id| exposures.get(&id));
        }
        if in_item && exposure.is_some() && key == "exposure" {
            continue;
        }
        new.push_str(line);
        if let Some(exposure) = exposure.filter(|it| in_item && key == "difficulty" && **it < 1.0) {
            if !line.ends_with('\n') {
                new.push('\n');
            }
            let _ = writeln!(new, "exposure = {exposure}");
        }
    }
    new
}

/// The first item that is not what it was but for its exposure, or has not the exposure that it should have.
fn missed(text: &str, new: &str, exposures: &BTreeMap<ItemId, f64>) -> Option<String> {
    let items = |text: &str| Catalog::parse([("catalogue", text)]).unwrap_or_default().items;
    let (before, after) = (items(text), items(new));
    let wrong = before.into_iter().find(|(id, item)| {
        let exposure = exposures.get(id).copied().unwrap_or(item.exposure);
        let wanted = baeum_domain::assessment::item::Item { exposure, ..item.clone() };
        after.get(id) != Some(&wanted)
    });
    wrong.map(|(id, _)| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A comment.\n[[item]]\nid = \"one\"\nlevel = \"A1\"\nskill = \"reading\"\nfocus = \"x\"\n\
                        question = \"?\"\nchoices = [\"a\", \"b\"]\nanswer = 0\ndiscrimination = 1.0\ndifficulty = -1.5\n\
                        exposure = 0.9\n\n[[item]]\nid = \"two\"\nlevel = \"A1\"\nskill = \"reading\"\nfocus = \"x\"\n\
                        question = \"?\"\nchoices = [\"a\", \"b\"]\nanswer = 0\ndiscrimination = 1.0\ndifficulty = 0.5";

    fn exposures(one: f64, two: f64) -> BTreeMap<ItemId, f64> {
        [("one", one), ("two", two)].map(|(id, value)| (id.parse().expect("an id"), value)).into()
    }

    #[test]
    fn a_parameter_stands_after_the_difficulty_and_all_else_stays() {
        let wanted = exposures(0.25, 0.125);
        let new = rewritten(TEXT, &wanted);
        assert_eq!(missed(TEXT, &new, &wanted), None);
        assert!(new.contains("difficulty = -1.5\nexposure = 0.25\n\n[[item]]") && !new.contains("0.9"), "{new}");
        assert!(new.ends_with("difficulty = 0.5\nexposure = 0.125\n"), "{new}");
        assert_eq!(rewritten(&new, &wanted), new);
    }

    #[test]
    fn an_item_that_every_sitting_may_have_needs_no_line() {
        let new = rewritten(TEXT, &exposures(1.0, 1.0));
        assert!(!new.contains("exposure") && new.starts_with("# A comment.\n"), "{new}");
    }

    #[test]
    fn an_item_that_is_not_understood_is_named() {
        let inline = TEXT.replace("difficulty = 0.5", "\"difficulty\" = 0.5");
        let wanted = exposures(0.25, 0.125);
        assert_eq!(missed(&inline, &rewritten(&inline, &wanted), &wanted), Some("two".to_owned()));
    }
}
