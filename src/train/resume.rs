//! The state of a training on disk, from which it goes on exactly as if it had not been interrupted.
//!
//! Chance is a function of the seed and of the number of the step, and the order of the texts one of the seed and of the
//! epoch: the number of steps is the position of the generator, of the schedule and in the data.

use std::collections::hash_map::DefaultHasher;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::{json, Value};

use super::run::{copies, Run};
use super::Trainable;
use crate::checkpoint::Checkpoint;
use crate::energy::{Energy, Method};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{EpochRecord, History, StepRecord};
use crate::optim::AdamW;

/// Numbers of a frozen weight that are looked at to tell models apart.
const LOOKED_AT: usize = 256;

const NOW: &str = "now.";
const BEST: &str = "best.";
const STEPS: &str = "history.steps";
const EPOCHS: &str = "history.epochs";

/// What a checkpoint of this run holds.
pub(super) struct Found {
    pub(super) weights: BTreeMap<String, Tensor>,
    pub(super) best: Option<(usize, BTreeMap<String, Tensor>)>,
    pub(super) optimizer: AdamW,
    pub(super) before: Vec<u64>,
    pub(super) steps: Vec<StepRecord>,
    pub(super) epochs: Vec<EpochRecord>,
    pub(super) tokens: usize,
    pub(super) energy: Energy,
}

/// Writes where a run stands: whole, or not at all.
pub(super) fn save(run: &Run) -> Result<()> {
    let named = |prefix: &str, weights: BTreeMap<String, Tensor>| {
        weights.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect::<Vec<_>>()
    };
    let history = &run.view.history;
    let mut tensors: BTreeMap<String, Tensor> = named(NOW, copies(run.model)?).into_iter().collect();
    if let Some(best) = &run.best {
        tensors.extend(named(BEST, best.weights.clone()));
    }
    tensors.insert(STEPS.into(), table(&steps(history))?);
    tensors.insert(EPOCHS.into(), table(&epochs(history))?);
    let energy = run.view.energy();
    let notes = json!({
        "model": model(run.model)?,
        "config": run.model.config(),
        "texts": texts(run),
        "settings": run.config.decisive().into_iter().collect::<BTreeMap<_, _>>(),
        "best_epoch": run.best.as_ref().map(|best| best.epoch),
        "before": run.before,
        "tokens": history.tokens,
        "seconds": energy.seconds,
        "joules": energy.joules,
        "energy_method": energy.method,
    });
    let checkpoint = Checkpoint { weights: tensors, optimizer: run.optimizer.clone(), notes };
    checkpoint.save(Path::new(&run.config.checkpoint))
}

/// What the checkpoint of `run` holds, when it is to go on and there is one. One of another run is an error that says
/// what differs.
pub(super) fn read(run: &Run) -> Result<Option<Found>> {
    let (config, path) = (run.config, Path::new(&run.config.checkpoint));
    if !config.resume {
        return Ok(None);
    }
    let Some(checkpoint) = Checkpoint::read(path, config.optimizer())? else { return Ok(None) };
    let Checkpoint { weights: tensors, optimizer, notes } = checkpoint;
    let mut differs: Vec<String> = Vec::new();
    let part = |prefix: &str| {
        let named = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        named.map(|(name, tensor)| (name.to_string(), tensor.clone())).collect::<BTreeMap<_, _>>()
    };
    let (now, best) = (part(NOW), part(BEST));
    let before: Vec<u64> = notes["before"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    // As it was loaded, or as this very run left it in memory.
    let known = run.before == before || is(run.model, &now)? || is(run.model, &best)?;
    if notes["model"] != model(run.model)? || !known {
        differs.push(tr!("el modelo, o qué se entrena de él", "the model, or what of it is trained"));
    }
    differs.extend(changed(&notes["config"], run.model.config().unwrap_or(&Value::Null)));
    if notes["texts"] != json!(texts(run)) {
        differs.push(tr!("los textos", "the texts"));
    }
    for (name, mine) in config.decisive() {
        let theirs = notes["settings"][name].as_str().unwrap_or("?");
        if theirs != mine {
            differs.push(tr!("{name}: {theirs}, ahora {mine}", "{name}: {theirs}, now {mine}"));
        }
    }
    if !differs.is_empty() {
        let shown = path.display();
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!(
                "El punto de control {shown} es de otro entrenamiento.",
                "The checkpoint {shown} is of another training."
            ),
        )
        .why(differs.join("; "))
        .next(tr!(
            "Carga el mismo modelo y usa los mismos textos y valores, o empieza de nuevo con resume: false.",
            "Load the same model and use the same texts and values, or begin anew with resume: false."
        )));
    }
    let rows = |name: &str| -> Result<Vec<Vec<f64>>> {
        tensors.get(name).map_or(Ok(Vec::new()), |tensor| Ok(tensor.to_vec2()?))
    };
    let number = |value: &Value| value.as_u64().map(|number| number as usize);
    Ok(Some(Found {
        weights: now,
        best: number(&notes["best_epoch"]).map(|epoch| (epoch, best)),
        optimizer,
        before,
        steps: rows(STEPS)?.iter().filter_map(|row| step(row)).collect(),
        epochs: rows(EPOCHS)?.iter().filter_map(|row| epoch(row)).collect(),
        tokens: number(&notes["tokens"]).unwrap_or(0),
        energy: energy(run, &notes),
    }))
}

/// What the run took so far. How its joules were found is told by newer checkpoints; of others it is taken to be as now.
fn energy(run: &Run, notes: &Value) -> Energy {
    let number = |name: &str| notes[name].as_f64().unwrap_or(0.0);
    let method = Method::deserialize(&notes["energy_method"]).unwrap_or_else(|_| run.view.energy().method);
    Energy { joules: number("joules"), seconds: number("seconds"), method }
}

/// The settings of a model's `config.json` that are not as they were. Who wrote the file does not matter.
fn changed(then: &Value, now: &Value) -> Vec<String> {
    let (Some(then), Some(now)) = (then.as_object(), now.as_object()) else { return Vec::new() };
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let told = ["transformers_version", "_name_or_path", "dtype", "torch_dtype"];
    let differs = |name: &&&String| !told.contains(&name.as_str()) && then.get(**name) != now.get(**name);
    let shown = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
    let tell = |name: &String| {
        let (then, now) = (shown(then.get(name)), shown(now.get(name)));
        tr!("config.json, {name}: {then}, ahora {now}", "config.json, {name}: {then}, now {now}")
    };
    names.iter().filter(differs).map(|name| tell(name)).collect()
}

/// Rows of numbers as a tensor; JSON would not give each back exactly.
fn table(rows: &[Vec<f64>]) -> Result<Tensor> {
    let width = rows.first().map_or(0, Vec::len);
    Ok(Tensor::from_vec(rows.concat(), (rows.len(), width), &Device::Cpu)?)
}

fn steps(history: &History) -> Vec<Vec<f64>> {
    history.steps.iter().map(|s| vec![s.step as f64, s.loss, s.learning_rate, s.grad_norm]).collect()
}

fn step(row: &[f64]) -> Option<StepRecord> {
    let [step, loss, learning_rate, grad_norm] = *row else { return None };
    Some(StepRecord { step: step as usize, loss, learning_rate, grad_norm })
}

fn epochs(history: &History) -> Vec<Vec<f64>> {
    let row = |e: &EpochRecord| {
        let train_loss = e.train_loss.unwrap_or(f64::NAN);
        [&[e.epoch as f64, e.step as f64, train_loss, e.valid_loss, e.seconds, e.joules], &e.metrics[..]].concat()
    };
    history.epochs.iter().map(row).collect()
}

fn epoch(row: &[f64]) -> Option<EpochRecord> {
    let [epoch, step, train_loss, valid_loss, seconds, joules, metrics @ ..] = row else { return None };
    let train_loss = Some(*train_loss).filter(|loss| !loss.is_nan());
    let (epoch, step, metrics) = (*epoch as usize, *step as usize, metrics.to_vec());
    Some(EpochRecord { epoch, step, train_loss, valid_loss: *valid_loss, seconds: *seconds, joules: *joules, metrics })
}

/// A number that tells models apart: by the names and shapes of their weights, which of them are trained, and some of the
/// values of those that are not.
fn model(model: &dyn Trainable) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for param in model.params() {
        hasher.write(param.name.as_bytes());
        hasher.write_u8(u8::from(param.trainable));
        param.var().dims().iter().for_each(|size| hasher.write_usize(*size));
        if !param.trainable {
            let some = param.var().flatten_all()?.narrow(0, 0, param.count().min(LOOKED_AT))?.to_dtype(DType::F32)?;
            some.to_vec1::<f32>()?.iter().for_each(|value| hasher.write_u32(value.to_bits()));
        }
    }
    Ok(hasher.finish())
}

/// True when the model's trainable weights are these.
fn is(model: &dyn Trainable, weights: &BTreeMap<String, Tensor>) -> Result<bool> {
    let mine = copies(model)?;
    if mine.len() != weights.len() {
        return Ok(false);
    }
    for (name, mine) in mine {
        let Some(theirs) = weights.get(&name).filter(|theirs| theirs.dims() == mine.dims()) else { return Ok(false) };
        if mine.flatten_all()?.to_vec1::<f32>()? != theirs.flatten_all()?.to_vec1::<f32>()? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn texts(run: &Run) -> Vec<u64> {
    vec![run.train.fingerprint(), run.valid.fingerprint()]
}
