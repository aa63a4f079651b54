//! candle-transformers 0.11.1 on the tiny models of `tests/fixtures`, where it has the family.
//!
//! Run by hand: `cargo test --manifest-path tests/peers/candle-transformers/Cargo.toml`. What it computes is compared with
//! what transformers did (`expected.safetensors`), to which `tests/{llama,decoders,encoders,seq2seq}.rs` hold our own
//! models within the same 1e-4: so the three agree. Each test says what candle-transformers needs to be told, or leaves out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what they expect by failing

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, debertav2, distilbert, llama, qwen2, qwen3, t5, xlm_roberta};
use serde_json::{json, Value};

struct Fixture {
    weights: HashMap<String, Tensor>,
    expected: HashMap<String, Tensor>,
    config: Value,
}

impl Fixture {
    fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        let tensors = |file: &str| candle_core::safetensors::load(folder.join(file), &Device::Cpu).unwrap();
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        // transformers 5 keeps it in a place of its own.
        config["rope_theta"] = config["rope_parameters"]["rope_theta"].clone();
        config.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        Self { weights: tensors("model.safetensors"), expected: tensors("expected.safetensors"), config }
    }

    fn set(mut self, more: Value) -> Self {
        self.config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self
    }

    fn config<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_value(self.config.clone()).unwrap()
    }

    fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_tensors(self.weights.clone(), DType::F32, &Device::Cpu)
    }

    fn ids(&self) -> Tensor {
        self.expected["single_input_ids"].to_dtype(DType::U32).unwrap()
    }

    /// Fails where `logits` are not those of transformers: of all positions, or of the last.
    fn agrees(&self, name: &str, logits: &Tensor) {
        let all = &self.expected["single_logits"];
        let theirs = match all.elem_count() == logits.elem_count() {
            true => all.clone(),
            false => all.narrow(1, all.dim(1).unwrap() - 1, 1).unwrap(),
        };
        compare(name, logits, &theirs, 1e-4);
    }
}

fn compare(name: &str, logits: &Tensor, theirs: &Tensor, within: f32) {
    let flat = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (mine, theirs) = (flat(logits), flat(theirs));
    assert_eq!(mine.len(), theirs.len(), "{name}");
    let off = mine.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    println!("{name}: {} logits off by at most {off:.1e}", mine.len());
    assert!(off < within, "{name} is off by {off}");
}

#[test]
fn llama_agrees() {
    for name in ["llama", "llama-rope/llama3"] {
        let mut fixture = Fixture::read(name);
        if name != "llama" {
            fixture.config["rope_scaling"] = fixture.config["rope_parameters"].clone();
        }
        let config = fixture.config::<llama::LlamaConfig>().into_config(false);
        let mut cache = llama::Cache::new(false, DType::F32, &config, &Device::Cpu).unwrap();
        let model = llama::Llama::load(fixture.builder(), &config).unwrap();
        fixture.agrees(name, &model.forward(&fixture.ids(), 0, &mut cache).unwrap());
    }
}

#[test]
fn qwen2_agrees() {
    let fixture = Fixture::read("qwen2").set(json!({"sliding_window": 64}));
    let mut model = qwen2::ModelForCausalLM::new(&fixture.config(), fixture.builder()).unwrap();
    fixture.agrees("qwen2", &model.forward(&fixture.ids(), 0).unwrap());
}

#[test]
fn qwen3_agrees() {
    let fixture = Fixture::read("qwen3");
    let mut model = qwen3::ModelForCausalLM::new(&fixture.config(), fixture.builder()).unwrap();
    fixture.agrees("qwen3", &model.forward(&fixture.ids(), 0).unwrap());
}

#[test]
fn bert_agrees() {
    let mut fixture = Fixture::read("bert/masked");
    // It does not know that the head's matrix is the embedding.
    let tied = fixture.weights["bert.embeddings.word_embeddings.weight"].clone();
    let bias = fixture.weights["cls.predictions.bias"].clone();
    fixture.weights.insert("cls.predictions.decoder.weight".into(), tied);
    fixture.weights.insert("cls.predictions.decoder.bias".into(), bias);
    let model = bert::BertForMaskedLM::load(fixture.builder(), &fixture.config()).unwrap();
    let ids = fixture.ids();
    fixture.agrees("bert", &model.forward(&ids, &ids.zeros_like().unwrap(), None).unwrap());
}

#[test]
fn distilbert_agrees_as_far_as_its_other_gelu_lets_it() {
    let fixture = Fixture::read("distilbert/masked");
    let model = distilbert::DistilBertForMaskedLM::load(fixture.builder(), &fixture.config()).unwrap();
    // Its mask is 1 where a position is hidden.
    let (ids, hidden) = (fixture.ids(), fixture.ids().zeros_like().unwrap().to_dtype(DType::U8).unwrap());
    let hidden = hidden.unsqueeze(1).unwrap().unsqueeze(1).unwrap();
    // Where the model says "gelu" it takes the form with tanh, which costs a thousandth here.
    let logits = model.forward(&ids, &hidden).unwrap();
    compare("distilbert", &logits, &fixture.expected["single_logits"], 2e-3);
}

#[test]
fn xlm_roberta_agrees_but_for_the_bias_that_it_leaves_out() {
    let fixture = Fixture::read("xlm-roberta/masked").set(json!({"position_embedding_type": "absolute"}));
    let model = xlm_roberta::XLMRobertaForMaskedLM::new(&fixture.config(), fixture.builder()).unwrap();
    let (ids, ones) = (fixture.ids(), fixture.ids().ones_like().unwrap());
    let logits = model.forward(&ids, &ones, &ids.zeros_like().unwrap(), None, None, None).unwrap();
    let logits = logits.broadcast_add(&fixture.weights["lm_head.bias"]).unwrap();
    fixture.agrees("xlm-roberta", &logits);
}

#[test]
fn xlm_roberta_classifies_alike() {
    let fixture = Fixture::read("xlm-roberta/classify").set(json!({"position_embedding_type": "absolute"}));
    let model = xlm_roberta::XLMRobertaForSequenceClassification::new(3, &fixture.config(), fixture.builder()).unwrap();
    let (ids, ones) = (fixture.ids(), fixture.ids().ones_like().unwrap());
    fixture.agrees("xlm-roberta, classes", &model.forward(&ids, &ones, &ids.zeros_like().unwrap()).unwrap());
}

#[test]
fn deberta_classifies_alike() {
    let fixture = Fixture::read("deberta-v2/classify");
    let config: debertav2::Config = fixture.config();
    let builder = fixture.builder().set_prefix("deberta");
    let model = debertav2::DebertaV2SeqClassificationModel::load(builder, &config, None).unwrap();
    fixture.agrees("deberta-v2, classes", &model.forward(&fixture.ids(), None, None).unwrap());
}

/// Compares the logits after the start and one token. Longer targets differ: its decoder takes the encoder's biases, which
/// see both ways, where T5 has others for what lies behind (its source says so: "only handles the bidirectional case").
fn t5_agrees(name: &str, fixture: &Fixture, factor: f64) {
    let mut model = t5::T5ForConditionalGeneration::load(fixture.builder(), &fixture.config()).unwrap();
    let target = fixture.expected["labels"].narrow(0, 0, 1).unwrap().narrow(1, 0, 1).unwrap();
    let start = Tensor::new(&[[1u32]], &Device::Cpu).unwrap();
    let given = Tensor::cat(&[start, target.to_dtype(DType::U32).unwrap()], 1).unwrap();
    let logits = (model.forward(&fixture.ids(), &given).unwrap() * factor).unwrap();
    compare(name, &logits, &fixture.expected["single_logits"].narrow(1, 1, 1).unwrap(), 1e-4);
}

#[test]
fn t5_agrees_on_a_short_target_but_for_a_factor_where_the_head_is_scaled() {
    let one = json!({"eos_token_id": 2, "tie_word_embeddings": false});
    let fixture = Fixture::read("t5/gated").set(one.clone());
    t5_agrees("t5, gated", &fixture, 1.0);
    // mT5 does not scale its head, which candle-transformers ties to "tie_word_embeddings": it is given as one of its own.
    let mut fixture = Fixture::read("t5/mt5").set(one);
    let tied = fixture.weights["shared.weight"].clone();
    fixture.weights.insert("lm_head.weight".into(), tied);
    t5_agrees("mt5", &fixture, 1.0);
    // It multiplies by the root of d_model where T5 divides: the order of the logits is the same, their size is not.
    let fixture = Fixture::read("t5/relu").set(json!({"eos_token_id": 2}));
    t5_agrees("t5", &fixture, 1.0 / 32.0);
}
