//! What is believed of item parameters before any answer.

use super::{Model, curve::Slope};

/// Priors on item parameters; `None` is none. With priors the estimates are modes of the posterior (Mislevy, 1986).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Priors {
    /// Mean and standard deviation of the natural logarithm of *a* (normal). It forbids negative discriminations.
    pub log_a: Option<(f64, f64)>,
    /// Mean and standard deviation of *b* (normal).
    pub b: Option<(f64, f64)>,
    /// α and β of a beta distribution of *c*.
    pub c: Option<(f64, f64)>,
}

impl Priors {
    /// The priors that a model needs: none without guessing. With it, *c* ~ Beta(5, 17), whose mode is 0.2, and
    /// log *a* ~ N(0, 0.5), as BILOG has them for items of five choices (Zimowski et al., 2003), and *b* ~ N(0, 2):
    /// where nearly everybody is right, nothing in the answers tells guessing from ease.
    pub fn usual(model: Model) -> Self {
        match model {
            Model::OnePl | Model::TwoPl => Self::default(),
            Model::ThreePl => Self { log_a: Some((0.0, 0.5)), b: Some((0.0, 2.0)), c: Some((5.0, 17.0)) },
        }
    }

    /// Log-density, gradient and curvature in (a, d, g).
    pub(super) fn at(&self, item: Slope, guesses: bool) -> AtPrior {
        let mut at = AtPrior { log_density: 0.0, gradient: [0.0; 3], information: [[0.0; 3]; 3] };
        if let Some((mean, sd)) = self.log_a {
            if item.a <= 0.0 {
                at.log_density = f64::NEG_INFINITY;
                return at;
            }
            let (z, precision) = (libm::log(item.a) - mean, 1.0 / (sd * sd));
            at.log_density -= 0.5 * z * z * precision;
            at.gradient[0] -= z * precision / item.a;
            at.information[0][0] += precision / (item.a * item.a);
        }
        if let Some((mean, sd)) = self.b {
            let (b, precision) = (-item.d / item.a, 1.0 / (sd * sd));
            let slope = [-b / item.a, -1.0 / item.a];
            at.log_density -= 0.5 * (b - mean) * (b - mean) * precision;
            for row in 0..2 {
                at.gradient[row] -= (b - mean) * precision * slope[row];
                for column in 0..=row {
                    at.information[row][column] += precision * slope[row] * slope[column];
                }
            }
        }
        if let Some((alpha, beta)) = self.c.filter(|_| guesses) {
            let c = item.guessing();
            at.log_density += (alpha - 1.0) * libm::log(c) + (beta - 1.0) * libm::log1p(-c);
            at.gradient[2] += (alpha - 1.0) * (1.0 - c) - (beta - 1.0) * c;
            at.information[2][2] += (alpha + beta - 2.0) * c * (1.0 - c);
        }
        at
    }

    /// The log-density of all items.
    pub(super) fn log_density(&self, model: Model, items: &[Slope]) -> f64 {
        let of_item = |(at, item): (usize, &Slope)| {
            // One slope for all items is one parameter.
            let once = if at > 0 && model == Model::OnePl { Self { log_a: None, ..*self } } else { *self };
            once.at(*item, model == Model::ThreePl).log_density
        };
        items.iter().enumerate().map(of_item).sum()
    }
}

/// A prior at a point.
pub(super) struct AtPrior {
    pub(super) log_density: f64,
    pub(super) gradient: [f64; 3],
    /// Lower triangle.
    pub(super) information: [[f64; 3]; 3],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_the_slopes_of_the_density() {
        let priors = Priors { log_a: Some((0.1, 0.4)), b: Some((0.2, 1.5)), c: Some((5.0, 17.0)) };
        let item = Slope { a: 1.3, d: -0.7, g: -1.2 };
        let h = 1e-6;
        let density =
            |a: f64, d: f64, g: f64| priors.at(Slope { a: 1.3 + a, d: -0.7 + d, g: -1.2 + g }, true).log_density;
        let slopes = [
            (density(h, 0.0, 0.0) - density(-h, 0.0, 0.0)) / (2.0 * h),
            (density(0.0, h, 0.0) - density(0.0, -h, 0.0)) / (2.0 * h),
            (density(0.0, 0.0, h) - density(0.0, 0.0, -h)) / (2.0 * h),
        ];
        for (exact, slope) in priors.at(item, true).gradient.iter().zip(slopes) {
            assert!((exact - slope).abs() < 1e-7, "{exact} {slope}");
        }
    }
}
