//! Export and import on a real Postgres.

mod export;
mod import;
mod support;
