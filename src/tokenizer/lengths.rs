//! How long texts are in tokens, and what each limit costs: texts cut, padding, memory.

use super::Tokenizer;
use crate::error::{Error, ErrorKind, Result};
use crate::look::{headers, number, percent, quantile, shown};
use crate::plot::{histogram, Chart};
use crate::show::Html;

/// How long texts are in tokens, and what each limit costs.
#[derive(Clone, Debug)]
pub struct LengthReport {
    /// Tokens of each text with its special tokens, before it is cut.
    pub lengths: Vec<usize>,
    /// Texts side by side in a batch.
    pub batch_size: usize,
    /// Numbers that the model holds for each token (its `hidden_size`).
    pub hidden_size: usize,
    /// A line for each limit.
    pub limits: Vec<LengthLine>,
}

/// What a limit costs, where every text is padded to it.
#[derive(Clone, Debug, PartialEq)]
pub struct LengthLine {
    /// At most so many tokens a text.
    pub max_tokens: usize,
    /// Texts that are cut.
    pub cut: usize,
    /// Tokens that are lost by it, as a share of all.
    pub lost: f64,
    /// Padding, as a share of the places in a batch.
    pub padding: f64,
    /// Megabytes (millions of bytes) of one layer's output for a batch, in float32: batch × tokens × hidden × 4 bytes.
    pub megabytes: f64,
}

impl Tokenizer {
    /// How long texts are in tokens, and for each limit of `max_tokens` the texts cut, the padding and the memory of one
    /// layer's output for `batch_size` texts with `hidden_size` numbers a token.
    ///
    /// # Errors
    /// When there is no text, or a limit is 0.
    pub fn length_report(
        &self,
        texts: &[String],
        max_tokens: &[usize],
        batch_size: usize,
        hidden_size: usize,
    ) -> Result<LengthReport> {
        if texts.is_empty() || max_tokens.contains(&0) {
            return Err(Error::new(
                ErrorKind::BadSetting,
                tr!(
                    "Hace falta al menos un texto, y límites de 1 o más.",
                    "At least one text is needed, and limits of 1 or more."
                ),
            )
            .next(tr!("Por ejemplo: &[32, 64, 128, 256]", "For example: &[32, 64, 128, 256]")));
        }
        let lengths: Vec<usize> = self.encode_all(texts)?.iter().map(Vec::len).collect();
        let all: usize = lengths.iter().sum();
        let line = |limit: &usize| {
            let limit = *limit;
            let kept: usize = lengths.iter().map(|length| (*length).min(limit)).sum();
            LengthLine {
                max_tokens: limit,
                cut: lengths.iter().filter(|length| **length > limit).count(),
                lost: (all - kept) as f64 / all.max(1) as f64,
                padding: 1.0 - kept as f64 / (limit * lengths.len()) as f64,
                megabytes: (batch_size * limit * hidden_size * 4) as f64 / 1e6,
            }
        };
        let limits = max_tokens.iter().map(line).collect();
        Ok(LengthReport { lengths, batch_size, hidden_size, limits })
    }
}

impl LengthReport {
    /// The length that `share` (0.75, say) of the texts do not exceed.
    pub fn percentile(&self, share: f64) -> f64 {
        quantile(&self.sorted(), share)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted: Vec<f64> = self.lengths.iter().map(|length| *length as f64).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// A histogram of the lengths with 25 %, 50 %, 75 % and the maximum.
    pub fn plot(&self) -> Result<Chart> {
        let sorted = self.sorted();
        let mark = |name: String, share: f64| {
            let value = quantile(&sorted, share);
            (format!("{name}: {}", number(value)), value)
        };
        let marks = [
            mark("25 %".into(), 0.25),
            mark("50 %".into(), 0.5),
            mark("75 %".into(), 0.75),
            mark(tr!("máximo", "maximum"), 1.0),
        ];
        histogram(
            &tr!("Largo de los textos", "Length of the texts"),
            "tokens",
            &tr!("textos", "texts"),
            &sorted,
            &marks,
        )
    }

    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["max_tokens", "textos cortados", "parte", "tokens perdidos", "relleno", "MB por capa y lote"],
            &["max_tokens", "texts cut", "share", "tokens lost", "padding", "MB a layer and batch"],
        );
        let line = |line: &LengthLine| {
            vec![
                line.max_tokens.to_string(),
                line.cut.to_string(),
                percent(line.cut, self.lengths.len()),
                format!("{:.1} %", 100.0 * line.lost),
                format!("{:.1} %", 100.0 * line.padding),
                format!("{:.1}", line.megabytes),
            ]
        };
        let rows: Vec<Vec<String>> = self.limits.iter().map(line).collect();
        let (texts, batch, hidden) = (self.lengths.len(), self.batch_size, self.hidden_size);
        let [q25, q50, q75, most] = [0.25, 0.5, 0.75, 1.0].map(|share| number(self.percentile(share)));
        let caption = tr!(
            "{texts} textos; tokens: 25 % {q25}, 50 % {q50}, 75 % {q75}, máximo {most}; lotes de {batch}, {hidden} números por token",
            "{texts} texts; tokens: 25 % {q25}, 50 % {q50}, 75 % {q75}, maximum {most}; batches of {batch}, {hidden} numbers a token"
        );
        Html::table(&headers, &rows, &caption)
    }
}

shown!(LengthReport);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::TokenizerKind;

    #[test]
    fn each_limit_has_its_cut_texts_padding_and_memory() {
        let texts: Vec<String> = (1..=4).map(|n| "sol ".repeat(n * 5).trim().to_string()).collect();
        let tokenizer = Tokenizer::train(&texts, TokenizerKind::WordPiece, 60).unwrap();
        let report = tokenizer.length_report(&texts, &[12, 32], 8, 100).unwrap();
        assert_eq!(report.lengths, [7, 12, 17, 22], "the words and two marks");
        assert_eq!((report.limits[0].cut, report.limits[1].cut), (2, 0));
        assert!((report.limits[0].lost - 15.0 / 58.0).abs() < 1e-9, "5 and 10 of 58 tokens");
        assert!((report.limits[1].padding - (1.0 - 58.0 / 128.0)).abs() < 1e-9);
        assert!((report.limits[1].megabytes - 8.0 * 32.0 * 100.0 * 4.0 / 1e6).abs() < 1e-9);
        assert_eq!((report.percentile(0.5), report.percentile(1.0)), (14.5, 22.0));
        assert!(report.plot().is_ok() && report.to_string().contains("50.0 %"), "{report}");
        assert!(
            tokenizer.length_report(&texts, &[0], 8, 100).is_err()
                && tokenizer.length_report(&[], &[8], 8, 100).is_err()
        );
    }
}
