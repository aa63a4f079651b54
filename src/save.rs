//! Weights to files as transformers writes and reads them: of any width, in one file or in several with an index.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Tensor};
use serde_json::{json, Value};

use crate::error::{Error, ErrorKind, Result, Settings};
use crate::sys::io_error;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// How a model is saved.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// How its numbers are written (`"f32"`): `"bf16"` or `"f16"` take half the room and round them, to 3 digits and to 4.
    /// What is read again is computed in f32.
    pub dtype: String,
    /// Bytes of a file of weights at most (5e9); a larger model lies in several, with an index. 0: always in one.
    pub max_shard_bytes: usize,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { dtype: "f32".to_string(), max_shard_bytes: 5_000_000_000 }
    }
}

/// Each width: as it is called here, in `config.json`, and by candle.
const WIDTHS: [(&str, &str, DType); 3] =
    [("f32", "float32", DType::F32), ("f16", "float16", DType::F16), ("bf16", "bfloat16", DType::BF16)];

impl SaveOptions {
    fn width(&self) -> Result<(&'static str, DType)> {
        let found = WIDTHS.iter().find(|(name, ..)| *name == self.dtype);
        let mut all = Settings::of("SaveOptions");
        all.must(found.is_some(), format!("dtype = {:?} (\"f32\", \"f16\", \"bf16\")", self.dtype));
        all.check()?;
        Ok(found.map_or(("float32", DType::F32), |(_, theirs, dtype)| (theirs, *dtype)))
    }

    /// A model's `config.json` with the width that its weights are saved in: transformers loads them in it.
    pub fn config(&self, config: &Value) -> Result<Value> {
        let (name, dtype) = self.width()?;
        let mut config = config.clone();
        let told = ["dtype", "torch_dtype"].iter().any(|key| config.get(key).is_some());
        if let (Some(settings), true) = (config.as_object_mut(), told || dtype != DType::F32) {
            settings.remove("torch_dtype");
            settings.insert("dtype".into(), name.into());
        }
        Ok(config)
    }
}

/// Writes tensors as safetensors, sorted by name, with the metadata that transformers asks for.
pub fn save_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), Some(metadata))
        .map_err(|error| {
            Error::new(ErrorKind::System, tr!("No pude preparar los pesos.", "I could not prepare the weights."))
                .why(error)
        })?;
    write_file(path, &bytes)
}

/// Writes a file; a full disk is said as such.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| io_error(path, "escribir", "write", &error))
}

/// Writes JSON for people: indented.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_file(path, format!("{value:#}\n").as_bytes())
}

/// Writes a model's weights into `folder`: `model.safetensors`, or shards and their index. Returns how many bytes they are.
pub fn save_weights(folder: &Path, weights: &BTreeMap<String, Tensor>, options: &SaveOptions) -> Result<usize> {
    let (_, dtype) = options.width()?;
    let bytes = |tensor: &Tensor| tensor.elem_count() * dtype.size_in_bytes();
    let total = weights.values().map(bytes).sum();
    let limit = if options.max_shard_bytes == 0 { usize::MAX } else { options.max_shard_bytes };
    // In the order of the names, each shard as full as it gets; a tensor that is larger than that has one for itself.
    let mut shards: Vec<Vec<&String>> = Vec::new();
    let mut room = 0;
    for (name, tensor) in weights {
        match shards.last_mut().filter(|_| bytes(tensor) <= room) {
            Some(shard) => shard.push(name),
            None => {
                shards.push(vec![name]);
                room = limit;
            }
        }
        room = room.saturating_sub(bytes(tensor));
    }
    let count = shards.len();
    let mut places: BTreeMap<&String, String> = BTreeMap::new();
    for (i, names) in shards.iter().enumerate() {
        let file = if count == 1 { SINGLE.into() } else { format!("model-{:05}-of-{count:05}.safetensors", i + 1) };
        let mut shard = BTreeMap::new();
        for name in names {
            shard.insert((*name).clone(), narrowed(name, &weights[*name], dtype)?);
            places.insert(name, file.clone());
        }
        save_tensors(&folder.join(file), &shard)?;
    }
    if count > 1 {
        let parameters: usize = weights.values().map(Tensor::elem_count).sum();
        let metadata = json!({"total_parameters": parameters, "total_size": total});
        write_json(&folder.join(INDEX), &json!({"metadata": metadata, "weight_map": places}))?;
    }
    Ok(total)
}

/// A weight as it is written. One with a number too large for the width is an error.
fn narrowed(name: &str, tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    if dtype == DType::F32 {
        return Ok(tensor.clone());
    }
    let narrow = tensor.to_dtype(dtype)?;
    let largest = |tensor: &Tensor| tensor.to_dtype(DType::F32)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
    let (before, after) = (largest(tensor)?, largest(&narrow)?);
    if before.is_finite() && !after.is_finite() {
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "{name} tiene un {before}, que no cabe en {}.",
                "{name} holds a {before}, which is too large for {}.",
                dtype.as_str()
            ),
        )
        .next(tr!("Guárdalo con dtype: \"bf16\".", "Save it with dtype: \"bf16\".")));
    }
    Ok(narrow)
}
