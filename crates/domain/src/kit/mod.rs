//! The monthly learning kit: what it is made of, how it is chosen, kept, ordered and sent.

pub mod address;
pub mod carrier;
pub mod curation;
#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod kit;
pub mod plan;
pub mod sku;
pub mod stock;
