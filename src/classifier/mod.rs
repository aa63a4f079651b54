//! A classifier as a notebook holds it: it says which label a text has, or which of several.

mod columns;
mod explain;
mod figures;
mod loss;
mod number;

use candle_core::{DType, Tensor};
use serde_json::{json, Value};

use crate::checkpoint::ModelFolder;
use crate::dataset::{by_length, check_columns, Batch, Dataset, Row, Targets};
use crate::error::{Error, ErrorKind, Result};
use crate::model_methods::model_methods;
use crate::models::{encoder_config, labels, ClassifierEncoder, CLASSIFIER};
use crate::needs::{Labels, Needs};
use crate::nn::{self, LoraConfig, Param, Untracked};
use crate::ops::{self, Wanted};
use crate::tokenizer::check_ids;
use crate::train::{evaluate, Trainable};

/// A model that puts labels on texts.
pub struct Classifier {
    files: ModelFolder,
    model: ClassifierEncoder,
    labels: Vec<String>,
    task: Task,
}

/// What the model says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// One of its labels.
    One,
    /// Any number of its labels.
    Several,
    /// A number.
    Number,
}

impl Task {
    /// What `config.json` calls it in `problem_type`.
    fn name(self) -> &'static str {
        match self {
            Self::One => "single_label_classification",
            Self::Several => "multi_label_classification",
            Self::Number => "regression",
        }
    }

    /// As transformers reads it: a single output is a number, unless it says otherwise.
    fn read(config: &Value, outputs: usize) -> Self {
        let named = |task: &Self| config["problem_type"].as_str() == Some(task.name());
        let default = if outputs == 1 { Self::Number } else { Self::One };
        [Self::One, Self::Several, Self::Number].into_iter().find(named).unwrap_or(default)
    }
}

pub use crate::metrics::Prediction;
pub use explain::{Explanation, WordShare};

impl Classifier {
    /// Loads a trained classifier: a folder or a name of the Hub (`"org/name"`): bert, deberta-v2, distilbert, roberta,
    /// xlm-roberta. One that gives a number (`problem_type: regression`) speaks by [`Classifier::predict_numbers`].
    pub fn load(name: &str) -> Result<Self> {
        let files = ModelFolder::open(name)?;
        let labels = labels(&files.config);
        let task = Task::read(&files.config, labels.len());
        let weights = files.weights()?;
        if !weights.any(CLASSIFIER) {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!("«{name}» no trae un clasificador.", "\"{name}\" holds no classifier."),
            )
            .next(tr!(
                "Ponle uno nuevo para entrenarlo: Classifier::new(\"{name}\", &[\"una etiqueta\", \"otra\"])?",
                "Put a new one on it to train: Classifier::new(\"{name}\", &[\"one label\", \"another\"])?"
            )));
        }
        let model = ClassifierEncoder::new(encoder_config(&files.config)?, weights)?;
        files.tokenizer.check_fits(model.encoder.vocab_size())?;
        Ok(Self { files, model, labels, task })
    }

    /// A model of the same kinds with a new head for `labels`, one of which each text has. It knows nothing yet.
    pub fn new(name: &str, labels: &[&str]) -> Result<Self> {
        Self::with_new_head(name, labels, Task::One)
    }

    /// As [`Classifier::new`], where a text has any number of the labels.
    pub fn multi_label(name: &str, labels: &[&str]) -> Result<Self> {
        Self::with_new_head(name, labels, Task::Several)
    }

    fn with_new_head(name: &str, labels: &[&str], task: Task) -> Result<Self> {
        let known: std::collections::BTreeSet<_> = labels.iter().collect();
        let least = if task == Task::One { 2 } else { 1 };
        if known.len() != labels.len() || labels.len() < least {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!("Estas etiquetas no sirven: {labels:?}.", "These labels do not work: {labels:?}."),
            )
            .next(tr!("Da dos o más, todas distintas.", "Give two or more, each different.")));
        }
        let mut files = ModelFolder::open(name)?;
        let config = &mut files.config;
        config["id2label"] = labels.iter().enumerate().map(|(i, label)| (i.to_string(), json!(label))).collect();
        config["label2id"] = labels.iter().enumerate().map(|(i, label)| (label.to_string(), json!(i))).collect();
        config["problem_type"] = json!(task.name());
        if let Some(Value::String(class)) = config["architectures"].get_mut(0) {
            // BertForMaskedLM, BertModel: what is before says the family.
            let family = class.split("For").next().unwrap_or_default().trim_end_matches("Model");
            *class = format!("{family}ForSequenceClassification");
        }
        let model = ClassifierEncoder::with_new_head(encoder_config(config)?, files.weights()?, 42)?;
        files.tokenizer.check_fits(model.encoder.vocab_size())?;
        Ok(Self { files, model, labels: labels.iter().map(ToString::to_string).collect(), task })
    }

    /// The labels, in the model's order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Texts with a label each as data for training or measuring, at most `max_tokens` tokens a text.
    pub fn dataset(&self, texts: &[String], labels: &[String], max_tokens: usize) -> Result<Dataset> {
        let one = |label: &String| std::slice::from_ref(label).to_vec();
        self.multi_label_dataset(texts, &labels.iter().map(one).collect::<Vec<_>>(), max_tokens)
    }

    /// As [`Classifier::dataset`], with any number of labels a text.
    pub fn multi_label_dataset(&self, texts: &[String], labels: &[Vec<String>], max_tokens: usize) -> Result<Dataset> {
        if texts.len() != labels.len() {
            let (texts, labels) = (texts.len(), labels.len());
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("Hay {texts} textos y {labels} etiquetas.", "There are {texts} texts and {labels} labels."),
            )
            .next(tr!("Tiene que haber una por texto.", "There must be one for each text.")));
        }
        let targets = labels.iter().enumerate().map(|(row, labels)| self.target(row, labels)).collect::<Result<_>>()?;
        columns::tell_short(texts);
        let max_tokens = max_tokens.min(self.max_tokens());
        Dataset::for_encoder(texts, self.tokenizer(), max_tokens, Targets::Labels(targets))
    }

    /// As [`Classifier::dataset`], where each row is two texts that are read together: a question and its answer, a sentence
    /// and what may follow from it.
    pub fn pair_dataset(
        &self,
        first: &[String],
        second: &[String],
        labels: &[String],
        max_tokens: usize,
    ) -> Result<Dataset> {
        check_columns(first, labels)?;
        let label = |(row, label): (usize, &String)| self.target(row, std::slice::from_ref(label));
        let targets = labels.iter().enumerate().map(label).collect::<Result<_>>()?;
        // RoBERTa and DistilBERT have no table of segments: they tell the two apart by the marks alone.
        let segments = self.files.config["type_vocab_size"].as_u64().unwrap_or(0) > 1;
        let max_tokens = max_tokens.min(self.max_tokens());
        Dataset::for_pairs(first, second, self.tokenizer(), segments, max_tokens, Targets::Labels(targets))
    }

    /// The labels of a text as numbers: its class, or a 0 or 1 for each label.
    fn target(&self, row: usize, labels: &[String]) -> Result<Vec<u32>> {
        let place = |label: &String| {
            self.labels.iter().position(|known| known == label).ok_or_else(|| {
                Error::new(
                    ErrorKind::BadData,
                    tr!(
                        "La fila {} tiene una etiqueta que el modelo no conoce: {label:?}.",
                        "Row {} has a label that the model does not know: {label:?}.",
                        row + 1
                    ),
                )
                .next(tr!("Las que conoce: {}.", "Those it knows: {}.", self.labels.join(", ")))
            })
        };
        let places: Vec<usize> = labels.iter().map(place).collect::<Result<_>>()?;
        self.must_give(false)?;
        match (self.task, places.as_slice()) {
            (Task::Several, places) => Ok((0..self.labels.len()).map(|i| u32::from(places.contains(&i))).collect()),
            (_, [place]) => Ok(vec![*place as u32]),
            (_, places) => {
                let (row, count) = (row + 1, places.len());
                Err(Error::new(
                    ErrorKind::BadData,
                    tr!(
                        "La fila {row} tiene {count} etiquetas; este modelo pone una por texto.",
                        "Row {row} has {count} labels; this model puts one on each text."
                    ),
                )
                .next(tr!("Usa Classifier::multi_label.", "Use Classifier::multi_label.")))
            }
        }
    }

    /// What the model says of a text.
    pub fn predict(&self, text: &str) -> Result<Prediction> {
        let mut all = self.predict_all(&[text.to_string()])?;
        all.pop().ok_or_else(|| Error::new(ErrorKind::Engine, "no prediction"))
    }

    /// What the model says of each text, in their order; a text longer than the model reads is cut.
    pub fn predict_all(&self, texts: &[String]) -> Result<Vec<Prediction>> {
        self.must_give(false)?;
        let shares = self.shares_all(texts)?;
        let scores = |shares: Vec<f32>| self.labels.iter().cloned().zip(shares).collect();
        Ok(texts.iter().zip(shares).map(|(text, shares)| Prediction::of(text, scores(shares))).collect())
    }

    fn shares_all(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let encoded = self.tokenizer().encode_within(texts, self.max_tokens())?;
        let ids: Vec<Vec<u32>> = encoded.into_iter().map(|(ids, _)| ids).collect();
        by_length(&ids, |batch| self.shares(batch))
    }

    /// Each label's probability for each text of a batch, or its number.
    fn shares(&self, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let logits = self.logits(batch)?;
        let shares = match self.task {
            Task::One => candle_nn::ops::softmax(&logits, 1)?,
            Task::Several => candle_nn::ops::sigmoid(&logits)?,
            Task::Number => logits,
        };
        Ok(shares.to_vec2()?)
    }

    /// The logits (texts, labels) of a batch.
    pub fn logits(&self, batch: &Batch) -> Result<Tensor> {
        batch.check(&Needs { labels: Labels::Any, ..self.needs() })?;
        let _nothing_kept = Untracked::begin();
        let pooled = self.model.pooled(&batch.pass(false)?)?.detach();
        Ok(self.model.out.forward(&pooled, (batch.texts(), self.labels.len()))?.detach())
    }

    /// The logits of one text of tokens, one number for each label, in the order of [`Classifier::labels`].
    pub fn logits_of(&self, ids: &[u32]) -> Result<Vec<f64>> {
        check_ids(ids, self.model.encoder.vocab_size())?;
        numbers(&self.logits(&Batch::new(&[ids])?)?).map(|mut rows| rows.remove(0))
    }

    /// As [`Classifier::logits_of`] for many texts; one that is longer than the model reads is cut.
    pub fn logits_of_all(&self, texts: &[String]) -> Result<Vec<Vec<f64>>> {
        let encoded = self.tokenizer().encode_within(texts, self.max_tokens())?;
        let ids: Vec<Vec<u32>> = encoded.into_iter().map(|(ids, _)| ids).collect();
        by_length(&ids, |batch| numbers(&self.logits(batch)?))
    }

    /// As [`Classifier::logits_of`] for two texts that are read together; the longer one is cut where they are too long.
    pub fn logits_of_pair(&self, first: &str, second: &str) -> Result<Vec<f64>> {
        let pair = self.tokenizer().encode_pair_within(first, second, self.max_tokens())?;
        let token_types = if self.model.encoder.tells_segments() { pair.token_types } else { Vec::new() };
        let row = Row { ids: pair.ids, token_types, ..Row::default() };
        numbers(&self.logits(&Batch::of(vec![row], false)?)?).map(|mut rows| rows.remove(0))
    }

    /// True where a text can have any number of labels: then each logit stands for itself, by a sigmoid.
    pub fn is_multi_label(&self) -> bool {
        self.task == Task::Several
    }

    /// Mean loss on some data.
    pub fn loss_on(&self, data: &Dataset) -> Result<f64> {
        Ok(evaluate(self, data)?.loss)
    }

    /// The longest text it can read, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.model.encoder.max_tokens()
    }

    /// Freezes the encoder and puts small trainable matrices on it; the head is trained in full. Run again, it starts
    /// them anew.
    pub fn add_lora(&mut self, config: &LoraConfig) -> Result<()> {
        let head = self.model.head();
        nn::add_lora(&mut self.model, config, &head)
    }
}

model_methods!(Classifier, self => self.model, Some("SEQ_CLS"));

impl Trainable for Classifier {
    fn learns_labels(&self) -> bool {
        true
    }

    fn params(&self) -> Vec<&Param> {
        nn::Module::params(&self.model)
    }

    fn config(&self) -> Option<&Value> {
        Some(&self.files.config)
    }

    fn needs(&self) -> Needs {
        let (encoder, count) = (&self.model.encoder, self.labels.len());
        let labels = match self.task {
            Task::One => Labels::Class(count),
            Task::Several => Labels::Several(count),
            Task::Number => Labels::Number,
        };
        let (vocab_size, max_tokens) = (encoder.vocab_size(), encoder.max_tokens());
        Needs { vocab_size, max_tokens, labels, packs: encoder.reads_packed() }
    }

    fn weight(&self, batch: &Batch) -> f64 {
        match (self.task, &batch.class_weights[..]) {
            (Task::One, weights @ [_, ..]) => {
                batch.labels.iter().filter_map(|label| weights.get(*label as usize)).sum()
            }
            _ => batch.counted() as f64,
        }
    }

    fn kept(&self, texts: usize, time: usize, _: usize, recompute: bool) -> usize {
        texts * self.model.encoder.kept(time, recompute)
    }

    fn loss(&self, batch: &Batch, training: bool) -> Result<Tensor> {
        batch.check(&self.needs())?;
        let pooled = self.model.pooled(&batch.pass(training)?)?; // (texts, hidden)
        let pooled = if training { pooled } else { pooled.detach() };
        let (out, shape) = (&self.model.out, (batch.texts(), self.labels.len()));
        let weights = if training { &batch.class_weights[..] } else { &[] };
        match self.task {
            // Smoothing shares a label out among classes: `fine_tune` refuses it for these two.
            Task::Number => return loss::number(&out.forward(&pooled, shape)?, &batch.labels),
            Task::Several => return loss::several(&out.forward(&pooled, shape)?, &batch.labels, weights),
            Task::One if !weights.is_empty() => {
                return loss::weighted(&out.forward(&pooled, shape)?, &batch.labels, weights, batch.smoothing)
            }
            Task::One => {}
        }
        let bias = out.bias.as_ref().map(Param::value);
        let bias = bias.ok_or_else(|| Error::new(ErrorKind::Engine, "a classifier without bias"))?;
        let wanted = Wanted { hidden: training, weight: training && out.weight.trainable };
        let smoothing = batch.smoothing_while(training);
        Ok(ops::linear_cross_entropy(&pooled, &out.weight.value(), Some(&bias), &batch.labels, smoothing, wanted)?)
    }
}

fn numbers(logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(logits.to_dtype(DType::F64)?.to_vec2()?)
}

impl std::fmt::Display for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.files.config["model_type"].as_str().unwrap_or("?");
        let ((trainable, all), labels, limit) = (self.count_parameters(), self.labels.join(", "), self.max_tokens());
        write!(
            f,
            "{}",
            tr!(
                "Clasificador ({kind}): {labels}; {all} números, {trainable} entrenables; lee hasta {limit} tokens",
                "Classifier ({kind}): {labels}; {all} numbers, {trainable} trainable; reads up to {limit} tokens"
            )
        )
    }
}
