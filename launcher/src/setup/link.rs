//! What the compiler of a cell is given: the library's crates in a folder of their own, and in place of the library
//! itself one that says the same and holds no code.
//!
//! rustc only reads the description in the library's section `.rustc`, 2 MB of 185; the linker would read the names of
//! its 150,000 symbols anew for each cell, a quarter of a cell's time. The stand-in has none: what a cell leaves open is
//! found in the real library when the cell is loaded, by the path that the stand-in carries as its name. Everything is
//! linked into the folder, so that cells that run go on with the old library while a new one is compiled.

use crate::paths::Places;
use crate::problem::{Problem, Result};
use crate::process::{command, succeeds};
use crate::say;
use crate::state;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The section with a crate's description.
const DESCRIPTION: &str = ".rustc";

/// How many folders are kept: a kernel that was started earlier still reads the last but one.
const KEPT: usize = 2;

/// Where a cell's compiler finds the crates, and the file that stands for the library.
pub struct Link {
    /// For `-L dependency`.
    pub crates: PathBuf,
    /// For `--extern`.
    pub library: PathBuf,
}

/// Makes the folder for this build of the library, or finds it.
pub fn ensure(places: &Places, shared_object: &Path) -> Result<Link> {
    if !cfg!(target_os = "linux") {
        let deps = shared_object.parent().unwrap_or(shared_object).join("deps");
        return Ok(Link { crates: deps, library: shared_object.to_owned() });
    }
    let all = places.kernel().join("link");
    let folder = all.join(version(shared_object)?);
    let link = Link { library: folder.join("libaula.so"), crates: folder.clone() };
    if !folder.exists() {
        state::sweep(&all);
        let fresh = state::beside(&folder);
        let _ = std::fs::remove_dir_all(&fresh); // of an interrupted set-up with this very number
        fill(shared_object, &fresh, &folder)?;
        state::replace_folder(&fresh, &folder)?;
        forget_old(&all);
    }
    Ok(link)
}

/// A name for one build: the file itself, when and where it was written.
fn version(shared_object: &Path) -> Result<String> {
    let meta = std::fs::metadata(shared_object).map_err(|error| unreadable(shared_object, &error))?;
    let numbers = [meta.ino(), meta.size(), meta.mtime() as u64, meta.mtime_nsec() as u64].map(u64::to_le_bytes);
    Ok(state::hash(&[shared_object.as_os_str().as_encoded_bytes(), numbers.as_flattened()]))
}

/// Links every crate and the real library into `fresh`, which will be `folder`, and puts the stand-in beside them.
fn fill(shared_object: &Path, fresh: &Path, folder: &Path) -> Result<()> {
    let real = fresh.join("real");
    let wrap = |error: std::io::Error| state::unwritable(fresh, &error);
    std::fs::create_dir_all(&real).map_err(wrap)?;
    hold(shared_object, &real.join("libaula.so")).map_err(wrap)?;
    let deps = shared_object.parent().unwrap_or(shared_object).join("deps");
    for entry in std::fs::read_dir(&deps).map_err(|error| unreadable(&deps, &error))?.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_crate = path.extension().is_some_and(|end| end == "rlib" || end == "so");
        if is_crate && !name.starts_with("libaula") {
            hold(&path, &fresh.join(entry.file_name())).map_err(wrap)?;
        }
    }
    stand_in(shared_object, &folder.join("real/libaula.so"), fresh)
}

/// Keeps a file under a second name, which stays when cargo replaces the first.
fn hold(from: &Path, to: &Path) -> std::io::Result<()> {
    // Another disk, or one that knows no second names.
    std::fs::hard_link(from, to).or_else(|_| std::os::unix::fs::symlink(from, to))
}

/// A library with the description of `shared_object` and no symbol, whose name for the loader is the path of the real one.
fn stand_in(shared_object: &Path, real: &Path, fresh: &Path) -> Result<()> {
    let unreadable = |error| unreadable(shared_object, &error);
    let file = File::open(shared_object).map_err(unreadable)?;
    let description = section(file, DESCRIPTION).map_err(unreadable)?;
    state::write(&fresh.join("description.bin"), &description)?;
    let source = format!(".section {DESCRIPTION},\"\",%progbits\n.incbin \"description.bin\"\n");
    state::write(&fresh.join("description.s"), source.as_bytes())?;
    let mut compiler = command("cc");
    compiler.current_dir(fresh).args(["-shared", "-nostdlib", "-o", "libaula.so", "description.s"]);
    compiler.args(["-Xlinker", "-soname", "-Xlinker"]).arg(real);
    if succeeds(&mut compiler) {
        return Ok(());
    }
    // The library itself does as well, only slower.
    hold(shared_object, &fresh.join("libaula.so")).map_err(|error| state::unwritable(fresh, &error))
}

/// The bytes of a section of an ELF file, 64 bits, little-endian (System V ABI, "Sections").
fn section(mut file: impl Read + Seek, name: &str) -> std::io::Result<Vec<u8>> {
    let head = read(&mut file, 0, 64)?;
    if head[..6] != *b"\x7fELF\x02\x01" {
        return Err(std::io::Error::other("not an ELF file of 64 bits, little-endian"));
    }
    let (table, size, count, names) =
        (number(&head, 40, 8), number(&head, 58, 2), number(&head, 60, 2), number(&head, 62, 2));
    let headers = read(&mut file, table, (size * count) as usize)?;
    // Of each header: where its name begins, and the place and size of its bytes.
    let header = |i: u64| {
        let at = (i * size) as usize;
        (number(&headers, at, 4), number(&headers, at + 24, 8), number(&headers, at + 32, 8))
    };
    let (_, place, length) = header(names);
    let names = read(&mut file, place, length as usize)?;
    for (begin, place, length) in (0..count).map(header) {
        let found = names.get(begin as usize..).unwrap_or_default();
        if found.split(|byte| *byte == 0).next() == Some(name.as_bytes()) {
            return read(&mut file, place, length as usize);
        }
    }
    Err(std::io::Error::other(format!("no section {name}")))
}

fn read(file: &mut (impl Read + Seek), place: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.seek(SeekFrom::Start(place))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A little-endian number of `bytes` bytes; 0 past the end.
fn number(from: &[u8], at: usize, bytes: usize) -> u64 {
    from.get(at..at + bytes).unwrap_or_default().iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// Removes the folders of older builds.
fn forget_old(all: &Path) {
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries
        .filter(|entry| entry.path().extension().is_none())
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    folders.sort();
    for (_, folder) in folders.iter().rev().skip(KEPT) {
        // Only space on the disk is lost if this fails.
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let shown = path.display();
    Problem::new(say!("No se pudo leer {shown}.", "{shown} could not be read.")).why(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_in_a_file_that_the_c_compiler_made() {
        if !cfg!(target_os = "linux") {
            return;
        }
        let folder = std::env::temp_dir().join(format!("aula link año {}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.s"), ".section .rustc,\"\",%progbits\n.ascii \"words\"\n").unwrap();
        assert!(succeeds(command("cc").current_dir(&folder).args(["-shared", "-nostdlib", "-o", "a.so", "a.s"])));
        let open = || File::open(folder.join("a.so")).unwrap();
        assert_eq!(section(open(), DESCRIPTION).unwrap(), b"words");
        assert!(section(open(), ".absent").unwrap_err().to_string().contains(".absent"));
        assert!(section(File::open(folder.join("a.s")).unwrap(), DESCRIPTION).is_err());
        // And the stand-in made of it says the same.
        let real = folder.join("real, and far/libaula.so");
        std::fs::create_dir_all(folder.join("fresh")).unwrap();
        stand_in(&folder.join("a.so"), &real, &folder.join("fresh")).unwrap();
        let made = std::fs::read(folder.join("fresh/libaula.so")).unwrap();
        assert_eq!(section(std::io::Cursor::new(&made), DESCRIPTION).unwrap(), b"words");
        let name = real.as_os_str().as_encoded_bytes();
        assert!(made.windows(name.len()).any(|part| part == name), "the real library's path is its name");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
