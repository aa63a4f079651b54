//! Which words moved a classifier's answer: gradient times input, summed over the pieces of each word.
//!
//! The logit of a label is followed back to the vectors of the tokens that went in. Gradient times vector is how fast the
//! logit grows as that token's vector is made longer: a slope at this text, no reason and no proof (Simonyan et al., arXiv
//! 1312.6034; Shrikumar et al., arXiv 1605.01713).

use candle_core::{Tensor, Var};

use super::{Classifier, Prediction};
use crate::dataset::Batch;
use crate::error::{Error, ErrorKind, Result};
use crate::nn::Untracked;
use crate::ops;
use crate::show::{display, escape};

/// Words that plain text lists.
const LISTED: usize = 6;

/// What each word of a text did to a classifier's answer.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What the model says of the text.
    pub prediction: Prediction,
    /// The label that was looked at: the model's answer, or the one asked for.
    pub label: String,
    /// The words, as blanks part them.
    pub words: Vec<WordShare>,
    /// What the marks at both ends of the text add up to: they are no words, but they count.
    pub marks: f64,
}

/// What a word did to the logit of a label.
#[derive(Clone, Debug, PartialEq)]
pub struct WordShare {
    /// The word, with what is written to it.
    pub word: String,
    /// Gradient times input: above zero it speaks for the label, below zero against it. Zero where the text was cut before it.
    pub share: f64,
}

impl Classifier {
    /// Which words speak for the label that the model gives `text`, and which against it; of several labels, the likeliest.
    ///
    /// # Errors
    /// When the model gives numbers, or the text holds no word.
    pub fn explain(&self, text: &str) -> Result<Explanation> {
        let prediction = self.predict(text)?;
        let label = prediction.label.clone();
        self.explained(prediction, label)
    }

    /// As [`Classifier::explain`], of a label that you name, whatever the model's answer.
    ///
    /// # Errors
    /// As [`Classifier::explain`], and when the model does not know the label.
    pub fn explain_label(&self, text: &str, label: &str) -> Result<Explanation> {
        self.explained(self.predict(text)?, label.to_string())
    }

    fn explained(&self, prediction: Prediction, label: String) -> Result<Explanation> {
        let Some(place) = self.labels.iter().position(|known| *known == label) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                tr!("El modelo no conoce la etiqueta {label:?}.", "The model does not know the label {label:?}."),
            )
            .next(tr!("Conoce: {}.", "It knows: {}.", self.labels.join(", "))));
        };
        let (ids, starts) = self.tokenizer().encode_with_starts(&prediction.text, self.max_tokens())?;
        let mut words = words_of(&prediction.text);
        if words.is_empty() {
            return Err(Error::new(
                ErrorKind::BadData,
                tr!("El texto no tiene ninguna palabra.", "The text holds no word."),
            )
            .next(tr!("Da un texto con palabras.", "Give a text with words.")));
        }
        let mut marks = 0.0;
        for (share, start) in self.token_shares(&ids, place)?.into_iter().zip(starts) {
            match start.and_then(|start| words.iter_mut().rev().find(|(first, _)| *first <= start)) {
                Some((_, word)) => word.share += share,
                None => marks += share,
            }
        }
        let words = words.into_iter().map(|(_, word)| word).collect();
        Ok(Explanation { prediction, label, words, marks })
    }

    /// Gradient times input of each token, for the logit of the label at `place`.
    fn token_shares(&self, ids: &[u32], place: usize) -> Result<Vec<f64>> {
        // The weights are constants here: the tokens' vectors alone are asked for their gradient.
        let constants = Untracked::begin();
        let mut pass = Batch::new(&[ids])?.pass(false)?;
        let vectors = Var::from_tensor(&self.model.encoder.vectors(&pass)?)?; // (1, tokens, hidden)
        pass.vectors = Some(vectors.as_tensor().clone());
        let logits = self.model.out.forward(&self.model.pooled(&pass)?, (1, self.labels.len()))?;
        let gradients = ops::backward(&logits.narrow(1, place, 1)?.sum_all()?)?;
        drop(constants);
        let gradient =
            gradients.get(&vectors).ok_or_else(|| Error::new(ErrorKind::Engine, "no gradient of the vectors"))?;
        let product: Tensor = (gradient * vectors.as_detached_tensor())?;
        let shares: Vec<f32> = product.sum(2)?.squeeze(0)?.to_vec1()?; // (tokens)
        Ok(shares.into_iter().map(f64::from).collect())
    }
}

/// The words of a text with the byte at which each begins.
fn words_of(text: &str) -> Vec<(usize, WordShare)> {
    let begin = text.as_ptr() as usize;
    let word = |word: &str| (word.as_ptr() as usize - begin, WordShare { word: word.to_string(), share: 0.0 });
    text.split_whitespace().map(word).collect()
}

impl Explanation {
    /// The words that count most, for or against.
    pub fn top(&self, count: usize) -> Vec<WordShare> {
        let mut words = self.words.clone();
        words.sort_by(|a, b| b.share.abs().total_cmp(&a.share.abs()));
        words.truncate(count);
        words
    }

    /// Shows the text with its words in colour: blue speaks for the label, orange against it, the stronger the more.
    pub fn evcxr_display(&self) {
        display(&self.html(), &self.to_string());
    }

    fn html(&self) -> String {
        let most = self.words.iter().fold(f64::MIN_POSITIVE, |most, word| most.max(word.share.abs()));
        let word = |word: &WordShare| {
            let (strength, colour) =
                (word.share.abs() / most, if word.share < 0.0 { "230,120,0" } else { "0,110,220" });
            format!(
                "<span title=\"{:+.3}\" style=\"background:rgba({colour},{:.2});border-radius:4px;padding:1px 3px\">{}</span>",
                word.share,
                0.65 * strength,
                escape(&word.word)
            )
        };
        let words: Vec<String> = self.words.iter().map(word).collect();
        format!(
            "<div style=\"line-height:2em\">{}</div><p><small>{}</small></p>",
            words.join(" "),
            escape(&self.caption())
        )
    }

    fn caption(&self) -> String {
        let (label, said, sure) = (&self.label, &self.prediction.label, 100.0 * self.prediction.score);
        tr!(
            "El modelo dice {said} ({sure:.0} %). Azul: empuja hacia «{label}»; naranja: en contra. Es una pendiente, no un motivo.",
            "The model says {said} ({sure:.0} %). Blue pushes towards \"{label}\", orange against it. It is a slope, not a reason."
        )
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.prediction)?;
        let label = &self.label;
        write!(f, "{}", tr!("hacia «{label}» (+) o en contra (-):", "towards \"{label}\" (+) or against it (-):"))?;
        self.top(LISTED).iter().try_for_each(|word| write!(f, " {} {:+.3};", word.word, word.share))
    }
}
