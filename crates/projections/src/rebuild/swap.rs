//! The last steps, in one transaction that holds the live cursors: the new tables catch up with the old ones, and take
//! their place or are compared with them. Workers wait meanwhile, and go on from where they then find their cursors.

use std::collections::BTreeMap;

use baeum_eventlog::{begin, read_at};
use sqlx::{PgConnection, Postgres, Transaction};

use super::{
    comparison::{Comparison, compare_table},
    shadow::{Shadow, choose_tables},
};
use crate::{
    cursor,
    fold::Stretch,
    history, parking,
    projection::{Failure, ProjectionError},
};

/// How far the live tables may be ahead to be caught up with while their workers wait.
const CLOSE: i64 = 1_000;

impl Shadow {
    /// Puts the new tables in the place of the old ones, at the position that it gives; `None` where those are too far
    /// ahead, unless it is `backwards`: then their cursors go back to where the new tables are.
    pub(super) async fn take_over(&self, backwards: bool) -> Result<Option<i64>, Failure> {
        let (own, name) = (self.position(), self.projection.name());
        let mut transaction = begin(self.log.pool()).await?;
        let live = cursor::lock(&mut transaction, name).await?;
        let ahead = live.iter().copied().max().unwrap_or(0).max(own);
        let position = if backwards { own } else { ahead };
        if position - own > CLOSE || !self.catch_up(&mut transaction, &self.all_at(position)).await? {
            transaction.rollback().await?;
            return Ok(None);
        }
        let ours = sqlx::query("DELETE FROM public.rebuilds WHERE name = $1 AND run = $2")
            .bind(&self.name)
            .bind(self.run)
            .execute(&mut *transaction)
            .await?;
        if ours.rows_affected() != self.positions.len() as u64 {
            let taken = "another process has taken this rebuild over".to_owned();
            return Err(ProjectionError::Database(sqlx::Error::Protocol(taken)).into());
        }
        self.exchange(&mut transaction).await?;
        history::forget(&mut transaction, name).await?;
        cursor::set(&mut transaction, name, position, self.log.clock().now()).await?;
        transaction.commit().await?;
        Ok(Some(position))
    }

    async fn exchange(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        let schema = &self.schema;
        for table in parking::TABLES {
            sqlx::query(&format!("DELETE FROM public.{table} WHERE projection = $1"))
                .bind(self.projection.name())
                .execute(&mut *db)
                .await?;
            sqlx::query(&format!("INSERT INTO public.{table} SELECT * FROM {schema}.{table}"))
                .execute(&mut *db)
                .await?;
        }
        for table in self.projection.tables() {
            sqlx::query(&format!("DROP TABLE public.{table}")).execute(&mut *db).await?;
            sqlx::query(&format!("ALTER TABLE {schema}.{table} SET SCHEMA public")).execute(&mut *db).await?;
        }
        sqlx::query(&format!("DROP SCHEMA {schema} CASCADE")).execute(db).await?;
        Ok(())
    }

    /// Compares with the live tables; `None` where those are too far ahead, or behind.
    pub(super) async fn compare(&self) -> Result<Option<Comparison>, Failure> {
        let own = self.position();
        let mut transaction = begin(self.log.pool()).await?;
        let live = cursor::lock(&mut transaction, self.projection.name()).await?;
        let live: BTreeMap<u32, i64> = (0..).zip(live).collect();
        let close = live.values().all(|position| (own..=own + CLOSE).contains(position));
        let compared = if close && self.catch_up(&mut transaction, &live).await? {
            let mut tables = vec![];
            for table in self.projection.tables() {
                tables.push(compare_table(&mut transaction, &self.schema, table).await?);
            }
            let position = live.values().copied().max().unwrap_or(own);
            Some(Comparison { projection: self.projection.name(), position, tables })
        } else {
            None
        };
        transaction.rollback().await?;
        Ok(compared)
    }

    /// Takes in what is left up to the position of each partition. `false` where an event stands in the way: it is then
    /// to be taken in as others are.
    pub(super) async fn catch_up(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        targets: &BTreeMap<u32, i64>,
    ) -> Result<bool, Failure> {
        choose_tables(transaction, &self.schema).await?;
        let (own, now) = (self.position(), self.log.clock().now());
        let mut by_target = BTreeMap::<i64, Vec<u32>>::new();
        for (partition, target) in targets.iter().filter(|(_, target)| **target > own) {
            by_target.entry(*target).or_default().push(*partition);
        }
        for (target, partitions) in by_target {
            let positions: Vec<i64> = (own + 1..=target).collect();
            let stored = read_at(transaction, &positions).await?;
            let projection = self.projection.as_ref();
            let stretch = Stretch::prepare(projection, &self.skips, &partitions, own, stored);
            if stretch.end < target {
                return Ok(false);
            }
            match stretch.apply(transaction, now).await {
                Ok(_) => {}
                Err(failure) if failure.error.is_lasting() => return Ok(false),
                Err(failure) => return Err(failure),
            }
        }
        sqlx::query("SET LOCAL search_path TO DEFAULT").execute(&mut **transaction).await?;
        Ok(true)
    }

    fn all_at(&self, position: i64) -> BTreeMap<u32, i64> {
        self.positions.keys().map(|partition| (*partition, position)).collect()
    }
}
