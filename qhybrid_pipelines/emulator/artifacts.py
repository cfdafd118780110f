"""Results as the interface of October 2026 offers them: by format, each under an id of its own.

Formats of version 1 are keyed by the state's decimal number, those of version 2 by bit strings of a register, which here
is always ``output_all`` and has the qubit with the highest number first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from qhybrid_pipelines.emulator.sampling import Shots, frequencies, histogram

AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"
PROBABILITIES = "ionq.result.probabilities.json.v1"
_EXACT = (PROBABILITIES, "ionq.result.probabilities.json.v2")
_REGISTER = "output_all"
_NAMESPACE = uuid.UUID("0c0b1b3e-7d0a-5b8e-9a52-6f0a1f6c2d11")


def _bits(state: int, qubits: int) -> str:
    return f"{state:0{qubits}b}"


def _registers(name: str, values: Mapping[str, float], qubits: int) -> dict[str, Any]:
    return {name: {"registers": {_REGISTER: {_bits(int(state), qubits): value for state, value in values.items()}}}}


_SAMPLED: Mapping[str, Callable[[Shots, int], Any]] = MappingProxyType(
    {
        "ionq.result.histogram.json.v1": lambda states, _: histogram(states),
        "ionq.result.histogram.json.v2": lambda states, qubits: _registers("histogram", histogram(states), qubits),
        "ionq.result.shots.json.v1": lambda states, _: [str(state) for state in states.tolist()],
        "ionq.result.shots.json.v2": lambda states, qubits: {
            "shots": [
                {"registers": {_REGISTER: [int(bit) for bit in _bits(state, qubits)]}} for state in states.tolist()
            ]
        },
    }
)


def formats(*, several: bool, exact: bool) -> tuple[str, ...]:
    """Return the formats of a result: of several circuits, of exact probabilities, or of shots."""
    if several:
        return (AGGREGATE,)
    return _EXACT if exact else (*_EXACT, *_SAMPLED)


def artifact_id(owner: str, form: str) -> str:
    """Return the id of a result in one format; ``owner`` is a job, a child, or a debiasing variant."""
    return str(uuid.uuid5(_NAMESPACE, f"{owner}/{form}"))


def descriptors(owner: str, *, several: bool, exact: bool) -> dict[str, dict[str, str]]:
    """Return where the results of a job are, by format."""
    return {
        form: {"id": artifact_id(owner, form), "format": form, "media_type": "application/json"}
        for form in formats(several=several, exact=exact)
    }


def payload(form: str, states: Shots | Mapping[str, float], qubits: int) -> Any:
    """Return the result of one circuit in a format.

    Args:
        form: one that `formats` names, but not the aggregate one.
        states: shots, or exact probabilities by state.
        qubits: width of the circuit.
    """
    if form in _SAMPLED:
        assert not isinstance(states, Mapping)
        return _SAMPLED[form](states, qubits)
    shares = states if isinstance(states, Mapping) else frequencies(states)
    return dict(shares) if form == PROBABILITIES else _registers("probabilities", shares, qubits)
