"""Does transformers open the encoders that we save, with no weight missing or left over, and say what they say here?

    cargo test --release --test encoders                     # saves them in target/tmp, each with its logits
    .aula/peers/bin/python tests/peers/open_encoders.py
"""

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the folder must be enough by itself

import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent.parent
TMP = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "tmp"
found = sorted(path for path in TMP.glob("*-saved ñ") if Path(f"{path}.safetensors").is_file())
assert len(found) == 20, f"{len(found)} of 20 models: run the tests first"
for folder in found:
    ours = load_file(f"{folder}.safetensors")
    lengths = torch.tensor([11, 7])  # as in tests/fixtures/reference.py
    ids = ours["input_ids"].long()
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    if "roberta" in folder.name:  # it counts positions by the padding's id
        ids = ids.masked_fill(mask == 0, 1)
    auto = AutoModelForMaskedLM if "masked" in folder.name else AutoModelForSequenceClassification
    model, info = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    with torch.no_grad():
        logits = model.eval()(input_ids=ids, attention_mask=mask).logits
    off = (logits - ours["logits"]).abs()
    off = off[mask.bool()].max().item() if "masked" in folder.name else off.max().item()
    print(f"{folder.name}: logits off by {off:.1e}; {model.config.architectures[0]}")
    if "deberta" not in folder.name:  # the tiny ones have WordPiece, which transformers does not look for there
        print(len(AutoTokenizer.from_pretrained(folder)("El gato y la niña.")["input_ids"]), "tokens")
    assert off < 1e-4
