//! Where the catalogue comes from: this build, or a folder.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use baeum_domain::{
    catalog::{Catalog, CatalogError},
    ids::TemplateId,
};

macro_rules! built_in {
    ($($file:literal),+ $(,)?) => {
        /// The files of `catalog/`, by name.
        const BUILT_IN: &[(&str, &str)] = &[$((concat!("catalog/", $file), include_str!(concat!("../../../catalog/", $file)))),+];
    };
}

built_in! {
    "clips/a1.toml",
    "clips/a2.toml",
    "clips/b1.toml",
    "clips/b2.toml",
    "clips/c1.toml",
    "items/a1.toml",
    "items/a2.toml",
    "items/b1.toml",
    "items/b2.toml",
    "items/c1.toml",
    "notifications/en/billing.toml",
    "notifications/en/learning.toml",
    "notifications/ko/billing.toml",
    "notifications/ko/learning.toml",
    "titles.toml",
}

/// How deep a catalogue's folders are looked into: enough for any order, and an end for links that go in circles.
pub(crate) const DEPTH: usize = 8;

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A file or folder that cannot be read.
    #[error("BAEUM_CATALOG: {} cannot be read: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A folder in which there is nothing to read.
    #[error("BAEUM_CATALOG: there is no *.toml file below {}: give a folder like catalog/ of the source", .0.display())]
    Empty(PathBuf),
    /// Texts that are sent are missing, or do not fit.
    #[error("the catalogue lacks texts of notifications:\n  {}", .0.join("\n  "))]
    Notifications(Vec<String>),
    /// Mistakes in the files.
    #[error("{}", mistakes(.0))]
    Mistakes(Vec<CatalogError>),
}

fn mistakes(errors: &[CatalogError]) -> String {
    let count = if errors.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", errors.len()) };
    let lines = errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    format!("the catalogue has {count}:\n  {}", lines.join("\n  "))
}

/// Loads the catalogue from `folder`, or the built-in one.
///
/// # Errors
/// When the folder cannot be read or is empty; otherwise every mistake in its files, by file and line.
pub(crate) fn load(folder: Option<&Path>) -> Result<Catalog, LoadError> {
    let Some(folder) = folder else {
        return complete(parse(BUILT_IN.iter().copied())?);
    };
    let mut paths = vec![];
    collect(folder, DEPTH, &mut paths)?;
    if paths.is_empty() {
        return Err(LoadError::Empty(folder.to_owned()));
    }
    paths.sort();
    let mut files = vec![];
    for path in paths {
        match fs::read_to_string(&path) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(error) => return Err(LoadError::Unreadable { path, error }),
        }
    }
    let mut catalog = parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
    // What it has no words for is told in the usual ones: a later build may send what an earlier one did not.
    let usual = parse(BUILT_IN.iter().copied())?.notifications;
    let own: BTreeSet<TemplateId> = catalog.notifications.keys().map(|key| key.id.clone()).collect();
    catalog.notifications.extend(usual.into_iter().filter(|(key, _)| !own.contains(&key.id)));
    complete(catalog)
}

fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Catalog, LoadError> {
    Catalog::parse(files).map_err(LoadError::Mistakes)
}

/// Whether every text is there that notifications are made from.
fn complete(catalog: Catalog) -> Result<Catalog, LoadError> {
    catalog.check_notifications().map_err(LoadError::Notifications)?;
    Ok(catalog)
}

/// The *.toml files below `folder`, so deep.
pub(crate) fn collect(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if depth > 0 {
                collect(&path, depth - 1, into)?;
            }
        } else if path.extension().is_some_and(|it| it == "toml") {
            into.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_the_folder_catalog() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
        let mut paths = vec![];
        collect(&folder, DEPTH, &mut paths).expect("a folder");
        assert_eq!(paths.len(), BUILT_IN.len(), "list every file of catalog/ in crates/server/src/catalog.rs");
        assert_eq!(load(None).expect("no mistake"), load(Some(&folder)).expect("no mistake"));
    }

    #[test]
    fn a_folder_without_files_and_a_folder_that_is_not_there_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = load(Some(folder.path())).expect_err("empty").to_string();
        assert!(error.starts_with("BAEUM_CATALOG: there is no *.toml file below "), "{error}");
        let error = load(Some(&folder.path().join("none"))).expect_err("not there").to_string();
        assert!(error.starts_with("BAEUM_CATALOG: ") && error.contains("cannot be read"), "{error}");
    }
}
