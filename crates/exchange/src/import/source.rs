//! The secret of a source, and the pseudonyms that are derived under it.
//!
//! Names that other systems give to learners are numbers and addresses: a plain hash of them could be found by trying.
//! HMAC-SHA-256 (RFC 2104) under a secret of the source cannot, and whoever deletes the secret has cut the tie.

use baeum_domain::{Clock, Entropy, ids::Source};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

/// Derives ids under the secret of a source.
#[derive(Clone)]
pub(super) struct Pseudonyms(Hmac<Sha256>);

impl Pseudonyms {
    pub(super) fn new(secret: &[u8], tenant: &str, source: &str) -> Self {
        let mut mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        for part in [tenant, source] {
            add(&mut mac, part);
        }
        Self(mac)
    }

    /// The secret of a source of a tenant, made where there is none.
    pub(super) async fn of(
        pool: &PgPool,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
        tenant: &str,
        source: &Source,
    ) -> Result<Self, sqlx::Error> {
        let mut secret = [0_u8; 32];
        entropy.fill(&mut secret);
        // Of two who make one at once, the first wins and both use it.
        sqlx::query(
            "INSERT INTO import_sources (tenant, source, secret, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant, source) DO NOTHING",
        )
        .bind(tenant)
        .bind(source.as_str())
        .bind(secret.as_slice())
        .bind(clock.now())
        .execute(pool)
        .await?;
        let secret: Vec<u8> = sqlx::query_scalar("SELECT secret FROM import_sources WHERE tenant = $1 AND source = $2")
            .bind(tenant)
            .bind(source.as_str())
            .fetch_one(pool)
            .await?;
        Ok(Self::new(&secret, tenant, source.as_str()))
    }

    /// The id of what `parts` name, of a kind.
    pub(super) fn id<'a>(&self, kind: &'a str, parts: impl IntoIterator<Item = &'a str>) -> Uuid {
        uuid::Builder::from_custom_bytes(self.digest(kind, parts)).into_uuid()
    }

    /// 16 bytes of the digest of `parts`, each with its length, so that they cannot run into each other.
    pub(super) fn digest<'a>(&self, kind: &'a str, parts: impl IntoIterator<Item = &'a str>) -> [u8; 16] {
        let mut mac = self.0.clone();
        for part in std::iter::once(kind).chain(parts) {
            add(&mut mac, part);
        }
        let digest = mac.finalize().into_bytes();
        *digest.first_chunk().expect("32 bytes")
    }
}

fn add(mac: &mut Hmac<Sha256>, part: &str) {
    mac.update(&part.len().to_be_bytes());
    mac.update(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudonyms_are_stable_and_differ_by_secret_source_kind_and_every_part() {
        let one = Pseudonyms::new(b"one", "main", "old-lms");
        assert_eq!(one.id("learner", ["mina"]), one.id("learner", ["mina"]));
        let others = [
            Pseudonyms::new(b"two", "main", "old-lms").id("learner", ["mina"]),
            Pseudonyms::new(b"one", "busan", "old-lms").id("learner", ["mina"]),
            Pseudonyms::new(b"one", "main", "new-lms").id("learner", ["mina"]),
            one.id("attempt", ["mina"]),
            one.id("learner", ["min", "a"]),
            one.id("learner", ["mina", ""]),
        ];
        for other in others {
            assert_ne!(other, one.id("learner", ["mina"]));
            assert_eq!(other.get_version_num(), 8);
        }
    }
}
