//! The maximization step: item parameters that fit the expected counts best, each item by itself (Bock & Aitkin, 1981;
//! Fisher scoring as in Baker & Kim, 2004, ch. 6), or all with one discrimination.

use super::{Model, Priors, curve::Slope, expectation::Counts, linear::solve, quadrature::Quadrature};

const MOST_ROUNDS: usize = 25;
/// Newton's steps square their error, so after one this short the next would change nothing that matters. (With
/// guessing the steps are Fisher's, which do not; they are taken until one is a tenth of that.)
const SHORT: f64 = 1e-5;
/// Steps this short are taken without asking whether the likelihood grows.
const SAFE: f64 = 0.05;
/// No step moves a parameter further than this.
const LONGEST: f64 = 1.0;
const MOST_HALVINGS: usize = 12;

/// The items of greatest expected likelihood, times prior.
pub(super) fn step(
    model: Model,
    priors: &Priors,
    items: &[Slope],
    counts: &Counts,
    quadrature: &Quadrature,
) -> Vec<Slope> {
    match model {
        Model::OnePl => one_slope(priors, items, counts, quadrature),
        Model::TwoPl | Model::ThreePl => {
            let free = if model == Model::TwoPl { 2 } else { 3 };
            let of_item = |(item, start): (usize, &Slope)| {
                let answered: Vec<_> = counts.answered(item).take(quadrature.count).collect();
                let right = counts.right(item);
                one_item(&Evidence { priors, free, answered: &answered, right, nodes: &quadrature.nodes }, *start)
            };
            items.iter().enumerate().map(of_item).collect()
        }
    }
}

/// What is known of one item: its expected counts, and its priors.
struct Evidence<'a> {
    priors: &'a Priors,
    /// How many parameters are free: the slope and the intercept, or guessing as well.
    free: usize,
    answered: &'a [f64],
    right: &'a [f64],
    nodes: &'a [f64],
}

/// Gradient and information of one item's expected log-likelihood in (a, d, g).
struct Local {
    gradient: [f64; 3],
    information: [[f64; 3]; 3],
}

fn one_item(evidence: &Evidence<'_>, start: Slope) -> Slope {
    let short = if evidence.free == 3 { 0.1 * SHORT } else { SHORT };
    let mut at = start;
    for _ in 0..MOST_ROUNDS {
        let local = evidence.local(at);
        let Some(step) = solve(local.information, local.gradient, evidence.free) else { break };
        let longest = step.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
        let Some(scale) = evidence.scale(at, step, longest) else { break };
        at = moved(at, step, scale);
        if scale * longest < short {
            break;
        }
    }
    at
}

fn moved(from: Slope, step: [f64; 3], scale: f64) -> Slope {
    Slope { a: from.a + scale * step[0], d: from.d + scale * step[1], g: from.g + scale * step[2] }
}

impl Evidence<'_> {
    /// By how much of a step the likelihood grows; `None` where none was found.
    fn scale(&self, from: Slope, step: [f64; 3], longest: f64) -> Option<f64> {
        if longest < SAFE {
            return Some(1.0);
        }
        let before = self.value(from);
        let mut scale = (LONGEST / longest).min(1.0);
        for _ in 0..MOST_HALVINGS {
            if self.value(moved(from, step, scale)) >= before {
                return Some(scale);
            }
            scale *= 0.5;
        }
        None
    }

    /// The expected log-likelihood, with that of the priors.
    fn value(&self, item: Slope) -> f64 {
        let guessing = item.guessing();
        let mut value = self.priors.at(item, self.free == 3).log_density;
        for ((answered, right), theta) in self.answered.iter().zip(self.right).zip(self.nodes) {
            let at = item.at(guessing, *theta);
            value += right * at.log_p + (answered - right) * at.log_q;
        }
        value
    }

    fn local(&self, item: Slope) -> Local {
        let guessing = item.guessing();
        let mut local = Local { gradient: [0.0; 3], information: [[0.0; 3]; 3] };
        for ((answered, right), theta) in self.answered.iter().zip(self.right).zip(self.nodes) {
            let (logistic, rest) = item.logistic(*theta);
            let p = (guessing + (1.0 - guessing) * logistic).max(f64::MIN_POSITIVE);
            // (r − n P) / (P Q) ∂P and n ∂P ∂P / (P Q), with ∂P/∂z = (1 − c) L (1 − L) and Q = (1 − c) (1 − L).
            let residual = right - answered * p;
            let (by_z, by_g) = (logistic / p * residual, guessing / p * residual);
            local.gradient[0] += by_z * theta;
            local.gradient[1] += by_z;
            local.gradient[2] += by_g;
            let n = answered * (1.0 - guessing) * rest / p;
            let zz = n * logistic * logistic;
            local.information[0][0] += zz * theta * theta;
            local.information[1][0] += zz * theta;
            local.information[1][1] += zz;
            let zg = n * logistic * guessing;
            local.information[2][0] += zg * theta;
            local.information[2][1] += zg;
            local.information[2][2] += n * guessing * guessing;
        }
        add_priors(self.priors, item, self.free, &mut local);
        for row in 0..3 {
            for column in 0..row {
                local.information[column][row] = local.information[row][column];
            }
        }
        local
    }
}

fn add_priors(priors: &Priors, item: Slope, free: usize, local: &mut Local) {
    let prior = priors.at(item, free == 3);
    for row in 0..3 {
        local.gradient[row] += prior.gradient[row];
        for column in 0..=row {
            local.information[row][column] += prior.information[row][column];
        }
    }
}

/// Newton's method for one slope and all intercepts. The Hessian is an arrow, so the intercepts are eliminated.
fn one_slope(priors: &Priors, items: &[Slope], counts: &Counts, quadrature: &Quadrature) -> Vec<Slope> {
    let mut items = items.to_vec();
    let answered: Vec<Vec<f64>> =
        (0..items.len()).map(|item| counts.answered(item).take(quadrature.count).collect()).collect();
    for _ in 0..MOST_ROUNDS {
        let (mut gradient, mut information) = (0.0, 0.0);
        let mut eliminated = Vec::with_capacity(items.len());
        for ((at, item), answered) in items.iter().enumerate().zip(&answered) {
            // The slope is one parameter: its prior counts once.
            let priors = if at == 0 { *priors } else { Priors { log_a: None, ..*priors } };
            let (right, nodes) = (counts.right(at), &quadrature.nodes[..]);
            let local = Evidence { priors: &priors, free: 2, answered, right, nodes }.local(*item);
            let (arrow, own) = (local.information[0][1], local.information[1][1]);
            gradient += local.gradient[0] - arrow / own * local.gradient[1];
            information += local.information[0][0] - arrow / own * arrow;
            eliminated.push((local.gradient[1], arrow, own));
        }
        let slope = (gradient / information).clamp(-LONGEST, LONGEST);
        let mut longest = slope.abs();
        for (item, (gradient, arrow, own)) in items.iter_mut().zip(eliminated) {
            let step = ((gradient - arrow * slope) / own).clamp(-LONGEST, LONGEST);
            item.a += slope;
            item.d += step;
            longest = longest.max(step.abs());
        }
        if longest.is_nan() || longest < SHORT {
            break;
        }
    }
    items
}
