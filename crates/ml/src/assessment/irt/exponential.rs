//! The exponential of many numbers at once.

/// The least argument; its exponential is next to nothing.
pub(super) const LEAST: f64 = -700.0;
/// Added to a number of moderate size, it leaves the nearest integer in the lower bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts, the first exact in products with integers below 2¹¹ (Cody & Waite, 1980).
const LN_2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
/// 1 / 13!, …, 1 / 2!, 1, 1: on ±(ln 2) / 2 what Taylor's series leaves out is below 10⁻¹⁷.
const TAYLOR: [f64; 14] = [
    1.605_904_383_682_161_5e-10,
    2.087_675_698_786_81e-9,
    2.505_210_838_544_172e-8,
    2.755_731_922_398_589_3e-7,
    2.755_731_922_398_589e-6,
    2.480_158_730_158_73e-5,
    1.984_126_984_126_984e-4,
    1.388_888_888_888_889e-3,
    8.333_333_333_333_333e-3,
    4.166_666_666_666_666_4e-2,
    0.166_666_666_666_666_66,
    0.5,
    1.0,
    1.0,
];

/// Within an ulp or two the exponential of `x` between [`LEAST`] and 0; arguments below are taken for it. Without a
/// branch and without a call, so that a loop over it works on several numbers at once, with the same bits everywhere.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    let x = if x > LEAST { x } else { LEAST };
    let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
    let power = shifted - ROUNDER;
    let rest = (x - power * LN_2.0) - power * LN_2.1;
    let mut sum = TAYLOR[0];
    for term in &TAYLOR[1..] {
        sum = sum * rest + term;
    }
    // The integer stands in the lower bits of `shifted`: moved to where an exponent is, it multiplies by 2 to its power.
    f64::from_bits(sum.to_bits().wrapping_add(shifted.to_bits() << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential_of_the_library_to_an_ulp_or_two() {
        let mut worst = 0.0_f64;
        for step in 0..200_000_u32 {
            let x = -f64::from(step) * 0.0035;
            let exact = libm::exp(x);
            worst = worst.max((exp(x) - exact).abs() / exact);
        }
        assert!(worst < 5e-16, "{worst:e}");
        assert!(exp(0.0).to_bits() == 1.0_f64.to_bits() && exp(f64::NEG_INFINITY) < 1e-300);
    }
}
