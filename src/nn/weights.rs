//! Hands a model's constructor its tensors, from a file or drawn, and reports every misfit at once.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{LayerNorm, Linear, Param};
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;

/// Where a new model's tensors come from.
pub struct Weights {
    source: Source,
    problems: Vec<String>,
    /// Beginnings of names that are drawn although the rest was found.
    fresh: Option<(Vec<String>, Rng)>,
}

enum Source {
    Found(BTreeMap<String, Tensor>),
    Drawn(Box<Rng>),
}

impl Weights {
    /// Tensors read from a file, by name.
    pub fn found(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { source: Source::Found(tensors), problems: Vec::new(), fresh: None }
    }

    /// New random tensors, repeatable by the generator's seed.
    pub fn drawn(rng: Rng) -> Self {
        Self { source: Source::Drawn(Box::new(rng)), problems: Vec::new(), fresh: None }
    }

    /// Makes names as published models have them into those that transformers writes today: `prefix` in front where a
    /// model was saved without its head, and `gamma` and `beta` as `weight` and `bias`.
    ///
    /// `heads` are the beginnings of names that have no prefix in either form.
    pub fn named_as_today(mut self, prefix: &str, heads: &[&str]) -> Self {
        let Source::Found(tensors) = &mut self.source else { return self };
        let bare = !tensors.keys().any(|name| name.starts_with(prefix));
        for (name, tensor) in std::mem::take(tensors) {
            let mut name = name;
            for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
                if let Some(stem) = name.strip_suffix(old) {
                    name = format!("{stem}{new}");
                }
            }
            let head = heads.iter().any(|head| name.starts_with(head));
            tensors.insert(if bare && !head { format!("{prefix}{name}") } else { name }, tensor);
        }
        self
    }

    /// True when a tensor was found whose name begins with one of `starts`.
    pub fn any(&self, starts: &[&str]) -> bool {
        let Source::Found(tensors) = &self.source else { return false };
        tensors.keys().any(|name| starts.iter().any(|start| name.starts_with(start)))
    }

    /// True when both tensors were found and hold the same numbers.
    pub fn same(&self, one: &str, other: &str) -> Result<bool> {
        let Source::Found(tensors) = &self.source else { return Ok(false) };
        let (Some(one), Some(other)) = (tensors.get(one), tensors.get(other)) else { return Ok(false) };
        Ok(one.dims() == other.dims() && one.sub(other)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()? == 0.0)
    }

    /// Leaves out a tensor that a file may hold and nothing uses.
    pub fn set_aside(&mut self, name: &str) {
        if let Source::Found(tensors) = &mut self.source {
            tensors.remove(name);
        }
    }

    /// The same without what begins with one of `starts`: a head that is to be replaced.
    pub fn without(mut self, starts: &[&str]) -> Self {
        if let Source::Found(tensors) = &mut self.source {
            tensors.retain(|name, _| !starts.iter().any(|start| name.starts_with(start)));
        }
        self
    }

    /// The same, but what begins with one of `starts` is drawn where it is missing: a new head on a model that was read.
    pub fn drawing(mut self, starts: &[&str], seed: u64) -> Self {
        self.fresh = Some((starts.iter().map(ToString::to_string).collect(), Rng::new(seed)));
        self
    }

    /// A matrix of a linear layer or an embedding; drawn ones are normal with standard deviation `std`.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize, std: f32) -> Result<Param> {
        self.tensor(name, &[rows, columns], std)
    }

    /// As [`Weights::matrix`], of any shape.
    pub fn tensor(&mut self, name: &str, shape: &[usize], std: f32) -> Result<Param> {
        let tensor = match self.generator(name) {
            Some(rng) => Tensor::from_vec(rng.normals(shape.iter().product(), std), shape, &Device::Cpu)?,
            None => self.take(name, shape)?,
        };
        Param::new(name, &tensor)
    }

    /// The scale of a normalization layer; drawn ones are 1.
    pub fn ones(&mut self, name: &str, size: usize) -> Result<Param> {
        self.vector(name, size, 1.0)
    }

    /// A bias, or the shift of a normalization layer; drawn ones are 0.
    pub fn zeros(&mut self, name: &str, size: usize) -> Result<Param> {
        self.vector(name, size, 0.0)
    }

    fn vector(&mut self, name: &str, size: usize, value: f32) -> Result<Param> {
        let tensor = match self.generator(name) {
            Some(_) => Tensor::full(value, size, &Device::Cpu)?,
            None => self.take(name, &[size])?,
        };
        Param::new(name, &tensor)
    }

    /// The generator of a tensor that is drawn and not found.
    fn generator(&mut self, name: &str) -> Option<&mut Rng> {
        match (&mut self.source, &mut self.fresh) {
            (Source::Drawn(rng), _) => Some(rng),
            (Source::Found(tensors), Some((starts, rng))) => {
                let fresh = !tensors.contains_key(name) && starts.iter().any(|start| name.starts_with(start));
                fresh.then_some(rng)
            }
            _ => None,
        }
    }

    /// A layer normalization: `name.weight` and `name.bias`.
    pub fn layer_norm(&mut self, name: &str, size: usize, eps: f64) -> Result<LayerNorm> {
        let weight = self.ones(&format!("{name}.weight"), size)?;
        Ok(LayerNorm { weight, bias: self.zeros(&format!("{name}.bias"), size)?, eps })
    }

    /// As [`Weights::linear`] with a bias under `name.bias`.
    pub fn linear_bias(&mut self, name: &str, input: usize, output: usize, std: f32) -> Result<Linear> {
        let mut linear = self.linear(name, input, output, std)?;
        linear.bias = Some(self.zeros(&format!("{name}.bias"), output)?);
        Ok(linear)
    }

    /// A linear layer with bias whose weight is stored (in, out): GPT-2's `Conv1D`.
    pub fn conv1d(&mut self, name: &str, input: usize, output: usize, std: f32) -> Result<Linear> {
        let weight = self.matrix(&format!("{name}.weight"), input, output, std)?;
        let bias = Some(self.zeros(&format!("{name}.bias"), output)?);
        Ok(Linear { bias, fan_in_fan_out: true, ..Linear::new(weight) })
    }

    /// A linear layer without bias: weight (out, in) under `name.weight`.
    pub fn linear(&mut self, name: &str, input: usize, output: usize, std: f32) -> Result<Linear> {
        Ok(Linear::new(self.matrix(&format!("{name}.weight"), output, input, std)?))
    }

    /// Notes a problem and goes on with zeros, so that one report lists them all.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let found = match &mut self.source {
            Source::Found(tensors) => tensors.remove(name),
            Source::Drawn(_) => None,
        };
        match found {
            Some(tensor) if tensor.dims() == shape => return Ok(tensor),
            Some(tensor) => self.problems.push(tr!(
                "{name}: forma {:?}, config.json pide {:?}",
                "{name}: shape {:?}, config.json asks for {:?}",
                tensor.dims(),
                shape
            )),
            None => self.problems.push(tr!("{name}: falta", "{name}: missing")),
        }
        Ok(Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu)?)
    }

    /// Fails with the whole list when a tensor was missing, of another shape, or left over (`ignored` may be left).
    pub fn finish(mut self, ignored: &[&str]) -> Result<()> {
        if let Source::Found(left) = &self.source {
            let unknown = left.keys().filter(|name| !ignored.iter().any(|part| name.contains(part)));
            self.problems.extend(unknown.map(|name| tr!("{name}: sobra", "{name}: not expected")));
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        let count = self.problems.len();
        Err(Error::new(
            ErrorKind::BadModel,
            tr!(
                "Los pesos no corresponden a config.json ({count} diferencias).",
                "The weights do not fit config.json ({count} differences)."
            ),
        )
        .why(self.problems.join("\n    "))
        .next(tr!(
            "Comprueba que config.json y model.safetensors vienen del mismo modelo; descárgalo o guárdalo otra vez.",
            "Check that config.json and model.safetensors come from the same model; download or save it again."
        )))
    }
}
