//! How notifications leave the platform: flags and variables, checked before anything starts.

use std::collections::BTreeSet;

use baeum_commands::notification::Settings;
use baeum_domain::notification::channel::Channel;
use baeum_sagas::notification::{
    email::{EmailError, EmailSender},
    push::PushSender,
    sender::Senders,
    webhook::WebhookSender,
};
use clap::Args;

/// The words of the command line about notifications.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NotificationWords {
    #[arg(help = "Mail server, for notifications by e-mail: smtps://user:password@host, or smtp://…?tls=required")]
    #[arg(long, env = "BAEUM_SMTP_URL", value_name = "URL", hide_env_values = true, global = true)]
    smtp_url: Option<String>,
    /// Whom e-mail is from, such as `Baeum <no-reply@example.org>`
    #[arg(long, env = "BAEUM_MAIL_FROM", value_name = "ADDRESS", global = true)]
    mail_from: Option<String>,
    /// Where people reach this server: links in e-mail begin so
    #[arg(long, env = "BAEUM_PUBLIC_URL", value_name = "URL", global = true)]
    public_url: Option<String>,
    /// Gateway for push messages
    #[arg(long, env = "BAEUM_PUSH_URL", value_name = "URL", hide_env_values = true, global = true)]
    push_url: Option<String>,
    /// Token that the gateway is given (better given by the variable: flags can be seen by other users)
    #[arg(long, env = "BAEUM_PUSH_TOKEN", value_name = "TOKEN", hide_env_values = true, global = true)]
    push_token: Option<String>,
    /// Whether webhooks may go to addresses that are not of the public internet: true or false
    #[arg(
        long,
        env = "BAEUM_WEBHOOKS_TO_PRIVATE_ADDRESSES",
        value_name = "BOOL",
        default_value = "false",
        global = true
    )]
    webhooks_to_private_addresses: String,
}

/// How notifications leave the platform. It has no debug form, which would show passwords.
#[derive(Clone)]
pub(crate) struct NotificationConfig {
    mail: Option<(String, String)>,
    push: Option<(String, Option<String>)>,
    public_url: Option<String>,
    private_webhooks: bool,
}

impl NotificationConfig {
    /// Checks the words. What is wrong is told by the name of its variable.
    pub(crate) fn from_words(words: NotificationWords, check: &mut impl FnMut(&str, Result<(), String>)) -> Self {
        let public_url = words.public_url.map(|it| it.trim_end_matches('/').to_owned());
        let sound = public_url.as_deref().is_none_or(|it| it.starts_with("https://") || it.starts_with("http://"));
        let wrong = "is no URL: give the one by which people reach this server, such as https://learn.example.org";
        check("BAEUM_PUBLIC_URL (--public-url)", if sound { Ok(()) } else { Err(wrong.to_owned()) });
        let mail = match (words.smtp_url, words.mail_from) {
            (Some(url), Some(from)) => {
                if public_url.is_none() {
                    let missing = "is missing beside BAEUM_SMTP_URL: every mail has a link to unsubscribe";
                    check("BAEUM_PUBLIC_URL (--public-url)", Err(missing.to_owned()));
                }
                let sound = EmailSender::check(&url, &from);
                let name = match sound {
                    Err(EmailError::From) => "BAEUM_MAIL_FROM (--mail-from)",
                    _ => "BAEUM_SMTP_URL (--smtp-url)",
                };
                check(name, sound.map_err(|error| error.to_string()));
                Some((url, from))
            }
            (Some(_), None) => {
                let missing =
                    "is missing beside BAEUM_SMTP_URL: give an address such as 'Baeum <no-reply@example.org>'";
                check("BAEUM_MAIL_FROM (--mail-from)", Err(missing.to_owned()));
                None
            }
            (None, _) => None,
        };
        let push = words.push_url.map(|url| (url, words.push_token));
        if let Some((url, token)) = &push {
            let made = PushSender::new(url, token.clone()).map(drop).map_err(|error| error.to_string());
            check("BAEUM_PUSH_URL (--push-url)", made);
        }
        let private_webhooks = words.webhooks_to_private_addresses == "true";
        let bool_given = private_webhooks || words.webhooks_to_private_addresses == "false";
        let wrong = || format!("is '{}': give true or false", words.webhooks_to_private_addresses);
        let name = "BAEUM_WEBHOOKS_TO_PRIVATE_ADDRESSES (--webhooks-to-private-addresses)";
        check(name, if bool_given { Ok(()) } else { Err(wrong()) });
        Self { mail, push, public_url, private_webhooks }
    }

    /// What commands know of it.
    pub(crate) fn settings(&self) -> Settings {
        let mut channels = BTreeSet::from([Channel::InApp]);
        channels.extend(self.mail.as_ref().map(|_| Channel::Email));
        channels.extend(self.push.as_ref().map(|_| Channel::Push));
        Settings { channels, public_url: self.public_url.clone(), private_webhooks: self.private_webhooks }
    }

    /// What the dispatcher sends by.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub(crate) fn senders(&self) -> Result<Senders, String> {
        let webhooks = WebhookSender::new(self.private_webhooks).map_err(|error| error.to_string())?;
        let mut senders = Senders::new(webhooks);
        if let Some((url, from)) = &self.mail {
            let email = EmailSender::new(url, from).map_err(|error| format!("BAEUM_SMTP_URL: {error}"))?;
            senders = senders.with(Channel::Email, email);
        }
        if let Some((url, token)) = &self.push {
            let push = PushSender::new(url, token.clone()).map_err(|error| format!("BAEUM_PUSH_URL: {error}"))?;
            senders = senders.with(Channel::Push, push);
        }
        Ok(senders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(words: NotificationWords) -> Vec<String> {
        let mut told = vec![];
        NotificationConfig::from_words(words, &mut |name, result| {
            told.extend(result.err().map(|problem| format!("{name} {problem}")));
        });
        told
    }

    fn mail() -> NotificationWords {
        NotificationWords {
            smtp_url: Some("smtp://mina:secret@localhost:2525".into()),
            mail_from: Some("Baeum <no-reply@example.org>".into()),
            public_url: Some("https://learn.example.org/".into()),
            webhooks_to_private_addresses: "false".into(),
            ..NotificationWords::default()
        }
    }

    #[test]
    fn mail_needs_a_server_an_address_and_the_public_url() {
        assert_eq!(mistakes(mail()), Vec::<String>::new());
        for (words, told) in [
            (NotificationWords { mail_from: None, ..mail() }, "BAEUM_MAIL_FROM (--mail-from) is missing"),
            (NotificationWords { mail_from: Some("nobody".into()), ..mail() }, "BAEUM_MAIL_FROM (--mail-from) is no"),
            (NotificationWords { public_url: None, ..mail() }, "BAEUM_PUBLIC_URL (--public-url) is missing"),
            (NotificationWords { public_url: Some("learn".into()), ..mail() }, "BAEUM_PUBLIC_URL (--public-url) is no"),
            (
                NotificationWords { smtp_url: Some("ftp://secret@x".into()), ..mail() },
                "BAEUM_SMTP_URL (--smtp-url) is no",
            ),
            (
                NotificationWords { push_url: Some("ftp://secret@x".into()), ..mail() },
                "BAEUM_PUSH_URL (--push-url) is no",
            ),
            (
                NotificationWords { webhooks_to_private_addresses: "yes".into(), ..mail() },
                "BAEUM_WEBHOOKS_TO_PRIVATE_ADDRESSES (--webhooks-to-private-addresses) is 'yes'",
            ),
        ] {
            let mistakes = mistakes(words).join("\n");
            assert!(mistakes.starts_with(told) && !mistakes.contains("secret"), "{mistakes}");
        }
    }

    #[test]
    fn the_channels_are_those_that_are_set_up() {
        let config = NotificationConfig::from_words(mail(), &mut |_, _| {});
        assert_eq!(config.settings().channels, BTreeSet::from([Channel::InApp, Channel::Email]));
        assert_eq!(config.settings().public_url.as_deref(), Some("https://learn.example.org"));
        let none = NotificationConfig::from_words(NotificationWords::default(), &mut |_, _| {});
        assert_eq!(none.settings(), Settings::default());
    }
}
