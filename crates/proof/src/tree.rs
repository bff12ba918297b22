//! The right edge of a tree: all that is needed to add leaves, to tell the root, and to write the next tiles.

use crate::{Hash, Tile, WIDTH};

/// A tree as its right edge: of each level of tiles the one that is not full. 255 hashes a level at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    edge: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tiles that [`Tree::resume`] needs for a tree of `size` leaves, from level 0 upwards.
    pub fn edge_of(size: u64) -> impl Iterator<Item = Tile> {
        let levels = (0..8).take_while(move |level| size >> (8 * level) > 0);
        levels.filter_map(move |level| Tile::partial(level, size >> (8 * level)))
    }

    /// A tree of `size` leaves, from the tiles that [`Tree::edge_of`] names; `None` where one is missing or too narrow.
    pub fn resume(size: u64, mut tile: impl FnMut(Tile) -> Option<Vec<Hash>>) -> Option<Self> {
        let mut edge = vec![];
        for wanted in Self::edge_of(size) {
            let level = usize::from(wanted.level());
            edge.resize(level + 1, vec![]);
            let width = usize::try_from(wanted.width()).ok()?;
            edge[level] = tile(wanted)?.get(..width)?.to_vec();
        }
        Some(Self { size, edge })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Tiles that become full with it are given to `full`, from level 0 upwards.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile, Vec<Hash>)) {
        let (mut hash, mut level) = (leaf, 0);
        loop {
            if self.edge.len() == level {
                self.edge.push(Vec::with_capacity(WIDTH));
            }
            let row = &mut self.edge[level];
            row.push(hash);
            if row.len() < WIDTH {
                break;
            }
            let row = std::mem::take(row);
            let depth = u32::try_from(level).expect("a tree of 64 bits has eight levels of tiles");
            let tile = Tile::full(u8::try_from(level).expect("eight levels"), self.size >> (8 * (depth + 1)));
            hash = Hash::of_all(&row).expect("a full tile has 256 hashes");
            full(tile, row);
            level += 1;
        }
        self.size += 1;
    }

    /// The tiles that are not full, with their hashes.
    pub fn edge(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        Self::edge_of(self.size).map(|tile| (tile, self.edge[usize::from(tile.level())].as_slice()))
    }

    /// The root (RFC 6962, section 2.1): that of the empty tree for no leaves.
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for row in &self.edge {
            let mut rest = row.as_slice();
            // The smallest subtree is the rightmost: it has as many hashes as the lowest bit of the row's length says.
            while !rest.is_empty() {
                let (before, last) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let peak = Hash::of_all(last).expect("a power of two");
                root = Some(root.map_or(peak, |right| Hash::of_node(peak, right)));
                rest = before;
            }
        }
        root.unwrap_or_else(Hash::of_nothing)
    }
}
