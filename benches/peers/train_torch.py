"""The PyTorch side of the training speed comparison; compare.py runs it.

    python benches/peers/train_torch.py MODEL_FOLDER BATCHES.safetensors [--threads N] [--steps N]

Full fine-tuning in float32 on the CPU. BATCHES holds `input_ids` [steps, batch,
length] and `lengths` [steps, batch], int64, padded on the right. Prints one line
of JSON. `tokens_per_second` counts tokens that are not padding.

It is meant as a strong opponent, so it does what a careful PyTorch user would:
  - no attention mask: padding is on the right and attention looks left, so no real
    token ever sees it, and SDPA takes its faster causal kernel;
  - batches are cut to their longest row, and the output layer runs only where
    there is a target;
  - fused AdamW, which since torch 2.4 also exists for the CPU;
  - the C library keeps freed memory instead of giving it back to the system and
    asking again at every step (5 to 8 % less CPU time; --stock-malloc leaves it).
Not torch.compile: it needs a C++ compiler and about a minute at the start, for 10 to
20 % less time per step in one trial; --compile tries it.

Other work on the same cores can hurt torch beyond its share, because its threads
wait for each other by spinning. Measure on a quiet machine; where that cannot be had,
try OMP_WAIT_POLICY=passive in the environment: beside a compiler, 2 threads went from
1.2 to 0.3 s per step in one trial, and gained little in others.

Setup: python -m venv .aula/peers && .aula/peers/bin/pip install torch==2.15.0 transformers==5.23.0
Written with Python 3.11, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0.
"""

import argparse
import ctypes
import json
import os
import statistics
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import LlamaForCausalLM
from transformers.utils import logging


def keep_freed_memory():
    """Tells glibc not to return memory to the system; elsewhere does nothing."""
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # from <malloc.h>
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 32 << 20)  # the largest that glibc takes
        libc.mallopt(trim_threshold, 2_000_000_000)
        libc.mallopt(top_pad, 64 << 20)
    except (OSError, AttributeError):
        pass


def make_optimizer(model):
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": 0.01},
        {"params": vectors, "weight_decay": 0.0},
    ]
    settings = dict(lr=2e-4, betas=(0.9, 0.999), eps=1e-8)
    try:
        return torch.optim.AdamW(groups, fused=True, **settings)
    except RuntimeError:  # torch before 2.4
        return torch.optim.AdamW(groups, foreach=True, **settings)


def batch_loss(model, input_ids, lengths):
    # Position i predicts token i + 1, so the last token of a row has no target.
    length = int(lengths.max())
    ids = input_ids[:, :length]
    has_target = torch.arange(length - 1) < (lengths - 1)[:, None]
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[:, :-1][has_target])
    return F.cross_entropy(logits, ids[:, 1:][has_target])


def main():
    arguments = argparse.ArgumentParser(description="Time full fine-tuning steps in PyTorch.")
    arguments.add_argument("model")
    arguments.add_argument("batches")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--steps", type=int, help="default: all the batches of the file")
    arguments.add_argument("--warmup", type=int, default=3, help="first steps, not timed")
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--stock-malloc", action="store_true")
    options = arguments.parse_args()
    if not options.stock_malloc:
        keep_freed_memory()
    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)

    batches = load_file(options.batches)
    available = len(batches["input_ids"])
    steps = options.steps or available
    if steps > available or steps <= options.warmup:
        arguments.error(f"--steps must be above --warmup and at most {available}")

    model = LlamaForCausalLM.from_pretrained(
        options.model, dtype=torch.float32, attn_implementation="sdpa"
    ).train()
    optimizer = make_optimizer(model)
    if options.compile:
        model.model.compile()

    losses, seconds, tokens = [], [], 0
    for step in range(steps):
        input_ids, lengths = batches["input_ids"][step], batches["lengths"][step]
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(model, input_ids, lengths)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        losses.append(loss.item())
        if step >= options.warmup:
            seconds.append(time.perf_counter() - start)
            tokens += int(lengths.sum())

    print(
        json.dumps(
            {
                "engine": "torch",
                "version": torch.__version__,
                "threads": options.threads,
                "steps": steps,
                "seconds_per_step_median": statistics.median(seconds),
                "tokens_per_second": tokens / sum(seconds),
                "losses": losses,
            }
        )
    )


if __name__ == "__main__":
    main()
