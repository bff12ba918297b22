//! Acceleration of a slowly converging fixed-point iteration: SQUAREM with the third step length (Varadhan & Roland,
//! 2008), held to an objective that must not fall.

/// How an iteration ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) at: Vec<f64>,
    /// How often the map was applied.
    pub(super) applied: u32,
    pub(super) converged: bool,
}

/// When an iteration ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// It has converged when a plain step moves no coordinate further than this.
    pub(super) tolerance: f64,
    /// It gives up after applying the map this often.
    pub(super) most: u32,
}

/// Step lengths are kept within a bound that grows where it was reached and shrinks where it led too far.
const BOUND_FACTOR: f64 = 4.0;

/// Iterates `map` from `start`. `map` gives the next point, and the objective at the point that it was *given*; where
/// that is not a number, the point is not allowed.
pub(super) fn iterate(start: Vec<f64>, limits: Limits, mut map: impl FnMut(&[f64]) -> (Vec<f64>, f64)) -> Outcome {
    let mut applied = 1;
    let mut first = start;
    let mut bound = BOUND_FACTOR;
    let (mut second, _) = map(&first);
    loop {
        if furthest(&first, &second) < limits.tolerance {
            return Outcome { at: second, applied, converged: true };
        }
        if applied >= limits.most {
            return Outcome { at: second, applied, converged: false };
        }
        let (third, objective) = map(&second);
        applied += 1;
        if furthest(&second, &third) < limits.tolerance {
            return Outcome { at: third, applied, converged: true };
        }
        let length = step_length(&first, &second, &third);
        if length > bound {
            bound *= BOUND_FACTOR;
        }
        let length = length.clamp(1.0, bound);
        let leap = extrapolate(&first, &second, &third, length);
        applied += 1;
        let (after, there) = map(&leap);
        if there >= objective && after.iter().all(|it| it.is_finite()) {
            (first, second) = (leap, after);
        } else {
            bound = (bound / BOUND_FACTOR).max(1.0);
            applied += 1;
            let (after, _) = map(&third);
            (first, second) = (third, after);
        }
    }
}

/// ‖r‖ / ‖v‖, with r the first step and v its change.
fn step_length(first: &[f64], second: &[f64], third: &[f64]) -> f64 {
    let (mut r, mut v) = (0.0, 0.0);
    for ((first, second), third) in first.iter().zip(second).zip(third) {
        let step = second - first;
        let change = third - second - step;
        r += step * step;
        v += change * change;
    }
    if v > 0.0 { libm::sqrt(r / v) } else { 1.0 }
}

/// At length 1 this is `third`.
fn extrapolate(first: &[f64], second: &[f64], third: &[f64], length: f64) -> Vec<f64> {
    let of_coordinate = |((first, second), third): ((&f64, &f64), &f64)| {
        let step = second - first;
        first + 2.0 * length * step + length * length * (third - second - step)
    };
    first.iter().zip(second).zip(third).map(of_coordinate).collect()
}

pub(super) fn furthest(from: &[f64], to: &[f64]) -> f64 {
    from.iter().zip(to).map(|(from, to)| (from - to).abs()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tolerance: 1e-10, most: 10_000 };

    /// A linear map with the fixed point (1, −2) and the rates 0.99 and 0.3.
    fn slow(at: &[f64]) -> (Vec<f64>, f64) {
        let next = vec![1.0 + 0.99 * (at[0] - 1.0), -2.0 + 0.3 * (at[1] + 2.0)];
        (next, -(at[0] - 1.0).powi(2) - (at[1] + 2.0).powi(2))
    }

    #[test]
    fn the_fixed_point_is_found_in_a_fraction_of_the_plain_steps() {
        let outcome = iterate(vec![5.0, 5.0], LIMITS, slow);
        assert!(outcome.converged && outcome.applied < 60, "{outcome:?}");
        assert!((outcome.at[0] - 1.0).abs() < 1e-6 && (outcome.at[1] + 2.0).abs() < 1e-6, "{outcome:?}");
    }

    #[test]
    fn a_leap_that_lowers_the_objective_is_taken_back() {
        let walled = |at: &[f64]| {
            let (next, objective) = slow(at);
            (next, if at[0] < 0.9 { f64::NAN } else { objective })
        };
        let outcome = iterate(vec![5.0, 5.0], LIMITS, walled);
        assert!(outcome.converged && (outcome.at[0] - 1.0).abs() < 1e-6, "{outcome:?}");
    }

    #[test]
    fn an_iteration_that_does_not_end_says_so() {
        let outcome = iterate(vec![0.0], Limits { tolerance: 1e-3, most: 50 }, |at| (vec![at[0] + 1.0], at[0]));
        assert!(!outcome.converged && outcome.applied >= 50);
    }
}
