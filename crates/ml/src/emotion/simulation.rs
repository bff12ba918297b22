//! Simulated learners whose state is known at every moment: to find out whether the filter tells states apart.
//!
//! They do not behave by the filter's tables. States last for a time that is drawn anew (a semi-Markov chain: at least two
//! signals, and a mode, where the filter supposes none); response times are log-normal, with a pace of each person's own;
//! whether an answer is right depends on the person's ability; repeats, hints and pauses have habits of their own too. What
//! they share with the filter is the direction of each effect, from the same literature. **So a good figure says that the
//! filter finds what it supposes, in spite of personal differences; it says nothing about how people feel.**

use baeum_domain::emotion::affect::{Affect, AffectBelief, AffectModel, Signal};
use chrono::{DateTime, TimeDelta, Utc};

use super::affect_model::HiddenMarkovAffect;
use crate::assessment::{
    logistic::sigmoid,
    random::{Rng, nth},
};

/// In the order of beliefs.
pub const STATES: [Affect; 4] = [Affect::Engaged, Affect::Confused, Affect::Frustrated, Affect::Bored];

/// Whom to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Learners {
    /// How many.
    pub number: u64,
    /// Signals of each.
    pub signals: usize,
    /// By which factor all of them are slower than the filter's tables suppose.
    pub pace: f64,
    /// The same seed gives the same signals.
    pub seed: u64,
}

/// A moment of a learner: how they are, and what the filter believes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// The state that the signal was drawn from.
    pub truth: Affect,
    /// What the filter believes after the signals so far.
    pub filtered: [f64; 4],
    /// What it would believe of the latest signal alone.
    pub alone: [f64; 4],
}

/// Who somebody is, as far as signals tell.
struct Person {
    pace: f64,
    ability: f64,
    replays: f64,
    rests: f64,
    hints: f64,
}

/// Every moment of every learner.
pub fn simulate(learners: &Learners) -> Vec<Moment> {
    let model = HiddenMarkovAffect::new();
    let mut moments = vec![];
    for number in 0..learners.number {
        let rng = &mut Rng(nth(learners.seed, number));
        let person = Person {
            pace: learners.pace * libm::exp(0.35 * rng.normal()),
            ability: 0.7 * rng.normal(),
            replays: libm::exp(0.4 * rng.normal()),
            rests: libm::exp(0.4 * rng.normal()),
            hints: libm::exp(0.4 * rng.normal()),
        };
        let mut at = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment that can be written");
        let (mut state, mut left, mut belief, mut ordinal) = (0, dwell(rng), None::<AffectBelief>, 1);
        for _ in 0..learners.signals {
            if left == 0 {
                (state, left) = (next(state, rng), dwell(rng));
            }
            left -= 1;
            let signal = signal(state, &person, &mut ordinal, rng);
            at += pause(state, &signal, &person, rng);
            let after = model.observe(belief.as_ref(), &signal, at);
            let alone = model.observe(None, &signal, at).probabilities;
            moments.push(Moment { truth: STATES[state], filtered: after.probabilities, alone });
            belief = Some(after);
        }
    }
    moments
}

/// For how many signals a state lasts: at least two, eight in the mean.
fn dwell(rng: &mut Rng) -> u32 {
    let drawn = (1..=2).map(|_| -libm::log(rng.uniform())).sum::<f64>();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number above 0")]
    let signals = 2 + libm::round(3.0 * drawn).min(60.0) as u32;
    signals
}

/// Engagement turns to confusion or boredom, confusion resolves or hardens, frustration eases or turns to boredom.
fn next(state: usize, rng: &mut Rng) -> usize {
    const LEADS_TO: [[f64; 4]; 4] =
        [[0.0, 0.6, 0.1, 0.3], [0.55, 0.0, 0.4, 0.05], [0.3, 0.3, 0.0, 0.4], [0.7, 0.1, 0.2, 0.0]];
    let point = rng.uniform();
    let mut passed = 0.0;
    for (to, probability) in LEADS_TO[state].iter().enumerate() {
        passed += probability;
        if point < passed {
            return to;
        }
    }
    3
}

fn signal(state: usize, person: &Person, ordinal: &mut u32, rng: &mut Rng) -> Signal {
    let what = rng.uniform();
    if what < (0.06 * person.hints * [0.3, 1.8, 1.2, 0.5][state]).min(0.4) {
        return Signal::TookHint;
    }
    let does_well = sigmoid(person.ability + [1.1, -0.4, -0.9, 0.6][state]);
    match rng.uniform() {
        it if it < 0.6 => {
            let typical = [11_000.0, 20_000.0, 16_000.0, 5_500.0][state];
            // Frustration is hasty at times, and slow at others.
            let spread = [0.45, 0.5, 0.9, 0.5][state];
            let ms = (typical * person.pace * libm::exp(spread * rng.normal())).clamp(300.0, 600_000.0);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range above")]
            let response_ms = Some(ms as u32);
            Signal::Answered { correct: rng.uniform() < does_well, response_ms }
        }
        it if it < 0.8 => {
            let speed = 100.0 + [2.0, -12.0, -4.0, 28.0][state] + 15.0 * rng.normal();
            let mean = person.replays * [0.8, 2.8, 1.6, 0.25][state];
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range given")]
            let speed_percent = speed.clamp(25.0, 300.0) as u16;
            let to_the_end = rng.uniform() < [0.9, 0.75, 0.5, 0.55][state];
            Signal::Watched { to_the_end, speed_percent, repeats: poisson(mean, rng) }
        }
        it if it < 0.97 => {
            let score = sigmoid(person.ability + [0.9, -0.2, -0.8, 0.8][state] + 0.9 * rng.normal());
            let signal = Signal::Attempted { score, ordinal: *ordinal };
            *ordinal = if score < 0.6 { (*ordinal + 1).min(9) } else { 1 };
            signal
        }
        _ if rng.uniform() < [0.95, 0.7, 0.4, 0.6][state] => Signal::CompletedLesson,
        _ => Signal::GaveUp,
    }
}

fn pause(state: usize, signal: &Signal, person: &Person, rng: &mut Rng) -> TimeDelta {
    let idles = (0.08 * person.rests * [0.5, 1.0, 1.5, 2.2][state]).min(0.6);
    let idle = if rng.uniform() < idles { 180.0 + 600.0 * rng.uniform() } else { 0.0 };
    let work = match signal {
        Signal::Answered { response_ms: Some(ms), .. } => f64::from(*ms) / 1000.0,
        Signal::Watched { .. } => 90.0,
        Signal::Attempted { .. } => 45.0 * person.pace,
        _ => 5.0,
    };
    #[allow(clippy::cast_possible_truncation, reason = "at most some thousand seconds")]
    let ms = (1000.0 * (idle + work + 3.0)) as i64;
    TimeDelta::milliseconds(ms)
}

/// Poisson by multiplication of uniforms (Knuth); small means only.
fn poisson(mean: f64, rng: &mut Rng) -> u32 {
    let (limit, mut product, mut count) = (libm::exp(-mean), rng.uniform(), 0);
    while product > limit && count < 30 {
        product *= rng.uniform();
        count += 1;
    }
    count
}

/// The area under the ROC curve: how often a moment that is in the state has a higher value than one that is not, equal
/// values counting a half (Mann & Whitney, 1947). `None` where all are alike.
pub fn auc(moments: &[(f64, bool)]) -> Option<f64> {
    let mut sorted = moments.to_vec();
    sorted.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut below, mut wins) = (0.0, 0.0);
    for equal in sorted.chunk_by(|left, right| left.0.to_bits() == right.0.to_bits()) {
        let (mut here, mut others) = (0.0, 0.0);
        for (_, is) in equal {
            if *is { here += 1.0 } else { others += 1.0 }
        }
        wins += here * (below + others / 2.0);
        below += others;
    }
    let positive = crate::recommendation::fit::number(moments.iter().filter(|(_, is)| *is).count());
    (positive > 0.0 && below > 0.0).then(|| wins / (positive * below))
}

/// The AUC of each state against the rest, by what `of` tells of a moment.
pub fn one_against_rest(moments: &[Moment], of: fn(&Moment) -> [f64; 4]) -> [Option<f64>; 4] {
    std::array::from_fn(|at| {
        auc(&moments.iter().map(|moment| (of(moment)[at], moment.truth == STATES[at])).collect::<Vec<_>>())
    })
}

/// The moments at which somebody is engaged, and of them the share that is estimated to be confused or frustrated.
pub fn taken_for_troubled(moments: &[Moment]) -> f64 {
    let engaged: Vec<_> = moments.iter().filter(|moment| moment.truth == Affect::Engaged).collect();
    let troubled = engaged.iter().filter(|moment| {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let belief = AffectBelief { probabilities: moment.filtered, errors_in_a_row: 0, at };
        matches!(belief.likeliest().0, Affect::Confused | Affect::Frustrated)
    });
    crate::recommendation::fit::ratio(troubled.count(), engaged.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Learners = Learners { number: 150, signals: 60, pace: 1.0, seed: 11 };

    #[test]
    fn the_filter_tells_each_state_from_the_rest_and_better_than_a_single_signal() {
        let moments = simulate(&SOME);
        let filtered = one_against_rest(&moments, |moment| moment.filtered);
        let alone = one_against_rest(&moments, |moment| moment.alone);
        for (at, state) in STATES.iter().enumerate() {
            let (filtered, alone) = (filtered[at].expect("both kinds"), alone[at].expect("both kinds"));
            assert!(filtered >= 0.75 && filtered > alone + 0.02, "{state}: {filtered} {alone}");
        }
    }

    #[test]
    fn an_order_turned_round_would_be_found_out() {
        let moments = simulate(&SOME);
        let wrong = one_against_rest(&moments, |moment| moment.filtered.map(|it| 1.0 - it));
        assert!(wrong.into_iter().flatten().all(|auc| auc < 0.3), "{wrong:?}");
        let blind = one_against_rest(&moments, |_| [0.25; 4]);
        assert_eq!(blind, [Some(0.5); 4]);
    }

    #[test]
    fn slow_people_are_taken_for_troubled_more_often() {
        let slow = simulate(&Learners { pace: 2.5, ..SOME });
        assert!(taken_for_troubled(&slow) > taken_for_troubled(&simulate(&SOME)) + 0.05);
    }

    #[test]
    fn the_same_seed_gives_the_same_moments() {
        assert_eq!(simulate(&SOME), simulate(&SOME));
    }

    #[test]
    fn the_area_counts_pairs() {
        assert_eq!(auc(&[(0.1, false), (0.2, true), (0.3, false), (0.4, true)]), Some(0.75));
        assert_eq!(auc(&[(0.1, true)]), None);
    }
}
