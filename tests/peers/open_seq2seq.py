"""Do transformers and peft open the T5s, mT5s and adapters that we save, and do they say there what they say here?

    cargo test --release --test seq2seq                      # saves them in target/tmp, each with its logits
    .aula/peers/bin/python tests/peers/open_seq2seq.py
"""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the folder must be enough by itself

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForSeq2SeqLM

ROOT = Path(__file__).resolve().parent.parent.parent
TMP = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "tmp"
for name in ("relu", "gated", "mt5"):
    folder = TMP / f"t5-{name}-pairs ñ"
    assert folder.is_dir(), f"{folder}: run the tests first"
    given = load_file(ROOT / "tests/fixtures/t5" / name / "expected.safetensors")
    ours = load_file(f"{folder}.safetensors")["logits"]
    mask = (torch.arange(11) < given["lengths"][:, None]).long()

    def off(model):
        with torch.no_grad():
            logits = model.eval()(input_ids=given["input_ids"], attention_mask=mask, labels=given["labels"]).logits
        return (logits - ours).abs()[given["labels"] >= 0].max().item()

    model, info = AutoModelForSeq2SeqLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    base = AutoModelForSeq2SeqLM.from_pretrained(ROOT / "tests/fixtures/t5" / name)
    whole, adapted = off(model), off(PeftModel.from_pretrained(base, TMP / f"t5-{name}-adapter ñ"))
    print(f"{folder.name}: logits off by {whole:.1e}, with the adapter by {adapted:.1e}; {model.config.architectures[0]}")
    assert whole < 1e-4 and adapted < 1e-4
