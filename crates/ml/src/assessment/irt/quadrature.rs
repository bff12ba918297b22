//! The fixed nodes over which abilities are integrated.

/// The lowest and the highest node are this far from the mean.
const REACH: f64 = 6.0;
const FEWEST_NODES: usize = 61;
/// Items of which the posterior is as wide as the nodes of the shortest rule can bear.
const ITEMS_OF_FEWEST_NODES: f64 = 200.0;
/// Rows of nodes are a multiple of this long, so that loops over them need no remainder.
pub(super) const LANES: usize = 4;

/// Equally spaced nodes with the weights of a standard normal: for a smooth integrand that vanishes at both ends the
/// trapezoidal rule is accurate beyond any power of the spacing (Trefethen & Weideman, 2014), as long as posteriors are
/// no narrower than about half the spacing. Their width falls with the root of the number of items, so the number of
/// nodes grows with it beyond 200 items.
#[derive(Clone, Debug)]
pub(super) struct Quadrature {
    /// Nodes, padded to a multiple of [`LANES`] by zeros.
    pub(super) nodes: Vec<f64>,
    /// Logarithms of the weights; −∞ for padding.
    pub(super) log_weights: Vec<f64>,
    /// How many nodes there are without the padding.
    pub(super) count: usize,
}

impl Quadrature {
    pub(super) fn for_items(items: usize) -> Self {
        let wanted = FEWEST_NODES as f64 * libm::sqrt(items as f64 / ITEMS_OF_FEWEST_NODES);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let half = (wanted.max(FEWEST_NODES as f64) / 2.0) as usize;
        let count = 2 * half + 1;
        let stride = count.next_multiple_of(LANES);
        let (mut nodes, mut log_weights) = (vec![0.0; stride], vec![f64::NEG_INFINITY; stride]);
        for at in 0..count {
            let theta = REACH * (at as f64 - half as f64) / half as f64;
            (nodes[at], log_weights[at]) = (theta, -0.5 * theta * theta);
        }
        let total = libm::log(log_weights.iter().map(|weight| libm::exp(*weight)).sum());
        for weight in &mut log_weights {
            *weight -= total;
        }
        Self { nodes, log_weights, count }
    }

    /// Length of a row of nodes with its padding.
    pub(super) fn stride(&self) -> usize {
        self.nodes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_has_the_moments_of_a_standard_normal() {
        for items in [5, 200, 1_000] {
            let rule = Quadrature::for_items(items);
            assert!(rule.stride().is_multiple_of(LANES) && rule.count % 2 == 1);
            for (power, exact) in [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
                let of_node = |(node, weight): (&f64, &f64)| node.powi(power) * weight.exp();
                let moment: f64 = rule.nodes.iter().zip(&rule.log_weights).map(of_node).sum();
                assert!((moment - exact).abs() < 1e-5, "moment {power}: {moment}");
            }
        }
    }

    #[test]
    fn longer_tests_have_finer_nodes() {
        let counts = [20, 200, 800].map(|items| Quadrature::for_items(items).count);
        assert_eq!(counts, [61, 61, 123]);
    }
}
