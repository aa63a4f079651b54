//! What a model is and asks for, before it is downloaded: size, licence, task, and whether it fits this machine.

use super::asked::Asked;
use super::card::Card;
use super::machine::{free_memory, operations_per_second};
use super::places::Places;
use super::refusal::failed;
use super::{download, hub_name, unknown};
use crate::error::Result;
use crate::show::{display, duration, html_table, plain_table};
use crate::table::count;
use std::fmt;
use std::path::Path;

/// Texts of an epoch whose time is told, and tokens of each.
const EPOCH: (u64, u64) = (1_000, 64);
/// Texts side by side, for the memory of training.
const BATCH: u64 = 8;

/// A model in numbers. `None` is what nobody tells.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// As it was asked for.
    pub name: String,
    /// `folder`, `course`, `cache` or `hub`.
    pub place: String,
    /// `llama`, `bert`, ...: what its `config.json` calls it.
    pub family: Option<String>,
    /// The Hub's name for what it does: `text-generation`, `fill-mask`, ...
    pub task: Option<String>,
    /// Codes such as `es`.
    pub languages: Vec<String>,
    /// The licence, by its short name.
    pub licence: Option<String>,
    /// Its terms must be accepted on its page first.
    pub gated: bool,
    /// How many numbers it has learned.
    pub parameters: Option<u64>,
    /// Bytes on disk, of the files that are used.
    pub disk_bytes: u64,
    /// Bytes in memory to use it: 4 for each parameter.
    pub memory_bytes: Option<u64>,
    /// Bytes in memory to train all of it: 16 for each parameter (itself, its gradient, two of AdamW), and what 8 texts
    /// of 64 tokens leave behind in each layer.
    pub training_bytes: Option<u64>,
    /// Bytes that programs can still take on this machine.
    pub free_bytes: Option<u64>,
    /// Seconds of an epoch of 1,000 texts of 64 tokens, all weights trained: the least that the machine's measured
    /// speed allows; the real one takes longer.
    pub epoch_seconds: Option<f64>,
}

/// Describes the model `name` without downloading it: size on disk and in memory, licence, task, languages, whether it
/// fits this machine, and the time of an epoch.
///
/// What ships with the course or is in the cache needs no network.
///
/// # Errors
/// When there is no such model, or the Hub refuses it or cannot be reached.
pub fn describe(name: &str) -> Result<ModelInfo> {
    describe_in(name, &Places::from_env())
}

pub(super) fn describe_in(name: &str, places: &Places) -> Result<ModelInfo> {
    let name = name.trim();
    let local = places.shipped_folder(name).filter(|folder| folder.join("config.json").is_file());
    if let Some(folder) = local.or_else(|| places.packaged_folder(name)) {
        let course = Card { licence: places.licence_of(name), ..Card::default() };
        return Ok(ModelInfo::new(name, "course", Card::read(&folder).or(course)));
    }
    if !name.is_empty() && Path::new(name).join("config.json").is_file() {
        return Ok(ModelInfo::new(name, "folder", Card::read(Path::new(name))));
    }
    let (org_name, revision) = hub_name(name, &places.endpoint).ok_or_else(|| unknown(name, places))?;
    let asked = Asked::model(&org_name, &revision);
    if let Some(folder) = places.whole_folder(&asked.repo()) {
        let told = asked.remembered(places).map(|listing| Card::told(&listing, &[])).unwrap_or_default();
        return Ok(ModelInfo::new(name, "cache", Card { disk: 0, ..told }.or(Card::read(&folder))));
    }
    let net = download::online(&org_name, places)?;
    let listing = asked.listing(&net, places).map_err(|trouble| failed(trouble, &asked, &net, places))?;
    let files = download::wanted(&listing).unwrap_or_else(|| listing.files.clone());
    Ok(ModelInfo::new(name, "hub", Card::told(&listing, &files)))
}

impl ModelInfo {
    fn new(name: &str, place: &str, card: Card) -> Self {
        let number = |names: &[&str]| names.iter().find_map(|name| card.config[*name].as_u64());
        let hidden = number(&["hidden_size", "n_embd", "dim", "d_model"]);
        let layers = number(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"]);
        let vocab = number(&["vocab_size"]);
        // What a layer keeps of a token for its backward pass: 34 numbers of 2 bytes for each of `hidden`, here of 4
        // (Korthikanti et al. 2022, "Reducing Activation Recomputation", without the part of long texts).
        let kept = hidden.zip(layers).map_or(0, |(hidden, layers)| 68 * hidden * layers * BATCH * EPOCH.1);
        // A token meets each parameter once, but only one row of the embeddings; a decoder's head uses all of them.
        let decoder = card.task.as_deref().is_some_and(|task| task == "text-generation");
        let looked_up = hidden.zip(vocab).filter(|_| !decoder).map_or(0, |(hidden, vocab)| hidden * vocab);
        let used = card.parameters.map(|parameters| parameters.saturating_sub(looked_up));
        // 2 for each number and token forward, 4 back.
        let work = used.map(|used| 6.0 * used as f64 * (EPOCH.0 * EPOCH.1) as f64);
        Self {
            name: name.to_string(),
            place: place.to_string(),
            family: card.config["model_type"].as_str().map(String::from),
            task: card.task,
            languages: card.languages,
            licence: card.licence,
            gated: card.gated,
            parameters: card.parameters,
            disk_bytes: card.disk,
            memory_bytes: card.parameters.map(|parameters| 4 * parameters),
            training_bytes: card.parameters.map(|parameters| 16 * parameters + kept),
            free_bytes: free_memory(),
            epoch_seconds: work.zip(operations_per_second()).map(|(work, speed)| work / speed),
        }
    }

    /// True when this machine has the memory to use the model.
    pub fn fits(&self) -> bool {
        fits(self.memory_bytes, self.free_bytes)
    }

    /// True when this machine has the memory to train all its weights. With `add_lora` less is enough.
    pub fn fits_training(&self) -> bool {
        fits(self.training_bytes, self.free_bytes)
    }

    /// Shows the model as a table in a notebook's cell.
    pub fn evcxr_display(&self) {
        display(&html_table(&self.headers(), &self.rows(), ""), &self.to_string());
    }

    fn headers(&self) -> Vec<String> {
        vec![tr!("modelo", "model"), self.name.clone()]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| tr!("no lo dice", "it does not say"));
        let place = match self.place.as_str() {
            "folder" => tr!("una carpeta", "a folder"),
            "course" => tr!("viene con el curso", "ships with the course"),
            "cache" => tr!("ya descargado", "already downloaded"),
            _ => tr!("en el Hub, sin descargar", "on the Hub, not downloaded"),
        };
        let gated = match self.gated {
            true => tr!("sí: acepta sus condiciones en su página", "yes: accept its terms on its page"),
            false => tr!("no", "no"),
        };
        let languages = Some(self.languages.join(", ")).filter(|list| !list.is_empty());
        let bytes = |bytes: Option<u64>| or_unknown(bytes.map(in_bytes));
        let texts = EPOCH.0;
        let epoch = self.epoch_seconds.map(|seconds| {
            let time = if seconds < 1.0 { tr!("1 s", "1 s") } else { duration(seconds) };
            tr!("al menos {time}", "at least {time}")
        });
        [
            (tr!("está", "where"), place),
            (tr!("familia", "family"), or_unknown(self.family.clone())),
            (tr!("tarea", "task"), or_unknown(self.task.clone())),
            (tr!("idiomas", "languages"), or_unknown(languages)),
            (tr!("licencia", "licence"), or_unknown(self.licence.clone())),
            (tr!("pide permiso", "gated"), gated),
            (tr!("parámetros", "parameters"), or_unknown(self.parameters.map(|n| count(n as usize)))),
            (tr!("en disco", "on disk"), in_bytes(self.disk_bytes)),
            (tr!("memoria para usarlo", "memory to use it"), bytes(self.memory_bytes)),
            (tr!("memoria para entrenarlo entero", "memory to train all of it"), bytes(self.training_bytes)),
            (tr!("memoria libre aquí", "memory free here"), bytes(self.free_bytes)),
            (tr!("¿cabe en esta máquina?", "does it fit this machine?"), self.verdict()),
            (
                tr!("una época de {texts} textos de 64 tokens", "an epoch of {texts} texts of 64 tokens"),
                or_unknown(epoch),
            ),
        ]
        .map(|(name, value)| vec![name, value])
        .to_vec()
    }

    fn verdict(&self) -> String {
        match (self.memory_bytes.zip(self.free_bytes), self.fits(), self.fits_training()) {
            (None, ..) => tr!("no se sabe", "nobody knows"),
            (_, _, true) => tr!("sí, para usarlo y para entrenarlo", "yes, to use it and to train it"),
            (_, true, _) => tr!(
                "para usarlo sí; para entrenarlo, con adaptadores (add_lora)",
                "yes to use it; to train it, with adapters (add_lora)"
            ),
            _ => tr!("no: busca uno más pequeño", "no: look for a smaller one"),
        }
    }
}

fn fits(needs: Option<u64>, free: Option<u64>) -> bool {
    needs.zip(free).is_some_and(|(needs, free)| needs <= free)
}

/// Bytes as people say them.
pub(super) fn in_bytes(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.0} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

impl fmt::Display for ModelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain_table(&self.headers(), &self.rows(), ""))
    }
}
