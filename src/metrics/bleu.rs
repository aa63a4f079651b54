//! BLEU, for translations: how many of the rows of one to four words stand in a reference (Papineni et al., 2002).
//! The figures equal those of `sacrebleu` with its defaults: 13a tokens, `exp` smoothing, capitals count.

use super::interval::{bootstrap_with, BootstrapConfig, Interval};
use super::words::ngrams;
use crate::error::{Error, ErrorKind, Result};

/// The longest rows of words.
const ORDER: usize = 4;

/// BLEU of some translations.
#[derive(Clone, Debug)]
pub struct Bleu {
    /// The score, from 0 to 100.
    pub score: f64,
    /// The share of rows of 1, 2, 3 and 4 words that stand in a reference, in percent; smoothed where it is 0.
    pub precisions: [f64; ORDER],
    /// What translations shorter than their references lose: 1 is nothing.
    pub brevity_penalty: f64,
    /// Tokens of the translations, and of the references.
    pub tokens: usize,
    /// See `tokens`.
    pub reference_tokens: usize,
    each: Vec<Counts>,
}

/// What BLEU counts of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    right: [usize; ORDER],
    all: [usize; ORDER],
    tokens: usize,
    reference: usize,
}

/// BLEU of each translation against its reference, over all texts together.
///
/// # Errors
/// When there is not one reference for each translation.
pub fn bleu(references: &[String], translations: &[String]) -> Result<Bleu> {
    let each: Vec<Vec<String>> = references.iter().map(|reference| vec![reference.clone()]).collect();
    bleu_of_several(&each, translations)
}

/// As [`bleu`], with one or more references for each translation.
///
/// # Errors
/// When there are no references for a translation.
pub fn bleu_of_several(references: &[Vec<String>], translations: &[String]) -> Result<Bleu> {
    super::check_same_length(references.len(), translations.len())?;
    if let Some(row) = references.iter().position(Vec::is_empty) {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!("El texto {} no tiene referencia.", "Text {} has no reference.", row + 1),
        )
        .next(tr!("Da al menos una por texto.", "Give at least one for each text.")));
    }
    let each: Vec<Counts> = references.iter().zip(translations).map(|(all, one)| counts(all, one)).collect();
    Ok(Bleu::of(each))
}

fn counts(references: &[String], translation: &str) -> Counts {
    let given = tokens(translation);
    let wanted: Vec<Vec<String>> = references.iter().map(|reference| tokens(reference)).collect();
    // Of references equally near in length the shorter one counts.
    let distance = |length: &usize| (length.abs_diff(given.len()), *length);
    let reference = wanted.iter().map(Vec::len).min_by_key(distance).unwrap_or(0);
    let mut counts = Counts { tokens: given.len(), reference, ..Counts::default() };
    for n in 1..=ORDER {
        let wanted: Vec<_> = wanted.iter().map(|tokens| ngrams(tokens, n)).collect();
        for (row, count) in ngrams(&given, n) {
            let most = wanted.iter().filter_map(|wanted| wanted.get(row)).max().copied().unwrap_or(0);
            counts.right[n - 1] += count.min(most);
            counts.all[n - 1] += count;
        }
    }
    counts
}

impl Bleu {
    fn of(each: Vec<Counts>) -> Self {
        let rows: Vec<usize> = (0..each.len()).collect();
        let (score, precisions, brevity_penalty, sum) = total(&each, &rows);
        Self { score, precisions, brevity_penalty, tokens: sum.tokens, reference_tokens: sum.reference, each }
    }

    /// The score with its interval over texts.
    pub fn interval(&self, config: &BootstrapConfig) -> Result<Interval> {
        let interval = bootstrap_with(self.each.len(), &|rows| total(&self.each, rows).0, config)?;
        Ok(Interval { name: "BLEU".into(), ..interval })
    }

    /// Shows it in a notebook's cell.
    pub fn evcxr_display(&self) {
        println!("{self}");
    }
}

fn total(each: &[Counts], rows: &[usize]) -> (f64, [f64; ORDER], f64, Counts) {
    let mut sum = Counts::default();
    for row in rows {
        let one = &each[*row];
        for n in 0..ORDER {
            sum.right[n] += one.right[n];
            sum.all[n] += one.all[n];
        }
        sum.tokens += one.tokens;
        sum.reference += one.reference;
    }
    let penalty = match sum.tokens {
        0 => 0.0,
        tokens if tokens < sum.reference => (1.0 - sum.reference as f64 / tokens as f64).exp(),
        _ => 1.0,
    };
    let mut precisions = [0.0; ORDER];
    if sum.right.iter().all(|right| *right == 0) {
        return (0.0, precisions, penalty, sum);
    }
    let mut smooth = 1.0;
    for (n, precision) in precisions.iter_mut().enumerate() {
        *precision = match (sum.right[n], sum.all[n]) {
            (_, 0) => break,
            (0, all) => {
                smooth *= 2.0;
                100.0 / (smooth * all as f64)
            }
            (right, all) => 100.0 * right as f64 / all as f64,
        };
    }
    let score = match precisions.contains(&0.0) {
        true => 0.0,
        false => penalty * (precisions.iter().map(|value| value.ln()).sum::<f64>() / ORDER as f64).exp(),
    };
    (score, precisions, penalty, sum)
}

/// The tokens of mteval-v13a, as sacrebleu makes them.
fn tokens(text: &str) -> Vec<String> {
    let mut text = text.trim_end().replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (code, sign) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(code, sign);
    }
    let mut apart = String::with_capacity(2 * text.len());
    for c in format!(" {text} ").chars() {
        match c {
            '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => apart.extend([' ', c, ' ']),
            c => apart.push(c),
        }
    }
    fn stop(c: char) -> bool {
        c == '.' || c == ','
    }
    let apart = pairs(&apart, |a, b| !a.is_ascii_digit() && stop(b), |a, b| format!("{a} {b} "));
    let apart = pairs(&apart, |a, b| stop(a) && !b.is_ascii_digit(), |a, b| format!(" {a} {b}"));
    let apart = pairs(&apart, |a, b| a.is_ascii_digit() && b == '-', |a, b| format!("{a} {b} "));
    apart.split_whitespace().map(String::from).collect()
}

/// The text with each pair of signs that is `wanted` written anew; a sign is in one pair only.
fn pairs(text: &str, wanted: fn(char, char) -> bool, new: fn(char, char) -> String) -> String {
    let signs: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(2 * text.len());
    let mut i = 0;
    while i < signs.len() {
        match signs.get(i + 1).filter(|next| wanted(signs[i], **next)) {
            Some(next) => {
                out += &new(signs[i], *next);
                i += 2;
            }
            None => {
                out.push(signs[i]);
                i += 1;
            }
        }
    }
    out
}

impl std::fmt::Display for Bleu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (score, texts, penalty) = (self.score, self.each.len(), self.brevity_penalty);
        let ratio = self.tokens as f64 / self.reference_tokens.max(1) as f64;
        let precisions: Vec<String> = self.precisions.iter().map(|value| format!("{value:.1}")).collect();
        let precisions = precisions.join("/");
        write!(
            f,
            "{}",
            tr!(
                "BLEU {score:.2} en {texts} textos: {precisions} % de filas de 1/2/3/4 palabras; largo {ratio:.2} de la \
                 referencia (factor {penalty:.3})",
                "BLEU {score:.2} on {texts} texts: {precisions} % of rows of 1/2/3/4 words; length {ratio:.2} of the \
                 reference (factor {penalty:.3})"
            )
        )
    }
}
