//! From a path to its bytes, and from bytes to text: everything that can be wrong with a file before it is a table.

use super::similar::{listed, similar};
use crate::error::{Error, ErrorKind, Result};
use crate::show::say;
use std::path::{Path, PathBuf};

/// First words of the little text file that Git leaves where Git LFS keeps the real one.
pub(crate) const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// The bytes of the file at `path`.
///
/// # Errors
/// When it is not there, is a folder, is empty, may not be read, or is a Git LFS pointer.
pub(super) fn bytes(path: &str) -> Result<Vec<u8>> {
    let file = Path::new(path);
    if file.is_dir() {
        return Err(a_folder(path));
    }
    if !file.exists() {
        return Err(not_there(path));
    }
    let bytes = std::fs::read(file).map_err(|error| {
        Error::new(
            ErrorKind::System,
            tr!("El archivo «{path}» no se pudo leer.", "The file \"{path}\" could not be read."),
        )
        .why(error)
    })?;
    if bytes.is_empty() {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!("El archivo «{path}» está vacío: tiene 0 bytes.", "The file \"{path}\" is empty: it has 0 bytes."),
        )
        .next(tr!(
            "Revisa si la descarga o la copia terminó.",
            "Check whether the download or the copy was finished."
        )));
    }
    if bytes.starts_with(LFS_POINTER) {
        return Err(lfs_pointer(path));
    }
    Ok(bytes)
}

/// The error for a Git LFS pointer where the file `path` should be.
pub(crate) fn lfs_pointer(path: &str) -> Error {
    Error::new(
        ErrorKind::BadData,
        tr!(
            "«{path}» no es el archivo: es la seña que Git LFS deja en su lugar.",
            "\"{path}\" is not the file: it is the pointer that Git LFS leaves in its place."
        ),
    )
    .next(tr!(
        "En una terminal, dentro de esa carpeta, ejecuta: git lfs install && git lfs pull",
        "In a terminal, inside that folder, run: git lfs install && git lfs pull"
    ))
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn a_folder(path: &str) -> Error {
    let error = Error::new(
        ErrorKind::BadData,
        tr!("«{path}» es una carpeta, no un archivo.", "\"{path}\" is a folder, not a file."),
    );
    let names = names_in(Path::new(path));
    if names.is_empty() {
        return error.next(tr!("Escribe la ruta de un archivo.", "Write the path of a file."));
    }
    let inside = listed(&names, 6);
    error.next(tr!(
        "Escribe también el nombre del archivo. Dentro hay: {inside}",
        "Add the file's name. Inside: {inside}"
    ))
}

fn not_there(path: &str) -> Error {
    let here = std::env::current_dir().unwrap_or_default();
    let here = here.display();
    let error = Error::new(ErrorKind::NotFound, tr!("No existe el archivo «{path}».", "There is no file \"{path}\"."))
        .why(tr!("Se buscó desde la carpeta «{here}».", "It was looked for from the folder \"{here}\"."));
    if path.starts_with('~') {
        let home = std::env::var("HOME").unwrap_or_else(|_| "/home/...".into());
        return error.next(tr!(
            "Aquí «~» no se entiende: escribe la ruta entera, por ejemplo {home}/...",
            "\"~\" is not understood here: write the whole path, for example {home}/..."
        ));
    }
    let folder = match Path::new(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if !folder.is_dir() {
        let folder = folder.display();
        return error.next(tr!(
            "Tampoco existe la carpeta «{folder}»: revisa la ruta.",
            "The folder \"{folder}\" does not exist either: check the path."
        ));
    }
    let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
    let names = names_in(&folder);
    let alike = similar(&name, &names, 3);
    let (alike, names) = (listed(&alike, 3), listed(&names, 6));
    error.next(match (alike.is_empty(), names.is_empty()) {
        (false, _) => tr!("Nombres parecidos en esa carpeta: {alike}", "Similar names in that folder: {alike}"),
        (true, false) => tr!("En esa carpeta hay: {names}", "That folder has: {names}"),
        (true, true) => tr!("Esa carpeta está vacía.", "That folder is empty."),
    })
}

/// What the bytes are when they are no text, in words, and what to do about it.
fn binary(bytes: &[u8]) -> Option<(String, String)> {
    let as_csv = || {
        tr!(
            "Ábrelo en tu hoja de cálculo y guárdalo como CSV (UTF-8).",
            "Open it in your spreadsheet program and save it as CSV (UTF-8)."
        )
    };
    let as_text = || tr!("Guarda su texto en un archivo .txt.", "Save its text in a .txt file.");
    let unpack = || tr!("Descomprímelo antes.", "Unpack it first.");
    let other =
        || tr!("Elige un archivo CSV, JSONL, Parquet o de texto.", "Choose a CSV, JSONL, Parquet or text file.");
    let image = || tr!("una imagen", "an image");
    let contains = |word: &[u8]| bytes.windows(word.len()).take(1 << 20).any(|window| window == word);
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(match () {
            () if contains(b"xl/") => (tr!("un libro de Excel (.xlsx)", "an Excel workbook (.xlsx)"), as_csv()),
            () if contains(b"word/") => (tr!("un documento de Word (.docx)", "a Word document (.docx)"), as_text()),
            () if contains(b"opendocument.spreadsheet") => {
                (tr!("una hoja de LibreOffice", "a LibreOffice sheet"), as_csv())
            }
            () => (tr!("un archivo ZIP", "a ZIP file"), unpack()),
        });
    }
    let table: [(&[u8], String, String); 13] = [
        (b"\x89PNG", format!("{} PNG", image()), other()),
        (b"\xff\xd8\xff", format!("{} JPEG", image()), other()),
        (b"GIF8", format!("{} GIF", image()), other()),
        (b"%PDF", tr!("un PDF", "a PDF"), as_text()),
        (
            b"\xd0\xcf\x11\xe0",
            tr!("un documento viejo de Office (.xls, .doc)", "an old Office document (.xls, .doc)"),
            as_csv(),
        ),
        (b"\x1f\x8b", tr!("un archivo comprimido (gzip)", "a compressed file (gzip)"), unpack()),
        (b"\x28\xb5\x2f\xfd", tr!("un archivo comprimido (zstd)", "a compressed file (zstd)"), unpack()),
        (b"BZh", tr!("un archivo comprimido (bzip2)", "a compressed file (bzip2)"), unpack()),
        (b"7z\xbc\xaf", tr!("un archivo comprimido (7z)", "a compressed file (7z)"), unpack()),
        (b"Rar!", tr!("un archivo comprimido (RAR)", "a compressed file (RAR)"), unpack()),
        (b"SQLite format 3\0", tr!("una base de datos SQLite", "an SQLite database"), other()),
        (b"ARROW1", tr!("un archivo Arrow", "an Arrow file"), other()),
        (b"GGUF", tr!("un modelo GGUF", "a GGUF model"), other()),
    ];
    if let Some((_, name, advice)) = table.into_iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Some((name, advice));
    }
    let start = &bytes[..bytes.len().min(8_192)];
    start.contains(&0).then(|| (tr!("un archivo binario", "a binary file"), other()))
}

/// The bytes as text: UTF-8, UTF-16 with its mark, or Windows-1252 (of which Latin-1 is a part).
///
/// One line says so when the text had to be converted.
///
/// # Errors
/// When the bytes are no text.
pub(super) fn text(path: &str, bytes: Vec<u8>) -> Result<String> {
    let utf16 = match bytes.get(..2) {
        Some(b"\xff\xfe") => Some(encoding_rs::UTF_16LE),
        Some(b"\xfe\xff") => Some(encoding_rs::UTF_16BE),
        _ => None,
    };
    if let Some(encoding) = utf16 {
        say(&tr!(
            "«{path}» está en UTF-16: se convirtió a UTF-8.",
            "\"{path}\" is in UTF-16: it was converted to UTF-8."
        ));
        return Ok(encoding.decode(&bytes).0.into_owned());
    }
    if let Some((name, advice)) = binary(&bytes) {
        return Err(Error::new(
            ErrorKind::BadData,
            tr!("«{path}» no es texto: parece {name}.", "\"{path}\" is not text: it looks like {name}."),
        )
        .next(advice));
    }
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => not_utf8(path, error.as_bytes()),
    };
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// Text with broken UTF-8, line by line: a line that is right stays; one with good letters beside the broken ones loses
/// only these; any other is Windows-1252. One file may hold both, put together from two.
fn not_utf8(path: &str, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 16);
    let (mut utf8, mut windows, mut lost) = (0, Vec::new(), 0);
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if let Ok(right) = std::str::from_utf8(line) {
            utf8 += usize::from(!line.is_ascii());
            text.push_str(right);
            continue;
        }
        let lossy = String::from_utf8_lossy(line);
        let broken = lossy.matches('\u{fffd}').count();
        let good = lossy.chars().filter(|c| !c.is_ascii()).count() - broken;
        if good > broken {
            lost += broken;
            text.push_str(&lossy);
        } else {
            windows.push((number + 1).to_string());
            text.push_str(&encoding_rs::WINDOWS_1252.decode_without_bom_handling(line).0);
        }
    }
    if lost > 0 {
        say(&tr!(
            "«{path}», caracteres ilegibles: {lost}. En su lugar queda el signo �.",
            "\"{path}\", unreadable characters: {lost}. The sign � stands in their place."
        ));
    }
    let (lines, which) = (windows.len(), listed(&windows, 5));
    match (lines, utf8 + lost) {
        (0, _) => {}
        (_, 0) => say(&tr!(
            "«{path}» no está en UTF-8: se convirtió desde Windows-1252 (Latin-1).",
            "\"{path}\" is not in UTF-8: it was converted from Windows-1252 (Latin-1)."
        )),
        _ => say(&tr!(
            "«{path}» mezcla dos codificaciones: {lines} líneas están en Windows-1252 y se convirtieron; el resto está en UTF-8. Líneas: {which}",
            "\"{path}\" mixes two encodings: {lines} lines are in Windows-1252 and were converted; the rest is in UTF-8. Lines: {which}"
        )),
    }
    text
}
