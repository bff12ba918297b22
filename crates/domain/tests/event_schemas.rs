//! A published event schema never changes.

use std::{collections::BTreeSet, fs, path::PathBuf};

use baeum_domain::any::AGGREGATES;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../event-schemas")
}

/// A schema without its descriptions: wording may improve, shape may not change.
fn shape(schema: Value) -> Value {
    match schema {
        Value::Object(object) => {
            let described = |(key, value): &(String, Value)| !(key == "description" && value.is_string());
            object.into_iter().filter(described).map(|(key, value)| (key, shape(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(shape).collect(),
        other => other,
    }
}

#[test]
fn every_event_has_its_published_schema_unchanged() {
    let mut problems = vec![];
    for info in AGGREGATES {
        for (name, version, schema) in info.event_schemas() {
            let file = format!("{}/{name}.v{version}.json", info.context);
            match fs::read_to_string(root().join(&file)) {
                Err(_) => problems.push(format!(
                    "event-schemas/{file} is missing: run `cargo run -p baeum-domain --example write_event_schemas`"
                )),
                Ok(text) => {
                    let published: Value = serde_json::from_str(&text).expect("a published schema is JSON");
                    if shape(published.clone()) != shape(schema.clone()) {
                        problems.push(format!(
                            "{name} version {version} no longer has its published shape: raise its version in \
                             DomainEvent::VERSIONS and write an upcaster instead\n  published: {published}\n  now:       {schema}"
                        ));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_published_version_can_still_be_read() {
    let mut readable = BTreeSet::new();
    for info in AGGREGATES {
        for name in info.event_types {
            let current = (info.current_version)(name).expect("an event of the aggregate has a version");
            readable.extend((1..=current).map(|version| format!("{}/{name}.v{version}.json", info.context)));
        }
    }
    let mut published = BTreeSet::new();
    for context in fs::read_dir(root()).expect("event-schemas is there").flatten() {
        for file in fs::read_dir(context.path()).into_iter().flatten().flatten() {
            let (context, file) = (context.file_name(), file.file_name());
            published.insert(format!("{}/{}", context.to_string_lossy(), file.to_string_lossy()));
        }
    }
    let lost: Vec<_> = published.difference(&readable).collect();
    assert!(lost.is_empty(), "events of these schemas stand in logs, but no event reads them: {lost:?}");
}
