//! What whoever owns the database can do to the log, without the key that signs it.

use baeum_eventlog::sealer::export;
use baeum_proof::{EventRecord, Hash, Tile, Tree, audit::Folder};
use sqlx::PgConnection;
use tempfile::TempDir;

use crate::Failure;

/// A way to change the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Payload,
    Column,
    Delete,
    DeleteAndCloseUp,
    Insert,
    Duplicate,
    Swap,
    Move,
    CutEvents,
    CutEverything,
    SwapSignature,
    ChangeCheckpoint,
    ChangeHash,
    Consistent,
    ConsistentWithoutCheckpoints,
}

/// Every kind, in words.
pub(super) const KINDS: [(&str, Kind); 15] = [
    ("a character of a payload changed", Kind::Payload),
    ("another column changed", Kind::Column),
    ("event deleted", Kind::Delete),
    ("event deleted, later ones moved up", Kind::DeleteAndCloseUp),
    ("event inserted, later ones moved down", Kind::Insert),
    ("event doubled, later ones moved down", Kind::Duplicate),
    ("two events swapped", Kind::Swap),
    ("event moved to another place", Kind::Move),
    ("tail of the events cut off", Kind::CutEvents),
    ("tail cut off with tree and checkpoints (found by a witness)", Kind::CutEverything),
    ("signatures of two checkpoints swapped", Kind::SwapSignature),
    ("root in a checkpoint changed", Kind::ChangeCheckpoint),
    ("hash in a tile changed", Kind::ChangeHash),
    ("event and tree changed alike", Kind::Consistent),
    (
        "event and tree changed alike, checkpoints after it deleted (found by a witness)",
        Kind::ConsistentWithoutCheckpoints,
    ),
];

/// The log that is changed.
pub(super) struct Ledger {
    /// The sizes of its checkpoints, ascending.
    pub(super) sizes: Vec<i64>,
}

impl Ledger {
    /// Its last position.
    pub(super) fn last(&self) -> i64 {
        self.sizes.last().copied().unwrap_or(0)
    }
}

/// One trial.
pub(super) struct Deed<'a> {
    db: &'a mut PgConnection,
    ledger: &'a Ledger,
    random: &'a mut fastrand::Rng,
}

impl<'a> Deed<'a> {
    pub(super) fn new(db: &'a mut PgConnection, ledger: &'a Ledger, random: &'a mut fastrand::Rng) -> Self {
        Self { db, ledger, random }
    }

    /// Does it; the first position that is wrong thereafter.
    pub(super) async fn do_it(mut self, kind: Kind) -> Result<i64, Failure> {
        let last = self.ledger.last();
        let position = self.random.i64(1..=last);
        match kind {
            Kind::Payload => self.change_payload(position).await,
            Kind::Column => {
                const CHANGES: [&str; 9] = [
                    "actor = actor || 'x'",
                    "tenant = 'other'",
                    "recorded_at = recorded_at + interval '1 second'",
                    "event_id = gen_random_uuid()",
                    "correlation_id = gen_random_uuid()",
                    "causation_id = gen_random_uuid()",
                    "event_version = '2'",
                    "event_type = 'Other'",
                    "metadata = '{}'",
                ];
                let change = CHANGES[self.random.usize(..CHANGES.len())];
                self.run(&format!("UPDATE events SET {change} WHERE global_position = {position}")).await?;
                Ok(position)
            }
            Kind::Delete => {
                self.delete(position).await?;
                Ok(position)
            }
            Kind::DeleteAndCloseUp => {
                self.delete(position).await?;
                self.shift(position, last, -1).await?;
                self.head(last - 1).await?;
                Ok(position)
            }
            Kind::Insert | Kind::Duplicate | Kind::Swap | Kind::Move => self.rearrange(kind, position).await,
            Kind::CutEvents => {
                self.run(&format!("DELETE FROM events WHERE global_position >= {position}")).await?;
                self.head(position - 1).await?;
                Ok(position)
            }
            Kind::CutEverything => {
                // One checkpoint has to stay, or there is nothing to export.
                let position = position.max(self.ledger.sizes[0] + 1);
                self.run(&format!("DELETE FROM events WHERE global_position >= {position}")).await?;
                self.head(position - 1).await?;
                self.forget_checkpoints(position).await?;
                Ok(position)
            }
            Kind::SwapSignature | Kind::ChangeCheckpoint | Kind::ChangeHash => self.change_tree(kind, position).await,
            Kind::Consistent => {
                let position = self.change_payload(position).await?;
                self.seal_anew(last).await?;
                Ok(position)
            }
            Kind::ConsistentWithoutCheckpoints => {
                let position = self.change_payload(position.max(self.ledger.sizes[0] + 1)).await?;
                self.forget_checkpoints(position).await?;
                Ok(position)
            }
        }
    }

    /// Puts an event where it does not belong.
    async fn rearrange(&mut self, kind: Kind, position: i64) -> Result<i64, Failure> {
        let last = self.ledger.last();
        match kind {
            Kind::Insert | Kind::Duplicate => {
                self.shift(position - 1, last, 1).await?;
                self.head(last + 1).await?;
                let source = if kind == Kind::Duplicate { position + 1 } else { 1 + position % last };
                let source = if source == position { position + 1 } else { source };
                self.copy(source, position).await?;
                Ok(position)
            }
            Kind::Swap => {
                let other = self.other(position);
                self.run(&format!(
                    "UPDATE events SET global_position = -global_position WHERE global_position IN ({position}, {other});
                     UPDATE events SET global_position = {position} + {other} + global_position WHERE global_position < 0"
                ))
                .await?;
                Ok(position.min(other))
            }
            _ => {
                let to = self.other(position);
                let aside = "UPDATE events SET global_position = 0 WHERE global_position";
                self.run(&format!("{aside} = {position}")).await?;
                if to > position {
                    self.shift(position, to, -1).await?;
                } else {
                    self.shift(to - 1, position - 1, 1).await?;
                }
                self.run(&format!("UPDATE events SET global_position = {to} WHERE global_position = 0")).await?;
                Ok(position.min(to))
            }
        }
    }

    /// Changes what is signed, or a hash that leads to it.
    async fn change_tree(&mut self, kind: Kind, position: i64) -> Result<i64, Failure> {
        match kind {
            Kind::SwapSignature => {
                let (one, other) = self.two_checkpoints();
                self.run(&format!(
                    "UPDATE seal_checkpoints a SET note = split_part(a.note, E'\\n\\n', 1) || E'\\n\\n' ||
                         split_part(b.note, E'\\n\\n', 2)
                     FROM seal_checkpoints b WHERE a.size IN ({one}, {other}) AND b.size IN ({one}, {other})
                         AND a.size <> b.size"
                ))
                .await?;
                Ok(one.min(other))
            }
            Kind::ChangeCheckpoint => {
                let (one, other) = self.two_checkpoints();
                self.run(&format!(
                    "UPDATE seal_checkpoints a SET note = replace(a.note, split_part(a.note, E'\\n', 3),
                         split_part(b.note, E'\\n', 3))
                     FROM seal_checkpoints b WHERE a.size = {one} AND b.size = {other}"
                ))
                .await?;
                Ok(one)
            }
            _ => {
                let (tile, byte) = ((position - 1) / 256, (position - 1) % 256 * 32 + self.random.i64(0..32));
                self.run(&format!(
                    "UPDATE seal_tiles SET hashes = set_byte(hashes, {byte}, 255 - get_byte(hashes, {byte}))
                     WHERE level = 0 AND index = {tile}"
                ))
                .await?;
                Ok(position)
            }
        }
    }

    async fn run(&mut self, sql: &str) -> Result<(), Failure> {
        sqlx::raw_sql(sql).execute(&mut *self.db).await?;
        Ok(())
    }

    async fn delete(&mut self, position: i64) -> Result<(), Failure> {
        self.run(&format!("DELETE FROM events WHERE global_position = {position}")).await
    }

    async fn head(&mut self, position: i64) -> Result<(), Failure> {
        self.run(&format!("UPDATE log_head SET position = {position}")).await
    }

    /// Another position.
    fn other(&mut self, position: i64) -> i64 {
        let other = self.random.i64(1..self.ledger.last());
        if other < position { other } else { other + 1 }
    }

    fn two_checkpoints(&mut self) -> (i64, i64) {
        let sizes = &self.ledger.sizes;
        let one = self.random.usize(..sizes.len());
        let other = (one + self.random.usize(1..sizes.len())) % sizes.len();
        (sizes[one], sizes[other])
    }

    /// Moves the events after `after` up to `to` by so many places.
    async fn shift(&mut self, after: i64, to: i64, by: i64) -> Result<(), Failure> {
        self.run(&format!(
            "UPDATE events SET global_position = -(global_position + {by})
                 WHERE global_position > {after} AND global_position <= {to};
             UPDATE events SET global_position = -global_position WHERE global_position < 0"
        ))
        .await
    }

    /// Another aggregate's event with what that one says.
    async fn copy(&mut self, from: i64, to: i64) -> Result<(), Failure> {
        self.run(&format!(
            "INSERT INTO events SELECT aggregate_type, gen_random_uuid()::text, 1, event_type, event_version, payload,
                 metadata, {to}, gen_random_uuid(), tenant, actor, correlation_id, causation_id, recorded_at
             FROM events WHERE global_position = {from}"
        ))
        .await
    }

    /// Changes a letter or digit of the payload, so that it still is JSON.
    async fn change_payload(&mut self, position: i64) -> Result<i64, Failure> {
        let payload: String = sqlx::query_scalar("SELECT payload::text FROM events WHERE global_position = $1")
            .bind(position)
            .fetch_one(&mut *self.db)
            .await?;
        loop {
            let at = self.random.usize(..payload.len());
            let before = payload.as_bytes()[at];
            let now = if before.is_ascii_digit() { self.random.digit(10) } else { self.random.lowercase() };
            if !before.is_ascii_alphanumeric() || before == now as u8 {
                continue;
            }
            let mut changed = payload.clone();
            changed.replace_range(at..=at, &now.to_string());
            if serde_json::from_str::<serde_json::Value>(&changed).is_ok() {
                sqlx::query("UPDATE events SET payload = $2::json WHERE global_position = $1")
                    .bind(position)
                    .bind(changed)
                    .execute(&mut *self.db)
                    .await?;
                return Ok(position);
            }
        }
    }

    /// Deletes the checkpoints that hold `position`, and makes the tree that of the last one left.
    async fn forget_checkpoints(&mut self, position: i64) -> Result<(), Failure> {
        self.run(&format!("DELETE FROM seal_checkpoints WHERE size >= {position}")).await?;
        let left = self.ledger.sizes.iter().copied().filter(|size| *size < position).max().unwrap_or(0);
        self.seal_anew(left).await
    }

    /// Makes the tree anew over the first `size` events as they are now.
    async fn seal_anew(&mut self, size: i64) -> Result<(), Failure> {
        let folder = TempDir::new()?;
        let path = folder.path().join("log");
        export(&mut *self.db, &path, None).await?;
        let (mut tree, mut tiles): (Tree, Vec<(Tile, Vec<Hash>)>) = (Tree::new(), vec![]);
        for line in Folder::new(path).events()?.take(usize::try_from(size)?) {
            tree.push(EventRecord::leaf(&line?), |tile, hashes| tiles.push((tile, hashes)));
        }
        tiles.extend(tree.edge().map(|(tile, hashes)| (tile, hashes.to_vec())));
        self.run(&format!("DELETE FROM seal_tiles; UPDATE seal_head SET size = {size}")).await?;
        for (tile, hashes) in tiles {
            sqlx::query("INSERT INTO seal_tiles (level, index, hashes) VALUES ($1, $2, $3)")
                .bind(i32::from(tile.level()))
                .bind(tile.index().cast_signed())
                .bind(Tile::write(&hashes))
                .execute(&mut *self.db)
                .await?;
        }
        Ok(())
    }
}
