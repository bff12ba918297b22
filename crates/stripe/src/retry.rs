//! How often, and after what pause, a request is repeated by itself.

use std::{sync::Arc, time::Duration};

/// Gives numbers from 0 (included) to 1 (excluded), evenly: what spreads the repeats of many clients. Passed in, so that
/// a test can say them.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// How a request that got no answer, or one that may pass, is repeated with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often it is sent at most, 1 for no repeat.
    pub tries: u32,
    /// The pause before the first repeat, doubled for each further one.
    pub base: Duration,
    /// The longest pause. A `Retry-After` beyond it is left to the caller.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries: 4, base: Duration::from_millis(500), cap: Duration::from_secs(8) }
    }
}

impl Retry {
    /// The pause after `failed` tries: half of the doubled one for certain, and a part of the other half by chance.
    pub(crate) fn pause(&self, failed: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(self.cap);
        doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_half_of_each_is_chance() {
        let retry = Retry { tries: 9, base: Duration::from_secs(1), cap: Duration::from_secs(5) };
        let longest: Vec<_> = (1..=4).map(|failed| retry.pause(failed, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 5]);
        assert_eq!(retry.pause(2, 0.0), Duration::from_secs(1));
        assert_eq!(retry.pause(u32::MAX, 1.0), Duration::from_secs(5));
    }
}
