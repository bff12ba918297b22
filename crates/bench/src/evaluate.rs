//! The evaluator: alone, in the command path beside the same path without a model, and served to many at once.

mod model;
mod served;

use std::{path::PathBuf, sync::Arc, time::Instant};

use baeum_commands::learning::submit_attempt::Attempt;
use baeum_domain::{
    learning::{
        evaluation::{Answer, Evaluator, EvaluatorError, EvaluatorRegistry, OneModel, Verdict},
        lesson::MAX_ATTEMPTS_PER_TASK,
        planning::TaskKind,
    },
    level::Cefr,
};
use futures::future::try_join_all;

use self::model::Model;
use crate::{
    Failure,
    report::Row,
    world::{OpenLesson, World},
};

/// Sixteen words with two mistakes, as a learner might write.
const ANSWER: &str = "Yesterday my friend have give me a old umbrella because the rain was starting in afternoon.";

/// An evaluator that does nothing: the command path without a model.
struct Nothing;

impl Evaluator for Nothing {
    fn evaluate(&self, _: &Answer<'_>) -> Result<Verdict, EvaluatorError> {
        Ok(Verdict {
            score: 1.0,
            spans: vec![],
            model_id: "nothing".into(),
            weights_hash: "0".into(),
            latency_us: 0,
            meaning: None,
        })
    }

    fn model_id(&self) -> &'static str {
        "nothing"
    }

    fn weights_hash(&self) -> &'static str {
        "0"
    }
}

/// What is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Evaluate {
    /// How many answers are evaluated in each row
    #[arg(long, default_value_t = 1_000)]
    answers: usize,
    /// For how many seconds each row of the served path is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    served: u64,
    /// Only the rows of the served path
    #[arg(long)]
    only_served: bool,
    /// The model of this folder, as `BAEUM_EVALUATORS` has them, in place of the built-in one
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self { answers: 1_000, served: 20, only_served: false, model: None }
    }
}

impl Evaluate {
    /// Whether the model that was asked for can be measured.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        Model::load(self.model.as_deref())?;
        Ok(())
    }
}

/// Measures `answers` evaluations in each row, then the served path.
pub(crate) async fn run(evaluate: &Evaluate) -> Result<Vec<Row>, Failure> {
    let model = Model::load(evaluate.model.as_deref())?;
    let mut rows = if evaluate.only_served { vec![] } else { by_itself(&model, evaluate.answers).await? };
    rows.extend(served::run(&model, std::time::Duration::from_secs(evaluate.served)).await?);
    Ok(rows)
}

/// The evaluator alone, and where each client asks by itself.
async fn by_itself(model: &Model, answers: usize) -> Result<Vec<Row>, Failure> {
    let (evaluator, name) = (model.evaluator.as_ref(), model.evaluator.model_id());
    // The tasks of the lessons ask for up to 32 words.
    let mut rows = vec![
        alone(evaluator, &format!("{name} alone, 16 words"), ANSWER, answers)?,
        alone(evaluator, &format!("{name} alone, 32 words"), &[ANSWER; 2].join(" "), answers)?,
    ];
    for clients in [1, 8] {
        let nothing = Arc::new(OneModel::direct(Arc::new(Nothing)));
        let without = in_command_path("attempt without a model", nothing, clients, answers).await?;
        let with = in_command_path(&format!("attempt with {name}"), served::serve(model)?, clients, answers).await?;
        rows.push(with.beside(&without));
        rows.push(without);
    }
    Ok(rows)
}

fn alone(detector: &dyn Evaluator, subject: &str, text: &str, answers: usize) -> Result<Row, Failure> {
    let answer = Answer { prompt: "", text, level: Cefr::B1, references: &[] };
    for _ in 0..20 {
        detector.evaluate(&answer)?;
    }
    let began = Instant::now();
    let mut latencies = Vec::with_capacity(answers);
    for _ in 0..answers {
        let asked = Instant::now();
        detector.evaluate(&answer)?;
        latencies.push(asked.elapsed());
    }
    Ok(Row::new("evaluate", subject, 1, latencies, began.elapsed()))
}

/// Each client has lessons of its own and submits one attempt after the other.
async fn in_command_path(
    subject: &str,
    evaluators: Arc<dyn EvaluatorRegistry>,
    clients: usize,
    answers: usize,
) -> Result<Row, Failure> {
    let world = World::create(evaluators).await?;
    let each = answers.div_ceil(clients);
    let mut desks = vec![];
    for _ in 0..clients {
        let learner = world.learner().await?;
        let (mut lessons, mut places) = (vec![], 0);
        while places < each {
            let lesson = world.open_lesson(&learner).await?;
            places += lesson.tasks.len() * usize::try_from(MAX_ATTEMPTS_PER_TASK)?;
            lessons.push(lesson);
        }
        desks.push(lessons);
    }
    let began = Instant::now();
    let latencies = try_join_all(desks.iter().map(|lessons| submit(&world, lessons, each))).await?;
    let took = began.elapsed();
    Ok(Row::new("evaluate", subject, clients, latencies.concat(), took).with_events(2.0))
}

async fn submit(world: &World, lessons: &[OpenLesson], count: usize) -> Result<Vec<std::time::Duration>, Failure> {
    let mut latencies = Vec::with_capacity(count);
    for lesson in lessons {
        for task in &lesson.tasks {
            for _ in 0..MAX_ATTEMPTS_PER_TASK {
                if latencies.len() == count {
                    return Ok(latencies);
                }
                let attempt = Attempt {
                    task_id: task.task_id.clone(),
                    kind: TaskKind::Writing,
                    answer: [ANSWER; 2].join(" "),
                    duration_ms: Some(20_000),
                };
                let asked = Instant::now();
                world.commands.submit_attempt(&lesson.request, lesson.lesson_id, attempt).await?;
                latencies.push(asked.elapsed());
            }
        }
    }
    Ok(latencies)
}
