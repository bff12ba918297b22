//! The API over its router, on a database of its own for each test, with small models.

#![allow(clippy::disallowed_methods, reason = "tests make their own time and ids")]
#![allow(clippy::unnecessary_literal_bound, reason = "the ports are written so")]

mod auth;
mod bad_input;
mod client;
mod conditional;
mod erasure;
mod journey;
mod log;
mod models;
mod openapi;
mod ops;
mod own_data;
mod parked;
mod privacy;
mod recording;
mod seal;
mod tenants;
mod world;
