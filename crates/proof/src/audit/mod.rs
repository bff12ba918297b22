//! Verifying an exported log: from its files alone, with the key of who sealed it.
//!
//! What is believed is a checkpoint that one of the given keys has signed. Everything else has to lead to one: the events
//! to the tiles, the tiles to the roots of the checkpoints. Where something does not, the first wrong position is told as
//! exactly as the files allow: one position where events and tiles differ, else the stretch between the last checkpoint
//! that is met and the first that is not.

mod folder;
mod leaves;
mod narrow;
mod verify;

pub use folder::{CHECKPOINT, CHECKPOINTS, EVENTS, Folder, LOG, ReadError};
pub use verify::{AuditError, Finding, Verified, verify};
