//! MiniLM's files as `scripts/minilm` writes them, under the names of [`bert_tensors`]: what the large detector begins with,
//! and what measures meaning.

use std::{collections::HashMap, fs, path::Path};

use candle_core::{Device, Tensor};

use super::super::error_detector::manifest::sha256;
use super::network::{PLACES, Size, bert_tensors};

/// The weights: a file, and its SHA-256.
pub const WEIGHTS: (&str, &str) =
    ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db");
/// The word pieces: a file, and its SHA-256.
pub const PIECES: (&str, &str) = ("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3");

/// Why MiniLM could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MiniLmError {
    /// A file of the folder is missing or closed.
    #[error("{path} cannot be read: {source}; scripts/minilm FOLDER fetches it")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file has other contents than this code was written for.
    #[error("{path} has SHA-256 {found} instead of {expected}: fetch it anew with scripts/minilm FOLDER")]
    Hash {
        /// Which file.
        path: String,
        /// What it should have.
        expected: &'static str,
        /// What it has.
        found: String,
    },
    /// The weights lack a tensor, or have one of other dimensions.
    #[error("the weights of MiniLM do not fit its network: {0}")]
    Weights(#[from] candle_core::Error),
    /// The word pieces are not UTF-8.
    #[error("the word pieces of MiniLM are not text: {0}")]
    Pieces(#[from] std::string::FromUtf8Error),
}

/// The tensors of [`super::network::Bert`] and the word pieces, one a line. The kind of sentence that BERT knows beside its
/// place is always the first, and is added to the places.
///
/// # Errors
/// Where a file is missing, or is not the one that this was written for.
pub fn read(folder: &Path) -> Result<(HashMap<String, Tensor>, String), MiniLmError> {
    let pieces = String::from_utf8(file(folder, PIECES)?)?;
    let base = candle_core::safetensors::load_buffer(&file(folder, WEIGHTS)?, &Device::Cpu)?;
    Ok((renamed(&base)?, pieces))
}

fn file(folder: &Path, (name, expected): (&str, &'static str)) -> Result<Vec<u8>, MiniLmError> {
    let path = folder.join(name);
    let told = || path.display().to_string();
    let bytes = fs::read(&path).map_err(|source| MiniLmError::File { path: told(), source })?;
    let found = sha256(&bytes);
    if found == expected { Ok(bytes) } else { Err(MiniLmError::Hash { path: told(), expected, found }) }
}

fn renamed(base: &HashMap<String, Tensor>) -> candle_core::Result<HashMap<String, Tensor>> {
    let get = |name: &str| base.get(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() });
    let turned = |name: &str| get(name)?.t()?.contiguous();
    let table = get("embeddings.word_embeddings.weight")?.clone();
    let (pieces, width) = table.dims2()?;
    let inner = get("encoder.layer.0.intermediate.dense.bias")?.dim(0)?;
    let layers = base.keys().filter(|name| name.ends_with(".intermediate.dense.bias")).count();

    let mut all = HashMap::from([("pieces".to_owned(), table)]);
    let kind = get("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
    let places = get("embeddings.position_embeddings.weight")?.narrow(0, 0, PLACES)?.broadcast_add(&kind)?;
    all.insert("places".to_owned(), places);
    for end in ["weight", "bias"] {
        all.insert(format!("norm.{end}"), get(&format!("embeddings.LayerNorm.{end}"))?.clone());
    }
    for at in 0..layers {
        let from = format!("encoder.layer.{at}");
        let joined = ["query", "key", "value"].map(|part| format!("{from}.attention.self.{part}"));
        let weights: Vec<Tensor> =
            joined.iter().map(|name| turned(&format!("{name}.weight"))).collect::<candle_core::Result<_>>()?;
        let biases: Vec<&Tensor> =
            joined.iter().map(|name| get(&format!("{name}.bias"))).collect::<candle_core::Result<_>>()?;
        all.insert(format!("layer{at}.joined.weight"), Tensor::cat(&weights, 1)?);
        all.insert(format!("layer{at}.joined.bias"), Tensor::cat(&biases, 0)?);
        for (to, name) in [("context", "attention.output"), ("up", "intermediate"), ("down", "output")] {
            all.insert(format!("layer{at}.{to}.weight"), turned(&format!("{from}.{name}.dense.weight"))?);
            all.insert(format!("layer{at}.{to}.bias"), get(&format!("{from}.{name}.dense.bias"))?.clone());
        }
        for (to, name) in [("norm1", "attention.output"), ("norm2", "output")] {
            for end in ["weight", "bias"] {
                let tensor = get(&format!("{from}.{name}.LayerNorm.{end}"))?.clone();
                all.insert(format!("layer{at}.{to}.{end}"), tensor);
            }
        }
    }
    for (name, dims) in bert_tensors(Size { pieces, width, inner, layers }) {
        if all.get(&name).is_none_or(|tensor| tensor.dims() != dims) {
            candle_core::bail!("{name} should be {dims:?}");
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_minilm_and_one_with_other_files_are_told() {
        let missing = read(Path::new("/no/such/folder")).expect_err("nothing is there").to_string();
        assert!(missing.contains("/no/such/folder/vocab.txt cannot be read"), "{missing}");
        let folder = std::env::temp_dir().join(format!("baeum-minilm-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(PIECES.0), "[PAD]\n").expect("a file");
        let other = read(&folder).expect_err("another file").to_string();
        fs::remove_dir_all(&folder).expect("the folder goes");
        assert!(other.contains("vocab.txt has SHA-256") && other.contains(PIECES.1), "{other}");
    }
}
