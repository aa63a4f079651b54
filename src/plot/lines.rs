//! Lines: how values change along something, one colour per series.

use super::frame::{colour, heading_in, nothing, svg, Axis, Drawn, Plot, Sheet};
use super::{drawable, Chart};
use crate::error::Result;
use plotters::style::Color;

/// Height of the chart in pixels, without the rows of its legend.
const HEIGHT: i32 = 380;
/// Height of a frame below the first, in the same way.
const LOWER_HEIGHT: i32 = 260;
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

/// Lines over a vertical axis of their own: a part of a chart.
pub(crate) struct Frame<'a> {
    /// What stands above it.
    pub(crate) title: &'a str,
    /// What its vertical axis counts.
    pub(crate) y_label: &'a str,
    /// Its lines.
    pub(crate) series: &'a [Series],
    /// The number of each line's colour.
    pub(crate) colours: &'a [usize],
}

/// One line per series over common axes.
///
/// Points that are not finite are left out, break the line, and are counted in the legend. Long series are thinned to
/// the lowest and highest value of each stretch, so no peak is lost.
pub fn line_chart(title: &str, x_label: &str, y_label: &str, series: &[Series]) -> Result<Chart> {
    let colours: Vec<usize> = (0..series.len()).collect();
    line_frames(x_label, &[Frame { title, y_label, series, colours: &colours }])
}

/// As [`line_chart`], in frames one below the other over the same horizontal range; one without a point is left out.
pub(crate) fn line_frames(x_label: &str, frames: &[Frame]) -> Result<Chart> {
    let shown: Vec<&Frame> = frames.iter().filter(|frame| !frame.points().is_empty()).collect();
    if shown.is_empty() {
        let title = frames.first().map_or("", |frame| frame.title);
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let along: Vec<f64> = shown.iter().flat_map(|frame| frame.points()).map(|point| point.0).collect();
    let (low, high) = bounds(along.iter().copied());
    let x = Axis::new(low, high, 8, along.iter().all(|x| x.fract() == 0.0));
    let mut heights = Vec::with_capacity(shown.len());
    for (i, frame) in shown.iter().enumerate() {
        let height = if i == 0 { HEIGHT } else { LOWER_HEIGHT };
        heights.push(height + frame.heading_height()? - 50);
    }
    let svg = svg(heights.iter().sum(), |sheet| {
        let mut rest = sheet.clone();
        for (frame, height) in shown.iter().zip(&heights) {
            let (own, below) = rest.split_vertically(*height);
            frame.draw(&own, *height, (&x, x_label))?;
            rest = below;
        }
        Ok(())
    })?;
    let summaries: Vec<String> = shown.iter().map(|frame| summary(frame.title, frame.series)).collect();
    Ok(Chart { svg, summary: summaries.join("\n") })
}

impl Frame<'_> {
    /// The points that can be drawn.
    fn points(&self) -> Vec<(f64, f64)> {
        let finite = |point: &&(f64, f64)| drawable(point.0) && drawable(point.1);
        self.series.iter().flat_map(|one| one.points.iter().filter(finite).copied()).collect()
    }

    /// The names of the lines, where there are several to tell apart.
    fn legend(&self) -> Vec<String> {
        match self.series.len() {
            0 | 1 => Vec::new(),
            _ => self.series.iter().map(legend_name).collect(),
        }
    }

    /// The height of the heading is known once it is drawn: this draws it on a sheet that is thrown away.
    fn heading_height(&self) -> Result<i32> {
        let mut height = 0;
        svg(HEIGHT, |sheet| {
            height = heading_in(sheet, self.title, &self.legend(), self.colours)?;
            Ok(())
        })?;
        Ok(height)
    }

    fn draw(&self, sheet: &Sheet, height: i32, x: (&Axis, &str)) -> Drawn {
        let (low, high) = bounds(self.points().iter().map(|point| point.1));
        // A little air above and below; zero stays the floor of what is never negative.
        let air = (high - low) * 0.05;
        let floor = if low >= 0.0 && low - air < 0.0 { 0.0 } else { low - air };
        let y = Axis::new(floor, high + air, 6, false);
        let top = heading_in(sheet, self.title, &self.legend(), self.colours)?;
        let plot = Plot::new(sheet, (top, height), x, (&y, self.y_label))?;
        self.series.iter().zip(self.colours).try_for_each(|(one, number)| draw(&plot, *number, one))
    }
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
