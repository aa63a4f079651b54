"""Writes the models and texts that `cargo bench --bench peers` measures with, into a folder of its own.

    python benches/peers/make.py PROJECT_FOLDER OUT_FOLDER [MINILM_FOLDER]

Weights are random (seed 0): how fast a step is does not depend on them. The shapes are those of well-known models.
Dropout is off, so that both sides compute the same losses. MINILM_FOLDER is the real all-MiniLM-L6-v2.
"""

import csv
import json
import random
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

GPT2_82M = GPT2Config(
    n_layer=6, n_embd=768, n_head=12, n_positions=1024, vocab_size=50257, eos_token_id=2, bos_token_id=1,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
)
LLAMA_135M = LlamaConfig(
    hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
    vocab_size=49152, max_position_embeddings=2048, tie_word_embeddings=True, eos_token_id=2, bos_token_id=1,
)
MINILM = BertConfig(
    hidden_size=384, intermediate_size=1536, num_hidden_layers=6, num_attention_heads=12, vocab_size=30522,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, num_labels=2,
)


def write(folder, model, tokenizer, rows, length, vocabulary, labels=0):
    """A model's folder, with batches of full rows: nothing is padded."""
    model.save_pretrained(folder)
    shutil.copy(tokenizer, folder / "tokenizer.json")
    write_batches(folder, rows, length, vocabulary, labels)


def write_batches(folder, rows, length, vocabulary, labels=0):
    draw = torch.Generator().manual_seed(1)
    batches = {"input_ids": torch.randint(3, vocabulary, (16, rows, length), generator=draw)}
    if labels:
        batches["labels"] = torch.randint(0, labels, (16, rows), generator=draw)
    save_file(batches, folder / "batches.safetensors")


def answers(project):
    """Texts of the course with what comes before each: (prompt, answer), from a few words to a few hundred."""
    found = []
    for line in (project / "data/es/articulos.jsonl").read_text("utf-8").splitlines():
        article = json.loads(line)
        found.append((f"Título: {article['titulo']}\n", article["texto"]))
    for name, before in [("resenas.csv", "sentimiento"), ("recetas.csv", "titulo")]:
        with open(project / "data/es" / name, encoding="utf-8", newline="") as file:
            found += [(f"{row[before]}\n", row["texto"]) for row in csv.DictReader(file)]
    random.Random(0).shuffle(found)
    return found


def sentences(project):
    """A thousand texts of one to four sentences."""
    draw, found = random.Random(0), []
    for _, text in answers(project):
        parts = [part.strip() for part in text.replace("\n", " ").split(". ") if len(part.strip()) > 3]
        while parts:
            count = draw.randint(1, 4)
            found.append(". ".join(parts[:count]))
            parts = parts[count:]
    draw.shuffle(found)
    return found[:1000]


def main():
    project, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    cuentos = project / "data/models/cuentos"
    tokenizer = cuentos / "tokenizer.json"

    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2_82M)
    write(out / "gpt2", gpt2, tokenizer, 4, 128, GPT2_82M.vocab_size)
    adapted = get_peft_model(gpt2, LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True,
        task_type="CAUSAL_LM",
    ))
    adapted.save_pretrained(out / "gpt2-lora")
    write(out / "llama", LlamaForCausalLM(LLAMA_135M), tokenizer, 4, 128, LLAMA_135M.vocab_size)
    write(out / "minilm", BertForSequenceClassification(MINILM), tokenizer, 16, 64, MINILM.vocab_size, labels=2)
    shutil.copytree(cuentos, out / "cuentos", dirs_exist_ok=True)
    write_batches(out / "cuentos", 16, 128, 4096)

    texts = answers(project)
    (out / "answers.json").write_text(json.dumps(texts[:56], ensure_ascii=False), "utf-8")
    (out / "sentences.json").write_text(json.dumps(sentences(project), ensure_ascii=False), "utf-8")
    if len(sys.argv) > 3:
        shutil.copytree(sys.argv[3], out / "all-MiniLM-L6-v2", dirs_exist_ok=True)


if __name__ == "__main__":
    main()
