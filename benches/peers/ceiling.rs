//! The ceiling: how long candle takes for the step's own products of matrices alone, on the same shapes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::kind_of;
use super::ours::{batches_of, model_of, steps_a_turn, Turn};

/// Products `(batch, m, k) (batch, k, n)`, and how often a step makes each.
pub struct Ceiling {
    products: Vec<(Tensor, Tensor, usize)>,
    steps: usize,
}

impl Ceiling {
    /// The products of a step of `work`: those of its matrices, forward and back, of its head, and of attention.
    pub fn of(work: &str, folder: &Path) -> Self {
        let (model, batches) = (model_of(work, folder), batches_of(work, folder));
        let (rows, time) = batches[0].ids.dims2().unwrap();
        let tokens = rows * time;
        let config = std::fs::read_to_string(folder.join(kind_of(work)).join("config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        let number = |names: [&str; 2]| names.iter().find_map(|name| config[*name].as_u64()).unwrap() as usize;
        let mut shapes: BTreeMap<[usize; 4], usize> = BTreeMap::new();
        let mut add = |shape: [usize; 4], times: usize| *shapes.entry(shape).or_default() += times;
        for param in model.params() {
            let name = &param.name;
            let table = ["wpe", "position_embeddings", "token_type_embeddings", "word_embeddings"];
            if param.var().rank() != 2 || table.iter().any(|table| name.contains(table)) {
                continue;
            }
            let (out, input) = param.var().dims2().unwrap();
            // A classifier's own layers see the first position only; a decoder's head sees all that have a label.
            let m = match name {
                name if name.contains("pooler") || name.contains("classifier") => rows,
                name if name.contains("wte") || name.contains("embed_tokens") => rows * (time - 1),
                _ => tokens,
            };
            add([1, m, input, out], 1); // forward
            add([1, m, out, input], 1); // to the input
            if param.trainable {
                add([1, out, m, input], 1); // to the weight
            }
        }
        let (layers, heads) = (number(["n_layer", "num_hidden_layers"]), number(["n_head", "num_attention_heads"]));
        let d = config["head_dim"].as_u64().map_or(number(["n_embd", "hidden_size"]) / heads, |d| d as usize);
        // Scores and their gradient to the values' side; the weighted sum; and what goes back to queries, keys, values.
        add([rows * heads, time, d, time], 2 * layers);
        add([rows * heads, time, time, d], 4 * layers);
        let random = |shape: (usize, usize, usize)| Tensor::randn(0f32, 1f32, shape, &Device::Cpu).unwrap();
        let product = |([b, m, k, n], times): ([usize; 4], usize)| (random((b, m, k)), random((b, k, n)), times);
        Self { products: shapes.into_iter().map(product).collect(), steps: steps_a_turn(work) }
    }

    /// Each turn makes the products of as many steps as the other sides make.
    pub fn into_turns(self) -> Box<dyn FnMut() -> Turn> {
        Box::new(move || {
            let begin = Instant::now();
            for (a, b, times) in &self.products {
                (0..self.steps * times).for_each(|_| drop(a.matmul(b).unwrap()));
            }
            (begin.elapsed().as_secs_f64() / self.steps as f64, Vec::new())
        })
    }
}
