//! Links in messages: signed, so that who follows one needs no password to hear no more of a topic.
//!
//! A token is base64url of JSON (whose, of what, by what), a dot, and base64url of the HMAC-SHA256 of the first part under
//! the platform's key. It does not expire: mails are kept for years.

use baeum_domain::{
    ids::{NotificationTopic, UserId},
    notification::{
        channel::Channel,
        preferences::{Command, NotificationPreferences},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::Error;
use crate::{Commands, vault::VaultError};

/// The path of the links, below the public URL.
pub const PATH: &str = "/v1/notifications/unsubscribe";

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsubscription {
    /// Whose log.
    #[serde(rename = "t")]
    pub tenant: String,
    /// Who.
    #[serde(rename = "u")]
    pub learner_id: UserId,
    /// Of what.
    #[serde(rename = "s")]
    pub topic: NotificationTopic,
    /// By what.
    #[serde(rename = "c")]
    pub channel: Channel,
}

impl Unsubscription {
    /// What a token claims, before it is checked: the tenant says whose key checks it.
    pub fn claimed(token: &str) -> Option<Self> {
        let (body, _) = token.split_once('.')?;
        serde_json::from_slice(&BASE64URL.decode(body).ok()?).ok()
    }

    fn token(&self, key: &[u8]) -> Result<String, Error> {
        let body = BASE64URL.encode(serde_json::to_vec(self).map_err(|_| Error::BadLink)?);
        let signature = mac(key)?.chain_update(&body).finalize().into_bytes();
        Ok(format!("{body}.{}", BASE64URL.encode(signature)))
    }

    fn checked(token: &str, key: &[u8]) -> Result<Self, Error> {
        let (body, signature) = token.split_once('.').ok_or(Error::BadLink)?;
        let signature = BASE64URL.decode(signature).map_err(|_| Error::BadLink)?;
        mac(key)?.chain_update(body).verify_slice(&signature).map_err(|_| Error::BadLink)?;
        Self::claimed(token).ok_or(Error::BadLink)
    }
}

fn mac(key: &[u8]) -> Result<Hmac<Sha256>, Error> {
    Hmac::new_from_slice(key).map_err(|_| Error::BadLink)
}

impl Commands {
    /// Where somebody goes to hear no more of `topic` by `channel`; `None` where the platform does not know its own URL, or
    /// for the inbox, which has its preferences beside it.
    ///
    /// # Errors
    /// When the key service cannot be reached.
    pub async fn unsubscribe_link(
        &self,
        tenant: &str,
        learner_id: UserId,
        topic: &NotificationTopic,
        channel: Channel,
    ) -> Result<Option<String>, Error> {
        let Some(base) = self.settings.public_url.as_ref().filter(|_| channel.disturbs()) else { return Ok(None) };
        let link = Unsubscription { tenant: tenant.to_owned(), learner_id, topic: topic.clone(), channel };
        Ok(Some(format!("{base}{PATH}?token={}", link.token(&self.link_key().await?)?)))
    }

    /// What a link says, where it was made here.
    ///
    /// # Errors
    /// A link that was changed, or a key service that cannot be reached.
    pub async fn read_link(&self, token: &str) -> Result<Unsubscription, Error> {
        Unsubscription::checked(token, &self.link_key().await?)
    }

    /// Turns off what a link names. Whoever has the link may.
    ///
    /// # Errors
    /// A link that was changed, a key service that cannot be reached, or a failing log.
    pub async fn unsubscribe(&self, token: &str, correlation_id: Uuid) -> Result<Outcome<()>, ExecuteError<Error>> {
        let Unsubscription { tenant, learner_id, topic, channel } =
            self.read_link(token).await.map_err(ExecuteError::Refused)?;
        let command_id = self.clock().new_id();
        let id = learner_id.to_string();
        let context = CommandContext {
            tenant,
            actor: id.clone(),
            command_id,
            fingerprint: None,
            correlation_id,
            causation_id: command_id,
            expected_sequence: None,
        };
        let command = Command::Unsubscribe { learner_id, topic, channel };
        let prepare = |_: Loaded<NotificationPreferences>| std::future::ready(Ok(command.clone()));
        self.log.execute::<NotificationPreferences, _, Error, _>(&context, &id, prepare, |_, _| ()).await
    }

    /// The key that links are signed with. The key service derives it, so that it stands in no table and no dump.
    async fn link_key(&self) -> Result<[u8; 32], Error> {
        Ok(self.ports.keys.digest("notification links").await.map_err(VaultError::from)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_was_changed_or_signed_with_another_key_is_not_valid() {
        let link = Unsubscription {
            tenant: "main".into(),
            learner_id: UserId(Uuid::from_u128(1)),
            topic: "lessons".parse().expect("a topic"),
            channel: Channel::Email,
        };
        let token = link.token(&[7; 32]).expect("signed");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        assert_eq!(Unsubscription::checked(&token, &[7; 32]).expect("valid"), link);
        assert!(Unsubscription::checked(&token, &[8; 32]).is_err());
        let other = Unsubscription { learner_id: UserId(Uuid::from_u128(2)), ..link };
        let (body, _) = other
            .token(&[8; 32])
            .expect("signed")
            .split_once('.')
            .map(|(b, s)| (b.to_owned(), s.to_owned()))
            .expect("two parts");
        let (_, signature) = token.split_once('.').expect("two parts");
        for wrong in [format!("{body}.{signature}"), format!("{token}A"), body, String::new(), ".".into()] {
            assert!(Unsubscription::checked(&wrong, &[7; 32]).is_err(), "{wrong} must be refused");
        }
    }
}
