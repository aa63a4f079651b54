//! The standard library as the kernel's rust-analyzer reads it: the signatures of `core`, `alloc` and `std`.
//!
//! evcxr asks rust-analyzer for the type of every `let`. With rust-src as it comes, each start reads 50 MB, looks for
//! std's own dependencies in cargo's registry, and asks rustup for the component when it is missing. The types of what
//! a learner calls stand in the signatures alone, so those are copied, without function bodies, comments, tests and
//! the attributes that only the compiler reads: 2 MB, no network, and half the time and memory.
//!
//! Where rust-src is missing, the copy that comes with the course is used (`standard.tar.gz`, made from rust-src 1.95 by
//! `aula standard`; the Rust project's code, under the same licences as this one: MIT or Apache-2.0).

use super::toolchain;
use crate::paths::Places;
use crate::problem::{Check, Problem, Result};
use crate::process::{command, first_line};
use crate::rust_text::{masked, stretches, Kind};
use crate::say;
use crate::state;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The signatures that come with the course.
const SHIPPED: &[u8] = include_bytes!("../../standard.tar.gz");

/// Raised when the copy is made differently, so that it is made again.
const VERSION: &[u8] = b"1";

const STEP: &str = "standard";

/// The crates that notebooks see; the others belong to the compiler.
const CRATES: [&str; 3] = ["core", "alloc", "std"];

/// Files and folders that are left out: tests, and platforms that the course does not run on.
const LEFT_OUT: [&str; 24] = [
    "tests",
    "benches",
    "windows",
    "uefi",
    "wasi",
    "wasip1",
    "wasip2",
    "wasm",
    "hermit",
    "sgx",
    "solid",
    "teeos",
    "xous",
    "zkvm",
    "itron",
    "fuchsia",
    "vxworks",
    "horizon",
    "vita",
    "motor",
    "trusty",
    "solid_asp3",
    "nto",
    "vexos",
];

/// Attributes that say nothing about a type.
const DROPPED: [&str; 13] = [
    "stable",
    "unstable",
    "rustc_const_stable",
    "rustc_const_unstable",
    "inline",
    "must_use",
    "doc =",
    "track_caller",
    "cold",
    "rustc_inherit_overflow_checks",
    "rustc_diagnostic_item",
    "rustc_on_unimplemented",
    "diagnostic::",
];

/// Where the signatures lie.
pub fn folder(places: &Places) -> PathBuf {
    places.kernel().join("std")
}

/// Makes the copy, or does nothing when it is there and of this toolchain.
pub fn ensure(places: &Places) -> Result<Check> {
    let toolchain = first_line(command("rustc").current_dir(&places.root).arg("--version")).unwrap_or_default();
    let library = toolchain::rust_src(places);
    let from = library.as_deref().unwrap_or(Path::new(""));
    let inputs = state::hash(&[VERSION, toolchain.as_bytes(), from.as_os_str().as_encoded_bytes()]);
    let target = folder(places);
    if !state::is_done(&places.state(), STEP, &inputs) || !target.join("core/src/lib.rs").exists() {
        match &library {
            Some(library) => copy(library, &target)?,
            None => unpack(&target)?,
        }
        state::mark_done(&places.state(), STEP, &inputs)?;
    }
    Ok(describe(library.is_some()))
}

/// The line of a report about where the signatures come from.
pub fn describe(own: bool) -> Check {
    if own {
        return Check::fine(say!(
            "tipos de la biblioteca estándar: rust-src",
            "types of the standard library: rust-src"
        ));
    }
    Check::fine(say!(
        "tipos de la biblioteca estándar: los que trae el curso, de Rust 1.95 (`rustup component add rust-src` pone los tuyos)",
        "types of the standard library: those that come with the course, of Rust 1.95 (`rustup component add rust-src` brings yours)"
    ))
}

/// Copies the signatures of the crates below `library` to `target`, whole or not at all.
pub fn copy(library: &Path, target: &Path) -> Result<()> {
    let fresh = state::beside(target);
    for name in CRATES {
        let folder = Path::new(name).join("src");
        copy_folder(library, &fresh, &folder)?;
    }
    state::write(&fresh.join("NOTICE"), NOTICE.as_bytes())?;
    state::replace_folder(&fresh, target)
}

const NOTICE: &str = "\
Signatures of the Rust standard library, without function bodies and comments.
Copyright The Rust Project Developers (https://www.rust-lang.org), MIT OR Apache-2.0.
";

/// Unpacks the shipped signatures to `target`, whole or not at all.
fn unpack(target: &Path) -> Result<()> {
    let fresh = state::beside(target);
    let wrap = |error: std::io::Error| state::unwritable(target, &error);
    std::fs::create_dir_all(&fresh).map_err(wrap)?;
    let mut tar = command("tar");
    tar.args(["-x", "-z", "-f", "-", "-C"]).arg(&fresh).stdin(Stdio::piped());
    let mut child = tar.spawn().map_err(wrap)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(SHIPPED).map_err(wrap)?;
    }
    if !child.wait().map_err(wrap)?.success() {
        return Err(Problem::new(say!("`tar` no pudo desempaquetar.", "`tar` could not unpack.")));
    }
    state::replace_folder(&fresh, target)
}

fn copy_folder(library: &Path, target: &Path, folder: &Path) -> Result<()> {
    let source = library.join(folder);
    let unreadable = |error: std::io::Error| {
        let shown = source.display();
        Problem::new(say!("No se pudo leer {shown}.", "{shown} could not be read.")).why(error)
    };
    for entry in std::fs::read_dir(&source).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        let stem = name.file_stem().unwrap_or_default();
        if LEFT_OUT.iter().any(|left_out| stem == *left_out) {
            continue;
        }
        if path.is_dir() {
            copy_folder(library, target, &folder.join(name))?;
        } else if name.extension().is_some_and(|end| end == "rs") {
            let text = std::fs::read_to_string(&path).map_err(unreadable)?;
            let text = with_hash_tables(&signatures(&text));
            state::write(&target.join(folder).join(name), text.as_bytes())?;
        }
    }
    Ok(())
}

/// `HashMap` and `HashSet` wrap types of a crate that is not part of rust-src. rust-analyzer gives up on them when it
/// does not find those, so empty ones stand in.
fn with_hash_tables(text: &str) -> String {
    let map = [
        "HashMap<K, V, S, A>",
        "Iter<'a, K, V>",
        "IterMut<'a, K, V>",
        "IntoIter<K, V, A>",
        "Drain<'a, K, V, A>",
        "ExtractIf<'a, K, V, F, A>",
        "RustcEntry<'a, K, V, A>",
        "RustcOccupiedEntry<'a, K, V, A>",
        "RustcVacantEntry<'a, K, V, A>",
    ];
    let set = [
        "HashSet<T, S, A>",
        "Iter<'a, K>",
        "IntoIter<K, A>",
        "Drain<'a, K, A>",
        "ExtractIf<'a, K, F, A>",
        "Entry<'a, T, S, A>",
        "OccupiedEntry<'a, T, S, A>",
        "VacantEntry<'a, T, S, A>",
    ];
    text.replace("use hashbrown::hash_map as base;", &stand_ins(&map))
        .replace("use hashbrown::hash_set as base;", &stand_ins(&set))
}

/// A module `base` with an empty type of each name and parameters.
fn stand_ins(types: &[&str]) -> String {
    let mut module = String::from("mod base {\n");
    for declared in types {
        let parameters = declared.split(['<', '>']).nth(1).unwrap_or_default();
        let used: Vec<String> = parameters
            .split(", ")
            .map(|one| if one.starts_with('\'') { format!("&{one} ()") } else { one.to_owned() })
            .collect();
        let used = used.join(", ");
        module += &format!("pub struct {declared}(core::marker::PhantomData<({used},)>);\n");
    }
    module + "}"
}

/// The source without comments, function bodies and the attributes that are dropped.
fn signatures(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    for (kind, part) in stretches(source) {
        match kind {
            Kind::Comment => text.push(' '),
            _ => text.push_str(part),
        }
    }
    let text = without_ranges(&text, &bodies(&masked(&text)));
    let text = without_ranges(&text, &attributes(&masked(&text)));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

fn without_ranges(text: &str, ranges: &[std::ops::Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        out.push_str(&text[from..range.start]);
        from = range.end;
    }
    out.push_str(&text[from..]);
    out
}

/// What stands between the braces of each function, outermost ones only. Comments and literals must be masked.
fn bodies(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in text.match_indices("fn") {
        let after = at + 2;
        let inside = found.last().is_some_and(|range| at < range.end);
        let whole = !bytes[..at].last().is_some_and(|byte| is_word(*byte));
        // A type such as `fn(u8)` has no name and no body.
        let named = text[after..].starts_with(char::is_whitespace)
            && text[after..].trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$');
        if inside || !whole || !named {
            continue;
        }
        if let Some(open) = body_start(bytes, after) {
            let close = closing(bytes, open);
            found.push(open + 1..close);
        }
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The brace that opens the body of the function whose name begins at `at`; none where it has no body.
fn body_start(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' if depth > 0 => depth -= 1,
            b'{' if depth == 0 => return Some(index),
            b';' | b'}' | b')' | b']' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The brace that closes the one at `open`.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (index, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return index;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// Where the dropped attributes lie. Comments and literals must be masked.
fn attributes(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("#[") {
        let name = &text[at + 2..];
        let ends = |dropped: &str| name[dropped.len()..].starts_with(|c: char| !c.is_alphanumeric() && c != '_');
        let drop =
            DROPPED.iter().any(|dropped| name.starts_with(dropped) && (dropped.ends_with(['=', ':']) || ends(dropped)));
        if !drop {
            continue;
        }
        let mut depth = 0_i32;
        let end = text[at..].char_indices().find(|(_, c)| {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                _ => {}
            }
            *c == ']' && depth == 0
        });
        if let Some((length, _)) = end {
            found.push(at..at + length + 1);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_stay_and_bodies_go() {
        let source = "/// Doc.\n#[inline]\n#[stable(feature = \"x]\", since = \"1.0\")]\npub fn f<T: Fn(u8) -> u8>(x: [T; 2]) -> u8\nwhere\n    T: Copy,\n{\n    let y = { 1 };\n    fn g() {}\n    y\n}\nfn h();\ntype F = fn(u8) -> u8;\n";
        assert_eq!(
            signatures(source),
            "pub fn f<T: Fn(u8) -> u8>(x: [T; 2]) -> u8\nwhere\nT: Copy,\n{}\nfn h();\ntype F = fn(u8) -> u8;\n"
        );
    }

    #[test]
    fn attributes_that_carry_meaning_stay() {
        let source = "#[lang = \"owned_box\"]\n#[inline_me]\n#[cfg(unix)]\npub struct B;\n";
        assert_eq!(signatures(source), source);
    }

    #[test]
    fn a_stand_in_uses_all_its_parameters() {
        assert_eq!(
            stand_ins(&["Iter<'a, K>"]),
            "mod base {\npub struct Iter<'a, K>(core::marker::PhantomData<(&'a (), K,)>);\n}"
        );
    }

    #[test]
    fn bodies_in_macros_go_too() {
        let source = "macro_rules! m { ($n:ident) => { fn $n(self) -> u8 { self.0 } const N: u8 = { 1 }; } }\n";
        assert_eq!(
            signatures(source),
            "macro_rules! m { ($n:ident) => { fn $n(self) -> u8 {} const N: u8 = { 1 }; } }\n"
        );
    }
}
