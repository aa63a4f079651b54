"""Runs a notebook, given on standard input, with the kernel `aula`; prints each cell's time and stops at a failure.

evcxr reports a cell that panicked, or that left early through `?`, as a success. Its own process says on standard
output which of the two happened, in a line that evcxr takes out. So before the first cell a cell of ours puts a
reader between that process and evcxr: it passes every line on and adds a line of its own where a cell failed.
"""

import argparse
import os
import re
import sys
import tempfile
import time
import uuid

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

SPANISH = os.environ.get("AULA_SAY") == "es"
MARK = f"aula-failed-{uuid.uuid4().hex}"
WAYS = {"panic": "panic", "error": "?"}

# Only std, and no name that stays: the block is one statement.
READER = """
{
    use std::io::{BufRead, Write};
    use std::os::fd::FromRawFd;
    unsafe extern "C" {
        fn dup(old: i32) -> i32;
        fn dup2(old: i32, new: i32) -> i32;
        fn pipe(ends: *mut i32) -> i32;
        fn close(end: i32) -> i32;
    }
    let mut ends = [0_i32; 2];
    unsafe {
        if pipe(ends.as_mut_ptr()) == 0 {
            let mut out = std::fs::File::from_raw_fd(dup(1));
            dup2(ends[1], 1);
            close(ends[1]);
            let mut lines = std::io::BufReader::new(std::fs::File::from_raw_fd(ends[0]));
            std::thread::spawn(move || {
                let mut line = Vec::new();
                while lines.read_until(b'\\n', &mut line).is_ok_and(|read| read > 0) {
                    let mark: &[u8] = match line.trim_ascii_end() {
                        text if text.ends_with(b"EVCXR_PANIC_NOTIFICATION") => b"MARK panic\\n",
                        text if text.ends_with(b"EVCXR_ERROR_OCCURRED") => b"MARK error\\n",
                        _ => b"",
                    };
                    if out.write_all(mark).and_then(|()| out.write_all(&line)).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
    }
};
""".replace("MARK", MARK)


def say(es, en):
    return es if SPANISH else en


def plain(text):
    """Text without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def first_line(source):
    lines = [line.strip() for line in source.splitlines()]
    shown = next((line for line in lines if line and not line.startswith("//")), lines[0] if lines else "")
    return shown if len(shown) <= 60 else shown[:59] + "…"


def take_mark(cell):
    """Takes our line out of a cell's output and gives how the cell failed, or nothing."""
    failure = None
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream" and MARK in output.text:
            found = re.search(rf"{MARK} (\w+)\n", output.text)
            failure = found.group(1) if found else "panic"
            output.text = re.sub(rf"{MARK} \w+\n", "", output.text)
            if not output.text:
                continue
        kept.append(output)
    cell.outputs = kept
    return failure


def told(cell, streams=("stderr",)):
    """What a cell says about its failure: errors of the compiler, else what it wrote to these streams.

    Of a panic's backtrace nothing is kept: it tells about evcxr, not about the cell.
    """
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if errors:
        return "\n".join(plain("\n".join(o.traceback)) or plain(o.evalue) for o in errors)
    text = "".join(plain(o.text) for o in cell.outputs if o.output_type == "stream" and o.name in streams)
    return re.sub(r"^stack backtrace:\n(?: +.*\n)*(?:note: .*\n)?", "", text, flags=re.M)


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
            insert_reader(client)
            ready = time.monotonic() - begin
            print(f"  {say('núcleo', 'kernel')} · {ready:.1f} s", flush=True)
            for count, (index, cell) in enumerate(cells, 1):
                if options.limit:
                    left = options.limit - (time.monotonic() - begin)
                    client.timeout = max(1, min(options.timeout, int(left)))
                problem = run_cell(client, cell, index, count, len(cells))
                if problem:
                    break
                if re.search(r"^\s*:(restart|clear)\b", cell.source, re.M):
                    insert_reader(client)
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


def insert_reader(client):
    cell = nbformat.v4.new_code_cell(READER)
    client.execute_cell(cell, -1, store_history=False)


def run_cell(client, cell, index, count, total):
    """Runs one cell; gives what to tell about its failure, or nothing."""
    begin = time.monotonic()
    failure = why = None
    try:
        client.execute_cell(cell, index)
    except CellTimeoutError:
        failure = say("se acabó el tiempo", "time is up")
    except CellExecutionError as error:
        # evcxr sends no name or text with the reply; its messages are in the cell's outputs.
        failure, why = say("no compila o el programa se cerró", "does not compile, or the program ended"), str(error)
    except DeadKernelError as error:
        failure, why = say("el núcleo se cerró", "the kernel died"), str(error)
    marked = take_mark(cell)
    failure = failure or (WAYS.get(marked, marked) if marked else None)
    seconds = time.monotonic() - begin
    cell.metadata["aula"] = {"seconds": round(seconds, 3)}
    sign = "✗" if failure else " "
    print(f"{sign} [{count}/{total}] {seconds:6.1f} s  {first_line(cell.source)}", flush=True)
    if not failure:
        return None
    cell.metadata["aula"]["failed"] = failure
    source = "\n".join("    | " + line for line in cell.source.splitlines())
    detail = told(cell) or told(cell, ("stdout",)) or plain(why or "")
    return f"  {say('celda', 'cell')} {count} ({failure}):\n{source}\n{detail.rstrip()}"


def write(notebook, path):
    beside = f"{path}.{os.getpid()}.part"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(beside, "w", encoding="utf-8") as file:
        nbformat.write(notebook, file)
    os.replace(beside, path)


sys.exit(main())
