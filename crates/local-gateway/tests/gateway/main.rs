//! The client of `baeum-stripe` against the local gateway, over real HTTP.

mod authentication;
mod command_line;
mod faults;
mod idempotency;
mod payments;
mod receiver;
mod refunds;
mod restart;
mod webhooks;
mod world;
