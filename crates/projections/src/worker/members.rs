//! Which processes work on a projection, and how its partitions are dealt out among them.
//!
//! Each says every second that it lives, by the database's clock, one for all. Each deals by itself; while two deal
//! differently, for a moment, two may own a partition: the compare-and-set of its cursor decides then.

use baeum_eventlog::lease::TTL;
use sqlx::PgPool;
use uuid::Uuid;

/// The membership of one process in the work on one projection.
pub(super) struct Membership {
    pub(super) pool: PgPool,
    pub(super) projection: &'static str,
    pub(super) member: Uuid,
}

impl Membership {
    /// Says that this process lives, and gives all that do, in order.
    pub(super) async fn renew(&self) -> Result<Vec<Uuid>, sqlx::Error> {
        let mut members: Vec<Uuid> = sqlx::query_scalar(
            "WITH renewed AS (
                 INSERT INTO projection_members (projection, member, expires_at)
                 VALUES ($1, $2, now() + make_interval(secs => $3))
                 ON CONFLICT (projection, member) DO UPDATE SET expires_at = excluded.expires_at
             ), gone AS (
                 DELETE FROM projection_members
                 WHERE projection = $1 AND member <> $2 AND expires_at < now() - interval '1 minute'
             )
             SELECT member FROM projection_members WHERE projection = $1 AND member <> $2 AND expires_at > now()",
        )
        .bind(self.projection)
        .bind(self.member)
        .bind(TTL.as_secs_f64())
        .fetch_all(&self.pool)
        .await?;
        members.push(self.member);
        members.sort_unstable();
        Ok(members)
    }

    /// Leaves, so that the others need not wait for its time to end.
    pub(super) async fn leave(&self) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM projection_members WHERE projection = $1 AND member = $2")
            .bind(self.projection)
            .bind(self.member)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// The living members of each projection, in order.
pub(crate) async fn all(pool: &PgPool) -> Result<Vec<(String, Uuid)>, sqlx::Error> {
    sqlx::query_as("SELECT projection, member FROM projection_members WHERE expires_at > now() ORDER BY 1, 2")
        .fetch_all(pool)
        .await
}

/// Forgets every member: for a database that no other process can reach, when its process starts.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget_members(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM projection_members").execute(pool).await?;
    Ok(())
}

/// Who owns a partition, among members in order.
pub(crate) fn owner(members: &[Uuid], partition: u32) -> Option<Uuid> {
    let turn = (partition as usize).checked_rem(members.len())?;
    members.get(turn).copied()
}

/// The partitions of a member.
pub(super) fn deal(members: &[Uuid], member: Uuid, partitions: u32) -> Vec<u32> {
    (0..partitions).filter(|partition| owner(members, *partition) == Some(member)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_is_dealt_to_one_member_and_none_gets_much_more_than_another() {
        for count in 1..=20 {
            let members: Vec<Uuid> = (1..=count).map(Uuid::from_u128).collect();
            let hands: Vec<Vec<u32>> = members.iter().map(|member| deal(&members, *member, 16)).collect();
            let mut dealt: Vec<u32> = hands.concat();
            dealt.sort_unstable();
            assert_eq!(dealt, (0..16).collect::<Vec<_>>());
            let sizes = || hands.iter().map(Vec::len);
            assert!(sizes().max() <= sizes().min().map(|it| it + 1), "{hands:?}");
        }
        assert_eq!(owner(&[], 0), None);
    }
}
