use std::sync::Mutex;

use baeum_testing::{TestClock, TestDatabase, TestEntropy, new_id};

use super::*;
use crate::keys::KeyRing;

const TENANT: &str = "main";

/// A key service that can be away.
struct Switched {
    ring: Mutex<Option<Arc<KeyRing>>>,
}

impl Switched {
    fn ring(&self) -> Result<Arc<KeyRing>, KeyError> {
        let ring = self.ring.lock().expect("not poisoned").clone();
        ring.ok_or_else(|| KeyError::Unavailable("switched off".into()))
    }
}

type Answer<'a, T> = futures::future::BoxFuture<'a, Result<T, KeyError>>;

impl KeyService for Switched {
    fn wrap<'a>(&'a self, key: &'a SecretKey, context: &'a [u8]) -> Answer<'a, WrappedKey> {
        Box::pin(async move { self.ring()?.wrap_now(key, context) })
    }

    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a [u8]) -> Answer<'a, SecretKey> {
        Box::pin(async move { self.ring()?.unwrap_now(wrapped, context) })
    }

    fn digest<'a>(&'a self, text: &'a str) -> Answer<'a, [u8; 32]> {
        Box::pin(async move { Ok(self.ring()?.digest_now(text)) })
    }
}

fn ring(names: &[(&str, u8)], digesting: u8) -> Arc<KeyRing> {
    let key = |byte| Zeroizing::new([byte; 32]);
    let wrapping = names.iter().map(|(name, byte)| ((*name).to_owned(), key(*byte))).collect();
    Arc::new(KeyRing::new(wrapping, key(digesting), Arc::new(TestEntropy::default())))
}

fn vault(pool: &PgPool, keys: Arc<dyn KeyService>) -> Vault {
    let clock = Arc::new(TestClock::at("2026-03-01T09:00:00Z"));
    Vault::new(pool.clone(), clock, Arc::new(TestEntropy::default()), keys)
}

fn someone() -> UserId {
    UserId(new_id())
}

#[tokio::test]
async fn a_text_opens_for_its_tenant_person_and_field_only() {
    let database = TestDatabase::create_with(1).await;
    let vault = vault(&database.pool, ring(&[("a", 1)], 9));
    let (mina, jun) = (someone(), someone());
    let sealed = vault.seal(TENANT, mina, Field::DisplayName, "미나 Mina").await.expect("sealed");
    let opened = vault.open(TENANT, mina, Field::DisplayName, &sealed).await.expect("opened");
    assert_eq!(opened.as_deref(), Some("미나 Mina"));
    for (tenant, field) in [("busan", Field::DisplayName), (TENANT, Field::Email), (TENANT, Field::Answer)] {
        let refused = vault.open(tenant, mina, field, &sealed).await;
        assert!(matches!(refused, Err(VaultError::Damaged(_))), "{tenant} {field:?}");
    }
    vault.seal(TENANT, jun, Field::DisplayName, "Jun").await.expect("sealed");
    assert_eq!(vault.open(TENANT, jun, Field::DisplayName, &sealed).await.expect("asked"), None, "somebody else's key");
    let mut changed = sealed.clone();
    changed.ciphertext.replace_range(..4, "AAAA");
    let refused = vault.open(TENANT, mina, Field::DisplayName, &changed).await;
    assert!(matches!(refused, Err(VaultError::Damaged(_))));
}

#[tokio::test]
async fn an_answer_of_the_first_builds_still_opens_and_its_key_is_wrapped_at_the_start() {
    let database = TestDatabase::create_with(1).await;
    let (vault, mina) = (vault(&database.pool, ring(&[("a", 1)], 9)), someone());
    let (key_id, key, nonce) = (new_id(), Zeroizing::new([5_u8; 32]), [6_u8; 24]);
    sqlx::query("INSERT INTO subject_keys (subject_id, key_id, key, created_at) VALUES ($1, $2, $3, now())")
        .bind(mina.0)
        .bind(key_id)
        .bind(key.as_slice())
        .execute(&database.pool)
        .await
        .expect("a key as it was kept before");
    let payload = Payload { msg: b"My quince is ripe.", aad: mina.0.as_bytes() };
    let ciphertext = cipher(&key).encrypt(&XNonce::from(nonce), payload).expect("sealed");
    let sealed = Sealed { key_id, nonce: BASE64.encode(nonce), ciphertext: BASE64.encode(ciphertext) };
    for start in 0..2 {
        let opened = vault.open(TENANT, mina, Field::Answer, &sealed).await.expect("opened");
        assert_eq!(opened.as_deref(), Some("My quince is ripe."), "start {start}");
        vault.adopt().await.expect("adopted");
        let clear: i64 = sqlx::query_scalar("SELECT count(*) FROM subject_keys WHERE key IS NOT NULL")
            .fetch_one(&database.pool)
            .await
            .expect("counted");
        assert_eq!(clear, 0);
    }
}

#[tokio::test]
async fn credentials_in_clear_are_sealed_at_the_start_and_found_by_their_digest() {
    let database = TestDatabase::create_with(1).await;
    let (vault, mina) = (vault(&database.pool, ring(&[("a", 1)], 9)), someone());
    sqlx::query(
        "INSERT INTO credentials (user_id, tenant, email_key, email, display_name, password_hash, reserved_at)
         VALUES ($1, 'main', 'mina@example.org', 'Mina@Example.org', '미나', 'x', now())",
    )
    .bind(mina.0)
    .execute(&database.pool)
    .await
    .expect("credentials as they were kept before");
    vault.adopt().await.expect("adopted");
    let row: String = sqlx::query_scalar("SELECT to_jsonb(c)::text FROM credentials c")
        .fetch_one(&database.pool)
        .await
        .expect("a row");
    assert!(!row.to_lowercase().contains("mina") && !row.contains("미나"), "{row}");
    let found = crate::identity::credentials::find_by_email(&vault, TENANT, " mina@EXAMPLE.org ").await;
    assert_eq!(found.expect("asked").expect("found").user_id, mina.0);
    let person = crate::identity::credentials::open(&vault, TENANT, mina).await.expect("asked").expect("found");
    assert_eq!((person.email.as_str(), person.display_name.as_str()), ("Mina@Example.org", "미나"));
}

#[tokio::test]
async fn a_destroyed_key_opens_nothing_and_none_is_made_in_its_place() {
    let database = TestDatabase::create_with(1).await;
    let (vault, mina) = (vault(&database.pool, ring(&[("a", 1)], 9)), someone());
    let sealed = vault.seal(TENANT, mina, Field::Answer, "My quince is ripe.").await.expect("sealed");
    for time in 0..2 {
        let left = if time == 0 { vec![sealed.key_id] } else { vec![] };
        assert_eq!(vault.key_ids(mina).await.expect("asked"), left);
        let mut db = baeum_eventlog::begin(&database.pool).await.expect("begun");
        vault.destroy(&mut db, mina).await.expect("destroyed");
        db.commit().await.expect("committed");
        assert_eq!(vault.open(TENANT, mina, Field::Answer, &sealed).await.expect("asked"), None);
        let refused = vault.seal(TENANT, mina, Field::Answer, "More.").await;
        assert!(matches!(refused, Err(VaultError::Erased(who)) if who == mina));
    }
    vault.compact().await.expect("the files are written anew");
}

#[tokio::test]
async fn a_key_service_that_is_away_is_told_and_nothing_is_lost() {
    let database = TestDatabase::create_with(1).await;
    let switched = Arc::new(Switched { ring: Mutex::new(Some(ring(&[("a", 1)], 9))) });
    let (vault, mina, jun) = (vault(&database.pool, switched.clone()), someone(), someone());
    let sealed = vault.seal(TENANT, mina, Field::Answer, "My quince is ripe.").await.expect("sealed");
    let there = switched.ring.lock().expect("not poisoned").take();
    for refused in [
        vault.open(TENANT, mina, Field::Answer, &sealed).await.map(drop),
        vault.seal(TENANT, jun, Field::Answer, "Mine too.").await.map(drop),
    ] {
        let error = refused.expect_err("away");
        assert_eq!((error.code(), error.kind()), ("key-store-unavailable", RefusalKind::Unavailable));
    }
    *switched.ring.lock().expect("not poisoned") = there;
    let opened = vault.open(TENANT, mina, Field::Answer, &sealed).await.expect("opened");
    assert_eq!(opened.as_deref(), Some("My quince is ripe."));
}

#[tokio::test]
async fn keys_are_wrapped_anew_and_then_the_old_wrapping_key_is_not_needed() {
    let database = TestDatabase::create_with(1).await;
    let (old, both, new) = (ring(&[("a", 1)], 9), ring(&[("b", 2), ("a", 1)], 9), ring(&[("b", 2)], 9));
    let mina = someone();
    let first = vault(&database.pool, old);
    first.adopt().await.expect("adopted");
    let sealed = first.seal(TENANT, mina, Field::Answer, "My quince is ripe.").await.expect("sealed");
    let missing = vault(&database.pool, new.clone()).adopt().await.expect_err("too early");
    assert!(matches!(&missing, AdoptError::Missing(name) if name == "a"), "{missing}");
    let during = vault(&database.pool, both);
    assert_eq!(during.wrapped_by().await.expect("counted"), [("a".to_owned(), 1)]);
    assert_eq!(during.rewrap("b").await.expect("rewrapped"), Rewrapped { keys: 1 });
    assert_eq!(during.rewrap("b").await.expect("nothing to do"), Rewrapped { keys: 0 });
    let after = vault(&database.pool, new);
    after.adopt().await.expect("the old key is not needed");
    let opened = after.open(TENANT, mina, Field::Answer, &sealed).await.expect("opened");
    assert_eq!(opened.as_deref(), Some("My quince is ripe."));
}

#[tokio::test]
async fn other_keys_than_those_of_the_database_are_refused_at_the_start() {
    let database = TestDatabase::create_with(1).await;
    vault(&database.pool, ring(&[("a", 1)], 9)).adopt().await.expect("the first to come");
    let refused = vault(&database.pool, ring(&[("a", 1)], 8)).adopt().await;
    assert!(matches!(refused, Err(AdoptError::OtherKeys)));
}
