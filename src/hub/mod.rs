//! A model's name to its files: a folder, a model that ships with the course, or one of the Hugging Face Hub.
//!
//! What is in the cache is used as it is, with no network: a class downloads a model once.

mod download;
mod places;
#[cfg(test)]
mod tests;
mod torch;
mod weights;

use crate::error::{Error, ErrorKind, Result};
use crate::table::similar::{listed, similar};
use places::Places;
use std::path::{Path, PathBuf};
pub use weights::load_weights;

/// Most names that a message lists.
const LISTED: usize = 8;

/// The folder that holds the model's `config.json`, weights, and `tokenizer.json` or what there was before it.
///
/// `name` is, in this order, the path of a folder, a model of [`shipped_models`], or a name `org/name` of the Hub,
/// which is downloaded once into the cache that other tools use too. `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
/// `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean everywhere.
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
        Some(name) => on_the_hub(&name, places),
        None => Err(unknown(name, places)),
    }
}

fn on_the_hub(name: &str, places: &Places) -> Result<PathBuf> {
    if let Some(folder) = places.cached_folder(name).filter(|folder| weights::check(folder).is_ok()) {
        return Ok(folder);
    }
    if places.offline {
        return Err(Error::new(
            ErrorKind::NotFound,
            tr!(
                "«{name}» no está en la caché, y HF_HUB_OFFLINE pide no usar la red.",
                "\"{name}\" is not in the cache, and HF_HUB_OFFLINE asks for no network."
            ),
        )
        .next(alternatives(places)));
    }
    download::reachable(places)?;
    let folder = download::download(name, places)?;
    weights::check(&folder)?;
    Ok(folder)
}

/// `org/name`, also where the reader pasted the address of the model's page.
fn hub_name(name: &str, endpoint: &str) -> Option<String> {
    let pasted = ["https://huggingface.co/", "https://hf.co/", &format!("{}/", endpoint.trim_end_matches('/'))]
        .iter()
        .find_map(|address| name.strip_prefix(*address));
    let path = pasted.unwrap_or(name);
    let path = if pasted.is_some() { path.split("/tree/").next().unwrap_or_default() } else { path };
    let (org, model) = path.trim_end_matches('/').split_once('/')?;
    let good = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(known)
            && !part.contains("..")
    };
    (good(org) && good(model)).then(|| format!("{org}/{model}"))
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
