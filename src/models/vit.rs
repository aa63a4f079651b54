//! ViT (Dosovitskiy et al., arXiv 2010.11929): a picture cut into squares, which an encoder reads as if they were words.
//!
//! Names of weights and settings are Hugging Face's (`ViTForImageClassification`). It is used here, and not trained.

use candle_core::Tensor;
use serde::Deserialize;
use serde_json::Value;

use super::config::{activation, labels, parse, unreadable};
use crate::error::Result;
use crate::nn::{LayerNorm, Linear, Param, Untracked, Weights};
use crate::ops::{self, Activation};

/// What `config.json` says, under its names there.
#[derive(Clone, Debug, Deserialize)]
struct Config {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    image_size: usize,
    patch_size: usize,
    num_channels: usize,
    #[serde(default = "default_eps")]
    layer_norm_eps: f64,
}

fn default_eps() -> f64 {
    1e-12
}

/// A ViT with its classifier.
pub struct Vit {
    config: Config,
    activation: Activation,
    cls_token: Tensor,
    position_embeddings: Tensor,
    projection: Linear,
    layers: Vec<Layer>,
    norm: LayerNorm,
    classifier: Linear,
}

struct Layer {
    before: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    after: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Vit {
    /// The model that a `config.json` describes, with its weights.
    ///
    /// # Errors
    /// A setting that is missing or does not fit, or weights that are missing, left over, or of another shape (all listed).
    pub fn new(config: &Value, mut weights: Weights) -> Result<Self> {
        let (w, activation) = (&mut weights, activation(config, "vit", "hidden_act", "gelu")?);
        let labels = labels(config).len();
        let c: Config = parse(config, "vit")?;
        let (d, heads, size, patch) = (c.hidden_size, c.num_attention_heads, c.image_size, c.patch_size);
        if heads == 0 || patch == 0 || !d.is_multiple_of(heads) || !size.is_multiple_of(patch) || c.num_channels != 3 {
            let channels = c.num_channels;
            return Err(unreadable(
                "vit",
                format!("hidden_size = {d}, num_attention_heads = {heads}, image_size = {size}, patch_size = {patch}, num_channels = {channels}"),
            ));
        }
        let at = |name: &str| format!("vit.embeddings.{name}");
        let squares = (size / patch).pow(2);
        let cls_token = w.tensor(&at("cls_token"), &[1, 1, d], 0.0)?.value();
        let position_embeddings = w.tensor(&at("position_embeddings"), &[1, squares + 1, d], 0.0)?.value();
        // A convolution whose steps are as wide as its window: a linear layer on each square.
        let kernel = w.tensor(&at("patch_embeddings.projection.weight"), &[d, 3, patch, patch], 0.0)?.value();
        let kernel = kernel.reshape((d, 3 * patch * patch))?;
        let bias = w.zeros(&at("patch_embeddings.projection.bias"), d)?;
        let projection = Linear { bias: Some(bias), ..Linear::new(Param::new("projection", &kernel)?) };
        let layers = (0..c.num_hidden_layers).map(|i| Layer::new(&c, w, i)).collect::<Result<_>>()?;
        let norm = w.layer_norm("vit.layernorm", d, c.layer_norm_eps)?;
        let classifier = w.linear_bias("classifier", d, labels, 0.0)?;
        weights.finish(&["vit.pooler."])?;
        Ok(Self { config: c, activation, cls_token, position_embeddings, projection, layers, norm, classifier })
    }

    /// The side of the pictures that it reads, in pixels.
    pub fn image_size(&self) -> usize {
        self.config.image_size
    }

    /// A number for each label. Shapes: `image` (3, side, side), already scaled.
    pub fn logits(&self, image: &Tensor) -> candle_core::Result<Vec<f64>> {
        let _nothing_kept = Untracked::begin();
        let c = &self.config;
        let (d, p, n) = (c.hidden_size, c.patch_size, c.image_size / c.patch_size);
        let time = n * n + 1;
        // (3, n, p, n, p), then square by square (n, n, 3, p, p), each in a row
        let squares = image.reshape((3, n, p, n, p))?.permute((1, 3, 0, 2, 4))?.contiguous()?;
        let squares = self.projection.forward(&squares.reshape((1, n * n, 3 * p * p))?, (1, n * n, d))?;
        let mut x = (Tensor::cat(&[&self.cls_token, &squares], 1)? + &self.position_embeddings)?;
        for layer in &self.layers {
            x = layer.forward(&x, c, self.activation, time)?;
        }
        // The first position stands for the picture.
        let first = self.norm.forward(&x)?.narrow(1, 0, 1)?.contiguous()?;
        let labels = self.classifier.sizes()?.0;
        let logits: Vec<f32> = self.classifier.forward(&first, (1, 1, labels))?.flatten_all()?.to_vec1()?;
        Ok(logits.into_iter().map(f64::from).collect())
    }
}

impl Layer {
    fn new(c: &Config, w: &mut Weights, index: usize) -> Result<Self> {
        let (d, wide, eps) = (c.hidden_size, c.intermediate_size, c.layer_norm_eps);
        let at = |name: &str| format!("vit.encoder.layer.{index}.{name}");
        Ok(Self {
            before: w.layer_norm(&at("layernorm_before"), d, eps)?,
            query: w.linear_bias(&at("attention.attention.query"), d, d, 0.0)?,
            key: w.linear_bias(&at("attention.attention.key"), d, d, 0.0)?,
            value: w.linear_bias(&at("attention.attention.value"), d, d, 0.0)?,
            output: w.linear_bias(&at("attention.output.dense"), d, d, 0.0)?,
            after: w.layer_norm(&at("layernorm_after"), d, eps)?,
            up: w.linear_bias(&at("intermediate.dense"), d, wide, 0.0)?,
            down: w.linear_bias(&at("output.dense"), wide, d, 0.0)?,
        })
    }

    /// Shapes: x and result (1, time, hidden).
    fn forward(&self, x: &Tensor, c: &Config, activation: Activation, time: usize) -> candle_core::Result<Tensor> {
        let (d, wide) = (c.hidden_size, c.intermediate_size);
        let heads = (1, time, c.num_attention_heads, d / c.num_attention_heads);
        let y = self.before.forward(x)?;
        let (q, k, v) = (self.query.forward(&y, heads)?, self.key.forward(&y, heads)?, self.value.forward(&y, heads)?);
        let y = ops::attention_within(&q, &k, &v, &[time], None)?;
        let x = (self.output.forward(&y, (1, time, d))? + x)?;
        let y = ops::activate(&self.up.forward(&self.after.forward(&x)?, (1, time, wide))?, activation)?;
        self.down.forward(&y, (1, time, d))? + x
    }
}
