//! Which shards there are: one, or those of a file.
//!
//! A shard is a database with its own log, and a stream of its own; each tenant's log lives in one. See
//! `docs/operations.md`.

use std::{collections::BTreeSet, fs, path::Path};

use baeum_domain::position::Shard;
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;
use toml::Spanned;

use crate::config;

/// The tenant of whoever has no file of shards.
pub(crate) const TENANT: &str = "main";

/// A shard in which every value is right by itself.
#[derive(Clone)]
pub(crate) struct ShardConfig {
    /// Its number.
    pub(crate) number: Shard,
    /// Its Postgres; none for the embedded one.
    pub(crate) database: Option<PgConnectOptions>,
    /// Where the URL of that was given.
    pub(crate) variable: String,
    /// Name of its stream.
    pub(crate) stream: String,
    /// Whose logs it keeps.
    pub(crate) tenants: Vec<String>,
}

impl ShardConfig {
    /// The only shard.
    pub(crate) fn only(database: Option<PgConnectOptions>, stream: String) -> Self {
        let (variable, tenants) = ("DATABASE_URL".to_owned(), vec![TENANT.to_owned()]);
        Self { number: Shard::default(), database, variable, stream, tenants }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "shard")]
    shards: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: Spanned<i64>,
    database_url: Spanned<String>,
    stream: Spanned<String>,
    tenants: Spanned<Vec<Spanned<String>>>,
}

/// Reads the shards of a file.
///
/// # Errors
/// That it cannot be read, or every mistake in it with its line.
pub(crate) fn load(path: &Path) -> Result<Vec<ShardConfig>, Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| vec![format!("{} cannot be read: {error}", path.display())])?;
    parse(&path.display().to_string(), &text, |name| std::env::var(name).ok())
}

fn parse(file: &str, text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<ShardConfig>, Vec<String>> {
    let mut mistakes = vec![];
    let mut report = |at: usize, problem: &str| {
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        mistakes.push((line, problem.trim().replace('\n', " ")));
    };
    let entries = match toml::from_str::<File>(text) {
        Ok(file) => file.shards,
        Err(error) => {
            report(error.span().map_or(0, |span| span.start), error.message());
            vec![]
        }
    };
    let mut seen = Seen::default();
    let mut shards = vec![];
    for Entry { number, database_url, stream, tenants } in entries {
        let mut good = |at: usize, checked: Result<(), String>| checked.map_err(|problem| report(at, &problem)).is_ok();
        let shard = Shard::new(*number.get_ref()).map_err(|error| error.to_string());
        let known = shard.clone().and_then(|it| seen.once("number", &it.to_string()));
        let url = url_of(database_url.get_ref(), &variable);
        let place = url.as_ref().map_err(Clone::clone).and_then(|(_, url)| seen.once("database", &place(url)));
        let named = config::stream(stream.get_ref()).map_err(|problem| format!("stream {problem}"));
        let named = named.and_then(|()| seen.once("stream", stream.get_ref()));
        let mut right = good(number.span().start, known);
        right &= good(database_url.span().start, place);
        right &= good(stream.span().start, named);
        if tenants.get_ref().is_empty() {
            right &= good(tenants.span().start, Err("tenants is empty: name at least one".to_owned()));
        }
        for tenant in tenants.get_ref() {
            let checked = tenant_name(tenant.get_ref()).and_then(|()| seen.once("tenant", tenant.get_ref()));
            right &= good(tenant.span().start, checked);
        }
        if let (true, Ok(number), Ok((variable, url))) = (right, shard, url) {
            let tenants = tenants.into_inner().into_iter().map(Spanned::into_inner).collect();
            shards.push(ShardConfig { number, database: Some(url), variable, stream: stream.into_inner(), tenants });
        }
    }
    if mistakes.is_empty() && shards.is_empty() {
        mistakes.push((1, "there is no [[shard]]: give at least one".to_owned()));
    }
    if mistakes.is_empty() {
        return Ok(shards);
    }
    Err(mistakes.into_iter().map(|(line, problem)| format!("{file}:{line}: {problem}")).collect())
}

/// What must differ between shards.
#[derive(Default)]
struct Seen(BTreeSet<(&'static str, String)>);

impl Seen {
    fn once(&mut self, what: &'static str, value: &str) -> Result<(), String> {
        if self.0.insert((what, value.to_owned())) {
            return Ok(());
        }
        // Where a database is may be told; its URL may not.
        Err(match what {
            "tenant" => format!("tenant '{value}' is named twice: its log lives in one shard"),
            _ => format!("{what} {value} is used twice: give each shard its own"),
        })
    }
}

/// The variable and what it says. URLs stand in variables, so that the file holds no password.
fn url_of(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<(String, PgConnectOptions), String> {
    let name = text.strip_prefix("${").and_then(|it| it.strip_suffix('}'));
    let sound =
        |it: &&str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let Some(name) = name.filter(sound) else {
        return Err("database_url is no name of a variable: give for instance \"${SHARD1_URL}\", and the URL in the \
                    environment, so that the file holds no password"
            .to_owned());
    };
    let Some(url) = variable(name) else {
        return Err(format!("the variable {name} is not set: give it the URL of the shard's Postgres"));
    };
    let options = config::database(&url).map_err(|problem| format!("{name} {problem}"))?;
    Ok((name.to_owned(), options))
}

/// Where a database is, without user and password.
fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or(options.get_username());
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

fn tenant_name(name: &str) -> Result<(), String> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if fits {
        Ok(())
    } else {
        Err(format!("'{name}' is no tenant: use 1 to 64 lower-case letters, digits, '-' and '_'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
[[shard]]
number = 0
database_url = "${SHARD0_URL}"
stream = "events"
tenants = ["main"]

[[shard]]
number = 1
database_url = "${SHARD1_URL}"
stream = "events-1"
tenants = ["busan", "daegu"]
"#;

    fn read(text: &str) -> Result<Vec<ShardConfig>, Vec<String>> {
        parse("shards.toml", text, |name| match name {
            "SHARD0_URL" => Some("postgres://u:secret@one/db".to_owned()),
            "SHARD1_URL" => Some("postgres://u:secret@two/db".to_owned()),
            _ => None,
        })
    }

    fn mistakes(text: &str) -> Vec<String> {
        read(text).map(drop).expect_err("a mistake")
    }

    #[test]
    fn a_good_file_is_read() {
        let shards = read(TWO).map_err(|it| it.join("\n")).expect("no mistake");
        let numbers: Vec<_> = shards.iter().map(|it| it.number.number()).collect();
        assert_eq!(numbers, [0, 1]);
        assert_eq!((shards[1].tenants.len(), shards[1].stream.as_str()), (2, "events-1"));
        assert_eq!(shards[1].variable, "SHARD1_URL");
    }

    #[test]
    fn what_shards_must_not_share_is_found_with_its_line() {
        let cases = [
            (("number = 1", "number = 0"), "shards.toml:9: number 0 is used twice: give each shard its own"),
            (("SHARD1", "SHARD0"), "shards.toml:10: database one:5432/db is used twice: give each shard its own"),
            (("events-1", "events"), "shards.toml:11: stream events is used twice: give each shard its own"),
            (("daegu", "main"), "shards.toml:12: tenant 'main' is named twice: its log lives in one shard"),
        ];
        for ((from, to), expected) in cases {
            assert_eq!(mistakes(&TWO.replace(from, to)), [expected]);
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_password_is() {
        let wrong = TWO.replace("number = 1", "number = 4096").replace("\"busan\"", "\"Busan!\"");
        let wrong = wrong.replace("events-1", "a.b").replace("${SHARD1_URL}", "postgres://u:hunter2@h/db");
        let told = mistakes(&wrong);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].starts_with("shards.toml:9: 4096 is no number of a shard"), "{told:?}");
        assert!(!told.join("\n").contains("hunter2"), "{told:?}");
    }

    #[test]
    fn a_missing_variable_a_wrong_word_and_an_empty_file_are_told() {
        assert!(
            mistakes(&TWO.replace("SHARD1", "SHARD2"))[0].starts_with("shards.toml:10: the variable SHARD2_URL is not")
        );
        assert!(
            mistakes(&TWO.replace("stream = \"events-1\"", "steam = 1"))[0]
                .starts_with("shards.toml:11: unknown field")
        );
        assert!(mistakes(&TWO.replace("[\"main\"]", "[]"))[0].starts_with("shards.toml:6: tenants is empty"));
        assert_eq!(mistakes(""), ["shards.toml:1: there is no [[shard]]: give at least one"]);
    }
}
