//! Begins with the weights of an earlier training instead of random ones.

use std::fs;
use std::path::Path;

use baeum_ml::learning::error_detector::evidence::KINDS;
use baeum_ml::learning::error_detector::features::{Vocabulary, token_features};
use baeum_ml::learning::error_detector::model::{EMBEDDING, tensors};
use candle_core::{DType, Device, Tensor};

use crate::corpus::anyhow_lite::{Context, Result};

/// Writes tensors of an older weights file over drawn ones, in the order of `model::tensors`. Each word of the new
/// vocabulary takes the row that it had in the old network, its own or a shared one. A tensor that the old file lacks
/// keeps what was drawn; of one that has grown longer (the input, by the evidence) the first values are taken. Returns
/// the names of those that were taken.
pub(crate) fn begin(weights: &mut [Vec<f32>], path: &Path, vocabulary_text: &str) -> Result<Vec<String>> {
    let bytes = fs::read(path).context(|| path.display().to_string())?;
    let old = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
    let text = old.get("vocabulary").ok_or("the weights have no vocabulary")?.to_vec1::<u8>()?;
    let old_vocabulary = Vocabulary::parse(&String::from_utf8(text)?);
    let mut taken = Vec::new();
    for (own, (name, _, _)) in weights.iter_mut().zip(tensors()) {
        let Some(values) = old.get(&name).map(flat).transpose()? else { continue };
        if name == "words" {
            // Shared rows first, then the rows of the words.
            let size = own.len();
            own.copy_from_slice(values.get(..size).ok_or("the table of words is of another size")?);
            for (rank, word) in
                vocabulary_text.lines().filter_map(|line| line.split_once(' ')).map(|(w, _)| w).enumerate()
            {
                let row = token_features((word, word), false, &old_vocabulary, true, [0; KINDS]).word as usize;
                own[rank * EMBEDDING..][..EMBEDDING].copy_from_slice(&values[row * EMBEDDING..][..EMBEDDING]);
            }
        } else {
            let length = own.len().min(values.len());
            own[..length].copy_from_slice(&values[..length]);
        }
        taken.push(name);
    }
    Ok(taken)
}

fn flat(tensor: &Tensor) -> candle_core::Result<Vec<f32>> {
    tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn words_keep_their_rows_under_another_vocabulary() -> Result<()> {
        let sizes: Vec<usize> = tensors().iter().map(|(_, dims, _)| dims.iter().product()).collect();
        let words: Vec<f32> = (0..sizes[0] / EMBEDDING).flat_map(|row| vec![(row % 2_000) as f32; EMBEDDING]).collect();
        let old: HashMap<String, Tensor> = HashMap::from([
            ("words".to_owned(), Tensor::from_vec(words, (sizes[0] / EMBEDDING, EMBEDDING), &Device::Cpu)?),
            ("vocabulary".to_owned(), Tensor::new("the 9\ncat 4\n".as_bytes(), &Device::Cpu)?),
        ]);
        let folder = std::env::temp_dir().join(format!("baeum-start-{}", std::process::id()));
        candle_core::safetensors::save(&old, &folder)?;
        let mut weights: Vec<Vec<f32>> = sizes.iter().map(|size| vec![-1.0; *size]).collect();
        let taken = begin(&mut weights, &folder, "cat 7\ndog 5\nthe 2\n")?;
        fs::remove_file(&folder)?;
        assert_eq!(taken, ["words"]);
        let row = |rank: usize| weights[0][rank * EMBEDDING];
        let shared = token_features(("dog", "dog"), false, &Vocabulary::default(), true, [0; KINDS]).word;
        assert_eq!([row(0), row(2), row(1)].map(|value| value as u32), [1, 0, shared % 2_000]);
        assert!(weights[1].iter().all(|value| *value < 0.0), "what the file lacks stays as it was");
        Ok(())
    }
}
