//! Recommendations: titles to watch, clips to go on with, and where to watch.

#[allow(clippy::module_inception, reason = "the aggregate has the name of its context")]
pub mod recommendation;
pub mod recommending;
pub mod taste;
