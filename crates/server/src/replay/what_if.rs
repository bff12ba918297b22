//! `baeum replay --what-if`: what would have been recommended with other settings, or from another catalogue.
//!
//! The log is read once, and only read. Each recorded recommendation is computed anew from what was known of its learner
//! when it was made, and compared with the one that was recorded. What was known is in the event since its version 2; of
//! older ones it is the state of user, curriculum and taste just before it. There a learner may have gone on (to the next
//! lesson, say) between the decision and its place in the log: so the latest states are tried with the present settings, the
//! last first, and the one that gives what was recorded is the one that it was made from. Where none does, something else
//! has changed since (the catalogue, the model): the last state is taken then, and the report says how often.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use baeum_domain::{
    AnyEvent, Decider,
    any::AGGREGATES,
    catalog::Catalog,
    identity::user::User,
    ids::UserId,
    learning::curriculum::Curriculum,
    recommendation::{
        recommendation::{Event, Recommendation},
        recommending::{Ranking, RecommendationInput, Recommender as _},
        taste::Taste,
    },
};
use baeum_eventlog::{EventLog, decode_raw};
use baeum_ml::recommendation::{
    bandit_recommender::BanditRecommender,
    settings::{Settings, SettingsError},
};
use serde::{Deserialize, Serialize};

use crate::catalog::{self, LoadError};

/// How many states of a learner are remembered beside the last: about 2 KB each.
const EARLIER: usize = 2;
/// How many events are read at once.
const READ: i64 = 2_000;

/// What is to be tried, as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Settings of the recommender; what is left out is as it is at present.
    #[serde(default)]
    recommender: Settings,
    /// A folder with another catalogue, beside the file.
    catalog: Option<PathBuf>,
}

/// What is to be tried.
pub(super) struct WhatIf {
    settings: Settings,
    present: BanditRecommender,
    tried: BanditRecommender,
}

/// What is known of a learner.
#[derive(Default)]
struct Known {
    user: User,
    curriculum: Curriculum,
    taste: Taste,
    /// What was known before the latest changes, the latest last.
    earlier: VecDeque<RecommendationInput>,
}

impl Known {
    fn input(&self) -> Option<RecommendationInput> {
        let profile = self.user.profile.as_ref()?;
        Some(RecommendationInput::of(&profile.preferences, &self.curriculum, &self.taste))
    }

    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.input();
        change(self);
        if before != self.input() {
            self.earlier.extend(before);
            let surplus = self.earlier.len().saturating_sub(EARLIER);
            self.earlier.drain(..surplus);
        }
    }
}

/// Why it cannot be tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WhatIfError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path}: {error}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: toml::de::Error,
    },
    /// Settings out of range.
    #[error("{path}, recommender: {error}")]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SettingsError,
    },
    /// The catalogue is not in order.
    #[error(transparent)]
    Catalog(#[from] LoadError),
}

/// What came of it.
#[derive(Serialize)]
pub(super) struct Report {
    /// The settings that were tried.
    settings: Settings,
    /// Up to which position of the log.
    position: i64,
    /// Recommendations that were recorded.
    recommendations: usize,
    /// Of them those that come out as recorded with the present settings.
    reproduced: usize,
    /// Those that would have been others: other titles or clips, or in another order.
    changed: usize,
    /// Those whose first title would have been another.
    first_title_changed: usize,
    /// The share of the recorded titles that would have been recommended too, 0 to 1; none without titles.
    titles_kept: Option<f64>,
    /// How much more often (or less, below 0) each title would have been recommended, where it would.
    titles: BTreeMap<String, i64>,
    /// The first recommendations that would have been others.
    examples: Vec<Example>,
}

/// A recommendation that would have been another.
#[derive(Serialize)]
struct Example {
    /// Position of its event.
    position: i64,
    /// For whom.
    learner_id: UserId,
    /// Whether the present settings give what was recorded.
    reproduced: bool,
    recorded: Chosen,
    tried: Chosen,
}

/// What is recommended, the best first.
#[derive(PartialEq, Serialize)]
struct Chosen {
    titles: Vec<String>,
    clips: Vec<String>,
}

impl From<Ranking> for Chosen {
    fn from(ranking: Ranking) -> Self {
        Self {
            titles: ranking.titles.into_iter().map(|it| it.title_id.into()).collect(),
            clips: ranking.clips.into_iter().map(|it| it.clip_id.into()).collect(),
        }
    }
}

impl WhatIf {
    /// Reads what is to be tried.
    ///
    /// # Errors
    /// A file or catalogue that is not in order.
    pub(super) fn load(path: &Path, present: &BanditRecommender, catalog: &Arc<Catalog>) -> Result<Self, WhatIfError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| WhatIfError::Unreadable { path: path.to_owned(), error })?;
        let file: Result<File, _> = toml::from_str(&text);
        let file = file.map_err(|error| WhatIfError::Malformed { path: path.to_owned(), error })?;
        let tried = match file.catalog {
            Some(folder) => Arc::new(catalog::load(Some(&path.parent().unwrap_or(Path::new("")).join(folder)))?),
            None => catalog.clone(),
        };
        let tried = present.over(tried).set_to(file.recommender);
        let tried = tried.map_err(|error| WhatIfError::Settings { path: path.to_owned(), error })?;
        Ok(Self { settings: file.recommender, present: present.clone(), tried })
    }

    /// Computes every recommendation up to a position anew. `progress` is told how far it is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) async fn run(
        &self,
        log: &EventLog,
        to: i64,
        limit: usize,
        mut progress: impl FnMut(i64, i64),
    ) -> Result<Report, baeum_eventlog::LogError> {
        let read = [User::AGGREGATE, Curriculum::AGGREGATE, Recommendation::AGGREGATE, Taste::AGGREGATE];
        let without: Vec<&str> = AGGREGATES.iter().map(|it| it.aggregate).filter(|it| !read.contains(it)).collect();
        let mut known = HashMap::<(String, String), Known>::new();
        let mut report = Report {
            settings: self.settings,
            position: to,
            recommendations: 0,
            reproduced: 0,
            changed: 0,
            first_title_changed: 0,
            titles_kept: None,
            titles: BTreeMap::new(),
            examples: vec![],
        };
        let (mut titles, mut kept) = (0_u32, 0_u32);
        let mut from = log.floor();
        progress(from, to);
        while from < to {
            let end = (from + READ).min(to);
            for event in log.scan(from, end, &without).await? {
                let (tenant, id, position) = (event.tenant.clone(), event.aggregate_id.clone(), event.position);
                match decode_raw(event)?.payload {
                    AnyEvent::User(event) => known.entry((tenant, id)).or_default().change(|it| it.user.evolve(&event)),
                    AnyEvent::Curriculum(event) => {
                        known.entry((tenant, id)).or_default().change(|it| it.curriculum.evolve(&event));
                    }
                    AnyEvent::Taste(event) => {
                        known.entry((tenant, id)).or_default().change(|it| it.taste.evolve(&event));
                    }
                    AnyEvent::Recommendation(Event::RecommendationGenerated {
                        recommendation_id: id,
                        learner_id,
                        titles: t,
                        clips: c,
                        policy,
                        ..
                    }) => {
                        let Some(learner) = known.get(&(tenant, learner_id.to_string())) else { continue };
                        let Some(last) = policy.map(|it| it.made_from).or_else(|| learner.input()) else { continue };
                        let recorded = Chosen::from(Ranking { titles: t, clips: c });
                        let gives_it =
                            |input: &&RecommendationInput| Chosen::from(self.present.recommend(id, input)) == recorded;
                        let made_from = std::iter::once(&last).chain(learner.earlier.iter().rev()).find(gives_it);
                        let reproduced = made_from.is_some();
                        let tried = Chosen::from(self.tried.recommend(id, made_from.unwrap_or(&last)));
                        titles += u32::try_from(recorded.titles.len()).unwrap_or(0);
                        let stay = recorded.titles.iter().filter(|it| tried.titles.contains(it)).count();
                        kept += u32::try_from(stay).unwrap_or(0);
                        report.note(Example { position, learner_id, reproduced, recorded, tried }, limit);
                    }
                    _ => {}
                }
            }
            from = end;
            progress(from, to);
        }
        report.titles.retain(|_, more| *more != 0);
        report.titles_kept = (titles > 0).then(|| f64::from(kept) / f64::from(titles));
        Ok(report)
    }
}

impl Report {
    fn note(&mut self, example: Example, limit: usize) {
        self.recommendations += 1;
        self.reproduced += usize::from(example.reproduced);
        let Example { recorded, tried, .. } = &example;
        if recorded == tried {
            return;
        }
        self.changed += 1;
        self.first_title_changed += usize::from(recorded.titles.first() != tried.titles.first());
        let (recorded, tried): (BTreeSet<_>, BTreeSet<_>) =
            (recorded.titles.iter().collect(), tried.titles.iter().collect());
        for title in tried.difference(&recorded) {
            *self.titles.entry((*title).clone()).or_default() += 1;
        }
        for title in recorded.difference(&tried) {
            *self.titles.entry((*title).clone()).or_default() -= 1;
        }
        if self.examples.len() < limit {
            self.examples.push(example);
        }
    }

    /// It for people.
    pub(super) fn describe(&self) -> String {
        let Self { position, recommendations, reproduced, changed, first_title_changed, .. } = self;
        let mut lines = vec![
            format!(
                "{recommendations} recommendations up to position {position}; {reproduced} come out as recorded with the \
                 present settings"
            ),
            format!("what if: {changed} would have been others, {first_title_changed} with another first title"),
        ];
        if let Some(kept) = self.titles_kept {
            lines.push(format!("  {:.0} % of the recorded titles would have been recommended too", kept * 100.0));
        }
        let mut titles: Vec<_> = self.titles.iter().collect();
        titles.sort_by_key(|(title, more)| (-**more, title.as_str()));
        let shown = |more: bool| {
            let some = titles.iter().filter(|(_, count)| (**count > 0) == more);
            let some: Vec<String> = some.map(|(title, count)| format!("{title} {count:+}")).collect();
            some.join(", ")
        };
        for (what, titles) in [("more often", shown(true)), ("less often", shown(false))] {
            if !titles.is_empty() {
                lines.push(format!("  {what}: {titles}"));
            }
        }
        for Example { position, learner_id, reproduced, recorded, tried } in &self.examples {
            let note = if *reproduced { "" } else { " (not as recorded with the present settings either)" };
            lines.push(format!("  at {position} for {learner_id}{note}:"));
            for (what, before, after) in
                [("titles", &recorded.titles, &tried.titles), ("clips", &recorded.clips, &tried.clips)]
            {
                if before != after {
                    lines.push(format!("    {what}: {} → {}", before.join(", "), after.join(", ")));
                }
            }
        }
        let more = changed - self.examples.len();
        if more > 0 {
            lines.push(format!("  … and {more} more"));
        }
        lines.join("\n")
    }
}
