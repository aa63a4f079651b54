//! A language model as a notebook holds it: weights, tokenizer and settings in one variable.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{DType, Tensor};
use serde_json::Value;

use crate::adapter::{load_adapter, save_adapter};
use crate::beam::Search;
use crate::checkpoint::{read_json, say_saved, token_ids, MODEL_FILES};
use crate::dataset::{Batch, Dataset};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{last_logits, likeliest, sample, GenerateConfig, Generation, Writing};
use crate::hub::{load_weights, model_files};
use crate::models::{decoder, Decoder, KvCache};
use crate::needs::{Labels, Needs};
use crate::nn::{self, HeadLoss, Param, Pass, Untracked, Weights};
use crate::ops;
use crate::rng::Rng;
use crate::save::{save_weights, write_json, SaveOptions};
use crate::sys::{on_worker, stopped, write_folder};
use crate::tokenizer::{check_ids, Tokenizer, Tokens};
use crate::train::{evaluate, Score, Trainable};

pub use crate::nn::LoraConfig;

/// A model that goes on with a text.
pub struct LanguageModel {
    decoder: Box<dyn Decoder>,
    tokenizer: Tokenizer,
    config: Value,
}

impl LanguageModel {
    /// Loads a model that ships with the course (`"cuentos"`), a folder, or a name of the Hub (`"org/name"`).
    pub fn load(name: &str) -> Result<Self> {
        let folder = model_files(name)?;
        let config = read_json(&folder.join("config.json"))?;
        let tokenizer = Tokenizer::of_model(&folder, &config)?;
        Self::build(config, Weights::found(load_weights(&folder)?), tokenizer)
    }

    /// A new model with random weights.
    pub fn random(config: Value, tokenizer: Tokenizer, seed: u64) -> Result<Self> {
        Self::build(config, Weights::drawn(Rng::new(seed)), tokenizer)
    }

    fn build(config: Value, weights: Weights, tokenizer: Tokenizer) -> Result<Self> {
        let decoder = decoder(&config, weights)?;
        let rows = decoder.head().var().dim(0)?;
        tokenizer.check_fits(rows)?;
        let model = Self { decoder, tokenizer, config };
        check_ids(&model.end_tokens(), rows)?;
        Ok(model)
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How the model's tokenizer cuts a text.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        self.tokenizer.tokens(text)
    }

    /// Texts as data for training or measuring, at most `max_tokens` tokens each (and never more than the model can read).
    pub fn dataset(&self, texts: &[String], max_tokens: usize) -> Result<Dataset> {
        let limit = self.decoder.max_tokens();
        if max_tokens > limit {
            println!(
                "{}",
                tr!(
                    "El modelo lee hasta {limit} tokens: uso {limit} en lugar de {max_tokens}.",
                    "The model reads up to {limit} tokens: using {limit} instead of {max_tokens}."
                )
            );
        }
        Dataset::new(texts, &self.tokenizer, self.end_tokens().first().copied(), max_tokens.min(limit))
    }

    /// Prompts with their answers: the model reads both, and learns to write the answers only. At most `max_tokens` tokens
    /// for the two; a prompt that leaves no room for its answer is left out and counted.
    pub fn prompt_dataset(&self, prompts: &[String], answers: &[String], max_tokens: usize) -> Result<Dataset> {
        let limit = max_tokens.min(self.decoder.max_tokens());
        Dataset::for_answers(prompts, answers, &self.tokenizer, self.end_tokens().first().copied(), limit)
    }

    /// The ids that end a text, from `config.json` (one or a list).
    fn end_tokens(&self) -> Vec<u32> {
        token_ids(&self.config["eos_token_id"])
    }

    /// Loss and perplexity on some data, padding excluded.
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        evaluate(self, data)
    }

    /// Perplexity on some data, padding excluded.
    pub fn perplexity(&self, data: &Dataset) -> Result<f64> {
        Ok(self.evaluate(data)?.perplexity())
    }

    /// The logits (time, vocabulary) of every position of a text.
    pub fn logits(&self, text: &str) -> Result<Tensor> {
        self.logits_of(&self.tokenizer.encode(text)?)
    }

    /// The logits (time, vocabulary) of every position of some ids.
    pub fn logits_of(&self, ids: &[u32]) -> Result<Tensor> {
        check_ids(ids, self.decoder.head().var().dim(0)?)?;
        let hidden = self.decoder.hidden(&Pass::text(ids), None)?.detach();
        Ok(ops::linear(&hidden, &self.decoder.head().held().detach(), false)?.squeeze(0)?)
    }

    /// The likeliest next tokens after a text, with their probabilities.
    pub fn next_tokens(&self, text: &str, count: usize) -> Result<Vec<(String, f32)>> {
        let ids = self.tokenizer.encode(text)?;
        let hidden = self.decoder.hidden(&Pass::text(&ids), None)?;
        let logits = last_logits(&hidden.detach(), &self.decoder.head().held().detach())?.flatten_all()?;
        let named = |(id, share): (u32, f32)| Ok((self.tokenizer.decode(&[id])?, share));
        likeliest(&logits, count)?.into_iter().map(named).collect()
    }

    /// Goes on with `prompt`. What takes a while is seen as it comes; stopped by the reader, it gives the text so far.
    pub fn generate(&self, prompt: &str, config: &GenerateConfig) -> Result<Generation> {
        self.generate_all(&[prompt], config).map(|mut texts| texts.remove(0))
    }

    fn write(&self, prompt: &str, config: &GenerateConfig, writing: &mut Writing) -> Result<Generation> {
        let begin = Instant::now();
        let ids = self.tokenizer.encode(prompt)?;
        // The new text is what the whole has more than the prompt: a token's text may depend on the one before.
        let known = self.tokenizer.decode(&ids)?;
        let text = |fresh: &[u32]| -> Result<String> {
            let whole = self.tokenizer.decode(&[&ids, fresh].concat())?;
            Ok(whole.strip_prefix(&known).unwrap_or(&whole).to_string())
        };
        writing.begin(prompt);
        // Half a character, or an error in showing, is no reason to end: the whole text is read below.
        let mut tell = |fresh: &[u32]| writing.add(|| text(fresh).unwrap_or_default());
        let fresh = self.go_on(&ids, config, &mut tell)?;
        Ok(Generation {
            prompt: prompt.to_string(),
            text: text(&fresh)?,
            another: false,
            tokens: fresh.len(),
            ended: fresh.last().is_some_and(|last| self.end_tokens().contains(last)),
            seconds: begin.elapsed().as_secs_f64(),
        })
    }

    /// The ids that the model adds to those of a prompt, the end included.
    pub fn generate_ids(&self, prompt: &[u32], config: &GenerateConfig) -> Result<Vec<u32>> {
        config.check()?;
        self.go_on(prompt, config, &mut |_| ())
    }

    /// The new ids; `tell` hears those so far.
    fn go_on(&self, prompt: &[u32], config: &GenerateConfig, tell: &mut dyn FnMut(&[u32])) -> Result<Vec<u32>> {
        check_ids(prompt, self.decoder.head().var().dim(0)?)?;
        let (start, limit) = (prompt.len(), self.decoder.max_tokens());
        if start == 0 || start >= limit {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "El comienzo tiene {start} tokens; el modelo lee de 1 a {}.",
                    "The prompt has {start} tokens; the model reads from 1 to {}.",
                    limit - 1
                ),
            )
            .next(tr!("Usa otro comienzo.", "Use another prompt.")));
        }
        if stopped() {
            return Ok(Vec::new()); // of many texts, those after a stop are empty
        }
        let (ends, limit) = (self.end_tokens(), config.max_tokens.min(limit - start));
        let (mut rng, mut cache) = (Rng::new(config.seed), KvCache::new());
        let mut logits = self.next_logits(Pass::text(prompt), &mut cache)?;
        if config.num_beams > 1 {
            let search = Search { config, start: prompt, ends: &ends, limit };
            let mut next = |parents: &[u32], tokens: &[u32]| {
                cache.pick(parents)?;
                Ok(self.next_logits(Pass::side_by_side(tokens), &mut cache)?.to_vec2()?)
            };
            return Ok(search.run(logits.flatten_all()?.to_vec1()?, &mut next, tell)?.tokens);
        }
        let mut ids = prompt.to_vec();
        loop {
            let token = sample(&logits, &ids, config, &mut rng)?;
            ids.push(token);
            tell(&ids[start..]);
            if ids.len() - start == limit || ends.contains(&token) || stopped() {
                return Ok(ids.split_off(start));
            }
            logits = self.next_logits(Pass::text(&[token]), &mut cache)?;
        }
    }

    /// The logits (texts, vocabulary) of the last position of each text of a pass.
    fn next_logits(&self, pass: Pass, cache: &mut KvCache) -> Result<Tensor> {
        on_worker(move || {
            let _nothing_kept = Untracked::begin();
            let hidden = self.decoder.hidden(&pass, Some(cache))?.detach();
            Ok(last_logits(&hidden, &self.decoder.head().held().detach())?)
        })
    }

    /// Goes on with each of `prompts`, with the same settings and seed.
    pub fn generate_all(&self, prompts: &[&str], config: &GenerateConfig) -> Result<Vec<Generation>> {
        config.check()?;
        let mut writing = Writing::start(prompts.len(), config.max_tokens);
        let texts: Result<Vec<_>> = prompts.iter().map(|prompt| self.write(prompt, config, &mut writing)).collect();
        writing.end();
        texts
    }

    /// What the model writes after each of `prompts`, without the prompt and the spaces around it: an answer each.
    pub fn answer_all(&self, prompts: &[String], config: &GenerateConfig) -> Result<Vec<String>> {
        let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        Ok(self.generate_all(&prompts, config)?.into_iter().map(|one| one.text.trim().to_string()).collect())
    }

    /// Freezes the model and puts small trainable matrices on its linear layers. Run again, it starts them anew.
    pub fn add_lora(&mut self, config: &LoraConfig) -> Result<()> {
        nn::add_lora(&mut *self.decoder, config, &[])
    }

    /// Adds the adapters into the weights and takes them off; everything can be trained again.
    pub fn merge_lora(&mut self) -> Result<()> {
        nn::merge_lora(&mut *self.decoder)
    }

    /// Lets training move every weight (there are no adapters, or they are trained too).
    pub fn train_all(&mut self) {
        nn::train_all(&mut *self.decoder);
    }

    /// Saves what was trained beside the model, as peft does: a small folder, to put on the same model with
    /// `load_adapter`.
    pub fn save_adapter(&self, path: &str) -> Result<()> {
        save_adapter(&*self.decoder, Some("CAUSAL_LM"), path)
    }

    /// Puts an adapter on the model that `save_adapter` or peft wrote; one that was on it is taken off.
    pub fn load_adapter(&mut self, path: &str) -> Result<()> {
        load_adapter(&mut *self.decoder, path)
    }

    /// How many numbers are trainable, and how many there are.
    pub fn count_parameters(&self) -> (usize, usize) {
        nn::count_parameters(&*self.decoder)
    }

    /// The weights by name, with the adapters added in: what a saved model holds.
    pub fn merged_weights(&self) -> Result<BTreeMap<String, Tensor>> {
        nn::merged_weights(&*self.decoder)
    }

    /// Writes new values over the weights, in place; each name of the model must be there.
    pub fn set_weights(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        nn::set_weights(&*self.decoder, weights)
    }

    /// Saves the model as a folder that this library and transformers open: written whole, or not at all.
    ///
    /// Adapters are added into the saved weights; the model in memory keeps them apart.
    pub fn save(&self, path: &str) -> Result<()> {
        self.save_with(path, &SaveOptions::default())
    }

    /// As [`LanguageModel::save`], in half precision or in several files.
    pub fn save_with(&self, path: &str, options: &SaveOptions) -> Result<()> {
        let (weights, config) = (self.merged_weights()?, options.config(&self.config)?);
        let mut bytes = 0;
        let ends = self.config["eos_token_id"].clone();
        let tokenizer_config = serde_json::json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.decoder.max_tokens(),
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "clean_up_tokenization_spaces": false,
        });
        let named = ["<s>", "</s>", "<pad>"].iter().all(|token| self.tokenizer.id(token).is_some());
        write_folder(Path::new(path), MODEL_FILES, |folder| {
            write_json(&folder.join("config.json"), &config)?;
            write_json(
                &folder.join("generation_config.json"),
                &serde_json::json!({"eos_token_id": ends, "do_sample": true}),
            )?;
            if named {
                write_json(&folder.join("tokenizer_config.json"), &tokenizer_config)?;
            }
            self.tokenizer.save(&folder.join("tokenizer.json"))?;
            bytes = save_weights(folder, &weights, options)?;
            Ok(())
        })?;
        say_saved(path, bytes);
        Ok(())
    }

    /// Shows what it is.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

/// The largest difference between the logits of two models on a text: 0 when they are the same model.
pub fn logits_difference(one: &LanguageModel, other: &LanguageModel, text: &str) -> Result<f64> {
    let difference = (one.logits(text)? - other.logits(text)?)?.abs()?.flatten_all()?.max(0)?;
    Ok(f64::from(difference.to_dtype(DType::F32)?.to_scalar::<f32>()?))
}

impl LanguageModel {
    /// The last states of a batch, and what makes a loss of them.
    fn last(&self, batch: &Batch, training: bool) -> Result<HeadLoss<'_>> {
        batch.check(&self.needs())?;
        Ok(HeadLoss {
            states: self.decoder.hidden(&batch.pass(training)?, None)?.flatten(0, 1)?, // (batch * time, d)
            head: self.decoder.head(),
            bias: None,
            labels: batch.labels.clone(),
            smoothing: batch.smoothing_while(training),
            training,
        })
    }
}

impl Trainable for LanguageModel {
    fn params(&self) -> Vec<&Param> {
        self.decoder.params()
    }

    fn config(&self) -> Option<&Value> {
        Some(&self.config)
    }

    fn needs(&self) -> Needs {
        let vocab_size = self.decoder.head().var().dims()[0];
        Needs { vocab_size, max_tokens: self.decoder.max_tokens(), labels: Labels::Tokens, packs: true }
    }

    fn kept(&self, texts: usize, time: usize, _: usize, recompute: bool) -> usize {
        texts * time * nn::kept_per_position(&*self.decoder, "", recompute)
    }

    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor> {
        Ok(self.last(batch, training)?.loss()?)
    }

    fn before_head(&self, batch: &Batch, training: bool) -> Result<Option<HeadLoss<'_>>> {
        self.last(batch, training).map(Some)
    }
}

impl std::fmt::Display for LanguageModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.config["model_type"].as_str().unwrap_or("?");
        let ((trainable, all), vocabulary, limit) =
            (self.count_parameters(), self.tokenizer.vocab_size(), self.decoder.max_tokens());
        write!(
            f,
            "{}",
            tr!(
                "Modelo de lenguaje ({kind}): {all} números, {trainable} entrenables; {vocabulary} tokens; lee hasta {limit}",
                "Language model ({kind}): {all} numbers, {trainable} trainable; {vocabulary} tokens; reads up to {limit}"
            )
        )
    }
}
