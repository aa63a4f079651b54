//! What each step of a cleaning did: counted, and shown on five rows.

use super::Cleaned;
use crate::look::{headers, shown};
use crate::show::{escape, Html};
use crate::table::count;

/// Characters shown around the first difference.
const AROUND: usize = 40;

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The step, in words.
    pub step: String,
    /// The column it looked at.
    pub column: String,
    /// Rows before it.
    pub rows_before: usize,
    /// Rows after it.
    pub rows_after: usize,
    /// Values it changed; for a new column, the values it has.
    pub changed: usize,
    /// Up to five rows before and after; a row that was taken away has `—` after.
    pub examples: Vec<(String, String)>,
    /// What it left alone and why, where that is worth knowing.
    pub note: Option<String>,
}

impl StepReport {
    /// As a page shows it, and in plain text.
    pub fn html(&self) -> Html {
        let rows: Vec<Vec<String>> = self.examples.iter().map(|(before, after)| window(before, after)).collect();
        let (step, column, changed, gone) =
            (&self.step, &self.column, self.changed, self.rows_before - self.rows_after);
        let caption = match gone {
            0 => tr!("{step} («{column}»): cambia {changed}", "{step} (\"{column}\"): changes {changed}"),
            _ => tr!("{step} («{column}»): quita {gone}", "{step} (\"{column}\"): drops {gone}"),
        };
        let caption = [Some(caption), self.note.clone()].into_iter().flatten().collect::<Vec<_>>().join(". ");
        Html::table(&headers(&["antes", "después"], &["before", "after"]), &rows, &caption)
    }
}

shown!(StepReport);

/// Both texts from a little before where they begin to differ; what cannot be seen is written out.
fn window(before: &str, after: &str) -> Vec<String> {
    let same = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let skip = if before.chars().count() > 2 * AROUND { same.saturating_sub(AROUND) } else { 0 };
    let part = |text: &str| {
        let start = if skip > 0 { "…" } else { "" };
        let seen: String = text.chars().skip(skip).take(4 * AROUND).map(visible).collect();
        let end = if text.chars().count() > skip + 4 * AROUND { "…" } else { "" };
        format!("{start}{seen}{end}")
    };
    vec![part(before), if after == "—" { "—".into() } else { part(after) }]
}

fn visible(c: char) -> String {
    match c {
        '\n' | '\t' | ' ' => c.to_string(),
        '\r' => "␍".into(),
        c if crate::look::is_unseen(c) || c == '\u{a0}' => format!("⟨U+{:04X}⟩", u32::from(c)),
        c => c.to_string(),
    }
}

impl Cleaned {
    /// As a page shows it, and in plain text: a line for each step, and below it five rows of each before and after.
    pub fn html(&self) -> Html {
        let headers = headers(
            &["n.º", "paso", "columna", "filas antes", "quita", "cambia", "filas después"],
            &["no.", "step", "column", "rows before", "drops", "changes", "rows after"],
        );
        let line = |(i, step): (usize, &super::StepReport)| {
            vec![
                (i + 1).to_string(),
                step.step.clone(),
                step.column.clone(),
                count(step.rows_before),
                count(step.rows_before - step.rows_after),
                count(step.changed),
                count(step.rows_after),
            ]
        };
        let rows: Vec<Vec<String>> = self.steps.iter().enumerate().map(line).collect();
        let (before, after) = (self.table.height() + self.removed.height(), self.table.height());
        let (before, after) = (count(before), count(after));
        let caption = tr!("De {before} filas quedan {after}", "Of {before} rows {after} are left");
        let Html { mut html, mut plain } = Html::table(&headers, &rows, &caption);
        for step in self.steps.iter().filter(|step| !step.examples.is_empty() || step.note.is_some()) {
            let part = step.html();
            html += &format!("<details><summary>{}</summary>{}</details>", escape(&step.step), part.html);
            plain += &format!("\n\n{}", part.plain);
        }
        Html { html, plain }
    }
}

shown!(Cleaned);
