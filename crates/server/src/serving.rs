//! How the evaluators are served: how long a learner waits for a verdict, with how many threads, how many may wait.

use std::{num::NonZeroUsize, thread::available_parallelism, time::Duration};

use baeum_ml::learning::serving::Settings;
use clap::Args;

/// How long the first answer of a batch waits for others, before a model that is faster with several.
const LINGER: Duration = Duration::from_millis(5);

/// What the command line says of serving, as it was written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServingWords {
    /// How long a learner waits for a verdict, before the attempt is taken in without one and evaluated later
    #[arg(id = "evaluator_patience_ms", long = "evaluator-patience-ms", env = "BAEUM_EVALUATOR_PATIENCE_MS")]
    #[arg(value_name = "MILLISECONDS", default_value = "2000", global = true)]
    patience_ms: String,
    /// Threads that each model computes with; without it as many as there are cores
    #[arg(id = "evaluator_threads", long = "evaluator-threads", env = "BAEUM_EVALUATOR_THREADS")]
    #[arg(value_name = "NUMBER", global = true)]
    threads: Option<String>,
    /// How many answers may wait before each model; more are taken in without a verdict and evaluated later
    #[arg(id = "evaluator_queue", long = "evaluator-queue", env = "BAEUM_EVALUATOR_QUEUE", value_name = "NUMBER")]
    #[arg(default_value = "256", global = true)]
    queue: String,
}

/// How the evaluators are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServingConfig {
    /// How long a learner waits for a verdict.
    pub(crate) patience: Duration,
    /// How each model is served.
    pub(crate) settings: Settings,
}

impl ServingWords {
    /// Checks them; `wrong` is told the names of what is not right, and why.
    pub(crate) fn checked(self, mut wrong: impl FnMut(&str, String)) -> ServingConfig {
        let patience = self.patience_ms.parse().ok().filter(|it| (1..=20_000).contains(it)).unwrap_or_else(|| {
            let why = format!("is '{}': give milliseconds, 1 to 20000", self.patience_ms);
            wrong("BAEUM_EVALUATOR_PATIENCE_MS (--evaluator-patience-ms)", why);
            1
        });
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.threads.as_deref().map_or(Some(cores), |text| number(text, 256)).unwrap_or_else(|| {
            let why = format!("is '{}': give 1 to 256", self.threads.unwrap_or_default());
            wrong("BAEUM_EVALUATOR_THREADS (--evaluator-threads)", why);
            cores
        });
        let queue = number(&self.queue, 100_000).unwrap_or_else(|| {
            let why = format!("is '{}': give 1 to 100000", self.queue);
            wrong("BAEUM_EVALUATOR_QUEUE (--evaluator-queue)", why);
            NonZeroUsize::MIN
        });
        ServingConfig {
            patience: Duration::from_millis(patience),
            settings: Settings { threads, queue, linger: LINGER },
        }
    }
}

fn number(text: &str, most: usize) -> Option<NonZeroUsize> {
    text.parse().ok().filter(|it: &NonZeroUsize| it.get() <= most)
}
