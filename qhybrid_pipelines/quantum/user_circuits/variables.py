"""Which variable of a problem each outcome of a circuit is, and whether its gates act where the model has couplings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit

#: Names and pairs that a message lists.
LISTED = 6


def order_outcomes(names: Sequence[str], reduced_model: ReducedModel, variables: Sequence[str]) -> tuple[int, ...]:
    """Return the reduced-model variable of each outcome that has a name.

    Args:
        names: of the variables, in the order of the outcomes.
        reduced_model: says which variable of the instance is which of its own.
        variables: names of the instance's variables, in their order.

    Raises:
        InvalidInput: a name is unknown, or reduction has left no variable of that name, or one variable for two names.
    """
    places = {name: place for place, name in enumerate(variables)}
    order: list[int] = []
    for name in names:
        if name not in places:
            raise _name_error(f"{name[:80]!r} is not a variable of the instance", f"They are {_listed(variables)}.")
        root, negated = int(reduced_model.root[places[name]]), bool(reduced_model.value[places[name]])
        off = "Name what is left (`qhybrid estimate` lists it), or switch reduction off by `reduce: {rules: none}`."
        if root < 0:
            raise _name_error(f"reduction has settled {name[:80]!r}, which has no qubit", off)
        if negated:
            raise _name_error(f"reduction has made {name[:80]!r} the opposite of another variable", off)
        if root in order:
            raise _name_error(f"reduction has made {name[:80]!r} a copy of a variable that is named too", off)
        order.append(root)
    return tuple(order)


def variable_names(reduced_model: ReducedModel, variables: Sequence[str]) -> tuple[str, ...]:
    """Return what each reduced-model variable is in the instance, copies and opposites of the first one behind it."""
    found = []
    for qubit in range(reduced_model.size):
        copies = np.flatnonzero(reduced_model.root == qubit).tolist()
        words = [("not " if reduced_model.value[copy] else "") + variables[copy] for copy in copies]
        found.append(", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else ""))
    return tuple(found)


def assignment_rows(
    circuit: UserCircuit, reduced_model: ReducedModel, variables: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one row per variable of the reduced model: its qubit in the file, its place in an outcome, its name."""
    return [
        {"qubit": place, "bit": bit, "variable": name}
        for bit, (place, name) in enumerate(zip(circuit.places, variable_names(reduced_model, variables), strict=True))
    ]


def find_warnings(circuit: UserCircuit, reduced_model: ReducedModel, variables: Sequence[str]) -> list[str]:
    """Return what looks like a mistake in a circuit: inputs without an effect, and gates on pairs that the model does not couple."""
    warnings = list(circuit.warnings)
    if circuit.idle_inputs:
        warnings.append(f"inputs that move no angle: {_listed(circuit.idle_inputs)}")
    size = reduced_model.size
    pairs = {pair for pair in circuit.pairs if pair[1] < size}
    couplings = {
        (min(pair), max(pair))
        for pair, value in zip(reduced_model.model.pairs.tolist(), reduced_model.model.couplings.tolist(), strict=True)
        if value
    }
    names = [name.split(", ")[0] for name in variable_names(reduced_model, variables)]
    for found, words in (
        (pairs - couplings, "pairs of qubits on which a gate acts are not coupled in the model"),
        (couplings - pairs if pairs else set(), "couplings of the model have no gate on their two qubits"),
    ):
        if found:
            examples = [
                f"{circuit.places[first]}-{circuit.places[second]} ({names[first]}, {names[second]})"
                for first, second in sorted(found)
            ]
            whole = len(pairs if found <= pairs else couplings)
            warnings.append(f"{len(found)} of {whole} {words}: {_listed(examples)}")
    return warnings


def _listed(words: Sequence[str]) -> str:
    """Return the first few of some words."""
    more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
    return ", ".join(word[:80] for word in words[:LISTED]) + more


def _name_error(problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(problem, remedy=remedy, field="problem.circuit_variables")
