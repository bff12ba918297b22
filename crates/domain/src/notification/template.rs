//! The texts that notifications are made from: `[[notification]]` entries of the catalogue, one a language.
//!
//! A text names its parameters in braces: `You scored {score}.` Every text of a template has the same parameters, whose
//! kinds say how their written form (what stands in events) becomes words of a language. `{display_name}` is the name of
//! the person who is told, and is known to every template.

use std::collections::BTreeMap;
use std::fmt;

use chrono::NaiveDate;
use serde::Deserialize;
use uuid::Uuid;

use super::{billing, channel::Channel, words};
use crate::{
    catalog::Catalog,
    identity::locale::Language,
    ids::{NotificationTopic, PlanId, TemplateId, TitleId},
    level::Cefr,
    money::Money,
};

/// The parameter that every template knows: the name of the person who is told.
pub const DISPLAY_NAME: &str = "display_name";

/// The languages that every template must be written in. Who has another native language is told in the first of them.
pub const LANGUAGES: [&str; 2] = ["en", "ko"];

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A whole number, 0 or more: `12`.
    Count,
    /// A share of one, 0 to 1, told in percent: `0.8` is 80 %.
    Share,
    /// A band of the CEFR: `B1`.
    Level,
    /// A calendar day: `2026-03-01`.
    Date,
    /// A title of the catalogue by its id, told by its name in the language.
    Title,
    /// An amount of money: `12900 KRW` or `9.90 USD`.
    Money,
    /// A plan, told by its id.
    Plan,
    /// An id that the person can quote, such as that of an invoice.
    Reference,
}

/// A text in one language.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Its name.
    pub id: TemplateId,
    /// The language.
    pub language: Language,
    /// What it is about.
    pub topic: NotificationTopic,
    /// Its parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, Kind>,
    /// One line: the subject of a mail, the title of a push message.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// A text by its name and language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateKey {
    /// The template.
    pub id: TemplateId,
    /// The language.
    pub language: Language,
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}' in '{}", self.id, self.language)
    }
}

/// A template that processes send: its name and parameters. The catalogue must have it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name.
    pub id: &'static str,
    /// What it is about.
    pub topic: &'static str,
    /// Its parameters.
    pub parameters: &'static [(&'static str, Kind)],
    /// Whether it goes out by e-mail even to who has switched its topic off there: what the law wants told.
    pub owed: bool,
}

/// After a lesson, with a title that was recommended: `score` is the mean of the best scores.
pub const LESSON_COMPLETED: Spec =
    learning("lesson_completed", "lessons", &[("score", Kind::Share), ("title", Kind::Title)]);
/// The same where nothing was recommended.
pub const LESSON_COMPLETED_ONLY: Spec = learning("lesson_completed_only", "lessons", &[("score", Kind::Share)]);
/// After a level test.
pub const LEVEL_ASSESSED: Spec = learning("level_assessed", "levels", &[("level", Kind::Level)]);
/// On the day after a lesson, to who has not learned on it yet: `streak` is the number of days in a row.
pub const STREAK_REMINDER: Spec = learning("streak_reminder", "reminders", &[("streak", Kind::Count)]);

const fn learning(id: &'static str, topic: &'static str, parameters: &'static [(&'static str, Kind)]) -> Spec {
    Spec { id, topic, parameters, owed: false }
}

/// Every template that processes send, a line each context.
const SENT: [&[Spec]; 2] = [&[LESSON_COMPLETED, LESSON_COMPLETED_ONLY, LEVEL_ASSESSED, STREAK_REMINDER], &billing::ALL];

/// Every template that processes send.
pub fn sent() -> impl Iterator<Item = &'static Spec> {
    SENT.into_iter().flatten()
}

/// Whether the law wants this told by this channel, whatever the person has switched off.
pub fn is_owed(template: &TemplateId, channel: Channel) -> bool {
    channel == Channel::Email && sent().any(|it| it.owed && it.id == template.as_str())
}

impl Spec {
    /// Its name.
    pub fn template(&self) -> TemplateId {
        self.id.parse().expect("the names of templates are slugs")
    }
}

/// A message, ready to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Why no message can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no such template.
    #[error("there is no template '{0}': add it to the catalogue")]
    Unknown(TemplateId),
    /// A parameter is missing, is not known, or has not the form of its kind.
    #[error("parameter '{name}' of the template '{template}' is {problem}")]
    Parameter {
        /// The template.
        template: TemplateId,
        /// The parameter.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl Template {
    /// Checks its form: braces that name its parameters, and a subject of one line.
    ///
    /// # Errors
    /// The first mistake, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        if self.subject.trim().is_empty() || self.subject.contains(['\n', '\r']) {
            return Err("subject: give one line that says something".into());
        }
        if self.text.trim().is_empty() {
            return Err("text: write something".into());
        }
        if self.parameters.contains_key(DISPLAY_NAME) {
            return Err(format!("parameters: '{DISPLAY_NAME}' is known to every template, leave it out"));
        }
        for (field, text) in [("subject", &self.subject), ("text", &self.text)] {
            expand(text, |name| {
                let known = name == DISPLAY_NAME || self.parameters.contains_key(name);
                known.then(String::new).ok_or_else(|| format!("names '{{{name}}}', which is none of its parameters"))
            })
            .map_err(|problem| format!("{field}: {problem}"))?;
        }
        Ok(())
    }

    fn wrong(&self, name: &str, problem: impl Into<String>) -> TemplateError {
        TemplateError::Parameter { template: self.id.clone(), name: name.to_owned(), problem: problem.into() }
    }

    /// Checks that these are its parameters, each in the form of its kind.
    ///
    /// # Errors
    /// The first that is missing, unknown or malformed.
    pub fn accept(&self, parameters: &BTreeMap<String, String>) -> Result<(), TemplateError> {
        if let Some(name) = parameters.keys().find(|name| !self.parameters.contains_key(*name)) {
            return Err(self.wrong(name, "not known to it"));
        }
        for (name, kind) in &self.parameters {
            let value = parameters.get(name).ok_or_else(|| self.wrong(name, "missing"))?;
            let sound = match kind {
                Kind::Count => value.parse::<u64>().is_ok(),
                Kind::Share => value.parse::<f64>().is_ok_and(|it| (0.0..=1.0).contains(&it)),
                Kind::Level => value.parse::<Cefr>().is_ok(),
                Kind::Date => value.parse::<NaiveDate>().is_ok(),
                Kind::Title => value.parse::<TitleId>().is_ok(),
                Kind::Money => value.parse::<Money>().is_ok(),
                Kind::Plan => value.parse::<PlanId>().is_ok(),
                Kind::Reference => value.parse::<Uuid>().is_ok(),
            };
            if !sound {
                return Err(
                    self.wrong(name, format!("'{}', which is no {kind}", value.chars().take(40).collect::<String>()))
                );
            }
        }
        Ok(())
    }

    /// Makes the message.
    ///
    /// # Errors
    /// As [`Template::accept`].
    pub fn render(
        &self,
        catalog: &Catalog,
        parameters: &BTreeMap<String, String>,
        display_name: &str,
    ) -> Result<Rendered, TemplateError> {
        self.accept(parameters)?;
        let words = |name: &str| {
            if name == DISPLAY_NAME {
                return Ok(display_name.to_owned());
            }
            let (kind, value) = self.parameters.get(name).zip(parameters.get(name)).ok_or("missing")?;
            Ok::<_, String>(self.words(*kind, value, catalog))
        };
        let fill = |text: &str| expand(text, words).map_err(|problem| self.wrong("", problem));
        Ok(Rendered { subject: fill(&self.subject)?, text: fill(&self.text)? })
    }

    /// A value in words of the language; as it is written where it means nothing any more.
    fn words(&self, kind: Kind, value: &str, catalog: &Catalog) -> String {
        let korean = self.language.as_str() == "ko";
        let words = match kind {
            Kind::Count | Kind::Level | Kind::Plan | Kind::Reference => None,
            Kind::Money => value.parse().ok().map(|it| words::amount(it, &self.language)),
            Kind::Share => value.parse::<f64>().ok().map(|it| format!("{:.0}%", it * 100.0)),
            Kind::Date => value.parse().ok().map(|it| words::day(it, &self.language)),
            Kind::Title => value
                .parse::<TitleId>()
                .ok()
                .and_then(|id| catalog.titles.get(&id))
                .map(|title| if korean { title.title_ko.clone() } else { title.title.clone() }),
        };
        words.unwrap_or_else(|| value.to_owned())
    }
}

/// Replaces `{name}` by what `words` gives for it. A brace that opens must close, and the other way round.
fn expand<E: From<String>>(text: &str, words: impl Fn(&str) -> Result<String, E>) -> Result<String, E> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let inner = rest[at..].strip_prefix('{').and_then(|it| it.split_once('}'));
        let Some((name, after)) = inner.filter(|(name, _)| !name.contains('{')) else {
            return Err(E::from("has a brace without its other half: write {parameter}".to_owned()));
        };
        out.push_str(&words(name)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

impl Catalog {
    /// The text of a template in a language, or in the first of [`LANGUAGES`] where it is not written in that one.
    ///
    /// # Errors
    /// When there is no such template.
    pub fn notification(&self, id: &TemplateId, language: &Language) -> Result<&Template, TemplateError> {
        let of = |language: Language| self.notifications.get(&TemplateKey { id: id.clone(), language });
        let fallback = || LANGUAGES[0].parse().ok().and_then(of);
        of(language.clone()).or_else(fallback).ok_or_else(|| TemplateError::Unknown(id.clone()))
    }

    /// Checks that every template that processes send is there in every language, with the right parameters, and that
    /// the texts of each template agree.
    ///
    /// # Errors
    /// Every mistake.
    pub fn check_notifications(&self) -> Result<(), Vec<String>> {
        let mut mistakes = vec![];
        for spec in sent() {
            for language in LANGUAGES {
                let key = TemplateKey { id: spec.template(), language: language.parse().expect("a language") };
                let Some(found) = self.notifications.get(&key) else {
                    mistakes.push(format!("there is no notification '{key}': add it"));
                    continue;
                };
                let expected: BTreeMap<_, _> =
                    spec.parameters.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
                if found.topic.as_str() != spec.topic {
                    mistakes.push(format!("the notification '{key}' must have the topic '{}'", spec.topic));
                }
                if found.parameters != expected {
                    let expected: Vec<_> = expected.iter().map(|(name, kind)| format!("{name} = \"{kind}\"")).collect();
                    mistakes.push(format!("the notification '{key}' must have the parameters {}", expected.join(", ")));
                }
            }
        }
        for (key, template) in &self.notifications {
            let first = self.notifications.values().find(|it| it.id == key.id).unwrap_or(template);
            if (&first.topic, &first.parameters) != (&template.topic, &template.parameters) {
                mistakes.push(format!(
                    "the notification '{key}' has another topic or other parameters than in another language"
                ));
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// What notifications are about: every topic, once.
    pub fn notification_topics(&self) -> std::collections::BTreeSet<&NotificationTopic> {
        self.notifications.values().map(|it| &it.topic).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: &str = r#"
[[notification]]
id = "level_assessed"
language = "en"
topic = "levels"
parameters = { level = "level", share = "share", day = "date", lessons = "count", price = "money" }
subject = "Your level: {level}"
text = "{display_name}, {share} on {day} after {lessons} lessons for {price}."
"#;

    fn catalog(text: &str) -> Result<Catalog, String> {
        Catalog::parse([("n.toml", text)]).map_err(|errors| errors[0].to_string())
    }

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_become_words_of_the_language() {
        let given = parameters(&[
            ("level", "B1"),
            ("share", "0.806"),
            ("day", "2026-03-01"),
            ("lessons", "3"),
            ("price", "12900 KRW"),
        ]);
        for (language, share_and_day, price) in
            [("en", "81% on 1 March", "₩12,900"), ("ko", "81% on 3월 1일", "12,900원")]
        {
            let catalog = catalog(&LEVEL.replace("\"en\"", &format!("\"{language}\""))).expect("no mistake");
            let template = catalog.notifications.values().next().expect("a template");
            let rendered = template.render(&catalog, &given, "Mina {level}").expect("rendered");
            assert_eq!(rendered.subject, "Your level: B1");
            // What a person is called is never taken for a text.
            assert_eq!(rendered.text, format!("Mina {{level}}, {share_and_day} after 3 lessons for {price}."));
        }
    }

    #[test]
    fn parameters_that_do_not_fit_are_refused() {
        let catalog = catalog(LEVEL).expect("no mistake");
        let template = catalog.notifications.values().next().expect("a template");
        let sound = [("level", "B1"), ("share", "0.5"), ("day", "2026-03-01"), ("lessons", "3"), ("price", "9.90 USD")];
        assert_eq!(template.accept(&parameters(&sound)), Ok(()));
        for (at, wrong) in [(0, "Z9"), (1, "1.5"), (2, "yesterday"), (3, "-1"), (4, "9.90")] {
            let mut given = sound;
            given[at].1 = wrong;
            let error = template.accept(&parameters(&given)).expect_err("wrong").to_string();
            assert!(error.contains(wrong), "{error}");
        }
        assert!(template.accept(&parameters(&sound[1..])).expect_err("missing").to_string().contains("missing"));
        let mut more = parameters(&sound);
        more.insert("x".to_owned(), "1".to_owned());
        assert!(template.accept(&more).expect_err("unknown").to_string().contains("not known"));
    }

    #[test]
    fn mistakes_in_a_text_are_told_with_file_and_line() {
        for (from, to, told) in [
            ("{share}", "{shear}", "n.toml:2: 'level_assessed': text: names '{shear}'"),
            ("{share}", "{share", "brace without its other half"),
            ("{share}", "share}", "brace without its other half"),
            ("Your level: {level}", "", "subject: give one line"),
            ("\"level\"", "\"wood\"", "n.toml:"),
            ("\"en\"", "\"english\"", "two-letter"),
            ("level = \"level\"", "display_name = \"level\"", "known to every template"),
        ] {
            let error = catalog(&LEVEL.replace(from, to)).expect_err(told);
            assert!(error.contains(told), "{error}");
        }
        assert!(catalog(&format!("{LEVEL}{LEVEL}")).expect_err("twice").contains("used twice"));
    }

    #[test]
    fn what_processes_send_must_be_there_with_its_parameters() {
        let mistakes = catalog(LEVEL).expect("no mistake").check_notifications().expect_err("incomplete");
        assert!(
            mistakes.iter().any(|it| it == "there is no notification 'lesson_completed' in 'ko': add it"),
            "{mistakes:?}"
        );
        assert!(mistakes.iter().any(|it| it.contains("must have the parameters level = \"level\"")), "{mistakes:?}");
    }

    #[test]
    fn who_speaks_another_language_is_told_in_english() {
        let catalog = catalog(LEVEL).expect("no mistake");
        let id = "level_assessed".parse().expect("an id");
        let found = catalog.notification(&id, &"fr".parse().expect("a language")).expect("found");
        assert_eq!(found.language.as_str(), "en");
        let none = "none".parse().expect("an id");
        assert!(catalog.notification(&none, &"en".parse().expect("a language")).is_err());
    }
}
