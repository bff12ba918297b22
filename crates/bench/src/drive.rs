//! Clients that call as fast as they are answered, and what was measured of them.

use std::time::{Duration, Instant};

use futures::future::{BoxFuture, try_join_all};

use crate::Failure;

/// One client: it calls, waits for the answer, and calls again.
pub(crate) trait Client: Send {
    /// One call, as it is repeated and measured.
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>>;
}

/// How long clients call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Calls before this are not counted.
    pub(crate) warm_up: Duration,
    /// Calls that end within this time thereafter are.
    pub(crate) measured: Duration,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// The latency of every counted call.
    pub(crate) latencies: Vec<Duration>,
    /// The time in which they ended.
    pub(crate) took: Duration,
}

impl Measured {
    /// Adds another round of the same.
    pub(crate) fn extend(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.took += other.took;
    }

    /// Adds what another process measured at the same time.
    pub(crate) fn beside(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.took = self.took.max(other.took);
    }
}

/// Lets the clients call, all at once, for the time of `window`.
pub(crate) async fn drive(clients: Vec<Box<dyn Client>>, window: Window) -> Result<Measured, Failure> {
    let from = Instant::now() + window.warm_up;
    let until = from + window.measured;
    let tasks = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let mut latencies = vec![];
            loop {
                let asked = Instant::now();
                if asked >= until {
                    return Ok::<_, Failure>(latencies);
                }
                client.call().await?;
                let answered = Instant::now();
                if answered >= from && answered < until {
                    latencies.push(answered - asked);
                }
            }
        })
    });
    let mut measured = Measured { latencies: vec![], took: window.measured };
    for latencies in try_join_all(tasks).await? {
        measured.latencies.extend(latencies?);
    }
    Ok(measured)
}
