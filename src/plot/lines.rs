//! Lines: how values change along something, one colour per series.

use super::frame::{colour, heading, nothing, svg, Axis, Drawn, Plot};
use super::{drawable, Chart};
use crate::error::Result;
use plotters::style::Color;

/// Height of the chart in pixels, without the rows of its legend.
const HEIGHT: i32 = 380;
/// Stretches that a longer series is summed up in, by the lowest and the highest value of each.
const STRETCHES: usize = 400;

/// One line of a chart.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Points `(x, y)`, in the order in which the line goes through them.
    pub points: Vec<(f64, f64)>,
    /// True to mark each point with a dot: for values that are few, as one per epoch.
    pub dots: bool,
}

/// One line per series over common axes.
///
/// Points that are not finite are left out, break the line, and are counted in the legend. Long series are thinned to
/// the lowest and highest value of each stretch, so no peak is lost.
pub fn line_chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> Result<Chart> {
    let finite = |point: &&(f64, f64)| drawable(point.0) && drawable(point.1);
    let all: Vec<(f64, f64)> = series.iter().flat_map(|one| one.points.iter().filter(finite).copied()).collect();
    if all.is_empty() {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let whole = all.iter().all(|(x, _)| x.fract() == 0.0);
    let (low, high) = bounds(all.iter().map(|point| point.0));
    let x = Axis::new(low, high, 8, whole);
    let (low, high) = bounds(all.iter().map(|point| point.1));
    // A little air above and below; zero stays the floor of what is never negative.
    let air = (high - low) * 0.05;
    let floor = if low >= 0.0 && low - air < 0.0 { 0.0 } else { low - air };
    let y = Axis::new(floor, high + air, 6, false);
    let names: Vec<String> = series.iter().map(legend_name).collect();
    let legend = if series.len() > 1 { names.as_slice() } else { &[] };
    // The height of the heading is known once it is drawn: draw it on a sheet that is thrown away.
    let mut extra = 0;
    svg(HEIGHT, |sheet| {
        extra = heading(sheet, title, legend)?;
        Ok(())
    })?;
    let height = HEIGHT + extra - 50;
    let svg = svg(height, |sheet| {
        let top = heading(sheet, title, legend)?;
        let plot = Plot::new(sheet, (top, height), (&x, x_label), (&y, y_label))?;
        series.iter().enumerate().try_for_each(|(i, one)| draw(&plot, i, one))
    })?;
    Ok(Chart { svg, summary: summary(title, series) })
}

fn draw(plot: &Plot, i: usize, series: &Series) -> Drawn {
    for run in series.points.split(|point| !drawable(point.0) || !drawable(point.1)) {
        let thin = thinned(run);
        if thin.len() > 1 {
            plot.line(thin.iter().map(|&point| plot.place(point)).collect(), colour(i).stroke_width(2))?;
        }
        if series.dots || run.len() == 1 {
            thin.iter().try_for_each(|&point| plot.dot(point, colour(i)))?;
        }
    }
    Ok(())
}

/// The points, or of a long series the lowest and the highest of each stretch.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * STRETCHES {
        return points.to_vec();
    }
    let mut thin = Vec::with_capacity(2 * STRETCHES);
    for stretch in points.chunks(points.len().div_ceil(STRETCHES)) {
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let lowest = stretch.iter().min_by(by_height);
        let highest = stretch.iter().max_by(by_height);
        let mut pair: Vec<(f64, f64)> = lowest.into_iter().chain(highest).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        thin.extend(pair);
    }
    thin
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

fn missing(series: &Series) -> usize {
    series.points.iter().filter(|point| !drawable(point.0) || !drawable(point.1)).count()
}

fn legend_name(series: &Series) -> String {
    let name = &series.name;
    match missing(series) {
        0 => name.clone(),
        lost => tr!("{name} ({lost} sin valor)", "{name} ({lost} without a value)"),
    }
}

fn summary(title: &str, series: &[Series]) -> String {
    let mut lines = vec![title.to_string()];
    for one in series {
        let (name, lost) = (&one.name, missing(one));
        let mut finite = one.points.iter().map(|point| point.1).filter(|&value| drawable(value));
        let Some(first) = finite.next() else { continue };
        let last = finite.next_back().unwrap_or(first);
        let points = one.points.len() - lost;
        let mut line = tr!(
            "  {name}: {points} puntos, de {first:.4} a {last:.4}",
            "  {name}: {points} points, from {first:.4} to {last:.4}"
        );
        if lost > 0 {
            line += &tr!(", {lost} sin valor", ", {lost} without a value");
        }
        lines.push(line);
    }
    lines.join("\n")
}
