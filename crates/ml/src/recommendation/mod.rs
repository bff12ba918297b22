//! What to watch next.
