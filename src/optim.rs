//! The optimizer: AdamW with its state by name, so that it can be saved and resumed.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};

use crate::error::{Error, ErrorKind, Result};
use crate::nn::{Gradient, Param};
use crate::ops::{adamw_step, adamw_step_of_rows, gradient_norm, AdamWStep};

/// Settings of AdamW; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct AdamWConfig {
    /// Decay of the mean of the gradients (0.9).
    pub beta1: f64,
    /// Decay of the mean of their squares (0.999).
    pub beta2: f64,
    /// Keeps the division away from zero (1e-8).
    pub eps: f64,
    /// Decay of the matrices (0.01); norms and biases never decay.
    pub weight_decay: f64,
    /// Gradients longer than this are shortened to it (1.0); 0 leaves them as they are.
    pub max_grad_norm: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01, max_grad_norm: 1.0 }
    }
}

/// Some weights with a learning rate and a decay of their own.
#[derive(Clone, Debug)]
pub struct Group {
    /// A part of their names; where two groups fit, the first counts.
    pub pattern: String,
    /// Their learning rate, as a share of the others'.
    pub rate_factor: f64,
    /// Decay of the matrices among them.
    pub weight_decay: f64,
}

/// AdamW with decoupled weight decay.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    groups: Vec<Group>,
    /// The running means of each parameter, by its name.
    state: BTreeMap<String, Moments>,
    step: usize,
}

#[derive(Clone, Debug)]
struct Moments {
    m: Vec<f32>,
    v: Vec<f32>,
    /// Which rows of a table ever had a gradient; empty until somebody asks.
    seen: Vec<bool>,
}

impl Moments {
    fn new(m: Vec<f32>, v: Vec<f32>) -> Self {
        Self { m, v, seen: Vec::new() }
    }

    /// Finds which of `count` rows had a gradient, where that is not known: those whose means are not zero.
    fn look(&mut self, count: usize) {
        if self.seen.len() != count {
            let d = self.m.len() / count.max(1);
            let moved = |row: &[f32]| row.iter().any(|x| *x != 0.0);
            self.seen =
                self.m.chunks(d.max(1)).zip(self.v.chunks(d.max(1))).map(|(m, v)| moved(m) || moved(v)).collect();
        }
    }
}

impl AdamW {
    /// A fresh optimizer.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, groups: Vec::new(), state: BTreeMap::new(), step: 0 }
    }

    /// The same with groups of weights that are treated otherwise than the rest.
    pub fn with_groups(self, groups: Vec<Group>) -> Self {
        Self { groups, ..self }
    }

    /// How many steps it has made.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// Moves every trainable parameter that has a gradient; returns the gradients' norm before clipping.
    ///
    /// `gradients` are the parts of a batch, which are added up. A gradient that is not finite moves nothing and is an error.
    pub fn step(&mut self, params: &[&Param], gradients: &[GradStore], learning_rate: f64) -> Result<f64> {
        let mut found = Vec::new();
        for param in params.iter().filter(|param| param.trainable) {
            if let Some(gradient) = param.gradient_or_rows(gradients)? {
                found.push((*param, gradient));
            }
        }
        self.apply(&found, learning_rate)
    }

    /// As [`AdamW::step`], from gradients that are added up already.
    pub fn apply(&mut self, found: &[(&Param, Gradient)], learning_rate: f64) -> Result<f64> {
        let norm = gradient_norm(&found.iter().map(|(_, gradient)| gradient.values()).collect::<Vec<_>>())?;
        if !norm.is_finite() {
            return Err(Error::new(
                ErrorKind::Training,
                tr!(
                    "El gradiente dejó de ser un número en el paso {}.",
                    "The gradient is no longer a number at step {}.",
                    self.step + 1
                ),
            ));
        }
        self.step += 1;
        let limit = self.config.max_grad_norm;
        let gradient_scale = if limit > 0.0 && norm > limit { (limit / (norm + 1e-6)) as f32 } else { 1.0 };
        for (param, gradient) in found {
            let group = self.groups.iter().find(|group| param.name.contains(&group.pattern));
            let weight_decay = group.map_or(self.config.weight_decay, |group| group.weight_decay);
            let step = AdamWStep {
                learning_rate: group.map_or(learning_rate, |group| group.rate_factor * learning_rate),
                beta1: self.config.beta1,
                beta2: self.config.beta2,
                eps: self.config.eps,
                weight_decay: if param.var().rank() >= 2 { weight_decay } else { 0.0 },
                step: self.step,
                gradient_scale,
            };
            let zeros = || Moments::new(vec![0.0; param.count()], vec![0.0; param.count()]);
            let state = self.state.entry(param.name.clone()).or_insert_with(zeros);
            match gradient {
                Gradient::Whole(gradient) => {
                    state.seen.clear();
                    adamw_step(param.var(), gradient, &mut state.m, &mut state.v, &step)?;
                }
                Gradient::Rows(rows, values) => {
                    state.look(param.var().dim(0)?);
                    let Moments { m, v, seen } = state;
                    adamw_step_of_rows(param.var(), (rows, values), (m, v, seen), &step)?;
                }
            }
        }
        Ok(norm)
    }

    /// The state as tensors, to save.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (name, Moments { m, v, .. }) in &self.state {
            tensors.insert(format!("m.{name}"), Tensor::from_slice(m, m.len(), &Device::Cpu)?);
            tensors.insert(format!("v.{name}"), Tensor::from_slice(v, v.len(), &Device::Cpu)?);
        }
        Ok(tensors)
    }

    /// The optimizer as it was after `step` steps, from [`AdamW::tensors`].
    pub fn resume(config: AdamWConfig, tensors: &BTreeMap<String, Tensor>, step: usize) -> Result<Self> {
        let mut state = BTreeMap::new();
        for (name, m) in tensors.iter().filter_map(|(name, m)| Some((name.strip_prefix("m.")?, m))) {
            let Some(v) = tensors.get(&format!("v.{name}")) else { continue };
            state.insert(name.to_string(), Moments::new(m.to_vec1()?, v.to_vec1()?));
        }
        Ok(Self { state, step, ..Self::new(config) })
    }
}
