//! Read models of the log.
//!
//! A projection is one file under its context: the row, the SQL that applies an event, the query, and the tests. The
//! [`worker`] keeps every projection of the [`registry()`] in step with the log; [`rebuild`] derives one again and
//! compares; [`wait_for`] lets a query read what a command has just written.

pub mod assessment;
mod cursor;
pub mod emotion;
pub mod extract;
mod fold;
mod forget;
pub mod history;
pub mod identity;
pub mod kit;
pub mod learning;
pub mod notification;
pub mod order;
pub mod parking;
pub mod progress;
pub mod projection;
pub mod rebuild;
pub mod recommendation;
mod registry;
pub mod review;
mod row;
mod status;
pub mod subscription;
#[cfg(test)]
mod testing;
mod wait;
pub mod worker;

pub use forget::{PersonalTable, forget, has_passed, personal_rows, vacuum};
pub use futures::future::BoxFuture;
pub use order::Order;
pub use projection::{Models, Personal, Policy, Projection, ProjectionError};
pub use registry::registry;
pub use status::{PartitionStatus, ProjectionState, ProjectionStatus, status};
pub use wait::{Behind, wait_for};
pub use worker::{forget_members, run};
