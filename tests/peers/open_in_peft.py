"""Does peft open the adapters that we write, and do they say there what they say here?

    cargo test --release --test decoders --test encoders     # writes them in target/tmp
    .aula/peers/bin/python tests/peers/open_in_peft.py
"""

import os
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

ROOT = Path(__file__).resolve().parent.parent.parent
FIXTURES, OURS = ROOT / "tests/fixtures", Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "tmp"


def worst(model, adapter, ids, mask, expected):
    model = PeftModel.from_pretrained(model.eval(), adapter).eval()
    with torch.no_grad():
        return (model(input_ids=ids, attention_mask=mask).logits - expected).abs().max().item()


for base in ["gpt2", "llama"]:
    expected = load_file(FIXTURES / f"{base}-lora/expected.safetensors")
    ids = expected["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(FIXTURES / base)
    off = worst(model, OURS / f"{base}-lora-of-ours", ids, torch.ones_like(ids), expected["logits"])
    print(f"{base}: logits off by {off:.1e}")
    assert off < 1e-4

for name in [
    "bert/classify", "bert/several", "deberta-v2/classify", "deberta-v2/several", "deberta-v2/older/classify",
    "distilbert/classify", "roberta/classify", "xlm-roberta/classify",
]:
    adapter = OURS / f"{name.replace('/', '-')}-of-ours"
    ours, lengths = load_file(f"{adapter}.safetensors"), load_file(FIXTURES / name / "expected.safetensors")["lengths"]
    ids = ours["input_ids"].long()
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    if "roberta" in name:  # it counts positions by the padding's id
        ids = ids.masked_fill(mask == 0, 1)
    model = AutoModelForSequenceClassification.from_pretrained(FIXTURES / name)
    off = worst(model, adapter, ids, mask, ours["logits"])
    print(f"{name}: logits off by {off:.1e}")
    assert off < 1e-4
