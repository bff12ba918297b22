//! Monthly recurring revenue (MRR), and what becomes of trials and of charges that failed: day by day.
//!
//! The MRR of a subscription is the price of its plan less its present discount, made monthly: divided by the months of its
//! interval, or for weeks times 52/12; in minor units, to the nearest, a half away from zero. It counts from when a bill of
//! the subscription was first paid. Then, each on the UTC day on which the event was recorded:
//!
//! | what | event | amount |
//! |---|---|---|
//! | new | `SubscriptionBillPaid`, the first | its MRR |
//! | reactivated | `SubscriptionBillPaid`, the first after an end | its MRR |
//! | expansion, contraction | `SubscriptionPlanChanged`, `SubscriptionRenewed` (a coupon begins or ends) | the difference |
//! | contraction, expansion | `SubscriptionPaused`, `SubscriptionResumed` | its MRR |
//! | churned | `SubscriptionCancelled`, `SubscriptionExpired` | its MRR |
//!
//! A trial is converted when its first bill is paid, and lost when it ends before. A dunning begins with
//! `SubscriptionPastDue`; it is recovered when the bill is paid, and lost when the subscription is cancelled before.

use baeum_domain::{
    AnyEvent, Decider, Recorded,
    money::{Currency, Money},
    subscription::{
        coupon::Discount,
        period::{Interval, Unit},
        subscription::{Event, Subscription},
    },
};
use chrono::NaiveDate;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};
use uuid::Uuid;

use crate::{Order, Personal, Projection, ProjectionError, projection::aggregate_id};

/// What happened on a day in a currency. Amounts are in minor units of monthly recurring revenue.
#[derive(Clone, Debug, Default, PartialEq, Eq, FromRow)]
pub struct Day {
    /// The day, UTC.
    pub day: NaiveDate,
    /// ISO 4217 code.
    pub currency: String,
    /// How many decimals the minor unit stands for.
    pub decimals: i32,
    /// Of subscriptions that were paid for the first time.
    pub new: i64,
    /// Of subscriptions that came back.
    pub reactivated: i64,
    /// Of those that cost more now.
    pub expansion: i64,
    /// Of those that cost less now.
    pub contraction: i64,
    /// Of those that ended.
    pub churned: i64,
    /// How many subscriptions began to count, or count again.
    pub subscribers_new: i64,
    /// How many ended that counted.
    pub subscribers_lost: i64,
    /// Trials begun.
    pub trials_started: i64,
    /// Trials that led to a paid bill.
    pub trials_converted: i64,
    /// Trials that did not.
    pub trials_lost: i64,
    /// Subscriptions whose charge failed.
    pub dunning_entered: i64,
    /// Of such, paid after all.
    pub dunning_recovered: i64,
    /// Of such, cancelled.
    pub dunning_lost: i64,
}

/// What stood before a day in a currency.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Standing {
    /// ISO 4217 code.
    pub currency: String,
    /// How many decimals the minor unit stands for.
    pub decimals: i32,
    /// Monthly recurring revenue, in minor units.
    pub mrr: i64,
    /// How many subscriptions it is of.
    pub subscribers: i64,
}

/// What happened in a tenant from the day `from` on and before the day `to`, in order of currency and day; days without
/// an event are left out.
///
/// # Errors
/// When the database cannot be reached.
pub async fn days(
    db: impl PgExecutor<'_>,
    tenant: &str,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Vec<Day>, sqlx::Error> {
    sqlx::query_as(
        "SELECT * FROM revenue_days WHERE tenant = $1 AND day >= $2 AND day < $3 ORDER BY currency, decimals, day",
    )
    .bind(tenant)
    .bind(from)
    .bind(to)
    .fetch_all(db)
    .await
}

/// What stood in a tenant when the day `before` began, in each currency that ever had an event.
///
/// # Errors
/// When the database cannot be reached.
pub async fn standing(db: impl PgExecutor<'_>, tenant: &str, before: NaiveDate) -> Result<Vec<Standing>, sqlx::Error> {
    sqlx::query_as(
        "SELECT currency, decimals,
                coalesce(sum(new + reactivated + expansion - contraction - churned)
                         FILTER (WHERE day < $2), 0)::bigint AS mrr,
                coalesce(sum(subscribers_new - subscribers_lost) FILTER (WHERE day < $2), 0)::bigint AS subscribers
         FROM revenue_days WHERE tenant = $1 GROUP BY currency, decimals ORDER BY currency, decimals",
    )
    .bind(tenant)
    .bind(before)
    .fetch_all(db)
    .await
}

/// Keeps `revenue`.
pub struct Revenue;

impl Projection for Revenue {
    fn name(&self) -> &'static str {
        "revenue"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["revenue_subscriptions", "revenue_days"]
    }

    fn personal(&self) -> &'static [Personal] {
        // A row is of a subscription, whose id leads to nobody but in the log. What a person paid stays counted.
        &[Personal::Anonymous { table: "revenue_subscriptions" }, Personal::Anonymous { table: "revenue_days" }]
    }

    fn reads(&self, aggregate_type: &str) -> bool {
        aggregate_type == Subscription::AGGREGATE
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
            let AnyEvent::Subscription(change) = &event.payload else { return Ok(()) };
            let id = aggregate_id(event)?;
            let row = if matches!(change, Event::SubscriptionStarted { .. }) { None } else { read(db, id).await? };
            let mut day = Day::default();
            let Some(row) = take_in(row, change, &mut day) else { return Ok(()) };
            write(db, id, &row).await?;
            add(db, event, row.price.currency(), &day).await
        })
    }
}

/// How far a subscription is, as far as revenue goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// In its trial, or with the bill that follows it unpaid.
    Trial,
    /// Its first bill, or the first after its end, is not paid.
    Waiting,
    /// It counts.
    Counted,
    /// It counted, and stands still.
    Paused,
    /// It ended.
    Ended,
}

/// What is needed of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    price: Money,
    every: u8,
    unit: Unit,
    discount: Option<Discount>,
    stage: Stage,
    counted: i64,
    tried: bool,
    came_back: bool,
    dunning: bool,
}

impl Row {
    /// Its monthly recurring revenue once it counts.
    fn monthly(&self) -> i64 {
        let off = self.discount.and_then(|discount| discount.of(self.price).ok());
        let net = i128::from(self.price.minor() - off.map_or(0, Money::minor));
        let every = i128::from(self.every.max(1));
        let (times, parts) = match self.unit {
            Unit::Week => (52, 12 * every),
            Unit::Month => (1, every),
            Unit::Year => (1, 12 * every),
        };
        // To the nearest, a half away from zero: what is paid is never negative.
        i64::try_from((net * times * 2 + parts) / (parts * 2)).unwrap_or(i64::MAX)
    }

    /// Counts it with what it is now.
    fn recount(&mut self, day: &mut Day) {
        if self.stage == Stage::Counted {
            self.count_as(self.monthly(), day);
        }
    }

    fn count_as(&mut self, monthly: i64, day: &mut Day) {
        day.expansion += (monthly - self.counted).max(0);
        day.contraction += (self.counted - monthly).max(0);
        self.counted = monthly;
    }

    fn agreed(&mut self, price: Money, interval: Interval, discount: Option<Discount>) {
        (self.price, self.every, self.unit, self.discount) = (price, interval.every, interval.unit, discount);
    }

    fn end(&mut self, day: &mut Day) {
        if matches!(self.stage, Stage::Counted | Stage::Paused) {
            day.churned += self.counted;
            day.subscribers_lost += 1;
            self.came_back = true;
        }
        day.trials_lost += i64::from(self.tried);
        day.dunning_lost += i64::from(self.dunning);
        (self.stage, self.counted, self.tried, self.dunning) = (Stage::Ended, 0, false, false);
    }
}

/// The row after an event, and what happened by it; `None` where nothing is to be kept.
fn take_in(row: Option<Row>, change: &Event, day: &mut Day) -> Option<Row> {
    if let Event::SubscriptionStarted { terms, period, discount, .. } = change {
        let trial = period.number == 0;
        day.trials_started += i64::from(trial);
        let Interval { every, unit } = terms.interval;
        let stage = if trial { Stage::Trial } else { Stage::Waiting };
        let (price, discount) = (terms.price, *discount);
        let (counted, tried, came_back, dunning) = (0, trial, false, false);
        return Some(Row { price, every, unit, discount, stage, counted, tried, came_back, dunning });
    }
    let mut row = row?;
    match change {
        Event::SubscriptionRenewed { discount, .. } => {
            row.discount = *discount;
            row.recount(day);
        }
        Event::SubscriptionPlanChanged { terms, discount, .. } => {
            row.agreed(terms.price, terms.interval, *discount);
            row.recount(day);
        }
        Event::SubscriptionBillPaid { recovered, .. } => {
            if matches!(row.stage, Stage::Trial | Stage::Waiting) {
                row.counted = row.monthly();
                *(if row.came_back { &mut day.reactivated } else { &mut day.new }) += row.counted;
                day.subscribers_new += 1;
                day.trials_converted += i64::from(row.tried);
                (row.stage, row.tried) = (Stage::Counted, false);
            }
            day.dunning_recovered += i64::from(row.dunning && *recovered);
            row.dunning = false;
        }
        Event::SubscriptionPastDue { .. } => {
            day.dunning_entered += i64::from(!row.dunning);
            row.dunning = true;
        }
        Event::SubscriptionPaused { .. } if row.stage == Stage::Counted => {
            row.count_as(0, day);
            row.stage = Stage::Paused;
        }
        Event::SubscriptionResumed { .. } if row.stage == Stage::Paused => {
            row.stage = Stage::Counted;
            row.recount(day);
        }
        Event::SubscriptionCancelled { .. } | Event::SubscriptionExpired { .. } => row.end(day),
        Event::SubscriptionReactivated { discount, .. } => {
            row.discount = *discount;
            row.stage = Stage::Waiting;
        }
        _ => return None,
    }
    Some(row)
}

async fn read(db: &mut PgConnection, id: Uuid) -> Result<Option<Row>, sqlx::Error> {
    let sql = "SELECT to_jsonb(r) FROM revenue_subscriptions r WHERE r.subscription_id = $1";
    let row: Option<Json<Row>> = sqlx::query_scalar(sql).bind(id).fetch_optional(db).await?;
    Ok(row.map(|Json(row)| row))
}

async fn write(db: &mut PgConnection, id: Uuid, row: &Row) -> Result<(), ProjectionError> {
    let mut values = serde_json::to_value(row)?;
    values["subscription_id"] = id.to_string().into();
    sqlx::query(
        "INSERT INTO revenue_subscriptions AS r
         SELECT * FROM jsonb_populate_record(NULL::revenue_subscriptions, $1)
         ON CONFLICT (subscription_id) DO UPDATE
         SET price = excluded.price, every = excluded.every, unit = excluded.unit, discount = excluded.discount,
             stage = excluded.stage, counted = excluded.counted, tried = excluded.tried,
             came_back = excluded.came_back, dunning = excluded.dunning",
    )
    .bind(Json(values))
    .execute(db)
    .await?;
    Ok(())
}

async fn add(
    db: &mut PgConnection,
    event: &Recorded<AnyEvent>,
    currency: Currency,
    day: &Day,
) -> Result<(), ProjectionError> {
    if *day == Day::default() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO revenue_days AS d (tenant, day, currency, decimals, new, reactivated, expansion, contraction,
             churned, subscribers_new, subscribers_lost, trials_started, trials_converted, trials_lost,
             dunning_entered, dunning_recovered, dunning_lost, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (tenant, day, currency, decimals) DO UPDATE
         SET new = d.new + excluded.new, reactivated = d.reactivated + excluded.reactivated,
             expansion = d.expansion + excluded.expansion, contraction = d.contraction + excluded.contraction,
             churned = d.churned + excluded.churned, subscribers_new = d.subscribers_new + excluded.subscribers_new,
             subscribers_lost = d.subscribers_lost + excluded.subscribers_lost,
             trials_started = d.trials_started + excluded.trials_started,
             trials_converted = d.trials_converted + excluded.trials_converted,
             trials_lost = d.trials_lost + excluded.trials_lost,
             dunning_entered = d.dunning_entered + excluded.dunning_entered,
             dunning_recovered = d.dunning_recovered + excluded.dunning_recovered,
             dunning_lost = d.dunning_lost + excluded.dunning_lost, position = excluded.position",
    )
    .bind(&event.tenant)
    .bind(event.recorded_at.date_naive())
    .bind(currency.code())
    .bind(i32::from(currency.decimals()))
    .bind(day.new)
    .bind(day.reactivated)
    .bind(day.expansion)
    .bind(day.contraction)
    .bind(day.churned)
    .bind(day.subscribers_new)
    .bind(day.subscribers_lost)
    .bind(day.trials_started)
    .bind(day.trials_converted)
    .bind(day.trials_lost)
    .bind(day.dunning_entered)
    .bind(day.dunning_recovered)
    .bind(day.dunning_lost)
    .bind(event.position)
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use baeum_domain::{
        money::samples::money,
        subscription::{plan::samples::terms, subscription::Command},
    };
    use chrono::TimeDelta;

    use super::*;
    use crate::{
        subscription::testing::{SUBSCRIPTION, failed, now, paid, start},
        testing::{World, date, in_a_world},
    };

    fn row(price: i64, every: u8, unit: Unit, discount: Option<Discount>) -> Row {
        let price = money(price, "KRW");
        let stage = Stage::Waiting;
        Row { price, every, unit, discount, stage, counted: 0, tried: false, came_back: false, dunning: false }
    }

    #[test]
    fn revenue_is_made_monthly() {
        assert_eq!(row(12_900, 1, Unit::Month, None).monthly(), 12_900);
        assert_eq!(row(27_001, 3, Unit::Month, None).monthly(), 9_000);
        assert_eq!(row(129_000, 1, Unit::Year, None).monthly(), 10_750);
        // 3,500 × 52 ÷ 12 = 15,166.67
        assert_eq!(row(3_500, 1, Unit::Week, None).monthly(), 15_167);
        assert_eq!(row(12_900, 1, Unit::Month, Some(Discount::Share(2_500))).monthly(), 9_675);
        assert_eq!(row(12_900, 1, Unit::Month, Some(Discount::Share(10_000))).monthly(), 0);
    }

    async fn run(world: &World, commands: Vec<Command>) -> Vec<Day> {
        for command in commands {
            world.execute::<Subscription>(SUBSCRIPTION.0, command).await;
        }
        world.project().await;
        days(&world.pool, "main", date("2026-03-01"), date("2026-04-01")).await.expect("a database")
    }

    #[tokio::test]
    async fn a_subscription_that_is_paid_changed_paused_and_cancelled_leaves_nothing() {
        in_a_world(async |world| {
            let at = now();
            let premium = terms("premium", money(19_900, "KRW"));
            let net = money(7_000, "KRW");
            let found = run(
                world,
                vec![
                    start(false),
                    paid(1),
                    Command::Pause { at },
                    Command::Resume { at },
                    Command::ChangePlan { terms: premium, shown_at: at, net, at },
                    Command::CancelNow { at },
                ],
            )
            .await;
            let [day] = &found[..] else { panic!("{found:?}") };
            assert_eq!((day.new, day.expansion, day.contraction, day.churned), (12_900, 19_900, 12_900, 19_900));
            assert_eq!((day.subscribers_new, day.subscribers_lost, day.dunning_lost), (1, 1, 0));
            let before = standing(&world.pool, "main", date("2026-03-01")).await.expect("a database");
            let after = standing(&world.pool, "main", date("2026-03-02")).await.expect("a database");
            assert_eq!((before[0].mrr, after[0].mrr, after[0].subscribers), (0, 0, 0));
        })
        .await;
    }

    #[tokio::test]
    async fn trials_are_converted_and_charges_that_failed_recovered_or_lost() {
        in_a_world(async |world| {
            let (end, month) = (now() + TimeDelta::days(7), now() + TimeDelta::days(40));
            let retry = Some(month + TimeDelta::days(1));
            let found = run(
                world,
                vec![
                    start(true),
                    Command::EndPeriod { number: 0, at: end },
                    failed(1, 1, retry),
                    paid(1),
                    Command::EndPeriod { number: 1, at: month },
                    failed(2, 1, None),
                ],
            )
            .await;
            let [day] = &found[..] else { panic!("{found:?}") };
            assert_eq!((day.trials_started, day.trials_converted, day.trials_lost), (1, 1, 0));
            assert_eq!((day.dunning_entered, day.dunning_recovered, day.dunning_lost), (2, 1, 1));
            assert_eq!((day.new, day.churned), (12_900, 12_900));
        })
        .await;
    }

    #[tokio::test]
    async fn who_comes_back_is_told_apart_and_a_trial_that_ends_unpaid_is_lost() {
        in_a_world(async |world| {
            let at = now();
            let cancel = Command::CancelNow { at };
            let found =
                run(world, vec![start(false), paid(1), cancel.clone(), Command::Reactivate { at }, paid(2), cancel])
                    .await;
            assert_eq!((found[0].new, found[0].reactivated, found[0].churned), (12_900, 12_900, 25_800));
        })
        .await;
        in_a_world(async |world| {
            let found = run(world, vec![start(true), Command::CancelNow { at: now() }]).await;
            assert_eq!((found[0].trials_started, found[0].trials_lost, found[0].subscribers_lost), (1, 1, 0));
        })
        .await;
    }
}
