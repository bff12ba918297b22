//! The log on a real Postgres and a real JetStream.

mod append;
mod cluster;
mod cqrs;
mod fan_out;
mod feed;
mod line;
mod many;
mod neighbours;
mod race;
mod relay;
mod remembered;
mod seal;
mod sealed;
mod shards;
mod stream;
mod subject;
mod support;
mod tampered;
