//! What a cell displays: HTML in a notebook, plain text in a terminal, and how far a long job has come.
//!
//! The notebook's kernel calls `evcxr_display(&self)` on the last value of a cell. Every result of this crate ends up in
//! [`display`]: the course's kernel shows it at once, below what the cell printed before. Other kernels read what is
//! printed between `EVCXR_BEGIN_CONTENT` and `EVCXR_END_CONTENT`, and show the last one when the cell ends.

mod live;
mod progress;

use std::fmt;
use std::io::Write;

pub use live::{clear_output, Live};
pub use progress::Progress;

/// Longest text, in characters, that a table's cell carries; CSS shortens it further to the width of the screen.
const CELL_CHARS: usize = 300;
/// Longest text, in characters, that the pointer shows when it rests on a cell.
const HOVER_CHARS: usize = 1_000;
/// Widest column, in characters, of a table in plain text.
const PLAIN_CHARS: usize = 40;

/// True in a notebook's cell: the kernel sets `EVCXR_IS_RUNTIME` in the process that runs the cells.
pub fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

/// Shows `html` in a notebook, `plain` anywhere else. In a notebook both are stored, and the richer one is seen.
pub fn display(html: &str, plain: &str) {
    display_as("text/html", html, plain);
}

/// Shows `content` of another type than HTML (`image/svg+xml`) in a notebook, `plain` anywhere else.
pub fn display_as(mime: &str, content: &str, plain: &str) {
    let forms = [(mime, content), ("text/plain", plain)];
    let forms = &forms[..if plain.is_empty() { 1 } else { 2 }];
    if live::relay().is_some_and(|relay| relay.display(None, forms)) {
        return;
    }
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to lose a training: there is nobody left to tell.
    let _ = out.write_all(blocks(mime, content, plain, in_notebook()).as_bytes()).and_then(|()| out.flush());
}

/// Shows `html` in a notebook and nothing anywhere else.
pub fn display_html(html: &str) {
    if in_notebook() {
        display(html, "");
    }
}

fn blocks(mime: &str, content: &str, plain: &str, notebook: bool) -> String {
    match (notebook, plain.is_empty()) {
        (false, true) => String::new(),
        (false, false) => format!("{plain}\n"),
        (true, true) => block(mime, content),
        (true, false) => block("text/plain", plain) + &block(mime, content),
    }
}

fn block(mime: &str, content: &str) -> String {
    format!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT\n")
}

/// A result that knows how to show itself in a notebook and in a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html {
    /// What a notebook shows.
    pub html: String,
    /// What a terminal shows.
    pub plain: String,
}

impl Html {
    /// The same result in both forms.
    pub fn new(html: &str, plain: &str) -> Self {
        Self { html: html.to_string(), plain: plain.to_string() }
    }

    /// A table with a line above it.
    pub fn table(headers: &[String], rows: &[Vec<String>], caption: &str) -> Self {
        Self { html: html_table(headers, rows, caption), plain: plain_table(headers, rows, caption) }
    }

    /// Shows the result in a notebook's cell.
    pub fn evcxr_display(&self) {
        display(&self.html, &self.plain);
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain)
    }
}

/// `text` with the characters that mean something in HTML written so that they only mean themselves.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // A control character other than a tab or a newline is not allowed in HTML.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The colours are the page's own, so the table reads in light and dark themes.
const STYLE: &str = "<style>\
.aula-t{overflow-x:auto}\
.aula-t table{border-collapse:collapse;color:inherit;font-size:inherit;margin:.2em 0}\
.aula-t caption{caption-side:top;text-align:left;opacity:.75;padding:.2em .6em;white-space:nowrap}\
.aula-t th,.aula-t td{padding:.25em .6em;border:0;border-bottom:1px solid rgba(128,128,128,.35);text-align:left!important;\
max-width:32em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;color:inherit}\
.aula-t th{border-bottom:2px solid rgba(128,128,128,.6);font-weight:600}\
.aula-t .n{text-align:right!important;font-variant-numeric:tabular-nums}\
</style>";

/// An HTML table: columns of numbers to the right, long cells cut with an ellipsis and whole under the pointer.
///
/// Rows may be shorter than `headers`; an empty `caption` is left out.
pub fn html_table(headers: &[String], rows: &[Vec<String>], caption: &str) -> String {
    let numeric = numeric_columns(headers.len(), rows);
    let mut html = format!("<div class=\"aula-t\">{STYLE}<table>");
    if !caption.is_empty() {
        html += &format!("<caption>{}</caption>", escape(caption));
    }
    html += "<thead><tr>";
    for (header, &number) in headers.iter().zip(&numeric) {
        html += &html_cell("th", header, number);
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for (column, &number) in numeric.iter().enumerate() {
            html += &html_cell("td", row.get(column).map_or("", String::as_str), number);
        }
        html += "</tr>";
    }
    html + "</tbody></table></div>"
}

fn html_cell(tag: &str, text: &str, number: bool) -> String {
    let class = if number { " class=\"n\"" } else { "" };
    let one_line = one_line(text);
    // Below this length the whole text is on the screen, so the pointer has nothing to add.
    let hover = match one_line.chars().count() > PLAIN_CHARS {
        true => format!(" title=\"{}\"", escape(&cut(text, HOVER_CHARS))),
        false => String::new(),
    };
    format!("<{tag}{class}{hover}>{}</{tag}>", escape(&cut(&one_line, CELL_CHARS)))
}

/// The same table for a terminal, columns aligned with spaces.
pub fn plain_table(headers: &[String], rows: &[Vec<String>], caption: &str) -> String {
    let numeric = numeric_columns(headers.len(), rows);
    let short = |text: &str| cut(&one_line(text), PLAIN_CHARS);
    let mut grid: Vec<Vec<String>> = vec![headers.iter().map(|header| short(header)).collect()];
    for row in rows {
        grid.push((0..headers.len()).map(|i| short(row.get(i).map_or("", String::as_str))).collect());
    }
    let width = |column: usize| grid.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let mut lines: Vec<String> = Vec::new();
    if !caption.is_empty() {
        lines.push(caption.to_string());
    }
    for row in &grid {
        let cells = row.iter().zip(widths.iter().zip(&numeric));
        let padded = cells.map(|(cell, (&width, &number))| match number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        lines.push(padded.collect::<Vec<_>>().join("  ").trim_end().to_string());
    }
    lines.join("\n")
}

fn numeric_columns(columns: usize, rows: &[Vec<String>]) -> Vec<bool> {
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column)).filter(|cell| !cell.is_empty());
    (0..columns).map(|i| cells(i).next().is_some() && cells(i).all(|cell| looks_like_a_number(cell))).collect()
}

fn looks_like_a_number(cell: &str) -> bool {
    let known = |c: char| c.is_ascii_digit() || "+-−.,%eE× \u{a0}\u{202f}—".contains(c);
    cell == "—" || (cell.chars().all(known) && cell.chars().any(|c| c.is_ascii_digit()))
}

fn one_line(text: &str) -> String {
    text.replace("\r\n", " ⏎ ").replace(['\n', '\r'], " ⏎ ").replace('\t', " ")
}

/// The first `limit` characters, the last of them `…` when there were more.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_string(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// The last `limit` characters, the first of them `…` when there were more.
pub fn cut_front(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    match count > limit {
        false => text.to_string(),
        true => std::iter::once('…').chain(text.chars().skip(count + 1 - limit.max(1))).collect(),
    }
}

/// Seconds as people say them: `8 s`, `1 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let s = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
    }
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Says one line to the reader, at once.
pub(crate) fn say(line: &str) {
    print_line(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| item.to_string()).collect()
    }

    #[test]
    fn a_notebook_gets_both_forms_and_a_terminal_the_plain_one() {
        assert_eq!(blocks("text/html", "<b>x</b>", "x", false), "x\n");
        let both = blocks("text/html", "<b>x</b>", "x", true);
        assert!(both.contains("EVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\n"));
        assert!(both.contains("EVCXR_BEGIN_CONTENT text/plain\nx\nEVCXR_END_CONTENT\n"));
        assert_eq!(blocks("text/html", "<b>x</b>", "", false), "");
    }

    #[test]
    fn html_in_a_text_stays_text() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
        let html = html_table(&strings(&["<b>"]), &[strings(&["<script>"])], "<i>");
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<i>"));
    }

    #[test]
    fn numbers_go_to_the_right_and_missing_cells_are_empty() {
        let rows = [strings(&["ñandú", "1.5"]), strings(&["b", "-20 %"]), strings(&["c"])];
        let html = html_table(&strings(&["texto", "n"]), &rows, "");
        assert!(html.contains("<th class=\"n\">n</th>") && html.contains("<td class=\"n\">1.5</td>"));
        assert!(html.contains("<td>ñandú</td>") && html.contains("<td class=\"n\"></td>"));
        assert_eq!(
            plain_table(&strings(&["texto", "n"]), &rows, "T"),
            "T\ntexto      n\nñandú    1.5\nb      -20 %\nc"
        );
    }

    #[test]
    fn a_long_cell_is_cut_and_whole_under_the_pointer() {
        let html = html_table(&strings(&["t"]), &[vec!["á".repeat(500)]], "");
        assert!(html.contains(&format!("<td title=\"{}\">", "á".repeat(500))));
        assert!(html.contains(&format!(">{}…</td>", "á".repeat(CELL_CHARS - 1))));
        assert_eq!(cut("año", 3), "año");
        assert_eq!(cut("años", 3), "añ…");
        assert_eq!((cut_front("años", 4), cut_front("años", 3)), ("años".to_string(), "…os".to_string()));
    }
}
