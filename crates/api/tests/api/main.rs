//! The API over its router, on a database of its own for each test, with small models.

mod auth;
mod bad_input;
mod client;
mod conditional;
mod journey;
mod log;
mod models;
mod openapi;
mod ops;
mod own_data;
mod world;
