//! Attempts at a served evaluator: so many a second whether they are answered or not, and as many as it can take.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use baeum_commands::learning::submit_attempt::Attempt;
use baeum_domain::{
    learning::{
        evaluation::{EvaluatorRegistry, OneModel},
        lesson::MAX_ATTEMPTS_PER_TASK,
        planning::TaskKind,
    },
    level::Cefr,
};
use baeum_ml::learning::serving::{Batched, Settings};
use futures::future::{BoxFuture, try_join_all};
use tokio::time::{Instant, sleep_until};

use super::{ANSWER, model::Model};
use crate::{
    Failure,
    drive::{Client, Window, drive},
    report::Row,
    world::{OpenLesson, World},
};

/// Attempts a second of the row whose arrivals do not wait for answers.
const ARRIVALS: u32 = 100;
/// For how many attempts a second there is room before clients begin; one that is faster opens lessons meanwhile.
const ROOM: u64 = 1_500;
/// Words of the answer.
const WORDS: u32 = 16;
/// Tasks for which sixteen words suffice are those of this level.
const LEVEL: Cefr = Cefr::A1;

/// Serves an evaluator as a server does that nothing else was told of: a thread a core.
pub(super) fn serve(model: &Model) -> Result<Arc<dyn EvaluatorRegistry>, Failure> {
    let threads = std::thread::available_parallelism()?;
    let queue = NonZeroUsize::new(256).expect("more than none");
    let settings = Settings { threads, queue, linger: model.linger };
    Ok(Arc::new(OneModel::new(Arc::new(Batched::new(model.evaluator.clone(), settings)?))))
}

/// Measures each row for so long.
pub(super) async fn run(model: &Model, measured: Duration) -> Result<Vec<Row>, Failure> {
    let name = model.evaluator.model_id().to_owned();
    let mut rows = vec![arrivals(&name, serve(model)?, measured).await?];
    for clients in [8, 16, 32, 64] {
        rows.push(at_most(&name, serve(model)?, clients, measured).await?);
    }
    Ok(rows)
}

/// Arrivals at even intervals; the latency of each counts from when it was to come, however late it was sent.
async fn arrivals(name: &str, evaluators: Arc<dyn EvaluatorRegistry>, measured: Duration) -> Result<Row, Failure> {
    let world = Arc::new(World::create(evaluators).await?);
    let count = usize::try_from(u64::from(ARRIVALS) * measured.as_secs())?;
    // No two attempts that are under way are of one lesson, but where one takes longer than a second.
    let mut desks = try_join_all((0..ARRIVALS).map(|_| Desk::open(&world))).await?;
    for desk in &mut desks {
        desk.prepare(count.div_ceil(usize::try_from(ARRIVALS)?)).await?;
    }
    let began = Instant::now();
    let mut asked = Vec::with_capacity(count);
    for number in 0..count {
        let at = began + Duration::from_secs(1) * u32::try_from(number)? / ARRIVALS;
        sleep_until(at).await;
        let (desk, nth) = (&desks[number % desks.len()], number / desks.len());
        let (lesson, attempt) = desk.attempt(nth);
        let (world, request, lesson_id) = (world.clone(), lesson.request.clone(), lesson.lesson_id);
        asked.push(tokio::spawn(async move {
            let outcome = world.commands.submit_attempt(&request, lesson_id, attempt).await?;
            Ok::<_, Failure>((at.elapsed(), outcome.answer.verdict.is_some()))
        }));
    }
    let mut latencies = vec![];
    let mut deferred = 0;
    for answer in try_join_all(asked).await? {
        let (latency, is_evaluated) = answer?;
        latencies.push(latency);
        deferred += usize::from(!is_evaluated);
    }
    let subject = format!("{name} served, {ARRIVALS} arrivals/s, 16 words, {deferred} deferred");
    Ok(Row::new("evaluate", subject, 1, latencies, began.elapsed()).with_events(2.0))
}

/// Clients that submit one attempt after the other.
async fn at_most(
    name: &str,
    evaluators: Arc<dyn EvaluatorRegistry>,
    clients: usize,
    measured: Duration,
) -> Result<Row, Failure> {
    let world = Arc::new(World::create(evaluators).await?);
    let mut desks = try_join_all((0..clients).map(|_| Desk::open(&world))).await?;
    let room = usize::try_from(ROOM * (measured.as_secs() + 2))?.div_ceil(clients);
    try_join_all(desks.iter_mut().map(|desk| desk.prepare(room))).await?;
    let deferred = Arc::new(AtomicUsize::new(0));
    let desks =
        desks.into_iter().map(|desk| -> Box<dyn Client> { Box::new(Desk { deferred: deferred.clone(), ..desk }) });
    let desks = desks.collect();
    let window = Window { warm_up: measured.min(Duration::from_secs(2)), measured };
    let found = drive(desks, window).await?;
    let deferred = deferred.load(Ordering::Relaxed);
    let subject = format!("{name} served, as many as it takes, 16 words, {deferred} deferred, warm-up included");
    Ok(Row::new("evaluate", subject, clients, found.latencies, found.took).with_events(2.0))
}

/// A learner at work: lessons in which attempts can be submitted.
struct Desk {
    world: Arc<World>,
    learner: baeum_commands::Request,
    lessons: Vec<OpenLesson>,
    submitted: usize,
    /// How many attempts were taken in without a verdict, by all that share it.
    deferred: Arc<AtomicUsize>,
}

impl Desk {
    async fn open(world: &Arc<World>) -> Result<Self, Failure> {
        let learner = world.learner_of(LEVEL).await?;
        let mut desk = Self { world: world.clone(), learner, lessons: vec![], submitted: 0, deferred: Arc::default() };
        desk.prepare(1).await?;
        Ok(desk)
    }

    /// Opens lessons until there is room for so many attempts.
    async fn prepare(&mut self, attempts: usize) -> Result<(), Failure> {
        while self.room() < attempts {
            let mut lesson = self.world.open_lesson(&self.learner).await?;
            lesson.tasks.retain(|task| task.min_words <= WORDS);
            if lesson.tasks.is_empty() {
                return Err("a lesson has no writing task for an answer of 16 words".into());
            }
            self.lessons.push(lesson);
        }
        Ok(())
    }

    fn room(&self) -> usize {
        self.lessons.iter().map(|lesson| lesson.tasks.len() * Self::each()).sum()
    }

    fn each() -> usize {
        usize::try_from(MAX_ATTEMPTS_PER_TASK).expect("a small number")
    }

    /// The attempt of this number, from 0, for which there is room.
    fn attempt(&self, mut number: usize) -> (&OpenLesson, Attempt) {
        let fits = |lesson: &&OpenLesson| {
            let room = lesson.tasks.len() * Self::each();
            let is_here = number < room;
            number = if is_here { number } else { number - room };
            is_here
        };
        let lesson = self.lessons.iter().find(fits).expect("there is room");
        let task = &lesson.tasks[number / Self::each()];
        let answer = ANSWER.to_owned();
        let attempt =
            Attempt { task_id: task.task_id.clone(), kind: TaskKind::Writing, answer, duration_ms: Some(20_000) };
        (lesson, attempt)
    }
}

impl Client for Desk {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.prepare(self.submitted + 1).await?;
            let (lesson, attempt) = self.attempt(self.submitted);
            let outcome = self.world.commands.submit_attempt(&lesson.request, lesson.lesson_id, attempt).await?;
            if outcome.answer.verdict.is_none() {
                self.deferred.fetch_add(1, Ordering::Relaxed);
            }
            self.submitted += 1;
            Ok(())
        })
    }
}
