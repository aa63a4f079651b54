//! A model that reads a text and writes another, as a notebook holds it: summaries, translations, answers.

use std::time::Instant;

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::beam::Search;
use crate::checkpoint::{read_json, token_ids, ModelFolder};
use crate::dataset::{Batch, Dataset, Targets};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::{last_logits, sample, GenerateConfig, Generation, Writing};
use crate::model_methods::model_methods;
use crate::models::{encoder_decoder, CrossCache, EncoderDecoder, Source};
use crate::needs::{Labels, Needs};
use crate::nn::{self, HeadLoss, LoraConfig, Param, Pass, Untracked};
use crate::ops::{self, mix, IGNORE};
use crate::rng::Rng;
use crate::sys::{on_worker, stopped};
use crate::tokenizer::check_ids;
use crate::train::{evaluate, Score, Trainable};

/// The longest source where `config.json` does not say: what T5 was trained on.
const LONGEST: usize = 512;
/// Sets the chance of what is written apart from that of what is read.
const WRITTEN: u64 = 1 << 40;

/// A model that makes another text of a text.
pub struct Seq2Seq {
    files: ModelFolder,
    model: Box<dyn EncoderDecoder>,
    /// What the decoder begins with.
    start: u32,
    /// The ids that end a text.
    ends: Vec<u32>,
}

impl Seq2Seq {
    /// Loads a folder or a name of the Hub (`"org/name"`): t5 or mt5.
    pub fn load(name: &str) -> Result<Self> {
        let mut files = ModelFolder::open(name)?;
        // transformers keeps these in either file; a saved model has them in config.json.
        let beside = files.folder.join("generation_config.json");
        if beside.is_file() {
            let beside = read_json(&beside)?;
            for key in ["decoder_start_token_id", "eos_token_id", "pad_token_id"] {
                if files.config[key].is_null() && !beside[key].is_null() {
                    files.config[key] = beside[key].clone();
                }
            }
        }
        let model = encoder_decoder(&files.config, files.weights()?)?;
        files.tokenizer.check_fits(model.head().var().dim(0)?)?;
        let ids = |key: &str| token_ids(&files.config[key]);
        let start = ids("decoder_start_token_id").into_iter().chain(ids("pad_token_id")).next();
        let ends = ids("eos_token_id");
        check_ids(&ends.iter().copied().chain(start).collect::<Vec<_>>(), model.head().var().dim(0)?)?;
        match start {
            Some(start) if !ends.is_empty() => Ok(Self { model, start, ends, files }),
            _ => Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "config.json no dice con qué token empieza o acaba un texto.",
                    "config.json does not say which token a text begins or ends with."
                ),
            )
            .next(tr!(
                "Agrega decoder_start_token_id y eos_token_id (en T5: 0 y 1).",
                "Add decoder_start_token_id and eos_token_id (in T5: 0 and 1)."
            ))),
        }
    }

    /// Pairs of texts, one to read and one to write, as data for training or measuring: at most so many tokens of each.
    pub fn dataset(
        &self,
        sources: &[String],
        targets: &[String],
        max_source_tokens: usize,
        max_target_tokens: usize,
    ) -> Result<Dataset> {
        if sources.len() != targets.len() {
            let (sources, targets) = (sources.len(), targets.len());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "Hay {sources} textos para leer y {targets} para escribir.",
                    "There are {sources} texts to read and {targets} to write."
                ),
            )
            .next(tr!("Tiene que haber uno por cada uno.", "There must be one for each.")));
        }
        let end = self.ends.first().copied();
        let found = self.tokenizer().encode_within(targets, max_target_tokens.max(2))?;
        let cut = found.iter().filter(|(ids, length)| ids.len() < *length).count();
        if cut > 0 {
            let all = targets.len();
            println!(
                "{}",
                tr!(
                    "{cut} de {all} textos para escribir pasan de {max_target_tokens} tokens y se cortan ahí.",
                    "{cut} of {all} texts to write are longer than {max_target_tokens} tokens and are cut there."
                )
            );
        }
        let ended = |(mut ids, _): (Vec<u32>, usize)| {
            if ids.last().is_none_or(|last| !self.ends.contains(last)) {
                ids.extend(end);
            }
            ids
        };
        let targets = Targets::Labels(found.into_iter().map(ended).collect());
        Dataset::for_encoder(sources, self.tokenizer(), max_source_tokens, targets)
    }

    /// The text that the model makes of `source`. What takes a while is seen as it comes.
    pub fn generate(&self, source: &str, config: &GenerateConfig) -> Result<Generation> {
        self.generate_all(&[source], config).map(|mut texts| texts.remove(0))
    }

    /// The texts that the model makes of each of `sources`, with the same settings and seed. One longer than the model
    /// reads is cut, which is said.
    pub fn generate_all(&self, sources: &[&str], config: &GenerateConfig) -> Result<Vec<Generation>> {
        config.check()?;
        let (limit, texts) = (self.max_tokens(), sources.iter().map(ToString::to_string).collect::<Vec<_>>());
        let found = self.tokenizer().encode_within(&texts, limit)?;
        let cut = found.iter().filter(|(ids, length)| ids.len() < *length).count();
        if cut > 0 {
            println!(
                "{}",
                tr!(
                    "{cut} textos pasan de {limit} tokens y se leen hasta ahí.",
                    "{cut} texts are longer than {limit} tokens and are read up to there."
                )
            );
        }
        let mut writing = Writing::start(sources.len(), config.max_tokens);
        let mut written = Vec::new();
        for ((ids, _), source) in found.iter().zip(sources) {
            let begin = Instant::now();
            writing.begin(source);
            let mut tell = |ids: &[u32]| writing.add(|| self.tokenizer().decode(ids).unwrap_or_default());
            let tokens = self.write(ids, config, &mut tell)?;
            written.push(Generation {
                prompt: source.to_string(),
                text: self.tokenizer().decode(&tokens)?,
                another: true,
                tokens: tokens.len(),
                ended: tokens.last().is_some_and(|last| self.ends.contains(last)),
                seconds: begin.elapsed().as_secs_f64(),
            });
        }
        writing.end();
        Ok(written)
    }

    /// The ids that the model writes, the end included, when it has read the ids of `source`.
    pub fn generate_ids(&self, source: &[u32], config: &GenerateConfig) -> Result<Vec<u32>> {
        config.check()?;
        self.write(source, config, &mut |_| ())
    }

    fn write(&self, source: &[u32], config: &GenerateConfig, tell: &mut dyn FnMut(&[u32])) -> Result<Vec<u32>> {
        if source.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("No hay nada que leer: el texto está vacío.", "There is nothing to read: the text is empty."),
            )
            .next(tr!("Usa otro texto.", "Use another text.")));
        }
        check_ids(source, self.model.head().var().dim(0)?)?;
        if stopped() {
            return Ok(Vec::new()); // of many texts, those after a stop are empty
        }
        let _nothing_kept = Untracked::begin();
        let source = self.encode(&Pass::text(source))?;
        let mut cache = CrossCache::new();
        let first = self.next_logits(&[self.start], &source, &mut cache)?;
        if config.num_beams > 1 {
            let search = Search { config, start: &[self.start], ends: &self.ends, limit: config.max_tokens };
            let mut next = |parents: &[u32], tokens: &[u32]| {
                cache.pick(parents)?;
                Ok(self.next_logits(tokens, &source, &mut cache)?.to_vec2()?)
            };
            return Ok(search.run(first.flatten_all()?.to_vec1()?, &mut next, tell)?.tokens);
        }
        let (mut rng, mut logits, mut ids) = (Rng::new(config.seed), first, vec![self.start]);
        loop {
            let token = sample(&logits, &ids, config, &mut rng)?;
            ids.push(token);
            tell(&ids[1..]);
            if ids.len() > config.max_tokens || self.ends.contains(&token) || stopped() {
                return Ok(ids.split_off(1));
            }
            logits = self.next_logits(&[token], &source, &mut cache)?;
        }
    }

    fn encode(&self, pass: &Pass) -> Result<Source> {
        let source = self.model.encode(pass)?;
        Ok(Source { states: source.states.detach(), ..source })
    }

    /// The logits (texts, vocabulary) after one more token of each text.
    fn next_logits(&self, tokens: &[u32], source: &Source, cache: &mut CrossCache) -> Result<Tensor> {
        on_worker(|| {
            let _nothing_kept = Untracked::begin();
            let states = self.model.decode(&Pass::side_by_side(tokens), source, Some(cache))?.detach();
            Ok(last_logits(&states, &self.model.head().held().detach())?)
        })
    }

    /// The logits (texts, longest target, vocabulary) of a batch, each position having seen the target before it.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        batch.check(&self.needs())?;
        let (targets, _) = self.written(batch, false)?;
        let states = self.model.decode(&targets, &self.encode(&batch.pass(false)?)?, None)?.detach();
        Ok(ops::linear(&states, &self.model.head().held().detach(), false)?)
    }

    /// The pass over what the decoder is given, the start and each target but for its last token; and the labels there.
    fn written(&self, batch: &Batch, training: bool) -> Result<(Pass, Vec<u32>)> {
        let texts = batch.lengths.len();
        let rows: Vec<&[u32]> = batch.labels.chunks(batch.labels.len() / texts.max(1)).collect();
        let length = |row: &&[u32]| row.iter().rposition(|label| *label != IGNORE).map_or(1, |last| last + 1);
        let lengths: Vec<usize> = rows.iter().map(length).collect();
        let time = lengths.iter().copied().max().unwrap_or(1);
        let (mut ids, mut labels) = (Vec::with_capacity(texts * time), Vec::with_capacity(texts * time));
        for row in &rows {
            let known = row.iter().map(|label| if *label == IGNORE { 0 } else { *label });
            ids.extend([self.start].into_iter().chain(known).take(time));
            labels.extend_from_slice(&row[..time]);
        }
        let mut pass = Pass::new(&Tensor::from_vec(ids, (texts, time), &Device::Cpu)?, &lengths)?;
        let seeds: Vec<u64> = batch.seeds.iter().map(|seed| mix(*seed, WRITTEN)).collect();
        if !training {
            return Ok((pass, labels));
        }
        pass.aside.clone_from(&batch.aside);
        Ok((pass.training(&seeds), labels))
    }

    /// How much of a text it reads when it generates, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.files.config["n_positions"].as_u64().map_or(LONGEST, |limit| limit as usize)
    }

    /// Loss and perplexity on the texts to write of some data.
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        evaluate(self, data)
    }

    /// Freezes the model and puts small trainable matrices on its linear layers. Run again, it starts them anew.
    pub fn add_lora(&mut self, config: &LoraConfig) -> Result<()> {
        nn::add_lora(&mut *self.model, config, &[])
    }

    /// Lets training move every weight (there are no adapters, or they are trained too).
    pub fn train_all(&mut self) {
        nn::train_all(&mut *self.model);
    }
}

model_methods!(Seq2Seq, self => *self.model, Some("SEQ_2_SEQ_LM"));

impl Trainable for Seq2Seq {
    fn params(&self) -> Vec<&Param> {
        self.model.params()
    }

    fn config(&self) -> Option<&Value> {
        Some(&self.files.config)
    }

    fn needs(&self) -> Needs {
        let vocab_size = self.model.head().var().dims()[0];
        Needs { vocab_size, labels: Labels::Text, ..Needs::default() }
    }

    fn kept(&self, texts: usize, time: usize, width: usize, recompute: bool) -> usize {
        let per_position = |part| nn::kept_per_position(&*self.model, part, recompute);
        let number = |name: &str| self.files.config[name].as_u64().unwrap_or(0) as usize;
        let layers = if recompute { 1 } else { number("num_layers") };
        let heads = number("num_heads");
        // Keys and values of the source for each layer that writes; and the scores, which this family adds something to.
        let cross = 2 * layers * heads * number("d_kv");
        let scores = 3 * layers * heads * (time * time + width * width + width * time);
        texts * (time * (per_position("encoder.") + cross) + width * per_position("decoder.") + scores)
    }

    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor> {
        Ok(self.last(batch, training)?.loss()?)
    }

    fn before_head(&self, batch: &Batch, training: bool) -> Result<Option<HeadLoss<'_>>> {
        self.last(batch, training).map(Some)
    }
}

impl Seq2Seq {
    /// The last states of what is to be written, and what makes a loss of them.
    fn last(&self, batch: &Batch, training: bool) -> Result<HeadLoss<'_>> {
        batch.check(&self.needs())?;
        let (targets, labels) = self.written(batch, training)?;
        let source = self.model.encode(&batch.pass(training)?)?;
        Ok(HeadLoss {
            states: self.model.decode(&targets, &source, None)?.flatten(0, 1)?, // (texts * time, hidden)
            head: self.model.head(),
            bias: None,
            labels,
            smoothing: batch.smoothing_while(training),
            training,
        })
    }
}

impl std::fmt::Display for Seq2Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.files.config["model_type"].as_str().unwrap_or("?");
        let ((trainable, all), limit) = (self.count_parameters(), self.max_tokens());
        write!(
            f,
            "{}",
            tr!(
                "Modelo de texto a texto ({kind}): {all} números, {trainable} entrenables; lee hasta {limit} tokens",
                "Text-to-text model ({kind}): {all} numbers, {trainable} trainable; reads up to {limit} tokens"
            )
        )
    }
}
