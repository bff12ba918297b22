//! Work that threads share.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

/// Threads take pieces of work as they come; each piece has a place of its own to write to.
pub(in crate::assessment) fn shared<T: Send, R>(
    threads: usize,
    pieces: impl ExactSizeIterator<Item = T> + Send,
    room: impl Fn() -> R + Sync,
    work: impl Fn(T, &mut R) + Sync,
) {
    let others = threads.min(pieces.len()).saturating_sub(1);
    let queue = Mutex::new(pieces);
    let run = || {
        let mut room = room();
        loop {
            // Nothing panics while it holds the queue.
            let taken = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = taken else { break };
            work(piece, &mut room);
        }
    };
    thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(run);
        }
        run();
    });
}
