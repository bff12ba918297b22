//! From the bytes of an audio file to samples: one channel, 16 kHz, −1 to 1; and what is wrong with a recording.

use std::io::Cursor;

use baeum_domain::learning::speech::{MAX_RECORDING_MS, SpeechError};
use opus_decoder::OpusDecoder;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Samples a second of everything after decoding.
pub const RATE: usize = 16_000;
/// The shortest recording that can hold a word, in milliseconds.
const MIN_MS: usize = 200;
/// Samples at or above this are at full scale.
const FULL_SCALE: f32 = 0.985;
/// Share of samples in flat runs at full scale from which on speech is distorted.
const MAX_CLIPPED: f64 = 0.01;

/// Decodes a file of any format known: WAV (PCM), FLAC, MP3, and Opus in Ogg.
///
/// # Errors
/// Where the bytes are no audio, of another codec, damaged, empty or too long.
pub fn decode(bytes: &[u8]) -> Result<Vec<f32>, SpeechError> {
    if bytes.is_empty() {
        return Err(SpeechError::Empty);
    }
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(&Hint::new(), source, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| match error {
            Symphonia::DecodeError(reason) => SpeechError::Damaged { reason: reason.to_owned() },
            _ => SpeechError::NotAudio,
        })?;
    let track = format.default_track(TrackType::Audio).ok_or(SpeechError::NotAudio)?;
    let (id, delay) = (track.id, track.delay.unwrap_or(0));
    let params = track.codec_params.as_ref().and_then(|params| params.audio()).ok_or(SpeechError::UnknownCodec)?;
    let (params, announced) = (params.clone(), track.num_frames);
    let rate = params.sample_rate.unwrap_or(0);
    if let (Some(frames), 1..) = (announced, rate)
        && frames / u64::from(rate) > u64::from(MAX_RECORDING_MS / 1000)
    {
        return Err(SpeechError::TooLong);
    }
    let (samples, rate) = if params.codec == CODEC_ID_OPUS {
        (opus(format.as_mut(), id, delay)?, RATE)
    } else {
        pcm(format.as_mut(), id, &params)?
    };
    if samples.is_empty() {
        return Err(SpeechError::Empty);
    }
    resample(samples, rate)
}

/// The next packet of a track; `None` at the end.
fn next(format: &mut dyn FormatReader, id: u32) -> Result<Option<Box<[u8]>>, SpeechError> {
    Ok(packet(format, id)?.map(|packet| packet.data))
}

fn packet(format: &mut dyn FormatReader, id: u32) -> Result<Option<symphonia::core::packet::Packet>, SpeechError> {
    loop {
        match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == id => return Ok(Some(packet)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            // A recorder that was stopped hard leaves half a packet at the end.
            Err(Symphonia::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(SpeechError::Damaged { reason: error.to_string() }),
        }
    }
}

fn pcm(
    format: &mut dyn FormatReader,
    id: u32,
    params: &AudioCodecParameters,
) -> Result<(Vec<f32>, usize), SpeechError> {
    let mut decoder: Box<dyn AudioDecoder> = symphonia::default::get_codecs()
        .make_audio_decoder(params, &AudioDecoderOptions::default())
        .map_err(|_| SpeechError::UnknownCodec)?;
    let (mut mono, mut rate, mut buffer) = (Vec::new(), 0, Vec::<f32>::new());
    while let Some(packet) = packet(format, id)? {
        let decoded = decoder.decode(&packet).map_err(|error| SpeechError::Damaged { reason: error.to_string() })?;
        let found = decoded.spec().rate() as usize;
        if rate != 0 && rate != found {
            return Err(SpeechError::Damaged { reason: "its sampling rate changes".to_owned() });
        }
        rate = found;
        let channels = decoded.spec().channels().count().max(1);
        decoded.copy_to_vec_interleaved(&mut buffer);
        let weight = 1.0 / count(channels);
        mono.extend(buffer.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * weight));
        too_long(mono.len(), rate)?;
    }
    Ok((mono, rate))
}

fn opus(format: &mut dyn FormatReader, id: u32, delay: u32) -> Result<Vec<f32>, SpeechError> {
    let damaged = |error: opus_decoder::OpusError| SpeechError::Damaged { reason: error.to_string() };
    let mut decoder = OpusDecoder::new(16_000, 1).map_err(damaged)?;
    let mut frame = vec![0f32; decoder.max_frame_size_per_channel()];
    let mut mono = Vec::new();
    while let Some(data) = next(format, id)? {
        let samples = decoder.decode_float(&data, &mut frame, false).map_err(damaged)?;
        mono.extend_from_slice(&frame[..samples]);
        too_long(mono.len(), RATE)?;
    }
    // The delay is told at 48 kHz, whatever is decoded to.
    mono.drain(..mono.len().min(delay as usize / 3));
    Ok(mono)
}

fn too_long(samples: usize, rate: usize) -> Result<(), SpeechError> {
    if samples > rate * (MAX_RECORDING_MS as usize / 1000) { Err(SpeechError::TooLong) } else { Ok(()) }
}

/// To [`RATE`], by FFT.
///
/// # Errors
/// Where the rate is one that no recorder has.
pub fn resample(samples: Vec<f32>, rate: usize) -> Result<Vec<f32>, SpeechError> {
    if rate == RATE {
        return Ok(samples);
    }
    let damaged = |reason: String| SpeechError::Damaged { reason };
    if !(4_000..=384_000).contains(&rate) {
        return Err(damaged(format!("its sampling rate is {rate} Hz")));
    }
    let mut resampler =
        Fft::<f32>::new(rate, RATE, 1024, 1, FixedSync::Both).map_err(|error| damaged(error.to_string()))?;
    let frames = samples.len();
    let input = InterleavedSlice::new(&samples, 1, frames).map_err(|error| damaged(error.to_string()))?;
    let output = resampler.process_all(&input, frames, None).map_err(|error| damaged(error.to_string()))?;
    Ok(output.take_data())
}

/// Checks what can be told without a model: length, silence, level, clipping, and steady noise.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(samples: &[f32]) -> Result<(), SpeechError> {
    let length_ms = samples.len() * 1000 / RATE;
    if length_ms < MIN_MS {
        return Err(SpeechError::TooShort { length_ms: u32::try_from(length_ms).unwrap_or(u32::MAX) });
    }
    let clipped = clipped(samples);
    if clipped > MAX_CLIPPED {
        return Err(SpeechError::Clipped { percent: clipped * 100.0 });
    }
    let levels = levels(samples);
    let loud = quantile(&levels, 95);
    if loud < -70.0 {
        return Err(SpeechError::Silence);
    }
    if loud < -45.0 {
        return Err(SpeechError::TooQuiet { level_db: loud });
    }
    // Speech has syllables and pauses: its level moves by far more than that of hiss, hum or a tone.
    if loud - quantile(&levels, 5) < 9.0 {
        return Err(SpeechError::NoSpeech);
    }
    Ok(())
}

/// Share of the samples that stand in runs of three or more at full scale.
fn clipped(samples: &[f32]) -> f64 {
    let runs = samples.chunk_by(|a, b| (a.abs() >= FULL_SCALE) == (b.abs() >= FULL_SCALE));
    let flat: usize = runs.filter(|run| run.len() >= 3 && run[0].abs() >= FULL_SCALE).map(<[f32]>::len).sum();
    f64::from(count(flat)) / f64::from(count(samples.len().max(1)))
}

/// Level of each stretch of 25 ms, a new one every 10 ms, in decibels below full scale; at least −120.
pub fn levels(samples: &[f32]) -> Vec<f64> {
    let level = |frame: &[f32]| {
        let power = frame.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / f64::from(count(frame.len()));
        (10.0 * libm::log10(power.max(1e-12))).max(-120.0)
    };
    samples.windows(400.min(samples.len().max(1))).step_by(160).map(level).collect()
}

/// The value below which `percent` of the values lie.
pub fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(-120.0)
}

/// A count as a float; what is counted here is far below where that loses anything that matters.
#[allow(clippy::cast_precision_loss, reason = "samples of ten minutes are below 2²⁴")]
pub(super) fn count(n: usize) -> f32 {
    n as f32
}
