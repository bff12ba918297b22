//! What waits to be appended, and what of it may go together.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use super::{AppendError, Job};

/// Streams and commands by their hashes: where two share one, one of them only waits.
pub(super) type Keys = HashSet<u64>;

/// The streams that were appended to, and the sequences that they came to.
pub(super) type Streams = Vec<(&'static str, String, i64)>;

/// The batches that are being committed.
#[derive(Default)]
pub(super) struct Flights {
    next: u64,
    open: Vec<(u64, Keys, usize)>,
}

impl Flights {
    /// Enters a batch of so many jobs.
    pub(super) fn enter(&mut self, keys: Keys, width: usize) -> u64 {
        self.next += 1;
        self.open.push((self.next, keys, width));
        self.next
    }

    /// A batch has ended; gives its width.
    pub(super) fn leave(&mut self, flight: u64) -> usize {
        let place = self.open.iter().position(|(open, ..)| *open == flight);
        place.map_or(0, |place| self.open.swap_remove(place).2)
    }

    fn hold(&self, key: u64) -> bool {
        self.open.iter().any(|(_, keys, _)| keys.contains(&key))
    }

    fn width(&self) -> usize {
        self.open.iter().map(|(.., width)| *width).max().unwrap_or(0)
    }
}

/// Jobs in the order in which they came.
pub(super) struct Waiting {
    jobs: VecDeque<Job>,
    limit: usize,
    hasher: RandomState,
}

impl Waiting {
    pub(super) fn new(limit: usize) -> Self {
        Self { jobs: VecDeque::new(), limit: limit.max(1), hasher: RandomState::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.jobs.len() < self.limit
    }

    pub(super) fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Whether a batch should leave now.
    pub(super) fn is_due(&self, flights: &Flights) -> bool {
        !self.jobs.is_empty() && self.jobs.len() >= flights.width().min(self.limit)
    }

    /// Takes a batch out, in which no two jobs touch the same stream or command, nor one that is being committed: of
    /// such, the later ones wait.
    pub(super) fn take(&mut self, flights: &Flights) -> (Vec<Job>, Keys) {
        let mut keys = Keys::new();
        let mut batch = vec![];
        let mut rest = VecDeque::new();
        while let Some(job) = self.jobs.pop_front() {
            let (stream, command) = (self.stream(&job), self.command(&job));
            let mut of_job = [stream, command].into_iter().flatten();
            if of_job.any(|key| keys.contains(&key) || flights.hold(key)) {
                rest.push_back(job);
            } else {
                keys.extend(stream);
                keys.extend(command);
                batch.push(job);
            }
        }
        self.jobs = rest;
        (batch, keys)
    }

    /// Answers the jobs that were decided on less than what was just appended to their streams: the database would refuse
    /// them.
    pub(super) fn moved_on(&mut self, streams: &Streams) {
        if self.jobs.is_empty() {
            return;
        }
        let streams: HashMap<_, _> =
            streams.iter().map(|(kind, id, reached)| ((*kind, id.as_str()), *reached)).collect();
        for _ in 0..self.jobs.len() {
            let Some(job) = self.jobs.pop_front() else { break };
            let stream = (job.stream.aggregate_type, job.stream.aggregate_id.as_str());
            if !job.stream.events.is_empty() && streams.get(&stream).is_some_and(|reached| job.stream.before < *reached)
            {
                job.answer(Err(AppendError::Conflict));
            } else {
                self.jobs.push_back(job);
            }
        }
    }

    fn stream(&self, job: &Job) -> Option<u64> {
        let stream = &job.stream;
        (!stream.events.is_empty()).then(|| self.hasher.hash_one((stream.aggregate_type, &stream.aggregate_id)))
    }

    fn command(&self, job: &Job) -> Option<u64> {
        job.receipt.as_ref().map(|receipt| self.hasher.hash_one((&receipt.tenant, receipt.command_id)))
    }
}
