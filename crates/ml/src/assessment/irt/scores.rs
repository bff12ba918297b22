//! The scores of persons, and the sum of their outer products.
//!
//! The score of a person is the gradient of the marginal log-likelihood of their answers: the mean, over the posterior
//! of ability, of the gradient at a known ability (Louis, 1982). Scores are f32: what becomes of them needs three
//! figures, not fifteen.

use super::{
    Model,
    curve::Slope,
    posterior::{BLOCK, Tables, normalize},
    quadrature::Quadrature,
    responses::{GROUP, Patterns},
    threads::shared,
};

/// Parameters that share a tile.
const TILE: usize = 8;
/// Blocks of patterns whose scores are held at once.
const BATCH: usize = 32;

/// Scores of one answer at each node, for all parameters of all items.
pub(super) struct Scores {
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
    pub(super) fn new(model: Model, quadrature: &Quadrature, items: &[Slope]) -> Self {
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

    /// The sum of outer products over the `taken` patterns; without `whole` only near the diagonal.
    pub(super) fn products(
        &self,
        patterns: &Patterns,
        quadrature: &Quadrature,
        items: &[Slope],
        taken: &[usize],
        whole: bool,
        threads: usize,
    ) -> Products {
        let mut tables = Tables::default();
        tables.fill(items, quadrature, patterns);
        let panel = self.width * BLOCK;
        let mut products = Products::none(self.width, whole);
        let mut panels = vec![0.0; BATCH * panel];
        for batch in taken.chunks(BATCH * BLOCK) {
            // Rows of a block that is not full must not keep what an earlier batch left there.
            panels.fill(0.0);
            let blocks = batch.chunks(BLOCK).zip(panels.chunks_exact_mut(panel));
            shared(
                threads,
                blocks,
                || vec![0.0; 2 * self.local],
                |(patterns_of_block, panel), room| {
                    for (row, pattern) in patterns_of_block.iter().enumerate() {
                        self.score(&tables, patterns, quadrature, *pattern, room, row, panel);
                    }
                },
            );
            let used = batch.len().div_ceil(BLOCK) * panel;
            let panels = &panels[..used];
            let length = products.row_length;
            let strips = products.sums.chunks_exact_mut(TILE * length).enumerate();
            shared(
                threads,
                strips,
                || (),
                |(tile, strip), ()| {
                    let first = first_tile(whole, tile);
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
                            let to = &mut strip[row * length + (column - first) * TILE..][..TILE];
                            for (sum, product) in to.iter_mut().zip(product) {
                                *sum += f64::from(*product);
                            }
                        }
                    }
                },
            );
        }
        products
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
        let (wrong, lift) = room.split_at_mut(self.local);
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

/// A symmetric matrix, kept by the rows of its lower triangle: from the first column, or only the tile on the diagonal
/// and the one before it.
pub(super) struct Products {
    whole: bool,
    row_length: usize,
    sums: Vec<f64>,
}

impl Products {
    fn none(width: usize, whole: bool) -> Self {
        let row_length = if whole { width } else { 2 * TILE };
        Self { whole, row_length, sums: vec![0.0; width * row_length] }
    }

    fn place(&self, one: usize, other: usize) -> Option<usize> {
        let (row, column) = (one.max(other), one.min(other));
        let from = column.checked_sub(first_tile(self.whole, row / TILE) * TILE)?;
        Some(row * self.row_length + from)
    }

    /// Adds to an entry that is kept.
    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        if let Some(place) = self.place(row, column) {
            self.sums[place] += value;
        }
    }

    /// Multiplies all of it.
    pub(super) fn scale(&mut self, by: f64) {
        for sum in &mut self.sums {
            *sum *= by;
        }
    }

    /// The rows and columns of some parameters; 0 where an entry is not kept.
    pub(super) fn block(&self, parameters: &[usize]) -> Vec<f64> {
        let entry = |row: usize, column: usize| self.place(row, column).map_or(0.0, |place| self.sums[place]);
        parameters.iter().flat_map(|row| parameters.iter().map(move |column| entry(*row, *column))).collect()
    }
}

/// The first tile that is kept of a row of tiles.
fn first_tile(whole: bool, tile: usize) -> usize {
    if whole { 0 } else { tile.saturating_sub(1) }
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
