//! What operators do to the system itself, recorded like everything else.

pub mod parked_stream;
pub mod simulated_clock;
