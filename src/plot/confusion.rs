//! A confusion matrix: counts as squares, each darker the larger its share of the row is.

use super::frame::{fitted, heading, nothing, svg, width, write, Drawn, Sheet, Writing, WIDTH};
use super::Chart;
use crate::error::Result;
use plotters::prelude::Rectangle;
use plotters::style::text_anchor::HPos;
use plotters::style::{Color, RGBColor};

/// Most pixels that names may take, and how large a square is at least and at most.
const NAMES: i32 = 150;
const SQUARE: (i32, i32) = (14, 96);
/// The colour of a whole row in one square; none is white.
const FULL: (u8, u8, u8) = (0, 114, 178);
/// The ring around the squares of the diagonal, which are right.
const RIGHT: RGBColor = RGBColor(51, 51, 51);

/// The squares of `counts`, a row for each right label and a column for each guess; each says its count and, where
/// there is room, its share of the row. The diagonal has a ring.
pub fn confusion_chart(
    title: &str,
    rows: &str,
    columns: &str,
    labels: &[String],
    counts: &[Vec<usize>],
) -> Result<Chart> {
    if labels.is_empty() {
        return Ok(Chart { svg: nothing(title)?, summary: tr!("{title}: sin datos", "{title}: no data") });
    }
    let size = Writing::default().size;
    let shown: Vec<String> = labels.iter().map(|name| fitted(name, size, NAMES)).collect();
    let widest = shown.iter().map(|name| width(name, size)).max().unwrap_or(0);
    let left = 56 + widest;
    let square = ((WIDTH - 20 - left) / labels.len() as i32).clamp(SQUARE.0, SQUARE.1);
    // The names above the columns stand upright where they do not fit side by side.
    let upwards = widest > square - 6;
    let above = 24 + if upwards { widest + 12 } else { 26 };
    let side = square * labels.len() as i32;
    let height = 64 + above + side;
    let svg = svg(height, |sheet| {
        let start = heading(sheet, title, &[])?;
        let top = start + above;
        let bold = Writing { bold: true, horizontal: HPos::Center, ..Writing::default() };
        write(sheet, &fitted(columns, size, side.max(80)), (left + side / 2, start + 8), &bold)?;
        write(sheet, &fitted(rows, size, side.max(80)), (26, top + side / 2), &Writing { upwards: true, ..bold })?;
        for (i, name) in shown.iter().enumerate() {
            let middle = i as i32 * square + square / 2;
            write(sheet, name, (left - 8, top + middle), &Writing { horizontal: HPos::Right, ..Writing::default() })?;
            let horizontal = if upwards { HPos::Left } else { HPos::Center };
            write(sheet, name, (left + middle, top - 12), &Writing { upwards, horizontal, ..Writing::default() })?;
        }
        for (i, row) in counts.iter().enumerate() {
            let all = row.iter().sum::<usize>().max(1);
            for (j, count) in row.iter().enumerate() {
                let at = (left + j as i32 * square, top + i as i32 * square);
                draw(sheet, at, square, *count, *count as f64 / all as f64, i == j)?;
            }
        }
        Ok(())
    })?;
    Ok(Chart { svg, summary: summary(title, labels, counts) })
}

fn draw(sheet: &Sheet, (x, y): (i32, i32), square: i32, count: usize, share: f64, right: bool) -> Drawn {
    let corners = [(x, y), (x + square - 2, y + square - 2)];
    let mix = |end: u8| (255.0 + (f64::from(end) - 255.0) * share).round() as u8;
    sheet.draw(&Rectangle::new(corners, RGBColor(mix(FULL.0), mix(FULL.1), mix(FULL.2)).filled()))?;
    let ring = if right { RIGHT.stroke_width(2) } else { RGBColor(225, 225, 225).stroke_width(1) };
    sheet.draw(&Rectangle::new(corners, ring))?;
    let number = count.to_string();
    let middle = (x + square / 2 - 1, y + square / 2 - 1);
    // White letters on the dark squares.
    let ink = if share > 0.6 { RGBColor(255, 255, 255) } else { RGBColor(51, 51, 51) };
    let how = |size: f64| Writing { size, horizontal: HPos::Center, colour: ink, ..Writing::default() };
    let size = if square >= 30 { 13.0 } else { 10.0 };
    if width(&number, size) > square - 2 || (count == 0 && square < 24) {
        return Ok(());
    }
    match square >= 48 {
        true => {
            write(sheet, &number, (middle.0, middle.1 - 8), &how(15.0))?;
            write(sheet, &format!("{:.0} %", 100.0 * share), (middle.0, middle.1 + 10), &how(12.0))
        }
        false => write(sheet, &number, middle, &how(size)),
    }
}

fn summary(title: &str, labels: &[String], counts: &[Vec<usize>]) -> String {
    let mut lines = vec![title.to_string()];
    for (label, row) in labels.iter().zip(counts) {
        let cells = labels.iter().zip(row).filter(|(_, count)| **count > 0);
        let cells: Vec<String> = cells.map(|(guess, count)| format!("{guess} {count}")).collect();
        lines.push(format!("  {label} → {}", cells.join(", ")));
    }
    lines.join("\n")
}
