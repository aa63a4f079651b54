//! Bars that lie down, so that long names are read without turning the head.

use super::frame::{colour, fitted, heading, nothing, svg, width, write, Axis, Drawn, Plot, Sheet, Writing};
use super::{drawable, Chart};
use crate::error::Result;
use plotters::style::text_anchor::HPos;

/// Pixels from one bar to the next, and the thickness of a bar.
const ROW: i32 = 34;
const THICK: i32 = 20;
/// Most pixels that names may take.
const NAMES: i32 = 240;

/// One bar for each `(name, value)`, from top to bottom; `x_label` names the values, `y_label` what the bars are.
///
/// A value that is not finite has a name and no bar.
pub fn bar_chart(title: &str, x_label: &str, y_label: &str, bars: &[(String, f64)]) -> Result<Chart> {
    let finite = bars.iter().map(|bar| bar.1).filter(|&value| drawable(value));
    let (low, high) = finite.clone().fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    if finite.clone().next().is_none() {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let whole = finite.clone().all(|value| value.fract() == 0.0);
    // Room for the number that stands at the end of each bar.
    let air = (high - low) * 0.12;
    let x =
        Axis::new(if low < 0.0 { low - 1.4 * air } else { 0.0 }, if high > 0.0 { high + air } else { 0.0 }, 6, whole);
    let y = Axis::new(0.0, bars.len() as f64, 1, true);
    let names: Vec<String> = bars.iter().map(|(name, _)| fitted(name, Writing::default().size, NAMES)).collect();
    let widest = names.iter().map(|name| width(name, Writing::default().size)).max().unwrap_or(0);
    let left = 28 + widest + if y_label.is_empty() { 0 } else { 24 };
    let height = 50 + ROW * bars.len() as i32 + 40 + if x_label.is_empty() { 0 } else { 24 };
    let svg = svg(height, |sheet| {
        let top = heading(sheet, title, &[])?;
        let plot = Plot::bare(sheet, (left, top), height, &x, &y, x_label)?;
        plot.left_label(y_label)?;
        for (i, (_, value)) in bars.iter().enumerate() {
            draw(sheet, &plot, i, &names[i], *value)?;
        }
        plot.upright(plot.place((0.0, 0.0)).0)
    })?;
    let mut summary = title.to_string();
    for (name, value) in bars {
        summary += &format!("\n  {name}: {}", number(*value));
    }
    Ok(Chart { svg, summary })
}

fn draw(sheet: &Sheet, plot: &Plot, row: usize, name: &str, value: f64) -> Drawn {
    let (left, _, top, _) = plot.edges();
    let middle = top + ROW * row as i32 + ROW / 2;
    write(sheet, name, (left - 8, middle), &Writing { horizontal: HPos::Right, ..Writing::default() })?;
    let zero = plot.place((0.0, 0.0)).0;
    let end = if drawable(value) { plot.place((value, 0.0)).0 } else { zero };
    plot.bar([(zero.min(end), middle - THICK / 2), (zero.max(end), middle + THICK / 2)], colour(0))?;
    match value < 0.0 {
        true => {
            write(sheet, &number(value), (end - 6, middle), &Writing { horizontal: HPos::Right, ..Writing::default() })
        }
        false => write(sheet, &number(value), (end + 6, middle), &Writing::default()),
    }
}

/// A value with the digits that a reader wants: whole as it is, else four that count.
fn number(value: f64) -> String {
    match value {
        value if !drawable(value) => tr!("sin valor", "no value"),
        value if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        value if value.abs() >= 1e7 || value.abs() < 1e-3 => format!("{value:.2e}"),
        value if value.abs() >= 100.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}
