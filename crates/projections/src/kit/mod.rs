//! Read models of learning kits, their SKUs and stock.

pub mod kit_plans;
pub mod kits;
pub mod skus;
pub mod stock;
