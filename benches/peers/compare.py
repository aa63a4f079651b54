"""Compares the training speed of this crate with PyTorch, on the same batches.

    python benches/peers/compare.py --ours "COMMAND" MODEL_FOLDER BATCHES.safetensors

COMMAND runs the crate's own training on the same folder and batches and prints, as
its last line that is JSON, the same fields as train_torch.py: engine, version,
threads, steps, seconds_per_step_median, tokens_per_second, losses. Give it the same
number of threads and steps as --threads and --steps here, and the same warm-up.

The two run in turns (ours, torch, ours, torch), so that a machine that slows down
for a while slows both. Nothing else should be running: see train_torch.py's head on
what other work does to torch's threads. Exit code 1 when a limit is missed.

Needs only Python; --python names the one that has torch (default: this one).
Written with Python 3.11.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

MINIMUM_RATIO = 0.8  # torch's seconds over ours: above 1 we are faster
MAXIMUM_LOSS_GAP = 1e-3
FIELDS = {"engine", "version", "threads", "steps", "seconds_per_step_median", "losses"}


def run(command):
    # stderr goes through, so that progress and errors are seen as they come.
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"failed with {result.returncode}: {shlex.join(command)}")
    for line in reversed(result.stdout.splitlines()):
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and FIELDS <= answer.keys():
            return answer
    sys.exit(f"no JSON line with {sorted(FIELDS)} from: {shlex.join(command)}")


def largest_gap(ours, torch):
    if len(ours) != len(torch):
        sys.exit(f"cannot compare: {len(ours)} losses of ours, {len(torch)} of torch")
    gaps = [abs(a - b) for a, b in zip(ours, torch)]
    # max() may pass over a NaN, and a NaN must fail.
    return max(gaps) if all(gap == gap for gap in gaps) else float("nan")


def main():
    arguments = argparse.ArgumentParser(description="Compare training speed with PyTorch.")
    arguments.add_argument("model")
    arguments.add_argument("batches")
    arguments.add_argument("--ours", required=True, help="command that prints our JSON line")
    arguments.add_argument("--runs", type=int, default=2, help="of each")
    arguments.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments.add_argument("--steps", type=int)
    arguments.add_argument("--warmup", type=int, default=3)
    arguments.add_argument("--python", default=sys.executable)
    arguments.add_argument("--torch-options", default="", help='e.g. "--compile"')
    options = arguments.parse_args()
    if options.runs < 1:
        arguments.error("--runs must be at least 1")

    ours_command = shlex.split(options.ours)
    torch_command = [
        options.python,
        str(Path(__file__).resolve().parent / "train_torch.py"),
        options.model,
        options.batches,
        f"--threads={options.threads}",
        f"--warmup={options.warmup}",
        *([f"--steps={options.steps}"] if options.steps else []),
        *shlex.split(options.torch_options),
    ]
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: load average {load:.1f} before the start; times will not be fair")

    ours, torch = [], []
    for number in range(options.runs):
        for name, command, results in (("ours", ours_command, ours), ("torch", torch_command, torch)):
            results.append(run(command))
            print(f"run {number + 1} {name}: {results[-1]['seconds_per_step_median']:.4f} s per step",
                  flush=True)

    for field in ("threads", "steps"):
        values = {result[field] for result in ours + torch}
        if len(values) > 1:
            sys.exit(f"cannot compare: {field} differ: {sorted(values)}")

    def seconds(results):
        return statistics.median(result["seconds_per_step_median"] for result in results)

    ratio = seconds(torch) / seconds(ours)
    gaps = [largest_gap(a["losses"], b["losses"]) for a, b in zip(ours, torch)]
    gap = max(gaps) if all(g == g for g in gaps) else float("nan")

    print(f"\n{ours[0]['threads']} threads, {ours[0]['steps']} steps, {options.runs} runs of each")
    print(f"{'engine':<24}{'s per step':>12}{'fastest run':>14}{'slowest run':>14}")
    for results in (ours, torch):
        runs = [result["seconds_per_step_median"] for result in results]
        name = f"{results[0]['engine']} {results[0]['version']}"
        print(f"{name:<24}{seconds(results):>12.4f}{min(runs):>14.4f}{max(runs):>14.4f}")
    checks = (
        (f"speed, torch's time over ours: {ratio:.3f} (at least {MINIMUM_RATIO})",
         ratio >= MINIMUM_RATIO),
        (f"largest difference of losses: {gap:.2e} (below {MAXIMUM_LOSS_GAP:.0e})",
         gap < MAXIMUM_LOSS_GAP),
    )
    for text, passed in checks:
        print(f"{'PASS' if passed else 'FAIL'}  {text}")
    sys.exit(not all(passed for _, passed in checks))


if __name__ == "__main__":
    main()
