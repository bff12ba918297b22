//! That a leaf is in a tree (RFC 9162, section 2.1.3).

use crate::{Hash, MissingTile, Tiles, range::split, range_root};

/// The hashes that lead from leaf `index` to the root of a tree of `size` leaves.
///
/// # Errors
/// The first tile that is missing.
///
/// # Panics
/// When the tree has no such leaf.
pub fn prove(tiles: &impl Tiles, index: u64, size: u64) -> Result<Vec<Hash>, MissingTile> {
    assert!(index < size, "leaf {index} is not in a tree of {size}");
    let (mut start, mut end) = (0, size);
    let mut path = vec![];
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(tiles, size, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(tiles, size, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` leads from `leaf` at `index` to `root` of a tree of `size` leaves.
pub fn verify(leaf: Hash, index: u64, size: u64, path: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for beside in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = Hash::of_node(*beside, hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::of_node(hash, *beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}
