//! Choosing the next token, and what came out.

use std::time::{Duration, Instant};

use candle_core::{Tensor, D};

use crate::error::{Error, ErrorKind, Result, Settings};
use crate::rng::Rng;
use crate::show::{cut_front, display, escape, Html, Progress};

/// Settings of generation.
#[derive(Clone, Debug)]
pub struct GenerateConfig {
    /// At most this many new tokens (80).
    pub max_tokens: usize,
    /// 0 always takes the likeliest token; 0.8 varies; over 1.2 it rambles (0.8).
    pub temperature: f64,
    /// Draw among the `top_k` likeliest tokens; 0: all (40).
    pub top_k: usize,
    /// Draw among the likeliest tokens that together have this probability; 1: all (0.95).
    pub top_p: f64,
    /// Over 1 makes tokens that were already said less likely (1.0).
    pub repetition_penalty: f64,
    /// Tokens in a row that are not said twice; 0: anything may be (0). Try 3 where a model repeats itself.
    pub no_repeat_ngram_size: usize,
    /// Ways to go on that are kept side by side (1). From 2 on the likeliest whole text is searched, and `temperature`,
    /// `top_k` and `top_p` do nothing; try 4 for a summary or a translation.
    pub num_beams: usize,
    /// With beams: over 0 favours longer texts, under 0 shorter ones (1.0).
    pub length_penalty: f64,
    /// The same seed writes the same text (42).
    pub seed: u64,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            max_tokens: 80,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            repetition_penalty: 1.0,
            no_repeat_ngram_size: 0,
            num_beams: 1,
            length_penalty: 1.0,
            seed: 42,
        }
    }
}

impl GenerateConfig {
    /// Names every setting outside its allowed values.
    pub(crate) fn check(&self) -> Result<()> {
        let mut all = Settings::of("GenerateConfig");
        all.must(self.max_tokens >= 1, format!("max_tokens = {} (1, 2, 3, ...)", self.max_tokens));
        all.must((0.0..=10.0).contains(&self.temperature), format!("temperature = {} (0.0 ... 2.0)", self.temperature));
        all.must(self.top_p > 0.0 && self.top_p <= 1.0, format!("top_p = {} (0.1 ... 1.0)", self.top_p));
        all.must(
            (0.1..=10.0).contains(&self.repetition_penalty),
            format!("repetition_penalty = {} (1.0 ... 2.0)", self.repetition_penalty),
        );
        all.must((1..=64).contains(&self.num_beams), format!("num_beams = {} (1 ... 64)", self.num_beams));
        all.must(self.length_penalty.is_finite(), format!("length_penalty = {} (-2.0 ... 2.0)", self.length_penalty));
        all.check()
    }

    /// Makes what was `said` less likely, or impossible, in the scores of all tokens: logits or log-probabilities.
    ///
    /// Repetition penalty: Keskar et al., arXiv 1909.05858. Of n tokens in a row that were said, the last is ruled out
    /// where the others were just said: Paulus et al., arXiv 1705.04304.
    pub(crate) fn adjust(&self, scores: &mut [f32], said: &[u32]) {
        if self.repetition_penalty != 1.0 {
            let penalty = self.repetition_penalty as f32;
            let mut seen: Vec<u32> = said.to_vec();
            seen.sort_unstable();
            seen.dedup();
            for token in seen {
                if let Some(score) = scores.get_mut(token as usize) {
                    *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
                }
            }
        }
        let n = self.no_repeat_ngram_size;
        if n > 0 && said.len() + 1 >= n {
            let before = &said[said.len() + 1 - n..];
            for row in said.windows(n).filter(|row| row[..n - 1] == *before) {
                if let Some(score) = scores.get_mut(row[n - 1] as usize) {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
    }
}

/// Draws the next token from `logits` (vocabulary), given the tokens `said` so far.
///
/// In order: what was said made less likely, temperature, top-k, top-p (Holtzman et al., arXiv 1904.09751).
pub fn sample(logits: &Tensor, said: &[u32], config: &GenerateConfig, rng: &mut Rng) -> Result<u32> {
    let mut logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    config.adjust(&mut logits, said);
    if config.temperature == 0.0 {
        let first = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
        return Ok((0..logits.len()).fold(0, first) as u32);
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    if config.top_k > 0 {
        order.truncate(config.top_k);
    }
    let largest = logits[order[0]];
    let weight = |token: &usize| f64::from(logits[*token] - largest) / config.temperature;
    let mut weights: Vec<f64> = order.iter().map(|token| weight(token).exp()).collect();
    let total: f64 = weights.iter().sum();
    if config.top_p < 1.0 {
        let mut sum = 0.0;
        let keep = weights.iter().take_while(|weight| {
            let before = sum;
            sum += **weight / total;
            before < config.top_p
        });
        let keep = keep.count().max(1);
        weights.truncate(keep);
    }
    let mut draw = f64::from(rng.uniform()) * weights.iter().sum::<f64>();
    for (token, weight) in order.iter().zip(&weights) {
        draw -= weight;
        if draw < 0.0 {
            return Ok(*token as u32);
        }
    }
    Ok(order[weights.len() - 1] as u32)
}

/// The logits (texts, vocabulary) of the last position. Shapes: hidden (texts, time, d), head (vocabulary, d).
pub(crate) fn last_logits(hidden: &Tensor, head: &Tensor) -> candle_core::Result<Tensor> {
    let time = hidden.dim(1)?;
    crate::ops::linear(&hidden.narrow(1, time - 1, 1)?.contiguous()?, head, false)?.squeeze(1)
}

/// Probabilities of the `count` likeliest next tokens, likeliest first.
pub(crate) fn likeliest(logits: &Tensor, count: usize) -> Result<Vec<(u32, f32)>> {
    let probabilities: Vec<f32> = candle_nn::ops::softmax(logits, D::Minus1)?.to_vec1()?;
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]));
    Ok(order.iter().take(count).map(|i| (*i as u32, probabilities[*i])).collect())
}

/// How a text is set.
const STYLE: &str = "max-width:48em;line-height:1.5";

/// A generated text.
#[derive(Clone, Debug)]
pub struct Generation {
    /// What it was asked to go on with, or to make another text of.
    pub prompt: String,
    /// What the model added, or that other text.
    pub text: String,
    /// True where the text is another one: a summary, a translation, an answer.
    pub another: bool,
    /// How many tokens it added.
    pub tokens: usize,
    /// True when the model ended the text itself; false when `max_tokens` did.
    pub ended: bool,
    /// Seconds it took.
    pub seconds: f64,
}

impl Generation {
    /// The prompt and what follows it; where the text is another one, that text.
    pub fn full_text(&self) -> String {
        if self.another {
            self.text.clone()
        } else {
            format!("{}{}", self.prompt, self.text)
        }
    }

    fn html(&self) -> String {
        let (open, arrow) = (if self.ended { "" } else { " …" }, if self.another { " → " } else { "" });
        format!("<b>{}</b>{arrow}{}{open}", escape(&self.prompt), escape(&self.text))
    }

    /// Shows the text, the prompt in bold.
    pub fn evcxr_display(&self) {
        let html = format!("<p style=\"{STYLE}\">{}</p>", self.html());
        display(&html, &self.to_string());
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let before = if self.another { format!("{} → ", self.prompt) } else { String::new() };
        write!(f, "{before}{}{}", self.full_text(), if self.ended { "" } else { " …" })
    }
}

/// Texts that are being written, as the reader sees them come: the text below a bar, as long as it is not finished.
///
/// At the end only a line stays, because the texts are what is returned, and the cell shows those.
pub(crate) struct Writing {
    progress: Progress,
    begin: Instant,
    prompt: String,
    /// The number of the text that is written, from 1, of how many.
    number: usize,
    of: usize,
    max_tokens: usize,
    /// Tokens of this text, and of all before it.
    tokens: usize,
    before: usize,
}

impl Writing {
    /// Shorter than this, nobody reads along.
    const SILENT: Duration = Duration::from_millis(300);
    /// Characters at the end of a text that a terminal's line has room for.
    const TAIL: usize = 60;

    /// So many texts of at most `max_tokens` each.
    pub(crate) fn start(of: usize, max_tokens: usize) -> Self {
        let progress = Progress::start(&tr!("Escribiendo", "Writing"), of * max_tokens).seen_after(Self::SILENT);
        let begin = Instant::now();
        Self { progress, begin, prompt: String::new(), number: 0, of, max_tokens, tokens: 0, before: 0 }
    }

    /// The next text begins.
    pub(crate) fn begin(&mut self, prompt: &str) {
        self.before += std::mem::take(&mut self.tokens);
        self.number += 1;
        self.prompt = prompt.to_string();
        if self.of > 1 {
            let (number, of) = (self.number, self.of);
            self.progress.rename(&tr!("Escribiendo el texto {number} de {of}", "Writing text {number} of {of}"));
        }
    }

    /// One more token came; `text` gives all so far, and is only called when it is shown.
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        self.tokens += 1;
        let done = (self.number - 1) * self.max_tokens + self.tokens;
        let (prompt, note) = (&self.prompt, self.note());
        self.progress.update_with(done, || {
            let text = text();
            let html = format!("<p style=\"{STYLE}\"><b>{}</b>{}▌</p>", escape(prompt), escape(&text));
            (note, Html::new(&html, &cut_front(&format!("{prompt}{text}"), Self::TAIL)))
        });
    }

    /// All texts are there.
    pub(crate) fn end(self) {
        let note = self.note();
        self.progress.end(&note);
    }

    fn note(&self) -> String {
        let tokens = self.before + self.tokens;
        format!("· {:.1} tokens/s", tokens as f64 / self.begin.elapsed().as_secs_f64().max(1e-9))
    }
}

/// Texts of the same prompts by two states of a model, row by row.
#[derive(Clone, Debug)]
pub struct Comparison {
    rows: Vec<Vec<String>>,
}

/// Puts two lists of generations of the same prompts side by side.
pub fn compare(before: &[Generation], after: &[Generation]) -> Result<Comparison> {
    let same = before.len() == after.len() && before.iter().zip(after).all(|(b, a)| b.prompt == a.prompt);
    if !same {
        return Err(Error::new(
            ErrorKind::BadSetting,
            tr!("Las dos listas no tienen los mismos comienzos.", "The two lists do not have the same prompts."),
        )
        .next(tr!("Genera las dos con la misma lista de comienzos.", "Generate both from the same list of prompts.")));
    }
    let row = |(b, a): (&Generation, &Generation)| {
        vec![b.prompt.clone(), b.text.trim().to_string(), a.text.trim().to_string()]
    };
    Ok(Comparison { rows: before.iter().zip(after).map(row).collect() })
}

impl Comparison {
    /// Shows the table.
    pub fn evcxr_display(&self) {
        let headers = [tr!("comienzo", "prompt"), tr!("antes", "before"), tr!("después", "after")];
        let cell = |text: &String| {
            format!("<td style=\"text-align:left;vertical-align:top;white-space:normal\">{}</td>", escape(text))
        };
        let rows = self.rows.iter().map(|row| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>()));
        let head: String = headers.iter().map(|name| format!("<th style=\"text-align:left\">{name}</th>")).collect();
        let body: String = rows.collect();
        let html = format!("<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>");
        display(&html, &self.to_string());
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (before, after) = (tr!("antes", "before"), tr!("después", "after"));
        for row in &self.rows {
            writeln!(f, "{} …\n  {before}: {}\n  {after}: {}", row[0], row[1], row[2])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logits() -> Tensor {
        Tensor::new(&[0f32, 3.0, 1.0, 2.0], &candle_core::Device::Cpu).unwrap()
    }

    fn drawn(config: &GenerateConfig, said: &[u32]) -> Vec<u32> {
        let mut rng = Rng::new(1);
        let mut all: Vec<u32> = (0..200).map(|_| sample(&logits(), said, config, &mut rng).unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn temperature_zero_takes_the_likeliest() {
        assert_eq!(drawn(&GenerateConfig { temperature: 0.0, ..Default::default() }, &[]), [1]);
    }

    #[test]
    fn top_k_and_top_p_leave_the_likeliest_tokens() {
        let free = GenerateConfig { temperature: 1.0, top_k: 0, top_p: 1.0, ..Default::default() };
        assert_eq!(drawn(&free, &[]), [0, 1, 2, 3]);
        assert_eq!(drawn(&GenerateConfig { top_k: 2, ..free.clone() }, &[]), [1, 3]);
        // Softmax of (3, 2, 1, 0): 0.64, 0.24, 0.09, 0.03; two of them reach 0.8.
        assert_eq!(drawn(&GenerateConfig { top_p: 0.8, ..free }, &[]), [1, 3]);
    }

    #[test]
    fn a_said_token_is_penalized() {
        let config = GenerateConfig { temperature: 0.0, repetition_penalty: 2.0, ..Default::default() };
        assert_eq!(drawn(&config, &[1]), [3]);
    }
}
