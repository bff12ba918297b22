//! Simulated learners sit the test: their abilities are known.

use baeum_domain::{
    assessment::{
        assessment::StoppingRule,
        testing::{Ability, BandProbability},
    },
    level::{Cefr, Skill},
};

use super::{Bank, BankItem, Rules, Sitting, report::bands};
use crate::assessment::{
    irt::{Curve, threads::shared},
    posterior::Prior,
    random::{Rng, nth},
};

const SKILLS: [Skill; 4] = [Skill::Reading, Skill::Listening, Skill::Writing, Skill::Speaking];

/// Learners that a thread takes at once.
const PIECE: usize = 50;

/// Who sits it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learners {
    /// How many.
    pub number: u32,
    /// How their abilities are distributed; standard deviation 0 for one ability.
    pub population: Prior,
    /// The same seed gives the same abilities, sittings and answers, on every platform.
    pub seed: u64,
}

/// A sitting that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// The ability that the learner has.
    pub truth: f64,
    /// The ability that the test found.
    pub ability: Ability,
    /// The probability of every band.
    pub bands: Vec<BandProbability>,
    /// The places in the bank of the items that were asked and count, in order.
    pub places: Vec<usize>,
}

/// Lets `learners` sit the test over `bank`. They answer as the items of `truth` say, which are the same items with the
/// curves that they really have. Threads share the work; how many there are changes nothing.
pub fn simulate(bank: &Bank, rules: &Rules, rule: StoppingRule, learners: Learners, truth: &Bank) -> Vec<Simulated> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sittings = vec![None; learners.number as usize];
    let pieces = sittings.chunks_mut(PIECE).enumerate();
    shared(
        threads,
        pieces,
        || (),
        |(number, piece): (usize, &mut [Option<Simulated>]), ()| {
            for (at, sitting) in piece.iter_mut().enumerate() {
                let mut rng = Rng(nth(learners.seed, (number * PIECE + at) as u64));
                let theta = learners.population.mean + learners.population.standard_deviation * rng.normal();
                *sitting = Some(sit(bank, rules, rule, theta, truth, &mut rng));
            }
        },
    );
    sittings.into_iter().map(|sitting| sitting.expect("every piece was worked on")).collect()
}

fn sit(bank: &Bank, rules: &Rules, rule: StoppingRule, theta: f64, truth: &Bank, rng: &mut Rng) -> Simulated {
    let (seed, mut sitting, mut places) = (rng.bits(), Sitting::new(bank, rules), vec![]);
    loop {
        let ability = sitting.ability();
        let scored = u32::try_from(sitting.scored()).unwrap_or(u32::MAX);
        let ended = scored > 0 && rule.reason(scored, ability.standard_error).is_some();
        let Some(choice) = sitting.next(seed).filter(|_| !ended) else {
            return Simulated { truth: theta, ability, bands: bands(sitting.posterior()), places };
        };
        let right = rng.uniform() < truth.items()[choice.place].curve.probability(theta);
        let scored = choice.reason.is_scored();
        sitting.answer(choice.place, right, scored);
        if scored {
            places.push(choice.place);
        }
    }
}

/// A bank to try things on: *a* uniform from 0.5 to 2, *b* ~ N(0, 1) within ±4, guessing `c`, and the four skills
/// in turn.
pub fn bank(items: u16, c: f64, seed: u64) -> Bank {
    let mut rng = Rng(seed);
    let item = |number: u16| {
        let (a, b) = (0.5 + 1.5 * rng.uniform(), rng.normal().clamp(-4.0, 4.0));
        let id = format!("item-{:05}", number + 1).parse().expect("a valid item id");
        let focus = "simulated".parse().expect("a valid focus");
        BankItem::new(id, SKILLS[usize::from(number) % SKILLS.len()], focus, Curve { a, b, c })
    };
    (0..items).map(item).collect()
}

/// What came out, over all sittings.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Items asked on average.
    pub items: f64,
    /// Share of sittings that ended at the standard error that was aimed at.
    pub reached: f64,
    /// Mean of estimate less truth, in logits.
    pub bias: f64,
    /// Root of the mean square of that.
    pub rmse: f64,
    /// Share of sittings whose interval of 1.96 standard errors holds the truth.
    pub covered: f64,
    /// Share in the very band of the truth.
    pub same_band: f64,
    /// Share at most one band off.
    pub within_a_band: f64,
    /// Share of all sittings that each item of the bank was asked in.
    pub exposures: Vec<f64>,
    /// The highest of them.
    pub highest_exposure: f64,
    /// Share of items never asked.
    pub unused: f64,
    /// The share of a sitting's items that another sitting has too, on average (Chen, Ankenmann & Spray, 2003).
    pub overlap: f64,
}

impl Figures {
    /// Of `sittings`, of which there must be one at least, over a bank of `items`, which aimed at `standard_error`.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn of(sittings: &[&Simulated], items: usize, standard_error: f64) -> Self {
        let n = sittings.len() as f64;
        let mean = |of: &dyn Fn(&Simulated) -> f64| sittings.iter().map(|sitting| of(sitting)).sum::<f64>() / n;
        let share = |of: &dyn Fn(&Simulated) -> bool| mean(&|sitting| f64::from(u8::from(of(sitting))));
        let error = |sitting: &Simulated| sitting.ability.theta - sitting.truth;
        let off =
            |sitting: &Simulated| Cefr::from_theta(sitting.ability.theta).distance(Cefr::from_theta(sitting.truth));
        let mut exposures = vec![0.0; items];
        for place in sittings.iter().flat_map(|sitting| &sitting.places) {
            exposures[*place] += 1.0 / n;
        }
        let length = mean(&|sitting| sitting.places.len() as f64);
        let squares = exposures.iter().map(|rate| rate * rate).sum::<f64>();
        Self {
            items: length,
            reached: share(&|sitting| sitting.ability.standard_error <= standard_error),
            bias: mean(&error),
            rmse: libm::sqrt(mean(&|sitting| error(sitting) * error(sitting))),
            covered: share(&|sitting| error(sitting).abs() <= 1.96 * sitting.ability.standard_error),
            same_band: share(&|sitting| off(sitting) == 0),
            within_a_band: share(&|sitting| off(sitting) <= 1),
            highest_exposure: exposures.iter().copied().fold(0.0, f64::max),
            unused: exposures.iter().filter(|rate| **rate <= 0.0).count() as f64 / items.max(1) as f64,
            overlap: squares / length.max(1.0),
            exposures,
        }
    }
}
