//! What operators do about read models.

pub mod advance_clock;
mod error;
pub mod retry_parked;
pub mod skip_parked;

pub use error::Error;

/// Where a parked stream stands, as its read model says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Position of the event that cannot be taken in.
    pub position: i64,
    /// How often it was tried.
    pub attempts: u32,
}

/// A stream of a read model.
#[derive(Clone, Copy, Debug)]
pub struct StreamOf<'a> {
    /// The read model.
    pub projection: &'a str,
    /// The key under which it keeps the events of the stream in order.
    pub key: &'a str,
}

impl StreamOf<'_> {
    fn id(self) -> String {
        baeum_domain::operations::parked_stream::id_of(self.projection, self.key).to_string()
    }

    fn parked(self, found: Result<Option<Parked>, sqlx::Error>) -> Result<Parked, Error> {
        found?.ok_or_else(|| Error::NotParked { projection: self.projection.to_owned(), key: self.key.to_owned() })
    }
}
