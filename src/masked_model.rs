//! A masked language model as a notebook holds it: it guesses hidden words from what is on both sides of them.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::checkpoint::ModelFolder;
use crate::dataset::{Batch, Dataset, Masking, Targets};
use crate::error::{Error, ErrorKind, Result};
use crate::generate::likeliest;
use crate::model_methods::model_methods;
use crate::models::{encoder_config, MaskedEncoder};
use crate::needs::{Labels, Needs};
use crate::nn::{self, HeadLoss, LoraConfig, Param, Pass, Weights};
use crate::ops::{self, IGNORE};
use crate::rng::Rng;
use crate::show::{display, escape};
use crate::tokenizer::{check_ids, Tokenizer};
use crate::train::{evaluate, Score, Trainable};

/// How people write the hidden word, whatever the model calls it.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// A model that fills gaps.
pub struct MaskedModel {
    files: ModelFolder,
    model: MaskedEncoder,
    /// The model's own name of a hidden token, and its id.
    mask: (String, u32),
}

/// One way to fill a gap.
#[derive(Clone, Debug)]
pub struct Filling {
    /// What would stand there.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// How likely it is, among all tokens.
    pub probability: f32,
    /// The whole text with it.
    pub text: String,
}

/// The likeliest ways to fill a gap, likeliest first.
#[derive(Clone, Debug)]
pub struct Fillings {
    /// The ways.
    pub options: Vec<Filling>,
}

impl MaskedModel {
    /// Loads a folder or a name of the Hub (`"org/name"`): bert, deberta-v2, distilbert, roberta or
    /// xlm-roberta.
    pub fn load(name: &str) -> Result<Self> {
        let files = ModelFolder::open(name)?;
        let weights = files.weights()?;
        Self::build(files, weights)
    }

    /// A model that knows nothing yet: `config` as in a `config.json`, weights drawn with `seed`.
    pub fn random(config: Value, tokenizer: Tokenizer, seed: u64) -> Result<Self> {
        Self::build(ModelFolder::new(config, tokenizer), Weights::drawn(Rng::new(seed)))
    }

    fn build(files: ModelFolder, weights: Weights) -> Result<Self> {
        let model = MaskedEncoder::new(encoder_config(&files.config)?, weights)?;
        files.tokenizer.check_fits(model.encoder.vocab_size())?;
        let known = |name: &&str| Some((name.to_string(), files.tokenizer.id(name)?));
        let Some(mask) = MASKS.iter().find_map(known) else {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "El tokenizador no tiene un token que tape palabras ([MASK] o <mask>).",
                    "The tokenizer has no token that hides words ([MASK] or <mask>)."
                ),
            )
            .next(tr!("Elige un modelo de tipo BERT.", "Choose a model of BERT's kind.")));
        };
        Ok(Self { files, model, mask })
    }

    /// The `count` likeliest words for the gap in `text`, which is written `[MASK]` or `<mask>`.
    pub fn fill(&self, text: &str, count: usize) -> Result<Fillings> {
        let (text, logits) = self.gap(text)?;
        self.fillings(&text, &logits, count)
    }

    /// As [`MaskedModel::fill`], and the place of `word` among all tokens (1: the likeliest) with its probability; none where
    /// the model has no token for it alone.
    pub fn fill_and_find(&self, text: &str, count: usize, word: &str) -> Result<(Fillings, Option<(usize, f32)>)> {
        let (text, logits) = self.gap(text)?;
        let fillings = self.fillings(&text, &logits, count)?;
        let all = likeliest(&logits, usize::MAX)?;
        let wanted = self.tokens_of(word)?;
        let place = all.iter().position(|(id, _)| wanted.contains(id));
        Ok((fillings, place.map(|place| (place + 1, all[place].1))))
    }

    /// The single tokens that stand for a word, at a text's start or after a space.
    fn tokens_of(&self, word: &str) -> Result<Vec<u32>> {
        let marks = self.tokenizer().special_ids();
        let ways = self.tokenizer().encode_all_bare(&[word.to_string(), format!(" {word}")])?;
        Ok(ways.into_iter().filter(|ids| ids.len() == 1 && !marks.contains(&ids[0])).map(|ids| ids[0]).collect())
    }

    /// The text with the gap by the model's own name, and the logits of all tokens there.
    fn gap(&self, text: &str) -> Result<(String, Tensor)> {
        let (name, mask) = (&self.mask.0, self.mask.1);
        let text = MASKS.iter().fold(text.to_string(), |text, known| text.replace(known, name));
        let ids = self.tokenizer().encode(&text)?;
        let gaps: Vec<usize> = (0..ids.len()).filter(|i| ids[*i] == mask).collect();
        let limit = self.max_tokens();
        if gaps.len() != 1 || ids.len() > limit {
            let (gaps, tokens) = (gaps.len(), ids.len());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!(
                    "El texto tiene {gaps} huecos y {tokens} tokens; hace falta un hueco, y el modelo lee hasta {limit} tokens.",
                    "The text has {gaps} gaps and {tokens} tokens; it needs one gap, and the model reads up to {limit} tokens."
                ),
            )
            .next(tr!(
                "Escribe el hueco así: \"Buenos [MASK]\".",
                "Write the gap like this: \"Good [MASK]\"."
            )));
        }
        let states = self.model.encoder.hidden(&Pass::text(&ids))?.narrow(1, gaps[0], 1)?.contiguous()?;
        Ok((text, self.logits_of_states(&states)?.flatten_all()?))
    }

    fn fillings(&self, text: &str, logits: &Tensor, count: usize) -> Result<Fillings> {
        let marks = self.tokenizer().special_ids();
        let option = |(id, probability): (u32, f32)| {
            let token = self.tokenizer().decode(&[id])?.trim().to_string();
            // A mark such as [SEP] has no text: its name is shown.
            let token = if marks.contains(&id) { self.tokenizer().token(id).unwrap_or_default() } else { token };
            Ok(Filling { text: text.replacen(&self.mask.0, &token, 1), token, id, probability })
        };
        Ok(Fillings { options: likeliest(logits, count)?.into_iter().map(option).collect::<Result<_>>()? })
    }

    /// Texts as data for training or measuring, at most `max_tokens` tokens each: 15 % of their tokens are to be guessed.
    ///
    /// Training hides others each time it comes by; measuring hides the same ones always.
    pub fn dataset(&self, texts: &[String], max_tokens: usize) -> Result<Dataset> {
        let targets = Targets::Hidden(self.masking());
        Dataset::for_encoder(texts, self.tokenizer(), max_tokens.min(self.max_tokens()), targets)
    }

    /// How tokens are hidden to train this model: 15 % of each text's, its special tokens never.
    pub fn masking(&self) -> Masking {
        let special = self.tokenizer().special_ids();
        Masking { rate: 0.15, mask: self.mask.1, vocab_size: self.model.encoder.vocab_size(), special }
    }

    /// The logits (texts, time, vocabulary) of a batch; at padding they mean nothing.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        batch.check(&Needs { labels: Labels::Any, ..self.needs() })?;
        self.logits_of_states(&self.model.encoder.hidden(&batch.pass(false)?)?)
    }

    /// The logits (time, vocabulary) of every position of some ids; those of a hidden token say what may stand there.
    pub fn logits_of(&self, ids: &[u32]) -> Result<Tensor> {
        check_ids(ids, self.model.encoder.vocab_size())?;
        Ok(self.logits(&Batch::new(&[ids])?)?.squeeze(0)?)
    }

    /// The id that stands for a hidden token.
    pub fn mask_id(&self) -> u32 {
        self.mask.1
    }

    /// Shapes: states (texts, time, hidden), result (texts, time, vocabulary).
    fn logits_of_states(&self, states: &Tensor) -> Result<Tensor> {
        let (texts, time, d) = states.dims3()?;
        let (weight, bias) = self.model.decoder();
        let states = self.model.transformed(&states.detach().reshape((texts * time, d))?)?.detach();
        let logits = ops::linear(&states, &weight.held().detach(), false)?.broadcast_add(&bias.value().detach())?;
        Ok(logits.reshape((texts, time, ()))?.detach())
    }

    /// The longest text it can read, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.model.encoder.max_tokens()
    }

    /// Loss and perplexity on the hidden tokens of some data.
    pub fn evaluate(&self, data: &Dataset) -> Result<Score> {
        evaluate(self, data)
    }

    /// Perplexity on the hidden tokens of some data.
    pub fn perplexity(&self, data: &Dataset) -> Result<f64> {
        Ok(self.evaluate(data)?.perplexity())
    }

    /// Freezes the model and puts small trainable matrices on its linear layers. Run again, it starts them anew.
    pub fn add_lora(&mut self, config: &LoraConfig) -> Result<()> {
        nn::add_lora(&mut self.model, config, &[])
    }

    /// Writes new values over the weights, in place; each name of the model must be there.
    pub fn set_weights(&self, weights: &BTreeMap<String, Tensor>) -> Result<()> {
        nn::set_weights(&self.model, weights)
    }
}

model_methods!(MaskedModel, self => self.model, None);

impl Trainable for MaskedModel {
    fn params(&self) -> Vec<&Param> {
        nn::Module::params(&self.model)
    }

    fn config(&self) -> Option<&Value> {
        Some(&self.files.config)
    }

    fn needs(&self) -> Needs {
        let encoder = &self.model.encoder;
        let (vocab_size, max_tokens) = (encoder.vocab_size(), encoder.max_tokens());
        Needs { vocab_size, max_tokens, labels: Labels::Tokens, packs: encoder.reads_packed() }
    }

    fn kept(&self, texts: usize, time: usize, _: usize, recompute: bool) -> usize {
        texts * self.model.encoder.kept(time, recompute)
    }

    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor> {
        Ok(self.last(batch, training)?.loss()?)
    }

    fn before_head(&self, batch: &Batch, training: bool) -> Result<Option<HeadLoss<'_>>> {
        self.last(batch, training).map(Some)
    }
}

impl MaskedModel {
    /// The last states of what is to be guessed, and what makes a loss of them.
    fn last(&self, batch: &Batch, training: bool) -> Result<HeadLoss<'_>> {
        batch.check(&self.needs())?;
        let states = self.model.encoder.hidden(&batch.pass(training)?)?.flatten(0, 1)?; // (texts * time, hidden)
        let mut places: Vec<u32> =
            (0..batch.labels.len() as u32).filter(|i| batch.labels[*i as usize] != IGNORE).collect();
        if places.is_empty() {
            places.push(0); // its label is not counted: the loss is 0
        }
        let labels: Vec<u32> = places.iter().map(|i| batch.labels[*i as usize]).collect();
        // Only what is to be guessed goes through the head: a seventh of the positions.
        let states = states.index_select(&Tensor::new(places, &Device::Cpu)?, 0)?; // (places, hidden)
        let (head, bias) = self.model.decoder();
        Ok(HeadLoss {
            states: self.model.transformed(&states)?,
            head,
            bias: Some(bias),
            labels,
            smoothing: batch.smoothing_while(training),
            training,
        })
    }
}

impl std::fmt::Display for MaskedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.files.config["model_type"].as_str().unwrap_or("?");
        let ((trainable, all), limit) = (self.count_parameters(), self.max_tokens());
        write!(
            f,
            "{}",
            tr!(
                "Modelo que llena huecos ({kind}): {all} números, {trainable} entrenables; lee hasta {limit} tokens",
                "Model that fills gaps ({kind}): {all} numbers, {trainable} trainable; reads up to {limit} tokens"
            )
        )
    }
}

impl Fillings {
    /// Shows the texts, likeliest first.
    pub fn evcxr_display(&self) {
        let row = |option: &Filling| {
            let share = 100.0 * option.probability;
            let (token, text) = (escape(&option.token), escape(&option.text));
            format!(
                "<tr><td style=\"text-align:left\"><b>{token}</b></td><td>{share:.1} %</td>\
                 <td style=\"text-align:left\">{text}</td></tr>"
            )
        };
        let rows: String = self.options.iter().map(row).collect();
        display(&format!("<table><tbody>{rows}</tbody></table>"), &self.to_string());
    }
}

impl std::fmt::Display for Fillings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for option in &self.options {
            writeln!(f, "{:5.1} %  {}", 100.0 * option.probability, option.text)?;
        }
        Ok(())
    }
}
