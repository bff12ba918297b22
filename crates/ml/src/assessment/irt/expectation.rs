//! The expectation step: how many persons of each ability are expected at each node, and how many of them answered
//! each item rightly (Bock & Aitkin, 1981).
//!
//! The counts are sums of posteriors over all persons. Posteriors are rounded to whole multiples of a small unit first,
//! so that their sums are sums of integers: these are the same in every order, and threads can take rows as they come.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use super::{
    curve::Slope,
    posterior::{BLOCK, Tables, normalize},
    quadrature::Quadrature,
    responses::{GROUP, Patterns},
};

const BYTES: usize = 256;
/// Posteriors are at most 2⁴⁴ units: few enough for sums over 262,144 persons, and for [`ROUNDER`].
const MOST_BITS: u32 = 44;
/// Added to a number below 2⁵², it leaves the number's nearest integer in the lower bits.
const ROUNDER: f64 = 4_503_599_627_370_496.0;
/// Tables of all threads together take no more memory than this, so that very wide matrices are summed by fewer threads.
const MOST_BYTES: usize = 2 << 30;
/// Blocks that a thread takes at once.
const BLOCKS: usize = 8;

/// Expected counts, a row of nodes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Persons.
    pub(super) total: Vec<f64>,
    /// For each item, those who answered it rightly.
    pub(super) right: Vec<f64>,
    /// For each item, those who did not answer it. Empty where nothing is missing.
    missing: Vec<f64>,
    /// Log-likelihood of the parameters from which all this was expected.
    pub(super) log_likelihood: f64,
}

/// What stays the same over all steps.
pub(super) struct Expectation<'a> {
    pub(super) patterns: &'a Patterns,
    pub(super) quadrature: Quadrature,
    tables: Tables,
    log_marginals: Vec<f64>,
    workers: Vec<Worker>,
    unit: f64,
    counts: Counts,
}

/// The sums of one thread, in units.
struct Worker {
    rows: Vec<f64>,
    units: Vec<u64>,
    total: Vec<u64>,
    /// For each group and byte of right answers, the posteriors of those rows.
    right: Vec<u64>,
    missing: Vec<u64>,
    /// The same for each item.
    right_of_item: Vec<u64>,
    missing_of_item: Vec<u64>,
}

impl<'a> Expectation<'a> {
    pub(super) fn new(patterns: &'a Patterns, threads: usize) -> Self {
        let quadrature = Quadrature::for_items(patterns.items);
        let (stride, blocks) = (quadrature.stride(), patterns.len().div_ceil(BLOCK * BLOCKS));
        let table = patterns.groups * BYTES * stride;
        let of_items = patterns.groups * GROUP * stride;
        let if_missing = |length| if patterns.any_missing { length } else { 0 };
        let worker = || Worker {
            rows: vec![0.0; BLOCK * stride],
            units: vec![0; stride],
            total: vec![0; stride],
            right: vec![0; table],
            missing: vec![0; if_missing(table)],
            right_of_item: vec![0; of_items],
            missing_of_item: vec![0; if_missing(of_items)],
        };
        let persons = u64::try_from(patterns.of_person.len()).expect("a count");
        let bytes = 8 * if_missing(table) + 8 * table;
        let threads = threads.min(MOST_BYTES / bytes.max(1)).clamp(1, blocks.max(1));
        let bits = MOST_BITS.min(persons.leading_zeros().saturating_sub(2));
        Self {
            tables: Tables::default(),
            log_marginals: vec![0.0; patterns.len()],
            workers: (0..threads).map(|_| worker()).collect(),
            unit: libm::exp2(-f64::from(bits)),
            counts: Counts::default(),
            patterns,
            quadrature,
        }
    }

    /// Expects the counts from these items.
    pub(super) fn step(&mut self, items: &[Slope]) -> &Counts {
        let Self { patterns, quadrature, tables, log_marginals, workers, unit, counts } = self;
        tables.fill(items, quadrature, patterns);
        let (tables, quadrature, patterns) = (&*tables, &*quadrature, *patterns);
        let per_unit = 1.0 / *unit;
        let queue = Mutex::new(log_marginals.chunks_mut(BLOCK * BLOCKS).enumerate());
        let work = |worker: &mut Worker| {
            worker.clear();
            loop {
                // Nothing panics while it holds the queue.
                let taken = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((at, log_marginals)) = taken else { break };
                for (block, log_marginals) in log_marginals.chunks_mut(BLOCK).enumerate() {
                    let first = at * BLOCK * BLOCKS + block * BLOCK;
                    worker.add(tables, quadrature, patterns, first, log_marginals, per_unit);
                }
            }
            worker.collapse(patterns, quadrature.stride());
        };
        let (own, others) = workers.split_first_mut().expect("at least one");
        thread::scope(|scope| {
            for worker in others {
                scope.spawn(|| work(worker));
            }
            work(own);
        });
        counts.log_likelihood =
            self.log_marginals.iter().zip(&patterns.weights).map(|(log, weight)| log * f64::from(*weight)).sum();
        counts.total = in_persons(workers, *unit, |worker| &worker.total);
        counts.right = in_persons(workers, *unit, |worker| &worker.right_of_item);
        counts.missing = in_persons(workers, *unit, |worker| &worker.missing_of_item);
        &self.counts
    }
}

impl Counts {
    /// Those who answered the item, at each node.
    pub(super) fn answered(&self, item: usize) -> impl Iterator<Item = f64> {
        let stride = self.total.len();
        let missing = self.missing.get(item * stride..(item + 1) * stride).unwrap_or_default();
        let missing = missing.iter().copied().chain(std::iter::repeat(0.0));
        self.total.iter().zip(missing).map(|(total, missing)| total - missing)
    }

    /// Those who answered the item rightly, at each node.
    pub(super) fn right(&self, item: usize) -> &[f64] {
        let stride = self.total.len();
        &self.right[item * stride..(item + 1) * stride]
    }
}

impl Worker {
    fn clear(&mut self) {
        for sums in [&mut self.total, &mut self.right, &mut self.missing] {
            sums.fill(0);
        }
    }

    /// Adds the posteriors of the patterns from `first` on.
    fn add(
        &mut self,
        tables: &Tables,
        quadrature: &Quadrature,
        patterns: &Patterns,
        first: usize,
        log_marginals: &mut [f64],
        per_unit: f64,
    ) {
        let stride = quadrature.stride();
        let range = first..first + log_marginals.len();
        tables.log_joint(quadrature, patterns, range.clone(), &mut self.rows);
        for ((row, pattern), log_marginal) in self.rows.chunks_exact_mut(stride).zip(range).zip(log_marginals) {
            let posterior = normalize(row);
            *log_marginal = posterior.log_marginal;
            let window = posterior.window;
            let units = &mut self.units[window.clone()];
            for (unit, weight) in units.iter_mut().zip(&row[window.clone()]) {
                *unit = (weight * per_unit + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits());
            }
            let persons = patterns.weights[pattern];
            if persons != 1 {
                for unit in &mut *units {
                    *unit *= u64::from(persons);
                }
            }
            let units = &*units;
            add(&mut self.total[window.clone()], units);
            let (right, missing) = patterns.row(pattern);
            for (group, byte) in right.iter().enumerate() {
                // The rows without a right answer would go into no item's count.
                if *byte != 0 {
                    let at = (group * BYTES + usize::from(*byte)) * stride;
                    add(&mut self.right[at + window.start..at + window.end], units);
                }
            }
            if patterns.any_missing {
                for (group, byte) in missing.iter().enumerate() {
                    if *byte != 0 {
                        let at = (group * BYTES + usize::from(*byte)) * stride;
                        add(&mut self.missing[at + window.start..at + window.end], units);
                    }
                }
            }
        }
    }

    /// From sums by byte to sums by item.
    fn collapse(&mut self, patterns: &Patterns, stride: usize) {
        collapse(&mut self.right, &mut self.right_of_item, stride);
        if patterns.any_missing {
            collapse(&mut self.missing, &mut self.missing_of_item, stride);
        }
    }
}

/// From sums by byte to sums by bit: the rows with the highest bit set are summed, then folded into those without it.
fn collapse(by_byte: &mut [u64], by_item: &mut [u64], stride: usize) {
    by_item.fill(0);
    for (table, items) in by_byte.chunks_exact_mut(BYTES * stride).zip(by_item.chunks_exact_mut(GROUP * stride)) {
        for (bit, item) in items.chunks_exact_mut(stride).enumerate().rev() {
            let (low, high) = table.split_at_mut(stride << bit);
            let high = &high[..stride << bit];
            for (low, high) in low.chunks_exact_mut(stride).zip(high.chunks_exact(stride)) {
                add(item, high);
                add(low, high);
            }
        }
    }
}

fn add(sums: &mut [u64], terms: &[u64]) {
    // Units are chosen so that sums over all persons stay below 2⁶². Wrapping addition is one instruction for two.
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum = sum.wrapping_add(*term);
    }
}

/// The sums over all workers, in persons.
fn in_persons(workers: &[Worker], unit: f64, sums: impl Fn(&Worker) -> &[u64]) -> Vec<f64> {
    let mut all = sums(&workers[0]).to_vec();
    for worker in &workers[1..] {
        add(&mut all, sums(worker));
    }
    all.into_iter().map(|units| units as f64 * unit).collect()
}
