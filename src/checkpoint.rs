//! Weights to files and back, and the checkpoints of a long run, written whole or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::hub::{load_weights, model_files};
use crate::nn::Weights;
use crate::optim::{AdamW, AdamWConfig};
use crate::save::{save_tensors, save_weights, write_json, SaveOptions};
use crate::sys::{io_error, write_folder};
use crate::tokenizer::Tokenizer;

/// What a saved model's folder may hold.
pub const MODEL_FILES: &[&str] = &[
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "README.md",
    "samples.md",
];

/// Reads JSON; says which file is broken and where.
pub fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|error| io_error(path, "leer", "read", &error))?;
    serde_json::from_str(&text).map_err(|error| {
        let shown = path.display();
        Error::new(ErrorKind::BadModel, tr!("{shown} no es JSON válido.", "{shown} is not valid JSON."))
            .why(error)
            .next(tr!("Descárgalo o guárdalo otra vez.", "Download it or save it again."))
    })
}

/// The ids of tokens that a `config.json` gives under a key: one, a list, or none.
pub fn token_ids(value: &Value) -> Vec<u32> {
    match value {
        Value::Array(ids) => ids.iter().filter_map(|id| Some(id.as_u64()? as u32)).collect(),
        id => id.as_u64().map(|id| id as u32).into_iter().collect(),
    }
}

/// What a model's folder holds besides its weights.
pub struct ModelFolder {
    /// Where it is.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: Value,
    /// `tokenizer.json`.
    pub tokenizer: Tokenizer,
    /// `tokenizer_config.json`, where there is one: we do not need it, transformers does.
    tokenizer_config: Option<Value>,
}

impl ModelFolder {
    /// Finds a model by a folder's path or its name (see [`model_files`]) and reads what is not weights.
    pub fn open(name: &str) -> Result<Self> {
        let folder = model_files(name)?;
        let settings = folder.join("tokenizer_config.json");
        let tokenizer_config = if settings.is_file() { Some(read_json(&settings)?) } else { None };
        let config = read_json(&folder.join("config.json"))?;
        let tokenizer = Tokenizer::of_model(&folder, &config)?;
        Ok(Self { folder, config, tokenizer, tokenizer_config })
    }

    /// What a model that was never on a disk brings.
    pub fn new(config: Value, tokenizer: Tokenizer) -> Self {
        let tokenizer_config = serde_json::json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": config["max_position_embeddings"],
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "mask_token": "[MASK]",
            "pad_token": "[PAD]",
            "unk_token": "[UNK]",
        });
        Self { folder: PathBuf::new(), config, tokenizer, tokenizer_config: Some(tokenizer_config) }
    }

    /// The weights, to build a model of.
    pub fn weights(&self) -> Result<Weights> {
        Ok(Weights::found(load_weights(&self.folder)?))
    }

    /// Writes a model's folder with these settings and other weights: whole, or not at all.
    pub fn save(&self, path: &str, weights: &BTreeMap<String, Tensor>, options: &SaveOptions) -> Result<()> {
        let config = options.config(&self.config)?;
        let mut bytes = 0;
        write_folder(Path::new(path), MODEL_FILES, |folder| {
            write_json(&folder.join("config.json"), &config)?;
            if let Some(settings) = &self.tokenizer_config {
                write_json(&folder.join("tokenizer_config.json"), settings)?;
            }
            self.tokenizer.save(&folder.join("tokenizer.json"))?;
            bytes = save_weights(folder, weights, options)?;
            Ok(())
        })?;
        say_saved(path, bytes);
        Ok(())
    }
}

/// Tells where a model was saved, and how large it is.
pub fn say_saved(path: &str, bytes: usize) {
    let megabytes = bytes as f64 / 1e6;
    println!("{}", tr!("Guardado en {path} ({megabytes:.1} MB).", "Saved in {path} ({megabytes:.1} MB)."));
}

/// Where a long run stands: enough to go on exactly as if it had not stopped.
pub struct Checkpoint {
    /// The model's weights by name.
    pub weights: BTreeMap<String, Tensor>,
    /// The optimizer's state.
    pub optimizer: AdamW,
    /// Steps made, and whatever else the run wants to know.
    pub notes: Value,
}

const CHECKPOINT_FILES: &[&str] = &["weights.safetensors", "optimizer.safetensors", "notes.json"];

impl Checkpoint {
    /// Writes the checkpoint's folder in place of an older one.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_folder(path, CHECKPOINT_FILES, |folder| {
            save_tensors(&folder.join("weights.safetensors"), &self.weights)?;
            save_tensors(&folder.join("optimizer.safetensors"), &self.optimizer.tensors()?)?;
            let mut notes = self.notes.clone();
            notes["optimizer_steps"] = self.optimizer.steps().into();
            write_json(&folder.join("notes.json"), &notes)
        })
    }

    /// Reads a checkpoint; none where there is no folder, or nothing in it. One with a file that is missing, cut or damaged is
    /// an error.
    pub fn read(path: &Path, config: AdamWConfig) -> Result<Option<Self>> {
        let nothing = match std::fs::read_dir(path) {
            Ok(mut files) => files.next().is_none(),
            Err(_) => !path.is_dir(), // one that may not be read is no reason to write over it
        };
        if nothing {
            return Ok(None);
        }
        let load = |name: &str| -> Result<BTreeMap<String, Tensor>> {
            let file = path.join(name);
            let found = candle_core::safetensors::load(&file, &Device::Cpu).map_err(|error| broken(&file, error))?;
            Ok(found.into_iter().collect())
        };
        let notes = path.join("notes.json");
        let notes = read_json(&notes).map_err(|error| broken(&notes, error))?;
        let steps = notes["optimizer_steps"].as_u64().unwrap_or(0) as usize;
        let optimizer = AdamW::resume(config, &load("optimizer.safetensors")?, steps)?;
        Ok(Some(Self { weights: load("weights.safetensors")?, optimizer, notes }))
    }
}

/// A checkpoint's file that cannot be read.
fn broken(file: &Path, error: impl std::fmt::Display) -> Error {
    let shown = file.display();
    Error::new(
        ErrorKind::BadData,
        tr!("El punto de control está cortado o dañado: {shown}.", "The checkpoint is cut or damaged: {shown}."),
    )
    .why(error)
    .next(tr!("Borra su carpeta para empezar de nuevo.", "Delete its folder to begin anew."))
}
