//! Tiles: 256 hashes of one level that stand beside each other, under the names that C2SP `tlog-tiles` gives them.

use std::{fmt, str::FromStr};

use crate::Hash;

/// How many hashes a full tile has: trees of height 8.
pub const WIDTH: usize = 256;
/// The highest level that a tree of 64 bits has.
const LAST_LEVEL: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of this level: at 0 those of leaves, at 1 the roots of full tiles of level 0, and so on.
    Hashes(u8),
    /// The entries of the leaves themselves, see [`crate::bundle`].
    Entries,
}

/// The name of a tile: `tile/<level>/<index>` when full, else with `.p/<width>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// A path that names no tile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no tile: give tile/<level>/<index> as in C2SP tlog-tiles, such as tile/0/x001/234.p/5")]
pub struct NotATile(String);

impl Tile {
    /// A full tile of hashes.
    pub fn full(level: u8, index: u64) -> Self {
        Self { kind: TileKind::Hashes(level), index, width: 256 }
    }

    /// The tile at the right edge of a level that has so many hashes; `None` where the last one is full, or there is none.
    pub fn partial(level: u8, hashes: u64) -> Option<Self> {
        let width = u16::try_from(hashes % 256).ok().filter(|it| *it > 0)?;
        Some(Self { kind: TileKind::Hashes(level), index: hashes / 256, width })
    }

    /// The tile `index` of a level in a tree of `size` leaves, as wide as it is there; `None` where it does not exist.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        if index < hashes / 256 {
            return Some(Self::full(level, index));
        }
        Self::partial(level, hashes).filter(|it| it.index == index)
    }

    /// The same place with the entries of the leaves.
    #[must_use]
    pub fn entries(self) -> Self {
        Self { kind: TileKind::Entries, ..self }
    }

    /// What it holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its level; 0 for entries.
    pub fn level(&self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// Its place in its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it has, 1 to 256.
    pub fn width(&self) -> u64 {
        self.width.into()
    }

    /// The smallest tree that has it.
    pub fn least_size(&self) -> Option<u64> {
        let hashes = self.index.checked_mul(256)?.checked_add(self.width())?;
        hashes.checked_mul(1_u64.checked_shl(8 * u32::from(self.level()))?)
    }

    /// The hashes in the bytes of a tile; `None` unless they are whole hashes.
    pub fn read(bytes: &[u8]) -> Option<Vec<Hash>> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::BYTES }>();
        rest.is_empty().then(|| hashes.iter().map(|it| Hash::new(*it)).collect())
    }

    /// The bytes of a tile of these hashes.
    pub fn write(hashes: &[Hash]) -> Vec<u8> {
        hashes.iter().flat_map(Hash::as_bytes).copied().collect()
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![];
        let mut rest = self.index;
        loop {
            groups.push(rest % 1_000);
            rest /= 1_000;
            if rest == 0 {
                break;
            }
        }
        while let Some(group) = groups.pop() {
            if groups.is_empty() { write!(f, "{group:03}")? } else { write!(f, "x{group:03}/")? }
        }
        if self.width < 256 {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for Tile {
    type Err = NotATile;

    fn from_str(path: &str) -> Result<Self, NotATile> {
        let parsed = parse(path);
        // One name for each tile: no leading zeros, no width of 256.
        parsed.filter(|it| it.to_string() == path).ok_or_else(|| NotATile(path.chars().take(80).collect()))
    }
}

fn parse(path: &str) -> Option<Tile> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok().filter(|it| *it <= LAST_LEVEL)?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok().filter(|it| (1..256).contains(it))?),
        None => (rest, 256),
    };
    let mut number = 0_u64;
    for group in index.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let value: u64 = digits.parse().ok().filter(|_| digits.len() == 3)?;
        number = number.checked_mul(1_000)?.checked_add(value)?;
    }
    Some(Tile { kind, index: number, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_have_the_names_of_tlog_tiles() {
        let named = |tile: Tile, path: &str| {
            assert_eq!(tile.to_string(), path);
            assert_eq!(path.parse(), Ok(tile));
        };
        named(Tile::full(0, 0), "tile/0/000");
        named(Tile::full(3, 1_234_067), "tile/3/x001/x234/067");
        named(Tile::partial(0, 256 * 1_234 + 5).expect("partial").entries(), "tile/entries/x001/234.p/5");
        for wrong in [
            "tile/0/0",
            "tile/8/000",
            "tile/0/1000",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/05",
            "tile/00/000",
            "/tile/0/000",
            "tile/0/",
            "tile/data/000",
            "tile/0/x001",
            "tile/-1/000",
            "tile/0/+01",
            "tile/0/000.p/1/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert!(wrong.parse::<Tile>().is_err(), "{wrong} must be refused");
        }
    }

    #[test]
    fn a_tile_is_as_wide_as_the_tree_makes_it() {
        assert_eq!(Tile::in_tree(0, 1, 300), Tile::partial(0, 300));
        assert_eq!(Tile::in_tree(0, 0, 300), Some(Tile::full(0, 0)));
        assert_eq!(Tile::in_tree(1, 0, 300).map(|it| it.width()), Some(1));
        assert_eq!((Tile::in_tree(0, 2, 300), Tile::in_tree(2, 0, 300), Tile::in_tree(0, 1, 256)), (None, None, None));
        assert_eq!(Tile::in_tree(1, 0, 300).and_then(|it| it.least_size()), Some(256));
    }
}
