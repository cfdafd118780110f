"""Reading a circuit that somebody else wrote: its tokens are checked, a child process parses it, and the result is a template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.quantum.ansatz import Ansatz
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_BYTES, MAX_GATES
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit

SANDBOX = ("-m", "qhybrid_pipelines.quantum.user_circuits.sandbox")
#: Several times the processor time that the child may take, for machines that are busy with other things.
MAX_SECONDS = 300.0
MAX_OUTPUT_BYTES = 16_000_000
#: Gates and inputs of a canonical text: gates that OpenQASM 3 does not know are defined in it, and count as their bodies.
MAX_CANONICAL_GATES = 100 * MAX_GATES


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCircuit:
    """A circuit from a file as an ansatz; its angles are the file's inputs, in the order of their declarations.

    Attributes:
        places: for each variable of the circuit, in the order of the template's qubits, what the file calls its qubit.
            The template's further qubits are ancillas, whose outcomes are summed out when counts are scored.
        names: of the problem's variables that the file gives to these qubits; empty where it names none.
        pairs: qubits of the template on which one gate acts together.
        warnings: sentences about what the file may mean otherwise than it says.
    """

    file: str
    inputs: tuple[str, ...]
    ansatz: Ansatz
    places: tuple[str, ...]
    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...]

    @property
    def n_qubits(self) -> int:
        """Width of what is run, ancillas included."""
        return self.ansatz.template.n_qubits

    @property
    def n_variables(self) -> int:
        """Number of qubits whose outcomes are the variables of the reduced model."""
        return len(self.places)

    @property
    def idle_inputs(self) -> tuple[str, ...]:
        """Inputs that move no angle."""
        return tuple(name for name, row in zip(self.inputs, self.ansatz.matrix, strict=True) if not row.any())


def check_width(circuit: UserCircuit, reduced_model: ReducedModel) -> None:
    """Check that a circuit has an outcome for every variable of a reduced model.

    Raises:
        InvalidInput: it has more or fewer.
    """
    if circuit.n_variables != reduced_model.size:
        raise InvalidInput(
            f"the circuit has {circuit.n_variables} qubits, and reduction leaves a reduced model of "
            f"{reduced_model.size} variables",
            remedy=f"Write it for {reduced_model.size} qubits, one for each reduced-model variable; lead reduction to "
            "another size by reduce.max_qubits, or switch it off by `reduce: {rules: none}`. Qubits that are not "
            "measured do not count where others are.",
            file=circuit.file,
            field="problem.circuit",
        )


@lru_cache(maxsize=16)
def read_user_circuit(data: bytes, *, file: str, order: tuple[int, ...] = ()) -> UserCircuit:
    """Return the circuit that the bytes of an OpenQASM 2 or 3 file hold.

    Whatever the file does to a parser, this process survives.

    Args:
        data: of the file.
        file: its name, for messages.
        order: for each of the file's outcomes the variable that it belongs to; without it they are in the order of the
            bits that they are measured into.

    Raises:
        InvalidInput: names the file, the line where it is known, and the remedy.
    """
    try:
        checked = check_circuit(_text(data))
        answer = parse_in_sandbox(checked.text, code=(*SANDBOX, *map(str, order)))
        # The canonical text will be read in this process; what the child says about it is not taken on trust.
        rechecked = check_circuit(answer["text"], max_gates=MAX_CANONICAL_GATES, max_inputs=MAX_CANONICAL_GATES)
    except InvalidInput as error:
        raise error.at(file=file) from None
    if rechecked.n_qubits != checked.n_qubits or rechecked.inputs != tuple(answer["parameters"]):
        raise _sandbox_error("its canonical form is not the circuit of the file").at(file=file)
    columns = len(answer["parameters"])
    offset, matrix = np.zeros(columns), np.zeros((len(checked.inputs), columns))
    for column, (constant, slopes) in enumerate(answer["angles"]):
        offset[column] = constant
        for index, factor in slopes:
            matrix[index, column] = factor
    arranged = sorted(range(len(checked.places)), key=(order or range(len(checked.places))).__getitem__)
    return UserCircuit(
        file=file,
        inputs=checked.inputs,
        places=tuple(checked.places[outcome] for outcome in arranged),
        names=tuple(checked.names[outcome] for outcome in arranged) if checked.names else (),
        warnings=checked.warnings,
        pairs=tuple((first, second) for first, second in answer["pairs"]),
        ansatz=Ansatz(
            template=Template(text=answer["text"], parameters=rechecked.inputs, n_qubits=rechecked.n_qubits),
            offset=offset,
            matrix=matrix,
            depth=answer["depth"],
            two_qubit_gates=answer["two_qubit_gates"],
        ),
    )


def parse_in_sandbox(text: str, *, code: Sequence[str] = SANDBOX, seconds: float = MAX_SECONDS) -> dict[str, Any]:
    """Return the answer of the child process about a text.

    Its code is our own; tests give it other code to see what happens. It starts in an empty folder, without this process's environment, and is ended when it takes too long.

    Raises:
        InvalidInput: it refused the text, died, took too long, or its answer is too long or no answer.
    """
    with tempfile.TemporaryDirectory(prefix="circuit-") as empty, tempfile.TemporaryFile() as request_file:
        # A file and not a pipe, so that neither process ever waits for the other to read.
        request_file.write(text.encode())
        request_file.seek(0)
        with subprocess.Popen(  # noqa: S603  our own code
            [sys.executable, "-I", "-B", *code],
            stdin=request_file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=empty,
            env=_environment(),
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            timed_out = threading.Event()

            def give_up() -> None:
                timed_out.set()
                process.kill()

            timer = threading.Timer(seconds, give_up)
            timer.start()
            try:
                output = process.stdout.read(MAX_OUTPUT_BYTES + 1)
                if len(output) > MAX_OUTPUT_BYTES:
                    process.kill()
                exit_code = process.wait()
            finally:
                timer.cancel()
    if len(output) > MAX_OUTPUT_BYTES:
        raise _sandbox_error("its canonical form is too long")
    if timed_out.is_set():
        raise _sandbox_error(f"reading it takes more than {seconds:g} s")
    if exit_code < 0:
        raise _sandbox_error(f"the reader was ended by signal {-exit_code}")
    if exit_code:
        raise _sandbox_error(f"the reader failed with exit code {exit_code}")
    return _answer(output)


def _answer(output: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except ValueError:
        raise _sandbox_error("the reader gave no answer") from None
    if "problem" in answer:
        raise InvalidInput(answer["problem"], remedy=answer["remedy"], line=answer["line"])
    return dict(answer)


def _environment() -> dict[str, str]:
    """Return what Python needs to start; no secrets, no settings, and one thread per library."""
    library_paths = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ}
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    return {"LC_ALL": "C.UTF-8", **single, **library_paths}


def _sandbox_error(problem: str) -> InvalidInput:
    return InvalidInput(
        f"the circuit was refused: {problem}",
        remedy="Simplify it; other tools may read it, but not within the limits here.",
    )


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"the circuit has {len(data)} bytes", remedy=f"At most {MAX_BYTES} are accepted.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput("the circuit is not UTF-8 text", remedy="Save it as UTF-8.", line=line) from None
