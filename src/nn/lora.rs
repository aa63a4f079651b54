//! What all kinds of models do with their weights: adapters on and off, counting, out and in by name.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::Module;
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;
use crate::sys::give_back_memory;

/// Settings of a low-rank adapter.
#[derive(Clone, Debug)]
pub struct LoraConfig {
    /// Size of the two small matrices (8). Try 4 to 32.
    pub rank: usize,
    /// The adapter's weight is alpha / rank (16).
    pub alpha: f64,
    /// Which layers get one, by the end of their name; empty: all linear layers.
    pub target_modules: Vec<String>,
    /// Holds every frozen matrix in bf16 (false), the tables of tokens and positions and the head too: half their memory,
    /// each number rounded to 3 digits; they are computed in f32 as before. What is saved or merged later has those digits.
    pub half: bool,
    /// Seed of the first values (42).
    pub seed: u64,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, target_modules: Vec::new(), half: false, seed: 42 }
    }
}

impl LoraConfig {
    fn check(&self) -> Result<()> {
        let (rank, alpha) = (self.rank, self.alpha);
        if rank > 0 && alpha.is_finite() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "LoraConfig no sirve: rank = {rank}, alpha = {alpha}.",
                "LoraConfig does not work: rank = {rank}, alpha = {alpha}."
            ),
        )
        .next(tr!(
            "Usa rank de 1 a 64 y alpha, por ejemplo, el doble.",
            "Use a rank of 1 to 64 and, for example, twice that as alpha."
        )))
    }
}

/// Freezes a model and puts small trainable matrices on its linear layers. Run again, it starts them anew.
///
/// Weights whose name contains one of `whole` are trained in full instead: a new head starts from chance, and an adapter
/// on it would have nothing to adapt.
pub fn add_lora(model: &mut dyn Module, config: &LoraConfig, whole: &[&str]) -> Result<()> {
    config.check()?;
    let is_whole = |name: &str| whole.iter().any(|part| name.contains(part));
    let mut linears: Vec<_> = model.linears_mut().into_iter().filter(|linear| !is_whole(&linear.weight.name)).collect();
    let stem = |name: &str| name.trim_end_matches(".weight").rsplit('.').next().unwrap_or_default().to_string();
    let mut known: Vec<String> = linears.iter().map(|linear| stem(&linear.weight.name)).collect();
    known.sort();
    known.dedup();
    let fits = |name: &str, target: &str| {
        let path = name.trim_end_matches(".weight");
        path == target || path.ends_with(&format!(".{target}"))
    };
    let found = |target: &String| linears.iter().any(|linear| fits(&linear.weight.name, target));
    let unknown: Vec<&String> = config.target_modules.iter().filter(|target| !found(target)).collect();
    if !unknown.is_empty() {
        let (unknown, known) = (format!("{unknown:?}"), known.join(", "));
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!("El modelo no tiene capas llamadas {unknown}.", "The model has no layers named {unknown}."),
        )
        .next(tr!("Las que hay: {known}.", "Those it has: {known}.")));
    }
    let targets = &config.target_modules;
    let chosen = |name: &str| targets.is_empty() || targets.iter().any(|target| fits(name, target));
    let mut rng = Rng::new(config.seed);
    for linear in linears.iter_mut() {
        linear.lora = None;
        if chosen(&linear.weight.name) {
            linear.add_lora(config.rank, config.alpha, &mut rng)?;
        }
    }
    for param in model.params_mut() {
        param.trainable = param.name.contains(".lora_") || is_whole(&param.name);
        // Vectors, which norms and biases are, are a thousandth of a model.
        match config.half && !param.trainable && param.var().rank() > 1 {
            true => param.narrow()?,
            false => param.widen()?,
        }
    }
    if config.half {
        give_back_memory();
    }
    let (trainable, all) = count_parameters(model);
    let share = 100.0 * trainable as f64 / all as f64;
    println!(
        "{}",
        tr!(
            "LoRA: {trainable} números entrenables de {all} ({share:.1} %).",
            "LoRA: {trainable} trainable numbers of {all} ({share:.1} %)."
        )
    );
    Ok(())
}

/// Adds the adapters into the weights and takes them off; everything can be trained again.
pub fn merge_lora(model: &mut dyn Module) -> Result<()> {
    for linear in model.linears_mut() {
        linear.merge_lora()?;
    }
    train_all(model);
    Ok(())
}

/// Lets training move every weight.
pub fn train_all(model: &mut dyn Module) {
    // What is trained is held in f32.
    model.params_mut().into_iter().for_each(|param| param.trainable = param.widen().is_ok());
}

/// How many numbers are trainable, and how many there are.
pub fn count_parameters(model: &dyn Module) -> (usize, usize) {
    let params = model.params();
    let trainable = params.iter().filter(|param| param.trainable).map(|param| param.count()).sum();
    (trainable, params.iter().map(|param| param.count()).sum())
}

/// The weights by name, with the adapters added in: what a saved model holds.
pub fn merged_weights(model: &dyn Module) -> Result<BTreeMap<String, Tensor>> {
    let mut weights: BTreeMap<String, Tensor> = BTreeMap::new();
    for param in model.params().into_iter().filter(|param| !param.name.contains(".lora_")) {
        weights.insert(param.name.clone(), param.var().as_detached_tensor().to_dtype(DType::F32)?);
    }
    for linear in model.linears() {
        if let Some(merged) = linear.merged()? {
            weights.insert(linear.weight.name.clone(), merged);
        }
    }
    Ok(weights)
}

/// Writes new values over the weights, in place; each name of the model must be there.
pub fn set_weights(model: &dyn Module, weights: &BTreeMap<String, Tensor>) -> Result<()> {
    for param in model.params() {
        let name = &param.name;
        let Some(value) = weights.get(name) else {
            return Err(Error::new(ErrorKind::BadModel, tr!("Falta el peso {name}.", "The weight {name} is missing.")));
        };
        param.set(value)?;
    }
    Ok(())
}
