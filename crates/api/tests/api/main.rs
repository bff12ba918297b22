//! The API over its router, on a database of its own for each test, with small models.

#![allow(clippy::disallowed_methods, reason = "tests make their own time and ids")]
#![allow(clippy::unnecessary_literal_bound, reason = "the ports are written so")]

mod auth;
mod bad_input;
mod billing;
mod client;
mod conditional;
mod deferred;
mod erasure;
mod evaluators;
mod journey;
mod kits;
mod log;
mod models;
mod notifications;
mod openapi;
mod ops;
mod own_data;
mod parked;
mod privacy;
mod recording;
mod review;
mod seal;
mod subscription_refusals;
mod subscriptions;
mod tenants;
mod world;
