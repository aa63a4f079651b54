//! What the reader asks the Hub for: a name, a revision, a kind; and what the Hub says it holds.

use super::net::{encoded, Net, Trouble};
use super::places::Places;
use hf_hub::{Repo, RepoType};
use std::path::PathBuf;

/// A repository of the Hub at one revision.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `org/name`
    pub(super) name: String,
    /// A branch, a tag or a commit.
    pub(super) revision: String,
    pub(super) kind: RepoType,
}

/// A file of a repository.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) name: String,
    /// In bytes; 0 where the Hub does not say.
    pub(super) size: u64,
    /// Of the content, where the Hub keeps it in Git LFS.
    pub(super) sha256: Option<String>,
}

/// What a repository holds.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<File>,
    /// All that the API told.
    pub(super) told: serde_json::Value,
}

impl Asked {
    pub(super) fn model(name: &str, revision: &str) -> Self {
        Self { name: name.into(), revision: revision.into(), kind: RepoType::Model }
    }

    pub(super) fn repo(&self) -> Repo {
        Repo::with_revision(self.name.clone(), self.kind, self.revision.clone())
    }

    /// The page that a browser shows.
    pub(super) fn page(&self, places: &Places) -> String {
        format!("{}/{}", places.shown_endpoint(), self.repo().url())
    }

    /// Asks the Hub what the repository holds.
    pub(super) fn listing(&self, net: &Net, places: &Places) -> Result<Listing, Trouble> {
        let api = self.repo().api_url();
        let told = net.json(&format!("{}/api/{api}?blobs=true", places.endpoint))?;
        let nonsense = || Trouble::Broken(tr!("Su respuesta no se entiende.", "Its answer makes no sense."));
        Listing::from(told).ok_or_else(nonsense)
    }

    /// Keeps what the Hub told beside the files, for when there is no network.
    pub(super) fn remember(&self, listing: &Listing, places: &Places) {
        let path = self.memory(places);
        let write = |folder: &std::path::Path| {
            std::fs::create_dir_all(folder)?;
            std::fs::write(&path, listing.told.to_string())
        };
        // Without it a cached model says less about itself, no more.
        let _ = path.parent().map(write);
    }

    /// What [`Self::remember`] kept.
    pub(super) fn remembered(&self, places: &Places) -> Option<Listing> {
        Listing::from(serde_json::from_slice(&std::fs::read(self.memory(places)).ok()?).ok()?)
    }

    /// Python's tools look at `blobs`, `refs` and `snapshots` only.
    fn memory(&self, places: &Places) -> PathBuf {
        let name = format!("{}.json", self.revision.replace('/', "--"));
        places.cache.join(self.repo().folder_name()).join(".aula").join(name)
    }

    /// The address of a file at a commit.
    pub(super) fn file_url(&self, file: &str, commit: &str, places: &Places) -> String {
        format!("{}/{}/resolve/{commit}/{}", places.endpoint, self.repo().url(), encoded(file))
    }
}

impl Listing {
    fn from(told: serde_json::Value) -> Option<Self> {
        let commit = told.get("sha")?.as_str().filter(|sha| is_commit(sha))?.to_string();
        let files = told.get("siblings")?.as_array()?.iter().filter_map(file).collect();
        Some(Self { commit, files, told })
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.files.iter().any(|has| has.name == file)
    }
}

fn file(told: &serde_json::Value) -> Option<File> {
    let name = told.get("rfilename")?.as_str()?;
    // Names come from elsewhere: none may lead out of the cache.
    let parts = std::path::Path::new(name).components();
    let inside = parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_)));
    let sha256 = || told.get("lfs")?.get("sha256")?.as_str().map(String::from);
    (inside && !name.contains('\\')).then(|| File {
        name: name.to_string(),
        size: told.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0),
        sha256: sha256(),
    })
}

/// What may stand in a path as a commit: 40 hexadecimal digits on the Hub.
pub(super) fn is_commit(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
