//! Adapters as peft writes and reads them: a few megabytes beside a base model that stays as it was.
//!
//! A folder with `adapter_config.json` and `adapter_model.safetensors`; a weight `w` of the model is there as
//! `base_model.model.w` (peft 0.21, `LoraConfig` and `save_pretrained`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{json, Value};

use crate::checkpoint::read_json;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Linear, Lora, Module, Param};
use crate::save::{save_tensors, write_json};
use crate::sys::write_folder;

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";

/// Settings of peft's that make another computation of the same tensors, where they are set.
const OTHER_KINDS: [&str; 13] = [
    "use_dora",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "trainable_token_indices",
    "megatron_config",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "velora_config",
    "monteclora_config",
    "use_qalora",
    "use_bdlora",
];

/// Writes what is trained of a model with adapters: those, and the heads that are trained in full.
///
/// `task` is peft's name of it: `CAUSAL_LM`, `SEQ_CLS`; none for others.
pub fn save_adapter(model: &dyn Module, task: Option<&str>, path: &str) -> Result<()> {
    let adapted: Vec<(&Linear, &Lora)> =
        model.linears().into_iter().filter_map(|linear| Some((linear, linear.lora.as_ref()?))).collect();
    let Some((first, lora)) = adapted.first() else {
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!("El modelo no tiene adaptadores que guardar.", "The model has no adapters to save."),
        )
        .next(tr!(
            "Ponlos con add_lora, o guarda el modelo entero con save.",
            "Put them on with add_lora, or save the whole model with save."
        )));
    };
    let trained = |param: &&Param| param.trainable;
    let mut weights: BTreeMap<String, Tensor> = BTreeMap::new();
    for param in model.params().into_iter().filter(trained) {
        weights.insert(format!("{PREFIX}{}", param.name), param.var().as_detached_tensor());
    }
    let whole: BTreeSet<&str> = model
        .params()
        .into_iter()
        .filter(|param| param.trainable && !param.name.contains(".lora_"))
        .map(|param| whole_part(&param.name, &adapted))
        .collect();
    let rank = lora.a.var().dim(0)?;
    let config = json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": null,
        "r": rank,
        "lora_alpha": lora.scale * rank as f64,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": targets(model, &adapted),
        "modules_to_save": if whole.is_empty() { Value::Null } else { json!(whole) },
        // Conv1D keeps its weight the other way round.
        "fan_in_fan_out": first.fan_in_fan_out,
        "inference_mode": true,
    });
    write_folder(Path::new(path), &[CONFIG, WEIGHTS, "README.md"], |folder| {
        write_json(&folder.join(CONFIG), &config)?;
        save_tensors(&folder.join(WEIGHTS), &weights)
    })?;
    let megabytes = weights.values().map(|tensor| tensor.elem_count() * 4).sum::<usize>() as f64 / 1e6;
    println!(
        "{}",
        tr!("Adaptador guardado en {path} ({megabytes:.1} MB).", "Adapter saved in {path} ({megabytes:.1} MB).")
    );
    Ok(())
}

/// What peft must keep whole for a weight to be: its part of the model, or its layer alone where others of that part carry
/// adapters, which peft would take off.
fn whole_part<'a>(name: &'a str, adapted: &[(&Linear, &Lora)]) -> &'a str {
    let part = name.split('.').next().unwrap_or_default();
    let beside = |(linear, _): &(&Linear, &Lora)| linear.weight.name.split('.').next() == Some(part);
    match adapted.iter().any(beside) {
        true => name.rsplit_once('.').map_or(name, |(layer, _)| layer),
        false => part,
    }
}

/// The layers with adapters: by the ends of their names where those say exactly which, else by their whole names.
fn targets(model: &dyn Module, adapted: &[(&Linear, &Lora)]) -> BTreeSet<String> {
    let end = |linear: &Linear| stem(linear).rsplit('.').next().unwrap_or_default().to_string();
    let ends: BTreeSet<String> = adapted.iter().map(|(linear, _)| end(linear)).collect();
    let named = model.linears().into_iter().filter(|linear| ends.contains(&end(linear))).count();
    match named == adapted.len() {
        true => ends,
        false => adapted.iter().map(|(linear, _)| stem(linear).to_string()).collect(),
    }
}

/// A layer's name.
fn stem(linear: &Linear) -> &str {
    linear.weight.name.trim_end_matches(".weight")
}

/// Puts an adapter that peft or [`save_adapter`] wrote on the model it was made for; adapters that were on it are taken off.
///
/// Then the adapters can be trained on, and the rest is frozen. A head that an earlier adapter brought whole stays where this one
/// brings none: load the base model anew to be sure of it.
pub fn load_adapter(model: &mut dyn Module, path: &str) -> Result<()> {
    let folder = Path::new(path);
    let config = read_json(&folder.join(CONFIG))?;
    let scale = check(&config)?;
    let mut left = read_weights(&folder.join(WEIGHTS))?;
    let mut problems = Vec::new();
    let mut fresh: Vec<Option<Lora>> = Vec::new();
    for linear in model.linears() {
        let name = |part: &str| format!("{}.lora_{part}.weight", stem(linear));
        let take = |left: &mut BTreeMap<String, Tensor>, part| left.remove(&format!("{PREFIX}{}", name(part)));
        let pair = (take(&mut left, "A"), take(&mut left, "B"));
        let (out, input) = linear.sizes()?;
        fresh.push(match pair {
            (Some(a), Some(b)) if a.dim(1)? == input && b.dim(0)? == out && a.dim(0)? == b.dim(1)? => {
                let (a, b) = (a.to_dtype(candle_core::DType::F32)?, b.to_dtype(candle_core::DType::F32)?);
                Some(Lora { a: Param::new(name("A"), &a)?, b: Param::new(name("B"), &b)?, scale })
            }
            (None, None) => None,
            _ => {
                problems.push(name("A"));
                None
            }
        });
    }
    let whole = |param: &Param| left.get(&format!("{PREFIX}{}", param.name)).filter(|t| t.dims() == param.var().dims());
    let heads: BTreeSet<String> =
        model.params().into_iter().filter(|param| whole(param).is_some()).map(|param| param.name.clone()).collect();
    problems.extend(left.keys().filter(|name| !heads.contains(name.trim_start_matches(PREFIX))).cloned());
    if !problems.is_empty() || fresh.iter().all(Option::is_none) {
        return Err(Error::new(
            ErrorKind::BadModel,
            tr!("El adaptador de {path} no es de este modelo.", "The adapter in {path} is not of this model."),
        )
        .why(problems.join("\n    "))
        .next(tr!(
            "Carga el modelo base con el que se entrenó (adapter_config.json lo nombra).",
            "Load the base model that it was trained with (adapter_config.json names it)."
        )));
    }
    // Only now does anything change.
    for (linear, lora) in model.linears_mut().into_iter().zip(fresh) {
        linear.lora = lora;
    }
    for param in model.params_mut() {
        let head = heads.contains(&param.name);
        param.trainable = head || param.name.contains(".lora_");
        if let Some(value) = left.get(&format!("{PREFIX}{}", param.name)).filter(|_| head) {
            param.widen()?; // what is trained is held in f32
            param.set(&value.to_dtype(candle_core::DType::F32)?)?;
        }
    }
    Ok(())
}

/// The tensors of an adapter's file; one that is missing, cut or damaged is an error that names it.
fn read_weights(file: &Path) -> Result<BTreeMap<String, Tensor>> {
    let found = candle_core::safetensors::load(file, &Device::Cpu).map_err(|error| {
        let shown = file.display();
        let (kind, what) = match file.is_file() {
            true => (
                ErrorKind::BadModel,
                tr!(
                    "El archivo del adaptador está cortado o dañado: {shown}.",
                    "The adapter's file is cut or damaged: {shown}."
                ),
            ),
            false => (
                ErrorKind::NotFound,
                tr!("Falta el archivo del adaptador: {shown}.", "The adapter's file is missing: {shown}."),
            ),
        };
        Error::new(kind, what)
            .why(error)
            .next(tr!("Descarga o guarda el adaptador otra vez.", "Download or save the adapter again."))
    })?;
    Ok(found.into_iter().collect())
}

/// The adapters' scale; a setting that we do not do is an error that names it.
fn check(config: &Value) -> Result<f64> {
    let refuse = |setting: &str| {
        Error::new(
            ErrorKind::BadModel,
            tr!(
                "Este adaptador usa algo que no sé hacer: {setting} = {}.",
                "This adapter uses something that I do not know: {setting} = {}.",
                config[setting]
            ),
        )
        .next(tr!("Sé leer adaptadores LoRA sencillos.", "I can read plain LoRA adapters."))
    };
    if config["peft_type"].as_str() != Some("LORA") {
        return Err(refuse("peft_type"));
    }
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    for setting in OTHER_KINDS {
        if !empty(&config[setting]) {
            return Err(refuse(setting));
        }
    }
    if config["bias"].as_str().is_some_and(|bias| bias != "none") {
        return Err(refuse("bias"));
    }
    let rank = config["r"].as_f64().filter(|rank| *rank >= 1.0).ok_or_else(|| refuse("r"))?;
    let alpha = config["lora_alpha"].as_f64().ok_or_else(|| refuse("lora_alpha"))?;
    match config["use_rslora"].as_bool() {
        Some(true) => Ok(alpha / rank.sqrt()),
        _ => Ok(alpha / rank),
    }
}
