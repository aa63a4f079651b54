"""Opens a model folder saved by this crate in transformers, and compares logits.

    .aula/peers/bin/python tests/peers/open_in_transformers.py FOLDER [EXPECTED.safetensors]

EXPECTED holds `input_ids` [batch, length] (no padding) and `logits` [batch, length,
vocabulary] as the crate computed them. The exit code is 1 when the largest
difference is above 1e-4, or when the folder lacks a weight or has one too many:
transformers would fill a missing one with random numbers and only warn.

Run by hand, before a release or after a change to how models are saved: it needs
torch and transformers, gigabytes that the crate's own tests should not ask for.

Setup: python -m venv .aula/peers && .aula/peers/bin/pip install torch==2.15.0 transformers==5.23.0
Written with Python 3.11, torch 2.15.0, transformers 5.23.0, tokenizers 0.23.3.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the folder must be enough by itself

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import logging

TOLERANCE = 1e-4


def load_model(folder):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    problems = {k: v for k, v in info.items() if v and k != "error_msgs"}
    if problems or info.get("error_msgs"):
        sys.exit(f"FAIL: weights do not match the config: {info}")
    return model.eval()


def load_tokenizer(folder, config):
    if (folder / "tokenizer_config.json").exists():
        return AutoTokenizer.from_pretrained(folder)
    file = folder / "tokenizer.json"
    if not file.exists():
        return None
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    # tokenizer.json does not say which token ends a text or pads a batch; the config does.
    for name in ("bos", "eos", "pad"):
        token_id = getattr(config, f"{name}_token_id", None)
        token_id = token_id[0] if isinstance(token_id, list) else token_id
        if token_id is not None:
            setattr(tokenizer, f"{name}_token", tokenizer.convert_ids_to_tokens(token_id))
    return tokenizer


def main():
    arguments = argparse.ArgumentParser(description="Open a saved model folder in transformers.")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("expected", type=Path, nargs="?")
    arguments.add_argument("--prompt", default="El gato")
    arguments.add_argument("--new-tokens", type=int, default=16)
    options = arguments.parse_args()
    logging.disable_progress_bar()
    if not (options.folder / "config.json").exists():
        sys.exit(f"FAIL: {options.folder} has no config.json")

    model = load_model(options.folder)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{type(model).__name__}, {parameters} parameters, "
          f"tied output layer: {model.config.tie_word_embeddings}")

    tokenizer = load_tokenizer(options.folder, model.config)
    if tokenizer is None:
        print("no tokenizer.json: generating from token 1")
        ids = torch.tensor([[1]])
    else:
        if len(tokenizer) > model.config.vocab_size:
            sys.exit(f"FAIL: {len(tokenizer)} tokens, but the model has {model.config.vocab_size}")
        ids = tokenizer(options.prompt, return_tensors="pt").input_ids
    with torch.no_grad():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=options.new_tokens,
            do_sample=False,
        )[0]
    print("tokens:", output.tolist())
    if tokenizer is not None:
        print("text:", repr(tokenizer.decode(output)))

    if options.expected is not None:
        expected = load_file(options.expected)
        with torch.no_grad():
            logits = model(input_ids=expected["input_ids"].long()).logits
        if logits.shape != expected["logits"].shape:
            sys.exit(f"FAIL: shape {tuple(logits.shape)}, expected {tuple(expected['logits'].shape)}")
        gap = (logits - expected["logits"]).abs().max().item()
        # "not <=" so that a NaN fails too.
        verdict = "FAIL" if not gap <= TOLERANCE else "PASS"
        print(f"{verdict}: largest difference of logits {gap:.2e} (limit {TOLERANCE:.0e})")
        sys.exit(verdict == "FAIL")


if __name__ == "__main__":
    main()
