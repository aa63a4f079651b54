"""Measures the kernel `aula` beside the stock kernel (evcxr_jupyter as it comes, without our library): start, first
answer, first `let`, later cells, idle memory, and what the relay itself adds to a cell; for root on Linux also cold."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SPANISH = os.environ.get("AULA_SAY") == "es"
CACHES = "/proc/sys/vm/drop_caches"

# Seconds between the first answer and the first `let`.
WARM_UP = 5

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


def stock_spec(folder):
    """A kernelspec for evcxr_jupyter alone, with an empty configuration; gives its manager."""
    spec = os.path.join(folder, "stock")
    os.makedirs(os.path.join(folder, "config"))
    os.makedirs(spec)
    with open(os.path.join(spec, "kernel.json"), "w", encoding="utf-8") as file:
        json.dump(
            {
                "argv": [os.environ["AULA_EVCXR"], "--control_file", "{connection_file}"],
                "display_name": "stock",
                "language": "rust",
                "interrupt_mode": "message",
                "env": {"EVCXR_CONFIG_DIR": os.path.join(folder, "config")},
            },
            file,
        )
    return KernelSpecManager(kernel_dirs=[folder], ensure_native_kernel=False)


def measure(cells, cold, specs=None, times=None):
    """One kernel, from its start to its end. `specs` finds the stock kernel; `times` is where the relay writes."""
    if cold:
        drop_caches()
    if specs:
        manager = KernelManager(kernel_name="stock", kernel_spec_manager=specs)
    else:
        manager = KernelManager(kernel_name="aula")
    env = dict(os.environ, AULA_RELAY_TIMES=times) if times else dict(os.environ)
    begin = time.monotonic()
    # evcxr tells on its own output what it does.
    manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=600)
        ready = time.monotonic() - begin
        execute(client, "1 + 1")
        first = time.monotonic() - begin
        # What a learner reads meanwhile: the kernel warms itself.
        time.sleep(WARM_UP)
        first_let = execute(client, "let first = 1; first + 1")
        later = [execute(client, CELLS[n % len(CELLS)].format(n=n + 10)) for n in range(cells)]
        linux = os.path.isdir("/proc") and hasattr(manager.provisioner, "pid")
        used = memory(manager.provisioner.pid) if linux else None
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    figures = {"ready": ready, "first": first, "first_let": first_let}
    return {**figures, "later": statistics.median(later), "slowest": max(later), "memory": used}


def relay_costs(path):
    """Median and 99th percentile, in milliseconds, of what the relay added to each cell that it could hand on at once."""
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    costs = sorted((line["before_us"] + line["after_us"]) / 1000 for line in lines if not line["waited"])
    if not costs:
        return None
    return {"cells": len(costs), "median": statistics.median(costs), "p99": costs[min(len(costs) - 1, int(len(costs) * 0.99))]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    specs = stock_spec(folder.name)
    times = os.path.join(folder.name, "times")
    kinds = [("warm", say("aula", "aula"), False, None), ("stock", say("sin nada más", "stock"), False, specs)]
    if os.access(CACHES, os.W_OK):
        kinds.append(("cold", say("aula, en frío", "aula, cold"), True, None))
    measure(1, False)  # so that "warm" is warm
    rows = [
        ("ready", say("arranque hasta `kernel_info` (s)", "start to `kernel_info` (s)")),
        ("first", say("arranque hasta la primera respuesta (s)", "start to first answer (s)")),
        ("first_let", say("primer `let`, tras leer un poco (s)", "first `let`, after some reading (s)")),
        ("later", say("celda posterior, mediana (s)", "later cell, median (s)")),
        ("slowest", say("celda posterior, la más lenta (s)", "later cell, slowest (s)")),
        ("memory", say("memoria de sus procesos, en reposo (MB)", "memory of its processes, idle (MB)")),
    ]
    figures = {}
    for key, _, cold, specs in kinds:
        runs = [measure(options.cells, cold, specs, None if specs else times) for _ in range(options.starts)]
        figures[key] = {
            name: statistics.median(run[name] for run in runs) if runs[0][name] is not None else None
            for name, _ in rows
        }
    print("| |" + "|".join(f" {title} " for _, title, _, _ in kinds) + "|")
    print("| --- |" + " ---: |" * len(kinds))
    for name, title in rows:
        values = [figures[key][name] for key, _, _, _ in kinds]
        shown = ["–" if v is None else f"{v:.0f}" if name == "memory" else f"{v:.2f}" for v in values]
        print(f"| {title} | " + " | ".join(shown) + " |")
    figures["relay"] = relay_costs(times)
    if figures["relay"]:
        cost = figures["relay"]
        shown = f"{cost['median']:.2f} ms, p99 {cost['p99']:.2f} ms, {cost['cells']}"
        print(say(f"Lo que añade el relevo a una celda: mediana {shown} celdas", f"What the relay adds to a cell: median {shown} cells"))
    if len(kinds) == 2:
        print(say("(en frío: solo root en Linux)", "(cold: only root on Linux)"))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
    return 0


sys.exit(main())
