//! How good predictions of right and wrong are.

/// How well probabilities foretold what came.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quality {
    /// How many were foretold.
    pub answers: usize,
    /// The area under the ROC curve: how likely a right answer was foretold with a higher probability than a wrong one.
    pub auc: f64,
    /// Mean negative logarithm of the probability of what came, in nats.
    pub log_loss: f64,
    /// Root of the mean squared difference.
    pub rmse: f64,
}

impl Quality {
    /// Of pairs of a probability and what came; `None` where all that came was the same.
    pub fn of(foretold: &[(f64, bool)]) -> Option<Self> {
        let auc = auc(foretold)?;
        let mut sums = (0.0, 0.0);
        for (probability, right) in foretold {
            let of_this = if *right { *probability } else { 1.0 - probability };
            sums.0 -= libm::log(of_this.max(1e-9));
            sums.1 += (1.0 - of_this) * (1.0 - of_this);
        }
        let count = count(foretold.len());
        let quality = Self { answers: foretold.len(), auc, log_loss: sums.0 / count, rmse: libm::sqrt(sums.1 / count) };
        Some(quality)
    }
}

/// The area under the ROC curve by ranks; ties count half (Mann & Whitney, 1947). `None` where all that came was the
/// same.
pub fn auc(foretold: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = foretold.to_vec();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut wrong_below, mut won) = (0.0, 0.0);
    for tied in sorted.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let right = count(tied.iter().filter(|(_, right)| *right).count());
        let wrong = count(tied.len()) - right;
        won += right * (wrong_below + 0.5 * wrong);
        wrong_below += wrong;
    }
    let right = count(sorted.len()) - wrong_below;
    (right > 0.0 && wrong_below > 0.0).then(|| won / (right * wrong_below))
}

/// A count as a float.
#[allow(clippy::cast_precision_loss, reason = "counts of answers are far below 2^53")]
fn count(of: usize) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order_and_ties_half() {
        assert_eq!(auc(&[(0.1, false), (0.4, true), (0.35, false), (0.8, true)]), Some(1.0));
        assert_eq!(auc(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), Some(0.75));
        assert_eq!(auc(&[(0.5, false), (0.5, true)]), Some(0.5));
        assert_eq!(auc(&[(0.5, true)]), None);
    }

    #[test]
    fn sure_and_right_is_better_than_unsure() {
        let unsure = Quality::of(&[(0.5, true), (0.5, false)]).expect("both came");
        let sure = Quality::of(&[(0.9, true), (0.1, false)]).expect("both came");
        assert!((unsure.log_loss - std::f64::consts::LN_2).abs() < 1e-12 && (unsure.rmse - 0.5).abs() < 1e-12);
        assert!(sure.log_loss < unsure.log_loss && (sure.rmse - 0.1).abs() < 1e-12);
    }
}
