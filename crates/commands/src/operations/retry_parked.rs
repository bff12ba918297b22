//! Having a parked stream tried again.

use baeum_domain::{
    identity::user::Role,
    operations::parked_stream::{Command, ParkedStream},
};
use baeum_eventlog::{CommandContext, EventLog, ExecuteError, Loaded, Outcome};

use super::{Error, Parked, StreamOf};
use crate::{Commands, Request};

impl Commands {
    /// Has a parked stream tried again. `find` says where it stands. Only administrators may.
    ///
    /// # Errors
    /// A caller who may not, a stream that is not parked, or a failing log.
    pub async fn retry_parked<F>(
        &self,
        request: &Request,
        stream: StreamOf<'_>,
        find: impl Fn() -> F + Send + Sync,
    ) -> Result<Outcome<()>, ExecuteError<Error>>
    where
        F: Future<Output = Result<Option<Parked>, sqlx::Error>> + Send,
    {
        if !request.caller.has_any(&[Role::Admin]) {
            return Err(ExecuteError::Refused(Error::NotAnAdmin));
        }
        retry_parked(&self.log, &request.context(self.clock()), stream, find).await
    }
}

/// The same for whoever has the database at hand.
///
/// # Errors
/// A stream that is not parked, or a failing log.
pub async fn retry_parked<F>(
    log: &EventLog,
    context: &CommandContext,
    stream: StreamOf<'_>,
    find: impl Fn() -> F + Send + Sync,
) -> Result<Outcome<()>, ExecuteError<Error>>
where
    F: Future<Output = Result<Option<Parked>, sqlx::Error>> + Send,
{
    let prepare = |_: Loaded<ParkedStream>| {
        let found = find();
        async move {
            let Parked { position, attempts } = stream.parked(found.await)?;
            let (projection, key) = (stream.projection.to_owned(), stream.key.to_owned());
            Ok(Command::Retry { projection, key, position, attempts })
        }
    };
    log.execute::<ParkedStream, _, Error, _>(context, &stream.id(), prepare, |_, _| ()).await
}
