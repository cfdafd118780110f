"""Comments such as ``// qhybrid: q[0] is NAME``, by which a circuit says which variable each of its qubits is."""

from __future__ import annotations

import re

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.registers import Registers
from qhybrid_pipelines.quantum.user_circuits.tokens import Token

_NOTE = re.compile(
    r"//[ \t]*qhybrid:[ \t]*(?P<place>\$[0-9]+|[^\W\d]\w*(?:\[[0-9]{1,4}\])?)[ \t]+is[ \t]+(?P<name>\S.*)"
)
REMEDY = "Write one comment for each qubit that is measured: `// qhybrid: q[0] is NAME`."


def read_notes(notes: list[Token], registers: Registers, variables: tuple[int, ...]) -> tuple[str, ...]:
    """Return the names that notes give to the qubits of ``variables``; empty where there are no notes.

    Raises:
        InvalidInput: a note cannot be read, names what is not measured or was named before, or a qubit has no name.
    """
    found: dict[int, str] = {}
    for note in notes:
        match = _NOTE.fullmatch(note.text.rstrip())
        if match is None:
            raise InvalidInput(f"{note.text[:80]!r} cannot be read", remedy=REMEDY, line=note.line)
        qubit, name = registers.qubit_at(match["place"]), match["name"].strip("\"'")
        if qubit not in variables:
            raise InvalidInput(f"{match['place']!r} is not a qubit whose outcome counts", remedy=REMEDY, line=note.line)
        if qubit in found or name in found.values():
            twice = match["place"] if qubit in found else name
            raise InvalidInput(f"{twice[:80]!r} is named twice", remedy=REMEDY, line=note.line)
        found[qubit] = name
    if found and len(found) < len(variables):
        missing = ", ".join(registers.place(qubit) for qubit in variables if qubit not in found)
        raise InvalidInput(f"comments name some qubits and not {missing[:80]}", remedy=REMEDY, line=notes[-1].line)
    return tuple(found[qubit] for qubit in variables) if found else ()
