//! Two columns of texts: two texts that are read together, or a prompt and its answer.

use super::{check_max_tokens, encode, Dataset, Example, Targets, SHORT_ROWS};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::capped;
use crate::tokenizer::{Pair, Tokenizer};

impl Dataset {
    /// As [`Dataset::for_encoder`] for two texts in one row, with the marks between them that the tokenizer's template
    /// sets. Where the two are too long together, the longer one is cut first.
    ///
    /// `tells_segments`: the model is told which of the two each token belongs to.
    pub fn for_pairs(
        first: &[String],
        second: &[String],
        tokenizer: &Tokenizer,
        tells_segments: bool,
        max_tokens: usize,
        targets: Targets,
    ) -> Result<Self> {
        check_max_tokens(max_tokens)?;
        check_columns(first, second)?;
        let rows = capped(first.len(), SHORT_ROWS, "textos", "texts");
        let indices: Vec<usize> = (0..rows).collect();
        let found = encode(&indices, |part| {
            part.iter().map(|i| tokenizer.encode_pair_within(&first[*i], &second[*i], max_tokens)).collect()
        })?;
        let empty = |i: usize| first[i].trim().is_empty() || second[i].trim().is_empty();
        Self::gather(pair_examples(found, tells_segments), empty, max_tokens, targets)
    }

    /// As [`Dataset::for_pairs`], of rows that were already cut into tokens.
    pub(crate) fn of_pairs(
        pairs: Vec<Pair>,
        tells_segments: bool,
        max_tokens: usize,
        targets: Targets,
    ) -> Result<Self> {
        check_max_tokens(max_tokens)?;
        Self::gather(pair_examples(pairs, tells_segments), |_| false, max_tokens, targets)
    }

    /// Prompts with their answers, one after the other in one text, with `eos` at the end: only the answer's tokens are to
    /// be predicted. A row whose prompt leaves no room for its answer is left out and counted.
    ///
    /// The two are cut into tokens apart, as when the model is given the prompt and goes on.
    pub fn for_answers(
        prompts: &[String],
        answers: &[String],
        tokenizer: &Tokenizer,
        eos: Option<u32>,
        max_tokens: usize,
    ) -> Result<Self> {
        check_max_tokens(max_tokens)?;
        check_columns(prompts, answers)?;
        let rows = capped(prompts.len(), SHORT_ROWS, "textos", "texts");
        let (mut examples, mut lengths) = (Vec::new(), Vec::new());
        let asked = encode(&prompts[..rows], |part| tokenizer.encode_all(part))?;
        let answered = encode(&answers[..rows], |part| tokenizer.encode_all_bare(part))?;
        for (mut ids, answer) in asked.into_iter().zip(answered) {
            lengths.push(vec![ids.len()]);
            ids.extend(answer);
            ids.extend(eos);
            let length = ids.len();
            ids.truncate(max_tokens);
            examples.push(Example::new((ids, length)));
        }
        let empty = |i: usize| prompts[i].trim().is_empty() || answers[i].trim().is_empty();
        Self::gather(examples, empty, max_tokens, Targets::Answer(lengths))
    }
}

fn pair_examples(pairs: Vec<Pair>, tells_segments: bool) -> Vec<Example> {
    let example = |pair: Pair| Example {
        ids: pair.ids,
        length: pair.length,
        token_types: if tells_segments { pair.token_types } else { Vec::new() },
        parts: Vec::new(),
    };
    pairs.into_iter().map(example).collect()
}

/// Two columns of the same length, or an error.
pub(crate) fn check_columns(first: &[String], second: &[String]) -> Result<()> {
    let (first, second) = (first.len(), second.len());
    if first == second {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::BadData,
        tr!(
            "Las dos columnas no tienen el mismo largo: {first} y {second}.",
            "The two columns are not of the same length: {first} and {second}."
        ),
    )
    .next(tr!("Tómalas de la misma tabla.", "Take them from the same table.")))
}
