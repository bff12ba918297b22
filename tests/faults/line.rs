//! A line to a server that can be cut: in the middle of a request, between request and answer, or with the answer in it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Where in an exchange the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the request arrives.
    Request,
    /// Right after the request has arrived.
    Between,
    /// When the answer is on its way.
    Answer,
}

/// So many exchanges are cut whose request has at least so many bytes.
struct Armed {
    cut: Cut,
    left: u32,
    min_bytes: usize,
}

type Shared = Arc<(Mutex<Option<Armed>>, AtomicU64)>;

/// A line to one server.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    shared: Shared,
    accepting: JoinHandle<()>,
}

impl Line {
    /// A line to a server of this machine.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        assert!(server.ip().is_loopback(), "faults are for servers of this machine only");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Shared::default();
        let accepting = tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    let shared = shared.clone();
                    tokio::spawn(async move {
                        if let Ok(far) = TcpStream::connect(server).await {
                            carry(near, far, &shared).await;
                        }
                    });
                }
            }
        });
        Self { address, shared, accepting }
    }

    /// Cuts the next `times` exchanges whose requests have at least `min_bytes`.
    pub(crate) fn arm(&self, cut: Cut, times: u32, min_bytes: usize) {
        *lock(&self.shared) = Some(Armed { cut, left: times, min_bytes });
    }

    /// Cuts no more.
    pub(crate) fn disarm(&self) {
        *lock(&self.shared) = None;
    }

    /// How many exchanges were cut so far.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.1.load(Ordering::Relaxed)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Armed>> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How an exchange with a request of so many bytes is to be cut.
fn how(shared: &Shared, bytes: usize) -> Option<Cut> {
    let mut armed = lock(shared);
    let plan = armed.as_mut().filter(|it| it.left > 0 && bytes >= it.min_bytes)?;
    plan.left -= 1;
    shared.1.fetch_add(1, Ordering::Relaxed);
    Some(plan.cut)
}

/// Carries bytes both ways until either side ends or the line is cut, which drops both connections.
async fn carry(mut near: TcpStream, mut far: TcpStream, shared: &Shared) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut swallow = false;
    loop {
        tokio::select! {
            read = near.read(&mut request) => {
                let Ok(bytes @ 1..) = read else { return };
                let cut = how(shared, bytes);
                if cut == Some(Cut::Request) || far.write_all(&request[..bytes]).await.is_err() {
                    return;
                }
                match cut {
                    Some(Cut::Between) => return,
                    Some(_) => swallow = true,
                    None => {}
                }
            }
            read = far.read(&mut answer) => {
                let Ok(bytes @ 1..) = read else { return };
                if swallow || near.write_all(&answer[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}
