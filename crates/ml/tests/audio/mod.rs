//! Recordings that the tests make themselves.

use std::f32::consts::PI;

/// A WAV file of 16-bit samples, the channels interleaved.
pub(crate) fn wav(samples: &[f32], rate: u32, channels: u16) -> Vec<u8> {
    let size = u32::try_from(samples.len() * 2).expect("small");
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + size).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels) * 2).to_le_bytes());
    bytes.extend((channels * 2).to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend(size.to_le_bytes());
    #[allow(clippy::cast_possible_truncation, reason = "clamped to what an i16 holds")]
    bytes.extend(samples.iter().flat_map(|x| ((x.clamp(-1.0, 1.0) * 32767.0) as i16).to_le_bytes()));
    bytes
}

pub(crate) fn seconds(length: f32, rate: f32, sample: impl Fn(f32) -> f32) -> Vec<f32> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
    let count = (length * rate) as u32;
    #[allow(clippy::cast_precision_loss, reason = "a few seconds")]
    (0..count).map(|at| sample(at as f32 / rate)).collect()
}

/// Something like syllables: a buzz that swells and fades four times a second, of two formants that wander.
pub(crate) fn babble(length: f32, loud: f32) -> Vec<f32> {
    seconds(length, 16_000.0, |t| {
        let swell = (PI * 4.0 * t).sin().powi(2);
        let buzz: f32 = (1..20u8)
            .map(|k| {
                let f = 120.0 * f32::from(k);
                let near = |formant: f32| 1.0 / (1.0 + ((f - formant) / 120.0).powi(2));
                (near(500.0 + 250.0 * (3.0 * t).sin()) + near(1500.0 + 500.0 * (2.0 * t).cos()))
                    * (2.0 * PI * f * t).sin()
            })
            .sum();
        loud * swell * buzz
    })
}

/// Noise of a linear congruential generator: the same on every run.
pub(crate) fn hiss(length: f32, loud: f32) -> Vec<f32> {
    let state = std::cell::Cell::new(1u32);
    seconds(length, 16_000.0, |_| {
        state.set(state.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        loud * (f32::from(u16::try_from(state.get() >> 16).expect("16 bits")) / 32_768.0 - 1.0)
    })
}
