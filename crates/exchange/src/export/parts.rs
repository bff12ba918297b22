//! The files of events that are being written: one a type and day, in bounded memory.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use baeum_domain::Recorded;
use baeum_eventlog::RawPayload;
use chrono::NaiveDate;
use tokio::runtime::Handle;

use super::{
    ExportError,
    encoder::{Encoder, Format},
    manifest::EventFile,
    table::EventTable,
    target::{Sink, Target},
};

/// How many files are written at once; the one that was longest without news is ended first.
const MOST_OPEN: usize = 96;
/// How much the files hold in memory together before groups of rows are ended early.
const BUDGET: usize = 256 * 1024 * 1024;
/// How large a file may grow; what follows goes into another.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// Type, day, and whether this build knows the version.
type Key = (String, NaiveDate, bool);
type Event = Recorded<RawPayload>;

/// The files that are being written, and those that are finished.
pub(super) struct Parts {
    target: Target,
    format: Format,
    runtime: Handle,
    threads: usize,
    tables: HashMap<(String, bool), Arc<EventTable>>,
    open: HashMap<Key, Part>,
    pub(super) finished: Vec<EventFile>,
    page: u64,
}

struct Part {
    table: Arc<EventTable>,
    encoder: Encoder,
    sink: Sink,
    file: EventFile,
    /// The page of its latest events.
    page: u64,
}

impl Parts {
    /// None yet. Of use within a runtime only, on a thread that may block.
    pub(super) fn new(target: Target, format: Format) -> Self {
        Self {
            target,
            format,
            runtime: Handle::current(),
            threads: thread::available_parallelism().map_or(1, usize::from).min(8),
            tables: HashMap::new(),
            open: HashMap::new(),
            finished: vec![],
            page: 0,
        }
    }

    /// Takes a page of events, in their order.
    pub(super) fn take(&mut self, events: &[Event]) -> Result<(), ExportError> {
        self.page += 1;
        let mut groups: BTreeMap<Key, Vec<&Event>> = BTreeMap::new();
        for event in events {
            let known = self.table(&event.event_type, true).knows(event.event_version);
            let key = (event.event_type.clone(), event.recorded_at.date_naive(), known);
            groups.entry(key).or_default().push(event);
        }
        let oldest = groups.keys().map(|(_, date, _)| *date).min();
        let mut work = vec![];
        for (key, events) in groups {
            let part = match self.open.remove(&key) {
                Some(part) => part,
                None => self.begin(&key, events[0].position)?,
            };
            work.push((key, part, events));
        }
        for (key, part) in self.encode(work)? {
            self.open.insert(key, part);
        }
        self.bound(oldest)
    }

    /// Ends every file.
    pub(super) fn finish(mut self) -> Result<Vec<EventFile>, ExportError> {
        for part in mem::take(&mut self.open).into_values() {
            self.end(part)?;
        }
        self.finished.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(self.finished)
    }

    fn table(&mut self, event_type: &str, known: bool) -> &Arc<EventTable> {
        let flat = self.format == Format::Csv;
        self.tables.entry((event_type.to_owned(), known)).or_insert_with(|| {
            Arc::new(if known { EventTable::of(event_type, flat) } else { EventTable::unknown(event_type) })
        })
    }

    fn begin(&mut self, (event_type, date, known): &Key, first: i64) -> Result<Part, ExportError> {
        let table = self.table(event_type, *known).clone();
        let path = format!("events/event_type={event_type}/date={date}/part-{first:016}.{}", self.format);
        let file =
            EventFile { path, event_type: event_type.clone(), date: *date, first, last: first, rows: 0, bytes: 0 };
        let sink = self.runtime.block_on(self.target.create(&file.path))?;
        Ok(Part { encoder: Encoder::new(self.format, table.schema.clone())?, table, sink, file, page: self.page })
    }

    /// Encodes groups of events beside each other.
    fn encode(&self, work: Vec<(Key, Part, Vec<&Event>)>) -> Result<Vec<(Key, Part)>, ExportError> {
        let (runtime, page) = (&self.runtime, self.page);
        let (work, done) = (Mutex::new(work), Mutex::new(Ok(vec![])));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    let _within = runtime.enter();
                    loop {
                        let next = work.lock().unwrap_or_else(PoisonError::into_inner).pop();
                        let Some((key, mut part, events)) = next else { break };
                        let encoded = part.add(&events, page);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        match (encoded, &mut *done) {
                            (Ok(()), Ok(parts)) => parts.push((key, part)),
                            (Err(error), known @ Ok(_)) => *known = Err(error),
                            (_, Err(_)) => break,
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps memory and the number of files within their bounds.
    fn bound(&mut self, oldest: Option<NaiveDate>) -> Result<(), ExportError> {
        let over = |(key, part): (&Key, &Part)| {
            let past = part.page < self.page && oldest.is_some_and(|oldest| key.1 < oldest);
            (past || part.file.bytes >= LARGEST).then(|| key.clone())
        };
        let mut ended: Vec<Key> = self.open.iter().filter_map(over).collect();
        let many = (self.open.len() - ended.len()).saturating_sub(MOST_OPEN);
        if many > 0 {
            let mut idle: Vec<_> = self.open.iter().filter(|(key, _)| !ended.contains(key)).collect();
            idle.sort_by_key(|(_, part)| part.page);
            let idle: Vec<Key> = idle.into_iter().take(many).map(|(key, _)| key.clone()).collect();
            ended.extend(idle);
        }
        for key in ended {
            if let Some(part) = self.open.remove(&key) {
                self.end(part)?;
            }
        }
        let mut held: usize = self.open.values().map(|part| part.encoder.held()).sum();
        while held > BUDGET {
            let Some(largest) = self.open.values_mut().max_by_key(|part| part.encoder.held()) else { break };
            let before = largest.encoder.held();
            largest.encoder.flush()?;
            let within = self.runtime.enter();
            largest.pass_on()?;
            drop(within);
            let after = largest.encoder.held();
            if after >= before {
                break;
            }
            held -= before - after;
        }
        for part in self.open.values_mut() {
            self.runtime.block_on(part.sink.wait())?;
        }
        Ok(())
    }

    fn end(&mut self, mut part: Part) -> Result<(), ExportError> {
        let bytes = part.encoder.finish()?;
        part.file.bytes += bytes.len() as u64;
        let sink = &mut part.sink;
        self.runtime.block_on(async { sink.write(&bytes) })?;
        self.runtime.block_on(part.sink.finish())?;
        self.finished.push(part.file);
        Ok(())
    }
}

impl Part {
    fn add(&mut self, events: &[&Event], page: u64) -> Result<(), ExportError> {
        let batch = self.table.batch(events).map_err(|error| ExportError::Event {
            from: events[0].position,
            to: events[events.len() - 1].position,
            problem: error.to_string(),
        })?;
        self.encoder.write(&batch)?;
        self.file.rows += events.len() as u64;
        self.file.last = events[events.len() - 1].position;
        self.page = page;
        self.pass_on()
    }

    fn pass_on(&mut self) -> Result<(), ExportError> {
        let bytes = self.encoder.take();
        self.file.bytes += bytes.len() as u64;
        self.sink.write(&bytes)
    }
}
