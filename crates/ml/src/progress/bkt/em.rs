//! Fitting: expectation–maximisation over the answers of many learners (Baum et al., 1970; for knowledge tracing Pardos
//! & Heffernan, 2010), with the most likely parameters under Beta priors.
//!
//! - The priors are worth a few answers each, around what the caller says (the parameters of all skills taken together,
//!   say), so that a skill of few answers is not fitted to their noise.
//! - Guessing and slipping of a skill stay below one half: beyond, the fit is degenerate, and to have a skill would
//!   mean to fail (Baker, Corbett & Aleven, 2008). An item's may go further, as far as who has the skill is still no
//!   less often right than who has it not.
//! - It starts from one point, so there is nothing random.

use baeum_domain::progress::knowledge_tracing::{MOST_CHANCE, UNFITTED};

use super::Parameters;

/// An answer to one of the items of a skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The place of the item, below the number of items.
    pub item: usize,
    /// Whether it was right.
    pub right: bool,
}

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Around what the priors are, and where the search starts.
    pub prior: Parameters,
    /// How many observations the priors are worth.
    pub prior_weight: f64,
    /// Whether skills can be forgotten.
    pub forgetting: bool,
    /// How many answers of an item the skill's guess and slip are worth to it; `None` where items do not differ.
    pub item_weight: Option<f64>,
    /// Steps at most.
    pub most_steps: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { prior: UNFITTED, prior_weight: 10.0, forgetting: true, item_weight: None, most_steps: 200 }
    }
}

/// What was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The skill.
    pub skill: Parameters,
    /// Guess and slip of each item; empty where items do not differ.
    pub items: Vec<(f64, f64)>,
    /// The logarithm of the likelihood of the answers at the last step but one.
    pub log_likelihood: f64,
    /// Steps taken.
    pub steps: usize,
    /// Whether the last step moved no parameter of the skill by 10⁻⁵.
    pub converged: bool,
}

const STILL: f64 = 1e-5;
/// Highest guess and slip of a skill.
const HIGHEST: f64 = MOST_CHANCE;
/// How near to 0 and 1 a probability may come.
const MARGIN: f64 = 1e-3;

/// Fits a skill to sequences of answers, one a learner, to `items` different items.
pub fn fit(sequences: &[Vec<Answer>], items: usize, options: &Options) -> Fit {
    let mut skill = options.prior;
    if !options.forgetting {
        skill.forget = 0.0;
    }
    let mut emissions = vec![(skill.guess, skill.slip); items];
    let mut fit = Fit { skill, items: vec![], log_likelihood: f64::NEG_INFINITY, steps: 0, converged: false };
    let mut work = Work::default();
    while fit.steps < options.most_steps && !fit.converged {
        let mut counts = Counts { items: vec![ItemCounts::default(); items], ..Counts::default() };
        for sequence in sequences {
            work.expect(sequence, skill, &emissions, &mut counts);
        }
        let next = counts.skill(options);
        fit.converged = distance(next, skill) < STILL;
        skill = next;
        emissions = match options.item_weight {
            Some(weight) => counts.items.iter().map(|item| item.emission(skill, weight)).collect(),
            None => vec![(skill.guess, skill.slip); items],
        };
        fit.log_likelihood = counts.log_likelihood;
        fit.steps += 1;
    }
    fit.skill = skill;
    if options.item_weight.is_some() {
        fit.items = emissions;
    }
    fit
}

fn distance(one: Parameters, other: Parameters) -> f64 {
    let of = |it: Parameters| [it.initial, it.learn, it.forget, it.guess, it.slip];
    of(one).iter().zip(of(other)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// How often a thing happened of how many times it could, both expected.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    happened: f64,
    of: f64,
}

impl Share {
    fn add(&mut self, happened: f64, of: f64) {
        self.happened += happened;
        self.of += of;
    }

    /// The mode under a Beta prior that is worth `weight` observations with mean `prior`.
    fn mode(self, prior: f64, weight: f64) -> f64 {
        (self.happened + prior * weight) / (self.of + weight)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct ItemCounts {
    guess: Share,
    slip: Share,
}

impl ItemCounts {
    fn emission(self, skill: Parameters, weight: f64) -> (f64, f64) {
        let bounded = |probability: f64| probability.clamp(MARGIN, 1.0 - MARGIN);
        let (guess, slip) =
            (bounded(self.guess.mode(skill.guess, weight)), bounded(self.slip.mode(skill.slip, weight)));
        if guess + slip <= 1.0 {
            return (guess, slip);
        }
        // Who has the skill would do worse: the item does not tell them apart.
        let right = 0.5 * (guess + 1.0 - slip);
        (right, 1.0 - right)
    }
}

/// What one pass over the answers expects.
#[derive(Debug, Default)]
struct Counts {
    initial: Share,
    learn: Share,
    forget: Share,
    items: Vec<ItemCounts>,
    log_likelihood: f64,
}

impl Counts {
    fn skill(&self, options: &Options) -> Parameters {
        let (mut guess, mut slip) = (Share::default(), Share::default());
        for item in &self.items {
            guess.add(item.guess.happened, item.guess.of);
            slip.add(item.slip.happened, item.slip.of);
        }
        let (prior, weight) = (options.prior, options.prior_weight);
        let mode = |share: Share, prior: f64, most: f64| share.mode(prior, weight).clamp(MARGIN, most);
        Parameters {
            initial: mode(self.initial, prior.initial, 1.0 - MARGIN),
            learn: mode(self.learn, prior.learn, 1.0 - MARGIN),
            forget: if options.forgetting { mode(self.forget, prior.forget, HIGHEST) } else { 0.0 },
            guess: mode(guess, prior.guess, HIGHEST),
            slip: mode(slip, prior.slip, HIGHEST),
        }
    }
}

/// The forward and backward passes over one sequence (Rabiner, 1989, with his scaling). State 1 is to have the skill.
#[derive(Default)]
struct Work {
    forward: Vec<[f64; 2]>,
    scale: Vec<f64>,
}

impl Work {
    fn expect(&mut self, answers: &[Answer], skill: Parameters, emissions: &[(f64, f64)], counts: &mut Counts) {
        let Some(last) = answers.len().checked_sub(1) else { return };
        let emission = |answer: Answer| {
            let (guess, slip) = emissions[answer.item];
            if answer.right { [guess, 1.0 - slip] } else { [1.0 - guess, slip] }
        };
        self.forward.clear();
        self.scale.clear();
        let mut ahead = skill.initial;
        for answer in answers {
            let likely = emission(*answer);
            let joint = [(1.0 - ahead) * likely[0], ahead * likely[1]];
            let scale = (joint[0] + joint[1]).max(f64::MIN_POSITIVE);
            let here = joint.map(|weight| weight / scale);
            counts.log_likelihood += libm::log(scale);
            ahead = skill.next(here[1]);
            self.forward.push(here);
            self.scale.push(scale);
        }
        let moves = [[1.0 - skill.learn, skill.learn], [skill.forget, 1.0 - skill.forget]];
        let mut backward = [1.0, 1.0];
        for at in (0..=last).rev() {
            let here = [self.forward[at][0] * backward[0], self.forward[at][1] * backward[1]];
            let (item, right) = (&mut counts.items[answers[at].item], f64::from(u8::from(answers[at].right)));
            item.guess.add(here[0] * right, here[0]);
            item.slip.add(here[1] * (1.0 - right), here[1]);
            let Some(before) = at.checked_sub(1) else {
                counts.initial.add(here[1], 1.0);
                return;
            };
            let likely = emission(answers[at]);
            let onward = [0, 1].map(|to: usize| likely[to] * backward[to] / self.scale[at]);
            let from = self.forward[before];
            let (learned, forgot) = (from[0] * moves[0][1] * onward[1], from[1] * moves[1][0] * onward[0]);
            counts.learn.add(learned, learned + from[0] * moves[0][0] * onward[0]);
            counts.forget.add(forgot, forgot + from[1] * moves[1][1] * onward[1]);
            backward = [0, 1].map(|state: usize| moves[state][0] * onward[0] + moves[state][1] * onward[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessment::random::Rng;

    const TRUTH: Parameters = Parameters { initial: 0.3, learn: 0.15, forget: 0.03, guess: 0.2, slip: 0.1 };

    /// Answers of simulated learners to items whose guesses and slips are given.
    fn simulate(learners: usize, length: usize, items: &[(f64, f64)], seed: u64) -> Vec<Vec<Answer>> {
        let mut rng = Rng(seed);
        let learner = |_| {
            let mut known = rng.uniform() < TRUTH.initial;
            let answer = |_| {
                let item = usize::try_from(rng.bits() % items.len() as u64).expect("below the number of items");
                let (guess, slip) = items[item];
                let right = rng.uniform() < if known { 1.0 - slip } else { guess };
                let change = rng.uniform();
                known = if known { change >= TRUTH.forget } else { change < TRUTH.learn };
                Answer { item, right }
            };
            (0..length).map(answer).collect()
        };
        (0..learners).map(learner).collect()
    }

    #[test]
    fn the_parameters_of_simulated_learners_are_found_again() {
        let sequences = simulate(4_000, 20, &[(TRUTH.guess, TRUTH.slip)], 1);
        let found = fit(&sequences, 1, &Options::default());
        assert!(found.converged && found.items.is_empty(), "{found:?}");
        assert!(distance(found.skill, TRUTH) < 0.02, "{found:?}");
    }

    #[test]
    fn items_of_their_own_are_found_again() {
        let truth = [(0.1, 0.3), (0.2, 0.1), (0.4, 0.05)];
        let sequences = simulate(4_000, 20, &truth, 2);
        let found = fit(&sequences, 3, &Options { item_weight: Some(10.0), ..Options::default() });
        for (found, truth) in found.items.iter().zip(truth) {
            assert!((found.0 - truth.0).abs() < 0.03 && (found.1 - truth.1).abs() < 0.03, "{found:?} for {truth:?}");
        }
    }

    #[test]
    fn a_longer_search_is_never_less_likely() {
        let sequences = simulate(300, 12, &[(TRUTH.guess, TRUTH.slip)], 3);
        let after = |most_steps| {
            fit(&sequences, 1, &Options { most_steps, prior_weight: 0.0, ..Options::default() }).log_likelihood
        };
        let likelihoods: Vec<_> = (1..20).map(after).collect();
        assert!(likelihoods.windows(2).all(|two| two[1] >= two[0] - 1e-9), "{likelihoods:?}");
    }

    #[test]
    fn the_likelihood_is_the_sum_over_all_histories() {
        let answers: Vec<_> = [true, false, false, true].map(|right| Answer { item: 0, right }).into();
        let mut total = 0.0;
        for history in 0..16_u32 {
            let known = |at: usize| history >> at & 1 == 1;
            let mut weight = if known(0) { TRUTH.initial } else { 1.0 - TRUTH.initial };
            for (at, answer) in answers.iter().enumerate() {
                let right = if known(at) { 1.0 - TRUTH.slip } else { TRUTH.guess };
                weight *= if answer.right { right } else { 1.0 - right };
                if at > 0 {
                    let had = if known(at - 1) { 1.0 - TRUTH.forget } else { TRUTH.learn };
                    weight *= if known(at) { had } else { 1.0 - had };
                }
            }
            total += weight;
        }
        let options = Options { prior: TRUTH, most_steps: 1, ..Options::default() };
        let found = fit(&[answers], 1, &options).log_likelihood;
        assert!((found - f64::ln(total)).abs() < 1e-12, "{found} is not {}", f64::ln(total));
    }

    #[test]
    fn nothing_degenerate_is_fitted_to_strange_answers() {
        // Everybody is wrong once and then right, or the other way: to have the skill must not come to mean to fail.
        for first in [true, false] {
            let one: Vec<_> = (0..10).map(|at| Answer { item: 0, right: first != (at > 0) }).collect();
            let found = fit(&vec![one; 50], 1, &Options { prior_weight: 0.0, ..Options::default() }).skill;
            assert!(found.guess <= HIGHEST && found.slip <= HIGHEST, "{found:?}");
            assert!([found.initial, found.learn, found.forget].iter().all(|it| (0.0..=1.0).contains(it)), "{found:?}");
        }
    }

    #[test]
    fn without_answers_the_prior_stands() {
        let options = Options::default();
        assert!(distance(fit(&[], 1, &options).skill, options.prior) < 1e-12);
        assert!(distance(fit(&[vec![]], 1, &options).skill, options.prior) < 1e-12);
    }
}
