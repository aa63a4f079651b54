//! Qwen3 (Yang et al., arXiv 2505.09388): a Llama that normalizes each head's query and key before it turns them.

use serde_json::Value;

use super::config::refuse_true;
use super::llama::LlamaConfig;
use crate::error::Result;

/// Numbers per head where `config.json` does not say: not hidden_size / num_attention_heads, as in the others.
const HEAD_DIM: usize = 128;

/// Reads the settings of a Qwen3, as those of the Llama that it is.
pub fn read(config: &Value) -> Result<LlamaConfig> {
    refuse_true(config, "qwen3", &["use_sliding_window"])?;
    let mut config = config.clone();
    if config["head_dim"].is_null() {
        config["head_dim"] = HEAD_DIM.into();
    }
    Ok(LlamaConfig { head_norms: true, ..LlamaConfig::read(&config, "qwen3")? })
}
