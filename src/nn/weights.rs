//! Hands a model's constructor its tensors, from a file or drawn, and reports every misfit at once.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{Linear, Param};
use crate::error::{Error, ErrorKind, Result};
use crate::rng::Rng;

/// Where a new model's tensors come from.
pub struct Weights {
    source: Source,
    problems: Vec<String>,
}

enum Source {
    Found(BTreeMap<String, Tensor>),
    Drawn(Box<Rng>),
}

impl Weights {
    /// Tensors read from a file, by name.
    pub fn found(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { source: Source::Found(tensors), problems: Vec::new() }
    }

    /// New random tensors, repeatable by the generator's seed.
    pub fn drawn(rng: Rng) -> Self {
        Self { source: Source::Drawn(Box::new(rng)), problems: Vec::new() }
    }

    /// A matrix of a linear layer or an embedding; drawn ones are normal with standard deviation `std`.
    pub fn matrix(&mut self, name: &str, rows: usize, columns: usize, std: f32) -> Result<Param> {
        let tensor = match &mut self.source {
            Source::Drawn(rng) => Tensor::from_vec(rng.normals(rows * columns, std), (rows, columns), &Device::Cpu)?,
            Source::Found(_) => self.take(name, &[rows, columns])?,
        };
        Param::new(name, &tensor)
    }

    /// The scale of a normalization layer; drawn ones are 1.
    pub fn ones(&mut self, name: &str, size: usize) -> Result<Param> {
        let tensor = match &self.source {
            Source::Drawn(_) => Tensor::ones(size, candle_core::DType::F32, &Device::Cpu)?,
            Source::Found(_) => self.take(name, &[size])?,
        };
        Param::new(name, &tensor)
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
