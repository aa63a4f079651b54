//! What the families read from `config.json` in the same way: refusals, activations, rotations.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Activation, ACTIVATIONS};

/// The rotations that [`rope_frequencies`] knows.
const ROPE_TYPES: &str = "default, linear, llama3";

/// A `config.json` of family `kind` that asks for something we do not do; `why` names the setting.
pub(super) fn unreadable(kind: &str, why: String) -> Error {
    Error::new(
        ErrorKind::BadModel,
        tr!(
            "config.json no describe un modelo {kind} que pueda leer.",
            "config.json does not describe a {kind} model that I can read."
        ),
    )
    .why(why)
    .next(tr!(
        "Elige otro modelo, por ejemplo el que viene con el curso: \"cuentos\".",
        "Choose another model, for example the one that ships with the course: \"cuentos\"."
    ))
}

/// The settings of a family, each under its name in `config.json`.
pub(super) fn parse<T: serde::de::DeserializeOwned>(config: &Value, kind: &str) -> Result<T> {
    serde_json::from_value(config.clone()).map_err(|error| unreadable(kind, error.to_string()))
}

/// Refuses settings that are true and would change what the model computes.
pub(super) fn refuse_true(config: &Value, kind: &str, names: &[&str]) -> Result<()> {
    match names.iter().find(|name| config[**name].as_bool() == Some(true)) {
        Some(name) => Err(unreadable(kind, format!("{name} = true"))),
        None => Ok(()),
    }
}

/// The activation that `config[key]` names; `default` where the key is absent.
pub(super) fn activation(config: &Value, kind: &str, key: &str, default: &str) -> Result<Activation> {
    let name = config[key].as_str().unwrap_or(default);
    let known = ACTIVATIONS.join(", ");
    Activation::named(name)
        .ok_or_else(|| unreadable(kind, tr!("{key} = {name}; conozco {known}", "{key} = {name}; I know {known}")))
}

/// The names of a classifier's labels in order: `id2label`, or as many as `num_labels` says (2 where nothing is said).
pub fn labels(config: &Value) -> Vec<String> {
    let count = match &config["id2label"] {
        Value::Object(names) => names.len(),
        _ => config["num_labels"].as_u64().unwrap_or(2) as usize,
    };
    let name = |i: usize| config["id2label"][i.to_string()].as_str().map(String::from);
    (0..count).map(|i| name(i).unwrap_or_else(|| format!("LABEL_{i}"))).collect()
}

/// How fast each pair of a head's numbers turns, in radians a position, as `config.json` scales it.
///
/// transformers 5 writes the settings in `rope_parameters`, transformers 4 in `rope_theta` and `rope_scaling`. Unscaled,
/// pair i turns by theta^(-2i / head_dim); `linear` divides all by `factor` (Chen et al., arXiv 2306.15595); `llama3`
/// divides the slow ones only (Llama 3.1; transformers, `modeling_rope_utils.py`).
pub(super) fn rope_frequencies(config: &Value, kind: &str, head_dim: usize) -> Result<Vec<f64>> {
    let settings = [&config["rope_parameters"], &config["rope_scaling"]].into_iter().find(|value| value.is_object());
    let settings = settings.unwrap_or(&Value::Null);
    let theta = settings["rope_theta"].as_f64().or(config["rope_theta"].as_f64()).unwrap_or(10_000.0);
    let frequencies = (0..head_dim / 2).map(|i| theta.powf(-2.0 * i as f64 / head_dim as f64));
    let number = |name: &str| {
        let found = settings[name].as_f64().filter(|x| *x > 0.0);
        found.ok_or_else(|| unreadable(kind, format!("rope_scaling.{name} = {}", settings[name])))
    };
    let name = "partial_rotary_factor";
    let share = settings[name].as_f64().or(config[name].as_f64()).unwrap_or(1.0);
    if share != 1.0 {
        return Err(unreadable(kind, format!("{name} = {share}")));
    }
    match settings["rope_type"].as_str().or(settings["type"].as_str()).unwrap_or("default") {
        "default" => Ok(frequencies.collect()),
        "linear" => {
            let factor = number("factor")?;
            Ok(frequencies.map(|frequency| frequency / factor).collect())
        }
        "llama3" => {
            let (factor, low, high) = (number("factor")?, number("low_freq_factor")?, number("high_freq_factor")?);
            let original = number("original_max_position_embeddings")?;
            Ok(frequencies
                .map(|frequency| {
                    // Turns that the pair makes over the texts that the model first read.
                    let turns = original * frequency / std::f64::consts::TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    frequency * (kept + (1.0 - kept) / factor)
                })
                .collect())
        }
        other => Err(unreadable(
            kind,
            tr!("rope_type = {other}; conozco {ROPE_TYPES}", "rope_type = {other}; I know {ROPE_TYPES}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_spellings_of_the_rotation_are_read_and_unknown_ones_named() {
        let old = json!({"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}});
        let new = json!({"rope_parameters": {"rope_theta": 500.0, "rope_type": "linear", "factor": 4.0}});
        let read = |config: &Value| rope_frequencies(config, "llama", 8).unwrap();
        assert_eq!(read(&old), read(&new));
        assert_eq!(read(&old)[0], 0.25);
        let error = rope_frequencies(&json!({"rope_scaling": {"rope_type": "yarn"}}), "llama", 8).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("yarn") && text.contains("llama3") && text.contains("linear"), "{text}");
        let error = rope_frequencies(&json!({"rope_scaling": {"rope_type": "linear"}}), "llama", 8).unwrap_err();
        assert!(error.to_string().contains("factor"), "{error}");
    }

    #[test]
    fn an_unknown_activation_lists_the_known_ones() {
        let error = activation(&json!({"hidden_act": "mish"}), "bert", "hidden_act", "gelu").unwrap_err().to_string();
        assert!(error.contains("mish") && error.contains("gelu_new"), "{error}");
    }
}
