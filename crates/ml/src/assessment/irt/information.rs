//! Standard errors from the empirical information: the sum over persons of the outer product of their scores, which are
//! the gradients of their marginal log-likelihoods (Berndt, Hall, Hall & Hausman, 1974; for EM: Meilijson, 1989).
//!
//! - The whole matrix is inverted, so that the errors allow for what items have in common, such as the mean of this
//!   sample of abilities. The inverse of a noisy matrix is too large on average by n / (n − p − 1) for n persons and p
//!   parameters (Kaufman, 1967), and is scaled back.
//! - Where persons do not outnumber parameters twice, or the matrix would be larger than [`LARGEST`], each item's own
//!   block is inverted; these errors are a little too small.
//! - Beyond [`MOST_WORK`] products, only every second, third, … pattern is taken.
//!
//! Scores are f32: standard errors need three figures, not fifteen.

use super::{
    Model, Options,
    curve::Slope,
    linear::inverse,
    posterior::{BLOCK, Tables, normalize},
    quadrature::Quadrature,
    responses::{GROUP, Patterns},
    threads::shared,
};

const LARGEST: usize = 2_000;
const MOST_WORK: usize = 20_000_000_000;
/// Parameters that share a tile.
const TILE: usize = 8;
/// Blocks of patterns whose scores are held at once.
const BATCH: usize = 32;

/// Standard errors of (a, b, c) of every item; infinite where nothing is known.
pub(super) fn standard_errors(
    options: &Options,
    patterns: &Patterns,
    quadrature: &Quadrature,
    items: &[Slope],
) -> Vec<[f64; 3]> {
    let parameters = options.model.parameters(items.len());
    let work = patterns.len().saturating_mul(parameters * parameters / 2);
    let stride = work.div_ceil(MOST_WORK).max(1);
    let taken: Vec<usize> = (0..patterns.len()).step_by(stride).collect();
    let weight =
        |patterns_taken: &[usize]| patterns_taken.iter().map(|it| f64::from(patterns.weights[*it])).sum::<f64>();
    let n = weight(&taken);
    let scale = patterns.of_person.len() as f64 / n;
    let whole = parameters <= LARGEST && n > 2.0 * parameters as f64;

    let scores = Scores::new(options.model, quadrature, items);
    let mut information = scores.products(patterns, quadrature, items, &taken, whole, options.threads);
    let width = scores.width;
    for value in &mut information {
        *value *= scale;
    }
    for (at, item) in items.iter().enumerate() {
        // The one slope of all items has its prior once.
        let priors = if at > 0 && options.model == Model::OnePl {
            super::Priors { log_a: None, ..options.priors }
        } else {
            options.priors
        };
        let prior = priors.at(*item, options.model == Model::ThreePl);
        let of_item = of_item(options.model, at);
        for (row, to) in of_item.iter().enumerate() {
            for (column, from) in of_item.iter().enumerate().take(row + 1) {
                let (low, high) = (*to.min(from), *to.max(from));
                information[high * width + low] += prior.information[row][column];
            }
        }
    }
    let covariance = whole.then(|| square(&information, width, parameters)).and_then(|it| inverse(it, parameters));
    let correction = if covariance.is_some() { (n - parameters as f64 - 1.0) / n } else { 1.0 };
    let of_items = items.iter().enumerate().map(|(at, item)| {
        let of_item = of_item(options.model, at);
        let block = |matrix: &[f64], width: usize| {
            let entry = |row: &usize, column: &usize| matrix[row.max(column) * width + row.min(column)];
            of_item.iter().flat_map(|row| of_item.iter().map(|column| entry(row, column)).collect::<Vec<_>>()).collect()
        };
        let own = match &covariance {
            Some(covariance) => Some(block(covariance, parameters)),
            None => inverse(block(&information, width), of_item.len()),
        };
        own.map_or([f64::INFINITY; 3], |own: Vec<f64>| errors(options.model, *item, &own, correction))
    });
    of_items.collect()
}

/// Which parameters an item has.
fn of_item(model: Model, item: usize) -> Vec<usize> {
    match model {
        Model::OnePl => vec![0, 1 + item],
        Model::TwoPl => vec![2 * item, 2 * item + 1],
        Model::ThreePl => vec![3 * item, 3 * item + 1, 3 * item + 2],
    }
}

/// From the covariance of (a, d, g) to the errors of (a, b, c), by the delta method.
fn errors(model: Model, item: Slope, covariance: &[f64], correction: f64) -> [f64; 3] {
    let size = if model == Model::ThreePl { 3 } else { 2 };
    let at = |row: usize, column: usize| covariance[row * size + column] * correction;
    let (by_a, by_d) = (item.d / (item.a * item.a), -1.0 / item.a);
    let b = by_a * by_a * at(0, 0) + 2.0 * by_a * by_d * at(0, 1) + by_d * by_d * at(1, 1);
    let c = item.guessing();
    let se_c = if size == 3 { c * (1.0 - c) * libm::sqrt(at(2, 2)) } else { 0.0 };
    [libm::sqrt(at(0, 0)), libm::sqrt(b.max(0.0)), se_c]
}

fn square(information: &[f64], width: usize, size: usize) -> Vec<f64> {
    let entry = |at: usize| {
        let (row, column) = (at / size, at % size);
        information[row.max(column) * width + row.min(column)]
    };
    (0..size * size).map(entry).collect()
}

/// Scores of one answer at each node, for all parameters of all items.
struct Scores {
    model: Model,
    items: usize,
    /// Parameters with padding.
    width: usize,
    /// (a, d) or (a, d, g) of all items with padding.
    local: usize,
    /// For each node, the scores of a wrong answer.
    wrong: Vec<f32>,
    /// What a right answer has more.
    lift: Vec<f32>,
}

impl Scores {
    fn new(model: Model, quadrature: &Quadrature, items: &[Slope]) -> Self {
        let each = each(model);
        let local = (each * items.len()).next_multiple_of(TILE);
        let (mut wrong, mut lift) = (vec![0.0; quadrature.count * local], vec![0.0; quadrature.count * local]);
        for (item, slope) in items.iter().enumerate() {
            let c = slope.guessing();
            for (node, theta) in quadrature.nodes.iter().take(quadrature.count).enumerate() {
                let at = slope.at(c, *theta);
                let p = (c + (1.0 - c) * at.logistic).max(f64::MIN_POSITIVE);
                let by_z = ((1.0 - c) * at.logistic * at.rest / p, -at.logistic);
                let by_g = (c * (1.0 - c) * at.rest / p, -c);
                let first = node * local + item * each;
                for (to, (right, wrong_score)) in
                    [(by_z.0 * theta, by_z.1 * theta), by_z, by_g].into_iter().take(each).enumerate()
                {
                    wrong[first + to] = narrow(wrong_score);
                    lift[first + to] = narrow(right - wrong_score);
                }
            }
        }
        let width = model.parameters(items.len()).next_multiple_of(TILE);
        Self { model, items: items.len(), width, local, wrong, lift }
    }

    /// The lower triangle of the sum of outer products; without `whole` only near the diagonal.
    fn products(
        &self,
        patterns: &Patterns,
        quadrature: &Quadrature,
        items: &[Slope],
        taken: &[usize],
        whole: bool,
        threads: usize,
    ) -> Vec<f64> {
        let mut tables = Tables::default();
        tables.fill(items, quadrature, patterns);
        let panel = self.width * BLOCK;
        let mut sums = vec![0.0; self.width * self.width];
        let mut panels = vec![0.0; BATCH * panel];
        for batch in taken.chunks(BATCH * BLOCK) {
            // Rows of a block that is not full must not keep what an earlier batch left there.
            panels.fill(0.0);
            let blocks = batch.chunks(BLOCK).zip(panels.chunks_exact_mut(panel));
            shared(
                threads,
                blocks,
                || vec![0.0; quadrature.stride() + 2 * self.local],
                |(patterns_of_block, panel), room| {
                    for (row, pattern) in patterns_of_block.iter().enumerate() {
                        self.score(&tables, patterns, quadrature, *pattern, room, row, panel);
                    }
                },
            );
            let used = batch.len().div_ceil(BLOCK) * panel;
            let panels = &panels[..used];
            let strips = sums.chunks_exact_mut(TILE * self.width).enumerate();
            shared(
                threads,
                strips,
                || (),
                |(tile, strip), ()| {
                    let first = if whole { 0 } else { tile.saturating_sub(1) };
                    for column in first..=tile {
                        let mut product = [[0.0_f32; TILE]; TILE];
                        for block in panels.chunks_exact(panel) {
                            let rows = &block[tile * TILE * BLOCK..(tile + 1) * TILE * BLOCK];
                            let columns = &block[column * TILE * BLOCK..(column + 1) * TILE * BLOCK];
                            for (upper, product) in product.chunks_exact_mut(TILE / 2).enumerate() {
                                multiply(rows, columns, upper * (TILE / 2), product);
                            }
                        }
                        for (row, product) in product.iter().enumerate() {
                            let to = &mut strip[row * self.width + column * TILE..][..TILE];
                            for (sum, product) in to.iter_mut().zip(product) {
                                *sum += f64::from(*product);
                            }
                        }
                    }
                },
            );
        }
        sums
    }

    /// Writes the score of a pattern, times the root of its weight, into its row of a panel.
    #[allow(clippy::too_many_arguments, reason = "one place calls it, and all of them differ in kind")]
    fn score(
        &self,
        tables: &Tables,
        patterns: &Patterns,
        quadrature: &Quadrature,
        pattern: usize,
        room: &mut [f32],
        row: usize,
        panel: &mut [f32],
    ) {
        let stride = quadrature.stride();
        let mut weights = vec![0.0; stride];
        tables.log_joint(quadrature, patterns, pattern..pattern + 1, &mut weights);
        let window = normalize(&mut weights).window;
        room.fill(0.0);
        let (wrong, lift) = room[stride..].split_at_mut(self.local);
        for (node, weight) in weights.iter().enumerate().take(quadrature.count).skip(window.start).take(window.len()) {
            let weight = narrow(*weight);
            let range = node * self.local..(node + 1) * self.local;
            for (sum, score) in wrong.iter_mut().zip(&self.wrong[range.clone()]) {
                *sum += weight * score;
            }
            for (sum, score) in lift.iter_mut().zip(&self.lift[range]) {
                *sum += weight * score;
            }
        }
        let root = narrow(libm::sqrt(f64::from(patterns.weights[pattern])));
        let (right, missing) = patterns.row(pattern);
        let each = each(self.model);
        let mut write = |parameter: usize, score: f32| {
            panel[(parameter / TILE * BLOCK + row) * TILE + parameter % TILE] += root * score;
        };
        for item in 0..self.items {
            let (byte, bit) = (item / GROUP, 1 << (item % GROUP));
            if missing[byte] & bit != 0 {
                continue;
            }
            let is_right = if right[byte] & bit == 0 { 0.0 } else { 1.0 };
            for local in 0..each {
                let score = wrong[item * each + local] + is_right * lift[item * each + local];
                let parameter = match (self.model, local) {
                    (Model::OnePl, 0) => 0,
                    (Model::OnePl, _) => 1 + item,
                    _ => item * each + local,
                };
                write(parameter, score);
            }
        }
    }
}

/// Parameters of an item in the tables of scores.
fn each(model: Model) -> usize {
    if model == Model::ThreePl { 3 } else { 2 }
}

/// Adds the products of half a tile of rows with a tile of columns, over the patterns of a block.
fn multiply(rows: &[f32], columns: &[f32], first: usize, product: &mut [[f32; TILE]]) {
    let mut sums = [[0.0_f32; TILE]; TILE / 2];
    for (row, column) in rows.chunks_exact(TILE).zip(columns.chunks_exact(TILE)) {
        for (sums, factor) in sums.iter_mut().zip(&row[first..first + TILE / 2]) {
            for (sum, column) in sums.iter_mut().zip(column) {
                *sum += factor * column;
            }
        }
    }
    for (to, sums) in product.iter_mut().zip(sums) {
        for (to, sum) in to.iter_mut().zip(sums) {
            *to += sum;
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "see the module")]
fn narrow(value: f64) -> f32 {
    value as f32
}
