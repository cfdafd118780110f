"""How errors strike: without a place, or at qubits and pairs."""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput

UNIFORM, LOCAL = "uniform", "local"
MOST_DIGITS = 4
"""Of the number of a qubit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLaw:
    """How errors strike.

    Attributes:
        is_local: each qubit and pair has errors of its own.
        bad_qubit: the one of every machine that is much worse than the others; None draws one for each.
    """

    is_local: bool
    bad_qubit: int | None = None


def read_noise(text: str) -> NoiseLaw:
    """Read ``uniform``, ``local`` or, with the number of the bad qubit, ``local:3``. Raises `InvalidInput` for anything else."""
    law, colon, qubit = text.partition(":")
    if law == LOCAL and qubit.isdecimal() and qubit.isascii() and len(qubit) <= MOST_DIGITS:
        return NoiseLaw(is_local=True, bad_qubit=int(qubit))
    if law not in (UNIFORM, LOCAL) or colon:
        raise InvalidInput(
            f"{text!r} is not known",
            remedy=f"Choose one of {UNIFORM}, {LOCAL}, or {LOCAL}:QUBIT with the number of the qubit that is to be bad, from 0.",
            field="--noise",
        )
    return NoiseLaw(is_local=law == LOCAL)
