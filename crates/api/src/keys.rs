//! Tokens: EdDSA JWTs of 15 minutes, signed and checked with the keys that all processes share.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use baeum_commands::{Caller, Commands, DatabaseError};
use baeum_domain::{Clock, identity::user::Role, ids::UserId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use chrono::{DateTime, TimeDelta, Utc};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::problem::Problem;

/// Who issues the tokens.
pub(crate) const ISSUER: &str = "baeum";
/// How long a token is valid.
pub(crate) const VALID_FOR: TimeDelta = TimeDelta::minutes(15);
/// Of how many tokens it is remembered that their signature is right.
const REMEMBERED: usize = 10_000;
/// How often the keys are read again at most.
const RELOAD_EVERY: TimeDelta = TimeDelta::seconds(10);

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: UserId,
    pub(crate) tenant: String,
    pub(crate) roles: BTreeSet<Role>,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) jti: Uuid,
}

/// A key of the ring.
struct Key {
    kid: String,
    /// The public key, base64url.
    x: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

struct Loaded {
    keys: Arc<Vec<Key>>,
    /// When the keys were read again; at the start they are fresh, but the first unknown key may have them read again.
    reloaded_at: Option<DateTime<Utc>>,
}

/// What a token says whose signature was found right, with the keys that it was found right with.
#[derive(Clone)]
struct Verified {
    keys: Arc<Vec<Key>>,
    claims: Arc<Claims>,
}

/// The keys of this process.
pub(crate) struct KeyRing {
    loaded: RwLock<Loaded>,
    /// By the hash of the token, so that the memory of the process holds none that could be used.
    verified: Cache<[u8; 32], Verified>,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The keys could not be read.
    #[error("the signing keys cannot be read: {0}")]
    Database(#[from] DatabaseError),
    /// A key is none.
    #[error("signing key {0} is not an Ed25519 seed of 32 bytes: delete its row, and a new one is made")]
    NotAKey(String),
}

impl KeyRing {
    /// Reads the keys.
    pub(crate) async fn load(commands: &Commands) -> Result<Self, KeyError> {
        let keys = Arc::new(read(commands).await?);
        Ok(Self { loaded: RwLock::new(Loaded { keys, reloaded_at: None }), verified: Cache::new(REMEMBERED) })
    }

    /// Signs a token with the newest key.
    pub(crate) fn issue(&self, caller: &Caller, clock: &dyn Clock) -> Result<String, Problem> {
        let now = clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: caller.user_id,
            tenant: caller.tenant.clone(),
            roles: caller.roles.clone(),
            iat: now.timestamp(),
            exp: (now + VALID_FOR).timestamp(),
            jti: clock.new_id(),
        };
        let keys = self.keys();
        let key = keys.first().ok_or_else(|| Problem::plain("database-unavailable"))?;
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.kid.clone());
        jsonwebtoken::encode(&header, &claims, &key.encoding).map_err(|error| {
            tracing::error!(%error, kid = key.kid, "a token could not be signed");
            Problem::plain("internal")
        })
    }

    /// Checks a token: algorithm, key, signature, issuer, then the time by the clock. Of a token that was found right
    /// with the same keys before, only the time is checked again.
    pub(crate) async fn verify(&self, token: &str, commands: &Commands) -> Result<Arc<Claims>, Problem> {
        let hash = Sha256::digest(token).into();
        let known = self.verified.get(&hash).filter(|known: &Verified| Arc::ptr_eq(&known.keys, &self.keys()));
        let remembered = known.is_some();
        let verified = match known {
            Some(known) => known,
            None => self.check_signature(token, commands).await?,
        };
        let now = commands.log().clock().now().timestamp();
        if now >= verified.claims.exp {
            self.verified.remove(&hash);
            return Err(Problem::plain("token-expired"));
        }
        // Signed by us, yet made in the future: the clocks of two processes differ by more than a minute.
        if verified.claims.iat > now + 60 {
            return Err(Problem::plain("token-invalid"));
        }
        let claims = verified.claims.clone();
        if !remembered {
            self.verified.insert(hash, verified);
        }
        Ok(claims)
    }

    async fn check_signature(&self, token: &str, commands: &Commands) -> Result<Verified, Problem> {
        let invalid = || Problem::plain("token-invalid");
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        let kid = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or_else(invalid)?;
        if !self.keys().iter().any(|key| key.kid == kid) {
            self.refresh(commands).await?;
        }
        let keys = self.keys();
        let key = keys.iter().find(|key| key.kid == kid).ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(|_| invalid())?.claims;
        Ok(Verified { claims: Arc::new(claims), keys })
    }

    /// Reads the keys again, unless that was done a moment ago.
    pub(crate) async fn refresh(&self, commands: &Commands) -> Result<(), Problem> {
        let now = commands.log().clock().now();
        {
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            if loaded.reloaded_at.is_some_and(|at| now - at < RELOAD_EVERY) {
                return Ok(());
            }
            loaded.reloaded_at = Some(now);
        }
        let keys = read(commands).await.map_err(|error| {
            tracing::error!(%error, "the signing keys could not be read again");
            self.loaded.write().unwrap_or_else(PoisonError::into_inner).reloaded_at = None;
            Problem::plain("database-unavailable").retry_after(2)
        })?;
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).keys = Arc::new(keys);
        Ok(())
    }

    /// Names and public keys, the newest first.
    pub(crate) fn public(&self) -> Vec<(String, String)> {
        self.keys().iter().map(|key| (key.kid.clone(), key.x.clone())).collect()
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }
}

/// The tenant that a token claims, which is not checked yet.
pub(crate) fn claimed_tenant(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        tenant: String,
    }
    let payload = BASE64URL.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claimed>(&payload).ok()?.tenant)
}

async fn read(commands: &Commands) -> Result<Vec<Key>, KeyError> {
    let stored = commands.signing_keys().await?;
    stored
        .into_iter()
        .map(|stored| {
            let wrong = || KeyError::NotAKey(stored.kid.clone());
            let seed: [u8; 32] = stored.seed.as_slice().try_into().map_err(|_| wrong())?;
            let key = SigningKey::from_bytes(&seed);
            let x = BASE64URL.encode(key.verifying_key().as_bytes());
            let der = key.to_pkcs8_der().map_err(|_| wrong())?;
            let decoding = DecodingKey::from_ed_components(&x).map_err(|_| wrong())?;
            Ok(Key { encoding: EncodingKey::from_ed_der(der.as_bytes()), decoding, x, kid: stored.kid })
        })
        .collect()
}
