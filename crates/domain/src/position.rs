//! Places in the log: a shard and a number, packed into the one integer that is used everywhere.
//!
//! A shard is a log with a head of its own; the log of a tenant lives in one. `position = shard << 40 | number`, so the
//! positions of shard 0 are plain numbers, those of each shard grow without gaps from its floor, and all of them are
//! exact in the numbers of JSON (52 bits). Order is promised within a shard only.

use std::fmt;

/// How many bits the number of an event has within its shard: a trillion events.
const NUMBER_BITS: u32 = 40;
/// The highest shard.
const LAST: u16 = 4095;

/// The number of a shard, 0 to 4095.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

/// A number that no shard can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no number of a shard: give 0 to {LAST}")]
pub struct NotAShard(i64);

impl Shard {
    /// The shard of this number.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn new(number: i64) -> Result<Self, NotAShard> {
        u16::try_from(number).ok().filter(|it| *it <= LAST).map(Self).ok_or(NotAShard(number))
    }

    /// The shard of a position; `None` for what is no position at all.
    pub fn of(position: i64) -> Option<Self> {
        Self::new(position >> NUMBER_BITS).ok()
    }

    /// The position before its first: where its empty log stands, and every cursor that has read nothing.
    pub fn floor(self) -> i64 {
        i64::from(self.0) << NUMBER_BITS
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an event within its shard: dense, from 1.
pub fn number(position: i64) -> i64 {
    position & ((1 << NUMBER_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_shard_0_are_plain_numbers() {
        let shard = Shard::new(0).expect("a shard");
        assert_eq!((shard, shard.floor()), (Shard::default(), 0));
        assert_eq!((Shard::of(1), number(1)), (Some(shard), 1));
    }

    #[test]
    fn a_position_tells_its_shard_and_number() {
        for shard in [1, 7, LAST] {
            let shard = Shard::new(shard.into()).expect("a shard");
            let last = shard.floor() + (1 << NUMBER_BITS) - 1;
            assert_eq!((Shard::of(shard.floor()), number(shard.floor())), (Some(shard), 0));
            assert_eq!((Shard::of(shard.floor() + 42), number(shard.floor() + 42)), (Some(shard), 42));
            assert_eq!((Shard::of(last), number(last)), (Some(shard), (1 << NUMBER_BITS) - 1));
            assert_ne!(Shard::of(last + 1), Some(shard));
        }
    }

    #[test]
    fn every_position_is_exact_in_the_numbers_of_json() {
        let last = Shard::new(LAST.into()).expect("a shard").floor() + (1 << NUMBER_BITS) - 1;
        assert_eq!(last, (1 << 52) - 1);
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        assert_eq!(Shard::new(4096).expect_err("too high").to_string(), "4096 is no number of a shard: give 0 to 4095");
        assert!(Shard::new(-1).is_err());
        assert_eq!((Shard::of(-1), Shard::of(1 << 52)), (None, None));
    }
}
