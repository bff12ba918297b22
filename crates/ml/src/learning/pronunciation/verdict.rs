//! From sounds to words, fluency and completeness.

use baeum_domain::learning::speech::{Fluency, SpeechError, SpeechVerdict, SpokenSound, SpokenWord};

use super::HeardSound;
use super::features::FRAME_MS;
use super::graph::{PAUSE, Segment, sound};
use super::lexicon::TextWord;

/// A pause is a pause from here on, in milliseconds: shorter ones are closures of plosives.
const PAUSE_MS: usize = 250;

/// What was fitted on the validation part after training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Mean probability of all sounds of the text below which other words were said, 0 to 1.
    pub text: f64,
    /// Mean probability of the sounds of a word below which it was not said, 0 to 1.
    pub word: f64,
    /// Probability of a sound below which it is shown what it sounded like, 0 to 1.
    pub sound: f64,
}

impl Thresholds {
    /// From the tensor of the weights: text, word, sound. `None` where it has others, or values that make no sense.
    pub fn from_values(values: &[f32]) -> Option<Self> {
        let [text, word, sound] = <[f32; 3]>::try_from(values).ok()?.map(f64::from);
        let sane = [text, word, sound].iter().all(|value| (0.0..=1.0).contains(value));
        sane.then_some(Self { text, word, sound })
    }

    /// As [`Self::from_values`] takes it.
    #[allow(clippy::cast_possible_truncation, reason = "stored as f32")]
    pub fn to_values(self) -> [f32; 3] {
        [self.text, self.word, self.sound].map(|value| value as f32)
    }
}

/// Mean probability of the sounds of each word, and whether it was in the recording at all. Words that are not judged
/// have none.
pub fn words(count: usize, sounds: &[HeardSound]) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); count];
    for found in sounds {
        if let Some((sum, number)) = found.segment.word.and_then(|word| sums.get_mut(word)) {
            *sum += found.probability;
            *number += 1.0;
        }
    }
    sums.into_iter().map(|(sum, number)| (number > 0.0).then(|| sum / number)).collect()
}

/// Mean probability of all sounds of the text: 0 for those of words that were left out.
pub fn fit(words: &[Vec<super::lexicon::Pronunciation>], sounds: &[HeardSound]) -> f64 {
    let missing = |(at, word): (usize, &Vec<super::lexicon::Pronunciation>)| {
        let found = sounds.iter().any(|sound| sound.segment.word == Some(at));
        if found { 0 } else { word.iter().map(Vec::len).min().unwrap_or(0) }
    };
    let all = sounds.len() + words.iter().enumerate().map(missing).sum::<usize>();
    sounds.iter().map(|sound| sound.probability).sum::<f64>() / small(all.max(1))
}

/// The verdict, but for what only the model knows of itself.
///
/// # Errors
/// Where other words were said than the text has.
pub fn verdict(
    text: &[TextWord],
    segments: &[Segment],
    sounds: &[HeardSound],
    start_ms: usize,
    thresholds: Thresholds,
) -> Result<SpeechVerdict, SpeechError> {
    let variants: Vec<_> = text.iter().map(|word| word.variants.clone()).collect();
    if fit(&variants, sounds) < thresholds.text {
        return Err(SpeechError::OtherWords);
    }
    let means = words(text.len(), sounds);
    let at_ms = |frame: usize| u32::try_from(start_ms + frame * FRAME_MS).unwrap_or(u32::MAX);
    let mut gap = 0;
    let spoken: Vec<SpokenWord> = text
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let own = || segments.iter().filter(move |segment| segment.word == Some(at));
            let (from, to) = (own().map(|s| s.from).min().unwrap_or(gap), own().map(|s| s.to).max().unwrap_or(gap));
            gap = to;
            let judged = !word.variants.is_empty();
            let said = judged.then(|| means[at].is_some_and(|mean| mean >= thresholds.word));
            let heard = sounds.iter().filter(|sound| sound.segment.word == Some(at) && said == Some(true));
            SpokenWord {
                start: word.start,
                end: word.end,
                said,
                score: means[at].filter(|_| said == Some(true)).map(round),
                from_ms: at_ms(from),
                to_ms: at_ms(to),
                sounds: heard.filter_map(|found| spoken_sound(found, thresholds)).collect(),
            }
        })
        .collect();
    let judged = spoken.iter().filter(|word| word.said.is_some()).count();
    let said = spoken.iter().filter(|word| word.said == Some(true)).count();
    if said == 0 {
        return Err(SpeechError::OtherWords);
    }
    let scores: Vec<f64> = spoken.iter().flat_map(|word| word.sounds.iter().map(|sound| sound.score)).collect();
    Ok(SpeechVerdict {
        score: round(scores.iter().sum::<f64>() / small(scores.len().max(1))),
        completeness: round(small(said) / small(judged.max(1))),
        fluency: fluency(segments, &spoken),
        words: spoken,
        recording_ms: 0,
        model_id: String::new(),
        weights_hash: String::new(),
        latency_us: 0,
    })
}

fn spoken_sound(found: &HeardSound, thresholds: Thresholds) -> Option<SpokenSound> {
    let other = found.evidence.likeliest != found.evidence.class && found.probability < thresholds.sound;
    Some(SpokenSound {
        sound: sound(found.evidence.class)?,
        score: round(found.probability),
        heard: if other { sound(found.evidence.likeliest) } else { None },
    })
}

/// Rate and pauses from the first to the last sound of a word.
fn fluency(segments: &[Segment], words: &[SpokenWord]) -> Fluency {
    let first = segments.iter().position(|segment| segment.class != PAUSE).unwrap_or(0);
    let last = segments.iter().rposition(|segment| segment.class != PAUSE).map_or(first, |at| at + 1);
    let inside = &segments[first..last];
    let ms = |segment: &Segment| (segment.to - segment.from) * FRAME_MS;
    let speaking: usize = inside.iter().map(ms).sum();
    let pauses: Vec<usize> = inside.iter().filter(|s| s.class == PAUSE).map(ms).filter(|ms| *ms >= PAUSE_MS).collect();
    let vowels = words.iter().flat_map(|word| &word.sounds).filter(|found| found.sound.is_vowel()).count();
    let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Fluency {
        syllables_per_second: (small(vowels) / (small(speaking.max(1)) / 1000.0) * 100.0).round() / 100.0,
        pauses: whole(pauses.len()),
        paused_ms: whole(pauses.iter().sum()),
        speaking_ms: whole(speaking),
    }
}

/// A count as a float; exact below 2³².
fn small(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
