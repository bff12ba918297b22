//! From a row to an attempt.

use baeum_domain::{
    ids::{ImportId, ImportedAttemptId, UserId},
    learning::imported_attempt::{Attempt, Command, ITEM_LIMIT},
    text,
};
use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    hex,
    records::Row,
    source::Pseudonyms,
    spec::{SkillReader, Spec},
    time::shortened,
};

/// Makes commands of rows.
pub(super) struct Reader {
    pub(super) spec: Spec,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) import_id: ImportId,
    pub(super) now: DateTime<Utc>,
}

impl Reader {
    /// The id of the attempt of a row, and what to do with it; or what is wrong with the row.
    pub(super) fn command(&self, row: &Row) -> Result<(String, Command), String> {
        let spec = &self.spec;
        let name = |column: usize| spec.columns[column].as_str();
        let field = |column: usize| row.fields[column].as_deref();
        let needed = |column: usize| field(column).ok_or_else(|| format!("{}: the field is empty", name(column)));
        let learner = needed(spec.learner)?;
        let item = needed(spec.item)?;
        let item = text::check(item, ITEM_LIMIT).map_err(|problem| format!("{}: {problem}", name(spec.item)))?;
        let (time_column, time) = &spec.time;
        let occurred_at =
            time.read(needed(*time_column)?).map_err(|problem| format!("{}: {problem}", name(*time_column)))?;
        let (score, correct) = self.outcome(row)?;
        let duration_ms = match spec.duration.and_then(|(column, unit)| Some((column, unit, field(column)?))) {
            Some((column, unit, text)) => Some(milliseconds(text, unit).ok_or_else(|| {
                format!("{}: '{}' is not a number from 0 on that makes a day at most", name(column), shortened(text))
            })?),
            None => None,
        };
        let skill = match &spec.skill {
            None => None,
            Some(SkillReader::Always(skill)) => Some(*skill),
            Some(SkillReader::Column(column, values)) => match field(*column) {
                Some(word) => Some(values.get(word).copied().or_else(|| word.parse().ok()).ok_or_else(|| {
                    let word = shortened(word);
                    format!("{}: '{word}' is no skill: say by skill.values which one it is", name(*column))
                })?),
                None => None,
            },
        };
        let words = spec.answer.map(|column| field(column).map_or(0, text::count_words));
        let key = spec.key.iter().map(|column| needed(*column)).collect::<Result<Vec<_>, _>>()?;
        let attempt_id = self.pseudonyms.id("attempt", key);
        let attempt = Attempt {
            attempt_id: ImportedAttemptId(attempt_id),
            import_id: self.import_id,
            source: spec.source.clone(),
            learner_id: UserId(self.pseudonyms.id("learner", [learner])),
            item: item.to_owned(),
            skill,
            occurred_at,
            score,
            correct,
            duration_ms,
            words,
            digest: String::new(),
        };
        let digest = self.digest(&attempt);
        Ok((attempt_id.to_string(), Command::Import { attempt: Attempt { digest, ..attempt }, now: self.now }))
    }

    /// The score, and whether it is right.
    fn outcome(&self, row: &Row) -> Result<(f64, Option<bool>), String> {
        let name = |column: usize| self.spec.columns[column].as_str();
        let needed = |column: usize| {
            row.fields[column].as_deref().ok_or_else(|| format!("{}: the field is empty", name(column)))
        };
        let correct = match &self.spec.correct {
            None => None,
            Some(it) => {
                let word = needed(it.column)?;
                if it.yes.iter().any(|yes| yes == word) {
                    Some(true)
                } else if it.no.iter().any(|no| no == word) {
                    Some(false)
                } else {
                    let word = shortened(word);
                    return Err(format!("{}: '{word}' is neither among `yes` nor among `no`", name(it.column)));
                }
            }
        };
        let Some(score) = &self.spec.score else {
            return Ok((if correct == Some(true) { 1.0 } else { 0.0 }, correct));
        };
        let text = needed(score.column)?;
        let points = text.parse::<f64>().ok().filter(|it| (score.from..=score.to).contains(it)).ok_or_else(|| {
            let (name, text) = (name(score.column), shortened(text));
            format!("{name}: '{text}' is not a number from {} to {}", score.from, score.to)
        })?;
        let scaled = ((points - score.from) / (score.to - score.from)).clamp(0.0, 1.0);
        Ok((scaled, correct.or(score.pass.map(|pass| points >= pass))))
    }

    /// What tells a row that has changed: all that was made of it.
    fn digest(&self, attempt: &Attempt) -> String {
        let number = |it: Option<u32>| it.map(|it| it.to_string()).unwrap_or_default();
        let values = [
            attempt.learner_id.to_string(),
            attempt.item.clone(),
            attempt.skill.map(<&'static str>::from).unwrap_or_default().to_owned(),
            attempt.occurred_at.to_rfc3339_opts(SecondsFormat::Nanos, true),
            attempt.score.to_string(),
            attempt.correct.map(|it| it.to_string()).unwrap_or_default(),
            number(attempt.duration_ms),
            number(attempt.words),
        ];
        hex(&self.pseudonyms.digest("values", values.iter().map(String::as_str)))
    }
}

/// Whole milliseconds of a number of some unit.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds of a day")]
fn milliseconds(text: &str, unit: f64) -> Option<u32> {
    let milliseconds = (text.parse::<f64>().ok()? * unit).round();
    let day = f64::from(baeum_domain::learning::imported_attempt::DURATION_LIMIT);
    (0.0..=day).contains(&milliseconds).then_some(milliseconds as u32)
}
