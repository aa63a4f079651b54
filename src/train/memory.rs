//! How much memory a training takes, by its shapes, told before the first step and not by the system's axe.

use super::{TrainConfig, Trainable};
use crate::batch::even_parts;
use crate::dataset::Dataset;
use crate::error::{Error, ErrorKind, Result};
use crate::needs::Labels;
use crate::nn::Param;
use crate::sys::{available_memory, threads};

/// Bytes of a number.
const FLOAT: usize = 4;
/// Numbers of the logits' chunk and of what is made of it, and the rows that a chunk has at least: see
/// [`crate::ops::linear_cross_entropy`].
const LOGITS: usize = 3 * 1024 * 1024;
const ROWS: usize = 256;

/// What a training holds in memory, in bytes, at its fullest moment.
#[derive(Clone, Copy, Debug)]
pub struct MemoryEstimate {
    /// The weights; they are in memory when a model is loaded.
    pub weights: usize,
    /// Their gradients, and with several parts a step the sum of those before.
    pub gradients: usize,
    /// AdamW's two running means, and the best epoch's weights where `patience` keeps them.
    pub optimizer: usize,
    /// What the forward pass of the largest batch keeps for the way back.
    pub activations: usize,
}

impl MemoryEstimate {
    /// All that training asks for besides the loaded model.
    pub fn more(&self) -> usize {
        self.gradients + self.optimizer + self.activations
    }

    /// Shows the parts.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

impl std::fmt::Display for MemoryEstimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [weights, gradients, optimizer, activations] =
            [self.weights, self.gradients, self.optimizer, self.activations].map(megabytes);
        let all = megabytes(self.weights + self.more());
        write!(
            f,
            "{}",
            tr!(
                "Unos {all} MB: pesos {weights}, gradientes {gradients}, AdamW {optimizer}, activaciones {activations}",
                "About {all} MB: weights {weights}, gradients {gradients}, AdamW {optimizer}, activations {activations}"
            )
        )
    }
}

fn megabytes(bytes: usize) -> usize {
    bytes.div_ceil(1_000_000)
}

/// What training `model` on `data` takes, by the shapes of its weights and of the largest batch there can be.
///
/// It counts what takes most. The tests hold it to within a third of what is measured of GPT-2 (all weights, adapters, and
/// recomputed; logits that would be larger than all else among them), each in a process of its own on Linux, and of Llama, BERT,
/// DeBERTa and T5 to within two fifths. All are counted by the same rule, from the widths of their linear layers (and DeBERTa's
/// and T5's scores).
pub fn estimate_memory(model: &dyn Trainable, data: &Dataset, config: &TrainConfig) -> MemoryEstimate {
    let params = model.params();
    let count = |params: &[&Param]| params.iter().map(|param| param.count()).sum::<usize>();
    let trained: Vec<&Param> = params.iter().copied().filter(|param| param.trainable).collect();
    let needs = model.needs();
    let guesses = matches!(needs.labels, Labels::Tokens | Labels::Text);
    // Where no token is guessed the table of tokens is only looked up: its gradient is of the rows in use.
    let table =
        |param: &&Param| !guesses && needs.vocab_size > 0 && param.var().dims().first() == Some(&needs.vocab_size);
    let whole = count(&trained.iter().copied().filter(|param| !table(param)).collect::<Vec<_>>());
    let trained = count(&trained);
    let mut rows = data.longest(config.batch_size);
    rows.reverse();
    let lengths: Vec<usize> = rows.iter().map(|row| row.0).collect();
    let kept = |shard: &[(usize, usize)]| {
        let longest = |pick: fn(&(usize, usize)) -> usize| shard.iter().map(pick).max().unwrap_or(0);
        model.kept(shard.len(), longest(|row| row.0), longest(|row| row.1), config.recompute)
    };
    let tokens = lengths.iter().sum::<usize>();
    let logits = if guesses { LOGITS.max(needs.vocab_size * tokens.min(ROWS)) } else { LOGITS };
    let activations: usize = match needs.packs {
        true => model.kept(1, tokens, 0, config.recompute), // one after the other, without padding
        false => even_parts(&lengths, threads()).into_iter().map(|range| kept(&rows[range])).sum(),
    };
    // The cores add theirs up as they come; with several parts a step, those before are kept besides.
    let sets = if config.accumulate > 1 { 2 } else { 1 };
    MemoryEstimate {
        weights: params.iter().map(|param| param.count() * param.var().dtype().size_in_bytes()).sum(),
        gradients: FLOAT * whole * sets,
        optimizer: FLOAT * trained * if config.patience > 0 { 3 } else { 2 },
        activations: FLOAT * (activations + logits),
    }
}

/// Fails where the largest batch does not fit into the memory that is free, and names one that does.
pub(super) fn check_memory(model: &dyn Trainable, data: &Dataset, config: &TrainConfig) -> Result<()> {
    match available_memory() {
        Some(free) => check_fits(model, data, config, free as usize),
        None => Ok(()), // this system does not tell
    }
}

fn check_fits(model: &dyn Trainable, data: &Dataset, config: &TrainConfig, free: usize) -> Result<()> {
    let wanted = estimate_memory(model, data, config).more();
    if wanted <= free {
        return Ok(());
    }
    let fits = |batch_size: &usize| {
        estimate_memory(model, data, &TrainConfig { batch_size: *batch_size, ..config.clone() }).more() <= free
    };
    let error = Error::new(
        ErrorKind::Training,
        tr!(
            "No hay memoria para este entrenamiento: pide unos {} MB y quedan {} libres.",
            "There is no memory for this training: it asks for about {} MB, and {} are free.",
            megabytes(wanted),
            free / 1_000_000
        ),
    )
    .why(estimate_memory(model, data, config));
    let largest = config.batch_size.min(data.len());
    let Some(batch_size) = (1..largest).rev().find(fits) else {
        return Err(error.next(tr!(
            "Ni un texto cabe: cierra programas, corta los textos antes (max_tokens), usa add_lora o un modelo menor.",
            "Not even one text fits: close programs, cut the texts sooner (max_tokens), use add_lora or a smaller model."
        )));
    };
    let accumulate = (config.batch_size * config.accumulate).div_ceil(batch_size);
    Err(error.next(tr!(
        "Cabe esto, y los pasos son casi los mismos: batch_size: {batch_size}, accumulate: {accumulate}.",
        "This fits, and the steps are about the same: batch_size: {batch_size}, accumulate: {accumulate}."
    )))
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::dataset::Batch;
    use crate::tokenizer::Tokenizer;

    /// One weight of 1,000 numbers, and 50,000 that are kept for each position.
    struct Toy(Param);

    impl Trainable for Toy {
        fn params(&self) -> Vec<&Param> {
            vec![&self.0]
        }

        fn loss(&self, _: &Batch, _: bool) -> Result<Tensor> {
            Ok(Tensor::new(0f32, &Device::Cpu)?)
        }

        fn kept(&self, texts: usize, time: usize, _: usize, _: bool) -> usize {
            50_000 * texts * time
        }
    }

    fn toy_and_data() -> Result<(Toy, Dataset)> {
        let weight = Tensor::zeros(1000, candle_core::DType::F32, &Device::Cpu)?;
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gpt2/tokenizer.json");
        let text = |i: usize| "el gato come pan ".repeat(1 + i % 5);
        let texts: Vec<String> = (0..40).map(text).collect();
        let data = Dataset::new(&texts, &Tokenizer::read(std::path::Path::new(file))?, None, 24)?;
        Ok((Toy(Param::new("toy", &weight)?), data))
    }

    #[test]
    fn the_batch_that_would_fit_is_named_and_it_fits() -> Result<()> {
        let (model, data) = toy_and_data()?;
        let config = TrainConfig { batch_size: 32, ..TrainConfig::default() };
        let with = |batch_size| TrainConfig { batch_size, ..config.clone() };
        let free = estimate_memory(&model, &data, &with(10)).more();
        check_fits(&model, &data, &with(10), free)?;
        let error = check_fits(&model, &data, &config, free).unwrap_err().to_string();
        assert!(error.contains("batch_size: 10, accumulate: 4") && error.contains("MB"), "{error}");
        let error = check_fits(&model, &data, &config, 1000).unwrap_err().to_string();
        assert!(error.contains("max_tokens") && error.contains("add_lora"), "{error}");
        // More than there are texts is no larger batch than all of them.
        let all = estimate_memory(&model, &data, &with(40)).more();
        assert_eq!(estimate_memory(&model, &data, &with(4000)).more(), all);
        Ok(())
    }

    #[test]
    fn each_part_is_counted_and_texts_by_the_longest_beside_them() -> Result<()> {
        let (model, data) = toy_and_data()?;
        let config = TrainConfig { batch_size: 1, patience: 2, ..TrainConfig::default() };
        let alone = estimate_memory(&model, &data, &config);
        assert_eq!((alone.weights, alone.gradients, alone.optimizer), (4_000, 4_000, 12_000));
        let longest = data.longest(1)[0].0;
        assert_eq!(alone.activations, 4 * (50_000 * longest + LOGITS));
        Ok(())
    }
}
