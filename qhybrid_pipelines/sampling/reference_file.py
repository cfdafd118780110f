"""Reading a file of references: CSV with the columns `outcome`, `probability`, and `circuit` where there are several circuits."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.sampling.reference import Reference, reference_from_pairs

COLUMNS = ("outcome", "probability")
CIRCUIT = "circuit"
#: What the sum of probabilities may differ from 1 by: files are rounded.
TOLERANCE = 1e-3
MAX_BYTES = 50_000_000

_OUTCOME = re.compile(r"[01]+")


def read_references(data: bytes, widths: Mapping[str, int], *, file: str) -> dict[str, Reference]:
    """Return the reference of every circuit.

    Args:
        data: of the file.
        widths: measured bits of each circuit, by its name.
        file: its name, for messages.

    Raises:
        InvalidInput: names file and line: a column is missing, an outcome has another width or occurs twice, a probability is
            no number from 0 to 1, probabilities of a circuit do not sum to 1, or a circuit is not there.
    """
    if len(data) > MAX_BYTES:
        raise InvalidInput(
            f"the file has {len(data)} bytes", remedy=f"At most {MAX_BYTES} are read; leave out what is 0.", file=file
        )
    try:
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig")))
        rows = [(reader.line_num, row) for row in reader if row and not row[0].startswith("#")]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"the file is not CSV text: {error}", remedy="Save it as UTF-8 text.", file=file) from None
    if not rows:
        raise InvalidInput("the file is empty", remedy="Write the columns outcome and probability.", file=file)
    first_line, header = rows[0]
    columns = _columns(header, several=len(widths) > 1, file=file, line=first_line)
    found: dict[str, dict[int, float]] = {name: {} for name in widths}
    only = next(iter(widths))
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InvalidInput(
                f"the line has {len(row)} fields, and the header {len(header)}",
                remedy="Separate fields by commas.",
                file=file,
                line=line,
            )
        values = {name: row[place].strip() for name, place in columns.items()}
        circuit = values.get(CIRCUIT, only)
        if circuit not in found:
            raise InvalidInput(
                f"there is no circuit {circuit!r} in the series",
                remedy=remedy_for_unknown(circuit, tuple(widths), "Use one of"),
                file=file,
                line=line,
            )
        outcome = _outcome(values["outcome"], widths[circuit], file=file, line=line)
        if outcome in found[circuit]:
            raise InvalidInput(
                f"the outcome {values['outcome']} occurs twice", remedy="Add both up.", file=file, line=line
            )
        found[circuit][outcome] = _probability(values["probability"], file=file, line=line)
    return {name: _reference(name, pairs, widths[name], file=file) for name, pairs in found.items()}


def _columns(header: list[str], *, several: bool, file: str, line: int) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    needed = (*COLUMNS, *([CIRCUIT] if several else []))
    for name in needed:
        if name not in names:
            raise InvalidInput(
                f"there is no column {name!r}",
                remedy=f"The first line names the columns: {','.join(needed)}.",
                file=file,
                line=line,
            )
    return {name: names.index(name) for name in (*COLUMNS, CIRCUIT) if name in names}


def _outcome(text: str, width: int, *, file: str, line: int) -> int:
    if not _OUTCOME.fullmatch(text) or len(text) != width:
        raise InvalidInput(
            f"{text[:80]!r} is not an outcome of {width} bits",
            remedy=f"Write {width} digits 0 and 1, bit 0 rightmost; a program that drops leading zeros loses bits.",
            file=file,
            line=line,
        )
    return int(text, 2)


def _probability(text: str, *, file: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InvalidInput(
            f"{text[:40]!r} is not a probability",
            remedy="Write a number from 0 to 1 with a decimal point.",
            file=file,
            line=line,
        )
    return value


def _reference(circuit: str, pairs: dict[int, float], width: int, *, file: str) -> Reference:
    total = math.fsum(pairs.values())
    if abs(total - 1) > TOLERANCE:
        raise InvalidInput(
            f"the probabilities of the circuit {circuit!r} sum to {total:.6g}",
            remedy="Give every outcome that can occur; together they have probability 1.",
            file=file,
        )
    return reference_from_pairs(pairs, width)
