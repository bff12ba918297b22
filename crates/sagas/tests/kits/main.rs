//! Kits on a real log, with a carrier over real HTTP: each step, each way that it can fail, and a year of both.

mod compensation;
mod ledger;
mod stock;
mod world;
mod year;
