//! What proves that the log was not changed: a Merkle tree over its events, in the formats of transparency logs, so that
//! programs which we did not write can check it. Pure: no database, no network, no clock.
//!
//! | what | where it comes from | here |
//! |---|---|---|
//! | hashes and proofs | RFC 6962 and RFC 9162, section 2.1 | [`Hash`], [`Tree`], [`inclusion`], [`consistency`] |
//! | tiles | C2SP `tlog-tiles`, height 8 | [`Tile`], [`bundle`] |
//! | signatures | C2SP `signed-note`, Ed25519 | [`Signer`], [`VerifierKey`], [`note`] |
//! | checkpoints | C2SP `tlog-checkpoint` | [`Checkpoint`] |
//! | the bytes of an event | RFC 8785 | [`EventRecord`] |
//!
//! [`audit`] verifies a folder that holds all of it.

pub mod audit;
pub mod bundle;
mod checkpoint;
pub mod consistency;
mod hash;
pub mod inclusion;
mod key;
pub mod note;
mod range;
mod record;
mod tile;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, split_notes};
pub use hash::{Hash, NotAHash};
pub use key::{KeyError, Signer, VerifierKey};
pub use range::{MissingTile, Tiles, range_root, tiles_of};
pub use record::{EventRecord, RecordError};
pub use tile::{NotATile, Tile, TileKind, WIDTH};
pub use tree::Tree;
