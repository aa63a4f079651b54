"""Tests of the kernel `aula` from the outside, as a front end sees it: the protocol's own test suite, then failure,
stop, output and faults. Run by `aula verify`; prints one line per test and the counts."""

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import textwrap
import time
import unittest
from queue import Empty

import jupyter_kernel_test
import zmq
from jupyter_client.manager import KernelManager, start_new_kernel
from jupyter_client.session import Session

PATIENCE = 120

# The relay's socket, used by hand: what the course's library does with it, any program can do.
NOTE = """
fn note(line: &str) {
    use std::io::Write;
    let path = std::env::var("AULA_NOTES").unwrap();
    let mut relay = std::os::unix::net::UnixStream::connect(path).unwrap();
    writeln!(relay, "{}", line).unwrap();
    std::mem::forget(relay);
}
fn wait_for_stop() -> String {
    use std::io::BufRead;
    let path = std::env::var("AULA_NOTES").unwrap();
    let relay = std::os::unix::net::UnixStream::connect(path).unwrap();
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(relay);
    while !line.contains("stop") {
        line.clear();
        lines.read_line(&mut line).unwrap();
    }
    std::mem::forget(lines);
    line
}
"""


# A training that takes minutes, in two cells.
TRAINING = """
let folder = std::env::var("AULA_HOME")? + "/data/en/diary.csv";
let texts = Table::read(&folder)?.texts("text")?;
let mut model = LanguageModel::load("cuentos")?;
let (train, valid) = model.dataset(&texts, 64)?.split(0.9, 42)?;
model.add_lora(&LoraConfig { rank: 8, ..Default::default() })?;
let config = TrainConfig { epochs: 500, learning_rate: 2e-3, batch_size: 8, ..Default::default() };
"""
TRAIN = "let history = fine_tune(&mut model, &train, &valid, &config)?;"


def start(**options):
    manager, client = start_new_kernel(
        kernel_name="aula", startup_timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    return manager, client


class Result:
    """What one cell gave: its reply, its output messages in order."""

    def __init__(self, reply, messages):
        self.reply = reply
        self.messages = messages

    def kinds(self):
        return [message["msg_type"] for message in self.messages]

    def text(self, name="stdout"):
        streams = [m["content"] for m in self.messages if m["msg_type"] == "stream"]
        return "".join(content["text"] for content in streams if content["name"] == name)

    def value(self):
        found = [m["content"]["data"]["text/plain"] for m in self.messages if m["msg_type"] == "execute_result"]
        return found[-1] if found else None

    def traceback(self):
        return "\n".join("\n".join(m["content"]["traceback"]) for m in self.messages if m["msg_type"] == "error")


def collect(client, msg_id, timeout=PATIENCE):
    """Waits for the idle and the reply of one request."""
    messages = []
    end = time.monotonic() + timeout
    while True:
        message = client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        if message["msg_type"] == "status":
            if message["content"]["execution_state"] == "idle":
                break
        elif message["msg_type"] != "execute_input":
            messages.append(message)
    while True:
        reply = client.get_shell_msg(timeout=max(0.1, end - time.monotonic()))
        if reply["parent_header"].get("msg_id") == msg_id:
            return Result(reply["content"], messages)


def run(client, code, timeout=PATIENCE, **options):
    return collect(client, client.execute(textwrap.dedent(code), **options), timeout)


def processes():
    """Every process: its parent, its state and its command line."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline") as file:
                command = file.read().replace("\0", " ")
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), fields[0], command)
    return found


def below(pid):
    """A process and all below it."""
    every = processes()
    found = [pid]
    for one in found:
        found += [child for child, (parent, _, _) in every.items() if parent == one]
    return found


def wait_gone(pids, seconds=5):
    """The processes of a list that still run after so long."""
    end = time.monotonic() + seconds
    while True:
        every = processes()
        left = [pid for pid in pids if pid in every and every[pid][1] != "Z"]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def evcxr(manager):
    """evcxr's process, a child of the relay's."""
    relay = manager.provisioner.pid
    every = processes()
    return next(pid for pid, (parent, _, command) in every.items() if parent == relay and "evcxr_jupyter" in command)


def environment(pid, name):
    with open(f"/proc/{pid}/environ") as file:
        return next(line.split("=", 1)[1] for line in file.read().split("\0") if line.startswith(name + "="))


def megabytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024


class Conformance(jupyter_kernel_test.KernelTests):
    """Jupyter's own suite for kernels, with every sample filled in."""

    kernel_name = "aula"
    language_name = "Rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oh");'
    completion_samples = [{"text": "String::from_utf8_l", "matches": {"from_utf8_lossy(v)", "from_utf8_lossy_owned(v)"}}]
    complete_code_samples = ["1 + 1", "let x = 3;", 'println!("hello");', "fn f(x: u32) -> u32 {\n    2 * x\n}"]
    incomplete_code_samples = ["fn f() {", "let x =", '"abc', "vec![1, 2,", "/* a"]
    invalid_code_samples = ["let x = );", "}", "vec![1)"]
    code_page_something = "?String::from_utf8"
    code_generate_error = "let broken: u32 = missing_value;"
    code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": '"a".repeat(3)', "result": '"aaa"'}]
    code_display_data = [
        {"code": 'note("{\\"note\\":\\"display\\",\\"data\\":{\\"text/html\\":\\"<b>b</b>\\"}}");', "mime": "text/html"}
    ]
    code_clear_output = 'note("{\\"note\\":\\"clear\\",\\"wait\\":false}");'
    code_history_pattern = "6*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "String::from_utf8"

    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start()
        run(cls.kc, NOTE)
        run(cls.kc, "1")


class Welcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "aula"
    support_iopub_welcome = True


class OneKernel(unittest.TestCase):
    """Tests that share a kernel."""

    @classmethod
    def setUpClass(cls):
        cls.manager, cls.client = start()
        run(cls.client, NOTE)

    @classmethod
    def tearDownClass(cls):
        cls.client.stop_channels()
        cls.manager.shutdown_kernel(now=True)

    def run_cell(self, code, **options):
        return run(self.client, code, **options)

    def good(self, code, **options):
        result = self.run_cell(code, **options)
        self.assertEqual(result.reply["status"], "ok", result.traceback())
        return result

    def interrupt_after(self, code, seconds):
        """Runs a cell, presses stop after a while; gives the result and the seconds from the press to the end."""
        msg_id = self.client.execute(textwrap.dedent(code))
        time.sleep(seconds)
        pressed = time.monotonic()
        self.manager.interrupt_kernel()
        return collect(self.client, msg_id), time.monotonic() - pressed


class Output(OneKernel):
    def test_displays_are_updated_and_cleared_while_a_cell_runs_and_come_in_order(self):
        result = self.good(
            """
            note(r#"{"note":"stream","name":"stdout","text":"a"}"#);
            note(r#"{"note":"display","id":"d1","data":{"text/plain":"0 %"},"metadata":{}}"#);
            note(r#"{"note":"update","id":"d1","data":{"text/plain":"50 %"},"metadata":{}}"#);
            note(r#"{"note":"clear","wait":true}"#);
            7
            """
        )
        kinds = ["stream", "display_data", "update_display_data", "clear_output", "execute_result"]
        self.assertEqual(result.kinds(), kinds)
        self.assertEqual(result.messages[1]["content"]["transient"], {"display_id": "d1"})
        self.assertEqual(result.messages[2]["content"]["data"], {"text/plain": "50 %"})

    def test_numbers_go_up_by_one_and_silent_cells_take_none(self):
        first = self.good("1").reply["execution_count"]
        silent = self.good("2", silent=True)
        self.assertEqual(silent.messages, [])
        self.good("3", store_history=False)
        result = self.good("4")
        self.assertEqual(result.reply["execution_count"], first + 1)
        self.assertEqual(result.messages[0]["content"]["execution_count"], first + 1)

    def test_two_hundred_thousand_lines_all_arrive_and_memory_stays(self):
        relay = self.manager.provisioner.pid
        before = megabytes(relay)
        lines, width = 200_000, 250
        code = f'for i in 0..{lines} {{ println!("{{:0{width - 1}}}", i); }}'
        msg_id = self.client.execute(code)
        text, most = [], 0.0
        begin = time.monotonic()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])
                if len(text) % 500 == 0:
                    most = max(most, megabytes(relay))
            elif message["content"].get("execution_state") == "idle":
                break
        found = "".join(text).splitlines()
        self.assertEqual(len(found), lines)
        self.assertEqual([int(line) for line in found], list(range(lines)))
        print(f"    {sum(map(len, text)) / 1e6:.0f} MB, {time.monotonic() - begin:.1f} s, relay {before:.0f} to {most:.0f} MB")
        self.assertLess(most - before, 60)
        self.client.get_shell_msg(timeout=PATIENCE)

    def test_a_slow_front_end_slows_the_cell_down_and_loses_nothing(self):
        relay = self.manager.provisioner.pid
        before = megabytes(relay)
        code = """
            {
                use std::io::Write;
                let path = std::env::var("AULA_NOTES").unwrap();
                let mut relay = std::os::unix::net::UnixStream::connect(path).unwrap();
                for i in 0..2000 {
                    let line = format!("{:010}{}", i, "x".repeat(30000));
                    writeln!(relay, r#"{{"note":"stream","name":"stdout","text":"{}\\n"}}"#, line).unwrap();
                }
            }
            """
        msg_id = self.client.execute(textwrap.dedent(code))
        time.sleep(4)
        # Nobody has read a word yet.
        self.assertLess(megabytes(relay) - before, 60)
        result = collect(self.client, msg_id)
        found = [int(line[:10]) for line in result.text().splitlines()]
        self.assertEqual(found, list(range(2000)))

    def test_thirty_thousand_updates_leave_memory_as_it_was(self):
        relay = self.manager.provisioner.pid
        before = megabytes(relay)
        code = """
            {
                use std::io::Write;
                let path = std::env::var("AULA_NOTES").unwrap();
                let mut relay = std::os::unix::net::UnixStream::connect(path).unwrap();
                let picture = "x".repeat(2000);
                for i in 0..30000 {
                    writeln!(relay, r#"{{"note":"update","id":"d","data":{{"text/html":"{} {}"}}}}"#, i, picture).unwrap();
                }
            }
            """
        result = self.good(code)
        self.assertEqual(result.kinds().count("update_display_data"), 30_000)
        self.assertLess(megabytes(relay) - before, 40)


class Failures(OneKernel):
    FAILED = r'note(r#"{"note":"failed","ename":"Error","evalue":"no file","text":"no file\n  next step"}"#);'

    def test_a_cell_that_failed_says_so_and_those_behind_it_are_aborted(self):
        self.good("let kept = 5;")
        first = self.client.execute(self.FAILED + " let fresh = 1;")
        behind = [self.client.execute(f"{n}") for n in range(3)]
        failed = collect(self.client, first)
        self.assertEqual((failed.reply["status"], failed.reply["evalue"]), ("error", "no file"))
        self.assertEqual(failed.reply["traceback"][:2], ["no file", "  next step"])
        self.assertIn("`fresh`", failed.traceback())
        for msg_id in behind:
            result = collect(self.client, msg_id)
            self.assertEqual((result.reply["status"], result.messages), ("aborted", []))
        self.assertEqual(self.good("kept").value(), "5")

    def test_without_stop_on_error_those_behind_it_run(self):
        first = self.client.execute(self.FAILED, stop_on_error=False)
        second = self.client.execute("8")
        self.assertEqual(collect(self.client, first).reply["status"], "error")
        self.assertEqual(collect(self.client, second).value(), "8")

    def test_a_panic_and_an_early_return_are_failures_and_variables_stay(self):
        self.good("let steady = 3;")
        panic = self.run_cell('panic!("deliberate");')
        self.assertEqual(panic.reply["status"], "error")
        self.assertIn("deliberate", panic.traceback())
        early = self.run_cell('let fresh_number: i32 = "x".parse()?;')
        self.assertEqual(early.reply["status"], "error")
        self.assertIn("invalid digit", early.traceback())
        self.assertIn("`fresh_number`", early.traceback())
        self.assertEqual(self.good("steady").value(), "3")

    def test_writing_to_stderr_is_no_failure(self):
        result = self.good('eprintln!("error: all is well");')
        self.assertEqual(result.text("stderr"), "error: all is well\n")

    def test_messages_of_the_compiler_keep_their_text_and_get_a_remedy(self):
        cases = [
            ("let list = Vec::new();", "let list: "),
            ("let text = String::new(); let other = text; text.len()", "`&text`"),
            ("let a = 1\nlet b = 2;", "`;`"),
            ("let map: HashMap<u8, u8> = HashMap::new();", "use std::collections::HashMap;"),
            ("not_there + 1", "not_there"),
        ]
        for code, remedy in cases:
            with self.subTest(code=code):
                result = self.run_cell(code)
                self.assertEqual(result.reply["status"], "error")
                lines = result.traceback().splitlines()
                self.assertTrue(any("→" in line and remedy in line for line in lines), result.traceback())
                self.assertFalse(lines[0].startswith("→"), result.traceback())

    def test_a_variable_that_a_failed_cell_was_to_make_is_explained(self):
        failed = self.run_cell(self.FAILED + ' let later = 1; panic!("no");').reply["execution_count"]
        told = self.run_cell("later + 1").traceback()
        self.assertIn(f"[{failed}]", told)


class Stops(OneKernel):
    def test_stop_asks_first_and_every_variable_stays(self):
        self.good("let kept = 11;")
        result, seconds = self.interrupt_after("let said = wait_for_stop();", 3)
        self.assertEqual(result.reply["status"], "ok", result.traceback())
        self.assertLess(seconds, 2)
        self.assertEqual(self.good("(kept, said.len() > 0)").value(), "(11, true)")

    def test_training_ends_at_the_next_step_with_what_it_has(self):
        self.good(TRAINING)
        result, seconds = self.interrupt_after(TRAIN, 8)
        self.assertEqual(result.reply["status"], "ok", result.traceback())
        self.assertGreater(result.kinds().count("update_display_data"), 4)
        print(f"    {seconds:.1f} s after the press")
        self.assertLess(seconds, 5)
        result = self.good("model.perplexity(&valid)? > 1.0 && history.steps.len() > 1")
        self.assertEqual(result.value(), "true")

    def test_a_second_press_interrupts_and_says_what_is_lost(self):
        self.good("let gone = 11;")
        msg_id = self.client.execute("loop { std::thread::sleep(std::time::Duration::from_millis(50)); }")
        time.sleep(3)
        self.manager.interrupt_kernel()
        time.sleep(1)
        begin = time.monotonic()
        self.manager.interrupt_kernel()
        result = collect(self.client, msg_id)
        self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual((result.reply["status"], result.reply["ename"]), ("error", "Interrupted"))
        self.assertIn("`gone`", result.traceback())
        self.assertIn("`gone`", self.run_cell("gone + 1").traceback())
        self.good("let gone = 12;")
        self.assertEqual(self.good("gone").value(), "12")
        # The prelude is there again.
        self.good("let table: Option<Table> = None;")

    def test_ten_seconds_without_an_end_interrupt_too(self):
        result, seconds = self.interrupt_after("loop { std::thread::sleep(std::time::Duration::from_millis(50)); }", 3)
        self.assertEqual(result.reply["ename"], "Interrupted")
        self.assertTrue(9 < seconds < 15, seconds)
        self.assertTrue(result.text("stderr"))
        self.good("1")

    def test_a_stop_while_compiling_cancels_the_compile(self):
        self.good("let kept = 21;")
        many = "\n".join(f'println!("{{}}", {n});' for n in range(40_000))
        begin = time.monotonic()
        result, seconds = self.interrupt_after("fn big() {\n" + many + "\n}\nbig();", 2)
        self.assertEqual((result.reply["status"], result.reply["ename"]), ("error", "Interrupted"), result.traceback())
        print(f"    {seconds:.1f} s after the press, {time.monotonic() - begin:.1f} s after the start")
        self.assertLess(seconds, 5)
        self.assertEqual(self.good("kept").value(), "21")

    def test_stop_with_nothing_running_does_nothing(self):
        self.good("let kept = 31;")
        self.manager.interrupt_kernel()
        self.manager.interrupt_kernel()
        # The requests go by another socket than the cell.
        time.sleep(0.5)
        self.assertEqual(self.good("kept").value(), "31")

    QUESTION = """
        fn ask() -> String {
            use std::io::Read;
            println!("EVCXR_INPUT_REQUEST:name? ");
            let mut input = std::mem::ManuallyDrop::new(unsafe {
                <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(0)
            });
            let mut line = Vec::new();
            let mut byte = [0];
            while input.read(&mut byte).unwrap() == 1 && byte[0] != b'\\n' {
                line.push(byte[0]);
            }
            String::from_utf8_lossy(&line).to_string()
        }
        """

    def test_a_question_is_asked_and_answered(self):
        self.good(self.QUESTION)
        msg_id = self.client.execute("ask()", allow_stdin=True)
        question = self.client.get_stdin_msg(timeout=30)
        self.assertEqual(question["content"]["prompt"], "name? ")
        self.client.input("Ana")
        self.assertEqual(collect(self.client, msg_id).value(), '"Ana"')


class Faults(OneKernel):
    def test_a_process_that_aborts_fails_its_cell_and_the_next_runs(self):
        self.good("let gone_too = 1;")
        result = self.run_cell("std::process::abort();")
        self.assertEqual((result.reply["status"], result.reply["ename"]), ("error", "Ended"))
        self.assertIn("`gone_too`", result.traceback())
        self.good("let table: Option<Table> = None;")

    def test_evcxr_killed_in_the_middle_of_a_cell(self):
        self.good("let lost_one = 1;")
        msg_id = self.client.execute("std::thread::sleep(std::time::Duration::from_secs(600));")
        time.sleep(2)
        old = below(evcxr(self.manager))
        os.kill(old[0], signal.SIGKILL)
        result = collect(self.client, msg_id)
        self.assertEqual((result.reply["status"], result.reply["ename"]), ("error", "Ended"))
        self.assertIn("`lost_one`", result.traceback())
        self.assertEqual(self.good("1 + 1").value(), "2")
        self.assertEqual(wait_gone(old), [])
        self.good(NOTE)

    def test_a_wrong_signature_is_dropped(self):
        session = Session(key=b"wrong", signature_scheme="hmac-sha256")
        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.connect(f"tcp://127.0.0.1:{self.manager.shell_port}")
        content = {"code": 'println!("never");', "silent": False, "store_history": True}
        session.send(dealer, "execute_request", content)
        session.send(dealer, "kernel_info_request", {})
        self.assertEqual(dealer.poll(1500), 0)
        dealer.send_multipart([b"nothing", b"of", b"the kind"])
        dealer.close(0)
        self.assertEqual(self.good("1 + 2").value(), "3")

    def greet(self):
        one = socket.create_connection(("127.0.0.1", self.manager.shell_port))
        one.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL".ljust(23, b"\0") + bytes(32))
        body = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
        one.sendall(bytes([4, len(body)]) + body)
        time.sleep(0.1)
        return one

    def test_truncated_and_oversized_frames_end_their_connection_only(self):
        relay = self.manager.provisioner.pid
        before = megabytes(relay)
        cut = self.greet()
        cut.sendall(b"\x01\x40short")
        cut.close()
        huge = self.greet()
        huge.sendall(b"\x02" + struct.pack(">Q", 1 << 62) + b"x" * 1000)
        huge.settimeout(5)
        try:
            while huge.recv(65536):
                pass
        except ConnectionResetError:
            pass
        huge.close()
        many = self.greet()
        try:
            many.sendall(b"\x01\x00" * 2_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        many.close()
        rubbish = socket.create_connection(("127.0.0.1", self.manager.iopub_port))
        rubbish.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10)
        rubbish.close()
        self.assertEqual(self.good("2 + 2").value(), "4")
        self.assertLess(megabytes(relay) - before, 60)

    def test_the_socket_file_removed(self):
        path = environment(evcxr(self.manager), "AULA_NOTES")
        os.remove(path)
        self.assertEqual(self.good("2 + 3").value(), "5")
        time.sleep(1)
        self.assertTrue(os.path.exists(path))
        result = self.good(r'note(r#"{"note":"stream","name":"stdout","text":"again"}"#);')
        self.assertEqual(result.text(), "again")

    def test_nobody_but_the_owner_can_open_the_socket(self):
        folder = os.path.dirname(environment(evcxr(self.manager), "AULA_NOTES"))
        self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
        self.assertEqual(os.stat(folder).st_uid, os.getuid())

    def test_the_relay_listens_where_the_connection_file_says_and_nowhere_else(self):
        relay = self.manager.provisioner.pid
        links = [os.readlink(f"/proc/{relay}/fd/{fd}") for fd in os.listdir(f"/proc/{relay}/fd")]
        own = {link[8:-1] for link in links if link.startswith("socket:[")}
        listening = set()
        for table in ["/proc/net/tcp", "/proc/net/tcp6"]:
            with open(table) as file:
                for line in file.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == "0A" and fields[9] in own:
                        listening.add(fields[1])
        ports = [self.manager.shell_port, self.manager.iopub_port, self.manager.stdin_port, self.manager.hb_port]
        ports.append(self.manager.control_port)
        self.assertEqual(listening, {f"0100007F:{port:04X}" for port in ports})

    def test_a_message_type_that_the_relay_does_not_know_is_forwarded(self):
        message = self.client.session.msg("aula_unknown_request", {"a": 1})
        self.client.shell_channel.send(message)
        # evcxr answers with nothing but busy and idle.
        states = []
        while len(states) < 2:
            got = self.client.get_iopub_msg(timeout=10)
            if got["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                states.append(got["content"]["execution_state"])
        self.assertEqual(states, ["busy", "idle"])

    def test_a_front_end_that_goes_away_and_comes_back(self):
        self.good("let still = 1;")
        away = self.manager.client()
        away.session.session = self.client.session.session
        msg_id = self.client.execute('std::thread::sleep(std::time::Duration::from_secs(2)); println!("meanwhile");')
        self.client.stop_channels()
        away.start_channels()
        away.wait_for_ready(timeout=30)
        type(self).client = away
        self.assertTrue(msg_id)
        self.assertEqual(self.good("still").value(), "1")


class Lives(unittest.TestCase):
    """Tests that start and end kernels."""

    def test_it_answers_within_a_second_and_a_cell_sent_meanwhile_waits_and_says_so(self):
        best = 9.0
        for _ in range(3):
            manager = KernelManager(kernel_name="aula")
            begin = time.monotonic()
            manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=60)
            best = min(best, time.monotonic() - begin)
            if best < 1:
                break
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        print(f"    {best:.2f} s")
        self.assertLess(best, 1)
        result = run(client, "1 + 1")
        self.assertEqual(result.kinds(), ["display_data", "clear_output", "execute_result"])
        self.assertEqual((result.value(), result.reply["execution_count"]), ("2", 1))
        client.stop_channels()
        manager.shutdown_kernel()

    def test_a_first_cell_that_ends_in_a_question_mark_is_shown_as_its_type_wants(self):
        manager, client = start()
        result = run(client, 'Table::from_texts("a", &["hello".to_string()])?')
        self.assertEqual(result.kinds(), ["display_data", "clear_output", "display_data"])
        self.assertIn("<table", result.messages[-1]["content"]["data"]["text/html"])
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    def test_two_kernels_at_once(self):
        kernels = [start() for _ in range(2)]
        for n, (_, client) in enumerate(kernels):
            run(client, f"let which = {n};")
        for n, (_, client) in enumerate(kernels):
            self.assertEqual(run(client, "which").value(), str(n))
        for manager, client in kernels:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    def running(self, before="1", code="loop { std::thread::sleep(std::time::Duration::from_millis(10)); }"):
        """A kernel in the middle of a cell: its processes and its folder."""
        manager, client = start()
        run(client, before)
        client.execute(code)
        time.sleep(2)
        pids = below(manager.provisioner.pid)
        self.assertGreaterEqual(len(pids), 4)
        folder = os.path.dirname(environment(evcxr(manager), "AULA_NOTES"))
        return manager, client, pids, folder

    def test_an_orderly_shutdown_in_the_middle_of_a_cell_leaves_nothing_behind(self):
        manager, client, pids, folder = self.running()
        begin = time.monotonic()
        manager.shutdown_kernel(now=False)
        self.assertLess(time.monotonic() - begin, 3)
        client.stop_channels()
        self.assertEqual(wait_gone(pids), [])
        self.assertFalse(os.path.exists(folder))

    def test_a_relay_killed_leaves_nothing_behind(self):
        manager, client, pids, folder = self.running()
        os.kill(manager.provisioner.pid, signal.SIGKILL)
        self.assertEqual(wait_gone(pids), [])
        time.sleep(0.5)
        self.assertFalse(os.path.exists(folder))
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    def test_a_restart_in_the_middle_of_training(self):
        manager, client, pids, folder = self.running(TRAINING, TRAIN)
        manager.restart_kernel(now=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client.wait_for_ready(timeout=60)
        self.assertEqual(wait_gone(pids), [])
        self.assertFalse(os.path.exists(folder))
        result = run(client, "3 + 4")
        self.assertEqual((result.value(), result.reply["execution_count"]), ("7", 1))
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    def test_a_front_end_killed_takes_the_kernel_with_it(self):
        program = textwrap.dedent(
            """
            import sys, time
            from jupyter_client.manager import start_new_kernel
            manager, client = start_new_kernel(kernel_name="aula", startup_timeout=600)
            client.execute("1")
            client.get_shell_msg(timeout=60)
            client.execute("loop { std::thread::sleep(std::time::Duration::from_millis(10)); }")
            time.sleep(2)
            print(manager.provisioner.pid, flush=True)
            time.sleep(600)
            """
        )
        front = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            pids = below(int(front.stdout.readline()))
            self.assertGreaterEqual(len(pids), 4)
        finally:
            front.kill()
            front.wait()
            front.stdout.close()
        self.assertEqual(wait_gone(pids), [])


class Line(unittest.TextTestResult):
    """One line a test, with its seconds."""

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def line(self, sign, test):
        name = test.id().removeprefix("__main__.")
        print(f"  {sign} {name} · {time.monotonic() - self.begin:.1f} s", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.line("✓", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("✗", test)

    def addError(self, test, err):
        super().addError(test, err)
        self.line("✗", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("–", test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.line("✗", subtest)


def main():
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:] or CLASSES, sys.modules["__main__"])
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Line, verbosity=0).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"kernel tests: {max(0, result.testsRun - bad - len(result.skipped))} passed, {bad} failed, {len(result.skipped)} skipped")
    return 1 if bad else 0


CLASSES = ["Conformance", "Welcome", "Output", "Failures", "Stops", "Faults", "Lives"]

if __name__ == "__main__":
    sys.exit(main())
