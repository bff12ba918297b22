//! The shape of the workspace: which crate may know which, and where SQL, brokers and models may be spoken to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which crates of the workspace each crate may depend on.
const DAG: &[(&str, &[&str])] = &[
    ("baeum-domain", &[]),
    ("baeum-proof", &[]),
    ("baeum-eventlog", &["baeum-domain", "baeum-proof"]),
    ("baeum-commands", &["baeum-domain", "baeum-eventlog"]),
    ("baeum-projections", &["baeum-domain", "baeum-eventlog"]),
    ("baeum-ml", &["baeum-domain"]),
    ("baeum-sagas", &["baeum-domain", "baeum-eventlog", "baeum-commands"]),
    ("baeum-api", &["baeum-domain", "baeum-proof", "baeum-commands", "baeum-projections"]),
    ("baeum-exchange", &["baeum-domain", "baeum-eventlog", "baeum-projections"]),
    ("baeum-testing", &["baeum-domain", "baeum-eventlog"]),
    // What speaks of payments knows nothing of the platform, and the two ends of that talk share no code.
    ("baeum-stripe", &[]),
    ("baeum-local-gateway", &[]),
    ("baeum-gateway", &["baeum-domain", "baeum-stripe"]),
    ("baeum-carrier", &["baeum-domain"]),
    ("baeum-chat", &["baeum-domain"]),
    ("baeum-local-carrier", &[]),
    (
        "baeum-server",
        &[
            "baeum-domain",
            "baeum-proof",
            "baeum-eventlog",
            "baeum-commands",
            "baeum-projections",
            "baeum-ml",
            "baeum-sagas",
            "baeum-api",
            "baeum-exchange",
            "baeum-gateway",
            "baeum-carrier",
            "baeum-chat",
        ],
    ),
    (
        "baeum-bench",
        &[
            "baeum-domain",
            "baeum-proof",
            "baeum-eventlog",
            "baeum-commands",
            "baeum-projections",
            "baeum-ml",
            "baeum-sagas",
            "baeum-api",
            "baeum-exchange",
            "baeum-gateway",
            "baeum-local-gateway",
            "baeum-testing",
        ],
    ),
];

/// Which crates may depend on these packages.
const KNOWN_BY: &[(&str, &[&str])] = &[
    ("cqrs-es", &["baeum-eventlog", "baeum-bench"]),
    ("async-nats", &["baeum-eventlog", "baeum-bench"]),
    (
        "sqlx",
        &[
            "baeum-eventlog",
            "baeum-commands",
            "baeum-projections",
            "baeum-sagas",
            "baeum-exchange",
            "baeum-server",
            "baeum-bench",
            "baeum-testing",
        ],
    ),
    ("lettre", &["baeum-sagas"]),
    ("axum", &["baeum-api", "baeum-server", "baeum-local-gateway", "baeum-local-carrier"]),
    ("candle-core", &["baeum-ml"]),
    ("fsrs", &["baeum-ml"]),
    ("pglite-oxide", &["baeum-server"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The dependencies of each crate of the workspace, without those for tests only.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    packages
        .iter()
        .map(|package| {
            let of_code = |dependency: &&Value| dependency["kind"].is_null();
            let names = package["dependencies"].as_array().into_iter().flatten().filter(of_code);
            let names = names.filter_map(|dependency| dependency["name"].as_str().map(ToOwned::to_owned));
            (package["name"].as_str().unwrap_or_default().to_owned(), names.collect())
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    for (name, found) in dependencies() {
        let allowed = DAG.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("crate {name} has no place in the architecture yet"));
        let ours = found.iter().filter(|it| it.starts_with("baeum-"));
        let wrong: Vec<_> = ours.filter(|it| !allowed.contains(&it.as_str())).collect();
        assert!(wrong.is_empty(), "{name} must not depend on {wrong:?}");
    }
}

#[test]
fn databases_brokers_frameworks_and_models_are_known_where_they_belong() {
    for (name, found) in dependencies() {
        for (package, knowers) in KNOWN_BY {
            let knows = found.contains(*package);
            assert!(!knows || knowers.contains(&name.as_str()), "{name} must not know {package}");
        }
    }
}

#[test]
fn the_domain_is_pure_and_synchronous() {
    for file in sources(&root().join("crates/domain/src")) {
        let text = fs::read_to_string(&file).expect("readable");
        for banned in ["async fn", "tokio", "sqlx", "std::fs", "std::net", "Utc::now", "SystemTime", "now_v7", "new_v4"]
        {
            assert!(!text.contains(banned), "{} speaks of {banned}", file.display());
        }
    }
}

#[test]
fn the_same_noun_has_the_same_folder_in_every_crate() {
    let contexts: BTreeSet<String> = folders(&root().join("crates/domain/src"));
    for name in ["commands", "projections", "sagas", "ml", "api"] {
        let ours = folders(&root().join("crates").join(name).join("src"));
        // Folders of a crate's own machinery, not nouns of the domain.
        let machinery = ["forget", "history", "log", "ops", "rebuild", "vault", "worker"];
        let strange: Vec<_> =
            ours.iter().filter(|it| !contexts.contains(*it) && !machinery.contains(&it.as_str())).collect();
        assert!(strange.is_empty(), "crates/{name} has folders {strange:?}, which are no contexts of the domain");
    }
}

#[test]
fn the_events_table_is_touched_by_the_event_log_alone() {
    for name in ["commands", "projections", "sagas", "api", "exchange", "server"] {
        // What tests write into the log to see how it is read is no business of the product.
        let of_product = |file: &PathBuf| !file.ends_with("testing.rs");
        for file in sources(&root().join("crates").join(name).join("src")).into_iter().filter(of_product) {
            let text = fs::read_to_string(&file).expect("readable");
            for banned in ["FROM events", "INTO events", "log_head"] {
                assert!(!text.contains(banned), "{} has SQL of the log: {banned}", file.display());
            }
        }
    }
}

fn folders(of: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(of).expect("readable").flatten().filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn sources(of: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(of).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}
