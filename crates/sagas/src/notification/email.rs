//! E-mail over SMTP.
//!
//! The Message-ID is made from the notification's id, so it is the same in every attempt: a mailbox that drops copies by it
//! shows a mail once. One-click unsubscription is as RFC 8058 has it.

use std::time::{Duration, SystemTime};

use baeum_commands::notification::deliver::{Failure, Message};
use futures::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp,
};

use super::sender::{Sender, lasting, passing};

/// How long the mail server may take for each step.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why mail cannot be set up. The URL is not repeated: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// The URL of the server.
    #[error(
        "is no URL of a mail server: give one such as smtp://user:password@mail.example.org:587?tls=required or smtps://…"
    )]
    Url,
    /// The sender's address.
    #[error("is no address to send from: give one such as 'Baeum <no-reply@example.org>'")]
    From,
}

/// Sends e-mail.
pub struct EmailSender {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl EmailSender {
    /// Mail by the server of `url`, from `from`. Nothing is connected yet. It is made within a runtime, which looks after
    /// its connections.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn new(url: &str, from: &str) -> Result<Self, EmailError> {
        let (builder, from) = read(url, from)?;
        let hello = smtp::extension::ClientId::Domain(from.email.domain().to_owned());
        let transport = builder.timeout(Some(PATIENCE)).hello_name(hello).build();
        Ok(Self { transport, from })
    }

    /// Whether [`EmailSender::new`] would take these.
    ///
    /// # Errors
    /// When either cannot be read.
    pub fn check(url: &str, from: &str) -> Result<(), EmailError> {
        read(url, from).map(drop)
    }

    fn mail(&self, message: &Message) -> Result<lettre::Message, Failure> {
        let unusable = || lasting("address-not-usable");
        let address = message.address.email.parse().map_err(|_| unusable())?;
        let to = Mailbox::new(Some(message.address.display_name.clone()), address);
        let id = format!("<{}.email@{}>", message.notification_id, self.from.email.domain());
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .to(to)
            .date(SystemTime::from(message.at))
            .message_id(Some(id))
            .subject(message.rendered.subject.clone())
            .header(ContentType::TEXT_PLAIN);
        let mut text = message.rendered.text.clone();
        if let Some(link) = &message.unsubscribe {
            for (name, value) in [
                ("List-Unsubscribe", format!("<{link}>")),
                ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".into()),
            ] {
                let name = HeaderName::new_from_ascii_str(name);
                // The link is ASCII, and must stay in one piece.
                mail = mail.raw_header(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
            }
            let ask = match message.language.as_str() {
                "ko" => "이 소식을 더 이상 이메일로 받지 않으려면",
                _ => "To hear no more of this by e-mail",
            };
            text = format!("{text}\n-- \n{ask}: {link}\n");
        }
        mail.body(text).map_err(|_| unusable())
    }
}

fn read(url: &str, from: &str) -> Result<(smtp::AsyncSmtpTransportBuilder, Mailbox), EmailError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let from = from.parse().map_err(|_| EmailError::From)?;
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| EmailError::Url)?;
    Ok((builder, from))
}

impl Sender for EmailSender {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let mail = self.mail(message)?;
            self.transport.send(mail).await.map(drop).map_err(|error| failure(&error))
        })
    }
}

/// What a failure is called. The server's words may name the person, so only its code is told.
fn failure(error: &smtp::Error) -> Failure {
    let Some(code) = error.status() else {
        return passing(if error.is_timeout() { "timed-out" } else { "smtp-not-connected" });
    };
    let code = code.to_string();
    // The mailbox is not there, moved, or its name is not allowed. Other refusals are about us, and may be mended.
    if ["550", "551", "553"].contains(&code.as_str()) {
        return lasting(format!("smtp-{code}"));
    }
    passing(format!("smtp-{code}"))
}
