//! From the Hub to the cache: which files of a model, one after the other, with progress.

use super::asked::{Asked, File, Listing};
use super::net::Net;
use super::places::Places;
use super::refusal::failed;
use super::torch::BIN;
use super::transfer::Transfer;
use super::{alternatives, LISTED};
use crate::error::{Error, ErrorKind, Result};
use crate::show::Progress;
use crate::sys::io_error;
use crate::table::listed;
use crate::vocab::OLDER_FILES;
use std::path::PathBuf;

/// Small files that are fetched where a model has them.
const WANTED: [&str; 10] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
    "preprocessor_config.json",
];
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A client for the Hub, where the reader allows one.
pub(super) fn online(asked: &str, places: &Places) -> Result<Net> {
    if !places.offline {
        return Ok(Net::new(places));
    }
    Err(Error::new(
        ErrorKind::NotFound,
        tr!(
            "«{asked}» no está en la caché, y HF_HUB_OFFLINE pide no usar la red.",
            "\"{asked}\" is not in the cache, and HF_HUB_OFFLINE asks for no network."
        ),
    )
    .next(alternatives(places)))
}

/// Downloads what is not yet in the cache of the model `asked`, and gives its folder.
pub(super) fn download(asked: &Asked, places: &Places) -> Result<PathBuf> {
    let net = online(&asked.name, places)?;
    let listing = asked.listing(&net, places).map_err(|trouble| failed(trouble, asked, &net, places))?;
    let wanted = wanted(&listing).ok_or_else(|| no_weights(&asked.name, &listing.files))?;
    fetch(asked, &listing, &wanted, &net, places)
}

/// The model's files that are fetched, its weights last: where they are, the rest is too.
pub(super) fn wanted(listing: &Listing) -> Option<Vec<File>> {
    let mut names: Vec<&str> = WANTED.to_vec();
    if !listing.has("tokenizer.json") {
        names.extend(OLDER_FILES.iter().copied().flatten().copied());
    }
    let weights = |file: &&File| match (listing.has(SINGLE), listing.has(INDEX)) {
        (true, _) => file.name == SINGLE,
        (_, true) => file.name == INDEX || is_shard(&file.name),
        _ => file.name == BIN,
    };
    let small = listing.files.iter().filter(|file| names.contains(&file.name.as_str()));
    let weights: Vec<&File> = listing.files.iter().filter(weights).collect();
    (!weights.is_empty()).then(|| small.chain(weights).cloned().collect())
}

/// Brings these files into the cache, and gives the folder of the commit.
pub(super) fn fetch(asked: &Asked, listing: &Listing, files: &[File], net: &Net, places: &Places) -> Result<PathBuf> {
    let cache = places.in_cache(&asked.repo());
    let folder = cache.pointer_path(&listing.commit);
    let missing: Vec<&File> = files.iter().filter(|file| !folder.join(&file.name).exists()).collect();
    let total: u64 = missing.iter().map(|file| file.size).sum();
    let name = &asked.name;
    let mut progress = Progress::start(&tr!("Descargando {name}", "Downloading {name}"), megabytes(total));
    let transfer = Transfer { net, places, asked, commit: &listing.commit };
    let mut before = 0;
    for file in &missing {
        let note = format!("MB · {}", file.name);
        transfer.fetch(file, &mut |bytes| progress.update(megabytes(before + bytes), &note))?;
        before += file.size;
    }
    match missing.is_empty() {
        true => progress.end("MB"),
        false => progress.finish("MB"),
    }
    // Only now: an older commit that is whole stays in use until the new one is.
    if asked.revision != listing.commit {
        let unwritten = |error: std::io::Error| io_error(&places.cache, "escribir en", "write in", &error);
        cache.create_ref(&listing.commit).map_err(unwritten)?;
    }
    asked.remember(listing, places);
    Ok(folder)
}

fn megabytes(bytes: u64) -> usize {
    bytes.div_ceil(1_000_000) as usize
}

/// `model-00001-of-00002.safetensors`
fn is_shard(file: &str) -> bool {
    file.starts_with("model-") && file.ends_with(".safetensors") && !file.contains('/')
}

fn no_weights(name: &str, files: &[File]) -> Error {
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let has = listed(&names, LISTED);
    Error::new(ErrorKind::BadModel, tr!("«{name}» no trae model.safetensors.", "\"{name}\" has no model.safetensors."))
        .why(tr!("Sus archivos: {has}", "Its files: {has}"))
        .next(tr!(
            "Busca otra versión del modelo en safetensors (no GGUF ni ONNX).",
            "Look for another version of the model in safetensors (not GGUF or ONNX)."
        ))
}
