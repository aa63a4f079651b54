//! A heat map: a matrix of values from -1 to 1 as coloured squares, each with its number.

use super::frame::{fitted, heading, nothing, svg, width, write, Drawn, Sheet, Writing, WIDTH};
use super::Chart;
use crate::error::Result;
use plotters::prelude::Rectangle;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};

/// Most pixels that names may take, and how high a square is at most.
const NAMES: i32 = 180;
const SQUARE: i32 = 56;
/// The colours of -1 and 1; 0 is white. Told apart by the colour-blind too.
const LOW: (u8, u8, u8) = (0, 114, 178);
const HIGH: (u8, u8, u8) = (213, 94, 0);
const NO_VALUE: RGBColor = RGBColor(225, 225, 225);

/// The squares of `matrix`, one row and one column for each of `names`; a value that is no number is a grey square.
pub fn heat_map(title: &str, names: &[String], matrix: &[Vec<f64>]) -> Result<Chart> {
    if names.is_empty() {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let size = Writing::default().size;
    let shown: Vec<String> = names.iter().map(|name| fitted(name, size, NAMES)).collect();
    let left = 28 + shown.iter().map(|name| width(name, size)).max().unwrap_or(0);
    let square = ((WIDTH - 20 - left) / names.len() as i32).clamp(4, SQUARE);
    let numbers = square >= 30;
    // The names above the columns stand upright where they do not fit side by side.
    let high = shown.iter().map(|name| width(name, size)).max().unwrap_or(0);
    let upwards = high > square - 6;
    let above = if upwards { high + 12 } else { 26 };
    let height = 60 + above + square * names.len() as i32;
    let svg = svg(height, |sheet| {
        let top = heading(sheet, title, &[])? + above;
        for (i, name) in shown.iter().enumerate() {
            let middle = i as i32 * square + square / 2;
            write(sheet, name, (left - 8, top + middle), &Writing { horizontal: HPos::Right, ..Writing::default() })?;
            let horizontal = if upwards { HPos::Left } else { HPos::Center };
            write(sheet, name, (left + middle, top - 12), &Writing { upwards, horizontal, ..Writing::default() })?;
        }
        for (i, row) in matrix.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                draw(sheet, (left + j as i32 * square, top + i as i32 * square), square, numbers, *value)?;
            }
        }
        Ok(())
    })?;
    let mut summary = title.to_string();
    for (i, a) in names.iter().enumerate() {
        for (j, b) in names.iter().enumerate().skip(i + 1) {
            let value = matrix.get(i).and_then(|row| row.get(j)).copied().unwrap_or(f64::NAN);
            summary += &format!("\n  {a}, {b}: {}", text(value));
        }
    }
    Ok(Chart { svg, summary })
}

fn draw(sheet: &Sheet, (x, y): (i32, i32), square: i32, number: bool, value: f64) -> Drawn {
    let colour = if value.is_finite() { shade(value) } else { NO_VALUE };
    sheet.draw(&Rectangle::new([(x, y), (x + square - 1, y + square - 1)], colour.filled()))?;
    if number {
        // White letters on the dark ends.
        let ink = if value.abs() > 0.6 { RGBColor(255, 255, 255) } else { RGBColor(51, 51, 51) };
        let how = Writing { horizontal: HPos::Center, colour: ink, ..Writing::default() };
        write(sheet, &text(value), (x + square / 2, y + square / 2), &how)?;
    }
    Ok(())
}

fn shade(value: f64) -> RGBColor {
    let (red, green, blue) = if value < 0.0 { LOW } else { HIGH };
    let strength = value.abs().min(1.0);
    let mix = |end: u8| (255.0 + (f64::from(end) - 255.0) * strength).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

fn text(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:.2}"),
        false => "—".into(),
    }
}
