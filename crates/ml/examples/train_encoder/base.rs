//! The weights of MiniLM that training begins with, under the names of the network.

use std::collections::HashMap;
use std::path::Path;

use baeum_ml::learning::encoder::minilm;
use baeum_ml::learning::encoder::network::OUTPUTS;
use baeum_ml::learning::encoder::word_pieces::FORMS;
use candle_core::{DType, Device, Tensor};

use crate::corpus::anyhow_lite::Result;
use crate::rng::Rng;

/// All tensors of the network: MiniLM's, a head drawn from the seed, and forms that begin as nothing. And the pieces.
pub(crate) fn read(folder: &Path, rng: &mut Rng) -> Result<(HashMap<String, Tensor>, String)> {
    let (mut all, pieces) = minilm::read(folder)?;
    let width = all.get("pieces").ok_or("the base has no pieces")?.dim(1)?;
    all.insert("forms".to_owned(), Tensor::zeros((FORMS, width), DType::F32, &Device::Cpu)?);
    let head: Vec<f32> = (0..width * OUTPUTS).map(|_| (rng.unit() * 2.0 - 1.0) as f32 * 0.035).collect();
    all.insert("head.weight".to_owned(), Tensor::from_vec(head, (width, OUTPUTS), &Device::Cpu)?);
    all.insert("head.bias".to_owned(), Tensor::zeros(OUTPUTS, DType::F32, &Device::Cpu)?);
    Ok((all, pieces))
}
