//! The port of the model that listens, and the verdict that it gives.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sounds::Sound;

/// The longest recording, in milliseconds.
pub const MAX_RECORDING_MS: u32 = 600_000;
/// The most words that one recording is compared with.
pub const MAX_SPOKEN_WORDS: usize = 400;

/// What is to be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech<'a> {
    /// An audio file, whole.
    pub audio: &'a [u8],
    /// What the learner meant to say.
    pub text: &'a str,
}

/// A sound that was to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpokenSound {
    /// Which.
    pub sound: Sound,
    /// How likely it was said right, 0 to 1.
    pub score: f64,
    /// What it sounded like, where that is another sound and the score is low.
    pub heard: Option<Sound>,
}

/// A word that was to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpokenWord {
    /// Where it begins in the text, in Unicode scalar values from 0.
    pub start: u32,
    /// Where it ends, exclusive.
    pub end: u32,
    /// Whether it was said; `None` where that was not judged, since the pronouncing dictionary lacks the word.
    pub said: Option<bool>,
    /// Mean score of its sounds, 0 to 1; `None` where it was not said or not judged.
    pub score: Option<f64>,
    /// Where in the recording it begins, in milliseconds; where it was not said, the place where it is missing.
    pub from_ms: u32,
    /// Where it ends.
    pub to_ms: u32,
    /// Its sounds in order; none where it was not said or not judged.
    pub sounds: Vec<SpokenSound>,
}

/// How fluently it was said. All measured from the first to the last sound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fluency {
    /// Syllables a second, pauses included.
    pub syllables_per_second: f64,
    /// Pauses of a quarter of a second or more.
    pub pauses: u32,
    /// Their length together, in milliseconds.
    pub paused_ms: u32,
    /// From the first to the last sound, in milliseconds.
    pub speaking_ms: u32,
}

/// What was heard, whole. It tells what was said, word by word, so it is kept sealed; [`Self::summary`] is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpeechVerdict {
    /// Mean score of the sounds of the words that were said, 0 to 1.
    pub score: f64,
    /// Share of the judged words that were said, 0 to 1.
    pub completeness: f64,
    /// How fluently.
    pub fluency: Fluency,
    /// Every word of the text, in order.
    pub words: Vec<SpokenWord>,
    /// How long the recording is, in milliseconds.
    pub recording_ms: u32,
    /// Which model said so.
    pub model_id: String,
    /// SHA-256 of its weights, lower-case hexadecimal.
    pub weights_hash: String,
    /// How long it took, in microseconds.
    pub latency_us: u32,
}

/// A sound to work on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeakSound {
    /// Which.
    pub sound: Sound,
    /// How often it was to be said.
    pub times: u32,
    /// Its mean score, 0 to 1.
    pub score: f64,
    /// What it sounded like most often, where that is another sound.
    pub heard: Option<Sound>,
}

/// What of a verdict is no secret. It is data: it goes into the event, so that replay never listens again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spoken {
    /// Mean score of the sounds of the words that were said, 0 to 1.
    pub score: f64,
    /// Share of the judged words that were said, 0 to 1.
    pub completeness: f64,
    /// How fluently.
    pub fluency: Fluency,
    /// The sounds to work on, the weakest first; at most [`MAX_WEAK_SOUNDS`].
    pub weak: Vec<WeakSound>,
    /// How long the recording is, in milliseconds.
    pub recording_ms: u32,
    /// Which model said so.
    pub model_id: String,
    /// SHA-256 of its weights, lower-case hexadecimal.
    pub weights_hash: String,
    /// How long it took, in microseconds.
    pub latency_us: u32,
}

/// How many sounds to work on are named.
pub const MAX_WEAK_SOUNDS: usize = 3;
/// Mean score below which a sound is worth working on.
const WEAK: f64 = 0.6;

impl SpeechVerdict {
    /// What goes into the event in clear.
    pub fn summary(&self) -> Spoken {
        let mut by_sound: BTreeMap<Sound, Vec<&SpokenSound>> = BTreeMap::new();
        for found in self.words.iter().flat_map(|word| &word.sounds) {
            by_sound.entry(found.sound).or_default().push(found);
        }
        let mut weak: Vec<WeakSound> = by_sound.into_iter().map(|(sound, all)| weak_sound(sound, &all)).collect();
        weak.retain(|sound| sound.score < WEAK);
        weak.sort_by(|a, b| a.score.total_cmp(&b.score).then(a.sound.cmp(&b.sound)));
        weak.truncate(MAX_WEAK_SOUNDS);
        Spoken {
            score: self.score,
            completeness: self.completeness,
            fluency: self.fluency,
            weak,
            recording_ms: self.recording_ms,
            model_id: self.model_id.clone(),
            weights_hash: self.weights_hash.clone(),
            latency_us: self.latency_us,
        }
    }
}

fn weak_sound(sound: Sound, all: &[&SpokenSound]) -> WeakSound {
    let times = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let mean = all.iter().map(|found| found.score).sum::<f64>() / f64::from(times.max(1));
    let mut heard: BTreeMap<Sound, u32> = BTreeMap::new();
    for other in all.iter().filter_map(|found| found.heard) {
        *heard.entry(other).or_default() += 1;
    }
    let most = heard.into_iter().max_by_key(|(other, count)| (*count, std::cmp::Reverse(*other)));
    WeakSound { sound, times, score: (mean * 1e4).round() / 1e4, heard: most.map(|(other, _)| other) }
}

/// Why a recording is given no verdict.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpeechError {
    /// It has no bytes, or no sample.
    #[error("the recording is empty: record again and send the whole file")]
    Empty,
    /// The bytes are no audio file that is known.
    #[error("this is no audio that can be read: send WAV, FLAC, MP3, or Opus in Ogg")]
    NotAudio,
    /// An audio file of a codec that is not known.
    #[error("the audio is coded in a way that is not supported: send WAV, FLAC, MP3, or Opus in Ogg")]
    UnknownCodec,
    /// The file is damaged.
    #[error("the audio breaks off or is damaged ({reason}): send the whole file again")]
    Damaged {
        /// What the decoder says.
        reason: String,
    },
    /// Longer than [`MAX_RECORDING_MS`].
    #[error("the recording is longer than {} minutes: cut it into parts", MAX_RECORDING_MS / 60_000)]
    TooLong,
    /// Too short to hold a word.
    #[error("the recording has {length_ms} ms, too little for a word: hold the button while you speak")]
    TooShort {
        /// Its length.
        length_ms: u32,
    },
    /// Nothing but digital silence or almost so.
    #[error("nothing was recorded but silence: check that the microphone is on")]
    Silence,
    /// Too quiet to be judged.
    #[error("the recording is too quiet ({level_db:.0} dBFS, at least -45 is needed): come closer to the microphone")]
    TooQuiet {
        /// Level of its loud parts, in decibels below full scale.
        level_db: f64,
    },
    /// Cut off at full scale.
    #[error("the recording is distorted: {percent:.0} % of it is at full scale. Turn the microphone down")]
    Clipped {
        /// Share of clipped samples in percent.
        percent: f64,
    },
    /// Sound without speech: hiss, hum, music.
    #[error("there is sound but no speech in the recording: look for a quieter place, or check the microphone")]
    NoSpeech,
    /// Speech, but not of this text.
    #[error("what was said does not fit the text: read the text as it stands, in English")]
    OtherWords,
    /// The text has no word that the dictionary knows.
    #[error("no word of the text is in the pronouncing dictionary: nothing can be judged")]
    NothingToJudge,
    /// The text is too long for one recording.
    #[error("the text has {words} words, {MAX_SPOKEN_WORDS} at most are judged at once: send it in parts")]
    TextTooLong {
        /// How many it has.
        words: usize,
    },
    /// More words than the recording has time for.
    #[error("{words} words cannot be said in {length_ms} ms: send the whole recording")]
    TooFast {
        /// Words of the text.
        words: usize,
        /// Length of what is not silence.
        length_ms: u32,
    },
    /// The model failed.
    #[error("speech model {model_id} failed: {reason}")]
    Failed {
        /// Which model.
        model_id: String,
        /// Why.
        reason: String,
    },
}

/// Judges how a text was spoken. Implementations are deterministic but for the latency that they state.
pub trait Listener: Send + Sync {
    /// Listens to one recording. Blocks the thread for as long as the model computes.
    ///
    /// # Errors
    /// Where the recording cannot be judged, with what is wrong with it, or where the model cannot compute.
    fn listen(&self, speech: &Speech<'_>) -> Result<SpeechVerdict, SpeechError>;

    /// Which model this is.
    fn model_id(&self) -> &str;

    /// SHA-256 of its weights, lower-case hexadecimal.
    fn weights_hash(&self) -> &str;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(sounds: &[(Sound, f64, Option<Sound>)]) -> SpokenWord {
        let spoken = |(sound, score, heard): &(Sound, f64, Option<Sound>)| SpokenSound {
            sound: *sound,
            score: *score,
            heard: *heard,
        };
        SpokenWord {
            start: 0,
            end: 4,
            said: Some(true),
            score: Some(0.5),
            from_ms: 0,
            to_ms: 300,
            sounds: sounds.iter().map(spoken).collect(),
        }
    }

    #[test]
    fn the_summary_names_the_weakest_sounds_and_what_they_became() {
        let verdict = SpeechVerdict {
            score: 0.5,
            completeness: 1.0,
            fluency: Fluency { syllables_per_second: 3.0, pauses: 0, paused_ms: 0, speaking_ms: 900 },
            words: vec![
                word(&[(Sound::R, 0.1, Some(Sound::L)), (Sound::Ay, 0.9, None), (Sound::T, 0.95, None)]),
                word(&[(Sound::R, 0.3, Some(Sound::L)), (Sound::Th, 0.05, Some(Sound::S)), (Sound::V, 0.5, None)]),
                word(&[(Sound::Z, 0.55, None)]),
            ],
            recording_ms: 1_200,
            model_id: "m".into(),
            weights_hash: "h".into(),
            latency_us: 5,
        };
        let weak = verdict.summary().weak;
        assert_eq!(weak.iter().map(|it| it.sound).collect::<Vec<_>>(), [Sound::Th, Sound::R, Sound::V]);
        assert_eq!(weak[1], WeakSound { sound: Sound::R, times: 2, score: 0.2, heard: Some(Sound::L) });
    }
}
