//! Tokenizers of models that have no `tokenizer.json`, from the files that there were before it.
//!
//! Each is put together as transformers' converters do (`convert_slow_tokenizer.py`), so that it cuts a text the same way.

mod sentencepiece;

use serde_json::{json, Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::io_error;
use sentencepiece::Pieces;

/// What a model without `tokenizer.json` may have instead: each line will do.
pub const OLDER_FILES: &[&[&str]] = &[
    &["vocab.txt"],
    &["vocab.json", "merges.txt"],
    &["spiece.model"],
    &["spm.model"],
    &["sentencepiece.bpe.model"],
    &["tokenizer.model"],
];

/// The files of [`OLDER_FILES`] that make a tokenizer in `folder`; none where there are not enough.
pub fn older_files(folder: &Path) -> Option<&'static [&'static str]> {
    OLDER_FILES.iter().copied().find(|files| files.iter().all(|file| folder.join(file).is_file()))
}

/// Builds the tokenizer of the model in `folder`, of the kind that `model_type` in its `config.json` names.
///
/// `vocab.txt` is WordPiece (bert, distilbert), `vocab.json` with `merges.txt` a byte-level BPE (gpt2, roberta), a
/// `.model` is SentencePiece's (t5, mt5, xlm-roberta, deberta-v2, llama). What `tokenizer_config.json` says of lower case,
/// accents and special tokens is done.
///
/// # Errors
/// When no such files are there, they are damaged, or a family writes them in a way that is not known here.
pub fn build(folder: &Path, model_type: &str) -> Result<tokenizers::Tokenizer> {
    let Some(files) = older_files(folder) else {
        let (path, known) = (folder.display(), OLDER_FILES.iter().map(|files| files.join(" + ")).collect::<Vec<_>>());
        let known = known.join(", ");
        return Err(Error::new(
            ErrorKind::BadModel,
            tr!("«{path}» no tiene tokenizador.", "\"{path}\" has no tokenizer."),
        )
        .next(tr!(
            "Hace falta tokenizer.json; también sirve: {known}.",
            "It needs tokenizer.json; this will do too: {known}."
        )));
    };
    let settings = Settings::read(folder)?;
    match (model_type, files) {
        ("bert" | "distilbert", ["vocab.txt"]) => wordpiece(&read(folder, files[0])?, &settings),
        ("gpt2" | "roberta", ["vocab.json", "merges.txt"]) => {
            byte_level(model_type, &read(folder, files[0])?, &read(folder, files[1])?, &settings)
        }
        ("t5" | "mt5" | "xlm-roberta" | "deberta-v2" | "llama", [file]) if file.ends_with(".model") => {
            let bytes = std::fs::read(folder.join(file)).map_err(|error| unreadable(folder, file, &error))?;
            let pieces = Pieces::read(&bytes).ok_or_else(|| damaged(&folder.join(file).to_string_lossy()))?;
            pieces.tokenizer(model_type, &settings)
        }
        (_, files) => {
            let files = files.join(" + ");
            Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "No sé leer el tokenizador de un modelo de tipo {model_type:?} desde {files}.",
                    "I cannot read the tokenizer of a model of type {model_type:?} from {files}."
                ),
            )
            .next(tr!(
                "Ábrelo con transformers y guárdalo: AutoTokenizer.from_pretrained(...).save_pretrained(...) escribe tokenizer.json.",
                "Open it with transformers and save it: AutoTokenizer.from_pretrained(...).save_pretrained(...) writes tokenizer.json."
            )))
        }
    }
}

fn read(folder: &Path, file: &str) -> Result<String> {
    std::fs::read_to_string(folder.join(file)).map_err(|error| unreadable(folder, file, &error))
}

fn unreadable(folder: &Path, file: &str, error: &std::io::Error) -> Error {
    io_error(&folder.join(file), "leer", "read", error)
}

/// A file of a tokenizer that makes no sense.
fn damaged(file: &str) -> Error {
    Error::new(ErrorKind::BadModel, tr!("{file} está dañado.", "{file} is damaged."))
        .next(tr!("Descarga el modelo otra vez.", "Download the model again."))
}

/// What `tokenizer_config.json` says, and `special_tokens_map.json` where it does not.
struct Settings(Vec<Value>);

impl Settings {
    fn read(folder: &Path) -> Result<Self> {
        let mut found = Vec::new();
        for file in ["tokenizer_config.json", "special_tokens_map.json"] {
            if folder.join(file).is_file() {
                let value = serde_json::from_str(&read(folder, file)?);
                found.push(value.map_err(|error| damaged(&folder.join(file).to_string_lossy()).why(error))?);
            }
        }
        Ok(Self(found))
    }

    fn value(&self, name: &str) -> &Value {
        self.0.iter().map(|file| &file[name]).find(|value| !value.is_null()).unwrap_or(&Value::Null)
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.value(name).as_bool()
    }

    /// A special token's text, which is written by itself or with its habits.
    fn token(&self, name: &str, default: &str) -> String {
        let value = self.value(name);
        value.as_str().or(value["content"].as_str()).unwrap_or(default).to_string()
    }
}

/// A tokenizer in parts, each as `tokenizer.json` writes it.
struct Parts {
    model: Value,
    /// Tokens that are looked for before a text is cut: id, text, whether it swallows the space before it, whether it is
    /// special.
    added: Vec<(usize, String, bool, bool)>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
}

impl Parts {
    fn build(self) -> Result<tokenizers::Tokenizer> {
        let mut seen = BTreeMap::new();
        for (id, content, lstrip, special) in self.added {
            seen.entry(id).or_insert(json!({
                "id": id, "content": content, "single_word": false, "lstrip": lstrip, "rstrip": false,
                "normalized": false, "special": special,
            }));
        }
        let all = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": seen.into_values().collect::<Vec<_>>(),
            "normalizer": self.normalizer,
            "pre_tokenizer": self.pre_tokenizer,
            "post_processor": self.post_processor,
            "decoder": self.decoder,
            "model": self.model,
        });
        all.to_string().parse().map_err(|error| {
            let text = tr!("El tokenizador no se pudo armar.", "The tokenizer could not be put together.");
            Error::new(ErrorKind::BadModel, text)
                .why(error)
                .next(tr!("Descarga el modelo otra vez.", "Download the model again."))
        })
    }
}

/// A template that puts special tokens before and after a text: `before A after`.
fn template(before: Option<(&str, usize)>, after: Option<(&str, usize)>) -> Value {
    let token = |(text, _): (&str, usize)| json!({"SpecialToken": {"id": text, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let single: Vec<Value> = before.map(token).into_iter().chain([text]).chain(after.map(token)).collect();
    let pair =
        [&single[..], &[json!({"Sequence": {"id": "B", "type_id": 0}})], &after.map_or(vec![], |t| vec![token(t)])];
    let named = |(text, id): (&str, usize)| (text.to_string(), json!({"id": text, "ids": [id], "tokens": [text]}));
    let special: Map<String, Value> = before.into_iter().chain(after).map(named).collect();
    json!({"type": "TemplateProcessing", "single": single, "pair": pair.concat(), "special_tokens": special})
}

/// BERT's WordPiece from `vocab.txt`, a token a line.
fn wordpiece(vocabulary: &str, settings: &Settings) -> Result<tokenizers::Tokenizer> {
    let lines: Vec<&str> = vocabulary.lines().map(|line| line.trim_end_matches('\r')).collect();
    let ids: BTreeMap<&str, usize> = lines.iter().enumerate().map(|(id, token)| (*token, id)).collect();
    let special = [("unk", "[UNK]"), ("cls", "[CLS]"), ("sep", "[SEP]"), ("pad", "[PAD]"), ("mask", "[MASK]")];
    let special = special.map(|(name, default)| settings.token(&format!("{name}_token"), default));
    let [unk, cls, sep, ..] = &special;
    let id = |token: &str| ids.get(token).copied().ok_or_else(|| damaged("vocab.txt").why(token));
    let (unk_id, ends) = (id(unk)?, (id(cls)?, id(sep)?));
    let added = special.iter().filter_map(|token| Some((*ids.get(token.as_str())?, token.clone(), false, true)));
    let lowercase = settings.flag("do_lower_case").unwrap_or(true);
    Parts {
        added: [(unk_id, unk.clone(), false, true)].into_iter().chain(added).collect(),
        model: json!({
            "type": "WordPiece", "unk_token": unk, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids,
        }),
        normalizer: json!({
            "type": "BertNormalizer", "clean_text": true, "lowercase": lowercase,
            "handle_chinese_chars": settings.flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": settings.value("strip_accents"),
        }),
        pre_tokenizer: json!({"type": "BertPreTokenizer"}),
        post_processor: template(Some((cls, ends.0)), Some((sep, ends.1))),
        decoder: json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
    }
    .build()
}

/// GPT-2's and RoBERTa's BPE over bytes, from `vocab.json` and `merges.txt`.
fn byte_level(kind: &str, vocabulary: &str, merges: &str, settings: &Settings) -> Result<tokenizers::Tokenizer> {
    let vocab: BTreeMap<String, usize> =
        serde_json::from_str(vocabulary).map_err(|error| damaged("vocab.json").why(error))?;
    let rows = merges.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty());
    let pair = |line: &str| line.split_once(' ').map(|(left, right)| [left.to_string(), right.trim_end().to_string()]);
    let merges: Option<Vec<[String; 2]>> = rows.map(pair).collect();
    let merges = merges.ok_or_else(|| damaged("merges.txt"))?;
    let roberta = kind == "roberta";
    let names: &[(&str, &str)] = match roberta {
        true => &[("cls", "<s>"), ("sep", "</s>"), ("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>"), ("pad", "<pad>")],
        false => &[("bos", "<|endoftext|>"), ("eos", "<|endoftext|>"), ("unk", "<|endoftext|>")],
    };
    let token = |name: &str, default: &str| settings.token(&format!("{name}_token"), default);
    let known = |text: String, lstrip| Some((*vocab.get(&text)?, text, lstrip, true));
    let mut added: Vec<_> = names.iter().filter_map(|(name, default)| known(token(name, default), false)).collect();
    added.extend(known(token("mask", "<mask>"), true).filter(|_| roberta));
    let space = settings.flag("add_prefix_space").unwrap_or(false);
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true});
    let end = |name: &str, default: &str| -> Result<Value> {
        let text = token(name, default);
        let id = vocab.get(&text).ok_or_else(|| damaged("vocab.json").why(&text))?;
        Ok(json!([text, id]))
    };
    let post_processor = match roberta {
        true => json!({
            "type": "RobertaProcessing", "sep": end("sep", "</s>")?, "cls": end("cls", "<s>")?,
            "trim_offsets": true, "add_prefix_space": space,
        }),
        false => json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true}),
    };
    Parts {
        added,
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": merges,
        }),
        normalizer: Value::Null,
        pre_tokenizer: bytes.clone(),
        post_processor,
        decoder: bytes,
    }
    .build()
}
