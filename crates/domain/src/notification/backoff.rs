//! When a delivery that failed is tried again, and when it is given up.

use chrono::TimeDelta;

/// How often a delivery is tried before it is a dead letter. With [`pause`] that is about 12 hours.
pub const LIMIT: u32 = 10;

const FIRST_SECONDS: i64 = 5;
const LONGEST_SECONDS: i64 = 4 * 60 * 60;

/// How long to wait after the failed attempt number `attempt` (from 1): 5 s, tripled each time, 4 hours at most. `jitter`
/// (0 to 1) takes up to half of it away, so that those who failed together do not come back together.
pub fn pause(attempt: u32, jitter: f64) -> TimeDelta {
    let tripled = 3_i64.saturating_pow(attempt.saturating_sub(1));
    let whole = FIRST_SECONDS.saturating_mul(tripled).min(LONGEST_SECONDS) * 1000;
    // Permille keep the arithmetic whole; a jitter that is no number takes nothing away.
    let permille = if jitter.is_finite() { jitter.clamp(0.0, 1.0) * 1000.0 } else { 0.0 };
    #[allow(clippy::cast_possible_truncation, reason = "0 to 1000")]
    let permille = permille as i64;
    TimeDelta::milliseconds(whole - whole / 2 * permille / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_triple_up_to_four_hours() {
        let seconds: Vec<_> = [1, 2, 3, 4, 5, 6, 7, 8, 9, 200].map(|it| pause(it, 0.0).num_seconds()).into();
        assert_eq!(seconds, [5, 15, 45, 135, 405, 1_215, 3_645, 10_935, 14_400, 14_400]);
    }

    #[test]
    fn jitter_takes_up_to_half_away() {
        assert_eq!(pause(1, 1.0).num_milliseconds(), 2_500);
        assert_eq!(pause(1, 0.5).num_milliseconds(), 3_750);
        assert_eq!(pause(1, f64::NAN), pause(1, 0.0));
        assert_eq!(pause(1, 7.0), pause(1, 1.0));
    }
}
