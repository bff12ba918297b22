//! `baeum notifications`: what was given up, and trying it again. It works on the database; deeds are recorded in the log,
//! and done by the dispatcher.

use baeum_commands::{
    ExecuteError, Outcome,
    notification::{Error, retry::retry_notification, webhook_deliveries, webhooks::replay_webhook_delivery},
};
use baeum_domain::{
    ids::{NotificationId, WebhookId},
    notification::channel::Channel,
};
use baeum_eventlog::EventLog;
use baeum_projections::notification::notifications;
use clap::Subcommand;
use uuid::Uuid;

use crate::{output::tell, projections::OperatedShard};

/// How many rows are read at once.
const PAGE: u32 = 500;

/// What is wanted of notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Subcommand)]
pub(crate) enum NotificationsCommand {
    /// What was given up: notifications, and deliveries of webhooks (the default)
    #[default]
    List,
    /// Have a notification tried again that was given up
    Retry {
        /// Its id
        id: Uuid,
        /// The channel: in_app, email or push
        channel: Channel,
    },
    /// Have a partner system told again of an event that it could not be told of
    Replay {
        /// The webhook
        webhook: Uuid,
        /// The position of the event, or `all` that were given up
        position: String,
    },
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotificationsError {
    /// There is no such notification.
    #[error("there is no notification {0}: `baeum notifications` lists those that were given up")]
    Unknown(Uuid),
    /// What was given is no position.
    #[error("'{0}' is no position: give the number of an event, or all")]
    NotAPosition(String),
    /// Nothing of it was given up.
    #[error("nothing that the webhook {0} is to be told was given up: `baeum notifications` lists what was")]
    NothingGivenUp(Uuid),
    /// The database failed.
    #[error("the notifications cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The deed was refused, or could not be recorded.
    #[error(transparent)]
    Deed(#[from] ExecuteError<Error>),
}

/// Does it, in every shard.
///
/// # Errors
/// What is not there or was not given up, or a failing database.
pub(crate) async fn run(shards: &[OperatedShard], command: &NotificationsCommand) -> Result<(), NotificationsError> {
    match command {
        NotificationsCommand::List => {
            for shard in shards {
                for tenant in &shard.tenants {
                    list(&shard.log, tenant).await?;
                }
            }
            Ok(())
        }
        NotificationsCommand::Retry { id, channel } => {
            for shard in shards {
                if let Some(found) = notifications::find(shard.log.pool(), NotificationId(*id)).await? {
                    let context = shard.context(&found.tenant);
                    let done = retry_notification(&shard.log, &context, found.notification_id, *channel).await?;
                    recorded(format_args!("{id} is tried again by {channel}"), &done);
                    return Ok(());
                }
            }
            Err(NotificationsError::Unknown(*id))
        }
        NotificationsCommand::Replay { webhook, position } => {
            let wanted = match position.as_str() {
                "all" => None,
                number => Some(number.parse().map_err(|_| NotificationsError::NotAPosition(number.to_owned()))?),
            };
            replay(shards, *webhook, wanted).await
        }
    }
}

async fn list(log: &EventLog, tenant: &str) -> Result<(), sqlx::Error> {
    let mut after = log.shard().floor();
    loop {
        let page = notifications::deliveries(log.pool(), tenant, "dead_lettered", (after, PAGE)).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for it in page {
            let reason = it.reason.unwrap_or_default();
            let (id, channel, attempts) = (it.notification_id, it.channel, it.attempts);
            tell(format_args!("notification {id} by {channel}, tried {attempts} times: {reason}"));
        }
    }
    for it in dead_deliveries(log, tenant, None).await? {
        let (webhook, position, kind) = (it.webhook_id, it.position, it.event_type);
        let (attempts, reason) = (it.attempts, it.last_error.unwrap_or_default());
        tell(format_args!("webhook {webhook} of {kind} at {position}, tried {attempts} times: {reason}"));
    }
    Ok(())
}

async fn dead_deliveries(
    log: &EventLog,
    tenant: &str,
    webhook: Option<WebhookId>,
) -> Result<Vec<webhook_deliveries::ListedDelivery>, sqlx::Error> {
    let mut all: Vec<webhook_deliveries::ListedDelivery> = vec![];
    loop {
        let after = all.last().map_or(log.shard().floor(), |it| it.position);
        let page = webhook_deliveries::list(log.pool(), tenant, webhook, Some("dead_lettered"), (after, PAGE)).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn replay(shards: &[OperatedShard], webhook: Uuid, wanted: Option<i64>) -> Result<(), NotificationsError> {
    let mut found = false;
    for shard in shards {
        for tenant in &shard.tenants {
            let dead = dead_deliveries(&shard.log, tenant, Some(WebhookId(webhook))).await?;
            for it in dead.into_iter().filter(|it| wanted.is_none_or(|wanted| it.position == wanted)) {
                found = true;
                let context = shard.context(tenant);
                let done = replay_webhook_delivery(&shard.log, &context, WebhookId(webhook), it.position).await?;
                recorded(format_args!("{webhook} is told again of {} at {}", it.event_type, it.position), &done);
            }
        }
    }
    if found { Ok(()) } else { Err(NotificationsError::NothingGivenUp(webhook)) }
}

fn recorded(what: std::fmt::Arguments<'_>, done: &Outcome<()>) {
    tell(format_args!("recorded at {}: {what}", done.position));
}
