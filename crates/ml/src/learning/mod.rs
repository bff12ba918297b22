//! Learning: lesson planning, finding mistakes in what a learner wrote, telling how near it is to what it should mean,
//! hearing how it was said, and serving the models that do so to many at once.

pub mod encoder;
pub mod error_detector;
pub mod meaning;
pub mod planner;
pub mod pronunciation;
pub mod serving;
