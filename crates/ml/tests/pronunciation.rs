//! The speech model on audio that is made here: what it refuses, and that it answers the same every time.

mod audio;

use std::f32::consts::PI;

use baeum_domain::learning::sounds::Sound;
use baeum_domain::learning::speech::{Listener, Speech, SpeechError};
use baeum_ml::learning::error_detector::manifest::sha256;
use baeum_ml::learning::pronunciation::audio::{RATE, check, decode, levels};
use baeum_ml::learning::pronunciation::features::{BANDS, FRAME, frames};
use baeum_ml::learning::pronunciation::graph::CLASSES;
use baeum_ml::learning::pronunciation::lexicon::Lexicon;
use baeum_ml::learning::pronunciation::model::tensors;
use baeum_ml::learning::pronunciation::{LoadError, PhoneModel, goodness};
use candle_core::{Device, Tensor};

use audio::{babble, hiss, seconds, wav};

/// A model of the right form that has learned nothing: weights of a linear congruential generator.
fn untrained() -> PhoneModel {
    let words = ["how HH AW", "are AA R", "you Y UW", "word W ER D"];
    let sounds = |names: &str| -> Vec<u8> {
        names.split(' ').filter_map(|name| name.parse::<Sound>().ok()).map(|sound| sound as u8).collect()
    };
    let pairs = words.map(|line| line.split_once(' ').expect("two parts")).map(|(w, s)| (w.to_owned(), sounds(s)));
    let mut state = 1u32;
    let mut draw = |dims: &[usize]| {
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32_768.0 - 1.0) * 0.1
        };
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| value()).collect();
        Tensor::from_vec(values, dims, &Device::Cpu).expect("a tensor")
    };
    let mut all: Vec<(String, Tensor)> = tensors().into_iter().map(|(name, dims, _)| (name, draw(&dims))).collect();
    all.extend(goodness::tensors().map(|(name, dims)| (name.to_owned(), draw(&dims))));
    let of = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu).expect("a tensor");
    all.push(("prior".to_owned(), of(&[-3.7; CLASSES])));
    all.push(("thresholds".to_owned(), of(&[0.0, 0.0, 0.1])));
    all.push(("lexicon".to_owned(), Tensor::new(Lexicon::write(pairs).as_bytes(), &Device::Cpu).expect("a tensor")));
    let weights = safetensors::serialize(all, None).expect("weights");
    let manifest = serde_json::json!({
        "model_id": "untrained", "weights_sha256": sha256(&weights), "training_command": "", "seed": 0, "data": [], "metrics": null,
    });
    assert!(matches!(PhoneModel::from_bytes(&weights[1..], &manifest.to_string()), Err(LoadError::Hash { .. })));
    PhoneModel::from_bytes(&weights, &manifest.to_string()).expect("they belong together")
}

fn listen(model: &PhoneModel, audio: &[u8], text: &str) -> Result<f64, SpeechError> {
    model.listen(&Speech { audio, text }).map(|verdict| verdict.score)
}

#[test]
fn a_file_of_any_rate_and_number_of_channels_becomes_the_same_samples() {
    let tone = |t: f32| 0.5 * (2.0 * PI * 440.0 * t).sin();
    let plain = decode(&wav(&seconds(1.0, 16_000.0, tone), 16_000, 1)).expect("decoded");
    assert_eq!(plain.len(), RATE);
    for (rate, hertz) in [(8_000, 8_000.0), (22_050, 22_050.0), (44_100, 44_100.0), (48_000, 48_000.0)] {
        let mono = seconds(1.0, hertz, tone);
        let stereo: Vec<f32> = mono.iter().flat_map(|x| [*x, *x]).collect();
        for audio in [wav(&mono, rate, 1), wav(&stereo, rate, 2)] {
            let found = decode(&audio).expect("decoded");
            assert!(found.len().abs_diff(RATE) <= 1, "{rate}: {}", found.len());
            // Away from the ends, where a filter rings.
            let off = found[2000..14_000].iter().zip(&plain[2000..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // By less than what the tone changes from one sample to the next.
            assert!(off < 0.086, "{rate} Hz is off by {off}");
        }
    }
}

#[test]
fn flac_mp3_and_opus_are_decoded_and_what_is_neither_is_told() {
    assert_eq!(decode(&flac(&[0.0; 4_096])).map(|samples| samples.len()), Ok(4_096));
    let samples = decode(&flac(&seconds(0.256, 16_000.0, |t| 0.5 * (2.0 * PI * 440.0 * t).sin()))).expect("decoded");
    assert!((levels(&samples)[5] + 9.0).abs() < 0.2, "a sine of half the scale has -9 dB");
    let frame = [&[0xff, 0xfb, 0x90, 0xc4][..], &[0; 413]].concat();
    let mp3 = decode(&frame.repeat(40)).expect("an MP3 of silence");
    assert!(mp3.len() > RATE / 2 && check(&mp3) == Err(SpeechError::Silence));
    let opus = decode(&opus(50)).expect("an Opus file of silence");
    assert!(opus.len().abs_diff(RATE - 104) < 400, "{}", opus.len());
    assert_eq!(check(&opus), Err(SpeechError::Silence));
    for junk in [&b"hello, this is no audio at all"[..], &[0; 5000], b"<html></html>", b"\x89PNG\r\n\x1a\n"] {
        assert_eq!(decode(junk), Err(SpeechError::NotAudio));
    }
    assert_eq!(decode(b""), Err(SpeechError::Empty));
    assert_eq!(decode(&wav(&[], 16_000, 1)), Err(SpeechError::Empty));
}

#[test]
fn a_file_that_breaks_off_is_judged_by_what_is_there_or_told() {
    let whole = wav(&babble(2.0, 0.05), 16_000, 1);
    for length in (0..whole.len()).step_by(997) {
        match decode(&whole[..length]) {
            Ok(samples) => assert!(samples.len() <= length / 2),
            Err(error) => assert!(
                matches!(error, SpeechError::Empty | SpeechError::NotAudio | SpeechError::Damaged { .. }),
                "{length}: {error}"
            ),
        }
    }
}

#[test]
fn bad_recordings_have_their_own_answers() {
    let model = untrained();
    let of =
        |samples: &[f32]| listen(&model, &wav(samples, 16_000, 1), "how are you today").expect_err("nothing to judge");
    assert_eq!(of(&vec![0.0; 32_000]), SpeechError::Silence);
    assert!(matches!(of(&babble(2.0, 0.0003)), SpeechError::TooQuiet { .. }));
    assert!(matches!(of(&babble(2.0, 20.0)), SpeechError::Clipped { .. }));
    assert_eq!(of(&hiss(2.0, 0.2)), SpeechError::NoSpeech);
    assert_eq!(of(&seconds(2.0, 16_000.0, |t| 0.3 * (2.0 * PI * 50.0 * t).sin())), SpeechError::NoSpeech);
    assert!(matches!(of(&babble(0.1, 0.05)), SpeechError::TooShort { length_ms: 100 }));
    assert_eq!(listen(&model, &wav(&vec![0.1; 601 * RATE], 16_000, 1), "how are you"), Err(SpeechError::TooLong));
    let audio = wav(&babble(2.0, 0.05), 16_000, 1);
    assert_eq!(listen(&model, &audio, "안녕하세요 여러분"), Err(SpeechError::NothingToJudge));
    assert!(matches!(listen(&model, &audio, &"word ".repeat(401)), Err(SpeechError::TextTooLong { words: 401 })));
}

#[test]
fn what_is_heard_is_the_same_to_the_bit_on_any_thread() {
    let model = untrained();
    let found = frames(&babble(12.0, 0.05));
    let once = model.hear(&found).expect("heard");
    assert_eq!(once.posteriors.len(), found.len() * CLASSES);
    for row in once.posteriors.chunks_exact(CLASSES) {
        assert!((row.iter().map(|p| p.exp()).sum::<f32>() - 1.0).abs() < 1e-4);
    }
    std::thread::scope(|scope| {
        let again: Vec<_> = (0..3).map(|_| scope.spawn(|| model.hear(&found).expect("heard"))).collect();
        for heard in again {
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&heard.join().expect("no panic").posteriors), bits(&once.posteriors));
        }
    });
}

#[test]
fn loudness_and_silence_at_the_ends_change_no_frame_much() {
    // A room is never without noise; digital silence would be cut at the smallest energy that is told apart.
    let quiet: Vec<f32> = babble(3.0, 0.02).iter().zip(hiss(3.0, 0.002)).map(|(voice, noise)| voice + noise).collect();
    let loud: Vec<f32> = quiet.iter().map(|x| x * 6.0).collect();
    let framed = [vec![0.0; 16_000], quiet.clone(), vec![0.0; 16_000]].concat();
    let (a, b, c) = (frames(&quiet), frames(&loud), frames(&framed));
    assert_eq!((a.values.len() % FRAME, a.len()), (0, b.len()));
    let far = a.values.iter().zip(&b.values).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(far < 0.05, "loudness moves a value by {far}");
    assert!(c.len().abs_diff(a.len()) < 20, "{} and {}", c.len(), a.len());
    assert!((800..=1000).contains(&c.start_ms), "{}", c.start_ms);
    assert_eq!(BANDS * 2, FRAME);
}

/// A FLAC file of one frame, its samples as they are.
fn flac(samples: &[f32]) -> Vec<u8> {
    let count = u16::try_from(samples.len()).expect("a block");
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([count.to_be_bytes(), count.to_be_bytes()].concat());
    file.extend([0; 6]);
    // 16 kHz in 20 bits, one channel less one in 3, 16 bits less one in 5, the number of samples in 36.
    let packed = (16_000u64 << 44) | (15 << 36) | u64::from(count);
    file.extend(packed.to_be_bytes());
    file.extend([0; 16]);
    let mut frame = vec![0xff, 0xf8, 0x75, 0x08, 0x00];
    frame.extend((count - 1).to_be_bytes());
    frame.push(
        frame.iter().fold(0u8, |crc, byte| {
            (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { (c << 1) ^ 0x07 } else { c << 1 })
        }),
    );
    frame.push(0x02);
    #[allow(clippy::cast_possible_truncation, reason = "within an i16")]
    frame.extend(samples.iter().flat_map(|x| ((x * 32767.0) as i16).to_be_bytes()));
    let crc = frame.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |c, _| if c & 0x8000 != 0 { (c << 1) ^ 0x8005 } else { c << 1 })
    });
    frame.extend(crc.to_be_bytes());
    [file, frame].concat()
}

/// An Ogg file of Opus packets of 20 ms of silence.
fn opus(packets: u8) -> Vec<u8> {
    let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0".to_vec();
    let tags = b"OpusTags\x01\0\0\0x\0\0\0\0".to_vec();
    let silence = vec![0xf8, 0xff, 0xfe];
    let page = |kind: u8, granule: u64, sequence: u32, packets: &[Vec<u8>]| {
        let mut page = b"OggS\0".to_vec();
        page.push(kind);
        page.extend(granule.to_le_bytes());
        page.extend(7u32.to_le_bytes());
        page.extend(sequence.to_le_bytes());
        page.extend([0; 4]);
        page.push(u8::try_from(packets.len()).expect("few"));
        page.extend(packets.iter().map(|packet| u8::try_from(packet.len()).expect("short")));
        page.extend(packets.concat());
        let crc = page.iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ (u32::from(*byte) << 24), |c, _| {
                if c & 0x8000_0000 != 0 { (c << 1) ^ 0x04c1_1db7 } else { c << 1 }
            })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        page
    };
    let all = vec![silence; usize::from(packets)];
    [page(2, 0, 0, &[head]), page(0, 0, 1, &[tags]), page(4, 960 * u64::from(packets), 2, &all)].concat()
}

#[test]
fn every_word_of_the_text_is_in_the_verdict_and_is_said_or_not_or_not_judged() {
    let model = untrained();
    let audio = wav(&babble(3.0, 0.05), 16_000, 1);
    let verdict = model.listen(&Speech { audio: &audio, text: "How are zyx you?" }).expect("a verdict");
    let places: Vec<_> = verdict.words.iter().map(|word| (word.start, word.end)).collect();
    assert_eq!(places, [(0, 3), (4, 7), (8, 11), (12, 15)]);
    assert_eq!((verdict.words[2].said, verdict.words[2].sounds.len()), (None, 0));
    assert!(verdict.words.iter().all(|word| word.from_ms <= word.to_ms && word.to_ms <= verdict.recording_ms));
    assert!(verdict.words.windows(2).all(|pair| pair[0].to_ms <= pair[1].from_ms));
    let scores = || verdict.words.iter().flat_map(|word| &word.sounds).map(|sound| sound.score);
    assert!(scores().all(|score| (0.0..=1.0).contains(&score)) && (0.0..=1.0).contains(&verdict.completeness));
    let again = model.listen(&Speech { audio: &audio, text: "How are zyx you?" }).expect("a verdict");
    assert_eq!((again.words, again.score), (verdict.words, verdict.score));
}
