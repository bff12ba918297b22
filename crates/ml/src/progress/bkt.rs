//! Bayesian knowledge tracing (Corbett & Anderson, 1995).
//!
//! Of each skill a learner either has it or not. A learner who has it answers rightly but for slips; one who has it not is
//! right by guessing. After every answer it may be learned, and, other than in the original, forgotten (Khajah, Lindsey
//! & Mozer, 2016: without forgetting a learner who knew a skill once knows it for ever). Items of a skill may have
//! guesses and slips of their own (Pardos & Heffernan, 2011).
//!
//! [`Parameters`] filters answers as they come; [`fit()`] finds the parameters; [`mastery`] does so for the skills of a log. Sums have one order and logarithms are
//! `libm`'s: the same answers give the same bits.

mod em;
pub mod mastery;

pub use baeum_domain::progress::knowledge_tracing::Parameters;
pub use em::{Answer, Fit, Options, fit};
