//! Affect as a hidden Markov model, filtered forward one signal at a time (Rabiner, 1989).
//!
//! With belief β over engaged, confused, frustrated and bored, a signal *s* after time Δ gives
//!
//! β′(j) ∝ P(s | j) · (h Σᵢ β(i) T(i, j) + (1 − h) π(j)), with h = 2^(−Δ / 30 min).
//!
//! P(s | j) is a product of tables: of what was done, of how many errors in a row it makes (where it is one), and of
//! whether it came after idling (3 to 30 minutes without a signal; after more than that nothing is concluded from the
//! pause but the fading). They are taken as independent given the state, which they are not quite.
//!
//! T is the step from one signal to the next; π is how people come to work, and the belief fades towards it while
//! nothing is heard. Every entry of T is positive, so no state is ever ruled out for good. The shape of T follows the
//! dynamics of affect in learning described by D'Mello & Graesser (2012): engagement turns to confusion at an impasse,
//! confusion resolves or hardens into frustration, and frustration into boredom.
//!
//! **These numbers are an expert's, not measurements.** T, π and the tables of P(s | state) below were set by hand to
//! agree in direction with that literature. They have not been fitted to or validated on people. On simulated learners,
//! whose behaviour is not drawn from these tables, the filter tells the states apart (`simulation.rs`; figures in
//! `docs/models.md`): that shows that the arithmetic works if the assumptions hold, and nothing about people. The result
//! is an estimate from behaviour, good enough to choose a kind word by, and not to be used to judge anyone.
//!
//! | signal | engaged | confused | frustrated | bored |
//! |---|---|---|---|---|
//! | right, fast (under 4 s) | .10 | .04 | .05 | .34 |
//! | right, in between | .42 | .17 | .15 | .30 |
//! | right, slow (from 25 s) | .13 | .16 | .10 | .04 |
//! | wrong, fast | .05 | .08 | .20 | .22 |
//! | wrong, in between | .20 | .25 | .22 | .08 |
//! | wrong, slow | .10 | .30 | .28 | .02 |
//! | watched to the end (else 1 − p) | .90 | .75 | .45 | .50 |
//! | watched slowed (to 85%) | .12 | .40 | .25 | .03 |
//! | watched at normal speed | .78 | .55 | .60 | .47 |
//! | watched sped up (from 150%) | .10 | .05 | .15 | .50 |
//! | no segment again | .50 | .20 | .40 | .85 |
//! | 1 to 3 segments again | .38 | .40 | .30 | .12 |
//! | 4 or more again | .12 | .40 | .30 | .03 |
//! | first attempt passed (0.6) | .60 | .30 | .22 | .72 |
//! | first attempt near (0.4) | .27 | .36 | .30 | .18 |
//! | first attempt failed | .13 | .34 | .48 | .10 |
//! | later attempt passed | .64 | .28 | .12 | .60 |
//! | later attempt near | .23 | .34 | .22 | .20 |
//! | later attempt failed | .13 | .38 | .66 | .20 |
//! | lesson completed (else given up) | .90 | .55 | .35 | .50 |
//! | took a hint | .10 | .38 | .34 | .18 |
//! | of errors, the first in a row | .62 | .42 | .25 | .50 |
//! | of errors, the second | .25 | .30 | .28 | .28 |
//! | of errors, the third or a later one | .13 | .28 | .47 | .22 |
//! | after idling (else 1 − p) | .05 | .11 | .16 | .24 |
//!
//! A hint is not weighed against not taking one, since the platform does not say where there was one to take: its row only
//! compares the states.
//!
//! An answer whose time was not measured has the sum of its three rows. The three parts of watching are taken as
//! independent given the state.

use baeum_domain::{
    emotion::affect::{AffectBelief, AffectModel, Signal},
    learning::lesson::PASS_SCORE,
};
use chrono::{DateTime, TimeDelta, Utc};

/// A number for each state, in the order of [`Affect`](baeum_domain::emotion::affect::Affect).
type States = [f64; 4];

const AT_REST: States = [0.60, 0.15, 0.10, 0.15];
const TRANSITIONS: [States; 4] =
    [[0.85, 0.08, 0.02, 0.05], [0.18, 0.65, 0.14, 0.03], [0.08, 0.12, 0.70, 0.10], [0.14, 0.03, 0.05, 0.78]];
const HALF_LIFE_SECONDS: f64 = 30.0 * 60.0;

/// Rows fast, in between, slow.
const RIGHT: [States; 3] = [[0.10, 0.04, 0.05, 0.34], [0.42, 0.17, 0.15, 0.30], [0.13, 0.16, 0.10, 0.04]];
const WRONG: [States; 3] = [[0.05, 0.08, 0.20, 0.22], [0.20, 0.25, 0.22, 0.08], [0.10, 0.30, 0.28, 0.02]];
const FAST_BELOW_MS: u32 = 4_000;
const SLOW_FROM_MS: u32 = 25_000;

const TO_THE_END: States = [0.90, 0.75, 0.45, 0.50];
/// Rows slowed, normal, sped up.
const SPEED: [States; 3] = [[0.12, 0.40, 0.25, 0.03], [0.78, 0.55, 0.60, 0.47], [0.10, 0.05, 0.15, 0.50]];
const SLOWED_TO_PERCENT: u16 = 85;
const SPED_UP_FROM_PERCENT: u16 = 150;
/// Rows none, some, many.
const REPEATS: [States; 3] = [[0.50, 0.20, 0.40, 0.85], [0.38, 0.40, 0.30, 0.12], [0.12, 0.40, 0.30, 0.03]];
const MANY_REPEATS: u32 = 4;

/// Rows passed, near, failed.
const FIRST_ATTEMPT: [States; 3] = [[0.60, 0.30, 0.22, 0.72], [0.27, 0.36, 0.30, 0.18], [0.13, 0.34, 0.48, 0.10]];
const LATER_ATTEMPT: [States; 3] = [[0.64, 0.28, 0.12, 0.60], [0.23, 0.34, 0.22, 0.20], [0.13, 0.38, 0.66, 0.20]];
const NEAR_SCORE: f64 = 0.4;

const COMPLETES: States = [0.90, 0.55, 0.35, 0.50];
const TAKES_HINT: States = [0.10, 0.38, 0.34, 0.18];

/// Rows first, second, third or later in a row.
const ERRORS: [States; 3] = [[0.62, 0.42, 0.25, 0.50], [0.25, 0.30, 0.28, 0.28], [0.13, 0.28, 0.47, 0.22]];

const IDLES: States = [0.05, 0.11, 0.16, 0.24];
const IDLE_FROM_SECONDS: i64 = 3 * 60;
const AWAY_FROM_SECONDS: i64 = 30 * 60;

/// Estimates affect by a hidden Markov model whose parameters an expert set.
#[derive(Clone, Copy, Debug, Default)]
pub struct HiddenMarkovAffect;

impl HiddenMarkovAffect {
    /// The model.
    pub fn new() -> Self {
        Self
    }
}

impl AffectModel for HiddenMarkovAffect {
    fn observe(&self, before: Option<&AffectBelief>, signal: &Signal, at: DateTime<Utc>) -> AffectBelief {
        let (predicted, at, errors) = match before {
            None => (AT_REST, at, 0),
            Some(before) => {
                let elapsed = at - before.at;
                let predicted = times(predict(normalized(before.probabilities), elapsed), pause(elapsed));
                (predicted, at.max(before.at), before.errors_in_a_row)
            }
        };
        let (run, errors_in_a_row) = match is_error(signal) {
            Some(true) => (ERRORS[errors.min(2) as usize], errors.saturating_add(1)),
            Some(false) => ([1.0; 4], 0),
            None => ([1.0; 4], errors),
        };
        let probabilities = normalized(times(times(predicted, likelihood(signal)), run));
        AffectBelief { probabilities, errors_in_a_row, at }
    }

    fn model_id(&self) -> &'static str {
        "affect-hmm-2"
    }
}

/// The belief one step later, faded by the time that passed. A clock that ran backwards counts as no time.
fn predict(belief: States, elapsed: TimeDelta) -> States {
    let held = libm::exp2(-elapsed.as_seconds_f64().max(0.0) / HALF_LIFE_SECONDS);
    let mut predicted = AT_REST.map(|rest| (1.0 - held) * rest);
    for (share, row) in belief.iter().zip(TRANSITIONS) {
        for (to, probability) in predicted.iter_mut().zip(row) {
            *to += held * share * probability;
        }
    }
    predicted
}

/// P(pause of this length | state), as far as it says something.
fn pause(elapsed: TimeDelta) -> States {
    match elapsed.num_seconds() {
        ..IDLE_FROM_SECONDS => otherwise(IDLES),
        IDLE_FROM_SECONDS..AWAY_FROM_SECONDS => IDLES,
        _ => [1.0; 4],
    }
}

/// Whether something went wrong; `None` for what cannot go wrong.
fn is_error(signal: &Signal) -> Option<bool> {
    match *signal {
        Signal::Answered { correct, .. } => Some(!correct),
        Signal::Attempted { score, .. } => Some(score < PASS_SCORE),
        Signal::Watched { .. } | Signal::TookHint | Signal::CompletedLesson | Signal::GaveUp => None,
    }
}

/// P(signal | state).
fn likelihood(signal: &Signal) -> States {
    match *signal {
        Signal::Answered { correct, response_ms } => {
            let rows = if correct { RIGHT } else { WRONG };
            match response_ms {
                None => plus(plus(rows[0], rows[1]), rows[2]),
                Some(ms) if ms < FAST_BELOW_MS => rows[0],
                Some(ms) if ms < SLOW_FROM_MS => rows[1],
                Some(_) => rows[2],
            }
        }
        Signal::Watched { to_the_end, speed_percent, repeats } => {
            let end = if to_the_end { TO_THE_END } else { otherwise(TO_THE_END) };
            let speed = match speed_percent {
                ..=SLOWED_TO_PERCENT => SPEED[0],
                SPED_UP_FROM_PERCENT.. => SPEED[2],
                _ => SPEED[1],
            };
            let again = match repeats {
                0 => REPEATS[0],
                MANY_REPEATS.. => REPEATS[2],
                _ => REPEATS[1],
            };
            times(times(end, speed), again)
        }
        Signal::Attempted { score, ordinal } => {
            let rows = if ordinal <= 1 { FIRST_ATTEMPT } else { LATER_ATTEMPT };
            if score >= PASS_SCORE {
                rows[0]
            } else if score >= NEAR_SCORE {
                rows[1]
            } else {
                rows[2]
            }
        }
        Signal::TookHint => TAKES_HINT,
        Signal::CompletedLesson => COMPLETES,
        Signal::GaveUp => otherwise(COMPLETES),
    }
}

fn times(left: States, right: States) -> States {
    [left[0] * right[0], left[1] * right[1], left[2] * right[2], left[3] * right[3]]
}

fn plus(left: States, right: States) -> States {
    [left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3]]
}

fn otherwise(states: States) -> States {
    states.map(|probability| 1.0 - probability)
}

/// Scaled to add up to 1; what cannot be (a stored belief that was damaged) becomes the belief at rest.
fn normalized(states: States) -> States {
    let total: f64 = states.iter().sum();
    let sound = total.is_finite() && total > 0.0 && states.iter().all(|share| *share >= 0.0);
    if sound { states.map(|share| share / total) } else { AT_REST }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baeum_domain::emotion::affect::Affect;
    use proptest::prelude::*;

    const SLOW_WRONG: Signal = Signal::Answered { correct: false, response_ms: Some(40_000) };
    const FAST_RIGHT: Signal = Signal::Answered { correct: true, response_ms: Some(2_500) };
    const SPED_UP: Signal = Signal::Watched { to_the_end: true, speed_percent: 160, repeats: 0 };

    fn moment(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a moment that can be written")
    }

    /// The belief after signals half a minute apart.
    fn after(signals: &[Signal]) -> AffectBelief {
        let mut belief = None;
        for (signal, seconds) in signals.iter().zip((0..).step_by(30)) {
            belief = Some(HiddenMarkovAffect::new().observe(belief.as_ref(), signal, moment(seconds)));
        }
        belief.expect("at least one signal")
    }

    fn of(belief: &AffectBelief, affect: Affect) -> f64 {
        belief.probabilities[affect as usize]
    }

    #[test]
    fn every_table_holds_probabilities() {
        let adds_up = |rows: &[States]| {
            for state in 0..4 {
                let total: f64 = rows.iter().map(|row| row[state]).sum();
                assert!((total - 1.0).abs() < 1e-12, "{rows:?}");
            }
        };
        adds_up(&[RIGHT, WRONG].concat());
        for rows in [SPEED, REPEATS, FIRST_ATTEMPT, LATER_ATTEMPT, ERRORS] {
            adds_up(&rows);
        }
        for row in [&TRANSITIONS[..], &[AT_REST]].concat() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row.iter().all(|share| *share > 0.0));
        }
    }

    #[test]
    fn a_run_of_slow_wrong_answers_looks_confused_or_frustrated() {
        let troubled = |belief: &AffectBelief| of(belief, Affect::Confused) + of(belief, Affect::Frustrated);
        let (one, four) = (after(&[SLOW_WRONG]), after(&[SLOW_WRONG; 4]));
        assert!(troubled(&one) > AT_REST[1] + AT_REST[2]);
        assert!(troubled(&four) > troubled(&one) && troubled(&four) > 0.8, "{four:?}");
    }

    #[test]
    fn fast_right_answers_and_a_sped_up_clip_look_bored() {
        let belief = after(&[FAST_RIGHT, FAST_RIGHT, SPED_UP]);
        assert_eq!(belief.likeliest().0, Affect::Bored);
        assert!(belief.likeliest().1 > 0.8, "{belief:?}");
    }

    #[test]
    fn completing_a_lesson_raises_engagement_and_giving_up_lowers_it() {
        let start = after(&[SLOW_WRONG]);
        let completed = after(&[SLOW_WRONG, Signal::CompletedLesson]);
        let gave_up = after(&[SLOW_WRONG, Signal::GaveUp]);
        assert!(of(&completed, Affect::Engaged) > of(&start, Affect::Engaged));
        assert!(of(&gave_up, Affect::Engaged) < of(&start, Affect::Engaged));
    }

    #[test]
    fn failing_the_same_task_again_and_again_looks_frustrated() {
        let attempts = [1, 2, 3, 4].map(|ordinal| Signal::Attempted { score: 0.1, ordinal });
        let belief = after(&attempts);
        assert_eq!(belief.likeliest().0, Affect::Frustrated, "{belief:?}");
    }

    #[test]
    fn the_third_error_in_a_row_says_more_than_the_first_and_a_right_answer_ends_the_run() {
        const WRONG: Signal = Signal::Answered { correct: false, response_ms: Some(10_000) };
        const RIGHT: Signal = Signal::Answered { correct: true, response_ms: Some(10_000) };
        let run = after(&[WRONG, WRONG, WRONG]);
        let broken = after(&[WRONG, RIGHT, WRONG]);
        assert_eq!((run.errors_in_a_row, broken.errors_in_a_row), (3, 1));
        assert!(of(&run, Affect::Frustrated) > 2.0 * of(&broken, Affect::Frustrated), "{run:?} {broken:?}");
    }

    #[test]
    fn a_hint_looks_troubled_and_idling_looks_bored() {
        let steady = Signal::Answered { correct: true, response_ms: Some(10_000) };
        let hinted = after(&[steady, Signal::TookHint]);
        assert!(of(&hinted, Affect::Confused) > of(&after(&[steady]), Affect::Confused));
        let model = HiddenMarkovAffect::new();
        let before = after(&[steady]);
        let bored = |seconds: i64| of(&model.observe(Some(&before), &steady, moment(seconds)), Affect::Bored);
        assert!(bored(10 * 60) > bored(60), "{} {}", bored(10 * 60), bored(60));
        // Who comes back after an hour was away: nothing is held against them.
        assert!(bored(60 * 60) < bored(10 * 60));
    }

    #[test]
    fn steady_work_looks_engaged() {
        let watched = Signal::Watched { to_the_end: true, speed_percent: 100, repeats: 2 };
        let passed = Signal::Attempted { score: 0.8, ordinal: 1 };
        let answered = Signal::Answered { correct: true, response_ms: None };
        assert_eq!(after(&[watched, passed, answered]).likeliest().0, Affect::Engaged);
    }

    #[test]
    fn a_mood_fades_with_time() {
        let model = HiddenMarkovAffect::new();
        let troubled = after(&[SLOW_WRONG; 4]);
        let of_next = |seconds: i64| {
            let answered = Signal::Answered { correct: true, response_ms: None };
            of(&model.observe(Some(&troubled), &answered, moment(90 + seconds)), Affect::Engaged)
        };
        assert!(of_next(30) < of_next(3_600) && of_next(3_600) < of_next(86_400));
    }

    #[test]
    fn a_signal_that_comes_late_does_not_turn_the_clock_back() {
        let now = after(&[SLOW_WRONG, SLOW_WRONG]);
        let belief = HiddenMarkovAffect::new().observe(Some(&now), &FAST_RIGHT, moment(-500));
        assert_eq!(belief.at, now.at);
    }

    fn signals() -> impl Strategy<Value = Signal> {
        prop_oneof![
            (any::<bool>(), any::<Option<u32>>())
                .prop_map(|(correct, response_ms)| Signal::Answered { correct, response_ms }),
            (any::<bool>(), any::<u16>(), any::<u32>()).prop_map(|(to_the_end, speed_percent, repeats)| {
                Signal::Watched { to_the_end, speed_percent, repeats }
            }),
            (any::<f64>(), any::<u32>()).prop_map(|(score, ordinal)| Signal::Attempted { score, ordinal }),
            Just(Signal::TookHint),
            Just(Signal::CompletedLesson),
            Just(Signal::GaveUp),
        ]
    }

    proptest! {
        #[test]
        fn probabilities_add_up_to_1_for_any_signals_at_any_times(
            steps in prop::collection::vec((signals(), -1_000_000_000_000_i64..1_000_000_000_000), 1..60),
            start in prop::option::of(prop::array::uniform4(any::<f64>())),
        ) {
            let mut belief =
                start.map(|probabilities| AffectBelief { probabilities, errors_in_a_row: u32::MAX, at: moment(0) });
            for (signal, seconds) in &steps {
                let at = DateTime::from_timestamp(*seconds, 0).expect("a moment that can be written");
                let next = HiddenMarkovAffect::new().observe(belief.as_ref(), signal, at);
                prop_assert!((next.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                prop_assert!(next.probabilities.iter().all(|share| *share > 0.0 && *share < 1.0));
                let again = HiddenMarkovAffect::new().observe(belief.as_ref(), signal, at);
                prop_assert_eq!(next.probabilities.map(f64::to_bits), again.probabilities.map(f64::to_bits));
                belief = Some(next);
            }
        }
    }
}
