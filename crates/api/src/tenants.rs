//! Which shard a request goes to: that of its tenant.
//!
//! Whoever is signed in belongs to the tenant that their token names. Before that, the header `Baeum-Tenant` says where
//! to register and to sign in; without it, it is the first tenant. A token is checked with the keys of its tenant's shard
//! alone, so that no shard can sign for the tenants of another.

use std::{collections::BTreeMap, ops::Deref, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use baeum_commands::{Commands, EventLog};
use baeum_domain::{ids::UserId, position::Shard};

use crate::{
    caller::SignedIn,
    keys::{KeyError, KeyRing},
    notification::Hub,
    problem::Problem,
    state::{ApiState, Connected},
};

/// The header that names the tenant of whoever has no token yet.
pub(crate) const TENANT: HeaderName = HeaderName::from_static("baeum-tenant");

/// A shard that is served.
#[derive(Clone)]
pub struct ServedShard {
    /// The tenants whose log it keeps.
    pub tenants: Vec<String>,
    /// Everything that can be done in it.
    pub commands: Commands,
    /// Whether its broker is connected, where there is one.
    pub broker_connected: Option<Connected>,
}

/// A shard with its keys.
pub(crate) struct Desk {
    pub(crate) commands: Commands,
    pub(crate) broker_connected: Option<Connected>,
    pub(crate) keys: KeyRing,
    pub(crate) inbox: Hub,
}

/// Every shard that is served, and whose log is in which.
pub(crate) struct Directory {
    desks: Vec<Arc<Desk>>,
    by_tenant: BTreeMap<String, usize>,
    /// The tenant of those who name none.
    first: String,
}

/// The shards cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nobody to serve.
    #[error("no shard with a tenant is served: name at least one")]
    Nobody,
    /// A tenant of two shards.
    #[error("the tenant '{0}' is in two shards: its log lives in one")]
    Twice(String),
    /// The signing keys of a shard cannot be used.
    #[error("shard {0}: {1}")]
    Keys(Shard, #[source] KeyError),
}

impl Directory {
    /// Reads the signing keys of each shard.
    ///
    /// # Errors
    /// When the keys cannot be read, or the tenants do not have one shard each.
    pub(crate) async fn open(shards: Vec<ServedShard>) -> Result<Self, ServeError> {
        let first = shards.iter().flat_map(|it| &it.tenants).next().ok_or(ServeError::Nobody)?.clone();
        let mut directory = Self { desks: vec![], by_tenant: BTreeMap::new(), first };
        for ServedShard { tenants, commands, broker_connected } in shards {
            for tenant in tenants {
                if directory.by_tenant.insert(tenant.clone(), directory.desks.len()).is_some() {
                    return Err(ServeError::Twice(tenant));
                }
            }
            let keys = KeyRing::load(&commands).await;
            let keys = keys.map_err(|error| ServeError::Keys(commands.log().shard(), error))?;
            directory.desks.push(Arc::new(Desk { commands, broker_connected, keys, inbox: Hub::default() }));
        }
        Ok(directory)
    }

    /// Every shard, at least one.
    pub(crate) fn desks(&self) -> &[Arc<Desk>] {
        &self.desks
    }

    /// The shard of a tenant.
    pub(crate) fn find(&self, tenant: &str) -> Option<&Arc<Desk>> {
        self.desks.get(*self.by_tenant.get(tenant)?)
    }
}

/// The API as one tenant has it: their shard, and what all share. As an extractor it is that of whoever is signed in.
pub(crate) struct TenantState {
    /// Whose log.
    pub(crate) tenant: String,
    desk: Arc<Desk>,
    api: ApiState,
}

impl Deref for TenantState {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.api
    }
}

impl TenantState {
    /// That of a request without a token.
    ///
    /// # Errors
    /// `unknown-tenant`.
    pub(crate) fn of_header(headers: &HeaderMap, api: &ApiState) -> Result<Self, Problem> {
        let mut given = headers.get_all(TENANT).iter();
        let tenant = match (given.next(), given.next()) {
            (None, _) => api.directory.first.as_str(),
            (Some(one), None) => one.to_str().unwrap_or_default(),
            _ => {
                let detail = "Baeum-Tenant: give one tenant";
                return Err(Problem::new("invalid-header", detail).with("header", "Baeum-Tenant"));
            }
        };
        Self::of(tenant, api).ok_or_else(|| {
            let shown: String = tenant.chars().take(80).collect();
            Problem::new("unknown-tenant", format!("this server has no tenant '{shown}'"))
        })
    }

    /// That of the tenant of this name, where it is served.
    pub(crate) fn of(tenant: &str, api: &ApiState) -> Option<Self> {
        let desk = api.directory.find(tenant)?.clone();
        Some(Self { tenant: tenant.to_owned(), desk, api: api.clone() })
    }

    /// Everything that can be done.
    pub(crate) fn commands(&self) -> &Commands {
        &self.desk.commands
    }

    /// The tenant's log, with those of the other tenants of its shard.
    pub(crate) fn log(&self) -> &EventLog {
        self.desk.commands.log()
    }

    /// News of the inboxes of the shard.
    pub(crate) fn inbox(&self) -> &Hub {
        &self.desk.inbox
    }

    /// The keys of the shard.
    pub(crate) fn keys(&self) -> &KeyRing {
        &self.desk.keys
    }

    /// Expects that `user_id` is one of the tenant's, by the log itself: read models of a shard hold all its tenants.
    ///
    /// # Errors
    /// The problem `absent`, as if there were no such thing at all.
    pub(crate) async fn must_have(&self, user_id: UserId, absent: &'static str) -> Result<(), Problem> {
        if self.log().belongs_to(&self.tenant, "user", &user_id.to_string()).await? {
            return Ok(());
        }
        Err(Problem::plain(absent))
    }

    /// A position that a client gave, as a place of this log; 0 is before its first.
    ///
    /// # Errors
    /// `invalid-query` for a negative one, `position-of-another-shard`.
    pub(crate) fn position(&self, name: &str, given: i64) -> Result<i64, Problem> {
        if given < 0 {
            return Err(Problem::new("invalid-query", format!("{name}: give a position of the log, 0 or more")));
        }
        let shard = self.log().shard();
        match Shard::of(given) {
            _ if given == 0 => Ok(shard.floor()),
            Some(of) if of != shard => {
                let detail = format!("{name}: position {given} is of shard {of}, your log is in shard {shard}");
                Err(Problem::new("position-of-another-shard", detail).with("shard", shard.number()))
            }
            _ => Ok(given),
        }
    }
}

impl FromRequestParts<ApiState> for TenantState {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let signed_in = SignedIn::from_request_parts(parts, state).await?;
        Self::of(&signed_in.caller.tenant, state).ok_or_else(|| Problem::plain("token-invalid"))
    }
}
