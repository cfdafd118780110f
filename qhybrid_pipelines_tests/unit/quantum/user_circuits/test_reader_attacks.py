"""Nothing that a file can hold harms the process that takes it in, and the refusal says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines.quantum.user_circuits.reader import parse_in_sandbox, read_user_circuit
from qhybrid_pipelines.quantum.user_circuits.tokens import join_tokens, split_tokens
from qhybrid_pipelines_tests.support.cpu_time import cpu_seconds_below
from qhybrid_pipelines_tests.support.user_circuits import ATTACKS, UNSUPPORTED, V2, V3, doubling_gates

LIMITED = "import sys; from qhybrid_pipelines.quantum.user_circuits.sandbox import limit_resources; limit_resources(); "


def refusal(text: str | bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_user_circuit(text if isinstance(text, bytes) else text.encode(), file="evil.qasm")
    return caught.value


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_before_any_parser_sees_it(name, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    attack = ATTACKS[name]
    with cpu_seconds_below(1.0):
        error = refusal(attack.text)
    assert attack.says in error.problem + error.remedy
    assert (error.file, error.line) == ("evil.qasm", attack.line)
    assert str(error).startswith("evil.qasm")
    assert len(str(error)) < 400


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_the_reader_refuses_names_the_file_and_the_line(name):
    error = refusal(UNSUPPORTED[name].text)
    assert UNSUPPORTED[name].says in error.problem
    assert (error.file, error.line) == ("evil.qasm", UNSUPPORTED[name].line)


def test_the_bombs_are_as_small_as_they_are_said_to_be():
    assert len(doubling_gates(18)) < 600
    assert len(doubling_gates(30)) < 1000
    assert check_circuit(doubling_gates(13)).gates == 2**13


def test_bytes_that_are_no_text_are_refused():
    assert refusal(b"OPENQASM 3.0;\n\xff\xfe").line == 2
    assert "1000001 bytes" in refusal(b"\xff" * 1_000_001).problem


def test_parsers_see_what_was_judged_and_no_comment():
    text = f'{V3}// include "/etc/passwd";\nqubit /* [99] */ [2]\n q;\n'
    seen = join_tokens(split_tokens(text))
    assert "passwd" not in seen
    assert "99" not in seen
    assert [(t.text, t.line) for t in split_tokens(seen)] == [(t.text, t.line) for t in split_tokens(text)]


def in_another_process(code: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=False)


def test_without_all_this_an_include_opens_the_file(tmp_path):
    """Negative control: the parser as it comes reads any file, and its error repeats what stands in it."""
    (tmp_path / "secret").write_text("hunter2 is the password")
    text = f'OPENQASM 2.0;\ninclude "{tmp_path}/secret";\nqreg q[1];\n'
    naive = in_another_process("import sys; from qiskit import qasm2; qasm2.loads(sys.stdin.read())", text)
    assert "hunter2" in naive.stderr
    closed = in_another_process(
        "import sys; from qiskit import qasm2; qasm2.loads(sys.stdin.read(), include_path=())", text
    )
    assert closed.returncode
    assert "hunter2" not in closed.stderr
    assert "hunter2" not in str(refusal(text))


def test_a_parser_that_crashes_takes_only_the_child_with_it():
    """The nested parentheses reach the parser here: its process dies of a signal, this one goes on."""
    code = LIMITED + "from qiskit import qasm2; qasm2.loads(sys.stdin.read())"
    with pytest.raises(InvalidInput, match=r"signal (11|6|7)"):
        parse_in_sandbox(ATTACKS["30,000 nested parentheses"].text, code=("-c", code))


def test_a_parser_that_takes_all_memory_fails_in_the_child():
    code = LIMITED + "from qiskit import qasm2; qasm2.loads(sys.stdin.read())"
    with pytest.raises(InvalidInput, match=r"the reader (failed with exit code|was ended by signal)"):
        parse_in_sandbox(ATTACKS["10^9 qubits, version 2"].text, code=("-c", code))


def test_a_panic_of_a_parser_is_told_as_an_error():
    """Panics are no Exception, so the child's own handler is tried with one."""
    code = LIMITED + (
        "from qhybrid_pipelines.quantum.user_circuits import canonical, sandbox\n"
        "class Panic(BaseException): pass\n"
        "def panic(checked, order): raise Panic('capacity overflow')\n"
        "canonical.to_canonical = panic; sandbox.main()"
    )
    with pytest.raises(InvalidInput, match="Panic: capacity overflow"):
        parse_in_sandbox(f"{V2}qreg q[1];\n", code=("-c", code))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", "signal 11"),
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import time; time.sleep(60)", "more than 1 s"),
        ("print('x' * 17_000_000)", "too long"),
        ("print('hello')", "no answer"),
        ("", "no answer"),
        (LIMITED + "bytearray(8 << 30)", "exit code 1"),
        (LIMITED + "import os; os.write(os.open('x', os.O_CREAT | os.O_WRONLY), b'y')", "exit code 1"),
    ],
)
def test_whatever_the_child_does_is_an_error_of_the_file(code, said):
    with pytest.raises(InvalidInput, match=said):
        parse_in_sandbox("x" * 1_000_000, code=("-c", code), seconds=1.0 if "sleep" in code else 60.0)


def test_the_child_sees_nothing_of_this_process(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "hunter2")
    code = "import os, json; print(json.dumps({'env': dict(os.environ), 'files': os.listdir('.'), 'cwd': os.getcwd()}))"
    seen = parse_in_sandbox("", code=("-c", code))
    assert "hunter2" not in json.dumps(seen)
    assert not {"HOME", "PATH", "PYTHONPATH"} & seen["env"].keys()
    assert seen["files"] == []
    assert not Path(seen["cwd"]).exists()
