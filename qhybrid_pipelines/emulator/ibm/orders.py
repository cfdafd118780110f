"""What a client asks for when it submits a job, read and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.emulator.circuits import BadRequest, Circuit
from qhybrid_pipelines.emulator.ibm import vendor_format
from qhybrid_pipelines.emulator.ibm.circuits import Layout, layout_of, simulated
from qhybrid_pipelines.emulator.ibm.devices import DEVICES, MOST_EXECUTIONS, snapshot
from qhybrid_pipelines.emulator.ibm.executor_program import (
    EXECUTOR,
    NotAProgramError,
    Returned,
    has_models,
    read_program,
)
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

SAMPLER = "sampler"
MOST_TAGS = 100
USUAL_SHOTS = 4096
"""Of a circuit that asks for none, with options that name none."""


class RuntimeRefusal(Exception):
    """A refusal in the interface's words.

    Args:
        status: of HTTP.
        code: the interface's own number of the error.
        message: one sentence.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True, slots=True, kw_only=True)
class Pub:
    """A circuit, rows of its values, and shots of each row.

    Attributes:
        shape: of the rows.
        registers: names, and which of the circuit's bits they have.
    """

    circuit: QuantumCircuit
    layout: Layout
    values: np.ndarray[Any, np.dtype[np.float64]]
    shape: tuple[int, ...]
    shots: int
    registers: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def rows(self) -> int:
        """How many circuits it is, with their values filled in."""
        return int(np.prod(self.shape, dtype=int))

    def circuits(self) -> list[Circuit]:
        """Return the circuit of every row as the emulator simulates it. Raises `BadRequest` for angles that no number is."""
        from qiskit.exceptions import QiskitError

        flat = self.values.reshape(self.rows, self.circuit.num_parameters)
        made: dict[bytes, Circuit] = {}
        for row in flat:
            if row.tobytes() in made:
                continue
            try:
                made[row.tobytes()] = simulated(self.circuit.assign_parameters(row.tolist()), self.layout)
            except (QiskitError, ArithmeticError, TypeError, ValueError):
                raise BadRequest("An angle has no finite value for the values of its inputs.", "params.pubs") from None
        return [made[row.tobytes()] for row in flat]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job as it was asked for.

    Attributes:
        returned: of the program ``executor``, what its result gives back; None of ``sampler``.
    """

    backend: str
    program: str
    tags: tuple[str, ...]
    pubs: Sequence[Pub]
    session_id: str | None
    longest_seconds: int | None
    private: bool
    returned: Returned | None = None

    @property
    def executions(self) -> int:
        """Circuits times shots."""
        return sum(pub.rows * pub.shots for pub in self.pubs)


def read_order(body: bytes) -> Order:
    """Read the body of a submission.

    Raises:
        RuntimeRefusal: naming the field.
    """
    given = read_object(body)
    backend, program = given.get("backend"), given.get("program_id")
    if not isinstance(backend, str) or backend not in DEVICES:
        raise RuntimeRefusal(404, 1216, f"Backend {str(backend)[:60]!r} not found.")
    if program not in (SAMPLER, EXECUTOR):
        raise RuntimeRefusal(
            404, 1240, f"Program {str(program)[:60]!r} not found; this emulator runs {SAMPLER} and {EXECUTOR}."
        )
    if program == EXECUTOR and not has_models():
        raise RuntimeRefusal(
            404, 1240, f"Program {EXECUTOR!r} is not emulated here: it needs qiskit-ibm-runtime 0.51 or later."
        )
    session_id, longest = given.get("session_id"), given.get("cost")
    if session_id is not None and not isinstance(session_id, str):
        raise RuntimeRefusal(400, 1217, "session_id is not a text.")
    if longest is not None and (not isinstance(longest, int) or isinstance(longest, bool) or longest < 1):
        raise RuntimeRefusal(400, 1212, "cost is not a whole number of seconds from 1.")
    params = given.get("params")
    if not isinstance(params, dict):
        raise RuntimeRefusal(400, 1212, "params is not an object.")
    pubs, returned = (_pubs(params, backend), None) if program == SAMPLER else _items(params, backend)
    order = Order(
        backend=backend,
        program=program,
        tags=read_tags(given),
        pubs=pubs,
        returned=returned,
        session_id=session_id,
        longest_seconds=longest,
        private=given.get("private") is True,
    )
    if order.executions > MOST_EXECUTIONS:
        raise RuntimeRefusal(400, 1212, f"{order.executions} executions are more than {MOST_EXECUTIONS} in one job.")
    return order


def read_tags(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the tags of a job. Raises `RuntimeRefusal` for anything but texts."""
    tags = given.get("tags", [])
    if not isinstance(tags, list) or len(tags) > MOST_TAGS or not all(isinstance(tag, str) for tag in tags):
        raise RuntimeRefusal(400, 1212, f"tags is not a list of at most {MOST_TAGS} texts.")
    return tuple(tags)


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object. Raises `RuntimeRefusal` for anything else."""
    try:
        given = read_json(body)
    except NotJsonError as error:
        raise RuntimeRefusal(400, 1212, f"This is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise RuntimeRefusal(400, 1212, "This is not a JSON object.")
    return given


def _pubs(params: dict[str, Any], backend: str) -> list[Pub]:
    """Read the circuits of a job, in the vendor's format."""
    if params.get("version", 2) != 2:
        raise RuntimeRefusal(400, 1212, f"params.version is {str(params['version'])[:20]}; this emulator knows 2.")
    try:
        given = vendor_format.read(json.dumps(params.get("pubs")))
    # The vendor's reader unpacks base64, zlib, NumPy files and circuits, each with errors of its own.
    except Exception as error:  # noqa: BLE001
        raise RuntimeRefusal(400, 1212, f"params.pubs cannot be read: {type(error).__name__}.") from None
    if not isinstance(given, list) or not given:
        raise RuntimeRefusal(400, 1212, "params.pubs is not a list of circuits.")
    options = params.get("options")
    usual = options.get("default_shots") if isinstance(options, dict) else None
    try:
        return [_pub(one, backend, usual or USUAL_SHOTS, f"pubs[{index}]") for index, one in enumerate(given)]
    except BadRequest as error:
        raise RuntimeRefusal(400, 1517, str(error)) from None


def _items(params: dict[str, Any], backend: str) -> tuple[list[Pub], Returned]:
    """Read the circuits of a job of the program ``executor``, and what its result gives back."""
    try:
        program = read_program(params)
        pubs = [
            _checked(circuit, values, program.shots, backend, f"quantum_program.items[{index}]")
            for index, (circuit, values) in enumerate(program.items)
        ]
    except NotAProgramError as error:
        raise RuntimeRefusal(400, 1212, str(error)) from None
    except BadRequest as error:
        raise RuntimeRefusal(400, 1517, str(error)) from None
    return pubs, program.returned


def _pub(given: Any, backend: str, usual: Any, place: str) -> Pub:
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    try:
        pub = SamplerPub.coerce(tuple(given) if isinstance(given, list) else given, shots=usual)
    # Coercion takes many forms, and refuses others with errors of NumPy, of circuits and of its own.
    except Exception as error:  # noqa: BLE001
        raise BadRequest(f"{place} is not a circuit with values and shots: {type(error).__name__}.", place) from None
    values = np.asarray(pub.parameter_values.as_array(pub.circuit.parameters), dtype=float)
    return _checked(pub.circuit, values, pub.shots, backend, place)


def _checked(circuit: QuantumCircuit, values: Any, shots: int | None, backend: str, place: str) -> Pub:
    """Return a circuit with its values, of shape ``(..., inputs)``, if the device runs it. Raises `BadRequest`."""
    from qiskit.primitives import DataBin

    most = DEVICES[backend].max_shots
    if shots is None or not 1 <= shots <= most:
        raise BadRequest(f"{place} asks for {shots} shots; the device takes 1 to {most}.", place)
    if not circuit.cregs:
        raise BadRequest(f"{place} has no register of bits, so nothing of it is read.", place)
    for name in (register.name for register in circuit.cregs):
        try:
            DataBin(**{name: 0}, shape=())
        except (TypeError, ValueError):
            raise BadRequest(f"{place} has a register {name[:60]!r}, a name that no result can carry.", place) from None
    if not np.isfinite(values).all():
        raise BadRequest(f"{place} has a value that is not a number.", place)
    return Pub(
        circuit=circuit,
        layout=layout_of(circuit, snapshot(backend), place),
        values=values,
        shape=tuple(values.shape[:-1]),
        shots=int(shots),
        registers=tuple(
            (register.name, tuple(circuit.find_bit(bit).index for bit in register)) for register in circuit.cregs
        ),
    )
