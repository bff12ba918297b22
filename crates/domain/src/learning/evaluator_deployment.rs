//! Which evaluator answers whom, in one tenant and skill.
//!
//! Life cycle: models are promoted and rolled back; beside that at most one experiment divides the learners between two
//! to four models, and at most one model runs in the shadow, where it answers and nobody is shown. Before the first
//! promotion the model that every build carries answers. Invariants: only another model is promoted, only the promoted
//! one is rolled back, to the one before it; the arms of an experiment differ in name and model and their shares are
//! whole. Whether a model is installed is not known here: it is asked before the command, and again when it is used.

use std::collections::{BTreeSet, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::evaluation::{Assignment, ModelRef};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{ExperimentId, UserId, derive_id},
    level::Skill,
    text::{self, TextError},
};

/// The parts that the shares of an experiment's arms are counted in: per mille.
pub const SHARES: u32 = 1_000;
/// How many arms an experiment has.
pub const ARMS: std::ops::RangeInclusive<usize> = 2..=4;
/// How many earlier models can be gone back to.
pub const HISTORY: usize = 20;
/// How many experiments that are over are remembered, so that one is not begun again.
const OVER: usize = 200;
/// How long a reason may be.
pub const REASON_LIMIT: usize = 500;
/// How long the name of an arm may be.
const NAME_LIMIT: usize = 32;

/// The id of the deployment for a skill: each tenant has its own.
pub fn id_of(tenant: &str, skill: Skill) -> Uuid {
    derive_id(&["evaluator_deployment", tenant, skill.into()])
}

/// One of the models that an experiment compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// Its name within the experiment, 1 to 32 lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// The model.
    pub model: ModelRef,
    /// Its share of the learners, per mille, above 0. The shares of all arms make 1,000.
    pub share: u32,
}

/// What an experiment is decided by: said before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ExperimentOutcome {
    /// The share of a learner's evaluations that the learner disputes: less is better.
    Disputes,
    /// The share of a learner's lessons that are completed: more is better.
    LessonCompletion,
}

/// A comparison of models on learners who are divided by chance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its id, which also decides who is in which arm.
    pub experiment_id: ExperimentId,
    /// What is compared; the first is what the others are compared with.
    pub arms: Vec<Arm>,
    /// What it is decided by.
    pub outcome: ExperimentOutcome,
}

impl Experiment {
    /// The arm of a learner, the same for as long as the experiment runs.
    pub fn arm_of(&self, learner: UserId) -> &Arm {
        let mut place = place_of(self.experiment_id, learner);
        for arm in &self.arms {
            if place < arm.share {
                return arm;
            }
            place -= arm.share;
        }
        self.arms.last().expect("an experiment has arms, and their shares make 1,000")
    }

    /// The same as it goes into events.
    pub fn assignment_of(&self, learner: UserId) -> Assignment {
        Assignment { experiment_id: self.experiment_id, arm: self.arm_of(learner).name.clone() }
    }
}

/// Where a learner falls in an experiment, 0 to 999: the first eight bytes of the SHA-256 of both ids, modulo 1,000.
/// Places of two experiments are independent, and 2⁶⁴ is so large that no place is likelier than another.
pub fn place_of(experiment: ExperimentId, learner: UserId) -> u32 {
    let digest = Sha256::new().chain_update(experiment.0.as_bytes()).chain_update(learner.0.as_bytes()).finalize();
    let (first, _) = digest.split_first_chunk::<8>().expect("a digest has 32 bytes");
    u32::try_from(u64::from_be_bytes(*first) % u64::from(SHARES)).expect("below 1,000")
}

/// What can have happened.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// A model answers whomever no experiment assigns to another.
    ModelPromoted {
        /// The skill whose answers it evaluates.
        skill: Skill,
        /// The model.
        model: ModelRef,
        /// The one that did before; `None` for the one that every build carries.
        previous: Option<ModelRef>,
    },
    /// The model before answers again.
    ModelRolledBack {
        /// The skill.
        skill: Skill,
        /// The model that answers now; `None` for the one that every build carries.
        model: Option<ModelRef>,
        /// The one that was taken back.
        previous: ModelRef,
        /// Why.
        reason: String,
    },
    /// Learners are divided between models.
    ExperimentStarted {
        /// The skill.
        skill: Skill,
        /// The experiment.
        experiment_id: ExperimentId,
        /// The models and their shares. The first is what the others are compared with.
        arms: Vec<Arm>,
        /// What it is decided by.
        outcome: ExperimentOutcome,
    },
    /// They are not any more.
    ExperimentStopped {
        /// The skill.
        skill: Skill,
        /// The experiment.
        experiment_id: ExperimentId,
    },
    /// A model is asked beside the one that answers, and shown to no learner.
    ShadowStarted {
        /// The skill.
        skill: Skill,
        /// The model.
        model: ModelRef,
    },
    /// It is not asked any more.
    ShadowStopped {
        /// The skill.
        skill: Skill,
        /// The model.
        model: ModelRef,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// What was decided about models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluatorDeployment {
    /// The promoted model; `None` for the one that every build carries.
    pub promoted: Option<ModelRef>,
    /// What was promoted before it, the latest last, at most [`HISTORY`].
    pub history: VecDeque<Option<ModelRef>>,
    /// The model that was rolled back last, unless another was promoted since.
    pub rolled_back: Option<ModelRef>,
    /// The experiment that runs.
    pub experiment: Option<Experiment>,
    /// Experiments that are over, the latest last, bounded.
    pub over: VecDeque<ExperimentId>,
    /// The model in the shadow.
    pub shadow: Option<ModelRef>,
}

/// What can be asked. Each names the skill, for the event.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have a model answer.
    Promote {
        /// The skill.
        skill: Skill,
        /// The model.
        model: ModelRef,
    },
    /// Have the model before answer again.
    RollBack {
        /// The skill.
        skill: Skill,
        /// The model that is taken back: the promoted one.
        model: ModelRef,
        /// Why.
        reason: String,
    },
    /// Divide the learners.
    StartExperiment {
        /// The skill.
        skill: Skill,
        /// The new experiment.
        experiment_id: ExperimentId,
        /// Its arms.
        arms: Vec<Arm>,
        /// What it is decided by.
        outcome: ExperimentOutcome,
    },
    /// Divide them no more.
    StopExperiment {
        /// The skill.
        skill: Skill,
        /// The experiment.
        experiment_id: ExperimentId,
    },
    /// Ask a model in the shadow, instead of another that may be there.
    StartShadow {
        /// The skill.
        skill: Skill,
        /// The model.
        model: ModelRef,
    },
    /// Ask none there.
    StopShadow {
        /// The skill.
        skill: Skill,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another model, or none, is promoted.
    #[error("model {} is not the promoted one: roll back what is promoted", .0.model_id)]
    NotPromoted(ModelRef),
    /// The reason says nothing, or too much.
    #[error("reason: {0}")]
    Reason(#[from] TextError),
    /// Another experiment runs.
    #[error("experiment {0} is running: stop it first")]
    ExperimentRunning(ExperimentId),
    /// The experiment was stopped before.
    #[error("experiment {0} is over: start a new one")]
    ExperimentOver(ExperimentId),
    /// There is no such experiment.
    #[error("there is no experiment {0}")]
    UnknownExperiment(ExperimentId),
    /// The experiment cannot be made so.
    #[error("the experiment is not possible: {0}")]
    ImpossibleExperiment(&'static str),
}

impl Decider for EvaluatorDeployment {
    const AGGREGATE: &'static str = "evaluator_deployment";
    const CONTEXT: &'static str = "learning";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Promote { model, .. } if self.promoted.as_ref() == Some(&model) => Ok(vec![]),
            Command::Promote { skill, model } => {
                Ok(vec![Event::ModelPromoted { skill, model, previous: self.promoted.clone() }])
            }
            Command::RollBack { skill, model, reason } if self.promoted.as_ref() == Some(&model) => {
                let reason = text::check(&reason, REASON_LIMIT)?.to_owned();
                let before = self.history.back().cloned().flatten();
                Ok(vec![Event::ModelRolledBack { skill, model: before, previous: model, reason }])
            }
            Command::RollBack { model, .. } if self.rolled_back.as_ref() == Some(&model) => Ok(vec![]),
            Command::RollBack { model, .. } => Err(Error::NotPromoted(model)),
            Command::StartExperiment { skill, experiment_id, arms, outcome } => {
                self.start_experiment(skill, Experiment { experiment_id, arms, outcome })
            }
            Command::StopExperiment { skill, experiment_id } => match &self.experiment {
                Some(running) if running.experiment_id == experiment_id => {
                    Ok(vec![Event::ExperimentStopped { skill, experiment_id }])
                }
                _ if self.over.contains(&experiment_id) => Ok(vec![]),
                _ => Err(Error::UnknownExperiment(experiment_id)),
            },
            Command::StartShadow { model, .. } if self.shadow.as_ref() == Some(&model) => Ok(vec![]),
            Command::StartShadow { skill, model } => {
                let ends = self.shadow.clone().map(|model| Event::ShadowStopped { skill, model });
                Ok(ends.into_iter().chain([Event::ShadowStarted { skill, model }]).collect())
            }
            Command::StopShadow { skill } => {
                Ok(self.shadow.clone().map(|model| Event::ShadowStopped { skill, model }).into_iter().collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::ModelPromoted { model, previous, .. } => {
                self.promoted = Some(model.clone());
                self.rolled_back = None;
                self.history.push_back(previous.clone());
                if self.history.len() > HISTORY {
                    self.history.pop_front();
                }
            }
            Event::ModelRolledBack { model, previous, .. } => {
                self.promoted.clone_from(model);
                self.rolled_back = Some(previous.clone());
                self.history.pop_back();
            }
            Event::ExperimentStarted { experiment_id, arms, outcome, .. } => {
                let (experiment_id, arms, outcome) = (*experiment_id, arms.clone(), *outcome);
                self.experiment = Some(Experiment { experiment_id, arms, outcome });
            }
            Event::ExperimentStopped { experiment_id, .. } => {
                self.experiment = None;
                self.over.push_back(*experiment_id);
                if self.over.len() > OVER {
                    self.over.pop_front();
                }
            }
            Event::ShadowStarted { model, .. } => self.shadow = Some(model.clone()),
            Event::ShadowStopped { .. } => self.shadow = None,
        }
    }
}

impl EvaluatorDeployment {
    /// The model for a learner, and by which arm it is that one; `None` for the one that every build carries.
    pub fn model_for(&self, learner: UserId) -> (Option<&ModelRef>, Option<Assignment>) {
        match &self.experiment {
            Some(experiment) => (Some(&experiment.arm_of(learner).model), Some(experiment.assignment_of(learner))),
            None => (self.promoted.as_ref(), None),
        }
    }

    fn start_experiment(&self, skill: Skill, experiment: Experiment) -> Result<Vec<Event>, Error> {
        let Experiment { experiment_id, arms, outcome } = experiment;
        match &self.experiment {
            Some(running) if running.experiment_id == experiment_id => return Ok(vec![]),
            Some(running) => return Err(Error::ExperimentRunning(running.experiment_id)),
            None if self.over.contains(&experiment_id) => return Err(Error::ExperimentOver(experiment_id)),
            None => {}
        }
        check(&arms)?;
        Ok(vec![Event::ExperimentStarted { skill, experiment_id, arms, outcome }])
    }
}

fn check(arms: &[Arm]) -> Result<(), Error> {
    let impossible = |reason| Err(Error::ImpossibleExperiment(reason));
    if !ARMS.contains(&arms.len()) {
        return impossible("it has two to four arms");
    }
    let is_name = |name: &str| {
        (1..=NAME_LIMIT).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if !arms.iter().all(|arm| is_name(&arm.name)) {
        return impossible("the name of an arm has 1 to 32 lower-case letters, digits, '-' and '_'");
    }
    if arms.iter().map(|arm| &arm.name).collect::<BTreeSet<_>>().len() != arms.len() {
        return impossible("two arms have one name");
    }
    if arms.iter().map(|arm| &arm.model).collect::<BTreeSet<_>>().len() != arms.len() {
        return impossible("two arms have one model");
    }
    let whole = arms.iter().try_fold(0_u32, |sum, arm| if arm.share == 0 { None } else { sum.checked_add(arm.share) });
    if whole != Some(SHARES) {
        return impossible("the shares of the arms are above 0 and make 1000");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::given;

    const SKILL: Skill = Skill::Writing;
    const FIRST: ExperimentId = ExperimentId(Uuid::from_u128(1));
    const SECOND: ExperimentId = ExperimentId(Uuid::from_u128(2));

    fn model(name: &str) -> ModelRef {
        ModelRef { model_id: name.into(), weights_hash: "00".into() }
    }

    fn promote(name: &str) -> Command {
        Command::Promote { skill: SKILL, model: model(name) }
    }

    fn promoted(name: &str, previous: Option<&str>) -> Event {
        Event::ModelPromoted { skill: SKILL, model: model(name), previous: previous.map(model) }
    }

    fn roll_back(name: &str) -> Command {
        Command::RollBack { skill: SKILL, model: model(name), reason: " too many false marks ".into() }
    }

    fn rolled_back(to: Option<&str>, previous: &str) -> Event {
        let reason = "too many false marks".into();
        Event::ModelRolledBack { skill: SKILL, model: to.map(model), previous: model(previous), reason }
    }

    fn arm(name: &str, of: &str, share: u32) -> Arm {
        Arm { name: name.into(), model: model(of), share }
    }

    fn arms() -> Vec<Arm> {
        vec![arm("control", "a", 500), arm("strict", "b", 500)]
    }

    fn start(experiment_id: ExperimentId, arms: Vec<Arm>) -> Command {
        Command::StartExperiment { skill: SKILL, experiment_id, arms, outcome: ExperimentOutcome::Disputes }
    }

    fn started(experiment_id: ExperimentId) -> Event {
        let outcome = ExperimentOutcome::Disputes;
        Event::ExperimentStarted { skill: SKILL, experiment_id, arms: arms(), outcome }
    }

    fn stopped(experiment_id: ExperimentId) -> Event {
        Event::ExperimentStopped { skill: SKILL, experiment_id }
    }

    fn stop(experiment_id: ExperimentId) -> Command {
        Command::StopExperiment { skill: SKILL, experiment_id }
    }

    #[test]
    fn only_another_model_is_promoted() {
        given::<EvaluatorDeployment>([]).when(promote("a")).then([promoted("a", None)]);
        given::<EvaluatorDeployment>([promoted("a", None)]).when(promote("a")).then([]);
        given::<EvaluatorDeployment>([promoted("a", None)]).when(promote("b")).then([promoted("b", Some("a"))]);
    }

    #[test]
    fn a_model_is_rolled_back_to_the_one_before_it() {
        let history = [promoted("a", None), promoted("b", Some("a"))];
        given::<EvaluatorDeployment>(history.clone()).when(roll_back("b")).then([rolled_back(Some("a"), "b")]);
        let back = history.clone().into_iter().chain([rolled_back(Some("a"), "b")]);
        given::<EvaluatorDeployment>(back.clone()).when(roll_back("b")).then([]);
        given::<EvaluatorDeployment>(back).when(roll_back("a")).then([rolled_back(None, "a")]);
        given::<EvaluatorDeployment>(history).when(roll_back("a")).then_refused("not the promoted one");
        given::<EvaluatorDeployment>([]).when(roll_back("a")).then_refused("not the promoted one");
        let wordless = Command::RollBack { skill: SKILL, model: model("a"), reason: " ".into() };
        given::<EvaluatorDeployment>([promoted("a", None)]).when(wordless).then_refused("write at least one word");
    }

    #[test]
    fn promotions_beyond_those_that_are_remembered_end_at_the_built_in_model() {
        let mut state = EvaluatorDeployment::default();
        for n in 0..=HISTORY + 1 {
            let events = state.decide(promote(&format!("m{n}"))).expect("another model");
            for event in &events {
                state.evolve(event);
            }
        }
        assert_eq!(state.history.len(), HISTORY);
        for n in (0..=HISTORY + 1).rev() {
            let Ok(events) = state.decide(roll_back(&format!("m{n}"))) else { break };
            for event in &events {
                state.evolve(event);
            }
        }
        assert_eq!((state.promoted, state.history.len()), (None, 0));
    }

    #[test]
    fn one_experiment_runs_at_a_time_and_none_twice() {
        given::<EvaluatorDeployment>([]).when(start(FIRST, arms())).then([started(FIRST)]);
        given::<EvaluatorDeployment>([started(FIRST)]).when(start(SECOND, arms())).then_refused("is running");
        given::<EvaluatorDeployment>([started(FIRST)]).when(stop(FIRST)).then([stopped(FIRST)]);
        given::<EvaluatorDeployment>([started(FIRST)]).when(stop(SECOND)).then_refused("there is no experiment");
        let over = [started(FIRST), stopped(FIRST)];
        given::<EvaluatorDeployment>(over.clone()).when(stop(FIRST)).then([]);
        given::<EvaluatorDeployment>(over.clone()).when(start(FIRST, arms())).then_refused("is over");
        given::<EvaluatorDeployment>(over).when(start(SECOND, arms())).then([started(SECOND)]);
    }

    #[test]
    fn arms_differ_and_their_shares_are_whole() {
        for (arms, why) in [
            (vec![arm("a", "a", 1_000)], "two to four"),
            (vec![arm("a", "a", 500), arm("a", "b", 500)], "one name"),
            (vec![arm("a", "a", 500), arm("b", "a", 500)], "one model"),
            (vec![arm("a", "a", 500), arm("b", "b", 499)], "make 1000"),
            (vec![arm("a", "a", 1_000), arm("b", "b", 0)], "above 0"),
            (vec![arm("a", "a", u32::MAX), arm("b", "b", 1_001)], "make 1000"),
            (vec![arm("A b", "a", 500), arm("b", "b", 500)], "lower-case"),
        ] {
            given::<EvaluatorDeployment>([]).when(start(FIRST, arms)).then_refused(why);
        }
    }

    #[test]
    fn another_shadow_takes_the_place_of_the_one_before() {
        let shadow = |name| Command::StartShadow { skill: SKILL, model: model(name) };
        let on = |name| Event::ShadowStarted { skill: SKILL, model: model(name) };
        let off = |name| Event::ShadowStopped { skill: SKILL, model: model(name) };
        given::<EvaluatorDeployment>([]).when(shadow("a")).then([on("a")]);
        given::<EvaluatorDeployment>([on("a")]).when(shadow("b")).then([off("a"), on("b")]);
        given::<EvaluatorDeployment>([on("a")]).when(Command::StopShadow { skill: SKILL }).then([off("a")]);
        given::<EvaluatorDeployment>([]).when(Command::StopShadow { skill: SKILL }).then([]);
    }

    #[test]
    fn an_experiment_comes_before_the_promoted_model() {
        let learner = UserId(Uuid::from_u128(7));
        let state = EvaluatorDeployment::fold([&promoted("c", None)]);
        assert_eq!(state.model_for(learner), (Some(&model("c")), None));
        let state = EvaluatorDeployment::fold([&promoted("c", None), &started(FIRST)]);
        let (found, assignment) = state.model_for(learner);
        let assignment = assignment.expect("an experiment runs");
        let arm = arms().into_iter().find(|arm| arm.name == assignment.arm).expect("an arm of it");
        assert_eq!((found, assignment.experiment_id), (Some(&arm.model), FIRST));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Each of 4,000 learners is in an arm by chance: the counts lie within 5 standard deviations of the shares.
        #[test]
        fn learners_are_divided_by_the_shares_and_stay_where_they_are(seed: u128, control in 50_u32..=950) {
            const LEARNERS: u32 = 4_000;
            let arms = vec![arm("control", "a", control), arm("other", "b", SHARES - control)];
            let (experiment_id, outcome) = (ExperimentId(Uuid::from_u128(seed)), ExperimentOutcome::Disputes);
            let experiment = Experiment { experiment_id, arms, outcome };
            let of = |n: u32| experiment.arm_of(UserId(derive_id(&["learner", &n.to_string()]))).name.clone();
            let in_control = (0..LEARNERS).filter(|n| of(*n) == "control").count();
            prop_assert!((0..50).all(|n| of(n) == of(n)));
            let share = f64::from(control) / f64::from(SHARES);
            let expected = share * f64::from(LEARNERS);
            let deviation = (expected * (1.0 - share)).sqrt();
            let found = f64::from(u32::try_from(in_control).expect("at most 4,000"));
            prop_assert!((found - expected).abs() < 5.0 * deviation, "{found} of {expected} ± {deviation}");
        }
    }
}
