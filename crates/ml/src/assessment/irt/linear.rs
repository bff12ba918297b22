//! Symmetric positive definite systems.

/// The Cholesky factor of a symmetric matrix of `size` rows (lower triangle, row by row), in its place. `None` where
/// the matrix is not positive definite.
fn cholesky(matrix: &mut [f64], size: usize) -> Option<()> {
    for row in 0..size {
        let (above, from) = matrix.split_at_mut(row * size);
        let current = &mut from[..size];
        for column in 0..row {
            let factor = &above[column * size..column * size + column];
            let sum = dot(&current[..column], factor);
            current[column] = (current[column] - sum) / above[column * size + column];
        }
        let pivot = current[row] - dot(&current[..row], &current[..row]);
        if pivot.is_nan() || pivot <= f64::EPSILON * current[row].abs() {
            return None;
        }
        current[row] = libm::sqrt(pivot);
    }
    Some(())
}

/// The inverse of a symmetric positive definite matrix, by rows.
pub(crate) fn inverse(mut matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    cholesky(&mut matrix, size)?;
    // The inverse of the factor, transposed: row j holds column j, from its diagonal on.
    let mut root = vec![0.0; size * size];
    for column in 0..size {
        let row = &mut root[column * size..(column + 1) * size];
        row[column] = 1.0 / matrix[column * size + column];
        for at in column + 1..size {
            let sum = dot(&matrix[at * size + column..at * size + at], &row[column..at]);
            row[at] = -sum / matrix[at * size + at];
        }
    }
    let mut inverse = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let sum = dot(&root[row * size + row..(row + 1) * size], &root[column * size + row..(column + 1) * size]);
            inverse[row * size + column] = sum;
            inverse[column * size + row] = sum;
        }
    }
    Some(inverse)
}

/// Solves a 3 × 3 system of a symmetric positive definite matrix; unknowns that are not `free` come out as 0.
pub(super) fn solve(matrix: [[f64; 3]; 3], right: [f64; 3], free: usize) -> Option<[f64; 3]> {
    let mut lower = [0.0; 9];
    for row in 0..free {
        for column in 0..free {
            lower[row * free + column] = matrix[row][column];
        }
    }
    cholesky(&mut lower[..free * free], free)?;
    let mut x = [0.0; 3];
    for row in 0..free {
        let known: f64 = (0..row).map(|at| lower[row * free + at] * x[at]).sum();
        x[row] = (right[row] - known) / lower[row * free + row];
    }
    for row in (0..free).rev() {
        let known: f64 = (row + 1..free).map(|at| lower[at * free + row] * x[at]).sum();
        x[row] = (x[row] - known) / lower[row * free + row];
    }
    Some(x)
}

/// The sum of products, in four sums so that it is quick and in one order.
pub(crate) fn dot(left: &[f64], right: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (lefts, rights) = (left.chunks_exact(4), right.chunks_exact(4));
    let rest: f64 = lefts.remainder().iter().zip(rights.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in lefts.zip(rights) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let size = 9;
        let entry = |row: usize, column: usize| {
            let distance = f64::from(u32::try_from(row.abs_diff(column)).expect("small"));
            libm::exp(-0.5 * distance) + if row == column { 0.5 } else { 0.0 }
        };
        let matrix: Vec<_> = (0..size * size).map(|at| entry(at / size, at % size)).collect();
        let inverse = inverse(matrix.clone(), size).expect("positive definite");
        for row in 0..size {
            for column in 0..size {
                let product: f64 = (0..size).map(|at| matrix[row * size + at] * inverse[at * size + column]).sum();
                assert!((product - f64::from(u8::from(row == column))).abs() < 1e-12, "{row}, {column}");
            }
        }
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        assert_eq!(inverse(vec![1.0, 2.0, 2.0, 4.0], 2), None);
        assert_eq!(solve([[0.0; 3]; 3], [1.0; 3], 2), None);
    }

    #[test]
    fn small_systems_are_solved_in_the_free_unknowns_only() {
        let matrix = [[4.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 0.0]];
        let x = solve(matrix, [1.0, 2.0, 7.0], 2).expect("positive definite");
        assert!((4.0 * x[0] + x[1] - 1.0).abs() < 1e-14 && (x[0] + 3.0 * x[1] - 2.0).abs() < 1e-14 && x[2] == 0.0);
    }
}
