//! Goodness of pronunciation: how likely it is that a sound was said, and not another one or none.
//!
//! For each aligned sound the sounds before and after it are held, the border between the three is left open, and every
//! sound is tried in its place: `L(r)` is the logarithm of the sum, over all borders, of the likelihood of *before, r,
//! after*. `L(q) − max L(r)` for the sound q of the text is the goodness of Witt and Young (2000) with the alignment
//! summed out instead of fixed, as in segmentation-free goodness (Cao et al., 2024), here within three sounds. A small
//! network, fitted on transcripts with planted substitutions, weighs it against the fits of all other sounds and against
//! older forms of the same idea: the mean log posterior over the frames, its distance to the best other class, duration.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::audio::count;
use super::graph::{CLASSES, PAUSE, Segment};

/// Frames of a neighbour that are looked at, at most.
const REACH: usize = 12;
/// Values that the judge sees of a sound beside which sound it is.
pub const VALUES: usize = 14;
/// Sounds that may stand in a place.
const SOUNDS: usize = PAUSE as usize;
/// What the judge sees of a sound: [`VALUES`], how each sound would fit, and one place for each sound of a text.
pub const INPUTS: usize = VALUES + 2 * SOUNDS;
/// Width of the judge.
pub const JUDGE: usize = 128;

/// What is known of one sound of the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Which sound the text has.
    pub class: u8,
    /// What the judge sees, `VALUES` of it.
    pub values: [f32; VALUES],
    /// How well each sound fits in its place: logarithms of their shares, squeezed. With the sound of the text they tell
    /// which confusions are usual where nothing is wrong.
    pub fits: [f32; SOUNDS],
    /// The sound that fits best in its place.
    pub likeliest: u8,
}

/// The evidence for each segment that is a sound, in order; `None` for the others. `scores` has [`CLASSES`] logarithms
/// of likelihoods a frame, `posteriors` as many logarithms of probabilities.
pub fn evidence(segments: &[Segment], scores: &[f32], posteriors: &[f32]) -> Vec<Option<Evidence>> {
    let mean = |at: usize| segments.get(at).filter(|s| s.class <= PAUSE).map(|s| mean_posterior(s, posteriors));
    let one = |(at, segment): (usize, &Segment)| {
        if segment.class >= PAUSE {
            return None;
        }
        let before = at.checked_sub(1).and_then(|at| segments.get(at));
        let after = segments.get(at + 1);
        let fits = places(before, segment, after, scores);
        let class = usize::from(segment.class);
        let (mut best, mut sum, mut likeliest) = (f32::NEG_INFINITY, f32::NEG_INFINITY, segment.class);
        for (other, fit) in (0u8..).zip(&fits[..CLASSES - 1]) {
            sum = log_add(sum, *fit);
            if usize::from(other) != class && *fit > best {
                (best, likeliest) = (*fit, other);
            }
        }
        if fits[class] >= best {
            likeliest = segment.class;
        }
        let rows = posteriors[segment.from * CLASSES..segment.to * CLASSES].chunks_exact(CLASSES);
        let frames = count(segment.to - segment.from);
        let own = mean_posterior(segment, posteriors);
        let rival = rows.clone().map(|row| others(row, class)).sum::<f32>() / frames;
        let peak = rows.map(|row| row[class]).fold(f32::NEG_INFINITY, f32::max);
        let around = f32::midpoint(mean(at.wrapping_sub(1)).unwrap_or(-1.0), mean(at + 1).unwrap_or(-1.0));
        let rank = count(fits[..CLASSES - 1].iter().filter(|fit| **fit > fits[class]).count());
        let squeeze = |x: f32| x.signum() * libm::log1pf(x.abs());
        let values = [
            squeeze(fits[class] - best),
            squeeze(fits[class] - sum),
            own / 4.0,
            (own - rival) / 4.0,
            peak / 4.0,
            squeeze(fits[class] - fits[CLASSES - 1]),
            libm::logf(frames) / 2.0,
            around / 4.0,
            libm::log1pf(rank) / 2.0,
            f32::from(u8::from(before.is_none_or(|s| s.word != segment.word))),
            f32::from(u8::from(after.is_none_or(|s| s.word != segment.word))),
            squeeze((fits[class] - best) / frames),
            0.0,
            0.0,
        ];
        let fits = std::array::from_fn(|other| squeeze(fits[other] - sum) / 2.0);
        Some(Evidence { class: segment.class, values, fits, likeliest })
    };
    let mut all: Vec<Option<Evidence>> = segments.iter().enumerate().map(one).collect();
    // What is low in a recording or word where everything is low says less than where all else is high.
    let of = |word: Option<usize>, all: &[Option<Evidence>]| {
        let within = segments.iter().zip(all).filter(|(s, _)| word.is_none() || s.word == word);
        let (sum, number) = within.filter_map(|(_, e)| e.as_ref()).fold((0.0, 0), |(s, n), e| (s + e.values[1], n + 1));
        sum / count(number.max(1))
    };
    let whole = of(None, &all);
    let words: Vec<f32> = segments.iter().map(|segment| of(segment.word, &all)).collect();
    for (found, word) in all.iter_mut().zip(words) {
        if let Some(found) = found {
            (found.values[VALUES - 2], found.values[VALUES - 1]) = (whole, word);
        }
    }
    all
}

fn mean_posterior(segment: &Segment, posteriors: &[f32]) -> f32 {
    let rows = posteriors[segment.from * CLASSES..segment.to * CLASSES].chunks_exact(CLASSES);
    rows.map(|row| row[usize::from(segment.class)]).sum::<f32>() / count(segment.to - segment.from)
}

/// The largest but for one class.
fn others(row: &[f32], class: usize) -> f32 {
    row.iter().enumerate().filter(|(at, _)| *at != class).map(|(_, x)| *x).fold(f32::NEG_INFINITY, f32::max)
}

/// `L(r)` for every sound r in the place of a segment; last, for none at all.
fn places(before: Option<&Segment>, here: &Segment, after: Option<&Segment>, scores: &[f32]) -> [f32; CLASSES] {
    let from = before.map_or(here.from, |s| s.from.max(here.from.saturating_sub(REACH)));
    let to = after.map_or(here.to, |s| s.to.min(here.to + REACH));
    let rows = &scores[from * CLASSES..to * CLASSES];
    let frames = to - from;
    let of = |segment: Option<&Segment>, row: &[f32]| match segment {
        Some(s) if s.class <= PAUSE => row[usize::from(s.class)],
        // Beside a word that is not judged, whatever fits best is held.
        Some(_) => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        None => f32::NEG_INFINITY,
    };
    // head[t]: the sound before takes the frames below t. tail[t]: the sound after takes those from t on.
    let mut head = vec![f32::NEG_INFINITY; frames + 1];
    let mut tail = vec![f32::NEG_INFINITY; frames + 1];
    if before.is_none() {
        head[0] = 0.0;
    }
    if after.is_none() {
        tail[frames] = 0.0;
    }
    let mut sum = 0.0;
    for (at, row) in rows.chunks_exact(CLASSES).enumerate() {
        sum += of(before, row);
        if before.is_some() {
            head[at + 1] = sum;
        }
    }
    let mut sum = 0.0;
    for (at, row) in rows.chunks_exact(CLASSES).enumerate().rev() {
        sum += of(after, row);
        if after.is_some() {
            tail[at] = sum;
        }
    }
    let mut all = [f32::NEG_INFINITY; CLASSES];
    for (class, total) in all.iter_mut().enumerate().take(CLASSES - 1) {
        let mut inside = f32::NEG_INFINITY;
        for (at, row) in rows.chunks_exact(CLASSES).enumerate() {
            inside = log_add(inside, head[at]) + row[class];
            *total = log_add(*total, inside + tail[at + 1]);
        }
    }
    all[CLASSES - 1] = head.iter().zip(&tail).map(|(a, b)| a + b).fold(f32::NEG_INFINITY, log_add);
    for fit in &mut all {
        *fit = fit.max(-1e4);
    }
    all
}

/// ln(eᵃ + eᵇ).
pub fn log_add(a: f32, b: f32) -> f32 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f32::NEG_INFINITY || high - low > 20.0 { high } else { high + libm::log1pf(libm::expf(low - high)) }
}

/// Name and dimensions of the tensors of the judge, in one order.
pub fn tensors() -> [(&'static str, Vec<usize>); 4] {
    [
        ("judge.in.weight", vec![INPUTS, JUDGE]),
        ("judge.in.bias", vec![JUDGE]),
        ("judge.out.weight", vec![JUDGE, 1]),
        ("judge.out.bias", vec![1]),
    ]
}

/// The small network that weighs the evidence.
#[derive(Debug)]
pub struct Judge {
    input: (Tensor, Tensor),
    output: (Tensor, Tensor),
}

impl Judge {
    /// Takes its tensors by the names of [`tensors`].
    ///
    /// # Errors
    /// Where one is missing or has other dimensions.
    pub fn new(from: &VarBuilder<'_>) -> Result<Self> {
        let get = |at: usize| from.get(tensors()[at].1.clone(), tensors()[at].0);
        Ok(Self { input: (get(0)?, get(1)?), output: (get(2)?, get(3)?) })
    }

    /// Logits that the sounds were said as the text has them, `[sounds, 1]`, from `[sounds, INPUTS]`.
    pub fn logits(&self, inputs: &Tensor) -> Result<Tensor> {
        let inner = inputs.matmul(&self.input.0)?.broadcast_add(&self.input.1)?.tanh()?;
        inner.matmul(&self.output.0)?.broadcast_add(&self.output.1)
    }

    /// Probability, for each sound, that it was said as the text has it.
    ///
    /// # Errors
    /// Where the network fails to compute.
    pub fn probabilities(&self, sounds: &[&Evidence]) -> Result<Vec<f64>> {
        if sounds.is_empty() {
            return Ok(Vec::new());
        }
        let logits = self.logits(&inputs(sounds)?)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
        Ok(logits.into_iter().map(|x| 1.0 / (1.0 + libm::exp(-f64::from(x)))).collect())
    }
}

/// What the judge sees of some sounds, `[sounds, INPUTS]`.
pub fn inputs(sounds: &[&Evidence]) -> Result<Tensor> {
    let mut all = Vec::with_capacity(sounds.len() * INPUTS);
    for sound in sounds {
        all.extend_from_slice(&sound.values);
        all.extend_from_slice(&sound.fits);
        all.extend((0..PAUSE).map(|class| f32::from(u8::from(class == sound.class))));
    }
    Tensor::from_vec(all, (sounds.len(), INPUTS), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(class: u8, from: usize, to: usize) -> Segment {
        Segment { class, word: (class < PAUSE).then_some(0), place: (0, 0), from, to }
    }

    /// Scores of frames of which each surely has its class.
    fn certain(classes: &[u8]) -> Vec<f32> {
        let row = |class: &u8| (0..=PAUSE).map(move |c| if c == *class { -0.2 } else { -5.3 }).collect::<Vec<f32>>();
        classes.iter().flat_map(row).collect()
    }

    #[test]
    fn what_was_said_is_the_likeliest_whatever_the_text_has() {
        let scores = certain(&[1, 1, 2, 2, 2, 3, 3]);
        let right = [segment(1, 0, 2), segment(2, 2, 5), segment(3, 5, 7)];
        let wrong = [segment(1, 0, 2), segment(9, 2, 5), segment(3, 5, 7)];
        let of = |segments: &[Segment]| evidence(segments, &scores, &scores)[1].clone().expect("a sound");
        assert_eq!((of(&right).likeliest, of(&wrong).likeliest), (2, 2));
        assert!(of(&right).values[0] > 1.0 && of(&wrong).values[0] < -1.0);
        assert!(of(&right).values[1] <= 0.0, "a part of the sum is not above it");
    }

    #[test]
    fn borders_that_are_a_frame_off_change_little() {
        let scores = certain(&[1, 1, 2, 2, 2, 3, 3]);
        let exact = [segment(1, 0, 2), segment(2, 2, 5), segment(3, 5, 7)];
        let off = [segment(1, 0, 3), segment(2, 3, 5), segment(3, 5, 7)];
        let of = |segments: &[Segment]| evidence(segments, &scores, &scores)[1].clone().expect("a sound").values[0];
        assert!((of(&exact) - of(&off)).abs() < 1e-4);
    }

    #[test]
    fn pauses_and_words_that_are_not_judged_have_no_evidence() {
        let scores = certain(&[PAUSE, 1, 1, 4]);
        let found = evidence(&[segment(PAUSE, 0, 1), segment(1, 1, 3), segment(PAUSE + 1, 3, 4)], &scores, &scores);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false]);
    }

    #[test]
    fn logarithms_are_added_as_what_they_stand_for() {
        assert!((log_add(libm::logf(2.0), libm::logf(3.0)) - libm::logf(5.0)).abs() < 1e-6);
        assert!((log_add(f32::NEG_INFINITY, 1.0) - 1.0).abs() < 1e-6);
        assert!(log_add(f32::NEG_INFINITY, f32::NEG_INFINITY).is_infinite());
    }
}
