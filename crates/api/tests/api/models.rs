//! Small models with plain answers, and a small catalogue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use baeum_commands::{
    Ports,
    keys::{KeyRing, SecretKey},
};
use baeum_domain::{
    Entropy,
    assessment::{
        calibration::{AbilityBelief, AbilityFilter, ItemBelief, ItemCalibrator, ItemDemand},
        testing::{
            Ability, AdaptiveTest, BandProbability, LevelReport, Response, Selection, SelectionReason, Weakness,
        },
    },
    catalog::Catalog,
    emotion::affect::{AffectBelief, AffectModel, Signal},
    ids::RecommendationId,
    learning::{
        evaluation::{
            Answer, ErrorCategory, ErrorSpan, Evaluating, Evaluator, EvaluatorError, EvaluatorRegistry, Meaning,
            ModelCard, ModelData, ModelRef, Question, ServedEvaluator, Verdict,
        },
        planning::{LessonPlan, LessonPlanner, PlannedClip, PlannedTask, PlanningInput},
        sounds::Sound,
        speech::{Fluency, Listener, Speech, SpeechError, SpeechVerdict, SpokenSound, SpokenWord},
    },
    level::{Cefr, Skill},
    recommendation::recommending::{Ranking, Reason, RecommendationInput, Recommender, ScoredClip, ScoredTitle},
    review::scheduling::{Fitted, Memory, PastReview, Rating, ReviewScheduler, Schedule, SchedulerError},
};
use baeum_projections::Models;
use chrono::{DateTime, Utc};

const CATALOG: &str = r#"
[[item]]
id = "item-1"
level = "A2"
skill = "reading"
focus = "past_simple"
passage = "Mina went home."
question = "Where did Mina go?"
choices = ["Home", "Out", "Away"]
answer = 0
discrimination = 1.1
difficulty = -1.0
[[item]]
id = "item-2"
level = "B1"
skill = "listening"
focus = "detail"
question = "Who called?"
choices = ["Jun", "Mina"]
answer = 1
discrimination = 1.2
difficulty = 0.0
[[item]]
id = "item-3"
level = "B1"
skill = "writing"
focus = "articles"
question = "Choose: I saw ___ owl."
choices = ["a", "an"]
answer = 1
discrimination = 1.3
difficulty = 0.2
[[clip]]
id = "market"
title = "At the Market"
level = "B1"
topics = ["food", "travel"]
skills = ["listening"]
focus = ["articles"]
duration_ms = 90000
synopsis = "Two friends buy pears."
segments = [
  { start_ms = 0, end_ms = 4000, text = "How much are these?", gloss = "이거 얼마예요?" },
  { start_ms = 4000, end_ms = 9000, text = "Two for a dollar.", gloss = "두 개에 1달러예요." },
]
tasks = [
  { id = "market-w1", kind = "writing", prompt = "Write what you would buy.", focus = "articles", min_words = 3, sample = "I would buy a pear.", references = ["I would buy a pear.", "A pear is what I would take."] },
  { id = "market-s1", kind = "speaking", prompt = "Ask for the price.", focus = "articles", min_words = 3, sample = "How much is a pear?" },
]
[[title]]
id = "pear-street"
title = "Pear Street"
title_ko = "배 거리"
kind = "drama"
year = 2021
language = "en"
level = "B1"
topics = ["food"]
skills = ["listening"]
focus = ["articles"]
minutes = 30
synopsis = "A street full of pears."
providers = [
  { country = "KR", provider = "Haneul+", offer = "subscription", url = "https://haneul.example/pear-street" },
  { country = "US", provider = "Popcorn Lane", offer = "rent", url = "https://popcorn.example/pear-street" },
]
"#;

/// When set, evaluations wait for permits of [`Slow::go`].
pub(crate) struct Slow {
    pub(crate) on: AtomicBool,
    /// Whether an evaluation has begun.
    pub(crate) entered: AtomicBool,
}

pub(crate) struct TestModels {
    pub(crate) slow: Slow,
    /// When set, planning panics.
    pub(crate) broken: AtomicBool,
    /// When set, the evaluator cannot be reached.
    pub(crate) away: AtomicBool,
    catalog: Arc<Catalog>,
}

impl TestModels {
    pub(crate) fn new() -> Arc<Self> {
        let catalog = Catalog::parse([
            ("test.toml", CATALOG),
            ("en.toml", include_str!("../../../../catalog/notifications/en/learning.toml")),
            ("ko.toml", include_str!("../../../../catalog/notifications/ko/learning.toml")),
        ])
        .expect("the catalogue is sound");
        let slow = Slow { on: AtomicBool::new(false), entered: AtomicBool::new(false) };
        let (broken, away) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { slow, broken, away, catalog: Arc::new(catalog) })
    }

    pub(crate) fn ports(self: &Arc<Self>) -> Ports {
        Ports {
            catalog: self.catalog.clone(),
            evaluators: Arc::new(Served::new(self)),
            listener: Some(self.clone()),
            test: self.clone(),
            planner: self.clone(),
            recommender: self.clone(),
            scheduler: self.clone(),
            entropy: Arc::new(TestEntropy),
            keys: keys(),
        }
    }

    pub(crate) fn models(self: &Arc<Self>) -> Models {
        Models {
            affect: self.clone(),
            calibrator: self.clone(),
            abilities: self.clone(),
            catalog: self.catalog.clone(),
        }
    }
}

fn keys() -> Arc<KeyRing> {
    let key = |byte| SecretKey::from([byte; 32]);
    Arc::new(KeyRing::new(vec![("test".into(), key(1))], key(2), Arc::new(TestEntropy)))
}

struct TestEntropy;

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = baeum_testing::new_id().as_u64_pair().1.to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
}

impl Evaluator for TestModels {
    fn evaluate(&self, answer: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        self.slow.entered.store(true, Ordering::SeqCst);
        while self.slow.on.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if answer.text.contains("panic") {
            return Err(EvaluatorError::Failed { model_id: "test".into(), reason: "secret inner reason".into() });
        }
        let wrong = ErrorSpan {
            start: 0,
            end: 1,
            category: ErrorCategory::Article,
            confidence: 0.8,
            suggestion: Some("an".into()),
        };
        // It knows a meaning only where the words are the same.
        let reference = answer.references.iter().position(|it| it == answer.text);
        let meaning = reference.map(|at| Meaning {
            similarity: 1.0,
            reference: u32::try_from(at).expect("a few references"),
            model: ModelRef { model_id: "test-meaning".into(), weights_hash: "22".into() },
        });
        Ok(Verdict {
            score: 0.75,
            spans: vec![wrong],
            model_id: "test".into(),
            weights_hash: "00".into(),
            latency_us: 1,
            meaning,
        })
    }

    fn model_id(&self) -> &'static str {
        "test"
    }

    fn weights_hash(&self) -> &'static str {
        "00"
    }
}

/// The evaluator behind its port: it computes where nobody else is held up.
#[derive(Clone)]
struct Served {
    models: Arc<TestModels>,
    model: ModelRef,
}

impl Served {
    fn new(models: &Arc<TestModels>) -> Self {
        let model = ModelRef { model_id: "test".into(), weights_hash: "00".into() };
        Self { models: models.clone(), model }
    }

    /// The same model under another name.
    fn strict(&self) -> Self {
        Self { model: ModelRef { model_id: "test-strict".into(), weights_hash: "01".into() }, ..self.clone() }
    }
}

impl ServedEvaluator for Served {
    fn evaluate(&self, question: Question, _: Duration) -> Evaluating<'_> {
        Box::pin(async move {
            if self.models.away.load(Ordering::SeqCst) {
                return Err(EvaluatorError::Unavailable {
                    model_id: "test".into(),
                    reason: "secret inner reason".into(),
                });
            }
            let models = self.models.clone();
            let computing = tokio::task::spawn_blocking(move || models.evaluate(&question.answer()));
            let verdict = computing.await.expect("the evaluator does not panic");
            let ModelRef { model_id, weights_hash } = self.model.clone();
            verdict.map(|verdict| Verdict { model_id, weights_hash, ..verdict })
        })
    }

    fn model(&self) -> &ModelRef {
        &self.model
    }
}

impl EvaluatorRegistry for Served {
    fn built_in(&self) -> Arc<dyn ServedEvaluator> {
        Arc::new(self.clone())
    }

    fn find(&self, model: &ModelRef) -> Option<Arc<dyn ServedEvaluator>> {
        [self.clone(), self.strict()].into_iter().find(|it| it.model == *model).map(|it| Arc::new(it) as _)
    }

    fn models(&self) -> Vec<ModelRef> {
        vec![self.model.clone(), self.strict().model]
    }

    fn card(&self, model: &ModelRef) -> Option<ModelCard> {
        let data = ModelData { name: "corpus".into(), licence: "CC0-1.0".into(), address: "here".into() };
        (*model == self.model).then(|| ModelCard { kind: "test".into(), data: vec![data], ..ModelCard::default() })
    }
}

/// Hears the letter r of every word as l, in whatever is a RIFF file.
impl Listener for TestModels {
    fn listen(&self, speech: &Speech<'_>) -> Result<SpeechVerdict, SpeechError> {
        match speech.audio {
            b"" => return Err(SpeechError::Empty),
            b"hiss" => return Err(SpeechError::NoSpeech),
            b"panic" => {
                return Err(SpeechError::Failed { model_id: "test".into(), reason: "secret inner reason".into() });
            }
            audio if !audio.starts_with(b"RIFF") => return Err(SpeechError::NotAudio),
            _ => {}
        }
        let mut words = Vec::new();
        let mut start = 0;
        for word in speech.text.split(' ') {
            let end = start + u32::try_from(word.chars().count()).unwrap_or(0);
            let r = SpokenSound { sound: Sound::R, score: 0.2, heard: Some(Sound::L) };
            let sounds = word.chars().filter(|c| *c == 'r').map(|_| r.clone()).collect();
            words.push(SpokenWord { start, end, said: Some(true), score: Some(0.7), from_ms: 0, to_ms: 100, sounds });
            start = end + 1;
        }
        Ok(SpeechVerdict {
            score: 0.7,
            completeness: 1.0,
            fluency: Fluency { syllables_per_second: 3.5, pauses: 1, paused_ms: 300, speaking_ms: 1_500 },
            words,
            recording_ms: 2_000,
            model_id: "test-speech".into(),
            weights_hash: "11".into(),
            latency_us: 1,
        })
    }

    fn model_id(&self) -> &'static str {
        "test-speech"
    }

    fn weights_hash(&self) -> &'static str {
        "11"
    }
}

impl AdaptiveTest for TestModels {
    fn ability(&self, responses: &[Response]) -> Ability {
        let right = responses.iter().filter(|it| it.correct).count();
        let (right, all) = (f64::from(u32::try_from(right).unwrap_or(0)), f64::from(self.count(responses)));
        Ability { theta: right - all / 2.0, standard_error: 1.0 / (all + 1.0) }
    }

    fn next(&self, responses: &[Response], _seed: u64) -> Option<Selection> {
        let item = self.catalog.items.values().nth(responses.len())?;
        let reason = SelectionReason::Information { rank: 1, drawn_from: 1, held_back: 0 };
        Some(Selection { item: item.id.clone(), skill: item.skill, theta: 0.0, information: 0.25, reason })
    }

    fn report(&self, responses: &[Response]) -> LevelReport {
        let focus = "articles".parse().expect("sound");
        let weaknesses = vec![Weakness { skill: Skill::Writing, focus }];
        let ability = self.ability(responses);
        let bands = vec![BandProbability { band: Cefr::B1, probability: 1.0 }];
        LevelReport { ability, band: Cefr::B1, bands, skills: vec![], weaknesses, model: None }
    }
}

impl TestModels {
    #[allow(clippy::unused_self, reason = "reads well")]
    fn count(&self, responses: &[Response]) -> u32 {
        u32::try_from(responses.len()).unwrap_or(u32::MAX)
    }
}

impl LessonPlanner for TestModels {
    fn plan(&self, input: &PlanningInput) -> Option<LessonPlan> {
        assert!(!self.broken.load(Ordering::SeqCst), "a mistake of ours");
        let clip = self.catalog.clips.values().next()?;
        let task = |task: &baeum_domain::media::clip::Task| PlannedTask {
            task_id: task.id.clone(),
            clip_id: clip.id.clone(),
            kind: task.kind,
            focus: task.focus.clone(),
            min_words: task.min_words,
        };
        let segments = u32::try_from(clip.segments.len()).ok()?;
        Some(LessonPlan {
            level: input.level,
            clips: vec![PlannedClip { clip_id: clip.id.clone(), duration_ms: clip.duration_ms, segments }],
            tasks: clip.tasks.iter().map(task).collect(),
            required_attempts: 1,
        })
    }
}

impl Recommender for TestModels {
    fn recommend(&self, _id: RecommendationId, input: &RecommendationInput) -> Ranking {
        let reasons = vec![Reason::Level(input.level)];
        let title = |id: &baeum_domain::ids::TitleId| ScoredTitle {
            title_id: id.clone(),
            score: 0.9,
            reasons: reasons.clone(),
            propensity: Some(1.0),
        };
        let clip = |id: &baeum_domain::ids::ClipId| ScoredClip {
            clip_id: id.clone(),
            score: 0.8,
            reasons: reasons.clone(),
            propensity: Some(1.0),
        };
        Ranking {
            titles: self.catalog.titles.keys().map(title).collect(),
            clips: self.catalog.clips.keys().map(clip).collect(),
        }
    }

    fn model_id(&self) -> &'static str {
        "test-recommender"
    }

    fn weights_hash(&self) -> &'static str {
        "00"
    }
}

impl AffectModel for TestModels {
    fn observe(&self, _before: Option<&AffectBelief>, _signal: &Signal, at: DateTime<Utc>) -> AffectBelief {
        AffectBelief { probabilities: [0.1, 0.6, 0.2, 0.1], errors_in_a_row: 0, at }
    }

    fn model_id(&self) -> &'static str {
        "test-affect"
    }
}

impl ItemCalibrator for TestModels {
    fn prior(&self, discrimination: f64, difficulty: f64) -> ItemBelief {
        ItemBelief {
            log_discrimination: discrimination.ln(),
            difficulty,
            var_log_discrimination: 0.1,
            var_difficulty: 0.5,
            covariance: 0.0,
        }
    }

    fn update(&self, belief: ItemBelief, _guessing: f64, _ability: Ability, _correct: bool) -> ItemBelief {
        ItemBelief { var_difficulty: belief.var_difficulty * 0.9, ..belief }
    }
}

impl AbilityFilter for TestModels {
    fn prior(&self) -> AbilityBelief {
        AbilityBelief::gaussian(0.0, 1.0)
    }

    fn drift(&self, belief: AbilityBelief, _days: f64) -> AbilityBelief {
        belief
    }

    fn update(&self, belief: AbilityBelief, _item: ItemDemand, correct: bool) -> AbilityBelief {
        let step = if correct { 0.1 } else { -0.1 };
        AbilityBelief { theta: belief.theta + step, standard_error: belief.standard_error * 0.9, ..belief }
    }
}

/// Twice as long after each review that is not forgotten.
impl ReviewScheduler for TestModels {
    fn model_id(&self) -> &'static str {
        "test-scheduler"
    }

    fn schedule(
        &self,
        _: Option<&[f64]>,
        memory: Option<Memory>,
        _: u32,
        rating: Rating,
    ) -> Result<Schedule, SchedulerError> {
        let before = memory.map_or(1.0, |it| it.stability);
        let stability = if rating == Rating::Again { 1.0 } else { 2.0 * before };
        let retrievability = memory.map(|_| 0.9);
        let interval_days = if rating == Rating::Again { 1 } else { 3 };
        Ok(Schedule { memory: Memory { stability, difficulty: 5.0 }, retrievability, interval_days })
    }

    fn fit(&self, cards: &[Vec<PastReview>]) -> Result<Fitted, SchedulerError> {
        Err(SchedulerError::FewReviews { found: cards.len(), needed: usize::MAX })
    }
}
