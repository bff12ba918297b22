//! The model that is measured: the built-in one, or that of a folder.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use baeum_domain::learning::evaluation::Evaluator;
use baeum_ml::learning::{
    encoder::{self, EncoderDetector},
    error_detector::{ErrorDetector, LoadError},
};
use serde::Deserialize;

/// How long a server lets the first answer of a batch wait for others, where a model is faster with several.
const LINGER: Duration = Duration::from_millis(5);

/// Why a folder has no model that can be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error(
        "--model: {path} cannot be read: {error}; give the folder of one model, with its manifest.json (docs/models.md)"
    )]
    Unreadable { path: String, error: io::Error },
    #[error("--model: {path} is not the manifest of a model: {error}")]
    Manifest { path: String, error: serde_json::Error },
    #[error("--model: {path} is of kind '{kind}': what is measured here is an error-detector or an encoder")]
    Kind { path: String, kind: String },
    #[error("--model: the weights file '{0}' is not a name within the model's folder")]
    WeightsName(String),
    #[error(transparent)]
    Detector(#[from] LoadError),
    #[error("--model: {0}")]
    Encoder(#[from] encoder::LoadError),
}

/// What of a folder's manifest says how it is loaded.
#[derive(Deserialize)]
struct Manifest {
    kind: String,
    weights: Option<String>,
}

/// A model, and how a server serves it.
pub(super) struct Model {
    pub(super) evaluator: Arc<dyn Evaluator>,
    /// How long the first answer of a batch waits for others.
    pub(super) linger: Duration,
}

impl Model {
    /// The model of a folder where one is given, else the built-in one.
    ///
    /// # Errors
    /// Where the folder has no model, or none of a kind that computes here.
    pub(super) fn load(folder: Option<&Path>) -> Result<Self, ModelError> {
        let Some(folder) = folder else { return Ok(Self::detector(ErrorDetector::load()?)) };
        let path = folder.join(encoder::MANIFEST);
        let name = path.display().to_string();
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| ModelError::Manifest { path: name.clone(), error })?;
        match manifest.kind.as_str() {
            "encoder" => Ok(Self { evaluator: Arc::new(EncoderDetector::load(folder)?), linger: LINGER }),
            "error-detector" => {
                let weights = manifest.weights.unwrap_or_else(|| "weights.safetensors".to_owned());
                if Path::new(&weights).file_name().is_none_or(|it| it != weights.as_str()) {
                    return Err(ModelError::WeightsName(weights));
                }
                Ok(Self::detector(ErrorDetector::from_bytes(&read(&folder.join(weights))?, &text)?))
            }
            _ => Err(ModelError::Kind { path: name, kind: manifest.kind }),
        }
    }

    /// Together its answers cost it as much as one after the other, so none waits.
    fn detector(detector: ErrorDetector) -> Self {
        Self { evaluator: Arc::new(detector), linger: Duration::ZERO }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|error| ModelError::Unreadable { path: path.display().to_string(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(manifest: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(encoder::MANIFEST), manifest).expect("a file");
        Model::load(Some(folder.path())).err().expect("a mistake").to_string()
    }

    #[test]
    fn a_folder_that_has_no_model_to_measure_is_told_in_one_line_that_names_it() {
        let none = Model::load(Some(Path::new("/no/such/folder"))).err().expect("a mistake").to_string();
        assert!(none.contains("/no/such/folder/manifest.json cannot be read"), "{none}");
        let cases = [
            (problem("{}"), "is not the manifest of a model: missing field `kind`"),
            (problem(r#"{"kind": "chat"}"#), "is of kind 'chat'"),
            (problem(r#"{"kind": "error-detector"}"#), "weights.safetensors cannot be read"),
            (problem(r#"{"kind": "error-detector", "weights": "../x"}"#), "'../x' is not a name"),
            (problem(r#"{"kind": "encoder"}"#), "encoder.safetensors cannot be read"),
        ];
        for (told, expected) in cases {
            assert!(told.contains(expected) && !told.contains('\n'), "{told}");
        }
    }

    #[test]
    fn without_a_folder_the_built_in_model_is_measured() {
        let built_in = Model::load(None).expect("the detector of this build");
        let own = ErrorDetector::load().expect("the same");
        assert_eq!(built_in.evaluator.weights_hash(), Evaluator::weights_hash(&own));
    }
}
