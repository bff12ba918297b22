//! Commands that processes send: data, so that a process can keep them until they are done.

use baeum_domain::{
    ids::{AttemptId, LessonId, NotificationId, UserId},
    learning::curriculum::{self, Curriculum},
    progress::progress,
    review::deck::{self, Deck},
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, LogError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Commands, Refusal, RefusalKind, kit::step::KitStep, learning::shadow_evaluate::ShadowQuestion,
    notification::request::NotificationRequest, subscription::billing::BillingCommand,
};

/// A command of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProcessCommand {
    /// To a curriculum.
    Curriculum(curriculum::Command),
    /// To a learner's progress.
    Progress(progress::Command),
    /// A step of billing.
    Billing(BillingCommand),
    /// To a learner's cards.
    Deck(deck::Command),
    /// Recommend after a lesson.
    GenerateRecommendation {
        /// To whom.
        learner_id: UserId,
        /// After which lesson.
        lesson_id: LessonId,
    },
    /// Suggest where to watch what was recommended after a lesson.
    SuggestWatchOptions {
        /// To whom.
        learner_id: UserId,
        /// After which lesson.
        lesson_id: LessonId,
    },
    /// Tell somebody of something.
    RequestNotification(NotificationRequest),
    /// Do not send what still waits of a notification.
    CancelNotification {
        /// Whom it would have told.
        learner_id: UserId,
        /// The notification.
        notification_id: NotificationId,
    },
    /// Take an evaluation for an attempt.
    ChargeEvaluation {
        /// Whose.
        subscriber: UserId,
        /// The attempt that was evaluated.
        attempt_id: AttemptId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Evaluate an attempt that was taken in without a verdict.
    EvaluateAttempt {
        /// Whose.
        learner_id: UserId,
        /// Its lesson.
        lesson_id: LessonId,
        /// The attempt.
        attempt_id: AttemptId,
    },
    /// Ask the model in the shadow about an attempt.
    ShadowEvaluate(ShadowQuestion),
    /// A step of a kit.
    Kit(KitStep),
}

impl ProcessCommand {
    /// Whom it is about: it is not done any more once they are forgotten. `None` for the books, which stay whoever is.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Curriculum(
                curriculum::Command::Assign { learner_id, .. } | curriculum::Command::NoteLesson { learner_id, .. },
            )
            | Self::Progress(progress::Command::Observe { learner_id, .. })
            | Self::Deck(
                deck::Command::Add { learner_id, .. }
                | deck::Command::Review(deck::Reviewed { learner_id, .. })
                | deck::Command::Optimize { learner_id, .. },
            )
            | Self::GenerateRecommendation { learner_id, .. }
            | Self::SuggestWatchOptions { learner_id, .. }
            | Self::RequestNotification(NotificationRequest { learner_id, .. })
            | Self::CancelNotification { learner_id, .. }
            | Self::EvaluateAttempt { learner_id, .. }
            | Self::ChargeEvaluation { subscriber: learner_id, .. } => Some(*learner_id),
            Self::ShadowEvaluate(asked) => Some(asked.learner_id),
            Self::Billing(_) => None,
            Self::Kit(step) => step.subject(),
        }
    }
}

/// Why a command of a process was not done.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// A rule refuses it, now and later.
    #[error("refused ({code}): {reason}")]
    Refused {
        /// The refusal's stable name.
        code: &'static str,
        /// Its text.
        reason: String,
    },
    /// It may go through later.
    #[error("not done yet: {0}")]
    Transient(String),
}

impl Commands {
    /// Does a command of a process. With a fingerprint in `context`, it takes effect once however often it is sent.
    ///
    /// # Errors
    /// Whether it may be tried again, and why it was not done.
    pub async fn dispatch(&self, context: &CommandContext, command: ProcessCommand) -> Result<(), DispatchError> {
        match command {
            ProcessCommand::Curriculum(command) => {
                let (curriculum::Command::Assign { learner_id, .. }
                | curriculum::Command::NoteLesson { learner_id, .. }) = &command;
                let done = self
                    .log
                    .execute::<Curriculum, _, curriculum::Error, _>(
                        context,
                        &learner_id.to_string(),
                        |_: Loaded<Curriculum>| std::future::ready(Ok(command.clone())),
                        |_, _| (),
                    )
                    .await;
                done.map(|_| ()).map_err(classify)
            }
            ProcessCommand::Progress(command) => {
                self.observe_progress(context, command).await.map(|_| ()).map_err(classify)
            }
            ProcessCommand::Billing(command) => self.bill(context, command).await,
            ProcessCommand::Deck(command) => {
                let (deck::Command::Add { learner_id, .. }
                | deck::Command::Review(deck::Reviewed { learner_id, .. })
                | deck::Command::Optimize { learner_id, .. }) = &command;
                let done = self
                    .log
                    .execute::<Deck, _, deck::Error, _>(
                        context,
                        &learner_id.to_string(),
                        |_: Loaded<Deck>| std::future::ready(Ok(command.clone())),
                        |_, _| (),
                    )
                    .await;
                done.map(|_| ()).map_err(classify)
            }
            ProcessCommand::GenerateRecommendation { learner_id, lesson_id } => {
                self.generate_recommendation(context, learner_id, lesson_id).await.map(|_| ()).map_err(classify)
            }
            ProcessCommand::SuggestWatchOptions { learner_id, lesson_id } => {
                self.suggest_watch_options(context, learner_id, lesson_id).await.map(|_| ()).map_err(classify)
            }
            ProcessCommand::RequestNotification(request) if !request.is_news(self.clock().now()) => Ok(()),
            ProcessCommand::RequestNotification(request) => {
                self.request_notification(context, &request).await.map(|_| ()).map_err(classify)
            }
            ProcessCommand::CancelNotification { notification_id, .. } => {
                self.cancel_notification(context, notification_id).await.map(|_| ()).map_err(classify)
            }
            ProcessCommand::ChargeEvaluation { subscriber, attempt_id, at } => {
                self.charge_evaluation(context, subscriber, attempt_id, at).await.map_err(classify)
            }
            ProcessCommand::EvaluateAttempt { learner_id, lesson_id, attempt_id } => {
                self.evaluate_attempt(context, learner_id, lesson_id, attempt_id).await.map_err(classify)
            }
            ProcessCommand::ShadowEvaluate(asked) => self.shadow_evaluate(context, asked).await.map_err(classify),
            ProcessCommand::Kit(step) => self.take_kit_step(context, step).await.map_err(classify),
        }
    }
}

fn classify<E: Refusal>(error: ExecuteError<E>) -> DispatchError {
    match error {
        ExecuteError::Refused(refusal) if refusal.kind() != RefusalKind::Unavailable => {
            DispatchError::Refused { code: refusal.code(), reason: refusal.to_string() }
        }
        ExecuteError::KeyReused => DispatchError::Refused { code: "key-reused", reason: error.to_string() },
        ExecuteError::Log(LogError::Unreadable { .. }) => {
            // A newer build will read it.
            DispatchError::Transient(error.to_string())
        }
        other => DispatchError::Transient(other.to_string()),
    }
}
