//! The models of Baeum: the level test, knowledge tracing, lesson planning, error detection, affect and
//! recommendation.
//!
//! Each model implements a port of [`baeum_domain`], takes everything that it needs as arguments, and is deterministic:
//! the same inputs give the same bits, on every run and platform (exponentials and logarithms come from `libm`, sums
//! are taken in a fixed order, and the only randomness is a seed that is passed in).

pub mod assessment;
pub mod emotion;
pub mod learning;
pub mod progress;
pub mod recommendation;
pub mod review;
