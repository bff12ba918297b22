//! Learning: lesson planning.
