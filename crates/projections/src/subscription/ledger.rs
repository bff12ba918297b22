//! The ledger: every entry of [`ledger::movement`] with its position, and what they add up to.
//!
//! That the books balance is not taken on trust: [`imbalances`] adds them up anew, and finds the positions at which they
//! do not come to zero.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    money::Money,
    subscription::{
        invoice::Invoice,
        ledger::{self, Account, Side},
        payment::Payment,
        refund::Refund,
    },
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde_json::json;
use sqlx::{FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError};

/// The name of an account: `receivable`, `gateway` …, `partner:` and its name.
pub fn account_name(account: &Account) -> String {
    match account {
        Account::Receivable => "receivable".to_owned(),
        Account::Gateway => "gateway".to_owned(),
        Account::AccountCredit => "account_credit".to_owned(),
        Account::Surplus => "surplus".to_owned(),
        Account::Revenue => "revenue".to_owned(),
        Account::Discounts => "discounts".to_owned(),
        Account::Refunds => "refunds".to_owned(),
        Account::PartnerShares => "partner_shares".to_owned(),
        Account::Partner(partner) => format!("partner:{partner}"),
    }
}

/// An entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Entry {
    /// Position of its event.
    pub position: i64,
    /// Which entry of that event, from 1.
    pub number: i32,
    /// What the event is about: `invoice`, `payment` or `refund`.
    pub aggregate_type: String,
    /// Its id.
    pub aggregate_id: String,
    /// The event.
    pub event_type: String,
    /// The account.
    pub account: String,
    /// `debit` or `credit`.
    pub side: String,
    /// How much, in minor units.
    pub minor: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// How many decimals the minor unit stands for.
    pub decimals: i32,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// What the entries of an account add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The account.
    pub account: String,
    /// ISO 4217 code.
    pub currency: String,
    /// How many decimals the minor unit stands for.
    pub decimals: i32,
    /// All debits, in minor units.
    pub debits: i128,
    /// All credits.
    pub credits: i128,
    /// Position of the last entry.
    pub position: i64,
}

/// A position at which the books do not come to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// The position.
    pub position: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// How many decimals the minor unit stands for.
    pub decimals: i32,
    /// All debits less all credits up to there, in minor units.
    pub off: i128,
}

/// Sums are read as text: there is no larger whole number between here and the database.
fn whole(text: &str) -> Result<i128, sqlx::Error> {
    text.parse().map_err(|error: std::num::ParseIntError| sqlx::Error::Decode(error.into()))
}

/// The accounts of a tenant after the event at `up_to`: added up from the entries, or as they stand now.
///
/// # Errors
/// When the database cannot be reached.
pub async fn accounts(db: impl PgExecutor<'_>, tenant: &str, up_to: Option<i64>) -> Result<Vec<Balance>, sqlx::Error> {
    let sql = if up_to.is_some() {
        "SELECT account, currency, decimals, coalesce(sum(minor) FILTER (WHERE side = 'debit'), 0)::text,
                coalesce(sum(minor) FILTER (WHERE side = 'credit'), 0)::text, max(position)
         FROM ledger_entries WHERE tenant = $1 AND position <= $2
         GROUP BY account, currency, decimals ORDER BY currency, decimals, account"
    } else {
        "SELECT account, currency, decimals, debits::text, credits::text, position FROM ledger_accounts
         WHERE tenant = $1 AND $2::bigint IS NULL ORDER BY currency, decimals, account"
    };
    let rows: Vec<(String, String, i32, String, String, i64)> =
        sqlx::query_as(sql).bind(tenant).bind(up_to).fetch_all(db).await?;
    let balance = |(account, currency, decimals, debits, credits, position): (_, _, _, String, String, _)| {
        let (debits, credits) = (whole(&debits)?, whole(&credits)?);
        Ok(Balance { account, currency, decimals, debits, credits, position })
    };
    rows.into_iter().map(balance).collect()
}

/// The first 100 positions up to `up_to` after whose events the books of a tenant do not come to zero in a currency: none,
/// where each movement balances.
///
/// # Errors
/// When the database cannot be reached.
pub async fn imbalances(db: impl PgExecutor<'_>, tenant: &str, up_to: i64) -> Result<Vec<Imbalance>, sqlx::Error> {
    let rows: Vec<(i64, String, i32, String)> = sqlx::query_as(
        "SELECT position, currency, decimals, off::text FROM (
             SELECT position, currency, decimals,
                    sum(sum(CASE side WHEN 'debit' THEN minor ELSE -minor END))
                        OVER (PARTITION BY currency, decimals ORDER BY position) AS off
             FROM ledger_entries WHERE tenant = $1 AND position <= $2 GROUP BY position, currency, decimals
         ) AS running
         WHERE off <> 0 ORDER BY position, currency LIMIT 100",
    )
    .bind(tenant)
    .bind(up_to)
    .fetch_all(db)
    .await?;
    let off = |(position, currency, decimals, off): (_, _, _, String)| {
        Ok(Imbalance { position, currency, decimals, off: whole(&off)? })
    };
    rows.into_iter().map(off).collect()
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Of this account only.
    pub account: Option<String>,
    /// Of this invoice, payment or refund only.
    pub about: Option<Uuid>,
}

/// The entries of a tenant after an entry (position and number), in order, at most `limit`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn entries(
    db: impl PgExecutor<'_>,
    tenant: &str,
    filter: &EntryFilter,
    after: (i64, i32),
    limit: u32,
) -> Result<Vec<Entry>, sqlx::Error> {
    sqlx::query_as(
        "SELECT position, number, aggregate_type, aggregate_id, event_type, account, side, minor, currency, decimals, at
         FROM ledger_entries
         WHERE tenant = $1 AND (position, number) > ($2, $6) AND ($3::text IS NULL OR account = $3)
           AND ($4::text IS NULL OR aggregate_id = $4)
         ORDER BY position, number LIMIT $5",
    )
    .bind(tenant)
    .bind(after.0)
    .bind(&filter.account)
    .bind(filter.about.map(|it| it.to_string()))
    .bind(i64::from(limit))
    .bind(after.1)
    .fetch_all(db)
    .await
}

/// Keeps `ledger`.
pub struct Ledger;

impl Projection for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["ledger_entries", "ledger_accounts"]
    }

    fn personal(&self) -> &'static [Personal] {
        // It names invoices, payments and refunds, and nobody. The law asks for it whoever is forgotten.
        &[Personal::Anonymous { table: "ledger_entries" }, Personal::Anonymous { table: "ledger_accounts" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Invoice::AGGREGATE | Payment::AGGREGATE | Refund::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::Total
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        self.apply_all(db, std::slice::from_ref(event))
    }

    fn apply_all<'a>(
        &'a self,
        db: &'a mut PgConnection,
        events: &'a [Recorded<AnyEvent>],
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            let moved = events.iter().flat_map(|event| {
                let entries = ledger::movement(&event.payload).entries;
                (1_i32..).zip(entries).map(move |(number, entry)| Moved { event, number, entry })
            });
            let moved: Vec<Moved<'_>> = moved.collect();
            if moved.is_empty() { Ok(()) } else { Ok(write(db, &moved).await?) }
        })
    }
}

/// An entry, with its event.
struct Moved<'a> {
    event: &'a Recorded<AnyEvent>,
    number: i32,
    entry: ledger::Entry,
}

impl Moved<'_> {
    fn side(&self) -> &'static str {
        match self.entry.side {
            Side::Debit => "debit",
            Side::Credit => "credit",
        }
    }

    fn amount(&self) -> Money {
        self.entry.amount
    }
}

async fn write(db: &mut PgConnection, moved: &[Moved<'_>]) -> Result<(), sqlx::Error> {
    let rows: Vec<_> = moved
        .iter()
        .map(|it| {
            json!({
                "position": it.event.position, "number": it.number, "tenant": it.event.tenant,
                "aggregate_type": it.event.aggregate_type, "aggregate_id": it.event.aggregate_id,
                "event_type": it.event.event_type, "account": account_name(&it.entry.account), "side": it.side(),
                "minor": it.amount().minor(), "currency": it.amount().currency().code(),
                "decimals": it.amount().currency().decimals(), "at": it.event.recorded_at,
            })
        })
        .collect();
    sqlx::query(
        "WITH added AS (
             INSERT INTO ledger_entries
             SELECT * FROM jsonb_populate_recordset(NULL::ledger_entries, $1) RETURNING *
         )
         INSERT INTO ledger_accounts AS a (tenant, account, currency, decimals, debits, credits, position)
         SELECT tenant, account, currency, decimals, coalesce(sum(minor) FILTER (WHERE side = 'debit'), 0),
                coalesce(sum(minor) FILTER (WHERE side = 'credit'), 0), max(position)
         FROM added GROUP BY tenant, account, currency, decimals
         ON CONFLICT (tenant, account, currency, decimals) DO UPDATE
         SET debits = a.debits + excluded.debits, credits = a.credits + excluded.credits, position = excluded.position",
    )
    .bind(sqlx::types::Json(rows))
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        subscription::testing::{begin, issue, refund, request, succeed, void},
        testing::{World, in_a_world},
    };

    async fn balances(world: &World, up_to: Option<i64>) -> Vec<(String, i128)> {
        let found = accounts(&world.pool, "main", up_to).await.expect("a database");
        found.into_iter().map(|it| (it.account, it.debits - it.credits)).collect()
    }

    fn of(pairs: &[(&str, i128)]) -> Vec<(String, i128)> {
        pairs.iter().map(|(account, balance)| ((*account).to_owned(), *balance)).collect()
    }

    #[tokio::test]
    async fn every_movement_is_entered_and_the_books_come_to_zero_at_each_position() {
        in_a_world(async |world| {
            let issued = issue(world, 1).await;
            request(world, 1).await;
            begin(world, 1, 1).await;
            let charged = succeed(world, 1, 1, "ch_1").await;
            let back = refund(world, 1, 9, 2_900).await;
            issue(world, 2).await;
            let voided = void(world, 2).await;
            world.project().await;
            assert_eq!(balances(world, Some(issued)).await, of(&[("receivable", 12_900), ("revenue", -12_900)]));
            let charges = [("gateway", 12_900), ("receivable", 0), ("revenue", -12_900)];
            assert_eq!(balances(world, Some(charged)).await, of(&charges));
            let refunds = [("gateway", 10_000), ("receivable", 0), ("refunds", 2_900), ("revenue", -12_900)];
            assert_eq!(balances(world, Some(back)).await, of(&refunds));
            assert_eq!(balances(world, None).await, of(&refunds), "what was voided is undone");
            assert_eq!(balances(world, None).await, balances(world, Some(voided)).await);
            assert_eq!(imbalances(&world.pool, "main", voided).await.expect("a database"), []);
            assert_eq!(balances(world, Some(issued - 1)).await, []);
            assert_eq!(accounts(&world.pool, "busan", None).await.expect("a database"), []);

            let about = EntryFilter { account: Some("gateway".into()), about: None };
            let found = entries(&world.pool, "main", &about, (0, 0), 10).await.expect("a database");
            let shown: Vec<_> = found.iter().map(|it| (it.position, it.side.as_str(), it.minor)).collect();
            assert_eq!(shown, [(charged, "debit", 12_900), (back, "credit", 2_900)]);
        })
        .await;
    }

    #[tokio::test]
    async fn books_that_were_tampered_with_are_found_out_from_there_on() {
        in_a_world(async |world| {
            issue(world, 1).await;
            let two = issue(world, 2).await;
            let three = issue(world, 3).await;
            world.project().await;
            let sql = "UPDATE ledger_entries SET minor = minor - 1 WHERE position = $1 AND side = 'credit'";
            sqlx::query(sql).bind(two).execute(&world.pool).await.expect("tampered");
            let found = imbalances(&world.pool, "main", three).await.expect("a database");
            let shown: Vec<_> = found.iter().map(|it| (it.position, it.off)).collect();
            assert_eq!(shown, [(two, 1), (three, 1)]);
            assert_eq!(imbalances(&world.pool, "main", two - 1).await.expect("a database"), []);
        })
        .await;
    }
}
