//! Every event in order: its form, its place, its hash, and the roots that follow.

use std::collections::HashMap;

use super::{
    folder::{Folder, ReadError},
    narrow,
    verify::{Anchors, Finding, Log},
};
use crate::{EventRecord, Hash, Tile, Tree};

/// What the walk through the events came to.
pub(super) struct Walked {
    /// The last position that there is an event of.
    pub(super) last: i64,
    /// The largest checkpoint that was met.
    pub(super) met: Option<(u64, Hash)>,
    /// The first thing that is wrong.
    pub(super) finding: Option<Finding>,
}

/// The walk.
pub(super) struct Leaves<'a> {
    folder: &'a Folder,
    log: &'a Log,
    anchors: &'a Anchors,
    tree: Tree,
    /// The latest sequence of each aggregate.
    sequences: HashMap<String, i64>,
    /// The checkpoint that was met last.
    met: Option<(u64, Hash)>,
    stored: StoredTiles<'a>,
}

impl<'a> Leaves<'a> {
    pub(super) fn new(folder: &'a Folder, log: &'a Log, anchors: &'a Anchors) -> Self {
        let stored = StoredTiles { folder, size: anchors.size, latest: HashMap::new() };
        Self { folder, log, anchors, tree: Tree::new(), sequences: HashMap::new(), met: None, stored }
    }

    /// Reads all events, up to the first that is wrong.
    pub(super) fn walk(mut self) -> Result<Walked, ReadError> {
        let finding = self.before_the_first()?;
        let finding = match finding {
            None => self.events()?,
            found => found,
        };
        Ok(Walked { last: self.log.position(self.tree.size()), met: self.met, finding })
    }

    /// What stands before the first exported event is known by its hashes only.
    fn before_the_first(&mut self) -> Result<Option<Finding>, ReadError> {
        while self.position() < self.log.first {
            let Some(leaf) = self.stored.leaf(self.tree.size())? else { return Ok(Some(self.no_hash())) };
            if let Some(finding) = self.push(leaf)? {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }

    fn events(&mut self) -> Result<Option<Finding>, ReadError> {
        let mut lines = self.folder.events()?;
        while let Some(line) = lines.next().transpose()? {
            if let Some(finding) = self.wrong_place(&line) {
                return Ok(Some(finding));
            }
            let leaf = EventRecord::leaf(&line);
            let index = self.tree.size();
            if index < self.anchors.size {
                match self.stored.leaf(index)? {
                    None => return Ok(Some(self.no_hash())),
                    Some(hash) if hash != leaf => {
                        let rest = std::iter::once(Ok(line)).chain(lines);
                        let culprit = narrow::culprit(&self.tree, rest, &mut self.stored, &self.anchors.roots)?;
                        let what = format!("the event there does not have the hash of the tree; {culprit}");
                        return Ok(Some(Finding::at(self.position(), what)));
                    }
                    Some(_) => {}
                }
            }
            if let Some(finding) = self.push(leaf)? {
                return Ok(Some(finding));
            }
        }
        Ok(self.end())
    }

    /// Whether the line is the event of this position, with the next sequence of its aggregate.
    fn wrong_place(&mut self, line: &str) -> Option<Finding> {
        let here = self.position();
        let record = match EventRecord::read(line) {
            Ok(record) => record,
            Err(error) => return Some(Finding::at(here, format!("what stands in the place of its event: {error}"))),
        };
        let found = record.global_position;
        if found > here {
            return Some(Finding::at(here, format!("its event is missing, the next is that of {found}")));
        }
        if found < here {
            let what = format!("in the place of its event stands one of position {found}: doubled, or out of order");
            return Some(Finding::at(here, what));
        }
        let (kind, id, sequence) = (&record.aggregate_type, &record.aggregate_id, record.sequence);
        let known = self.sequences.insert(format!("{kind}/{id}"), sequence);
        let whole = self.log.first == self.log.floor + 1;
        let due = known.or(whole.then_some(0)).map(|before| before.saturating_add(1));
        match due {
            Some(due) if due != sequence => {
                let what = format!("event {sequence} of the {kind} {id} stands where event {due} of it is due");
                Some(Finding::at(here, what))
            }
            _ => None,
        }
    }

    /// Adds a leaf, and compares what becomes known with it: hashes of higher tiles, and the root where one is signed.
    fn push(&mut self, leaf: Hash) -> Result<Option<Finding>, ReadError> {
        let mut full = vec![];
        self.tree.push(leaf, |tile, hashes| full.push((tile, hashes)));
        let size = self.tree.size();
        if size <= self.anchors.size {
            for (tile, hashes) in full {
                let root = Hash::of_all(&hashes).expect("a full tile");
                let (level, place) = (tile.level() + 1, tile.index());
                if self.stored.hash(level, place)? != Some(root) {
                    let leaves = i64::try_from(256_u64.pow(level.into())).unwrap_or(i64::MAX);
                    let last = self.log.position(size);
                    let name = Tile::in_tree(level, place / 256, self.anchors.size);
                    let name = name.map_or_else(|| format!("a tile of level {level}"), |it| it.to_string());
                    let what = format!("{name} has no hash or another one for these events than they give");
                    let finding = Finding { position: last - leaves + 1, up_to: Some(last), what };
                    return Ok(Some(finding));
                }
            }
        }
        let Some(signed) = self.anchors.roots.get(&size) else { return Ok(None) };
        if self.tree.root() == *signed {
            self.met = Some((size, *signed));
            return Ok(None);
        }
        let before = self.met.map_or(0, |(size, _)| size);
        let what = format!(
            "events and tiles agree with each other, and with the checkpoint of size {before}, but not with the signed \
             one of size {size}: both were changed"
        );
        Ok(Some(Finding { position: self.log.position(before) + 1, up_to: Some(self.log.position(size)), what }))
    }

    /// What is missing after the last event.
    fn end(&self) -> Option<Finding> {
        let size = self.tree.size();
        let what = if size < self.anchors.size {
            format!("the events end before it, though there is a checkpoint of size {}", self.anchors.size)
        } else if size < self.anchors.witnessed {
            format!("the log ends before it, though a witness has a checkpoint of size {}", self.anchors.witnessed)
        } else {
            return None;
        };
        Some(Finding::at(self.position(), what))
    }

    fn no_hash(&self) -> Finding {
        let tile = Tile::in_tree(0, self.tree.size() / 256, self.anchors.size);
        let tile = tile.map_or_else(|| "its tile".to_owned(), |it| it.to_string());
        Finding::at(self.position(), format!("{tile}, which has its hash, is missing or too short"))
    }

    /// The position of the next leaf.
    fn position(&self) -> i64 {
        self.log.position(self.tree.size() + 1)
    }
}

/// The tiles of the folder; of each level the latest is kept, as they are read in order.
pub(super) struct StoredTiles<'a> {
    folder: &'a Folder,
    /// Of what tree they are.
    size: u64,
    latest: HashMap<u8, (Tile, Option<Vec<Hash>>)>,
}

impl StoredTiles<'_> {
    /// The hash of a leaf; `None` where the tile is missing or too short.
    pub(super) fn leaf(&mut self, index: u64) -> Result<Option<Hash>, ReadError> {
        self.hash(0, index)
    }

    fn hash(&mut self, level: u8, place: u64) -> Result<Option<Hash>, ReadError> {
        let Some(tile) = Tile::in_tree(level, place / 256, self.size) else { return Ok(None) };
        if self.latest.get(&level).is_none_or(|(known, _)| *known != tile) {
            self.latest.insert(level, (tile, self.folder.tile(tile)?));
        }
        let hashes = self.latest.get(&level).and_then(|(_, hashes)| hashes.as_ref());
        let slot = usize::try_from(place % 256).expect("less than 256");
        Ok(hashes.and_then(|it| it.get(slot)).copied())
    }
}
