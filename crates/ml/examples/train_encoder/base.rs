//! The weights of MiniLM that training begins with, under the names of the network.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use baeum_ml::learning::encoder::network::{OUTPUTS, PLACES, Size, tensors};
use baeum_ml::learning::encoder::word_pieces::FORMS;
use baeum_ml::learning::error_detector::manifest::sha256;
use candle_core::{Device, Tensor};

use crate::corpus::anyhow_lite::{Context, Result};
use crate::rng::Rng;

/// What `scripts/minilm` writes.
const FILES: [(&str, &str); 2] = [
    ("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    ("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
];

/// All tensors of the network: MiniLM's, a head drawn from the seed, and forms that begin as nothing. And the pieces.
pub(crate) fn read(folder: &Path, rng: &mut Rng) -> Result<(HashMap<String, Tensor>, String)> {
    let mut files = Vec::new();
    for (name, hash) in FILES {
        let path = folder.join(name);
        let bytes = fs::read(&path).context(|| format!("reading {} (scripts/minilm fetches it)", path.display()))?;
        if sha256(&bytes) != hash {
            return Err(format!("{} is not the file that this was written for", path.display()).into());
        }
        files.push(bytes);
    }
    let pieces = String::from_utf8(files.pop().unwrap_or_default())?;
    let base = candle_core::safetensors::load_buffer(&files.pop().unwrap_or_default(), &Device::Cpu)?;
    let get = |name: &str| base.get(name).ok_or_else(|| format!("the base has no {name}"));
    let turned = |name: &str| -> Result<Tensor> { Ok(get(name)?.t()?.contiguous()?) };
    let table = get("embeddings.word_embeddings.weight")?.clone();
    let (rows, width) = table.dims2()?;
    let inner = get("encoder.layer.0.intermediate.dense.bias")?.dim(0)?;
    let layers = base.keys().filter(|name| name.ends_with(".intermediate.dense.bias")).count();

    let mut all = HashMap::from([("pieces".to_owned(), table)]);
    let kind = get("embeddings.token_type_embeddings.weight")?.narrow(0, 0, 1)?;
    let places = get("embeddings.position_embeddings.weight")?.narrow(0, 0, PLACES)?.broadcast_add(&kind)?;
    all.insert("places".to_owned(), places);
    all.insert("forms".to_owned(), Tensor::zeros((FORMS, width), candle_core::DType::F32, &Device::Cpu)?);
    for end in ["weight", "bias"] {
        all.insert(format!("norm.{end}"), get(&format!("embeddings.LayerNorm.{end}"))?.clone());
    }
    for at in 0..layers {
        let from = format!("encoder.layer.{at}");
        let joined = ["query", "key", "value"].map(|part| format!("{from}.attention.self.{part}"));
        let weights: Vec<Tensor> =
            joined.iter().map(|name| turned(&format!("{name}.weight"))).collect::<Result<_>>()?;
        let biases: Vec<&Tensor> =
            joined.iter().map(|name| get(&format!("{name}.bias"))).collect::<std::result::Result<_, _>>()?;
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
    let head: Vec<f32> = (0..width * OUTPUTS).map(|_| (rng.unit() * 2.0 - 1.0) as f32 * 0.035).collect();
    all.insert("head.weight".to_owned(), Tensor::from_vec(head, (width, OUTPUTS), &Device::Cpu)?);
    all.insert("head.bias".to_owned(), Tensor::zeros(OUTPUTS, candle_core::DType::F32, &Device::Cpu)?);
    for (name, dims) in tensors(Size { pieces: rows, width, inner, layers }) {
        if all.get(&name).is_none_or(|tensor| tensor.dims() != dims) {
            return Err(format!("{name} of the base should be {dims:?}").into());
        }
    }
    Ok((all, pieces))
}
