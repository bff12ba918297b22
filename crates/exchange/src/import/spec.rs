//! What the columns of a file mean: a specification in TOML, see `docs/import.md`.

use std::{collections::BTreeMap, fs, path::Path};

use baeum_domain::{ids::Source, level::Skill};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{ImportError, hex, time::TimeReader};

/// What the columns of a file mean, checked.
#[derive(Debug)]
pub struct Spec {
    pub(super) source: Source,
    pub(super) format: Format,
    pub(super) delimiter: u8,
    pub(super) key: Vec<usize>,
    pub(super) learner: usize,
    pub(super) item: usize,
    pub(super) time: (usize, TimeReader),
    pub(super) correct: Option<CorrectReader>,
    pub(super) score: Option<ScoreReader>,
    pub(super) duration: Option<(usize, f64)>,
    pub(super) skill: Option<SkillReader>,
    pub(super) answer: Option<usize>,
    /// The columns that are read, each once.
    pub(super) columns: Vec<String>,
    /// SHA-256 of the specification, in hexadecimal.
    pub(super) digest: String,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Jsonl,
}

#[derive(Debug)]
pub(super) struct CorrectReader {
    pub(super) column: usize,
    pub(super) yes: Vec<String>,
    pub(super) no: Vec<String>,
}

#[derive(Debug)]
pub(super) struct ScoreReader {
    pub(super) column: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) pass: Option<f64>,
}

#[derive(Debug)]
pub(super) enum SkillReader {
    Always(Skill),
    Column(usize, BTreeMap<String, Skill>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Source,
    format: Option<Format>,
    delimiter: Option<String>,
    #[serde(default)]
    key: Vec<String>,
    learner: String,
    item: String,
    time: Time,
    correct: Option<Correct>,
    score: Option<Score>,
    duration: Option<Duration>,
    skill: Option<SkillEntry>,
    answer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    column: String,
    format: String,
    zone: Option<String>,
    ambiguous: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Correct {
    column: String,
    yes: Vec<String>,
    no: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Score {
    column: String,
    from: f64,
    to: f64,
    pass: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Duration {
    column: String,
    unit: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SkillEntry {
    Always(Skill),
    Column(SkillColumn),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillColumn {
    column: String,
    #[serde(default)]
    values: BTreeMap<String, Skill>,
}

/// Numbers the columns in the order in which they are first named.
#[derive(Default)]
struct Columns(Vec<String>);

impl Columns {
    fn number(&mut self, name: String) -> usize {
        self.0.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        })
    }
}

impl Spec {
    /// Reads the specification of `file`, for the file `data`, whose name tells its format where the specification
    /// does not.
    ///
    /// # Errors
    /// When it cannot be read, or the first mistake in it.
    pub fn load(file: &Path, data: &Path) -> Result<Self, ImportError> {
        let text =
            fs::read_to_string(file).map_err(|error| ImportError::Read { path: file.display().to_string(), error })?;
        Self::parse(&text, data).map_err(|problem| ImportError::Spec { path: file.display().to_string(), problem })
    }

    pub(super) fn parse(text: &str, data: &Path) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().trim().replace('\n', " "))
        })?;
        let extension = data.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
        let format = match (file.format, extension.as_str()) {
            (Some(format), _) => format,
            (None, "csv" | "tsv" | "txt") => Format::Csv,
            (None, "jsonl" | "ndjson") => Format::Jsonl,
            (None, _) => {
                return Err("format: is missing, and the name of the file does not tell: give csv or jsonl".into());
            }
        };
        let delimiter = match file.delimiter.as_deref().map(str::as_bytes) {
            None if extension == "tsv" => b'\t',
            None => b',',
            Some(&[byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => byte,
            Some(_) => return Err("delimiter: give one character, such as \";\" or \"\\t\"".into()),
        };
        if file.correct.is_none() && file.score.is_none() {
            return Err(
                "neither [correct] nor [score] is there: give at least one, or nothing is known of an attempt".into()
            );
        }
        let mut columns = Columns::default();
        let (learner, item) = (columns.number(file.learner), columns.number(file.item));
        let time_column = columns.number(file.time.column);
        let time = TimeReader::new(&file.time.format, file.time.zone.as_deref(), file.time.ambiguous.as_deref())?;
        let key = match file.key {
            none if none.is_empty() => vec![learner, item, time_column],
            given => given.into_iter().map(|name| columns.number(name)).collect(),
        };
        let correct = file.correct.map(|it| {
            if it.yes.is_empty() || it.no.is_empty() || it.yes.iter().any(|word| it.no.contains(word)) {
                return Err("correct: give at least one word for `yes` and one for `no`, and none for both".to_owned());
            }
            Ok(CorrectReader { column: columns.number(it.column), yes: it.yes, no: it.no })
        });
        let score = file.score.map(|it| {
            let pass_fits = it.pass.is_none_or(|pass| (it.from..=it.to).contains(&pass));
            if !(it.from.is_finite() && it.to.is_finite() && it.from < it.to && pass_fits) {
                return Err("score: `from` must be less than `to`, and `pass` between them".to_owned());
            }
            Ok(ScoreReader { column: columns.number(it.column), from: it.from, to: it.to, pass: it.pass })
        });
        let duration = file.duration.map(|it| match it.unit.as_str() {
            "ms" => Ok((columns.number(it.column), 1.0)),
            "s" => Ok((columns.number(it.column), 1_000.0)),
            "min" => Ok((columns.number(it.column), 60_000.0)),
            other => Err(format!("duration: the unit '{other}' is not known: give ms, s or min")),
        });
        let skill = file.skill.map(|it| match it {
            SkillEntry::Always(skill) => SkillReader::Always(skill),
            SkillEntry::Column(it) => SkillReader::Column(columns.number(it.column), it.values),
        });
        let answer = file.answer.map(|name| columns.number(name));
        Ok(Self {
            source: file.source,
            format,
            delimiter,
            key,
            learner,
            item,
            time: (time_column, time),
            correct: correct.transpose()?,
            score: score.transpose()?,
            duration: duration.transpose()?,
            skill,
            answer,
            columns: columns.0,
            digest: hex(&Sha256::digest(text.as_bytes())),
        })
    }

    /// The system that the file comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
source = "old-lms"
learner = "student"
item = "question"
[time]
column = "at"
format = "%Y-%m-%d %H:%M:%S"
zone = "Asia/Seoul"
[correct]
column = "right"
yes = ["1"]
no = ["0"]
"#;

    fn parse(text: &str) -> Result<Spec, String> {
        Spec::parse(text, Path::new("attempts.csv"))
    }

    #[test]
    fn a_row_is_known_by_learner_item_and_time_unless_a_key_is_named() {
        let spec = parse(GOOD).expect("a good specification");
        assert_eq!(spec.columns, ["student", "question", "at", "right"]);
        assert_eq!(spec.key, [0, 1, 2]);
        let keyed = parse(&format!("key = [\"id\"]\n{GOOD}")).expect("a good specification");
        assert_eq!(keyed.columns[keyed.key[0]], "id");
    }

    #[test]
    fn mistakes_are_told_with_what_would_be_right() {
        let cases = [
            (("source = \"old-lms\"", "source = \"Old LMS\""), "line 2: 'Old LMS' is not a source"),
            (("learner =", "learnr ="), "line 3: unknown field `learnr`"),
            (("Asia/Seoul", "Asia/Soul"), "zone: 'Asia/Soul' is no time zone"),
            (("zone = \"Asia/Seoul\"", ""), "zone: is missing"),
            (("%H:%M:%S", ""), "does not tell the time of day"),
            (("no = [\"0\"]", "no = [\"1\"]"), "none for both"),
            (("[correct]", "[score]\ncolumn = \"s\"\nfrom = 5\nto = 5\n[correct]"), "`from` must be less than `to`"),
            (("[correct]", "[duration]\ncolumn = \"s\"\nunit = \"h\"\n[correct]"), "give ms, s or min"),
            (("item = ", "delimiter = \";;\"\nitem = "), "delimiter: give one character"),
        ];
        for ((from, to), expected) in cases {
            let told = parse(&GOOD.replace(from, to)).expect_err("a mistake");
            assert!(told.contains(expected), "'{expected}' is not in: {told}");
        }
        let nothing_known = GOOD.split("[correct]").next().expect("a part");
        assert!(parse(nothing_known).expect_err("a mistake").contains("neither [correct] nor [score]"));
        let nameless = Spec::parse(GOOD, Path::new("attempts")).expect_err("no format");
        assert!(nameless.starts_with("format: is missing"), "{nameless}");
    }
}
