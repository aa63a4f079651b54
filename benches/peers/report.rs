//! Writes what was measured into `docs/performance.md`, between its markers.

use std::path::Path;
use std::process::Command;

use super::side::{Kind, Measured, THREADS};
use super::WORKS;

const TABLE: &str = "<!-- peers: written by cargo bench --bench peers -->";
const END: &str = "<!-- end -->";
const HEAD: &str =
    "| work | ours, s | PyTorch, s | PyTorch tuned, s | times PyTorch's speed | times tuned | of the ceiling \
| memory, ours / PyTorch, MB | of PyTorch's | largest difference (≤ 1e-3) | date, load |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |";

/// How far apart losses, tokens and numbers of vectors of the two sides may be.
const MOST_APART: f64 = 1e-3;

/// Puts the line of one kind of work into the table, in the place of its last one.
pub fn write(home: &Path, measured: &Measured) {
    let line = line_of(measured);
    println!("{line}");
    let engines: Vec<&str> = measured.sides.iter().map(|side| side.engine.as_str()).take(2).collect();
    edit(home, TABLE, |old| {
        let mut lines: Vec<String> = WORKS
            .iter()
            .filter_map(|work| {
                let start = format!("| {}", work.1);
                let kept = old.lines().find(|line| line.starts_with(&format!("{start} |")));
                if work.0 == measured.work {
                    Some(line.clone())
                } else {
                    kept.map(String::from)
                }
            })
            .collect();
        let machine = format!(
            "{}, {} threads a side, {}; {}.",
            aula::sys::processor(),
            THREADS,
            first_line("rustc", &["--version"]),
            engines.join("; ")
        );
        lines.insert(0, format!("{machine}\n\n{HEAD}"));
        lines.join("\n")
    });
}

/// Puts the lines about long texts and many texts into their place.
pub fn write_scaling(home: &Path, lines: &str) {
    write_lines(home, "scaling", lines);
}

/// Puts the lines about the kernel into their place.
pub fn write_kernel(home: &Path, lines: &str) {
    write_lines(home, "kernel", lines);
}

fn write_lines(home: &Path, what: &str, lines: &str) {
    println!("{lines}");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let when = format!("{}, load {}", today(), load.split(' ').next().unwrap_or("?"));
    edit(home, &format!("<!-- {what}: written by cargo bench --bench peers -- {what} -->"), |_| {
        format!("{lines}\n\n{when}")
    });
}

/// Has `change` rewrite what stands between a marker and the end.
fn edit(home: &Path, marker: &str, change: impl FnOnce(&str) -> String) {
    let path = home.join("docs/performance.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(marker).unwrap_or_else(|| panic!("no {marker} in {}", path.display()));
    let (old, after) = rest.split_once(END).unwrap();
    std::fs::write(&path, format!("{before}{marker}\n{}\n{END}{after}", change(old))).unwrap();
}

fn line_of(measured: &Measured) -> String {
    let (_, name, speed, of_ceiling, memory) = WORKS.iter().find(|work| work.0 == measured.work).unwrap();
    let seconds = |kind| measured.side(kind).map_or(f64::NAN, |side| side.median());
    let peak = |kind| measured.side(kind).map_or(f64::NAN, |side| side.peak_mb);
    let (ours, torch, tuned) = (seconds(Kind::Ours), seconds(Kind::Torch), seconds(Kind::TorchTuned));
    let ceiling = seconds(Kind::Ceiling) / ours;
    // The promise, and whether it holds.
    let mark = |holds: bool| if holds { "✓" } else { "✗" };
    let ceiling = match *of_ceiling > 0.0 {
        true => format!("{ceiling:.2} (≥ {of_ceiling}) {}", mark(ceiling >= *of_ceiling)),
        false if ceiling.is_nan() => "—".to_string(),
        false => format!("{ceiling:.2}"),
    };
    let (ratio, share) = (torch / ours, peak(Kind::Ours) / peak(Kind::Torch));
    format!(
        "| {name} | {} | {} | {} | {ratio:.2} (≥ {speed}) {} | {:.2} | {ceiling} | {:.0} / {:.0} | {share:.2} (≤ {memory}) {} \
| {:.1e} {} | {}, {} |",
        short(ours),
        short(torch),
        short(tuned),
        mark(ratio >= *speed),
        tuned / ours,
        peak(Kind::Ours),
        peak(Kind::Torch),
        mark(share <= *memory),
        measured.gap(),
        mark(measured.gap() <= MOST_APART), // no number is no agreement either
        today(),
        measured.load,
    )
}

/// Three digits that count.
fn short(seconds: f64) -> String {
    match seconds {
        x if x >= 10.0 => format!("{x:.1}"),
        x if x >= 1.0 => format!("{x:.2}"),
        x if x >= 0.1 => format!("{x:.3}"),
        x => format!("{x:.4}"),
    }
}

fn today() -> String {
    first_line("date", &["+%Y-%m-%d"])
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("?").to_string()
}
