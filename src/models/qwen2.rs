//! Qwen2 and Qwen2.5 (Yang et al., arXiv 2407.10671): a Llama whose queries, keys and values have biases.

use serde_json::Value;

use super::config::refuse_true;
use super::llama::LlamaConfig;
use crate::error::Result;

/// Reads the settings of a Qwen2, as those of the Llama that it is.
pub fn read(config: &Value) -> Result<LlamaConfig> {
    refuse_true(config, "qwen2", &["use_sliding_window"])?;
    Ok(LlamaConfig { attention_bias: true, output_bias: false, ..LlamaConfig::read(config, "qwen2")? })
}
