"""What the reader asks its child process, what it makes of the answer, and what the child gives up before it reads."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits import reader
from qhybrid_pipelines.quantum.user_circuits.reader import check_width, parse_in_sandbox, read_user_circuit
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model
from qhybrid_pipelines_tests.support.user_circuits import V3

TEXT = f"{V3}input float a;\ninput float idle;\nqubit[2] q;\nrx(2*a + 0.1) q[0];\nry(0.3 - a) q[1];\ncx q[0], q[1];\n"
SIMPLIFY = "Simplify it; other tools may read it, but not within the limits here."


def answer_of_the_child(**changed) -> dict:
    return {
        "text": f"{V3}input float[64] t_0;\ninput float[64] t_1;\nqubit[2] q;\nrx(t_0) q[0];\nry(t_1) q[1];\ncx q[0], q[1];\n",
        "parameters": ["t_0", "t_1"],
        "angles": [[0.1, [[0, 2.0]]], [0.3, [[0, -1.0]]]],
        "depth": 2,
        "two_qubit_gates": 1,
        "pairs": [[0, 1]],
        **changed,
    }


@pytest.fixture
def child(monkeypatch):
    """Answers in the child's place, and the arguments that it would get."""
    answers, asked = [], []

    def parse(text, *, code):
        asked.append((text, code))
        return answers[-1]

    monkeypatch.setattr(reader, "parse_in_sandbox", parse)
    read_user_circuit.cache_clear()
    yield answers, asked
    read_user_circuit.cache_clear()


def test_an_answer_becomes_an_ansatz(child):
    answers, asked = child
    answers.append(answer_of_the_child())
    circuit = read_user_circuit(b"\xef\xbb\xbf" + TEXT.encode(), file="c.qasm")
    [(_, code)] = asked
    assert code == ("-m", "qhybrid_pipelines.quantum.user_circuits.sandbox")
    assert (circuit.file, circuit.inputs, circuit.places, circuit.names) == (
        "c.qasm",
        ("a", "idle"),
        ("q[0]", "q[1]"),
        (),
    )
    assert (circuit.n_qubits, circuit.n_variables, circuit.idle_inputs) == (2, 2, ("idle",))
    assert (circuit.pairs, circuit.warnings) == (((0, 1),), ())
    assert (circuit.ansatz.depth, circuit.ansatz.two_qubit_gates) == (2, 1)
    assert circuit.ansatz.offset.tolist() == [0.1, 0.3]
    assert circuit.ansatz.matrix.tolist() == [[2.0, -1.0], [0.0, 0.0]]
    assert np.allclose(circuit.ansatz.bindings(np.array([[0.5, 9.0]])), [[1.1, -0.2]])


def test_the_child_is_told_the_order_of_the_outcomes(child):
    answers, asked = child
    answers.append(answer_of_the_child())
    text = TEXT + "// qhybrid: q[0] is left\n// qhybrid: q[1] is right\n"
    circuit = read_user_circuit(text.encode(), file="c.qasm", order=(1, 0))
    assert asked[0][1][-2:] == ("1", "0")
    assert (circuit.places, circuit.names) == (("q[1]", "q[0]"), ("right", "left"))


@pytest.mark.parametrize(
    "changed",
    [
        {"text": answer_of_the_child()["text"].replace("qubit[2]", "qubit[3]")},
        {"parameters": ["t_0"]},
        {"parameters": ["t_1", "t_0"]},
    ],
    ids=["wider", "fewer inputs", "other inputs"],
)
def test_what_the_child_says_is_not_taken_on_trust(changed, child):
    child[0].append(answer_of_the_child(**changed))
    with pytest.raises(InvalidInput) as caught:
        read_user_circuit(TEXT.encode(), file="c.qasm")
    assert caught.value.problem == "the circuit was refused: its canonical form is not the circuit of the file"
    assert (caught.value.remedy, caught.value.file) == (SIMPLIFY, "c.qasm")


def test_what_is_no_circuit_is_named_with_its_file(child):
    child[0].append(answer_of_the_child(text="OPENQASM 3.0;\nnobody;\n"))
    with pytest.raises(InvalidInput, match="is not defined") as caught:
        read_user_circuit(TEXT.encode(), file="c.qasm")
    assert (caught.value.file, caught.value.line) == ("c.qasm", 2)


@pytest.mark.parametrize(
    ("data", "problem", "remedy", "line"),
    [
        (b"x" * 1_000_001, "the circuit has 1000001 bytes", "At most 1000000 are accepted.", None),
        (b"\xff", "the circuit is not UTF-8 text", "Save it as UTF-8.", 1),
        (b"a\n\nb\xc3(", "the circuit is not UTF-8 text", "Save it as UTF-8.", 3),
        (b"/" * 1_000_000, "the circuit declares no qubits", "Declare a register, for example `qubit[4] q;`.", 1),
    ],
)
def test_bytes_that_hold_no_circuit_are_refused(data, problem, remedy, line):
    with pytest.raises(InvalidInput) as caught:
        read_user_circuit(data, file="c.qasm")
    assert (caught.value.problem, caught.value.remedy, caught.value.line) == (problem, remedy, line)


def test_another_width_is_told_with_both_and_what_to_do(child):
    child[0].append(answer_of_the_child())
    circuit = read_user_circuit(TEXT.encode(), file="c.qasm")
    check_width(circuit, make_reduced_model(ising([0.3, -1], {(0, 1): 1.0})))
    with pytest.raises(InvalidInput) as caught:
        check_width(circuit, make_reduced_model(ising([0.3, -1, 2], {(0, 1): 1.0})))
    error = caught.value
    assert error.problem == "the circuit has 2 qubits, and reduction leaves a reduced model of 3 variables"
    assert error.remedy == (
        "Write it for 3 qubits, one for each reduced-model variable; lead reduction to another size by "
        "reduce.max_qubits, or switch it off by `reduce: {rules: none}`. Qubits that are not measured do not count where "
        "others are."
    )


def in_the_child(code: str, text: str = "", **limits):
    return parse_in_sandbox(text, code=("-c", f"import json; {code}"), **limits)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the reader was ended by signal 9"),
        ("raise SystemExit(7)", "the reader failed with exit code 7"),
        ("import time; time.sleep(60)", "reading it takes more than 0.25 s"),
        ("print('nothing')", "the reader gave no answer"),
    ],
)
def test_a_child_that_does_not_answer_is_a_fault_of_the_circuit(code, problem):
    with pytest.raises(InvalidInput) as caught:
        in_the_child(code, seconds=0.25 if "sleep" in code else 60.0)
    assert (caught.value.problem, caught.value.remedy) == (f"the circuit was refused: {problem}", SIMPLIFY)


def test_an_answer_may_be_as_long_as_is_said(monkeypatch):
    monkeypatch.setattr(reader, "MAX_OUTPUT_BYTES", 20)
    assert in_the_child("print(json.dumps({'a': 'x' * 10}), end='')") == {"a": "x" * 10}  # 19 bytes
    assert in_the_child("print(json.dumps({'a': 'x' * 11}), end='')") == {"a": "x" * 11}
    with pytest.raises(InvalidInput, match="its canonical form is too long"):
        in_the_child("print(json.dumps({'a': 'x' * 12}), end='')")


def test_a_child_gets_the_text_and_what_python_needs_to_start(monkeypatch):
    for name, value in (
        ("LD_LIBRARY_PATH", os.environ.get("LD_LIBRARY_PATH", "")),
        ("DYLD_LIBRARY_PATH", "/d"),
        ("KEY", "k"),
    ):
        monkeypatch.setenv(name, value)
    code = "import os, sys; print(json.dumps({'env': dict(os.environ), 'text': sys.stdin.read(), 'group': os.getpgrp() == os.getpid()}))"
    seen = in_the_child(code, text="é\n")
    assert seen["text"] == "é\n"
    assert seen["group"], "it has a session of its own"
    assert seen["env"] == {
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"],
        "DYLD_LIBRARY_PATH": "/d",
    }


GIVEN_UP = """
import json, resource, sys, tempfile, os
from qhybrid_pipelines.quantum.user_circuits.sandbox import limit_resources
limit_resources()
limits = {name: resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE")}
print(json.dumps({**limits, "frames": sys.getrecursionlimit(), "in_place": tempfile.gettempdir() == os.getcwd()}))
"""


def test_the_child_gives_up_memory_time_and_files():
    seen = parse_in_sandbox("", code=("-c", GIVEN_UP))
    assert seen["RLIMIT_CPU"] == [60, 60]
    assert seen["RLIMIT_FSIZE"] == seen["RLIMIT_CORE"] == [0, 0]
    assert seen["frames"] == 20_000
    assert seen["in_place"]
    if sys.platform == "linux":
        assert seen["RLIMIT_AS"] == [2 << 30, 2 << 30]
    assert resource.getrlimit(resource.RLIMIT_CPU)[0] != 60, "and this process does not"


FAILING = """
import io, json, sys
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits import canonical, sandbox
text, out, answers = sys.stdin.buffer.read(), sys.stdout, []
for error in (InvalidInput("no", remedy="Do.", line=3), ValueError("a  b\\n" + "c" * 300), KeyboardInterrupt()):
    def fail(checked, order): raise error
    canonical.to_canonical, sys.stdin, sys.stdout = fail, io.TextIOWrapper(io.BytesIO(text)), io.StringIO()
    sandbox.main()
    answers.append(json.loads(sys.stdout.getvalue()))
out.write(json.dumps({"answers": answers}))
"""


def test_what_a_parser_raises_in_the_child_is_told():
    check = "Check it with the tool that wrote it."
    assert parse_in_sandbox(f"{V3}qubit q;\n", code=("-c", FAILING))["answers"] == [
        {"problem": "no", "remedy": "Do.", "line": 3},
        {"problem": f"the circuit cannot be read: ValueError: a b {'c' * 196}", "remedy": check, "line": None},
        {"problem": "the circuit cannot be read: KeyboardInterrupt", "remedy": check, "line": None},
    ]


def test_the_child_as_it_is_answers_with_the_canonical_form():
    text = f"{V3}input float a;\nqubit[3] q;\nrx(2*a + 0.1) q[0];\nccx q[0], q[1], q[2];\n"
    run = subprocess.run(
        [sys.executable, "-m", "qhybrid_pipelines.quantum.user_circuits.sandbox", "2", "0", "1"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(run.stdout)
    assert answer["angles"] == [[0.1, [[0, 2.0]]]]
    assert answer["pairs"] == [[0, 1], [0, 2], [1, 2]]
    assert "rx(t_0) q[2];" in answer["text"]
