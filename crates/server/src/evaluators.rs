//! The models that evaluate answers: the one that every build carries, and those of a folder.
//!
//! Each subfolder of `BAEUM_EVALUATORS` is a model with a `manifest.json` (docs/models.md). One that cannot be loaded, or
//! whose weights are not those of its manifest, is left out with a line in the log: the server runs without it, and the
//! built-in model stands in.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use baeum_chat::{ChatError, ChatEvaluator, Secret, Settings as ChatSettings};
use baeum_domain::learning::evaluation::{
    Evaluator, EvaluatorRegistry, ModelCard, ModelData, ModelRef, ServedEvaluator,
};
use baeum_ml::learning::{
    encoder::{self, EncoderDetector},
    error_detector::{ErrorDetector, LoadError},
    meaning::SentenceEncoder,
    serving::{Batched, Settings},
};
use serde::Deserialize;

use crate::models::with_meaning;

/// The manifest of the weights that every build carries.
const BUILT_IN: &str = include_str!("../../ml/weights/error-detector.json");
/// What says what is in a folder.
const MANIFEST: &str = "manifest.json";

/// A folder's manifest. A model of files has the fields of its own manifest besides.
#[derive(Deserialize)]
struct Manifest {
    kind: Kind,
    model_id: String,
    /// SHA-256 of the weights; of the settings, for a model that is asked by HTTP.
    weights_sha256: String,
    /// The file of the weights, within the folder.
    weights: Option<String>,
    #[serde(flatten)]
    about: About,
    chat: Option<Chat>,
}

/// What a manifest tells of how the model came to be.
#[derive(Deserialize)]
struct About {
    #[serde(default)]
    training_command: String,
    #[serde(default)]
    data: Vec<ModelData>,
    #[serde(default)]
    metrics: serde_json::Value,
}

impl About {
    fn card(self, kind: Kind) -> ModelCard {
        let Self { training_command, data, metrics } = self;
        let kind: &'static str = kind.into();
        ModelCard { kind: kind.to_owned(), data, metrics, training_command }
    }
}

#[derive(Clone, Copy, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
enum Kind {
    ErrorDetector,
    Encoder,
    Chat,
}

/// How a model is asked by HTTP.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chat {
    /// The address before `/chat/completions`.
    base_url: String,
    /// The model, as the service names it.
    model: String,
    /// File of the key, relative to the folder.
    key_file: Option<PathBuf>,
    /// How long one question may take, in milliseconds.
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
    /// For how long nothing is asked once the service is away, in milliseconds.
    #[serde(default = "half_a_minute")]
    pause_ms: u64,
}

fn ten_seconds() -> u64 {
    10_000
}

fn half_a_minute() -> u64 {
    30_000
}

/// Why a model is left out, or none can be looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvaluatorsError {
    #[error("{path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} is not the manifest of a model: {error}")]
    Manifest { path: PathBuf, error: serde_json::Error },
    #[error("the weights file '{0}' is not a name within the model's folder")]
    WeightsName(String),
    #[error(transparent)]
    Detector(#[from] LoadError),
    #[error(transparent)]
    Encoder(#[from] encoder::LoadError),
    #[error("a model of kind chat has an object 'chat' in its manifest")]
    NoChat,
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error("its settings have SHA-256 {found}, its manifest says {expected}: were they changed?")]
    Hash { expected: String, found: String },
    #[error("its threads cannot be started: {0}")]
    Threads(io::Error),
}

struct Model {
    served: Arc<dyn ServedEvaluator>,
    card: Option<ModelCard>,
}

/// The models of this server.
pub(crate) struct Installed {
    built_in: ModelRef,
    models: BTreeMap<ModelRef, Model>,
}

impl Installed {
    /// The built-in model, and those of a folder where one is given, served with `settings`; those that compute here with
    /// what `meaning` says beside their verdicts, where it is given.
    ///
    /// # Errors
    /// When the folder cannot be read. What is in it is left out where it cannot be loaded.
    pub(crate) fn open(
        built_in: Arc<dyn ServedEvaluator>,
        folder: Option<&Path>,
        settings: Settings,
        meaning: Option<&Arc<SentenceEncoder>>,
    ) -> Result<Self, EvaluatorsError> {
        let model = built_in.model().clone();
        let card = built_in_card(&model);
        let models = BTreeMap::from([(model.clone(), Model { served: built_in, card })]);
        let mut installed = Self { built_in: model, models };
        let Some(folder) = folder else { return Ok(installed) };
        let unreadable = |error| EvaluatorsError::Unreadable { path: folder.to_owned(), error };
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if !path.is_dir() {
                continue;
            }
            match load(&path, settings, meaning) {
                Ok(model) => {
                    let name = model.served.model().clone();
                    tracing::info!(model_id = name.model_id, weights_hash = name.weights_hash, "a model is installed");
                    installed.models.insert(name, model);
                }
                Err(error) => {
                    tracing::error!(folder = %path.display(), %error, "a model is left out");
                }
            }
        }
        Ok(installed)
    }
}

impl EvaluatorRegistry for Installed {
    fn built_in(&self) -> Arc<dyn ServedEvaluator> {
        self.models.get(&self.built_in).expect("the built-in model is always installed").served.clone()
    }

    fn find(&self, model: &ModelRef) -> Option<Arc<dyn ServedEvaluator>> {
        self.models.get(model).map(|it| it.served.clone())
    }

    fn models(&self) -> Vec<ModelRef> {
        self.models.keys().cloned().collect()
    }

    fn card(&self, model: &ModelRef) -> Option<ModelCard> {
        self.models.get(model)?.card.clone()
    }
}

/// What is known of the model that every build carries; `None` of another.
fn built_in_card(model: &ModelRef) -> Option<ModelCard> {
    #[derive(Deserialize)]
    struct BuiltIn {
        model_id: String,
        weights_sha256: String,
        #[serde(flatten)]
        about: About,
    }
    let it: BuiltIn = serde_json::from_str(BUILT_IN).ok()?;
    let about = it.about;
    ((&it.model_id, &it.weights_sha256) == (&model.model_id, &model.weights_hash))
        .then(|| about.card(Kind::ErrorDetector))
}

/// The model of a folder.
fn load(folder: &Path, settings: Settings, meaning: Option<&Arc<SentenceEncoder>>) -> Result<Model, EvaluatorsError> {
    let path = folder.join(MANIFEST);
    let text = String::from_utf8_lossy(&read(&path)?).into_owned();
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| EvaluatorsError::Manifest { path: path.clone(), error })?;
    let served: Arc<dyn ServedEvaluator> = match manifest.kind {
        Kind::ErrorDetector => {
            let weights = read(&folder.join(weights_name(&manifest)?))?;
            // As the built-in one: together it is no faster than one after the other.
            let settings = Settings { linger: Duration::ZERO, ..settings };
            serve(with_meaning(Arc::new(ErrorDetector::from_bytes(&weights, &text)?), meaning), settings)?
        }
        Kind::Encoder => serve(with_meaning(Arc::new(EncoderDetector::load(folder)?), meaning), settings)?,
        Kind::Chat => Arc::new(chat(folder, &manifest)?),
    };
    let found = served.model().weights_hash.clone();
    if found != manifest.weights_sha256 {
        return Err(EvaluatorsError::Hash { expected: manifest.weights_sha256, found });
    }
    Ok(Model { served, card: Some(manifest.about.card(manifest.kind)) })
}

fn serve(evaluator: Arc<dyn Evaluator>, settings: Settings) -> Result<Arc<dyn ServedEvaluator>, EvaluatorsError> {
    Ok(Arc::new(Batched::new(evaluator, settings).map_err(EvaluatorsError::Threads)?))
}

fn chat(folder: &Path, manifest: &Manifest) -> Result<ChatEvaluator, EvaluatorsError> {
    let chat = manifest.chat.as_ref().ok_or(EvaluatorsError::NoChat)?;
    let key = match &chat.key_file {
        Some(file) => Some(Secret::new(&String::from_utf8_lossy(&read(&folder.join(file))?))),
        None => None,
    };
    let settings = ChatSettings {
        model_id: manifest.model_id.clone(),
        base_url: chat.base_url.clone(),
        model: chat.model.clone(),
        key,
        timeout: Duration::from_millis(chat.timeout_ms),
        pause: Duration::from_millis(chat.pause_ms),
    };
    Ok(ChatEvaluator::new(&settings, Arc::new(Instant::now))?)
}

/// The weights lie in the folder itself: a manifest reaches no other file.
fn weights_name(manifest: &Manifest) -> Result<&str, EvaluatorsError> {
    let name = manifest.weights.as_deref().unwrap_or("weights.safetensors");
    let is_name = Path::new(name).file_name().is_some_and(|it| it == name);
    if is_name { Ok(name) } else { Err(EvaluatorsError::WeightsName(name.to_owned())) }
}

fn read(path: &Path) -> Result<Vec<u8>, EvaluatorsError> {
    fs::read(path).map_err(|error| EvaluatorsError::Unreadable { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use baeum_domain::learning::evaluation::OneModel;
    use serde_json::{Value, json};

    use super::*;

    const WEIGHTS: &[u8] = include_bytes!("../../ml/weights/error-detector.safetensors");
    const OWN: &str = include_str!("../../ml/weights/error-detector.json");

    const SETTINGS: Settings =
        Settings { threads: NonZeroUsize::MIN, queue: NonZeroUsize::MIN, linger: Duration::ZERO };

    fn built_in() -> Arc<dyn ServedEvaluator> {
        OneModel::direct(Arc::new(ErrorDetector::load().expect("the detector of this build"))).built_in()
    }

    /// The manifest of the build's own detector under another name.
    fn manifest(name: &str) -> Value {
        let mut manifest: Value = serde_json::from_str(OWN).expect("JSON");
        manifest["kind"] = json!("error-detector");
        manifest["model_id"] = json!(name);
        manifest
    }

    fn install(folder: &Path, name: &str, manifest: &Value, weights: &[u8]) {
        let folder = folder.join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join(MANIFEST), manifest.to_string()).expect("a file");
        fs::write(folder.join("weights.safetensors"), weights).expect("a file");
    }

    #[test]
    fn a_folder_of_models_is_installed_with_what_is_known_of_each() {
        let folder = tempfile::tempdir().expect("a folder");
        install(folder.path(), "again", &manifest("again-1"), WEIGHTS);
        let installed = Installed::open(built_in(), Some(folder.path()), SETTINGS, None).expect("models");
        let models = installed.models();
        assert_eq!((models.len(), models[0].model_id.as_str()), (2, "again-1"));
        let card = installed.card(&models[0]).expect("a card");
        assert_eq!(card.kind, "error-detector");
        assert!(!card.data.is_empty() && card.data.iter().all(|it| !it.licence.is_empty()), "{:?}", card.data);
        assert!(card.metrics.is_object() && !card.training_command.is_empty());
        assert_eq!(installed.find(&models[0]).expect("it is served").model(), &models[0]);
        assert_eq!(installed.built_in().model(), built_in().model());
        let shipped = installed.card(installed.built_in().model()).expect("the build's own card");
        assert_eq!((shipped.kind.as_str(), &shipped.data), ("error-detector", &card.data));
    }

    #[test]
    fn what_cannot_be_loaded_is_left_out_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut changed = WEIGHTS.to_vec();
        *changed.last_mut().expect("weights") ^= 1;
        install(folder.path(), "changed", &manifest("changed"), &changed);
        let mut encoder = manifest("encoder");
        encoder["kind"] = json!("encoder");
        install(folder.path(), "encoder", &encoder, b"");
        let mut outside = manifest("outside");
        outside["weights"] = json!("../changed/weights.safetensors");
        install(folder.path(), "outside", &outside, b"");
        install(folder.path(), "nothing", &json!({}), b"");
        let chat = json!({
            "kind": "chat", "model_id": "chat", "weights_sha256": "00",
            "chat": { "base_url": "https://api.example.org/v1", "model": "some" }
        });
        install(folder.path(), "chat", &chat, b"");
        let why =
            |name: &str| load(&folder.path().join(name), SETTINGS, None).map(|_| ()).expect_err("left out").to_string();
        for (name, reason) in [
            ("changed", "SHA-256"),
            ("encoder", "encoder.safetensors cannot be read"),
            ("outside", "not a name within"),
            ("nothing", "not the manifest"),
            ("chat", "SHA-256"),
        ] {
            assert!(why(name).contains(reason), "{name}: {}", why(name));
        }
        let installed = Installed::open(built_in(), Some(folder.path()), SETTINGS, None).expect("the rest");
        assert_eq!(installed.models(), [built_in().model().clone()]);
    }

    #[test]
    fn a_model_that_is_asked_by_http_needs_no_weights() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut chat = json!({
            "kind": "chat", "model_id": "chat", "weights_sha256": "00",
            "chat": { "base_url": "https://api.example.org/v1", "model": "some", "key_file": "key" }
        });
        install(folder.path(), "chat", &chat, b"");
        fs::write(folder.path().join("chat/key"), "sk-4711\n").expect("a file");
        let Err(EvaluatorsError::Hash { found, .. }) = load(&folder.path().join("chat"), SETTINGS, None) else {
            panic!("a hash")
        };
        chat["weights_sha256"] = json!(found);
        fs::write(folder.path().join("chat").join(MANIFEST), chat.to_string()).expect("a file");
        let model = load(&folder.path().join("chat"), SETTINGS, None).expect("a model");
        assert_eq!((model.served.model().model_id.as_str(), &model.served.model().weights_hash), ("chat", &found));
    }
}
