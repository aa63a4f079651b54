//! What a model can read and learn, so that data which do not fit are told in plain words before anything is computed.

use crate::error::{Error, ErrorKind, Result};
use crate::ops::IGNORE;
use crate::tokenizer::check_ids;

/// What a model can read and learn. The default asks for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    /// How many tokens it knows; 0: any.
    pub vocab_size: usize,
    /// The longest text it can read, in tokens; 0: any.
    pub max_tokens: usize,
    /// What its labels are.
    pub labels: Labels,
    /// True when it knows where each of several texts in a row ends ([`crate::nn::Pass::spans`]): then training gives it a batch's
    /// texts in one row, without padding.
    pub packs: bool,
}

/// What a model learns to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Labels {
    /// Whatever it makes of them itself.
    #[default]
    Any,
    /// A token at each position, or none there.
    Tokens,
    /// Another text.
    Text,
    /// One of so many classes.
    Class(usize),
    /// Any of so many labels: a 0 or a 1 for each.
    Several(usize),
    /// A number, kept among labels by its bits ([`f32::to_bits`]).
    Number,
    /// Two places in a text, which the model checks itself: where an answer begins and ends.
    Places,
}

impl Needs {
    /// Fails where a token of a text is past the vocabulary, or a text of `length` tokens is too long.
    pub(crate) fn check_text(&self, ids: &[u32], length: usize) -> Result<()> {
        if self.vocab_size > 0 {
            check_ids(ids, self.vocab_size)?;
        }
        let limit = self.max_tokens;
        if limit == 0 || length <= limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Un texto tiene {length} tokens; el modelo lee hasta {limit}.",
                "A text has {length} tokens; the model reads up to {limit}."
            ),
        )
        .next(made_by_it()))
    }

    /// What to say of so few validation rows that a measure on them is luck; none where there are enough.
    pub(crate) fn too_few(&self, rows: usize) -> Option<String> {
        let (Labels::Class(kinds) | Labels::Several(kinds)) = self.labels else { return None };
        (rows < kinds).then(|| {
            tr!(
                "⚠ Hay {rows} textos de validación para {kinds} etiquetas: lo que se mida ahí es suerte, y con ello se elige \
                 la mejor época. Aparta más: data.split(0.8, 42)?",
                "⚠ There are {rows} validation texts for {kinds} labels: what is measured on them is luck, and the best epoch \
                 is chosen by it. Keep more apart: data.split(0.8, 42)?"
            )
        })
    }

    /// Fails where data with a label for each position, or for each text, are for models of another kind.
    pub(crate) fn check_kind(&self, per_position: bool) -> Result<()> {
        if self.labels == Labels::Any || per_position == (self.labels == Labels::Tokens) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Estos datos son para otra clase de modelo: este aprende otra cosa de un texto.",
                "These data are for another kind of model: this one learns something else of a text."
            ),
        )
        .next(made_by_it()))
    }

    /// Fails where the labels of a text are not the model's.
    pub(crate) fn check_labels(&self, labels: &[u32]) -> Result<()> {
        let (wrong, known) = match self.labels {
            Labels::Any | Labels::Places => return Ok(()),
            Labels::Tokens | Labels::Text => (past(labels, self.vocab_size.max(1)), self.vocab_size),
            Labels::Class(count) if labels.len() == 1 => (past(labels, count), count),
            Labels::Several(count) if labels.len() == count => (past(labels, 2), 2),
            Labels::Number if labels.len() == 1 => {
                (labels.iter().copied().find(|label| !f32::from_bits(*label).is_finite()), 0)
            }
            Labels::Number => return Err(wrong_count(labels.len(), 1)),
            Labels::Class(_) => return Err(wrong_count(labels.len(), 1)),
            Labels::Several(count) => return Err(wrong_count(labels.len(), count)),
        };
        let Some(label) = wrong else { return Ok(()) };
        let last = known.saturating_sub(1);
        Err(Error::new(
            ErrorKind::BadData,
            tr!(
                "Hay una etiqueta {label}; este modelo aprende del 0 al {last}.",
                "There is a label {label}; this model learns 0 to {last}."
            ),
        )
        .next(made_by_it()))
    }
}

/// The first label that counts and is not below `count`.
fn past(labels: &[u32], count: usize) -> Option<u32> {
    labels.iter().copied().find(|label| *label != IGNORE && *label as usize >= count)
}

fn wrong_count(found: usize, wanted: usize) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "Un texto tiene {found} etiquetas; este modelo aprende {wanted} por texto.",
            "A text has {found} labels; this model learns {wanted} a text."
        ),
    )
    .next(made_by_it())
}

/// What helps against data of another model.
fn made_by_it() -> String {
    tr!(
        "Prepara los datos con el método dataset de este mismo modelo.",
        "Prepare the data with the dataset method of this very model."
    )
}

/// An error where nothing of some data is to be predicted: their loss would be no number.
pub(crate) fn nothing_to_predict(labels: usize) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "No hay nada que predecir: cuentan 0 de {labels} etiquetas.",
            "There is nothing to predict: 0 of {labels} labels count."
        ),
    )
    .why(tr!(
        "la pérdida es una media sobre las etiquetas que cuentan, y sin ninguna no existe",
        "the loss is a mean over the labels that count, and without any there is none"
    ))
    .next(tr!(
        "Deja al menos una etiqueta sin tapar: un texto de dos tokens, una respuesta tras su pregunta.",
        "Leave at least one label uncovered: a text of two tokens, an answer after its prompt."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_smaller_than_the_number_of_labels_is_told() {
        let needs = |labels| Needs { labels, ..Needs::default() };
        let line = needs(Labels::Class(10)).too_few(7).unwrap_or_default();
        assert!(line.contains('7') && line.contains("10"), "{line}");
        assert!(needs(Labels::Several(10)).too_few(9).is_some());
        assert!(needs(Labels::Several(10)).too_few(10).is_none() && needs(Labels::Tokens).too_few(1).is_none());
    }
}
