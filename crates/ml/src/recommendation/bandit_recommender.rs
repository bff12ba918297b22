//! The recommender over the catalogue's titles and clips: a contextual bandit.
//!
//! 1. Candidates: clips that were not seen and titles that were not taken up, nothing that was sent away, and of these what
//!    is within a band of the learner's level, the zone in which content is neither trivial nor out of reach; bands further
//!    off only as far as there are too few.
//! 2. Each has features (`features.rs`): how well it fits in level, weaknesses and interests, likeness to what was
//!    liked (content embeddings), taste (collaborative filtering, `als.rs`), popularity, reviews that are due, stretch.
//! 3. Its value is the reward that a linear model expects, plus a bonus where little is known (LinUCB, `linucb.rs`). Before
//!    the first reward the expectation is 0.45 level + 0.30 weaknesses + 0.25 interests, the weights of experts: that is
//!    the cold start of the platform. A learner about whom nothing is known has no likeness and taste; a content
//!    that nobody saw has features of its own all the same.
//! 4. Places are filled in turn by a draw that prefers the valuable and unlike (`places.rs`), whose probability is known
//!    and recorded. The draw is a hash of the recommendation's id: the same id, input and learning give the same choice.
//!
//! A reason is given only where it is true: the level where it is the learner's or a band from it, an interest for each
//! topic that the learner likes, a weakness where both its skill and its focus are trained, a review for each focus that
//! is due and trained. A task of a clip trains the skill in which it is answered and its focus.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use baeum_domain::{
    catalog::Catalog,
    ids::{RecommendationId, Topic},
    level::Cefr,
    recommendation::recommending::{
        Content, Ranking, Reason, RecommendationInput, Recommender, ScoredClip, ScoredTitle,
    },
};
use sha2::{Digest, Sha256};

use super::{
    embedding::{Embeddings, cosine},
    features::{Features, Learner},
    fit::Training,
    learned::{Known, Learned, LearnedError},
    linucb::LinUcb,
    places::{Draw, fill, probabilities},
    settings::{Settings, SettingsError},
};
use crate::assessment::random::mix;

/// There are this many candidates for each place at least, where there is as much content.
const CANDIDATES_A_PLACE: usize = 2;

/// Titles or clips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Dramas and films.
    Titles,
    /// Short clips.
    Clips,
}

/// A content that may be chosen for the first place.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The content.
    pub content: Content,
    /// What is known of it for this learner.
    pub features: Features,
    /// The reward to be expected.
    pub expected: f64,
    /// The probability that it gets the first place.
    pub probability: f64,
}

/// Recommends from a catalogue.
#[derive(Clone, Debug)]
pub struct BanditRecommender {
    catalog: Arc<Catalog>,
    embeddings: Arc<Embeddings>,
    settings: Settings,
    known: Known,
    weights_hash: String,
}

impl BanditRecommender {
    /// A recommender over the titles and clips of `catalog` that has learned nothing yet.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self::with(catalog, Settings::default()).expect("the default settings are in their ranges")
    }

    /// The same with other settings, to find out what they would change.
    ///
    /// # Errors
    /// Settings that are out of their ranges.
    pub fn with(catalog: Arc<Catalog>, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let learned = Learned::default();
        let known = Known::new(&learned, &settings).expect("nothing learned has no features");
        let embeddings = Arc::new(Embeddings::of(&catalog));
        Ok(Self { catalog, embeddings, settings, known, weights_hash: hash(&settings, &learned) })
    }

    /// The same with what was learned.
    ///
    /// # Errors
    /// What was learned by another build, with other features.
    pub fn having(&self, learned: &Learned) -> Result<Self, LearnedError> {
        let known = Known::new(learned, &self.settings)?;
        Ok(Self { known, weights_hash: hash(&self.settings, learned), ..self.clone() })
    }

    /// The same, as learned and set, over another catalogue.
    #[must_use]
    pub fn over(&self, catalog: Arc<Catalog>) -> Self {
        Self { embeddings: Arc::new(Embeddings::of(&catalog)), catalog, ..self.clone() }
    }

    /// The same, as learned, with other settings.
    ///
    /// # Errors
    /// Settings that are out of their ranges.
    pub fn set_to(&self, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let mut digest = Sha256::new();
        digest.update(&self.weights_hash);
        digest.update(serde_json::to_vec(&settings).expect("numbers are JSON"));
        let known = self.known.beginning_with(&settings, &self.settings);
        Ok(Self { settings, known, weights_hash: hex(&digest.finalize()), ..self.clone() })
    }

    /// Every content that it can recommend, in their order.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.embeddings.contents()
    }

    /// The model of rewards.
    pub fn rewards(&self) -> &LinUcb {
        &self.known.rewards
    }

    /// The features of a content for a learner; none for what is not in the catalogue.
    pub fn features(&self, input: &RecommendationInput, content: &Content) -> Option<Features> {
        let learner = Learner::new(input, &self.known, &self.embeddings);
        let described = match content {
            Content::Title(id) => Described::title(self.catalog.titles.get(id)?),
            Content::Clip(id) => Described::clip(self.catalog.clips.get(id)?),
        };
        Some(learner.features(&described.content, described.level, described.topics, &described.training))
    }

    /// What may get the first place, each with its probability.
    pub fn first_place(&self, kind: Kind, input: &RecommendationInput) -> Vec<Candidate> {
        let (scored, draw) = (self.scored(kind, input), self.draw());
        let values: Vec<f64> = scored.iter().map(|it| draw.relevance * it.value).collect();
        let probabilities = probabilities(&values, &draw);
        let candidates = scored.into_iter().zip(probabilities);
        candidates
            .map(|(Scored { of, features, expected, .. }, probability)| Candidate {
                content: of.content,
                features,
                expected,
                probability,
            })
            .collect()
    }

    fn draw(&self) -> Draw {
        let Settings { temperature, uniform, relevance, .. } = self.settings;
        Draw { temperature, uniform, relevance }
    }

    /// Every candidate with what it is worth.
    fn scored(&self, kind: Kind, input: &RecommendationInput) -> Vec<Scored<'_>> {
        let taken = |content: &Content| input.liked.contains(content) || input.dismissed.contains(content);
        let (places, open): (usize, Vec<_>) = match kind {
            Kind::Titles => (self.settings.titles, self.catalog.titles.values().map(Described::title).collect()),
            Kind::Clips => {
                let unseen = self.catalog.clips.values().filter(|clip| !input.seen.contains(&clip.id));
                (self.settings.clips, unseen.map(Described::clip).collect())
            }
        };
        let open = open.into_iter().filter(|it| !taken(&it.content)).collect();
        let learner = Learner::new(input, &self.known, &self.embeddings);
        within_reach(open, input.level, places * CANDIDATES_A_PLACE)
            .into_iter()
            .map(|of| {
                let features = learner.features(&of.content, of.level, of.topics, &of.training);
                let expected = self.known.rewards.expected(&features.0);
                let value = expected + self.settings.exploration * self.known.rewards.width(&features.0);
                Scored { of, features, expected, value }
            })
            .collect()
    }

    /// Which candidates are placed, each with its propensity. `salt` keeps the draws of titles and clips apart.
    fn placed(
        &self,
        kind: Kind,
        id: RecommendationId,
        salt: u64,
        input: &RecommendationInput,
    ) -> Vec<(Scored<'_>, f64)> {
        let scored = self.scored(kind, input);
        let places = if kind == Kind::Titles { self.settings.titles } else { self.settings.clips };
        let values: Vec<f64> = scored.iter().map(|it| it.value).collect();
        let vector = |at: usize| self.embeddings.get(&scored[at].of.content).unwrap_or_default();
        let (high, low) = id.0.as_u64_pair();
        let placed = fill(&values, places, &self.draw(), mix(high ^ mix(low ^ salt)), |left, right| {
            cosine(vector(left), vector(right))
        });
        let mut scored: Vec<_> = scored.into_iter().map(Some).collect();
        placed.into_iter().filter_map(|(at, propensity)| Some((scored[at].take()?, propensity))).collect()
    }
}

impl Recommender for BanditRecommender {
    fn recommend(&self, id: RecommendationId, input: &RecommendationInput) -> Ranking {
        let (mut titles, mut clips) = (vec![], vec![]);
        for (kind, salt) in [(Kind::Titles, 1), (Kind::Clips, 2)] {
            for (scored, propensity) in self.placed(kind, id, salt, input) {
                let (score, reasons) = (scored.expected.clamp(0.0, 1.0), scored.of.reasons(input));
                let propensity = Some(propensity);
                match scored.of.content {
                    Content::Title(title_id) => titles.push(ScoredTitle { title_id, score, reasons, propensity }),
                    Content::Clip(clip_id) => clips.push(ScoredClip { clip_id, score, reasons, propensity }),
                }
            }
        }
        Ranking { titles, clips }
    }

    fn model_id(&self) -> &'static str {
        if self.settings == Settings::default() { "bandit-1" } else { "bandit-1-trial" }
    }

    fn weights_hash(&self) -> &str {
        &self.weights_hash
    }
}

/// A content with what the catalogue says of it.
struct Described<'a> {
    content: Content,
    level: Cefr,
    topics: &'a [Topic],
    training: Training<'a>,
}

struct Scored<'a> {
    of: Described<'a>,
    features: Features,
    expected: f64,
    value: f64,
}

impl<'a> Described<'a> {
    fn title(title: &'a baeum_domain::media::title::Title) -> Self {
        let content = Content::Title(title.id.clone());
        Self { content, level: title.level, topics: &title.topics, training: Training::of_title(title) }
    }

    fn clip(clip: &'a baeum_domain::media::clip::Clip) -> Self {
        let content = Content::Clip(clip.id.clone());
        Self { content, level: clip.level, topics: &clip.topics, training: Training::of_clip(clip) }
    }

    fn reasons(&self, input: &RecommendationInput) -> Vec<Reason> {
        let near = (self.level.distance(input.level) <= 1).then_some(Reason::Level(self.level));
        let liked: BTreeSet<_> = self.topics.iter().filter(|topic| input.interests.contains(*topic)).collect();
        let trained = input.weaknesses.iter().filter(|weakness| self.training.meets(weakness));
        let due: BTreeSet<_> = input.due.iter().filter(|focus| self.training.trains(focus)).collect();
        near.into_iter()
            .chain(liked.into_iter().cloned().map(Reason::Interest))
            .chain(trained.cloned().map(Reason::Weakness))
            .chain(due.into_iter().cloned().map(Reason::Review))
            .collect()
    }
}

/// What is within a band of `level`; whole bands further off, the nearest first, as long as there are fewer than `least`.
/// The order stays.
fn within_reach(mut open: Vec<Described<'_>>, level: Cefr, least: usize) -> Vec<Described<'_>> {
    let reach = (1..=4).find(|reach| open.iter().filter(|it| it.level.distance(level) <= *reach).count() >= least);
    let reach = reach.unwrap_or(4);
    open.retain(|it| it.level.distance(level) <= reach);
    open
}

fn hash(settings: &Settings, learned: &Learned) -> String {
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(&(settings, learned)).expect("numbers and names are JSON"));
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommendation::{
        learned::LearnedContent,
        samples::{catalog, clip, title},
    };
    use baeum_domain::{assessment::testing::Weakness, level::Skill};
    use uuid::Uuid;

    const ID: RecommendationId = RecommendationId(Uuid::from_u128(7));

    fn greedy(content: &[String]) -> BanditRecommender {
        BanditRecommender::with(catalog(content), Settings::default().greedy()).expect("sound settings")
    }

    fn input() -> RecommendationInput {
        let weakness = Weakness { skill: Skill::Writing, focus: "articles".parse().expect("a valid focus") };
        let interests = ["travel", "food"].map(|topic| topic.parse().expect("a valid topic")).into();
        RecommendationInput {
            level: Cefr::B1,
            weaknesses: vec![weakness],
            interests,
            seen: vec![],
            liked: vec![],
            dismissed: vec![],
            due: vec![],
        }
    }

    fn content(id: &str) -> Content {
        Content::Clip(id.parse().expect("a clip id"))
    }

    fn titles(ranking: &Ranking) -> Vec<&str> {
        ranking.titles.iter().map(|title| title.title_id.as_str()).collect()
    }

    fn clips(ranking: &Ranking) -> Vec<&str> {
        ranking.clips.iter().map(|clip| clip.clip_id.as_str()).collect()
    }

    #[test]
    fn a_perfect_fit_scores_1_and_a_misfit_0_without_reasons() {
        let ranking = greedy(&[
            title("fits", "C1", "\"travel\"", "writing", "articles"),
            title("misfits", "A1", "\"sport\"", "listening", "gist"),
        ])
        .recommend(ID, &RecommendationInput { level: Cefr::C1, ..input() });
        assert_eq!(titles(&ranking), ["fits", "misfits"]);
        assert!((ranking.titles[0].score - 1.0).abs() < 1e-9 && ranking.titles[1].score.abs() < 1e-9);
        let travel = Reason::Interest("travel".parse().expect("a valid topic"));
        let weakness = Reason::Weakness(input().weaknesses[0].clone());
        assert_eq!(ranking.titles[0].reasons, [Reason::Level(Cefr::C1), travel, weakness]);
        assert_eq!((ranking.titles[1].reasons.as_slice(), ranking.titles[1].propensity), (&[][..], Some(1.0)));
    }

    #[test]
    fn a_focus_trained_in_another_skill_is_no_reason() {
        let ranking = greedy(&[title("a", "B2", "\"sport\"", "listening", "articles")]).recommend(ID, &input());
        assert_eq!(ranking.titles[0].reasons, [Reason::Level(Cefr::B2)]);
    }

    #[test]
    fn what_trains_a_due_review_comes_first_and_says_so() {
        let content =
            [title("a", "B1", "\"sport\"", "reading", "gist"), title("b", "B1", "\"sport\"", "reading", "inference")];
        let due = vec!["inference".parse().expect("a valid focus")];
        let ranking = greedy(&content).recommend(ID, &RecommendationInput { due: due.clone(), ..input() });
        assert_eq!(titles(&ranking), ["b", "a"]);
        assert_eq!(ranking.titles[0].reasons.last(), Some(&Reason::Review(due[0].clone())));
    }

    #[test]
    fn the_choice_is_spread_over_what_it_is_about() {
        let mut content: Vec<_> =
            (0..9).map(|at| title(&format!("food-{at}"), "B1", "\"food\"", "reading", "gist")).collect();
        content.push(title("travel", "B2", "\"travel\"", "listening", "inference"));
        let ranking = greedy(&content).recommend(ID, &input());
        assert_eq!(titles(&ranking)[..2], ["food-0", "travel"]);
        assert_eq!(ranking.titles.len(), 6);
    }

    #[test]
    fn nothing_is_recommended_that_was_seen_taken_up_or_sent_away() {
        let recommender = greedy(&["f", "e", "d", "c", "b", "a"].map(|id| clip(id, "B1", "food")));
        let seen = vec!["b".parse().expect("a valid clip id")];
        let input = RecommendationInput { seen, liked: vec![content("a")], dismissed: vec![content("d")], ..input() };
        let ranking = recommender.recommend(ID, &input);
        assert_eq!(clips(&ranking), ["c", "e", "f"]);
    }

    #[test]
    fn bands_out_of_reach_are_offered_only_where_there_is_too_little_else() {
        let near = (0..4).map(|at| clip(&format!("near-{at}"), "B2", "food"));
        let far = (0..9).map(|at| clip(&format!("far-{at}"), "C1", "food"));
        let few: Vec<_> = near.clone().chain(far.clone()).collect();
        assert_eq!(greedy(&few).first_place(Kind::Clips, &input()).len(), 13);
        let enough: Vec<_> =
            near.chain((0..4).map(|at| clip(&format!("level-{at}"), "B1", "food"))).chain(far).collect();
        let candidates = greedy(&enough).first_place(Kind::Clips, &input());
        assert!(candidates.iter().all(|it| !it.content.to_string().contains("far")), "{candidates:?}");
    }

    #[test]
    fn the_same_id_draws_the_same_and_propensities_of_the_first_place_are_those_told() {
        let content: Vec<_> = (0..12).map(|at| clip(&format!("c{at}"), "B1", "food")).collect();
        let recommender = BanditRecommender::new(catalog(&content));
        let told = recommender.first_place(Kind::Clips, &input());
        assert!((told.iter().map(|it| it.probability).sum::<f64>() - 1.0).abs() < 1e-12);
        let mut firsts = BTreeSet::new();
        for id in 0..60 {
            let id = RecommendationId(Uuid::from_u128(id));
            let ranking = recommender.recommend(id, &input());
            assert_eq!(ranking, recommender.recommend(id, &input()));
            let first = &ranking.clips[0];
            let told = told.iter().find(|it| it.content == Content::Clip(first.clip_id.clone())).expect("a candidate");
            assert_eq!(first.propensity.map(f64::to_bits), Some(told.probability.to_bits()));
            firsts.insert(first.clip_id.clone());
        }
        assert!(firsts.len() > 3, "{firsts:?}");
    }

    #[test]
    fn what_was_learned_changes_choice_and_hash() {
        let content_of: Vec<_> = (0..12).map(|at| clip(&format!("c{at}"), "B1", "food")).collect();
        let before = greedy(&content_of);
        // Many rewards, all of them for what is popular.
        let mut popular = [0.0; crate::recommendation::features::FEATURES];
        popular[6] = 0.5;
        let rewards = before.rewards().after(std::iter::repeat_n((&popular[..], 1.0), 200));
        let contents = before.contents().map(|content| LearnedContent {
            content: content.clone(),
            factors: vec![0.0; 8],
            chosen: 50,
            reward: if content.to_string() == "clip c7" { 45.0 } else { 5.0 },
        });
        let contents = contents.collect();
        let learned = Learned { trained_to: 9, contents, rewards: Some(rewards.evidence().clone()) };
        let after = before.having(&learned).expect("features of this build");
        assert_eq!((clips(&before.recommend(ID, &input()))[0], clips(&after.recommend(ID, &input()))[0]), ("c0", "c7"));
        assert_ne!(before.weights_hash(), after.weights_hash());
        assert_eq!((before.weights_hash().len(), before.model_id()), (64, "bandit-1-trial"));
    }

    #[test]
    fn other_settings_choose_otherwise() {
        let content = [
            title("level", "B1", "\"sport\"", "reading", "gist"),
            title("interest", "C1", "\"food\"", "reading", "gist"),
        ];
        let present = greedy(&content);
        let settings = Settings { level: 0.1, weaknesses: 0.1, interests: 0.8, ..Settings::default() }.greedy();
        let liked = present.set_to(settings).expect("sound settings");
        assert_eq!(titles(&present.recommend(ID, &input())), ["level", "interest"]);
        assert_eq!(titles(&liked.recommend(ID, &input())), ["interest", "level"]);
        assert_ne!(liked.weights_hash(), present.weights_hash());
        let one = present.set_to(Settings { titles: 1, ..settings }).expect("sound settings");
        assert_eq!(one.recommend(ID, &input()).titles.len(), 1);
    }

    #[test]
    fn an_empty_catalogue_gives_an_empty_ranking() {
        assert_eq!(greedy(&[]).recommend(ID, &input()), Ranking { titles: vec![], clips: vec![] });
    }
}
