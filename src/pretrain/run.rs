//! The loop of a pre-training: the same for every model that ships.

use std::collections::BTreeMap;
use std::time::Instant;

use candle_core::Tensor;
use rayon::prelude::*;
use serde_json::json;

use super::PretrainConfig;
use crate::checkpoint::Checkpoint;
use crate::dataset::{Batch, Dataset};
use crate::error::Result;
use crate::optim::{AdamW, AdamWConfig};
use crate::rng::Rng;
use crate::schedule::Schedule;
use crate::show::{Html, Progress};
use crate::sys;
use crate::train::{evaluate, train_step, Trainable};

/// After this many steps the model is measured and a checkpoint written.
pub(super) const CHECK_EVERY: usize = 250;

/// Steps whose rows are sorted by length together.
const GROUP: usize = 8;

/// What a finished run tells the card.
pub(super) struct Run {
    pub(super) seconds: f64,
    pub(super) tokens: usize,
    /// From which step on how many were planned: one pair, unless a run was interrupted and gone on with for another number.
    plans: Vec<(usize, usize)>,
}

impl Run {
    /// What a card says of doing it again.
    pub(super) fn repeating(&self) -> String {
        let Some(((_, first), others @ [_, ..])) = self.plans.split_first() else {
            return "Seeds and the order of every sum are fixed, so the same command should give the same SHA-256 on the same \
                    processor and thread count with the same version of this code."
                .into();
        };
        let later = |(from, steps): &(usize, usize)| {
            format!(" and, interrupted at step {}, gone on with for {}", thousands(*from), thousands(*steps))
        };
        let asked = |(_, steps): &(usize, usize)| format!("`--steps {steps}`");
        let (later, asked): (String, Vec<String>) =
            (others.iter().map(later).collect(), self.plans.iter().map(asked).collect());
        format!(
            "The run was begun for {} steps{later} ({}): the learning rate falls at that point. Seeds and the order of \
             every sum are fixed.",
            thousands(*first),
            asked.join(", then ")
        )
    }
}

/// A number as a sentence has it: 6,000.
fn thousands(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1000), number % 1000),
    }
}

type Weights = BTreeMap<String, Tensor>;
type MakeBatch<'a> = dyn Fn(&[Vec<u32>], usize) -> Result<Batch> + 'a;

/// A pre-training to do.
pub(super) struct Job<'a> {
    pub(super) config: &'a PretrainConfig,
    /// Steps between two checkpoints: [`CHECK_EVERY`].
    pub(super) check_every: usize,
    pub(super) model: &'a dyn Trainable,
    /// Row number i as ids: any row can be made without those before it.
    pub(super) row: &'a (dyn Fn(u64) -> Result<Vec<u32>> + Sync),
    /// The rows of a step side by side; the second number is the step's.
    pub(super) batch: &'a MakeBatch<'a>,
    /// What the model is measured on now and then.
    pub(super) held_out: &'a Dataset,
    pub(super) weights: &'a dyn Fn() -> Result<Weights>,
    pub(super) set_weights: &'a dyn Fn(&Weights) -> Result<()>,
}

impl Job<'_> {
    /// Makes all steps, from the last checkpoint if there is one.
    pub(super) fn run(&self) -> Result<Run> {
        let config = self.config;
        let settings = AdamWConfig { beta2: 0.95, weight_decay: 0.01, ..AdamWConfig::default() };
        let (mut optimizer, mut before, mut tokens) = (AdamW::new(settings), 0.0, 0);
        let mut plans = vec![(0, config.steps)];
        if let Some(checkpoint) = Checkpoint::read(&config.checkpoint, settings)? {
            (self.set_weights)(&checkpoint.weights)?;
            before = checkpoint.notes["seconds"].as_f64().unwrap_or(0.0);
            tokens = checkpoint.notes["tokens"].as_u64().unwrap_or(0) as usize;
            optimizer = checkpoint.optimizer;
            if let Ok(earlier) = serde_json::from_value::<Vec<(usize, usize)>>(checkpoint.notes["plans"].clone()) {
                plans = earlier;
            }
            if plans.last().is_none_or(|(_, steps)| *steps != config.steps) {
                plans.push((optimizer.steps(), config.steps));
            }
            println!("going on after step {}", optimizer.steps());
        }
        let (begin, mut group) = (Instant::now(), Group::default());
        let (warmup, mut losses) = (200.min(config.steps / 10), Vec::new());
        let mut progress = Progress::start("step", config.steps);
        while optimizer.steps() < config.steps {
            let step = optimizer.steps();
            let rows = group.rows(config, self.row, step)?;
            tokens += rows.iter().map(Vec::len).sum::<usize>();
            let batch = (self.batch)(rows, step)?;
            let factor = Schedule::Cosine.factor(step + 1, warmup, config.steps);
            // A tenth of the rate is left at the end: a small model still learns there.
            let learning_rate = config.learning_rate * (0.1 + 0.9 * factor).min(factor.max(0.1));
            losses.push(train_step(self.model, &batch, &mut optimizer, learning_rate)?.0);
            let step = step + 1;
            let seconds = before + begin.elapsed().as_secs_f64();
            progress.update_with(step, || {
                let mean = losses.iter().sum::<f64>() / losses.len() as f64;
                losses.clear();
                (format!("loss {mean:.3} rate {learning_rate:.2e}"), Html::new("", ""))
            });
            let stop = sys::stopped();
            if step % self.check_every == 0 || step == config.steps || stop {
                if !stop {
                    progress.say(&format!(
                        "step {step} held-out {} · {seconds:.0} s",
                        evaluate(self.model, self.held_out)?
                    ));
                }
                let notes = json!({ "seconds": seconds, "tokens": tokens, "plans": plans });
                let weights = (self.weights)()?;
                let checkpoint = Checkpoint { weights, optimizer, notes };
                checkpoint.save(&config.checkpoint)?;
                optimizer = checkpoint.optimizer;
            }
            if stop {
                return Err(sys::stopped_error(
                    tr!("Parado en el paso {step} de {}.", "Stopped at step {step} of {}.", config.steps),
                    tr!("La misma orden sigue donde se quedó.", "The same command goes on from there."),
                ));
            }
        }
        progress.finish("");
        Ok(Run { seconds: before + begin.elapsed().as_secs_f64(), tokens, plans })
    }
}

/// The rows of eight steps, sorted by length and dealt out: rows of like length share a batch, so little is padding.
#[derive(Default)]
struct Group {
    number: Option<usize>,
    batches: Vec<Vec<Vec<u32>>>,
}

impl Group {
    /// The rows of one step, the same whether the run was interrupted or not.
    fn rows(
        &mut self,
        config: &PretrainConfig,
        row: &(dyn Fn(u64) -> Result<Vec<u32>> + Sync),
        step: usize,
    ) -> Result<&[Vec<u32>]> {
        let number = step / GROUP;
        if self.number != Some(number) {
            let count = (GROUP * config.batch_size) as u64;
            let rows: Result<Vec<Vec<u32>>> =
                (0..count).into_par_iter().map(|i| row(number as u64 * count + i)).collect();
            let mut rows = rows?;
            rows.sort_by_key(Vec::len);
            self.batches = rows.chunks(config.batch_size).map(<[Vec<u32>]>::to_vec).collect();
            Rng::stream(config.seed, number as u64).shuffle(&mut self.batches);
            self.number = Some(number);
        }
        Ok(&self.batches[step % GROUP])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::super::{model_config, report::sha256};
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::language_model::LanguageModel;
    use crate::save::save_tensors;
    use crate::tokenizer::{Tokenizer, TokenizerKind};

    const STEPS: usize = 10;

    /// A run of ten steps with a checkpoint after each three, in a new model. `dies_at` stands for a machine that loses
    /// its power in that step.
    fn train(folder: &Path, dies_at: Option<usize>) -> Result<Vec<u8>> {
        let texts = ["El gato duerme.", "The dog runs home.", "Un día de sol, el gato salió.", "Once more it rained."];
        let texts = texts.map(String::from);
        let tokenizer = Tokenizer::train(&texts, TokenizerKind::ByteLevel, 300)?;
        let config = PretrainConfig {
            stories: folder.to_path_buf(),
            out: folder.join("out"),
            checkpoint: folder.join("checkpoint"),
            hidden_size: 32,
            layers: 2,
            vocab_size: 300,
            max_tokens: 16,
            batch_size: 4,
            steps: STEPS,
            learning_rate: 3e-3,
            seed: 7,
        };
        let model = LanguageModel::random(model_config(&config, &tokenizer), tokenizer, config.seed)?;
        let row = |i: u64| {
            let mut ids = model.tokenizer().encode(&texts[(i % 4) as usize])?;
            ids.truncate(4 + (i % 7) as usize);
            Ok(ids)
        };
        let batch = |rows: &[Vec<u32>], step| match dies_at {
            Some(dies) if dies == step => Err(Error::new(ErrorKind::System, "power")),
            _ => Batch::new(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        };
        let job = Job {
            config: &config,
            check_every: 3,
            model: &model,
            row: &row,
            batch: &batch,
            held_out: &model.dataset(&texts, 16)?,
            weights: &|| model.merged_weights(),
            set_weights: &|weights| model.set_weights(weights),
        };
        let run = job.run()?;
        let file = folder.join("weights.safetensors");
        save_tensors(&file, &model.merged_weights()?)?;
        Ok([sha256(&file)?.as_bytes(), &run.tokens.to_le_bytes()].concat())
    }

    #[test]
    fn a_run_that_was_cut_short_gives_bit_for_bit_what_one_in_one_go_gives_and_so_does_a_second() {
        let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let whole = train(folders[0].path(), None).unwrap();
        assert_eq!(train(folders[1].path(), None).unwrap(), whole, "the same seed, the same SHA-256");
        // Cut in step 6, just after a checkpoint, and then in step 8, which loses the seventh step and the eighth.
        for dies_at in [6, 8] {
            assert!(train(folders[2].path(), Some(dies_at)).is_err());
        }
        assert_eq!(train(folders[2].path(), None).unwrap(), whole);
        let notes = std::fs::read_to_string(folders[2].path().join("checkpoint/notes.json")).unwrap();
        assert!(notes.contains(&format!("\"optimizer_steps\": {STEPS}")), "{notes}");
    }

    #[test]
    fn the_cards_say_of_their_runs_what_is_written_here() {
        let run = |plans| Run { seconds: 0.0, tokens: 0, plans }.repeating();
        let card = concat!(env!("CARGO_MANIFEST_DIR"), "/data/models/lector/README.md");
        let card = std::fs::read_to_string(card).unwrap_or_default();
        assert!(card.contains(&run(vec![(0, 6000), (2450, 3300)])), "{card}");
        let other = concat!(env!("CARGO_MANIFEST_DIR"), "/data/models/cuentos/README.md");
        let other = std::fs::read_to_string(other).unwrap_or_default();
        assert!(other.contains(&run(vec![(0, 7500), (7500, 8000)])), "{other}");
    }
}
