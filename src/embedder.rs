//! A sentence encoder as a notebook holds it: texts to vectors whose angle says how alike the texts are.

use candle_core::{Device, Tensor, D};
use serde_json::Value;

use crate::checkpoint::{read_json, ModelFolder};
use crate::dataset::{by_length, Batch};
use crate::error::{Error, ErrorKind, Result};
use crate::models::{encoder_config, Encoder};
use crate::needs::Needs;
use crate::nn::{Module, Param};
use crate::ops::Span;
use crate::tokenizer::{Tokenizer, Tokens};

/// A model that turns texts into vectors.
pub struct Embedder {
    files: ModelFolder,
    encoder: Encoder,
    /// True where a text's vector is its first state, not the mean of all.
    first_only: bool,
    max_tokens: usize,
}

/// The vectors of some texts, each of length 1.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// The texts.
    pub texts: Vec<String>,
    /// A vector for each.
    pub vectors: Vec<Vec<f32>>,
}

impl Embedder {
    /// Loads a folder or a name of the Hub (`"org/name"`): bert, deberta-v2, distilbert, roberta or
    /// xlm-roberta.
    ///
    /// Where sentence-transformers wrote how to pool (`1_Pooling/config.json`) and how much to read
    /// (`sentence_bert_config.json`), that is done; else the mean of the states, over as much as the model reads.
    pub fn load(name: &str) -> Result<Self> {
        let files = ModelFolder::open(name)?;
        let encoder = Encoder::new(encoder_config(&files.config)?, files.weights()?)?;
        files.tokenizer.check_fits(encoder.vocab_size())?;
        let beside = |file: &str| match files.folder.join(file) {
            path if path.is_file() => read_json(&path),
            _ => Ok(Value::Null),
        };
        let pooling = beside("1_Pooling/config.json")?;
        let asked = |mode: &str| pooling[mode].as_bool() == Some(true);
        let first_only = asked("pooling_mode_cls_token");
        let other = ["max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"];
        let other = other.iter().find(|mode| asked(&format!("pooling_mode_{mode}")));
        if let Some(mode) = other
            .map(|mode| mode.to_string())
            .or((first_only && asked("pooling_mode_mean_tokens")).then(|| "cls + mean".into()))
        {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "«{name}» junta los estados de un modo que no sé hacer: {mode}.",
                    "\"{name}\" pools its states in a way that I do not know: {mode}."
                ),
            )
            .next(tr!("Sé hacer: mean_tokens, cls_token.", "I know: mean_tokens, cls_token.")));
        }
        let limit = beside("sentence_bert_config.json")?["max_seq_length"].as_u64().map(|limit| limit as usize);
        let max_tokens = limit.unwrap_or(usize::MAX).clamp(3, encoder.max_tokens());
        Ok(Self { files, encoder, first_only, max_tokens })
    }

    /// The vectors of some texts, in their order; a text longer than the model reads is cut.
    pub fn embed(&self, texts: &[String]) -> Result<Embeddings> {
        let encoded = self.tokenizer().encode_within(texts, self.max_tokens)?;
        let ids: Vec<Vec<u32>> = encoded.into_iter().map(|(ids, _)| ids).collect();
        let vectors = by_length(&ids, |batch| Ok(self.vectors(batch)?.to_vec2()?))?;
        Ok(Embeddings { texts: texts.to_vec(), vectors })
    }

    /// The vectors (texts, hidden) of a batch.
    pub fn vectors(&self, batch: &Batch) -> Result<Tensor> {
        let vocab_size = self.encoder.vocab_size();
        batch.check(&Needs { vocab_size, max_tokens: self.encoder.max_tokens(), ..Needs::default() })?;
        let packed = self.encoder.reads_packed().then(|| batch.in_one_row()).transpose()?;
        let pass = packed.as_ref().unwrap_or(batch).pass(false)?;
        let states = self.encoder.hidden(&pass)?.detach().flatten(0, 1)?; // (positions, hidden)
        let texts = pass.texts_at();
        let pooled = match self.first_only {
            true => states.index_select(&first_of(&texts)?, 0)?,
            false => mean_of(&states, &texts)?,
        };
        let length = pooled.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.clamp(1e-12, f64::MAX)?;
        Ok(pooled.broadcast_div(&length)?)
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.files.tokenizer
    }

    /// How the model's tokenizer cuts a text.
    pub fn tokens(&self, text: &str) -> Result<Tokens> {
        self.tokenizer().tokens(text)
    }

    /// How much of a text it reads, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// Shows what it is.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

/// The mean of each text's states, padding excluded. Shapes: states (positions, hidden), result (texts, hidden).
fn mean_of(states: &Tensor, texts: &[Span]) -> Result<Tensor> {
    let mean = |(first, length): &Span| states.narrow(0, *first, *length)?.mean_keepdim(0);
    let means = texts.iter().map(mean).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::cat(&means, 0)?)
}

/// The place of each text's first state.
fn first_of(texts: &[Span]) -> Result<Tensor> {
    let firsts: Vec<u32> = texts.iter().map(|(first, _)| *first as u32).collect();
    let count = firsts.len();
    Ok(Tensor::from_vec(firsts, count, &Device::Cpu)?)
}

impl Embeddings {
    /// How many texts.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// How alike two of the texts are, by the cosine of their vectors: 1 the same, about 0 nothing in common.
    pub fn similarity(&self, one: usize, other: usize) -> Result<f32> {
        Ok(dot(self.vector(one)?, self.vector(other)?))
    }

    /// The `count` texts most like the first one of `query`, with their likeness, most alike first.
    pub fn nearest(&self, query: &Embeddings, count: usize) -> Result<Vec<(String, f32)>> {
        let query = query.vector(0)?;
        let mut all: Vec<(String, f32)> =
            self.texts.iter().zip(&self.vectors).map(|(text, vector)| (text.clone(), dot(query, vector))).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(count);
        Ok(all)
    }

    fn vector(&self, index: usize) -> Result<&[f32]> {
        self.vectors.get(index).map(Vec::as_slice).ok_or_else(|| {
            let count = self.len();
            Error::new(
                ErrorKind::BadSetting,
                tr!("No hay texto {index}: hay {count}.", "There is no text {index}: there are {count}."),
            )
            .next(tr!("Se cuenta desde 0.", "Counting starts at 0."))
        })
    }

    /// Shows how many there are and of what size.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

impl std::fmt::Display for Embeddings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, size) = (self.len(), self.vectors.first().map_or(0, Vec::len));
        write!(f, "{}", tr!("{count} vectores de {size} números", "{count} vectors of {size} numbers"))
    }
}

impl std::fmt::Display for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.files.config["model_type"].as_str().unwrap_or("?");
        let (all, limit) = (self.encoder.params().into_iter().map(Param::count).sum::<usize>(), self.max_tokens);
        write!(
            f,
            "{}",
            tr!(
                "Codificador de textos ({kind}): {all} números; lee hasta {limit} tokens",
                "Text encoder ({kind}): {all} numbers; reads up to {limit} tokens"
            )
        )
    }
}
