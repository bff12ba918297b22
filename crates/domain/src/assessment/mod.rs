//! The level test: its items, its sittings, and the ports of the psychometric models.

#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod assessment;
pub mod calibration;
pub mod item;
pub mod item_bank;
pub mod testing;
