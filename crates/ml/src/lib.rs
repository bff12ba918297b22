//! Models that implement the ports of the domain: small, deterministic, on the CPU.

pub mod learning;
