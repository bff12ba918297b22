//! What to watch next, and how well content fits a learner.

pub(crate) mod fit;
