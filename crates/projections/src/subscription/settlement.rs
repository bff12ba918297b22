//! What partners get of what was paid in each month, refunds deducted.
//!
//! Kept is the turnover of each month (UTC) in each currency: what charges took, and what was given back of them, surplus
//! charges left out. What partners get of it is worked out by [`settlement::settle`], month after month, since what was
//! refunded beyond what was paid is carried on.

use std::collections::BTreeMap;

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    money::Money,
    subscription::{
        payment::{self, Payment},
        refund::{self, Refund},
        settlement::{self, Settlement, SettlementError, Share, Turnover},
    },
};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use futures::future::BoxFuture;
use serde_json::json;
use sqlx::{PgConnection, PgExecutor};

use crate::{Order, Personal, Projection, ProjectionError};

/// A settled month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its first day.
    pub month: NaiveDate,
    /// What was paid in it.
    pub paid: Money,
    /// What was given back in it.
    pub refunded: Money,
    /// What the month before carried, not positive.
    pub brought: Money,
    /// Who gets what.
    pub settlement: Settlement,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The database failed.
    #[error("the turnover cannot be read: {0}")]
    Database(#[from] sqlx::Error),
    /// The shares are wrong, or a sum is out of range.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// A row that is no amount.
    #[error("the turnover is not what it should be: {0}: rebuild the projection")]
    Json(#[from] serde_json::Error),
}

/// The months of a tenant that have a turnover, settled by `shares`, in order of currency and time.
///
/// # Errors
/// When the database cannot be reached, or the shares give away more than everything.
pub async fn report(db: impl PgExecutor<'_>, tenant: &str, shares: &[Share]) -> Result<Vec<Month>, ReportError> {
    let rows: Vec<(NaiveDate, String, i32, i64, i64)> = sqlx::query_as(
        "SELECT month, currency, decimals, paid::bigint, refunded::bigint FROM settlement_turnover
         WHERE tenant = $1 ORDER BY currency, decimals, month",
    )
    .bind(tenant)
    .fetch_all(db)
    .await?;
    let mut carried = BTreeMap::<_, Money>::new();
    let mut months = vec![];
    for (month, currency, decimals, paid, refunded) in rows {
        let money = |minor: i64| -> Result<Money, serde_json::Error> {
            serde_json::from_value(json!({ "minor": minor, "currency": currency, "decimals": decimals }))
        };
        let (paid, refunded) = (money(paid)?, money(refunded)?);
        let brought = carried.get(&paid.currency()).copied().unwrap_or(Money::zero(paid.currency()));
        let settlement = settlement::settle(Turnover { paid, refunded, carried: brought }, shares)?;
        carried.insert(paid.currency(), settlement.carried);
        months.push(Month { month, paid, refunded, brought, settlement });
    }
    Ok(months)
}

/// Keeps `settlement`.
pub struct Settlements;

impl Projection for Settlements {
    fn name(&self) -> &'static str {
        "settlement"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["settlement_turnover"]
    }

    fn personal(&self) -> &'static [Personal] {
        &[Personal::Anonymous { table: "settlement_turnover" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, Payment::AGGREGATE | Refund::AGGREGATE)
    }

    fn order(&self) -> Order {
        Order::Total
    }

    fn apply<'a>(
        &'a self,
        db: &'a mut PgConnection,
        event: &'a Recorded<AnyEvent>,
    ) -> BoxFuture<'a, Result<(), ProjectionError>> {
        Box::pin(async move {
            let (paid, refunded, at) = match &event.payload {
                AnyEvent::Payment(payment::Event::ChargeSucceeded { amount, at, .. }) => {
                    (*amount, Money::zero(amount.currency()), *at)
                }
                AnyEvent::Refund(refund::Event::RefundSucceeded { amount, surplus: false, at, .. }) => {
                    (Money::zero(amount.currency()), *amount, *at)
                }
                _ => return Ok(()),
            };
            add(db, event, paid, refunded, at).await?;
            Ok(())
        })
    }
}

async fn add(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    paid: Money,
    refunded: Money,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let day = at.date_naive();
    sqlx::query(
        "INSERT INTO settlement_turnover AS t (tenant, month, currency, decimals, paid, refunded, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant, month, currency, decimals) DO UPDATE
         SET paid = t.paid + excluded.paid, refunded = t.refunded + excluded.refunded, position = excluded.position",
    )
    .bind(&event.tenant)
    .bind(day.with_day(1).unwrap_or(day))
    .bind(paid.currency().code())
    .bind(i32::from(paid.currency().decimals()))
    .bind(paid.minor())
    .bind(refunded.minor())
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::money::samples::money;

    use super::*;
    use crate::{
        subscription::testing::{begin, issue, refund, request, succeed},
        testing::in_a_world,
    };

    #[tokio::test]
    async fn partners_share_what_was_paid_less_what_was_given_back() {
        in_a_world(async |world| {
            for number in [1, 2] {
                issue(world, number).await;
                request(world, number).await;
                begin(world, number, 1).await;
                succeed(world, number, 1, &format!("ch_{number}")).await;
            }
            refund(world, 1, 9, 2_800).await;
            world.project().await;
            let share = Share { partner: "studio".parse().expect("a partner"), basis_points: 7_000 };
            let months = report(&world.pool, "main", std::slice::from_ref(&share)).await.expect("a report");
            let krw = |minor| money(minor, "KRW");
            let [month] = &months[..] else { panic!("{months:?}") };
            assert_eq!((month.paid, month.refunded, month.settlement.base), (krw(25_800), krw(2_800), krw(23_000)));
            assert_eq!(month.settlement.partners, [(share.partner.clone(), krw(16_100))]);
            assert_eq!((month.settlement.platform, month.settlement.carried), (krw(6_900), krw(0)));
            assert_eq!(month.month.to_string(), "2026-03-01");
            let twice = [share.clone(), share];
            assert!(matches!(report(&world.pool, "main", &twice).await, Err(ReportError::Settlement(_))));
        })
        .await;
    }
}
