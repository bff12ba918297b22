//! The speech model that is shipped: whose it is, that it may be shipped, and what it makes of recordings made here.

mod audio;

use baeum_domain::learning::speech::{Listener, Speech, SpeechError, SpeechVerdict};
use baeum_ml::learning::error_detector::manifest::{Manifest, sha256};
use baeum_ml::learning::pronunciation::PhoneModel;
use baeum_ml::learning::pronunciation::audio::RATE;
use baeum_ml::learning::pronunciation::features::frames;
use safetensors::SafeTensors;

use audio::{babble, hiss, wav};

const WEIGHTS: &[u8] = include_bytes!("../weights/pronunciation.safetensors");
const MANIFEST: &str = include_str!("../weights/pronunciation.json");
const NOTICE: &str = include_str!("../../../docs/licences/cmudict.txt");

fn model() -> PhoneModel {
    PhoneModel::shipped().expect("the weights of the crate load")
}

fn listen(model: &PhoneModel, samples: &[f32], text: &str) -> Result<SpeechVerdict, SpeechError> {
    model.listen(&Speech { audio: &wav(samples, 16_000, 1), text })
}

#[test]
fn weights_and_manifest_belong_together_and_may_be_passed_on() {
    let manifest: Manifest = serde_json::from_str(MANIFEST).expect("a manifest");
    assert_eq!(sha256(WEIGHTS), manifest.weights_sha256);
    assert_eq!((model().weights_hash(), model().model_id()), (&*manifest.weights_sha256, &*manifest.model_id));
    assert!(!manifest.data.is_empty());
    for source in &manifest.data {
        let licence = source.licence.to_lowercase();
        assert!(
            ["cc by 4.0", "bsd-2-clause"].iter().any(|free| licence.starts_with(free)),
            "{}: {}",
            source.name,
            source.licence
        );
        assert!(!licence.contains("-nc") && source.address.starts_with("https://"));
    }
    let size = WEIGHTS.len() + MANIFEST.len();
    assert!(size <= 5_000_000, "{size} bytes");
}

#[test]
fn the_notice_of_the_dictionary_travels_inside_the_weights() {
    let (_, header) = SafeTensors::read_metadata(WEIGHTS).expect("a header");
    let notices = header.metadata().as_ref().and_then(|all| all.get("notices")).expect("notices");
    assert!(notices.contains(NOTICE) && notices.contains("speechocean762"));
}

#[test]
fn the_manifest_states_the_figures_that_the_documentation_promises() {
    let manifest: Manifest = serde_json::from_str(MANIFEST).expect("a manifest");
    for figure in [
        "/planted_uniform/auc",
        "/planted_uniform/auc_children",
        "/planted_uniform/auc_adults",
        "/planted_confused/auc",
        "/words_that_nobody_said/auc",
        "/texts_of_other_recordings/auc",
    ] {
        let value = manifest.metrics.pointer(figure).and_then(serde_json::Value::as_f64);
        assert!(value.is_some_and(|value| value > 0.5 && value < 1.0), "{figure}: {value:?}");
    }
    let planted = manifest.metrics.pointer("/planted_uniform/auc").and_then(serde_json::Value::as_f64);
    assert!(planted.is_some_and(|auc| auc >= 0.93), "{planted:?}");
    assert_eq!(manifest.metrics.pointer("/measured_on/recordings"), Some(&2500.into()));
}

#[test]
fn the_dictionary_knows_common_words() {
    let model = model();
    for word in ["the", "pear", "bought", "pronunciation", "don't"] {
        assert!(!model.lexicon().find(word).is_empty(), "{word}");
    }
}

#[test]
fn what_it_hears_is_the_same_to_the_bit_on_any_thread() {
    let model = model();
    let found = frames(&babble(11.0, 0.05));
    let once = model.hear(&found).expect("heard");
    std::thread::scope(|scope| {
        let again: Vec<_> = (0..3).map(|_| scope.spawn(|| model.hear(&found).expect("heard"))).collect();
        for heard in again {
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&heard.join().expect("no panic").posteriors), bits(&once.posteriors));
        }
    });
}

#[test]
fn what_is_no_reading_of_the_text_is_refused_for_what_it_is() {
    let model = model();
    let of = |samples: &[f32]| listen(&model, samples, "How much is a pear?").expect_err("nothing to judge");
    assert_eq!(of(&[]), SpeechError::Empty);
    assert_eq!(of(&vec![0.0; 32_000]), SpeechError::Silence);
    assert_eq!(of(&hiss(2.0, 0.2)), SpeechError::NoSpeech);
    assert!(matches!(of(&babble(2.0, 20.0)), SpeechError::Clipped { .. }));
    assert!(matches!(of(&babble(0.1, 0.05)), SpeechError::TooShort { .. }));
    assert_eq!(of(&vec![0.1; 601 * RATE]), SpeechError::TooLong);
    assert_eq!(of(&babble(3.0, 0.05)), SpeechError::OtherWords, "a buzz that swells and fades says no word");
}
