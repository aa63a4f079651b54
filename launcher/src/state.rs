//! What is done and need not be done again: a marker file per step, with a hash of what the step was made from.

use crate::problem::{Problem, Result};
use crate::say;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// FNV-1a, 64 bits: enough to notice a change, and the same on every machine and in every version of Rust.
pub fn hash(parts: &[&[u8]]) -> String {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The length keeps ["ab", "c"] apart from ["a", "bc"].
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part.iter()) {
            state ^= u64::from(*byte);
            state = state.wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{state:016x}")
}

/// Whether the step `name` was finished with exactly these inputs.
pub fn is_done(folder: &Path, name: &str, inputs: &str) -> bool {
    std::fs::read_to_string(folder.join(name)).is_ok_and(|text| text.trim() == inputs)
}

/// Records that the step `name` was finished with these inputs.
pub fn mark_done(folder: &Path, name: &str, inputs: &str) -> Result<()> {
    write(&folder.join(name), format!("{inputs}\n").as_bytes())
}

/// Writes a file whole or not at all, with its folders; a file that already says the same is left alone.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let beside = beside(path);
    let wrap = |error: std::io::Error| unwritable(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrap)?;
    }
    std::fs::write(&beside, bytes).map_err(wrap)?;
    std::fs::rename(&beside, path).map_err(wrap)
}

/// A name for the unfinished copy, of this process only.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

/// Puts the finished folder `fresh` in the place of `target`.
pub fn replace_folder(fresh: &Path, target: &Path) -> Result<()> {
    let wrap = |error: std::io::Error| unwritable(target, &error);
    if target.exists() {
        std::fs::remove_dir_all(target).map_err(wrap)?;
    }
    std::fs::rename(fresh, target).map_err(wrap)
}

/// Removes what an interrupted set-up left unfinished in `folder`, an hour ago or more.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let old = std::fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(3600)));
        if old && path.extension().is_some_and(|end| end == "part") {
            // Only space on the disk is lost if this fails.
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
}

/// The problem of a file or folder that cannot be written.
pub fn unwritable(path: &Path, error: &std::io::Error) -> Problem {
    let shown = path.display();
    Problem::new(say!("No se pudo escribir {shown}.", "{shown} could not be written.")).why(error).next(say!(
        "Comprueba que la carpeta del curso es tuya y que queda espacio en el disco.",
        "Check that the folder of the course is yours and that there is space on the disk."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_where_one_part_ends() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
    }

    #[test]
    fn a_step_is_done_only_with_the_same_inputs() {
        let folder = std::env::temp_dir().join(format!("aula state {}", std::process::id()));
        assert!(!is_done(&folder, "step", "1"));
        mark_done(&folder, "step", "1").unwrap();
        assert!(is_done(&folder, "step", "1"));
        assert!(!is_done(&folder, "step", "2"));
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing unfinished is left");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
