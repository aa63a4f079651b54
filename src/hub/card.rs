//! What a model says of itself: the head of its README, its config, the sizes of its tensors.

use super::asked::{File, Listing};
use super::weights::weight_files;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of a model, wherever it lies. What nobody tells is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Card {
    pub(super) licence: Option<String>,
    pub(super) task: Option<String>,
    pub(super) languages: Vec<String>,
    pub(super) gated: bool,
    pub(super) config: Value,
    pub(super) parameters: Option<u64>,
    /// Bytes of the files that are used.
    pub(super) disk: u64,
}

impl Card {
    /// Of what the API tells; `files` are those that would be fetched.
    pub(super) fn told(listing: &Listing, files: &[File]) -> Self {
        let told = &listing.told;
        let card = &told["cardData"];
        let tags: Vec<&str> = told["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let tag = |prefix: &str| tags.iter().find_map(|tag| tag.strip_prefix(prefix)).map(String::from);
        let weights = files.iter().filter(|file| file.name.ends_with(".safetensors") || file.name.ends_with(".bin"));
        let four_bytes_each = weights.map(|file| file.size).sum::<u64>() / 4;
        let parameters = told["safetensors"]["total"].as_u64().filter(|total| *total > 0);
        Self {
            licence: text(&card["license"]).or_else(|| tag("license:")),
            task: text(&told["pipeline_tag"]).or_else(|| text(&card["pipeline_tag"])),
            languages: texts(&card["language"]),
            gated: told["gated"].as_bool().unwrap_or(told["gated"].is_string()),
            config: told["config"].clone(),
            parameters: parameters.or(Some(four_bytes_each).filter(|count| *count > 0)),
            disk: files.iter().map(|file| file.size).sum(),
        }
    }

    /// Of the files in `folder`.
    pub(super) fn read(folder: &Path) -> Self {
        let json = |name: &str| -> Value {
            let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
            serde_json::from_slice(&bytes).unwrap_or_default()
        };
        let config = json("config.json");
        let readme = head(&std::fs::read_to_string(folder.join("README.md")).unwrap_or_default());
        let first = |key: &str| readme.get(key).and_then(|values| values.first()).cloned();
        let sentences = folder.join("modules.json").is_file();
        Self {
            licence: first("license"),
            task: first("pipeline_tag").or_else(|| task_of(&config, sentences)),
            languages: readme.get("language").cloned().unwrap_or_default(),
            gated: false,
            parameters: parameters(folder),
            disk: bytes_in(folder),
            config,
        }
    }

    /// What this card leaves open, as `other` has it.
    pub(super) fn or(self, other: Card) -> Card {
        Card {
            licence: self.licence.or(other.licence),
            task: self.task.or(other.task),
            languages: if self.languages.is_empty() { other.languages } else { self.languages },
            gated: self.gated || other.gated,
            config: if self.config.is_object() { self.config } else { other.config },
            parameters: self.parameters.or(other.parameters),
            disk: if self.disk > 0 { self.disk } else { other.disk },
        }
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(String::from)
}

/// A text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    }
}

/// The lines `key: value`, and the lists below a key, at the head of a README between two lines of `---`.
fn head(readme: &str) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Some((head, _)) = readme.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")) else {
        return values;
    };
    let mut key = String::new();
    for line in head.lines() {
        let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_string();
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            values.entry(key.clone()).or_default().push(bare(item));
        } else if let Some((name, value)) = line.split_once(':').filter(|_| !line.starts_with(' ')) {
            key = name.to_string();
            let list = value.trim().trim_start_matches('[').trim_end_matches(']');
            let given = list.split(',').map(bare).filter(|value| !value.is_empty());
            values.entry(key.clone()).or_default().extend(given);
        }
    }
    values
}

/// What a model of this class is for, by the Hub's name for it.
fn task_of(config: &Value, sentences: bool) -> Option<String> {
    if sentences {
        return Some("sentence-similarity".into());
    }
    let class = config["architectures"][0].as_str()?;
    let tasks = [
        ("ForSequenceClassification", "text-classification"),
        ("ForTokenClassification", "token-classification"),
        ("ForQuestionAnswering", "question-answering"),
        ("ForMaskedLM", "fill-mask"),
        ("ForCausalLM", "text-generation"),
        ("LMHeadModel", "text-generation"),
        ("ForConditionalGeneration", "text2text-generation"),
        ("Model", "feature-extraction"),
    ];
    tasks.iter().find(|(end, _)| class.ends_with(end)).map(|(_, task)| task.to_string())
}

/// The numbers in the weights, counted from the shapes alone.
fn parameters(folder: &Path) -> Option<u64> {
    let mut sum = 0;
    for name in weight_files(folder).ok()? {
        let path = folder.join(name);
        sum += match path.extension().is_some_and(|extension| extension == "safetensors") {
            true => tensors_in(&path)?,
            false => std::fs::metadata(&path).ok()?.len() / 4,
        };
    }
    Some(sum)
}

/// A safetensors file begins with the length of its header, 8 bytes, and the header.
fn tensors_in(path: &Path) -> Option<u64> {
    use std::io::Read;
    let mut file = std::fs::File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length.min(100 << 20)).read_to_end(&mut header).ok()?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&header).ok()?;
    let size = |tensor: &Value| tensor["shape"].as_array()?.iter().map(Value::as_u64).product::<Option<u64>>();
    Some(header.iter().filter(|(name, _)| *name != "__metadata__").filter_map(|(_, tensor)| size(tensor)).sum())
}

/// Bytes of the files in `folder` and in those within.
fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let size = |path: &Path| match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => bytes_in(path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_readme_is_read_as_the_hub_writes_it() {
        let head =
            head("---\nlicense: mit\nlanguage:\n- es\n- \"en\"\ntags: [a, b]\nx:\n  y: 1\n---\n# T\nlicense: no\n");
        assert_eq!(head["license"], ["mit"]);
        assert_eq!(head["language"], ["es", "en"]);
        assert_eq!(head["tags"], ["a", "b"]);
        assert!(super::head("# T\nlicense: no").is_empty());
    }

    #[test]
    fn parameters_are_counted_from_the_shapes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/cuentos");
        // The card that was written when it was trained says as much.
        assert_eq!(parameters(&folder), Some(3_221_952));
        let card = Card::read(&folder);
        assert_eq!(card.task.as_deref(), Some("text-generation"));
    }
}
