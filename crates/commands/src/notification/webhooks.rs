//! Webhooks: having partner systems told of events.

use std::collections::BTreeSet;

use baeum_domain::{
    Sealed,
    identity::user::Role,
    ids::{UserId, WebhookId, derive_id},
    notification::webhooks::{self, Command, Webhooks, id_of},
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Outcome};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::{Error, endpoint, webhook_deliveries};
use crate::{Commands, Request, vault::Field};

/// How a secret begins, as Standard Webhooks has it; what follows is base64 of the bytes that sign.
pub const SECRET_PREFIX: &str = "whsec_";

/// The answer to a creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// The new webhook.
    pub webhook_id: WebhookId,
}

/// A webhook with what is sealed of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it goes.
    pub url: String,
    /// What it is signed with: `whsec_` and base64.
    pub secret: String,
}

/// A webhook as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// Where it goes; `None` once its key was erased.
    pub url: Option<String>,
    /// What it is told of.
    pub event_types: BTreeSet<String>,
}

impl Commands {
    /// Has a partner system told of events of these types from now on. Only administrators may. The secret is made here:
    /// [`Commands::webhook_endpoint`] gives it to who has just made the webhook.
    ///
    /// # Errors
    /// A caller who may not, a URL or a type of events that cannot be used, too many webhooks, or a failing log.
    pub async fn create_webhook(
        &self,
        request: &Request,
        url: &str,
        event_types: BTreeSet<String>,
    ) -> Result<Outcome<Created>, ExecuteError<Error>> {
        let context = self.context_of_admin(request)?;
        endpoint::check(url, self.settings.private_webhooks).map_err(|error| ExecuteError::Refused(error.into()))?;
        let webhook_id = WebhookId(derive_id(&["webhook", &context.command_id.to_string()]));
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let mut secret = [0_u8; 32];
        self.ports.entropy.fill(&mut secret);
        let secret = format!("{SECRET_PREFIX}{}", BASE64.encode(secret));
        let (tenant, secret, event_types) = (&context.tenant, &secret, &event_types);
        let prepare = |_: Loaded<Webhooks>| async move {
            let url = self.seal_for(tenant, webhook_id, Field::WebhookUrl, url).await?;
            let secret = self.seal_for(tenant, webhook_id, Field::WebhookSecret, secret).await?;
            Ok(Command::Create { webhook_id, event_types: event_types.clone(), url, secret })
        };
        let id = id_of(&context.tenant).to_string();
        self.log.execute::<Webhooks, _, Error, _>(&context, &id, prepare, |_, _| Created { webhook_id }).await
    }

    /// Has a partner system told of nothing more; what it was not told yet is dropped. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an unknown webhook, or a failing log.
    pub async fn delete_webhook(&self, request: &Request, id: WebhookId) -> Result<Outcome<()>, ExecuteError<Error>> {
        let context = self.context_of_admin(request)?;
        let prepare = |_: Loaded<Webhooks>| std::future::ready(Ok(Command::Delete { webhook_id: id }));
        let aggregate = id_of(&context.tenant).to_string();
        self.log.execute::<Webhooks, _, Error, _>(&context, &aggregate, prepare, |_, _| ()).await
    }

    /// Has a delivery tried again that was given up. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, an unknown webhook, a delivery that was not given up, or a failing log.
    pub async fn replay_webhook_delivery(
        &self,
        request: &Request,
        id: WebhookId,
        position: i64,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        replay_webhook_delivery(&self.log, &self.context_of_admin(request)?, id, position).await
    }

    /// The webhooks of a tenant, with the version of them all.
    ///
    /// # Errors
    /// A failing log or key store.
    pub async fn webhooks(&self, tenant: &str) -> Result<(Vec<Listed>, i64), Error> {
        let loaded = self.log.load::<Webhooks>(tenant, &id_of(tenant).to_string()).await?;
        let mut listed = vec![];
        for (id, webhook) in &loaded.state.webhooks {
            let url = self.open_for(tenant, *id, Field::WebhookUrl, &webhook.url).await?;
            listed.push(Listed { webhook_id: *id, url, event_types: webhook.event_types.clone() });
        }
        Ok((listed, loaded.sequence))
    }

    /// Where a webhook goes and what it is signed with; `None` for one that is not there any more.
    ///
    /// # Errors
    /// A failing log or key store.
    pub async fn webhook_endpoint(&self, tenant: &str, id: WebhookId) -> Result<Option<Endpoint>, Error> {
        let state = self.log.load::<Webhooks>(tenant, &id_of(tenant).to_string()).await?.state;
        let Some(webhook) = state.webhooks.get(&id) else { return Ok(None) };
        let url = self.open_for(tenant, id, Field::WebhookUrl, &webhook.url).await?;
        let secret = self.open_for(tenant, id, Field::WebhookSecret, &webhook.secret).await?;
        Ok(url.zip(secret).map(|(url, secret)| Endpoint { url, secret }))
    }

    /// Whether a URL may be sent to, as of now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_endpoint(&self, url: &str) -> Result<url::Url, endpoint::EndpointError> {
        endpoint::check(url, self.settings.private_webhooks)
    }

    fn context_of_admin<E>(&self, request: &Request) -> Result<CommandContext, ExecuteError<E>>
    where
        E: From<Error>,
    {
        if request.caller.has_any(&[Role::Admin]) {
            return Ok(request.context(self.clock()));
        }
        Err(ExecuteError::Refused(Error::NotAnAdmin.into()))
    }

    /// A webhook has a key of its own in the vault, as a person has.
    async fn seal_for(&self, tenant: &str, id: WebhookId, field: Field, text: &str) -> Result<Sealed, Error> {
        Ok(self.vault.seal(tenant, UserId(id.0), field, text).await?)
    }

    async fn open_for(
        &self,
        tenant: &str,
        id: WebhookId,
        field: Field,
        sealed: &Sealed,
    ) -> Result<Option<String>, Error> {
        Ok(self.vault.open(tenant, UserId(id.0), field, sealed).await?)
    }
}

/// Has a delivery tried again that was given up, for whoever has the database at hand.
///
/// # Errors
/// An unknown webhook, a delivery that was not given up, or a failing log.
pub async fn replay_webhook_delivery(
    log: &EventLog,
    context: &CommandContext,
    webhook_id: WebhookId,
    position: i64,
) -> Result<Outcome<()>, ExecuteError<Error>> {
    let prepare = |loaded: Loaded<Webhooks>| async move {
        if !loaded.state.webhooks.contains_key(&webhook_id) {
            return Err(webhooks::Error::NoSuchWebhook(webhook_id).into());
        }
        let found = webhook_deliveries::find_dead(log.pool(), &context.tenant, webhook_id, position).await?;
        let attempts = found.ok_or(Error::NotGivenUp { position })?;
        Ok(Command::Replay { webhook_id, position, attempts })
    };
    let aggregate = id_of(&context.tenant).to_string();
    log.execute::<Webhooks, _, Error, _>(context, &aggregate, prepare, |_, _| ()).await
}
