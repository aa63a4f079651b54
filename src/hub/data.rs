//! Data sets of the Hub as tables: which of their files hold a split, and how they become one table.

use super::asked::{Asked, File};
use super::places::Places;
use super::refusal::failed;
use super::{download, hub_name, LISTED};
use crate::error::{Error, ErrorKind, Result};
use crate::table::{listed, Table};
use hf_hub::RepoType;
use std::collections::{BTreeMap, BTreeSet};

/// Endings of the files that a table is read from.
const ENDINGS: [&str; 6] = ["parquet", "csv", "tsv", "jsonl", "ndjson", "json"];
/// Words in a file's path that say which split it is of, and the split's name.
const SPLITS: [(&str, &str); 8] = [
    ("train", "train"),
    ("training", "train"),
    ("test", "test"),
    ("testing", "test"),
    ("validation", "validation"),
    ("valid", "validation"),
    ("val", "validation"),
    ("dev", "validation"),
];
/// Where the Hub keeps what it made of a data set of other files by itself.
const CONVERTED: &str = "refs/convert/parquet";

impl Table {
    /// The `split` (`"train"`, `"test"`, `"validation"`) of the data set `name` (`org/name`) of the Hub, from its
    /// Parquet, CSV or JSON Lines files, or from those that the Hub made of others.
    ///
    /// Where a data set has parts (languages, versions), the part stands before the split: `"es/train"`. The files are
    /// downloaded once into the cache that other tools use too; after that no network is needed.
    ///
    /// # Errors
    /// When there is no such data set or split (with those there are), the Hub refuses it or cannot be reached, or a
    /// file cannot be read.
    pub fn from_hub(name: &str, split: &str) -> Result<Table> {
        from_hub(name, split, &Places::from_env())
    }
}

pub(super) fn from_hub(name: &str, split: &str, places: &Places) -> Result<Table> {
    let name = name.trim();
    let plain = name.replacen("/datasets/", "/", 1);
    let plain = plain.strip_prefix("datasets/").unwrap_or(&plain);
    let Some((name, revision)) = hub_name(plain, &places.endpoint) else {
        let what = tr!("«{name}» no es un nombre del Hub.", "\"{name}\" is no name of the Hub.");
        return Err(Error::new(ErrorKind::NotFound, what).next(tr!(
            "Escribe organización/nombre; un archivo tuyo se lee con Table::read.",
            "Write organization/name; a file of yours is read by Table::read."
        )));
    };
    let asked = Asked { name, revision, kind: RepoType::Dataset };
    if let Some(table) = from_cache(&asked, split, places)? {
        return Ok(table);
    }
    let converted = Asked { revision: CONVERTED.into(), ..asked.clone() };
    if let Some(table) = from_cache(&converted, split, places)? {
        return Ok(table);
    }
    let net = download::online(&asked.name, places)?;
    let listing = asked.listing(&net, places).map_err(|trouble| failed(trouble, &asked, &net, places))?;
    let mut from = (asked.clone(), listing);
    if parts(&from.1.files).is_empty() {
        let listing = converted.listing(&net, places).map_err(|_| no_files(&asked, &from.1.files))?;
        from = (converted, listing);
    }
    let (asked, listing) = from;
    let files = chosen(&asked.name, split, &listing.files)?;
    let folder = download::fetch(&asked, &listing, &files, &net, places)?;
    read(&folder, &files)
}

/// The split from what is on this disk, if all of it is.
fn from_cache(asked: &Asked, split: &str, places: &Places) -> Result<Option<Table>> {
    let Some((listing, folder)) = asked.remembered(places).zip(places.cached_folder(&asked.repo())) else {
        return Ok(None);
    };
    if !folder.ends_with(&listing.commit) {
        return Ok(None);
    }
    let Ok(files) = chosen(&asked.name, split, &listing.files) else { return Ok(None) };
    match files.iter().all(|file| folder.join(&file.name).exists()) {
        true => read(&folder, &files).map(Some),
        false => Ok(None),
    }
}

fn read(folder: &std::path::Path, files: &[File]) -> Result<Table> {
    let mut whole: Option<Table> = None;
    for file in files {
        let table = Table::read(&folder.join(&file.name).to_string_lossy())?;
        whole = Some(match whole {
            Some(before) => before.append(&table)?,
            None => table,
        });
    }
    whole.ok_or_else(|| Error::new(ErrorKind::NotFound, tr!("No hay archivos.", "There are no files.")))
}

/// The files of each part and split: `("", "train")`, `("es", "test")`.
fn parts(files: &[File]) -> BTreeMap<(String, String), Vec<File>> {
    let mut parts: BTreeMap<(String, String), Vec<File>> = BTreeMap::new();
    for file in files {
        let ending = file.name.rsplit_once('.').map(|(_, ending)| ending.to_lowercase()).unwrap_or_default();
        if ENDINGS.contains(&ending.as_str()) && !is_about(&file.name) {
            parts.entry(part_of(&file.name)).or_default().push(file.clone());
        }
    }
    // The same rows in two forms are read once: Parquet first.
    for files in parts.values_mut() {
        let rank = |file: &File| ENDINGS.iter().position(|ending| file.name.to_lowercase().ends_with(ending));
        let best = files.iter().filter_map(rank).min();
        files.retain(|file| rank(file) == best);
        files.sort_by(|a, b| a.name.cmp(&b.name));
    }
    parts
}

/// Files that are about the data set and hold none of its rows.
fn is_about(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or_default();
    ["dataset_infos.json", "dataset_info.json", "state.json", "package.json"].contains(&file) || file.starts_with('.')
}

/// `data/train-00000-of-00001.parquet` is of `("", "train")`, `es/test.csv` of `("es", "test")`.
fn part_of(name: &str) -> (String, String) {
    let words =
        |text: &str| text.to_lowercase().split(|c: char| !c.is_alphabetic()).map(String::from).collect::<Vec<_>>();
    let split = |text: &str| {
        let words = words(text);
        SPLITS.iter().find(|(word, _)| words.iter().any(|w| w == word)).map(|(_, split)| split.to_string())
    };
    let (folders, file) = name.rsplit_once('/').unwrap_or(("", name));
    let in_folder = folders.split('/').rev().find_map(split);
    let split_name = split(file).or(in_folder).unwrap_or_else(|| "train".into());
    let part = folders.split('/').find(|folder| !["", "data", "default"].contains(folder) && split(folder).is_none());
    (part.unwrap_or_default().to_string(), split_name)
}

/// The files of `split`, or of `part/split`.
fn chosen(name: &str, split: &str, files: &[File]) -> Result<Vec<File>> {
    let parts = parts(files);
    let (part, split) = split.trim().rsplit_once('/').unwrap_or(("", split.trim()));
    let split = SPLITS.iter().find(|(word, _)| split.eq_ignore_ascii_case(word)).map_or(split, |(_, split)| split);
    if let Some(files) = parts.get(&(part.to_string(), split.to_string())) {
        return Ok(files.clone());
    }
    let with: Vec<&(String, String)> = parts.keys().filter(|(_, has)| has == split).collect();
    if let (true, [only]) = (part.is_empty(), with.as_slice()) {
        return Ok(parts[*only].clone());
    }
    let there: BTreeSet<String> = parts
        .keys()
        .map(|(part, split)| if part.is_empty() { split.clone() } else { format!("{part}/{split}") })
        .collect();
    let asked = if part.is_empty() { split.to_string() } else { format!("{part}/{split}") };
    let there = listed(&there.into_iter().collect::<Vec<_>>(), 2 * LISTED);
    Err(Error::new(
        ErrorKind::NotFound,
        tr!("«{name}» no tiene la parte «{asked}».", "\"{name}\" has no split \"{asked}\"."),
    )
    .next(tr!("Tiene: {there}. Escribe una de ellas.", "It has: {there}. Write one of them.")))
}

fn no_files(asked: &Asked, files: &[File]) -> Error {
    let name = &asked.name;
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let (has, endings) = (listed(&names, LISTED), ENDINGS.join(", "));
    Error::new(
        ErrorKind::BadData,
        tr!("«{name}» no trae tablas que se puedan leer ({endings}).", "\"{name}\" has no tables to read ({endings})."),
    )
    .why(tr!("Sus archivos: {has}", "Its files: {has}"))
    .next(tr!(
        "Busca otro conjunto de datos, o descarga el archivo y ábrelo con Table::read.",
        "Look for another data set, or download the file and open it with Table::read."
    ))
}

/// What the Hub told of a data set, for tests.
#[cfg(test)]
pub(super) fn parts_of(listing: &[&str]) -> Vec<(String, String, usize)> {
    let files: Vec<File> = listing.iter().map(|name| File { name: name.to_string(), ..File::default() }).collect();
    parts(&files).into_iter().map(|((part, split), files)| (part, split, files.len())).collect()
}
