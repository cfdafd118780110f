"""Drawing the text of a circuit for people, line by line in its own order, without building the circuit.

    q[0]: ─[h]─[rzz(c)]─[rx(m)]────[M]──────
    q[1]: ─[h]────┼─────[rzz(c)]─[rx(m)]─[M]
    q[2]: ─[h]────●────────●─────[rx(m)]─[M]

A gate's name is on its first qubit, a dot on every other one, and a cross where a wire only passes. A step is in the
first column in which its qubits, and the wires between them, are free. Parsing the text in full takes a hundred times as
long, and drawing is the only thing that many experiments would need it for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WIRE, _DOT, _PASSED = "─", "●", "┼"

_QUBITS = re.compile(r"qubit\[(\d+)\] q;")
_GATE = re.compile(r"(?P<label>[a-z_]\w*(?:\(.*\))?) (?P<qubits>q\[\d+\](?:, q\[\d+\])*);", re.IGNORECASE)
_MEASURE = re.compile(r"c\[\d+\] = measure (?P<qubits>q\[\d+\]);")
_PASSED_OVER = re.compile(r'(OPENQASM [\d.]+|include ".*"|input float\[64\] \w+|bit\[\d+\] c|barrier .*);|')
_INDEX = re.compile(r"q\[(\d+)\]")


def draw_from_text(text: str, *, columns: int) -> str | None:
    """Return a drawing, folded to ``columns`` characters; None where a line says more than a gate on qubits of ``q``."""
    size, steps = 0, []
    for line in _statements(text):
        if declared := _QUBITS.fullmatch(line):
            size = int(declared[1])
        elif found := _MEASURE.fullmatch(line):
            steps.append(("M", [int(_INDEX.findall(found["qubits"])[0])]))
        elif _PASSED_OVER.fullmatch(line):
            continue
        elif found := _GATE.fullmatch(line):
            steps.append((found["label"], [int(index) for index in _INDEX.findall(found["qubits"])]))
        else:
            return None
    names = [f"q[{qubit}]: ".rjust(len(f"q[{size - 1}]: ")) for qubit in range(size)]
    return "\n\n".join(
        "\n".join(map("".join, zip(names, part, strict=True))) for part in _fold_columns(size, steps, columns)
    )


def _statements(text: str) -> Iterator[str]:
    """Yield the lines outside the definitions of gates."""
    inside = False
    for line in text.splitlines():
        inside = inside or line.startswith("gate ")
        if not inside:
            yield line.strip()
        inside = inside and line != "}"


def _fold_columns(size: int, steps: list[tuple[str, list[int]]], columns: int) -> Iterator[list[str]]:
    """Yield the wires, as much of them as fits into the width, part after part."""
    part, width = [""] * size, 0
    for column in _columns(size, steps):
        longest = max(len(mark) for mark in column.values()) + 1
        if width and width + longest > columns - 10:
            yield part
            part, width = [""] * size, 0
        for qubit in range(size):
            part[qubit] += _WIRE + column.get(qubit, "").center(longest - 1, _WIRE)
        width += longest
    yield part


def _columns(size: int, steps: list[tuple[str, list[int]]]) -> list[dict[int, str]]:
    """Return what is on which wire, column by column."""
    free, columns = [0] * size, list[dict[int, str]]()
    for label, qubits in steps:
        span = range(min(qubits), max(qubits) + 1)
        place = max(free[qubit] for qubit in span)
        if place == len(columns):
            columns.append({})
        marks = dict.fromkeys(span, _PASSED) | dict.fromkeys(qubits[1:], _DOT) | {qubits[0]: f"[{label}]"}
        columns[place] |= marks
        for qubit in span:
            free[qubit] = place + 1
    return columns
