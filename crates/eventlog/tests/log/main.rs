//! The log on a real Postgres and a real JetStream.

mod append;
mod cqrs;
mod fan_out;
mod shards;
mod support;
