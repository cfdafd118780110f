r"""A person's own angles, from a CSV file: one point a line, one angle a column, in radians.

The first line names the columns, in any order: ``gamma_1`` … ``gamma_p`` and ``beta_1`` … ``beta_p`` for QAOA with ``p`` layers,
the names of the inputs for a circuit from a file, ``angle_1`` … for other circuits, in the order of their template.

Layer ``l`` of QAOA is :math:`e^{-i\beta_l \sum X} e^{-i\gamma_l E}` with the energy :math:`E` of the reduced model, which is
minimised, in the units of the instance. Good angles have opposite signs then. Where a source maximises :math:`C = -E`, as most
papers on MaxCut do, its betas change their sign and its gammas stay.
"""

from __future__ import annotations

import csv
import math
import re

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.text.spelling import closest_match
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit

#: Larger files are refused before they are parsed.
MAX_BYTES = 50_000_000
MAX_POINTS = 65_536
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_NUMBERED = re.compile(r"angle_[1-9][0-9]{0,5}", re.ASCII)


def qaoa_columns(layers: int) -> tuple[str, ...]:
    """Return the names of the angles of QAOA, gammas first."""
    return tuple(f"{kind}_{layer}" for kind in ("gamma", "beta") for layer in range(1, layers + 1))


def angle_columns(spec: ExperimentSpec, circuit: UserCircuit | None) -> tuple[str, ...] | None:
    """Return the names of the angles; None where only the reduced model tells how many there are."""
    if circuit is not None:
        return tuple(circuit.inputs)
    return qaoa_columns(spec.ansatz.depth) if spec.ansatz.is_qaoa else None


def read_angles(data: bytes, columns: tuple[str, ...] | None, *, file: str) -> F64:
    """Return the angles of a file, shape ``(points, angles)``, in radians and in the order of ``columns``.

    Args:
        data: content of the file, UTF-8; blank lines and lines that begin with ``#`` are passed over.
        columns: names that the file must have, each once; None takes ``angle_1`` to ``angle_n`` for whatever ``n`` there is.
        file: its name, for messages.

    Raises:
        InvalidInput: names the line, and the column: one is unknown, missing or given twice, a field is not a finite number, or a
            line is too short or too long.
    """
    header, rows = _records(data, file)
    if columns is None:
        columns = tuple(f"angle_{index}" for index in range(1, len(header[1]) + 1))
    order = _order(header, columns, file)
    if not rows:
        raise InvalidInput("the file has no point", remedy="Write one line of angles a point.", file=file)
    if len(rows) > MAX_POINTS:
        raise InvalidInput(
            f"the file has {len(rows):,} points", remedy=f"At most {MAX_POINTS:,} are run; take fewer.", file=file
        )
    return np.array([[_number(row, column, header[1], file) for column in order] for row in rows], dtype=np.float64)


Record = tuple[int, list[str]]


def _records(data: bytes, file: str) -> tuple[Record, list[Record]]:
    """Return the header and the lines with fields, each with its line in the file."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"the file has {len(data) / 1e6:.0f} MB", remedy="Give fewer points.", file=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput("this is not UTF-8 text", remedy="Save it as UTF-8.", file=file, line=line) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    reader = csv.reader(("" if line.startswith("#") else line for line in lines), strict=True, skipinitialspace=True)
    try:
        found = [(reader.line_num, [field.strip() for field in fields]) for fields in reader if any(fields)]
    except csv.Error as error:
        raise InvalidInput(
            f"this is not CSV: {error}", remedy="Check the quotes at this line.", file=file, line=reader.line_num
        ) from None
    if not found:
        raise InvalidInput(
            "the file is empty", remedy="Name the columns in the first line, then write one point a line.", file=file
        )
    return found[0], found[1:]


def _order(header: Record, columns: tuple[str, ...], file: str) -> list[int]:
    """Return the position of each of the columns."""
    line, names = header
    listed = ", ".join(columns[:12]) + (", …" if len(columns) > 12 else "")
    if all(map(_NUMBER.fullmatch, names)):
        raise InvalidInput(
            "the first line holds numbers", remedy=f"Name the columns there: {listed}.", file=file, line=line
        )
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InvalidInput(
                f"the column {name!r} is there twice", remedy="Remove one.", file=file, line=line, field=name
            )
        if name not in columns:
            guess = "" if _NUMBERED.fullmatch(name) else closest_match(name, columns)
            raise InvalidInput(
                f"the column {name!r} is not an angle of this circuit",
                remedy=f"{guess} Its angles are {listed}.".strip(),
                file=file,
                line=line,
                field=name,
            )
    missing = [name for name in columns if name not in names]
    if missing:
        raise InvalidInput(
            f"the column {missing[0]!r} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else ""),
            remedy=f"The angles of this circuit are {listed}.",
            file=file,
            line=line,
            field=missing[0],
        )
    return [names.index(name) for name in columns]


def _number(row: Record, column: int, names: list[str], file: str) -> float:
    line, fields = row
    if len(fields) != len(names):
        raise InvalidInput(
            f"the line has {len(fields)} fields, and the header names {len(names)} columns",
            remedy="Write every angle of the point, separated by commas, with decimal points.",
            file=file,
            line=line,
        )
    field = fields[column]
    if not _NUMBER.fullmatch(field) or not math.isfinite(float(field)):
        raise InvalidInput(
            f"{field!r} is not a finite number",
            remedy="Write an angle in radians, such as 0.35.",
            file=file,
            line=line,
            field=names[column],
        )
    return float(field)
