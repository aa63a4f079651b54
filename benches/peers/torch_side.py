"""PyTorch's side of `cargo bench --bench peers`: one kind of work, a turn for each line on standard input.

    python benches/peers/torch_side.py WORK FOLDER

FOLDER is what make.py wrote. Each turn prints one line of JSON: `seconds` of a unit (a step, an epoch, a token, all
sentences), `values` to compare, `peak_mb` of this process so far, `engine`, `threads`. As people run it: the model's own loss,
fused AdamW (the Trainer's default), clipping at 1.0, no torch.compile (it needs a C++ compiler).
"""

import gc
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true"

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

THREADS = 2
STEPS = {"cuentos": 8, "minilm": 4}
NEW_TOKENS = 128


def optimizer_of(model, rate):
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, fused=True)


class Steps:
    """Steps on full batches: GPT-2, Llama, the classifier, with or without LoRA."""

    def __init__(self, work, folder):
        from peft import PeftModel

        kind = work.split("-")[0]
        auto = AutoModelForSequenceClassification if kind == "minilm" else AutoModelForCausalLM
        self.model = auto.from_pretrained(folder / kind, dtype=torch.float32).train()
        if work.endswith("-lora"):
            self.model = PeftModel.from_pretrained(self.model, folder / work, is_trainable=True)
        self.batches = load_file(folder / kind / "batches.safetensors")
        self.optimizer = optimizer_of(self.model, 2e-4)
        self.steps, self.at = STEPS.get(kind, 2), 0

    def turn(self):
        losses, start = [], time.perf_counter()
        for _ in range(self.steps):
            ids = self.batches["input_ids"][self.at]
            labels = self.batches["labels"][self.at] if "labels" in self.batches else ids
            self.at = (self.at + 1) % len(self.batches["input_ids"])
            loss = self.model(input_ids=ids, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            losses.append(loss.item())
        return (time.perf_counter() - start) / self.steps, losses


class Epoch:
    """An epoch of uneven texts, prompts masked, by the Trainer with its defaults."""

    def __init__(self, _, folder):
        from transformers import DataCollatorForSeq2Seq, PreTrainedTokenizerFast

        self.folder = folder / "gpt2"
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "gpt2/tokenizer.json"), pad_token="<pad>")
        self.collator = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100)
        rows = []
        for prompt, answer in json.loads((folder / "answers.json").read_text("utf-8")):
            asked = tokenizer(prompt)["input_ids"]
            told = tokenizer(answer, add_special_tokens=False)["input_ids"] + [2]
            ids = (asked + told)[:256]
            rows.append({"input_ids": ids, "attention_mask": [1] * len(ids),
                         "labels": ([-100] * len(asked) + told)[:256]})
        self.valid, self.train = rows[:8], rows[8:]

    def loss(self):
        """Mean loss of the texts set apart, over all their answers' tokens."""
        total, counted = 0.0, 0
        self.model.eval()
        with torch.no_grad():
            for row in self.valid:
                labels = torch.tensor([row["labels"]])
                count = int((labels[:, 1:] != -100).sum())
                total += self.model(input_ids=torch.tensor([row["input_ids"]]), labels=labels).loss.item() * count
                counted += count
        return total / counted

    def turn(self):
        from transformers import Trainer, TrainingArguments

        # Read anew: a copy of the first weights would be memory that nobody who trains has.
        self.model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        before = self.loss()
        with tempfile.TemporaryDirectory() as out:
            arguments = TrainingArguments(out, num_train_epochs=1, report_to=[], save_strategy="no", use_cpu=True,
                                          disable_tqdm=True)
            trainer = Trainer(self.model, arguments, train_dataset=self.train, data_collator=self.collator)
            start = time.perf_counter()
            trainer.train()
            seconds = time.perf_counter() - start
        del trainer
        print(f"loss after the epoch: {self.loss():.4f}", file=sys.stderr)
        self.model = None
        gc.collect()
        return seconds, [before]


class Generate:
    """Greedy generation from one prompt; the unit is a token."""

    def __init__(self, _, folder):
        self.model = AutoModelForCausalLM.from_pretrained(folder / "llama", dtype=torch.float32).eval()
        self.prompt = load_file(folder / "llama/batches.safetensors")["input_ids"][0, :1, :16]

    def turn(self):
        start = time.perf_counter()
        ids = self.model.generate(self.prompt, attention_mask=torch.ones_like(self.prompt), do_sample=False,
                                  max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, pad_token_id=0)
        seconds = time.perf_counter() - start
        return seconds / NEW_TOKENS, ids[0, 16:].tolist()


class Sentences:
    """A thousand uneven texts to vectors, by sentence-transformers."""

    def __init__(self, _, folder):
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(str(folder / "all-MiniLM-L6-v2"), device="cpu")
        self.texts = json.loads((folder / "sentences.json").read_text("utf-8"))

    def turn(self):
        start = time.perf_counter()
        vectors = self.model.encode(self.texts)
        return time.perf_counter() - start, vectors[:, :4].flatten().tolist()


def main():
    work, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(THREADS)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    kinds = {"epoch": Epoch, "generate": Generate, "sentences": Sentences}
    side = kinds.get(work, Steps)(work, folder)
    for _ in sys.stdin:
        seconds, values = side.turn()
        print(json.dumps({
            "seconds": seconds, "values": values, "threads": torch.get_num_threads(),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
            "engine": f"torch {torch.__version__}, transformers {transformers.__version__}",
        }), flush=True)


if __name__ == "__main__":
    main()
