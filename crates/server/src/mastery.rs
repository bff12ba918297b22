//! `baeum mastery fit`: the parameters by which mastery is traced, fitted to the answers in the log, and recorded there.

use std::{collections::BTreeMap, fmt::Write as _};

use baeum_commands::{ExecuteError, progress::fit_mastery::fit_mastery};
use baeum_domain::{
    AnyEvent,
    learning::lesson::Event,
    progress::knowledge_tracing::{self, Fit, KnowledgeTracing, Parameters, SKILLS, Tracing},
};
use baeum_eventlog::{EventFilter, EventLog, LogError, decode};
use baeum_ml::progress::bkt::mastery::{self, Answers, MasteryError};
use clap::Subcommand;

use crate::{output::tell, projections::OperatedShard};

/// Events that are read at once.
const PAGE: usize = 5_000;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum MasteryCommand {
    /// Fit how skills are learned, forgotten, guessed and slipped to the evaluated answers of each tenant, and record it
    /// where it foretells learners better who were not fitted to
    Fit {
        /// Shows what would be recorded, and records nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// Why nothing was fitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FitError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the fit was not recorded: {0}")]
    Refused(#[from] ExecuteError<knowledge_tracing::Error>),
}

/// Fits the parameters in every shard, each tenant by its own answers.
///
/// # Errors
/// A failing log.
pub(crate) async fn run(shards: &[OperatedShard], command: &MasteryCommand) -> Result<(), FitError> {
    let MasteryCommand::Fit { dry_run } = command;
    for shard in shards {
        let tenants = answers(&shard.log).await?;
        if tenants.is_empty() {
            tell(format_args!("shard {} has no evaluated answers yet; nothing to do", shard.log.shard()));
        }
        for (tenant, (answers, position)) in tenants {
            let before = shard.log.load::<KnowledgeTracing>(&tenant, SKILLS).await?.state.tracing.clone();
            match mastery::fit_mastery(&answers, &before, position) {
                Ok(fit) => record(shard, &tenant, fit, &before, *dry_run).await?,
                Err(error @ MasteryError::TooFew { .. }) => tell(format_args!("{tenant}: {error}")),
            }
        }
    }
    Ok(())
}

async fn record(
    shard: &OperatedShard,
    tenant: &str,
    fit: Fit,
    before: &Tracing,
    dry_run: bool,
) -> Result<(), FitError> {
    tell(format_args!("{tenant}: {}", describe(&fit, before)));
    if fit.log_loss >= fit.log_loss_before {
        tell("the parameters in force foretell learners as well; nothing was recorded");
    } else if dry_run {
        tell("nothing was recorded (--dry-run)");
    } else {
        let outcome = fit_mastery(&shard.log, &shard.context(tenant), fit).await?;
        tell(format_args!("fit {} is in the log, at position {}", outcome.answer, outcome.position));
    }
    Ok(())
}

/// Whether each evaluated answer of each tenant's learners passed, and the position of the tenant's last. Who was
/// forgotten is left out.
async fn answers(log: &EventLog) -> Result<BTreeMap<String, (Answers, i64)>, LogError> {
    let filter = EventFilter { event_type: Some("EvaluationCompleted".to_owned()), ..EventFilter::default() };
    let (mut tenants, mut position) = (BTreeMap::<String, (Answers, i64)>::new(), log.floor());
    let head = log.head().await?;
    while position < head {
        let (events, read_to) = log.read_filtered(position, PAGE, &filter).await?;
        for event in events.into_iter().filter(|event| event.position <= head) {
            let (tenant, at) = (event.tenant.clone(), event.position);
            if let AnyEvent::Lesson(Event::EvaluationCompleted { learner_id, skill, passed, .. }) =
                decode(event)?.payload
                && !log.erased().contains(learner_id)
            {
                let (answers, last) = tenants.entry(tenant).or_default();
                mastery::add(answers, learner_id, skill, passed);
                *last = at;
            }
        }
        if read_to <= position {
            break;
        }
        position = read_to;
    }
    Ok(tenants)
}

fn describe(fit: &Fit, before: &Tracing) -> String {
    let mut text = format!(
        "{} answers of {} learners up to position {}; log loss of learners not fitted to {:.4}, by the parameters in force \
         {:.4}; parameters {}\n{:<12} {:>8} {:>8} {:>8} {:>8} {:>8}",
        fit.answers,
        fit.learners,
        fit.input_position,
        fit.log_loss,
        fit.log_loss_before,
        &fit.parameters_hash[..12],
        "skill",
        "initial",
        "learn",
        "forget",
        "guess",
        "slip",
    );
    let mut row = |name: &str, of: Parameters| {
        let Parameters { initial, learn, forget, guess, slip } = of;
        let _ = write!(text, "\n{name:<12} {initial:>8.3} {learn:>8.3} {forget:>8.3} {guess:>8.3} {slip:>8.3}");
    };
    for (skill, parameters) in &fit.skills {
        row(&skill.to_string(), *parameters);
        row("  before", before.of(*skill));
    }
    text
}
