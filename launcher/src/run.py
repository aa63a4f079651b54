"""Runs a notebook, given on standard input, with the kernel `aula`; prints each cell's time and stops at a failure."""

import argparse
import os
import re
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

SPANISH = os.environ.get("AULA_SAY") == "es"


def say(es, en):
    return es if SPANISH else en


def plain(text):
    """Text without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def first_line(source):
    lines = [line.strip() for line in source.splitlines()]
    shown = next((line for line in lines if line and not line.startswith("//")), lines[0] if lines else "")
    return shown if len(shown) <= 60 else shown[:59] + "…"


def told(cell):
    """What a cell says about its failure."""
    errors = [o for o in cell.outputs if o.output_type == "error"]
    return "\n".join(plain("\n".join(o.traceback)) or plain(o.evalue) for o in errors)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--out")
    parser.add_argument("--timeout", type=int, default=3600)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()

    notebook = nbformat.reads(sys.stdin.read(), as_version=4)
    folder = os.path.dirname(options.name)
    client = NotebookClient(
        notebook,
        kernel_name="aula",
        timeout=options.timeout,
        startup_timeout=600,
        resources={"metadata": {"path": folder}},
    )
    cells = [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    begin = time.monotonic()
    problem = None
    # What evcxr itself prints; only of use when it does not start.
    noise = tempfile.TemporaryFile()
    print(f"· {os.path.basename(options.name)}", flush=True)
    try:
        with client.setup_kernel(stdout=noise, stderr=noise):
            ready = time.monotonic() - begin
            print(f"  {say('núcleo', 'kernel')} · {ready:.1f} s", flush=True)
            for count, (index, cell) in enumerate(cells, 1):
                if options.limit:
                    left = options.limit - (time.monotonic() - begin)
                    client.timeout = max(1, min(options.timeout, int(left)))
                problem = run_cell(client, cell, index, count, len(cells))
                if problem:
                    break
    except (DeadKernelError, RuntimeError, OSError) as error:
        noise.seek(0)
        lines = plain(noise.read().decode(errors="replace")).strip().splitlines()[-20:]
        what = say("El núcleo no arranca o se ha cerrado", "The kernel does not start, or died")
        problem = "\n".join([f"  {what}: {plain(str(error))}", *("    | " + line for line in lines), "  → cargo aula doctor"])
    total = time.monotonic() - begin
    notebook.metadata["aula"] = {"seconds": round(total, 2)}
    if options.out:
        write(notebook, options.out)
    if problem:
        print(f"✗ {options.name}\n{problem}", file=sys.stderr, flush=True)
        return 1
    print(f"✓ {len(cells)} {say('celdas', 'cells')} · {total:.1f} s", flush=True)
    return 0


def run_cell(client, cell, index, count, total):
    """Runs one cell; gives what to tell about its failure, or nothing."""
    begin = time.monotonic()
    failure = why = None
    try:
        client.execute_cell(cell, index)
    except CellTimeoutError:
        failure = say("se acabó el tiempo", "time is up")
    except CellExecutionError as error:
        failure, why = error.ename, str(error)
    except DeadKernelError as error:
        failure, why = say("el núcleo se cerró", "the kernel died"), str(error)
    seconds = time.monotonic() - begin
    cell.metadata["aula"] = {"seconds": round(seconds, 3)}
    sign = "✗" if failure else " "
    print(f"{sign} [{count}/{total}] {seconds:6.1f} s  {first_line(cell.source)}", flush=True)
    if not failure:
        return None
    cell.metadata["aula"]["failed"] = failure
    source = "\n".join("    | " + line for line in cell.source.splitlines())
    detail = told(cell) or plain(why or "")
    return f"  {say('celda', 'cell')} {count} ({failure}):\n{source}\n{detail.rstrip()}"


def write(notebook, path):
    beside = f"{path}.{os.getpid()}.part"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(beside, "w", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    os.replace(beside, path)


sys.exit(main())
