//! How a learner seems to feel.
