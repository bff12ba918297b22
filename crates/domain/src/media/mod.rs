//! Media: short clips to learn with, and titles to watch.

pub mod clip;
pub mod title;
