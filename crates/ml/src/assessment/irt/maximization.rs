//! The maximization step: item parameters that fit the expected counts best, each item by itself (Bock & Aitkin, 1981;
//! Fisher scoring as in Baker & Kim, 2004, ch. 6), or all with one discrimination.

use super::{Model, Priors, curve::Slope, expectation::Counts, linear::solve, quadrature::Quadrature};

const MOST_ROUNDS: usize = 25;
/// Newton's steps square their error, so after one this short the next would change nothing that matters.
const SHORT: f64 = 1e-6;
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
                one_item(priors, *start, free, &answered, counts.right(item), &quadrature.nodes)
            };
            items.iter().enumerate().map(of_item).collect()
        }
    }
}

/// Gradient and information of one item's expected log-likelihood in (a, d, g), and that likelihood.
struct Local {
    gradient: [f64; 3],
    information: [[f64; 3]; 3],
    value: f64,
}

fn one_item(priors: &Priors, start: Slope, free: usize, answered: &[f64], right: &[f64], nodes: &[f64]) -> Slope {
    let mut at = start;
    let mut local = local(priors, at, free, answered, right, nodes);
    for _ in 0..MOST_ROUNDS {
        let Some(step) = solve(local.information, local.gradient, free) else { break };
        let longest = step.iter().fold(0.0_f64, |longest, part| longest.max(part.abs()));
        let mut scale = if longest > LONGEST { LONGEST / longest } else { 1.0 };
        let mut better = None;
        for _ in 0..MOST_HALVINGS {
            let next = Slope { a: at.a + scale * step[0], d: at.d + scale * step[1], g: at.g + scale * step[2] };
            let there = self::local(priors, next, free, answered, right, nodes);
            // Next to the summit rounding alone may tell the two apart.
            if there.value >= local.value - 1e-12 * local.value.abs() {
                better = Some((next, there));
                break;
            }
            scale *= 0.5;
        }
        let Some((next, there)) = better else { break };
        (at, local) = (next, there);
        if scale * longest < SHORT {
            break;
        }
    }
    at
}

fn local(priors: &Priors, item: Slope, free: usize, answered: &[f64], right: &[f64], nodes: &[f64]) -> Local {
    let guessing = item.guessing();
    let mut local = Local { gradient: [0.0; 3], information: [[0.0; 3]; 3], value: 0.0 };
    for ((answered, right), theta) in answered.iter().zip(right).zip(nodes) {
        if *answered <= 0.0 {
            continue;
        }
        let at = item.at(guessing, *theta);
        local.value += right * at.log_p + (answered - right) * at.log_q;
        let p = (guessing + (1.0 - guessing) * at.logistic).max(f64::MIN_POSITIVE);
        // (r − n P) / (P Q) ∂P and n ∂P ∂P / (P Q), with ∂P/∂z = (1 − c) L (1 − L) and Q = (1 − c) (1 − L).
        let residual = right - answered * p;
        let by_z = at.logistic / p;
        let by_g = guessing / p;
        let n = answered * (1.0 - guessing) * at.rest / p;
        let (u, v) = (by_z * residual, by_g * residual);
        local.gradient[0] += u * theta;
        local.gradient[1] += u;
        local.gradient[2] += v;
        let zz = n * at.logistic * at.logistic;
        local.information[0][0] += zz * theta * theta;
        local.information[1][0] += zz * theta;
        local.information[1][1] += zz;
        if free == 3 {
            let zg = n * at.logistic * guessing;
            local.information[2][0] += zg * theta;
            local.information[2][1] += zg;
            local.information[2][2] += n * guessing * guessing;
        }
    }
    add_priors(priors, item, free, &mut local);
    for row in 0..3 {
        for column in 0..row {
            local.information[column][row] = local.information[row][column];
        }
    }
    local
}

fn add_priors(priors: &Priors, item: Slope, free: usize, local: &mut Local) {
    let prior = priors.at(item, free == 3);
    local.value += prior.log_density;
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
            let local = local(&priors, *item, 2, answered, counts.right(at), &quadrature.nodes);
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
