//! What all charts share: the sheet, the title, the legend, the axes with round numbers.
//!
//! The sheet is white in every theme, so that its colours are the ones that were chosen for it.

use crate::error::{Error, ErrorKind, Result};
use plotters::coord::types::RangedCoordf64;
use plotters::coord::{CoordTranslate, Shift};
use plotters::prelude::{Cartesian2d, Circle, DrawingArea, IntoDrawingArea, PathElement, Rectangle, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};
use std::ops::Range;

/// What a drawing step returns.
pub(super) type Drawing<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
pub(super) type Drawn = Drawing<()>;
/// The whole sheet, in pixels.
pub(super) type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Coordinates = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// Okabe and Ito's colours, without the yellow that white swallows: told apart by the colour-blind too.
const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];
const INK: RGBColor = RGBColor(51, 51, 51);
const GRID: RGBColor = RGBColor(228, 228, 228);
const AXIS: RGBColor = RGBColor(140, 140, 140);

/// Width of every chart in pixels.
pub(super) const WIDTH: i32 = 720;
const PADDING: i32 = 20;
/// Heights of letters in pixels.
const TITLE: f64 = 17.0;
const LABEL: f64 = 14.0;
const TICK: f64 = 13.0;
const LEGEND_ROW: i32 = 22;

/// The colour of series number `i`.
pub(super) fn colour(i: usize) -> RGBColor {
    PALETTE[i % PALETTE.len()]
}

/// Runs `draw` on a white sheet of `height` pixels and gives the SVG.
pub(super) fn svg(height: i32, draw: impl FnOnce(&Sheet) -> Drawn) -> Result<String> {
    let mut svg = String::new();
    let drawn = {
        let sheet = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        let filled = sheet.fill(&WHITE).map_err(Into::into);
        filled.and_then(|()| draw(&sheet)).and_then(|()| sheet.present().map_err(Into::into))
    };
    drawn.map(|()| svg).map_err(|error| {
        Error::new(ErrorKind::Engine, tr!("El gráfico no se pudo dibujar.", "The chart could not be drawn.")).why(error)
    })
}

/// Where and how a text stands.
pub(super) struct Writing {
    pub(super) size: f64,
    pub(super) colour: RGBColor,
    pub(super) bold: bool,
    pub(super) horizontal: HPos,
    pub(super) vertical: VPos,
    pub(super) upwards: bool,
}

impl Default for Writing {
    fn default() -> Self {
        Self { size: TICK, colour: INK, bold: false, horizontal: HPos::Left, vertical: VPos::Center, upwards: false }
    }
}

/// Writes `text` at `at`, in pixels of the sheet.
pub(super) fn write(sheet: &Sheet, text: &str, at: (i32, i32), how: &Writing) -> Drawn {
    let weight = if how.bold { FontStyle::Bold } else { FontStyle::Normal };
    // plotters divides the size that it is given by 1.24.
    let mut font = ("sans-serif", how.size * 1.24, weight).into_font();
    if how.upwards {
        font = font.transform(FontTransform::Rotate270);
    }
    let style = TextStyle::from(font).color(&how.colour).pos(Pos::new(how.horizontal, how.vertical));
    Ok(sheet.draw_text(text, &style, at)?)
}

/// Roughly how wide `text` is, in pixels, at the given size: fonts differ from machine to machine, so on the wide side.
pub(super) fn width(text: &str, size: f64) -> i32 {
    let ems: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | 'í' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')'
            | ' ' => 0.38,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            c if c.is_uppercase() => 0.72,
            c if u32::from(c) >= 0x1100 => 1.05,
            _ => 0.62,
        })
        .sum();
    (ems * size).ceil() as i32
}

/// `text`, cut with an ellipsis so that it fits in `pixels`.
pub(super) fn fitted(text: &str, size: f64, pixels: i32) -> String {
    let mut shown = text.to_string();
    let mut keep = text.chars().count();
    while width(&shown, size) > pixels && keep > 1 {
        keep -= 1;
        shown = text.chars().take(keep).chain(['…']).collect();
    }
    shown
}

/// The title at the top, and below it one colour and name for each of `legend`. Gives the height that they took.
pub(super) fn heading(sheet: &Sheet, title: &str, legend: &[String]) -> Drawing<i32> {
    heading_in(sheet, title, legend, &(0..legend.len()).collect::<Vec<_>>())
}

/// As [`heading`], with the number of each name's colour.
pub(super) fn heading_in(sheet: &Sheet, title: &str, legend: &[String], colours: &[usize]) -> Drawing<i32> {
    let mut y = PADDING;
    if !title.is_empty() {
        let how = Writing { size: TITLE, bold: true, vertical: VPos::Top, ..Writing::default() };
        write(sheet, &fitted(title, TITLE, WIDTH - 2 * PADDING), (PADDING, y), &how)?;
        y += 30;
    }
    let mut x = PADDING;
    for (name, number) in legend.iter().zip(colours) {
        let name = fitted(name, TICK, WIDTH - 2 * PADDING - 30);
        let item = 30 + width(&name, TICK) + 16;
        if x > PADDING && x + item > WIDTH - PADDING {
            x = PADDING;
            y += LEGEND_ROW;
        }
        let (middle, style) = (y + 8, colour(*number).stroke_width(3));
        sheet.draw(&PathElement::new(vec![(x, middle), (x + 20, middle)], style))?;
        write(sheet, &name, (x + 28, middle), &Writing::default())?;
        x += item;
    }
    Ok(if legend.is_empty() { y } else { y + LEGEND_ROW + 14 })
}

/// A sheet that says that there is nothing to draw.
pub(super) fn nothing(title: &str) -> Result<String> {
    svg(160, |sheet| {
        heading(sheet, title, &[])?;
        let how = Writing { size: LABEL, horizontal: HPos::Center, ..Writing::default() };
        let text = tr!("No hay datos que dibujar.", "There are no data to draw.");
        write(sheet, &text, (WIDTH / 2, 90), &how)
    })
}

/// A range of values with its round numbers.
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    pub(super) ticks: Vec<f64>,
    step: f64,
    /// Values are powers of ten: 2 stands for 100.
    powers: bool,
}

impl Axis {
    /// The axis from `low` to `high` with about `ticks` round numbers; whole ones only if `whole`.
    pub(super) fn new(low: f64, high: f64, ticks: usize, whole: bool) -> Self {
        let (low, high) = match high > low {
            true => (low, high),
            // One single value stands in the middle.
            false => {
                let half = if whole { 1.0 } else { (low.abs() * 0.1).max(0.5) };
                (low - half, low + half)
            }
        };
        let raw = (high - low) / ticks.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let nice = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= raw * 0.999);
        let step = nice.unwrap_or(10.0 * power).max(if whole { 1.0 } else { f64::MIN_POSITIVE });
        let first = (low / step - 1e-6).ceil();
        let last = (high / step + 1e-6).floor();
        // A range much smaller than its values has no round numbers that f64 can tell apart.
        let count = if (last - first).is_finite() { (last - first).clamp(-1.0, 50.0) as i32 } else { -1 };
        let ticks = (0..=count).map(|i| (first + f64::from(i)) * step).collect();
        Self { range: low..high, ticks, step, powers: false }
    }

    /// The axis from 10 to the `low` to 10 to the `high`, with 1, 2 and 5 in each power where there is room.
    pub(super) fn powers(low: f64, high: f64) -> Self {
        let (low, high) = if high - low > 0.1 { (low, high) } else { (low - 0.1, high + 0.1) };
        let each: &[f64] = if high - low < 4.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let decades = low.floor() as i32..=high.ceil() as i32;
        let all = decades.flat_map(|power| each.iter().map(move |digit| digit.log10() + f64::from(power)));
        let ticks: Vec<f64> = all.filter(|tick| (low - 1e-9..=high + 1e-9).contains(tick)).collect();
        Self { range: low..high, ticks, step: 1.0, powers: true }
    }

    /// A value of the axis as a text of no more digits than its round numbers need.
    pub(super) fn label(&self, value: f64) -> String {
        if self.powers {
            let value = 10f64.powf(value);
            return match (1e-4..1e7).contains(&value) {
                true => format!("{}", (value * 1e5).round() / 1e5),
                false => format!("{value:.0e}"),
            };
        }
        if value.abs() < self.step * 1e-6 {
            return "0".into();
        }
        let digits = |from: f64| (from - self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        if self.range.start.abs().max(self.range.end.abs()) >= 1e7 || self.step < 1e-4 {
            let digits = digits(value.abs().log10().floor());
            return format!("{value:.digits$e}");
        }
        let digits = digits(0.0);
        format!("{value:.digits$}")
    }

    fn widest_label(&self) -> i32 {
        self.ticks.iter().map(|&tick| width(&self.label(tick), TICK)).max().unwrap_or(0)
    }
}

/// The rectangle where data are drawn, with both axes around it.
pub(super) struct Plot<'s, 'a> {
    sheet: &'s Sheet<'a>,
    coordinates: Coordinates,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl<'s, 'a> Plot<'s, 'a> {
    /// Draws the axes below `top` on a sheet of `height`, the horizontal grid, and the labels where not empty.
    pub(super) fn new(
        sheet: &'s Sheet<'a>,
        (top, height): (i32, i32),
        (x, x_label): (&Axis, &str),
        (y, y_label): (&Axis, &str),
    ) -> Drawing<Self> {
        let left = PADDING + if y_label.is_empty() { 0 } else { 24 } + y.widest_label() + 8;
        let plot = Self::bare(sheet, (left, top), height, x, y, x_label)?;
        for &tick in &y.ticks {
            let at = plot.place((x.range.start, tick)).1;
            plot.line(vec![(plot.left, at), (plot.right, at)], GRID.stroke_width(1))?;
            let how = Writing { horizontal: HPos::Right, ..Writing::default() };
            write(sheet, &y.label(tick), (plot.left - 8, at), &how)?;
        }
        plot.left_label(y_label)?;
        plot.line(vec![(plot.left, plot.bottom), (plot.right, plot.bottom)], AXIS.stroke_width(1))?;
        Ok(plot)
    }

    /// The plot without its vertical axis, from `left` on.
    pub(super) fn bare(
        sheet: &'s Sheet<'a>,
        (left, top): (i32, i32),
        height: i32,
        x: &Axis,
        y: &Axis,
        x_label: &str,
    ) -> Drawing<Self> {
        let right = WIDTH - PADDING - x.ticks.last().map_or(0, |&tick| width(&x.label(tick), TICK) / 2);
        let bottom = height - PADDING - 20 - if x_label.is_empty() { 0 } else { 24 };
        let coordinates = Coordinates::new(x.range.clone(), y.range.clone(), (left..right, bottom..top));
        let plot = Self { sheet, coordinates, left, right, top, bottom };
        for &tick in &x.ticks {
            let at = plot.place((tick, y.range.start)).0;
            plot.line(vec![(at, bottom), (at, bottom + 5)], AXIS.stroke_width(1))?;
            let how = Writing { horizontal: HPos::Center, vertical: VPos::Top, ..Writing::default() };
            write(sheet, &x.label(tick), (at, bottom + 8), &how)?;
        }
        let how = Writing { size: LABEL, horizontal: HPos::Center, vertical: VPos::Top, ..Writing::default() };
        let label = fitted(x_label, LABEL, right - left);
        write(sheet, &label, ((left + right) / 2, bottom + 30), &how)?;
        Ok(plot)
    }

    /// The label of the vertical axis, upwards at the left edge.
    pub(super) fn left_label(&self, label: &str) -> Drawn {
        if label.is_empty() {
            return Ok(());
        }
        let how = Writing { size: LABEL, horizontal: HPos::Center, upwards: true, ..Writing::default() };
        let label = fitted(label, LABEL, self.bottom - self.top);
        write(self.sheet, &label, (PADDING + 6, (self.top + self.bottom) / 2), &how)
    }

    /// Where a point of the data is, in pixels of the sheet.
    pub(super) fn place(&self, point: (f64, f64)) -> (i32, i32) {
        self.coordinates.translate(&point)
    }

    /// A line through pixels of the sheet.
    pub(super) fn line(&self, points: Vec<(i32, i32)>, style: ShapeStyle) -> Drawn {
        Ok(self.sheet.draw(&PathElement::new(points, style))?)
    }

    /// A dot on a point of the data.
    pub(super) fn dot(&self, point: (f64, f64), colour: RGBColor) -> Drawn {
        Ok(self.sheet.draw(&Circle::new(self.place(point), 4, colour.filled()))?)
    }

    /// A word at the right of a point of the data.
    pub(super) fn note(&self, text: &str, point: (f64, f64)) -> Drawn {
        let (x, y) = self.place(point);
        write(self.sheet, text, (x + 10, y + 10), &Writing::default())
    }

    /// A filled box between two pixels of the sheet.
    pub(super) fn bar(&self, corners: [(i32, i32); 2], colour: RGBColor) -> Drawn {
        Ok(self.sheet.draw(&Rectangle::new(corners, colour.filled()))?)
    }

    /// The edges of the plot in pixels: left, right, top, bottom.
    pub(super) fn edges(&self) -> (i32, i32, i32, i32) {
        (self.left, self.right, self.top, self.bottom)
    }

    /// The grey line where a value axis is zero.
    pub(super) fn upright(&self, x: i32) -> Drawn {
        self.line(vec![(x, self.top), (x, self.bottom)], AXIS.stroke_width(1))
    }
}
