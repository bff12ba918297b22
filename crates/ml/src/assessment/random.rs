//! Numbers that look random and are the same everywhere: `SplitMix64` (Steele, Lea & Flood, 2014).

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser: every bit of what comes out depends on every bit of what goes in.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The number at `place` of the sequence that `seed` begins.
pub(crate) fn nth(seed: u64, place: u64) -> u64 {
    mix(seed.wrapping_add(place.wrapping_add(1).wrapping_mul(STEP)))
}

/// Between 0 and 1, neither included.
#[allow(clippy::cast_precision_loss, reason = "52 bits are exact")]
pub(crate) fn uniform(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / 4_503_599_627_370_496.0
}

/// A sequence of them.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Between 0 and 1, neither included.
    pub(crate) fn uniform(&mut self) -> f64 {
        uniform(self.bits())
    }

    /// Standard normal (Box & Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}
