//! The content-based recommender over the catalogue's titles and clips.
//!
//! Score = 0.45 level + 0.30 weaknesses + 0.25 interests, each part from 0 to 1 (see `fit.rs`), so the score is too.
//! The weights are expert-set, after the usual form of content-based ranking (Pazzani & Billsus, 2007); no data has
//! tuned them yet.
//!
//! Six titles and four clips that were not seen are chosen by maximal marginal relevance (Carbonell & Goldstein, 1998):
//! in turn the one of highest 0.7 score − 0.3 likeness, where likeness is the largest share of topics in common
//! (Jaccard) with one that was chosen before; ties go by id. The chosen are then put in the order of their scores, equals
//! in the order in which they were chosen.
//!
//! A reason is given only where it is true: the level where it is the learner's or a band from it, an interest for each
//! topic that the learner likes, a weakness where both its skill and its focus are trained. A task of a clip trains the
//! skill in which it is answered and its focus.

use std::{collections::BTreeSet, sync::Arc};

use baeum_domain::{
    catalog::Catalog,
    ids::Topic,
    level::Cefr,
    recommendation::recommending::{Ranking, Reason, RecommendationInput, Recommender, ScoredClip, ScoredTitle},
};

use serde::{Deserialize, Serialize};

use super::fit::{self, Training};

/// The most titles, and the most clips, that may be asked for.
const MOST: usize = 50;

/// How much each part of a score weighs, and how much is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Weight of the level, 0 to 1. The three weights add up to 1.
    pub level: f64,
    /// Weight of the weaknesses, 0 to 1.
    pub weaknesses: f64,
    /// Weight of the interests, 0 to 1.
    pub interests: f64,
    /// How much the score counts against likeness to what is chosen already, 0 to 1; 1 for the score alone.
    pub relevance: f64,
    /// Titles to choose, 50 at most.
    pub titles: usize,
    /// Clips to choose, 50 at most.
    pub clips: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { level: 0.45, weaknesses: 0.30, interests: 0.25, relevance: 0.7, titles: 6, clips: 4 }
    }
}

/// Settings by which nothing can be recommended.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A number is out of its range.
    #[error("{0} is {1}: give a number from 0 to 1")]
    OutOfRange(&'static str, f64),
    /// Scores would not lie between 0 and 1.
    #[error("level, weaknesses and interests add up to {0}: they must add up to 1")]
    Sum(f64),
    /// Too much would be chosen.
    #[error("{0} is {1}: choose {MOST} at most")]
    TooMany(&'static str, usize),
}

impl Settings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// What is out of its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { level, weaknesses, interests, relevance, titles, clips } = *self;
        let shares = [("level", level), ("weaknesses", weaknesses), ("interests", interests), ("relevance", relevance)];
        for (name, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(SettingsError::OutOfRange(name, value));
            }
        }
        let sum = level + weaknesses + interests;
        if (sum - 1.0).abs() > 1e-9 {
            return Err(SettingsError::Sum(sum));
        }
        for (name, value) in [("titles", titles), ("clips", clips)] {
            if value > MOST {
                return Err(SettingsError::TooMany(name, value));
            }
        }
        Ok(())
    }
}

/// Recommends from a catalogue by what its content is about.
#[derive(Clone, Debug)]
pub struct ContentRecommender {
    catalog: Arc<Catalog>,
    settings: Settings,
}

impl ContentRecommender {
    /// A recommender over the titles and clips of `catalog`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, settings: Settings::default() }
    }

    /// The same with other settings, to find out what they would change.
    ///
    /// # Errors
    /// Settings that are out of their ranges.
    pub fn with(catalog: Arc<Catalog>, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { catalog, settings })
    }
}

impl Recommender for ContentRecommender {
    fn recommend(&self, input: &RecommendationInput) -> Ranking {
        let titles = self.catalog.titles.values().map(|title| {
            let training = Training::of_title(title);
            Scored::new(title, title.level, &title.topics, &training, input, &self.settings)
        });
        let unseen = self.catalog.clips.values().filter(|clip| !input.seen.contains(&clip.id));
        let clips = unseen
            .map(|clip| Scored::new(clip, clip.level, &clip.topics, &Training::of_clip(clip), input, &self.settings));
        let Settings { relevance, titles: most_titles, clips: most_clips, .. } = self.settings;
        Ranking {
            titles: diverse(titles.collect(), most_titles, relevance, |title| &title.topics)
                .into_iter()
                .map(|Scored { of, score, reasons }| ScoredTitle { title_id: of.id.clone(), score, reasons })
                .collect(),
            clips: diverse(clips.collect(), most_clips, relevance, |clip| &clip.topics)
                .into_iter()
                .map(|Scored { of, score, reasons }| ScoredClip { clip_id: of.id.clone(), score, reasons })
                .collect(),
        }
    }

    fn model_id(&self) -> &'static str {
        if self.settings == Settings::default() { "content-1" } else { "content-1-trial" }
    }
}

struct Scored<'a, T> {
    of: &'a T,
    score: f64,
    reasons: Vec<Reason>,
}

impl<'a, T> Scored<'a, T> {
    fn new(
        of: &'a T,
        level: Cefr,
        topics: &[Topic],
        training: &Training<'_>,
        input: &RecommendationInput,
        settings: &Settings,
    ) -> Self {
        let score = settings.level * fit::level(level, input.level)
            + settings.weaknesses * training.weaknesses(&input.weaknesses)
            + settings.interests * fit::interests(topics, &input.interests);
        let near = (level.distance(input.level) <= 1).then_some(Reason::Level(level));
        let liked: BTreeSet<_> = topics.iter().filter(|topic| input.interests.contains(*topic)).collect();
        let trained = input.weaknesses.iter().filter(|weakness| training.meets(weakness));
        let reasons = near
            .into_iter()
            .chain(liked.into_iter().cloned().map(Reason::Interest))
            .chain(trained.cloned().map(Reason::Weakness))
            .collect();
        Self { of, score, reasons }
    }
}

/// The best `most` by maximal marginal relevance, in the order of their scores. `scored` comes in the order of ids.
fn diverse<T>(
    mut scored: Vec<Scored<'_, T>>,
    most: usize,
    relevance: f64,
    topics: fn(&T) -> &[Topic],
) -> Vec<Scored<'_, T>> {
    let mut chosen = Vec::<Scored<'_, T>>::new();
    while chosen.len() < most && !scored.is_empty() {
        let marginal = |candidate: &Scored<'_, T>| {
            let likeness = chosen.iter().map(|other| similarity(topics(candidate.of), topics(other.of)));
            relevance * candidate.score - (1.0 - relevance) * likeness.fold(0.0, f64::max)
        };
        let (mut best, mut highest) = (0, f64::NEG_INFINITY);
        for (at, candidate) in scored.iter().enumerate() {
            let value = marginal(candidate);
            if value > highest {
                (best, highest) = (at, value);
            }
        }
        chosen.push(scored.remove(best));
    }
    chosen.sort_by(|left, right| right.score.total_cmp(&left.score));
    chosen
}

/// Topics in common as a share of topics in either (Jaccard, 1912).
fn similarity(left: &[Topic], right: &[Topic]) -> f64 {
    let (left, right): (BTreeSet<_>, BTreeSet<_>) = (left.iter().collect(), right.iter().collect());
    let either = left.union(&right).count();
    if either == 0 { 0.0 } else { fit::ratio(left.intersection(&right).count(), either) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baeum_domain::{assessment::testing::Weakness, level::Skill};

    fn title(id: &str, level: &str, topics: &str, skill: &str, focus: &str) -> String {
        format!(
            "[[title]]\nid = \"{id}\"\ntitle = \"T\"\ntitle_ko = \"T\"\nkind = \"film\"\nyear = 2020\nlanguage = \"en\"\n\
             level = \"{level}\"\ntopics = [{topics}]\nskills = [\"{skill}\"]\nfocus = [\"{focus}\"]\nminutes = 90\n\
             synopsis = \"S\"\nproviders = [{{ country = \"KR\", provider = \"P\", offer = \"free\", url = \
             \"https://p.example\" }}]\n"
        )
    }

    fn clip(id: &str, topic: &str) -> String {
        format!(
            "[[clip]]\nid = \"{id}\"\ntitle = \"T\"\nlevel = \"B1\"\ntopics = [\"{topic}\"]\nskills = [\"listening\"]\n\
             focus = []\nduration_ms = 60000\nsynopsis = \"S\"\nsegments = [{{ start_ms = 0, end_ms = 900, text = \"t\", \
             gloss = \"g\" }}]\ntasks = [{{ id = \"{id}-w\", kind = \"writing\", prompt = \"?\", focus = \"articles\", \
             min_words = 5, sample = \"!\" }}]\n"
        )
    }

    fn recommender(content: &[String]) -> ContentRecommender {
        let text = content.concat();
        ContentRecommender::new(Arc::new(Catalog::parse([("all.toml", text.as_str())]).expect("good content")))
    }

    fn input() -> RecommendationInput {
        let weakness = Weakness { skill: Skill::Writing, focus: "articles".parse().expect("a valid focus") };
        let interests = ["travel", "food"].map(|topic| topic.parse().expect("a valid topic")).into();
        RecommendationInput { level: Cefr::B1, weaknesses: vec![weakness], interests, seen: vec![] }
    }

    fn ids(ranking: &Ranking) -> Vec<&str> {
        ranking.titles.iter().map(|title| title.title_id.as_str()).collect()
    }

    #[test]
    fn a_perfect_fit_scores_1_and_a_misfit_0_without_reasons() {
        let ranking = recommender(&[
            title("fits", "C1", "\"travel\"", "writing", "articles"),
            title("misfits", "A1", "\"sport\"", "listening", "gist"),
        ])
        .recommend(&RecommendationInput { level: Cefr::C1, ..input() });
        assert_eq!(ids(&ranking), ["fits", "misfits"]);
        assert!((ranking.titles[0].score - 1.0).abs() < 1e-12 && ranking.titles[1].score.abs() < 1e-12);
        let travel = Reason::Interest("travel".parse().expect("a valid topic"));
        let weakness = Reason::Weakness(input().weaknesses[0].clone());
        assert_eq!(ranking.titles[0].reasons, [Reason::Level(Cefr::C1), travel, weakness]);
        assert_eq!(ranking.titles[1].reasons, []);
    }

    #[test]
    fn a_focus_trained_in_another_skill_is_no_reason() {
        let ranking = recommender(&[title("a", "B2", "\"sport\"", "listening", "articles")]).recommend(&input());
        assert_eq!(ranking.titles[0].reasons, [Reason::Level(Cefr::B2)]);
    }

    #[test]
    fn a_task_of_a_clip_trains_its_focus_in_its_skill() {
        let ranking = recommender(&[clip("a", "sport")]).recommend(&input());
        assert_eq!(ranking.clips[0].reasons.last(), Some(&Reason::Weakness(input().weaknesses[0].clone())));
    }

    #[test]
    fn the_choice_is_spread_over_topics_and_ordered_by_score() {
        let mut content: Vec<_> =
            (0..9).map(|at| title(&format!("food-{at}"), "B1", "\"food\"", "reading", "gist")).collect();
        content.push(title("travel", "B2", "\"travel\"", "reading", "gist"));
        let ranking = recommender(&content).recommend(&input());
        assert_eq!(ids(&ranking), ["food-0", "food-1", "food-2", "food-3", "food-4", "travel"]);
        assert!(ranking.titles.is_sorted_by(|left, right| left.score >= right.score));
    }

    #[test]
    fn four_clips_that_were_not_seen_are_recommended_ties_by_id() {
        let recommender = recommender(&["f", "e", "d", "c", "b", "a"].map(|id| clip(id, "food")));
        let seen = vec!["b".parse().expect("a valid clip id")];
        let ranking = recommender.recommend(&RecommendationInput { seen, ..input() });
        let ids: Vec<_> = ranking.clips.iter().map(|clip| clip.clip_id.as_str()).collect();
        assert_eq!(ids, ["a", "c", "d", "e"]);
    }

    #[test]
    fn other_settings_choose_otherwise_and_must_be_in_their_ranges() {
        let content = [
            title("level", "B1", "\"sport\"", "reading", "gist"),
            title("interest", "C1", "\"food\"", "reading", "gist"),
        ];
        let catalog = Catalog::parse([("all.toml", content.concat().as_str())]).expect("good content");
        let catalog = Arc::new(catalog);
        let by = |settings| ContentRecommender::with(catalog.clone(), settings);
        let present = Settings::default();
        assert_eq!(ids(&by(present).expect("sound").recommend(&input())), ["level", "interest"]);
        let liked = Settings { level: 0.1, weaknesses: 0.1, interests: 0.8, ..present };
        let recommender = by(liked).expect("sound");
        assert_eq!(ids(&recommender.recommend(&input())), ["interest", "level"]);
        assert_ne!(recommender.model_id(), by(present).expect("sound").model_id());
        assert_eq!(by(Settings { titles: 1, ..liked }).expect("sound").recommend(&input()).titles.len(), 1);
        for wrong in [
            Settings { level: 0.5, ..present },
            Settings { relevance: 1.5, ..present },
            Settings { level: -0.1, weaknesses: 0.85, ..present },
            Settings { level: f64::NAN, ..present },
            Settings { clips: 51, ..present },
        ] {
            assert!(by(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_empty_catalogue_gives_an_empty_ranking() {
        assert_eq!(recommender(&[]).recommend(&input()), Ranking { titles: vec![], clips: vec![] });
    }
}
