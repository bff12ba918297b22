//! What notifications look like on the wire.

use baeum_commands::{Commands, notification::Error};
use baeum_domain::{ids::NotificationId, notification::notification::Content};
use baeum_projections::notification::notifications;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{problem::Problem, wire::mirror};

mirror! {
    /// A way to reach a person.
    #[serde(rename_all = "snake_case")]
    #[schema(as = NotificationChannel)]
    #[derive(PartialOrd, Ord)]
    Channel = baeum_domain::notification::channel::Channel { InApp, Email, Push }
}

/// A notification in the inbox, in the words of the reader's language.
#[derive(Serialize, ToSchema)]
pub(crate) struct InboxItem {
    notification_id: Uuid,
    /// What it is about.
    topic: String,
    /// The text that it was made from.
    template: String,
    /// One line.
    subject: String,
    /// The text.
    text: String,
    /// When it came into the inbox.
    delivered_at: DateTime<Utc>,
    /// When it was read.
    read_at: Option<DateTime<Utc>>,
    /// The position at which it came into the inbox.
    position: i64,
}

impl InboxItem {
    /// An item for a reader of this name. One whose template is gone is told by the template's name alone.
    pub(super) fn new(
        commands: &Commands,
        reader: &str,
        id: NotificationId,
        content: &Content,
        (position, delivered_at): (i64, DateTime<Utc>),
        read_at: Option<DateTime<Utc>>,
    ) -> Self {
        let words = commands.render_notification(content, reader);
        let (subject, text) =
            words.map_or_else(|_| (content.template.to_string(), String::new()), |it| (it.subject, it.text));
        Self {
            notification_id: id.0,
            topic: content.topic.to_string(),
            template: content.template.to_string(),
            subject,
            text,
            delivered_at,
            read_at,
            position,
        }
    }

    /// The position at which it came into the inbox.
    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// A row of the inbox.
    pub(super) fn of(commands: &Commands, reader: &str, row: notifications::Notification) -> Option<Self> {
        let came = row.inbox_position.zip(row.inbox_at)?;
        let content =
            Content { template: row.template, topic: row.topic, language: row.language, parameters: row.parameters };
        Some(Self::new(commands, reader, row.notification_id, &content, came, row.read_at))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::refusal(&error)
    }
}
