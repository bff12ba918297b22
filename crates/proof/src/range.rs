//! Roots of any stretch of leaves, from tiles.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    hash::BuildHasher,
};

use crate::{Hash, Tile};

/// Where tiles come from.
pub trait Tiles {
    /// The hashes of a tile of hashes: at least as many as the tile's width says. `None` where they are not at hand.
    fn hashes(&self, tile: Tile) -> Option<&[Hash]>;
}

impl<S: BuildHasher> Tiles for HashMap<Tile, Vec<Hash>, S> {
    fn hashes(&self, tile: Tile) -> Option<&[Hash]> {
        self.get(&tile).map(Vec::as_slice)
    }
}

/// A tile that is needed and is not at hand, or too narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing or too short")]
pub struct MissingTile(pub Tile);

/// The root over the leaves `start` up to but without `end` of a tree of `size` leaves, from its tiles.
///
/// # Errors
/// The first tile that is missing.
///
/// # Panics
/// When the range is empty or ends after the tree.
pub fn range_root(tiles: &impl Tiles, size: u64, start: u64, end: u64) -> Result<Hash, MissingTile> {
    assert!(start < end && end <= size, "{start} to {end} is no range of a tree of {size}");
    let length = end - start;
    if length.is_power_of_two() && start.is_multiple_of(length) {
        return node(tiles, size, length.trailing_zeros(), start);
    }
    let middle = start + split(length);
    Ok(Hash::of_node(range_root(tiles, size, start, middle)?, range_root(tiles, size, middle, end)?))
}

/// The tiles that `work` asks for on the tree, in order: to fetch them before it is done.
pub fn tiles_of(work: impl Fn(&Wanted) -> Result<(), MissingTile>) -> Vec<Tile> {
    let wanted = Wanted::default();
    // It is given zeros in place of hashes, so it cannot fail.
    let _ = work(&wanted);
    wanted.0.into_inner().into_iter().collect()
}

/// Notes which tiles are asked for.
#[derive(Default)]
pub struct Wanted(RefCell<BTreeSet<Tile>>);

impl Tiles for Wanted {
    fn hashes(&self, tile: Tile) -> Option<&[Hash]> {
        static ZEROS: [Hash; 256] = [Hash::new([0; Hash::BYTES]); 256];
        self.0.borrow_mut().insert(tile);
        Some(&ZEROS)
    }
}

/// The largest power of two that is smaller than `length` (RFC 6962, section 2.1).
pub(crate) fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// The root of the whole subtree of this height that begins at leaf `start`.
fn node(tiles: &impl Tiles, size: u64, height: u32, start: u64) -> Result<Hash, MissingTile> {
    let level = u8::try_from(height / 8).expect("a tree of 64 bits has eight levels of tiles");
    // Its hashes in the tile: `count` from `place` on, of those that stand at the tile's level.
    let (count, place) = (1_usize << (height % 8), start >> (8 * u32::from(level)));
    let tile = Tile::in_tree(level, place / 256, size).expect("it is within the tree");
    let slot = usize::try_from(place % 256).expect("less than 256");
    let hashes = tiles.hashes(tile).and_then(|it| it.get(slot..slot + count)).ok_or(MissingTile(tile))?;
    Ok(Hash::of_all(hashes).expect("a power of two"))
}
