//! How fast a large table is read and cleaned: a file of 1,000,000 rows whose texts have 200 characters on average.
//!
//! `cargo bench --bench tables [-- ROWS]`. It prints the seconds on the clock, the processor's seconds (on a machine that
//! others use too they say more), and the most memory held at once beside the size of the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a bench that cannot go on should say so

use aula::clean::{Recipe, Step};
use aula::rng::Rng;
use aula::table::Table;
use std::io::Write;
use std::time::Instant;

fn main() {
    let rows = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000usize);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forum.csv").to_string_lossy().into_owned();
    write_forum(&path, rows);
    let megabytes = std::fs::metadata(&path).unwrap().len() as f64 / 1e6;
    println!("{rows} rows, {megabytes:.0} MB, {} threads", rayon::current_num_threads());

    let table = timed("read", megabytes, || Table::read(&path).unwrap());
    assert_eq!(table.height(), rows);
    let recipe = Recipe::new(&[
        Step::drop_missing("text"),
        Step::drop_deleted("text"),
        Step::repair_mojibake("text"),
        Step::remove_control("text"),
        Step::replace_urls("text"),
        Step::replace_mentions("text"),
        Step::mask_personal("text"),
        Step::tidy_spaces("text"),
        Step::drop_duplicates("text"),
        Step::drop_short("text", 10),
        Step::drop_long("text", 2_000),
        Step::flag("text", "exclamation"),
        Step::flag("text", "question"),
        Step::lengths("text"),
        Step::winsorize("score", 0.01, 0.99),
    ]);
    let fitted = timed("fit (on a tenth)", megabytes, || recipe.fit(&table.head(rows / 10)).unwrap());
    let cleaned = timed("clean", megabytes, || fitted.apply(&table).unwrap());
    println!("{} of {rows} rows are left", cleaned.table.height());
    timed("describe", megabytes, || table.describe().unwrap());
    timed("text_stats", megabytes, || table.text_stats("text").unwrap());
    timed("languages", megabytes, || table.languages("text").unwrap());
    timed("near-duplicates", megabytes, || table.duplicates("text", 0.8).unwrap());
}

/// Runs `work` and prints what it took.
fn timed<T>(what: &str, megabytes: f64, work: impl FnOnce() -> T) -> T {
    // Linux forgets the peak so far when 5 is written here.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let result = work();
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let peak = peak_megabytes();
    println!(
        "{what:18} {wall:7.2} s  {cpu:7.2} s of processor  peak {peak:6.0} MB = {:.2} times the file",
        peak / megabytes
    );
    result
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|x| x.parse().unwrap_or(0.0)).collect();
    fields.get(11..13).map_or(0.0, |ticks| (ticks[0] + ticks[1]) / 100.0)
}

fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) * 1024.0 / 1e6
}

/// A forum's comments, with what comments have: addresses, mentions, broken letters, copies, `[deleted]`.
fn write_forum(path: &str, rows: usize) {
    const PARTS: [&str; 24] = [
        "ca", "ñe", "mi", "so", "pá", "tur", "lo", "rre", "vi", "gen", "da", "fú", "que", "ja", "nos", "bri", "el",
        "um", "ti", "za", "per", "con", "ha", "is",
    ];
    let mut rng = Rng::new(1);
    let word = |rng: &mut Rng| (0..1 + rng.below(3)).map(|_| PARTS[rng.below(PARTS.len())]).collect::<String>();
    let words: Vec<String> = (0..5_000).map(|_| word(&mut rng)).collect();
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(out, "id,author,community,date,score,text").unwrap();
    let mut last = String::new();
    for i in 0..rows {
        let mut text = String::new();
        while text.chars().count() < 195 {
            text += &words[rng.below(words.len())];
            text += [" ", " ", " ", " ", ", ", ". ", "  "][rng.below(7)];
        }
        match rng.below(100) {
            0..10 => text += "https://ejemplo.org/pagina?id=7",
            10..20 => text = format!("@autor{} {text}", rng.below(999)),
            20..25 => text = text.replace('ñ', "Ã±"),
            25..27 => text += "¡Escríbeme a nombre@ejemplo.org!",
            27..29 => text = "[deleted]".into(),
            29..31 => text = last.clone(),
            31..33 => text += "\u{200b}",
            33..43 => text = format!("\"{text}\" dijo"),
            _ => {}
        }
        let score = (rng.normal() * 1.5 + 1.0).exp() as i64;
        let quoted = text.replace('"', "\"\"");
        writeln!(
            out,
            "{i},autor{},c{},2024-{:02}-{:02},{score},\"{quoted}\"",
            rng.below(5_000),
            rng.below(20),
            1 + rng.below(12),
            1 + rng.below(28)
        )
        .unwrap();
        last = text;
    }
    out.flush().unwrap();
}
