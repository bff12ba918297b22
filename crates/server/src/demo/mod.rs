//! `baeum demo`: learners of different habits, played through the public HTTP API, so that every read model has
//! something to show.

mod client;
mod habit;
mod learner;

use std::sync::Arc;

use baeum_domain::catalog::Catalog;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};

use client::Client;
pub(crate) use client::ClientError;
use habit::HABITS;
use learner::Story;

use crate::output::tell;

/// How many learners play at once.
const AT_ONCE: usize = 8;

/// What to play.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct DemoOptions {
    /// How many learners to play
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) learners: u32,
    /// The server to play on
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// Varies the learners; the same seed plays the same ones, under new names
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Plays the demo and prints a short table.
///
/// # Errors
/// The first answer of the server that a learner could not go on from.
pub(crate) async fn run(options: &DemoOptions, catalog: Catalog, run_id: uuid::Uuid) -> Result<(), ClientError> {
    let catalog = Arc::new(catalog);
    let client = Client::new(&options.url)?;
    client.ready().await?;
    let bar = ProgressBar::new(u64::from(options.learners));
    bar.set_style(style());
    let stories = (0..options.learners).map(|number| {
        let (client, catalog, bar) = (client.clone(), catalog.clone(), bar.clone());
        async move {
            let habit = &HABITS[number as usize % HABITS.len()];
            let seed = options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(number));
            let name = format!("{}-{number}", run_id.simple());
            let story = learner::play(client, &catalog, habit, &name, seed).await;
            bar.inc(1);
            story
        }
    });
    let mut played: Vec<Story> = vec![];
    let mut stories = futures::stream::iter(stories).buffered(AT_ONCE);
    while let Some(story) = stories.next().await {
        played.push(story?);
    }
    bar.finish_and_clear();
    tell(table(&played));
    Ok(())
}

fn style() -> ProgressStyle {
    let template = "{bar:30} {pos}/{len} learners, {elapsed} gone, {eta} to go";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn table(stories: &[Story]) -> String {
    const SHOWN: usize = 24;
    let mut lines = vec![format!(
        "{:<12} {:<5} {:>6} {:>5} {:>7} {:>6} {:>6}  {:<11} {}",
        "habit", "level", "theta", "items", "lessons", "score", "streak", "emotion", "watch next"
    )];
    for story in stories.iter().take(SHOWN) {
        lines.push(format!(
            "{:<12} {:<5} {:>6.2} {:>5} {:>7} {:>6} {:>6}  {:<11} {}",
            story.habit,
            story.level,
            story.theta,
            story.items,
            story.lessons,
            story.mean_score.map_or("–".into(), |score| format!("{score:.2}")),
            story.streak,
            story.emotion,
            story.watch_next,
        ));
    }
    if stories.len() > SHOWN {
        lines.push(format!("… and {} more", stories.len() - SHOWN));
    }
    let lessons: u32 = stories.iter().map(|story| story.lessons).sum();
    let attempts: u32 = stories.iter().map(|story| story.attempts).sum();
    lines.push(format!("{} learners, {lessons} lessons completed, {attempts} answers evaluated", stories.len()));
    lines.join("\n")
}
