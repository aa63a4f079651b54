//! Charts in which both axes go from 0 to 1: rates and probabilities, with the diagonal to compare with.

use super::frame::{colour, heading, nothing, svg, Axis, Drawn, Plot};
use super::lines::thinned;
use super::{drawable, Chart, Series};
use crate::error::Result;
use plotters::style::{Color, RGBColor};

/// Height of the plot in pixels, without title and legend.
const HEIGHT: i32 = 430;
const DIAGONAL: RGBColor = RGBColor(140, 140, 140);
/// Light enough for a line on it to be seen.
const BAR: RGBColor = RGBColor(200, 225, 240);

/// Lines and bars between 0 and 1; a bar is `(from, to, height)`. `diagonal` names the broken line from corner to
/// corner; empty for none.
pub fn unit_chart(
    title: &str,
    x_label: &str,
    y_label: &str,
    diagonal: &str,
    series: &[Series],
    bars: &[(f64, f64, f64)],
) -> Result<Chart> {
    if series.iter().all(|one| one.points.is_empty()) && bars.is_empty() {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let axis = || Axis::new(0.0, 1.0, 5, false);
    let names: Vec<String> = series.iter().map(|one| one.name.clone()).collect();
    let mut extra = 0;
    svg(HEIGHT, |sheet| {
        extra = heading(sheet, title, &names)?;
        Ok(())
    })?;
    let height = HEIGHT + extra;
    let svg = svg(height, |sheet| {
        let top = heading(sheet, title, &names)?;
        let (x, y) = (axis(), axis());
        let plot = Plot::new(sheet, (top, height), (&x, x_label), (&y, y_label))?;
        for (from, to, high) in bars {
            let ((left, bottom), (right, top)) = (plot.place((*from, 0.0)), plot.place((*to, *high)));
            plot.bar([(left + 1, top), (right - 1, bottom)], BAR)?;
        }
        if !diagonal.is_empty() {
            dashes(&plot)?;
            plot.note(diagonal, (0.8, 0.8))?;
        }
        series.iter().enumerate().try_for_each(|(i, one)| draw(&plot, i, one))
    })?;
    Ok(Chart { svg, summary: summary(title, series, bars) })
}

/// The diagonal, broken so that it is no line of data.
fn dashes(plot: &Plot) -> Drawn {
    const PARTS: i32 = 40;
    (0..PARTS).step_by(2).try_for_each(|i| {
        let at = |i: i32| plot.place((f64::from(i) / f64::from(PARTS), f64::from(i) / f64::from(PARTS)));
        plot.line(vec![at(i), at(i + 1)], DIAGONAL.stroke_width(1))
    })
}

fn draw(plot: &Plot, i: usize, series: &Series) -> Drawn {
    let inside = |point: &(f64, f64)| drawable(point.0) && drawable(point.1);
    let points: Vec<(f64, f64)> = series.points.iter().copied().filter(inside).collect();
    let thin = thinned(&points);
    plot.line(thin.iter().map(|point| plot.place(*point)).collect(), colour(i).stroke_width(2))?;
    if series.dots {
        thin.iter().try_for_each(|point| plot.dot(*point, colour(i)))?;
    }
    Ok(())
}

fn summary(title: &str, series: &[Series], bars: &[(f64, f64, f64)]) -> String {
    let mut lines = vec![title.to_string()];
    for one in series {
        let points = one.points.len();
        lines.push(tr!("  {}: {points} puntos", "  {}: {points} points", one.name));
    }
    lines.extend(bars.iter().map(|(from, to, high)| format!("  {from:.2} – {to:.2}: {high:.3}")));
    lines.join("\n")
}
