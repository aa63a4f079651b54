"""Measures the kernel `aula`: start to first answer, later cells, memory; warm and, for root on Linux, cold."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from jupyter_client.manager import start_new_kernel

SPANISH = os.environ.get("AULA_SAY") == "es"
CACHES = "/proc/sys/vm/drop_caches"

# What learners type: a value, text, a loop, a function, the library's own error type.
CELLS = [
    "let x{n} = {n}; x{n} + 1",
    'let name{n} = format!("lección {{}}", {n}); name{n}.len()',
    "let squares{n}: Vec<u64> = (0..{n}).map(|i| i * i).collect(); squares{n}.iter().sum::<u64>()",
    "fn twice{n}(x: i64) -> i64 {{ 2 * x }} twice{n}({n})",
]


def say(es, en):
    return es if SPANISH else en


def execute(client, code):
    """Seconds from sending the cell to the kernel being idle again."""
    problems = []

    def hook(message):
        if message["msg_type"] == "error":
            problems.append("\n".join(message["content"]["traceback"]) or message["content"]["evalue"])

    begin = time.monotonic()
    client.execute_interactive(code, timeout=600, output_hook=hook, store_history=False)
    seconds = time.monotonic() - begin
    if problems:
        sys.exit(f"✗ {code}\n{problems[0]}")
    return seconds


def memory(pid):
    """Resident megabytes of a process and of all below it, shared pages counted once per process."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    total, left = 0, [pid]
    while left:
        one = left.pop()
        left += children.get(one, [])
        try:
            with open(f"/proc/{one}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
        except OSError:
            pass
    return total / 1024


def drop_caches():
    os.sync()
    with open(CACHES, "w") as file:
        file.write("3\n")


def measure(cells, cold):
    if cold:
        drop_caches()
    begin = time.monotonic()
    # evcxr tells on its own output what it does.
    manager, client = start_new_kernel(
        kernel_name="aula", startup_timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ready = time.monotonic() - begin
        execute(client, "1 + 1")
        first = time.monotonic() - begin
        first_let = execute(client, "let first = 1; first + 1")
        later = [execute(client, CELLS[n % len(CELLS)].format(n=n + 10)) for n in range(cells)]
        linux = os.path.isdir("/proc") and hasattr(manager.provisioner, "pid")
        used = memory(manager.provisioner.pid) if linux else None
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return {"ready": ready, "first": first, "first_let": first_let, "later": statistics.median(later), "slowest": max(later), "memory": used}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    kinds = [("warm", say("caliente", "warm"), False)]
    if os.access(CACHES, os.W_OK):
        kinds.append(("cold", say("frío", "cold"), True))
    measure(1, False)  # so that "warm" is warm
    rows = [
        ("ready", say("arranque hasta que responde (s)", "start until it answers (s)")),
        ("first", say("arranque hasta la primera respuesta (s)", "start to first answer (s)")),
        ("first_let", say("primer `let` (s)", "first `let` (s)")),
        ("later", say("celda posterior, mediana (s)", "later cell, median (s)")),
        ("slowest", say("celda posterior, la más lenta (s)", "later cell, slowest (s)")),
        ("memory", say("memoria de sus procesos (MB)", "memory of its processes (MB)")),
    ]
    figures = {}
    for key, _, cold in kinds:
        runs = [measure(options.cells, cold) for _ in range(options.starts)]
        figures[key] = {
            name: statistics.median(run[name] for run in runs) if runs[0][name] is not None else None
            for name, _ in rows
        }
    print("| |" + "|".join(f" {title} " for _, title, _ in kinds) + "|")
    print("| --- |" + " ---: |" * len(kinds))
    for name, title in rows:
        values = [figures[key][name] for key, _, _ in kinds]
        shown = ["–" if v is None else f"{v:.0f}" if name == "memory" else f"{v:.2f}" for v in values]
        print(f"| {title} | " + " | ".join(shown) + " |")
    if len(kinds) == 1:
        print(say("(en frío: solo root en Linux)", "(cold: only root on Linux)"))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
    return 0


sys.exit(main())
