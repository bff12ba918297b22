//! The evaluator: alone, and in the command path beside the same path without a model.

use std::{sync::Arc, time::Instant};

use baeum_commands::learning::submit_attempt::Attempt;
use baeum_domain::{
    learning::{
        evaluation::{Answer, Evaluator, EvaluatorError, Verdict},
        lesson::MAX_ATTEMPTS_PER_TASK,
        planning::TaskKind,
    },
    level::Cefr,
};
use baeum_ml::learning::error_detector::ErrorDetector;
use futures::future::try_join_all;

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
        Ok(Verdict { score: 1.0, spans: vec![], model_id: "nothing".into(), weights_hash: "0".into(), latency_us: 0 })
    }

    fn model_id(&self) -> &'static str {
        "nothing"
    }

    fn weights_hash(&self) -> &'static str {
        "0"
    }
}

/// Measures `answers` evaluations in each row.
pub(crate) async fn run(answers: usize) -> Result<Vec<Row>, Failure> {
    let detector = Arc::new(ErrorDetector::load()?);
    // The tasks of the lessons ask for up to 32 words.
    let mut rows = vec![
        alone(&detector, "evaluator alone, 16 words", ANSWER, answers)?,
        alone(&detector, "evaluator alone, 32 words", &[ANSWER; 2].join(" "), answers)?,
    ];
    for clients in [1, 8] {
        let without = in_command_path("attempt without a model", Arc::new(Nothing), clients, answers).await?;
        let with = in_command_path("attempt with the evaluator", detector.clone(), clients, answers).await?;
        rows.push(with.beside(&without));
        rows.push(without);
    }
    Ok(rows)
}

fn alone(detector: &ErrorDetector, subject: &str, text: &str, answers: usize) -> Result<Row, Failure> {
    let answer = Answer { prompt: "", text, level: Cefr::B1 };
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
    evaluator: Arc<dyn Evaluator>,
    clients: usize,
    answers: usize,
) -> Result<Row, Failure> {
    let world = World::create(evaluator).await?;
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
