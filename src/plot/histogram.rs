//! Histograms: how many values fall in each stretch, with labelled lines where something is cut.

use super::frame::{colour, heading, nothing, svg, width, write, Axis, Drawn, Plot, Sheet, Writing};
use super::{drawable, Chart};
use crate::error::Result;
use plotters::style::text_anchor::HPos;
use plotters::style::Color;

const HEIGHT: i32 = 380;
/// Most bars, and the row of pixels that the label of one mark takes.
const BARS: f64 = 40.0;
const MARK_ROW: i32 = 20;

/// How many of `values` fall in each stretch. `marks` are upright lines with a label, such as percentiles.
///
/// Whole numbers get stretches of whole width. Values and marks that are not finite are left out.
pub fn histogram(title: &str, x_label: &str, y_label: &str, values: &[f64], marks: &[(String, f64)]) -> Result<Chart> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|&value| drawable(value)).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    };
    let bins = Bins::new(&sorted, low, high);
    let mut marks: Vec<&(String, f64)> = marks.iter().filter(|mark| drawable(mark.1)).collect();
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    let end = bins.start + bins.width * bins.counts.len() as f64;
    let right = marks.last().map_or(end, |mark| mark.1.max(end));
    let left = marks.first().map_or(bins.start, |mark| mark.1.min(bins.start));
    let x = Axis::new(left, right, 8, bins.whole);
    let most = bins.counts.iter().copied().max().unwrap_or(0) as f64;
    let y = Axis::new(0.0, most * 1.05, 5, true);
    let height = HEIGHT + MARK_ROW * marks.len() as i32;
    let svg = svg(height, |sheet| {
        let top = heading(sheet, title, &[])? + MARK_ROW * marks.len() as i32;
        let plot = Plot::new(sheet, (top, height), (&x, x_label), (&y, y_label))?;
        bins.draw(&plot)?;
        marks.iter().enumerate().try_for_each(|(row, mark)| draw_mark(sheet, &plot, row, mark))
    })?;
    let (count, middle) = (sorted.len(), sorted[sorted.len() / 2]);
    let mut summary = tr!(
        "{title}\n  {count} valores, de {low} a {high}, mediana {middle}",
        "{title}\n  {count} values, from {low} to {high}, median {middle}"
    );
    for (name, value) in marks {
        summary += &format!(", {name}: {value}");
    }
    Ok(Chart { svg, summary })
}

/// As [`histogram`] on a scale by powers of ten: each stretch is as many times wider than the one before. For values
/// with a long tail. What is 0 or below has no place on such a scale: it is left out, and the title says how many.
pub fn log_histogram(
    title: &str,
    x_label: &str,
    y_label: &str,
    values: &[f64],
    marks: &[(String, f64)],
) -> Result<Chart> {
    let finite: Vec<f64> = values.iter().copied().filter(|&value| drawable(value)).collect();
    let mut sorted: Vec<f64> = finite.iter().copied().filter(|value| *value > 0.0).map(f64::log10).collect();
    sorted.sort_by(f64::total_cmp);
    let left_out = finite.len() - sorted.len();
    let title = match left_out {
        0 => title.to_string(),
        _ => tr!("{title} ({left_out} sin lugar: 0 o menos)", "{title} ({left_out} without a place: 0 or below)"),
    };
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
        return Ok(Chart { svg: nothing(&title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    };
    let bins = Bins::of(&sorted, low, high, false);
    let mut marks: Vec<(String, f64)> = marks
        .iter()
        .filter(|mark| drawable(mark.1) && mark.1 > 0.0)
        .map(|mark| (mark.0.clone(), mark.1.log10()))
        .collect();
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    let end = (bins.start + bins.width * bins.counts.len() as f64).max(high);
    let x = Axis::powers(low.min(marks.first().map_or(low, |mark| mark.1)), end);
    let most = bins.counts.iter().copied().max().unwrap_or(0) as f64;
    let y = Axis::new(0.0, most * 1.05, 5, true);
    let height = HEIGHT + MARK_ROW * marks.len() as i32;
    let svg = svg(height, |sheet| {
        let top = heading(sheet, &title, &[])? + MARK_ROW * marks.len() as i32;
        let plot = Plot::new(sheet, (top, height), (&x, x_label), (&y, y_label))?;
        bins.draw(&plot)?;
        marks.iter().enumerate().try_for_each(|(row, mark)| draw_mark(sheet, &plot, row, mark))
    })?;
    let (count, middle) = (sorted.len(), 10f64.powf(sorted[sorted.len() / 2]));
    let summary = tr!(
        "{title}\n  {count} valores en escala logarítmica, mediana {middle:.4}",
        "{title}\n  {count} values on a logarithmic scale, median {middle:.4}"
    );
    Ok(Chart { svg, summary })
}

/// The label hangs above the plot in a row of its own, on the side where there is room.
fn draw_mark(sheet: &Sheet, plot: &Plot, row: usize, (name, value): &(String, f64)) -> Drawn {
    let (_, right, top, bottom) = plot.edges();
    let x = plot.place((*value, 0.0)).0;
    let y = top - MARK_ROW * (row as i32 + 1) + MARK_ROW / 2;
    let how = Writing { colour: colour(1), ..Writing::default() };
    plot.line(vec![(x, y - 8), (x, bottom)], colour(1).stroke_width(2))?;
    match x + 8 + width(name, how.size) > right {
        true => write(sheet, name, (x - 6, y), &Writing { horizontal: HPos::Right, ..how }),
        false => write(sheet, name, (x + 6, y), &how),
    }
}

struct Bins {
    start: f64,
    width: f64,
    counts: Vec<usize>,
    whole: bool,
}

impl Bins {
    fn new(sorted: &[f64], low: f64, high: f64) -> Self {
        let whole = sorted.iter().all(|value| value.fract() == 0.0 && value.abs() < 1e15);
        Self::of(sorted, low, high, whole)
    }

    fn of(sorted: &[f64], low: f64, high: f64, whole: bool) -> Self {
        let bars = (sorted.len() as f64).sqrt().clamp(8.0, BARS);
        let mut width = if high > low { (high - low) / bars } else { 1.0 };
        if whole {
            width = width.ceil().max(1.0);
        }
        // Whole numbers stand in the middle of a stretch of width 1.
        let start = if whole && width == 1.0 { low - 0.5 } else { low };
        let bars = (((high - start) / width).floor() as usize + 1).min(BARS as usize + 1);
        let mut counts = vec![0; bars];
        for value in sorted {
            counts[(((value - start) / width) as usize).min(bars - 1)] += 1;
        }
        // The highest value belongs to the last full stretch, not to a new one of its own.
        if !whole && bars > 1 && high > low {
            let last = counts.pop().unwrap_or(0);
            if let Some(before) = counts.last_mut() {
                *before += last;
            }
        }
        Self { start, width, counts, whole }
    }

    fn draw(&self, plot: &Plot) -> Drawn {
        for (i, &count) in self.counts.iter().enumerate().filter(|(_, &count)| count > 0) {
            let from = self.start + self.width * i as f64;
            let (left, floor) = plot.place((from, 0.0));
            let (right, top) = plot.place((from + self.width, count as f64));
            // A pixel of white between neighbours; a count of one is still seen.
            plot.bar([(left + 1, top.min(floor - 1)), ((right - 1).max(left + 2), floor)], colour(0))?;
        }
        Ok(())
    }
}
