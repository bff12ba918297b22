//! Binding the addresses of the HTTP server.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

use tokio::net::TcpListener;

/// Why the address cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Another process listens there.
    #[error("{0} {1} is taken by another process: choose another address")]
    Taken(&'static str, SocketAddr),
    /// Ports below 1024 are kept for the system.
    #[error("{0} {1} is not allowed to this user: choose a port from 1024 on")]
    Forbidden(&'static str, SocketAddr),
    /// No interface has this address.
    #[error("{0} {1} is no address of this machine: choose one of its own, 127.0.0.1 or 0.0.0.0")]
    Foreign(&'static str, SocketAddr),
    /// Anything else.
    #[error("{0} {1} cannot be listened on: {2}")]
    Other(&'static str, SocketAddr, io::Error),
}

/// Takes the address that the variable `name` gives.
///
/// # Errors
/// When it is taken, not allowed, or not of this machine.
pub(crate) async fn bind(name: &'static str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => ListenError::Taken(name, address),
        ErrorKind::PermissionDenied => ListenError::Forbidden(name, address),
        ErrorKind::AddrNotAvailable => ListenError::Foreign(name, address),
        _ => ListenError::Other(name, address, error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_taken_or_foreign_is_told_so() {
        let first = bind("BAEUM_LISTEN", SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let address = first.local_addr().expect("an address");
        let error = bind("BAEUM_LISTEN", address).await.expect_err("taken").to_string();
        assert_eq!(error, format!("BAEUM_LISTEN {address} is taken by another process: choose another address"));
        let error = bind("BAEUM_LISTEN", SocketAddr::from(([192, 0, 2, 1], 8080))).await.expect_err("foreign");
        assert!(matches!(error, ListenError::Foreign(..)), "{error}");
    }
}
