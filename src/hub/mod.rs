//! A model's name to its files: a folder, a model that ships with the course, or one of the Hugging Face Hub.
//!
//! What is in the cache is used as it is, with no network: a class downloads a model once.

mod asked;
mod audit;
mod card;
mod connect;
mod data;
mod describe;
mod download;
#[cfg(test)]
#[path = "../../tests/fake_hub/mod.rs"]
mod fake_hub;
mod machine;
mod net;
mod places;
mod refusal;
mod search;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_describe;
#[cfg(test)]
mod tests_transfer;
mod torch;
mod transfer;
mod weights;

use crate::error::{Error, ErrorKind, Result};
use crate::table::similar::{listed, similar};
use asked::Asked;
pub use audit::{network_audit, NetworkAudit};
pub use describe::{describe, ModelInfo};
pub use places::home;
use places::Places;
pub use search::{available, search, Search};
use std::path::{Path, PathBuf};
pub use weights::load_weights;

/// Most names that a message lists.
const LISTED: usize = 8;

/// The folder that holds the model's `config.json`, weights, and `tokenizer.json` or what there was before it.
///
/// `name` is, in this order, the path of a folder, a model of [`shipped_models`], or a name `org/name` of the Hub,
/// which is downloaded once into the cache that other tools use too; `org/name@revision` is a branch, a tag or a commit of
/// it. `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
/// `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean everywhere; the token may also stand in a file `.env`, which git
/// ignores.
///
/// # Errors
/// When there is no such model, its folder is not complete, or the Hub refuses it or cannot be reached.
pub fn model_files(name: &str) -> Result<PathBuf> {
    find(name, &Places::from_env())
}

/// The names of the models that ship with the course.
pub fn shipped_models() -> Vec<String> {
    Places::from_env().shipped()
}

fn find(name: &str, places: &Places) -> Result<PathBuf> {
    let name = name.trim();
    let shipped = places.shipped_folder(name).filter(|folder| folder.join("config.json").is_file());
    let shipped = shipped.or_else(|| places.packaged_folder(name));
    let folder = Path::new(name);
    if !name.is_empty() && folder.is_dir() && (shipped.is_none() || folder.join("config.json").is_file()) {
        weights::check(folder)?;
        return Ok(folder.to_path_buf());
    }
    if let Some(folder) = shipped {
        weights::check(&folder)?;
        return Ok(folder);
    }
    match hub_name(name, &places.endpoint) {
        Some((name, revision)) => on_the_hub(&Asked::model(&name, &revision), places),
        None => Err(unknown(name, places)),
    }
}

fn on_the_hub(asked: &Asked, places: &Places) -> Result<PathBuf> {
    if let Some(folder) = places.whole_folder(&asked.repo()) {
        return Ok(folder);
    }
    let folder = download::download(asked, places)?;
    weights::check(&folder)?;
    Ok(folder)
}

/// `org/name` and the revision, also where the reader pasted the address of the model's page.
fn hub_name(name: &str, endpoint: &str) -> Option<(String, String)> {
    let pasted = ["https://huggingface.co/", "https://hf.co/", &format!("{endpoint}/")]
        .iter()
        .find_map(|address| name.strip_prefix(*address));
    let (path, revision) = match (pasted, pasted.unwrap_or(name).split_once('@')) {
        (Some(page), None) => page.trim_end_matches('/').split_once("/tree/").unwrap_or((page, "main")),
        (None, None) => (name, "main"),
        (_, Some((path, revision))) => (path, revision),
    };
    let (org, model) = path.trim_end_matches('/').split_once('/')?;
    let good = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(known)
            && !part.contains("..")
    };
    let revision = revision.trim_end_matches('/');
    (good(org) && good(model) && revision.split('/').all(good)).then(|| (format!("{org}/{model}"), revision.into()))
}

fn unknown(name: &str, places: &Places) -> Error {
    let error = Error::new(ErrorKind::NotFound, tr!("No hay ningún modelo «{name}».", "There is no model \"{name}\"."));
    let known = [places.shipped(), places.cached()].concat();
    let error = match name.starts_with(['/', '.', '~']) || name.contains('\\') {
        true => error.why(tr!("Esa carpeta no existe.", "That folder does not exist.")),
        false => error.why(tr!(
            "No es una carpeta, ni un modelo del curso, ni un nombre del Hub (organización/nombre).",
            "It is no folder, no model of the course, and no name of the Hub (organization/name)."
        )),
    };
    let near = similar(name, &known, 1);
    error.next(match near.first() {
        Some(near) => tr!("¿Quisiste decir «{near}»? ", "Did you mean \"{near}\"? ") + &alternatives(places),
        None => alternatives(places),
    })
}

/// What can be used with no network.
fn alternatives(places: &Places) -> String {
    let (shipped, cached) = (listed(&places.shipped(), LISTED), listed(&places.cached(), LISTED));
    let course = match shipped.is_empty() {
        true => tr!("No se encontraron los modelos del curso.", "The models of the course were not found."),
        false => tr!("Modelos del curso: {shipped}.", "Models of the course: {shipped}."),
    };
    match cached.is_empty() {
        true => course,
        false => course + &tr!(" Ya descargados: {cached}.", " Already downloaded: {cached}."),
    }
}
