//! What the network hears: logarithmic mel energies, ten milliseconds apart, two of them joined to one frame.
//!
//! Frames of 25 ms under a Hann window, after pre-emphasis by 0.97; power spectrum of 512 points; 40 triangles equally
//! spaced on the mel scale of HTK (2595 log10(1 + f/700)) from 60 to 7,600 Hz; natural logarithm. Each band is then
//! brought to mean 0 and variance 1 over what is not silence, so that neither microphone nor loudness matters.

use realfft::RealFftPlanner;

use super::audio::{RATE, count, levels, quantile};

/// Bands of the mel scale.
pub const BANDS: usize = 40;
/// Values of a frame: two spectra ten milliseconds apart.
pub const FRAME: usize = 2 * BANDS;
/// Milliseconds from frame to frame.
pub const FRAME_MS: usize = 20;
const WINDOW: usize = 400;
const HOP: usize = 160;
const POINTS: usize = 512;
/// Lower edge of the lowest band, in hertz.
pub const LOWEST: f32 = 60.0;
/// Upper edge of the highest band, in hertz.
pub const HIGHEST: f32 = 7_600.0;
/// Kept before and after what is not silence, in spectra.
const MARGIN: usize = 15;

/// The frames of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// [`FRAME`] values a frame.
    pub values: Vec<f32>,
    /// Whether a frame is loud enough to be more than background.
    pub loud: Vec<bool>,
    /// Where the first frame stands in the recording, in milliseconds: silence before it was cut off.
    pub start_ms: usize,
}

impl Frames {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.loud.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.loud.is_empty()
    }
}

/// The frames of samples at [`RATE`], without the silence at both ends. Empty where there is less than a window.
pub fn frames(samples: &[f32]) -> Frames {
    let levels = levels(samples);
    let loud = loud(&levels);
    let first = loud.iter().position(|loud| *loud).unwrap_or(0).saturating_sub(MARGIN);
    let last = loud.iter().rposition(|loud| *loud).map_or(loud.len(), |at| (at + 1 + MARGIN).min(loud.len()));
    let Some(samples) = samples.get(first * HOP..) else {
        return Frames { values: Vec::new(), loud: Vec::new(), start_ms: 0 };
    };
    let mut spectra = log_mel(samples, last - first);
    normalize(&mut spectra, &loud[first..last]);
    let pairs = spectra.len() / BANDS / 2;
    spectra.truncate(pairs * FRAME);
    let loud = (0..pairs).map(|at| loud[first + 2 * at] || loud[first + 2 * at + 1]).collect();
    Frames { values: spectra, loud, start_ms: first * HOP * 1000 / RATE }
}

/// Which stretches of 10 ms stand out of the background.
fn loud(levels: &[f64]) -> Vec<bool> {
    let (floor, top) = (quantile(levels, 5), quantile(levels, 95));
    let threshold = (floor + 0.35 * (top - floor)).max(top - 40.0);
    levels.iter().map(|level| *level > threshold).collect()
}

/// Natural logarithms of the mel energies of `count` windows, [`BANDS`] each.
fn log_mel(samples: &[f32], count: usize) -> Vec<f32> {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(POINTS);
    let (mut input, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut scratch = fft.make_scratch_vec();
    let (window, filters) = (hann(), filters());
    let mut all = Vec::with_capacity(count * BANDS);
    for at in 0..count {
        let Some(part) = samples.get(at * HOP..at * HOP + WINDOW) else { break };
        input.fill(0.0);
        let mut before = part[0];
        for ((to, x), weight) in input.iter_mut().zip(part).zip(&window) {
            *to = (x - 0.97 * before) * weight;
            before = *x;
        }
        if fft.process_with_scratch(&mut input, &mut spectrum, &mut scratch).is_err() {
            break;
        }
        for (start, weights) in &filters {
            let energy: f32 = weights.iter().zip(&spectrum[*start..]).map(|(w, bin)| w * bin.norm_sqr()).sum();
            all.push(libm::logf(energy.max(1e-9)));
        }
    }
    all
}

fn hann() -> Vec<f32> {
    let turn = 2.0 * std::f32::consts::PI / count(WINDOW);
    (0..WINDOW).map(|at| 0.5 - 0.5 * libm::cosf(turn * (count(at) + 0.5))).collect()
}

/// A frequency in hertz on the mel scale of HTK.
pub fn mel(hertz: f32) -> f32 {
    2595.0 * libm::log10f(1.0 + hertz / 700.0)
}

/// The frequency, in hertz, of a place on the mel scale of HTK.
pub fn hertz(mel: f32) -> f32 {
    700.0 * (libm::powf(10.0, mel / 2595.0) - 1.0)
}

/// First bin and weights of each triangle.
fn filters() -> Vec<(usize, Vec<f32>)> {
    let step = (mel(HIGHEST) - mel(LOWEST)) / count(BANDS + 1);
    let edge = |at: usize| hertz(mel(LOWEST) + step * count(at));
    let bin = |at: usize| count(at) * count(RATE) / count(POINTS);
    let triangle = |band: usize| {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        let weight = |f: f32| ((f - low) / (middle - low)).min((high - f) / (high - middle)).max(0.0);
        let start = (0..POINTS / 2).find(|at| bin(*at) > low).unwrap_or(0);
        (start, (start..=POINTS / 2).map(bin).take_while(|f| *f < high).map(weight).collect())
    };
    (0..BANDS).map(triangle).collect()
}

/// Brings each band to mean 0 and variance 1 over the loud spectra.
fn normalize(spectra: &mut [f32], loud: &[bool]) {
    let kept = loud.iter().filter(|loud| **loud).count().max(1);
    for band in 0..BANDS {
        let values = || spectra.chunks_exact(BANDS).zip(loud).filter(|(_, loud)| **loud).map(|(row, _)| row[band]);
        let mean = values().sum::<f32>() / count(kept);
        let variance = values().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count(kept);
        let scale = 1.0 / variance.sqrt().max(0.1);
        for row in spectra.chunks_exact_mut(BANDS) {
            row[band] = (row[band] - mean) * scale;
        }
    }
}
