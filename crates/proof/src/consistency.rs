//! That a tree continues an earlier one (RFC 9162, section 2.1.4).

use crate::{Hash, MissingTile, Tiles, range::split, range_root};

/// The hashes that show that the tree of `size` leaves begins with that of `earlier` leaves: none where they are the
/// same, or the earlier one is empty.
///
/// # Errors
/// The first tile that is missing.
///
/// # Panics
/// When the earlier tree is the larger one.
pub fn prove(tiles: &impl Tiles, earlier: u64, size: u64) -> Result<Vec<Hash>, MissingTile> {
    assert!(earlier <= size, "a tree of {earlier} leaves is not earlier than one of {size}");
    if earlier == 0 || earlier == size {
        return Ok(vec![]);
    }
    let (mut start, mut end) = (0, size);
    let mut path = vec![];
    // `known`: the earlier tree is what stands left of here, and whoever verifies has its root.
    let mut known = true;
    while end != earlier {
        let middle = start + split(end - start);
        if earlier <= middle {
            path.push(range_root(tiles, size, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(tiles, size, start, middle)?);
            start = middle;
            known = false;
        }
    }
    if !known {
        path.push(range_root(tiles, size, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether `path` shows that the tree of `size` leaves with this `root` begins with the earlier one.
pub fn verify(earlier: u64, earlier_root: Hash, size: u64, root: Hash, path: &[Hash]) -> bool {
    if earlier > size {
        return false;
    }
    if earlier == size {
        return path.is_empty() && earlier_root == root;
    }
    if earlier == 0 {
        return path.is_empty() && earlier_root == Hash::of_nothing();
    }
    let mut hashes = path.iter().copied();
    let first = if earlier.is_power_of_two() { Some(earlier_root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (earlier - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut of_earlier, mut of_later) = (first, first);
    for beside in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            of_earlier = Hash::of_node(beside, of_earlier);
            of_later = Hash::of_node(beside, of_later);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            of_later = Hash::of_node(of_later, beside);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && of_earlier == earlier_root && of_later == root
}
