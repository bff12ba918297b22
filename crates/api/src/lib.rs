//! The HTTP API: a folder a context, a file a verb, wire types beside the handler.
//!
//! [`router()`] serves commands (`Idempotency-Key`, `If-Match`, `ETag`, the position in the log), queries (`min_position`)
//! and the log itself; whatever is refused or fails is a problem (RFC 9457) of a stable type.

mod as_of;
mod assessment;
mod bounded;
mod caller;
mod conditional;
mod docs;
mod emotion;
mod id;
mod identity;
mod json;
mod keys;
mod kit;
mod layers;
mod learning;
mod log;
mod media;
mod min_position;
mod notification;
mod ops;
mod problem;
mod problems;
mod progress;
mod recommendation;
mod review;
mod router;
mod state;
mod subscription;
mod tenants;
mod throttle;
mod wire;

pub use keys::KeyError;
pub use router::{openapi, router, router_for_operators};
pub use state::{ApiConfig, ApiState, Connected, Shared, Travel, TravelError};
pub use tenants::{ServeError, ServedShard};
