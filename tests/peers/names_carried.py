"""Does the model that ships carry its characters through a story?

    .aula/peers/bin/python tests/peers/names_carried.py FOLDER [--engine "cargo aula"]

Tells 300 stories that no training saw (`aula stories`, seed 77), and gives the mean loss, in nats, on children's names and on
animals: at their first mention, when another one was there before, and when that very one was. A model that carries
names is surprised by the first and not by the last; one that does not is as surprised by both.

Setup: as for open_in_transformers.py
"""

import argparse
import os
import re
import shlex
import subprocess
from collections import defaultdict
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the folder must be enough by itself

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
STORIES = 150


def table(grammar, name):
    """The last word of each row of a table: `el zorro` gives `zorro`."""
    rows = re.search(rf"^\[table {name}\]\n(.*?)\n\n", grammar, re.S | re.M).group(1)
    return {row.split("|")[0].split()[-1] for row in rows.splitlines()}


def stories(engine, language):
    told = subprocess.run(
        [*shlex.split(engine), "stories", language, "--count", str(STORIES), "--seed", "77"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )
    return [re.sub(r"^\[\w+\] ", "", line) for line in told.stdout.splitlines() if line.strip()]


def main():
    arguments = argparse.ArgumentParser(description="Loss on names, first and again.")
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--engine", default="cargo aula")
    arguments = arguments.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    model = AutoModelForCausalLM.from_pretrained(arguments.folder).eval()
    sums = defaultdict(lambda: [0, 0.0])
    for language in ("es", "en"):
        grammar = (ROOT / f"data/stories/{language}.txt").read_text(encoding="utf-8")
        kinds = {word: kind for kind in ("kid", "animal") for word in table(grammar, kind)}
        for text in stories(arguments.engine, language):
            encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
            ids, places = encoded["input_ids"][0], encoded["offset_mapping"][0].tolist()
            with torch.no_grad():
                logs = model(ids[None]).logits[0].log_softmax(-1)
            seen = set()
            for i in range(1, len(ids)):
                word = text[slice(*places[i])].strip()
                kind = kinds.get(word)
                when = "again" if word in seen else "another" if any(kinds[w] == kind for w in seen) else "first"
                if kind:
                    seen.add(word)
                entry = sums[(kind, when) if kind else ("other words", "")]
                entry[0] += 1
                entry[1] -= logs[i - 1, ids[i]].item()
    for (kind, when), (count, loss) in sorted(sums.items()):
        print(f"{kind:12} {when:8} {count:6} {loss / count:6.2f}")


main()
