//! SentencePiece's models (Kudo and Richardson, arXiv 1808.06226): the few fields of its file that a tokenizer needs.
//!
//! The file is a protocol buffer, `sentencepiece_model.proto`; field numbers below are those of that description.

use serde_json::{json, Value};
use std::collections::BTreeMap;
use tokenizers::normalizers::{Lowercase, Precompiled, Replace, Sequence, Strip};
use tokenizers::NormalizerWrapper;

use super::{damaged, template, Parts, Settings};
use crate::error::{Error, ErrorKind, Result};

/// Kinds of pieces.
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
/// Kinds of models.
const UNIGRAM: u64 = 1;
const BPE: u64 = 2;

/// One piece: its text, its score, and what kind it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    text: String,
    score: f32,
    kind: u64,
}

/// A model: its pieces in the order of their ids, and how a text is prepared.
pub(super) struct Pieces {
    pieces: Vec<Piece>,
    model: u64,
    unk_id: usize,
    /// How characters are replaced before a text is cut.
    charsmap: Vec<u8>,
}

/// A value of a field: a number, or bytes.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, each with its number; none where it makes no sense.
fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            _ => return None,
        };
        found.push((key >> 3, value));
    }
    Some(found)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(head)
}

/// A number of seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl Pieces {
    /// Reads a model's file; none where it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut found = Self { pieces: Vec::new(), model: UNIGRAM, unk_id: 0, charsmap: Vec::new() };
        for (number, field) in fields(bytes)? {
            let Field::Bytes(message) = field else { continue };
            match number {
                1 => found.pieces.push(piece(message)?),
                2 => {
                    for (number, field) in fields(message)? {
                        match (number, field) {
                            (3, Field::Number(model)) => found.model = model,
                            (40, Field::Number(id)) => found.unk_id = usize::try_from(id).ok()?,
                            _ => {}
                        }
                    }
                }
                3 => {
                    for (number, field) in fields(message)? {
                        if let (2, Field::Bytes(map)) = (number, field) {
                            found.charsmap = map.to_vec();
                        }
                    }
                }
                _ => {}
            }
        }
        (!found.pieces.is_empty()).then_some(found)
    }

    /// The tokenizer of a family: its special tokens, and what it does to a text first.
    pub(super) fn tokenizer(&self, kind: &str, settings: &Settings) -> Result<tokenizers::Tokenizer> {
        if (kind == "llama") != (self.model == BPE) || ![UNIGRAM, BPE].contains(&self.model) {
            let names = ["?", "unigram", "bpe", "word", "char"];
            let name = names.get(self.model as usize).unwrap_or(&names[0]);
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!(
                    "El tokenizador de este {kind} es de SentencePiece, de un tipo que no sé leer: {name}.",
                    "The tokenizer of this {kind} is SentencePiece's, of a kind that I cannot read: {name}."
                ),
            )
            .next(tr!(
                "Ábrelo con transformers y guárdalo: así escribe tokenizer.json.",
                "Open it with transformers and save it: that writes tokenizer.json."
            )));
        }
        match kind {
            "llama" => self.llama(settings),
            "xlm-roberta" => self.xlm_roberta(),
            "deberta-v2" => self.deberta(settings),
            _ => self.t5(settings),
        }
    }

    /// Pieces that stand for something else than text, from the id `shift` on.
    fn added(&self, shift: usize) -> Vec<(usize, String, bool, bool)> {
        let all = self.pieces.iter().enumerate();
        let added = all.filter(|(_, piece)| [CONTROL, USER_DEFINED].contains(&piece.kind));
        added.map(|(id, piece)| (id + shift, piece.text.clone(), false, piece.kind == CONTROL)).collect()
    }

    fn scored(&self) -> Vec<(String, f64)> {
        self.pieces.iter().map(|piece| (piece.text.clone(), f64::from(piece.score))).collect()
    }

    /// T5's and mT5's: `</s>` after a text, and marks for gaps at the end of the vocabulary.
    fn t5(&self, settings: &Settings) -> Result<tokenizers::Tokenizer> {
        let (mut vocab, mut added) = (self.scored(), self.added(0));
        let marks = settings.value("extra_ids").as_u64().unwrap_or(100);
        for mark in (0..marks).rev().map(|i| format!("<extra_id_{i}>")) {
            added.push((vocab.len(), mark.clone(), false, true));
            vocab.push((mark, 0.0));
        }
        let end = settings.token("eos_token", "</s>");
        let id = vocab.iter().position(|(text, _)| *text == end).ok_or_else(|| damaged("spiece.model").why(&end))?;
        let unk = self.unk_id;
        added.push((unk, vocab[unk].0.clone(), false, true));
        self.unigram(vocab, unk, added, template(None, Some((&end, id))), words())
    }

    /// XLM-RoBERTa's: four special tokens before the pieces, of which the first three are left out, and a mask after them.
    fn xlm_roberta(&self) -> Result<tokenizers::Tokenizer> {
        let special = ["<s>", "<pad>", "</s>", "<unk>"];
        let mut vocab: Vec<(String, f64)> = special.iter().map(|text| (text.to_string(), 0.0)).collect();
        vocab.extend(self.scored().into_iter().skip(3));
        vocab.push(("<mask>".into(), 0.0));
        let mut added: Vec<_> =
            special.iter().enumerate().map(|(i, text)| (i, text.to_string(), false, true)).collect();
        added.extend(self.added(1).into_iter().filter(|(id, ..)| *id > 3));
        added.push((vocab.len() - 1, "<mask>".into(), true, true));
        self.unigram(vocab, 3, added, template(Some(("<s>", 0)), Some(("</s>", 2))), words())
    }

    /// DeBERTa's: `[CLS]` before and `[SEP]` after a text, spaces kept as they are but for repeated ones.
    fn deberta(&self, settings: &Settings) -> Result<tokenizers::Tokenizer> {
        let (mut vocab, mut added) = (self.scored(), self.added(0));
        if !vocab.iter().any(|(text, _)| text == "[MASK]") {
            vocab.push(("[MASK]".into(), 0.0));
        }
        let id = |name: &str| vocab.iter().position(|(text, _)| text == name);
        let need = |name: &str| id(name).ok_or_else(|| damaged("spm.model").why(name));
        let ends = template(Some(("[CLS]", need("[CLS]")?)), Some(("[SEP]", need("[SEP]")?)));
        for name in ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"] {
            added.extend(id(name).map(|id| (id, name.to_string(), false, true)));
        }
        let mut steps = vec![metaspace()];
        if settings.flag("split_by_punct") == Some(true) {
            steps.insert(0, json!({"type": "Punctuation", "behavior": "Isolated"}));
        }
        let cut = json!({"type": "Sequence", "pretokenizers": steps});
        let tokenizer = self.unigram(vocab, self.unk_id, added, ends, cut)?;
        let mut first: Vec<NormalizerWrapper> = Vec::new();
        if settings.flag("do_lower_case") == Some(true) {
            first.push(Lowercase.into());
        }
        first.push(Strip::new(true, true).into());
        first.extend(self.replacements()?);
        let spaces = Replace::new(tokenizers::normalizers::replace::ReplacePattern::Regex(" {2,}".into()), " ");
        first.push(spaces.map_err(|error| damaged("spm.model").why(error))?.into());
        prepared(tokenizer, Some(Sequence::new(first).into()))
    }

    /// How the file replaces characters, where it does.
    fn replacements(&self) -> Result<Option<NormalizerWrapper>> {
        if self.charsmap.is_empty() {
            return Ok(None);
        }
        let map = Precompiled::from(&self.charsmap).map_err(|error| damaged("precompiled_charsmap").why(error))?;
        Ok(Some(map.into()))
    }

    /// A model of pieces by their likelihood.
    fn unigram(
        &self,
        vocab: Vec<(String, f64)>,
        unk_id: usize,
        added: Vec<(usize, String, bool, bool)>,
        post_processor: Value,
        pre_tokenizer: Value,
    ) -> Result<tokenizers::Tokenizer> {
        let tokenizer = Parts {
            model: json!({"type": "Unigram", "unk_id": unk_id, "vocab": vocab, "byte_fallback": false}),
            added,
            normalizer: Value::Null,
            pre_tokenizer,
            post_processor,
            decoder: metaspace(),
        }
        .build()?;
        prepared(tokenizer, self.replacements()?)
    }

    /// Llama's: pieces that were joined in the order of their ids, bytes for what no piece covers, `<s>` before a text.
    fn llama(&self, settings: &Settings) -> Result<tokenizers::Tokenizer> {
        let ids: BTreeMap<&str, usize> = self.pieces.iter().enumerate().map(|(i, p)| (p.text.as_str(), i)).collect();
        let mut merges: Vec<[&str; 2]> = Vec::new();
        for piece in &self.pieces {
            let cuts = piece.text.char_indices().skip(1).map(|(at, _)| piece.text.split_at(at));
            let mut here: Vec<[&str; 2]> = cuts
                .filter(|(left, right)| ids.contains_key(left) && ids.contains_key(right))
                .map(|(left, right)| [left, right])
                .collect();
            here.sort_by_key(|[left, right]| (left.chars().count(), right.chars().count()));
            merges.extend(here);
        }
        let start = settings.token("bos_token", "<s>");
        let start_id = ids.get(start.as_str()).ok_or_else(|| damaged("tokenizer.model").why(&start))?;
        let with_start = settings.flag("add_bos_token").unwrap_or(true);
        let mut added = self.added(0);
        added.extend(self.pieces.get(self.unk_id).map(|unk| (self.unk_id, unk.text.clone(), false, true)));
        Parts {
            model: json!({
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": ids, "merges": merges,
            }),
            added,
            normalizer: Value::Null,
            pre_tokenizer: json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false}),
            post_processor: template(with_start.then_some((start.as_str(), *start_id)), None),
            decoder: json!({"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ]}),
        }
        .build()
    }
}

fn piece(message: &[u8]) -> Option<Piece> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: 1 };
    for (number, field) in fields(message)? {
        match (number, field) {
            (1, Field::Bytes(text)) => piece.text = String::from_utf8(text.to_vec()).ok()?,
            (2, Field::Number(bits)) => piece.score = f32::from_bits(bits as u32),
            (3, Field::Number(kind)) => piece.kind = kind,
            _ => {}
        }
    }
    Some(piece)
}

/// The tokenizer with what it does to a text before it cuts it.
fn prepared(mut tokenizer: tokenizers::Tokenizer, first: Option<NormalizerWrapper>) -> Result<tokenizers::Tokenizer> {
    match tokenizer.with_normalizer(first) {
        Ok(_) => Ok(tokenizer),
        Err(error) => Err(damaged("SentencePiece").why(error)),
    }
}

fn metaspace() -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})
}

/// Words by themselves, whatever space is between them.
fn words() -> Value {
    json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace()]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_message_are_read_and_a_cut_one_is_none() {
        // pieces { piece: "▁a" score: -1.5 type: 1 }, trainer_spec { model_type: 2, unk_id: 300 }
        let whole = b"\x0a\x0d\x0a\x04\xe2\x96\x81a\x15\x00\x00\xc0\xbf\x18\x01\x12\x06\x18\x02\xc0\x02\xac\x02";
        let read = Pieces::read(whole).unwrap();
        assert_eq!(read.pieces, [Piece { text: "▁a".into(), score: -1.5, kind: 1 }]);
        assert_eq!((read.model, read.unk_id), (BPE, 300));
        assert!(Pieces::read(&whole[..whole.len() - 1]).is_none());
        assert!(Pieces::read(b"").is_none() && Pieces::read(b"not a model").is_none());
    }
}
