//! The log on a real Postgres and a real JetStream.

mod append;
mod cqrs;
mod fan_out;
mod neighbours;
mod race;
mod remembered;
mod shards;
mod support;
