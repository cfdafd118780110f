"""MPS files with a linear objective and linear constraints over binary variables, read by OR-Tools.

A row with a range counts as two constraints. OR-Tools passes over quadratic terms and special ordered sets, and makes a new row
of a name that it does not know. So sections of other names than its own and rows that were not declared are refused here, with
their line.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES
from qhybrid_pipelines.problems.linear_constraints import (
    BinaryProgram,
    LinearConstraint,
    Relation,
    make_linear_constraint,
)
from qhybrid_pipelines.problems.quadratic import make_quadratic_form

_SECTIONS = frozenset({"NAME", "OBJSENSE", "ROWS", "COLUMNS", "RHS", "RANGES", "BOUNDS", "ENDATA"})
_SECTION = re.compile(r"[A-Za-z]\S*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


def read_program(text: str, *, file: str) -> BinaryProgram:
    """Return objective and constraints; variables are in the order of the file. A maximum is negated.

    Raises:
        InvalidInput: names the line, or the variable, and the remedy: the file is not MPS, a variable is not binary, or
            there is a section for something else than linear terms.
    """
    _check_sections(text, file)
    from ortools.linear_solver.python import model_builder

    model = model_builder.Model()  # type: ignore[no-untyped-call]
    if not model.import_from_mps_string(text):
        raise InvalidInput(
            "the file is not read as MPS",
            remedy="Write it again, in fixed or free form, by the program that made it.",
            file=file,
        )
    program = model.export_to_proto()
    for variable in program.variable:
        if not variable.is_integer or variable.lower_bound != 0 or variable.upper_bound != 1:
            kind = "integer" if variable.is_integer else "continuous"
            raise InvalidInput(
                f"the variable {variable.name!r} is {kind}, from {variable.lower_bound:g} to {variable.upper_bound:g}",
                remedy="Declare it by BV under BOUNDS; write other integers as sums of binary variables.",
                file=file,
            )
    names = [variable.name for variable in program.variable]
    if not 1 <= len(names) <= MAX_VARIABLES or len(set(names)) != len(names):
        raise InvalidInput(
            f"the file has {len(names)} variables, {len(set(names))} of them with a name of their own",
            remedy=f"It must have 1 to {MAX_VARIABLES}, each with another name.",
            file=file,
        )
    sign = -1.0 if program.maximize else 1.0
    entries = [(place, place, sign * variable.objective_coefficient) for place, variable in enumerate(program.variable)]
    objective = make_quadratic_form(
        names, entries, offdiagonal_factor=1.0, offset=sign * float(program.objective_offset)
    )
    objective = replace(objective, negated=bool(program.maximize))
    constraints = [made for row in program.constraint for made in _constraints(row)]
    return BinaryProgram(objective=objective, constraints=tuple(constraints))


def _check_sections(text: str, file: str) -> None:
    section, rows = "", set[str]()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("*"):
            continue
        opening = _SECTION.match(line)
        fields = line.split()
        if opening and section != "ENDATA":
            section = opening[0].upper()
            if section not in _SECTIONS:
                raise InvalidInput(
                    f"the section {opening[0][:40]!r} is not accepted",
                    remedy="Only linear objectives and constraints are read from MPS; write quadratic ones as LP.",
                    file=file,
                    line=number,
                )
        elif fields and section in ("", "ENDATA"):
            raise InvalidInput(
                f"{line.strip()[:40]!r} is outside any section",
                remedy="An MPS file starts with NAME or ROWS and stops with ENDATA.",
                file=file,
                line=number,
            )
        elif section == "ROWS":
            rows.update(fields[1:2])
        elif section in ("COLUMNS", "RHS", "RANGES") and "'MARKER'" not in fields:
            _check_values(fields, rows, file, number)
    if section != "ENDATA":
        raise InvalidInput(
            "the file does not stop with ENDATA", remedy="Complete it; it may be half-written.", file=file
        )


def _check_values(fields: list[str], rows: set[str], file: str, number: int) -> None:
    """Check the rows and numbers of ``column row value row value``; right-hand sides may leave out the name before them."""
    pairs = fields[len(fields) % 2 :]
    for row, value in zip(pairs[::2], pairs[1::2], strict=True):
        if row not in rows:
            raise InvalidInput(
                f"the row {row[:40]!r} is not declared",
                remedy="Declare it under ROWS; names must not contain spaces.",
                file=file,
                line=number,
            )
        if not _NUMBER.fullmatch(value) or not math.isfinite(float(value)):
            raise InvalidInput(
                f"{value[:40]!r} is not a finite number", remedy="Write a plain number.", file=file, line=number
            )


def _constraints(row: object) -> list[LinearConstraint]:
    """Return the one or two constraints of a row; none where it restricts nothing."""
    lower, upper = row.lower_bound, row.upper_bound  # type: ignore[attr-defined]
    terms = list(zip(row.var_index, row.coefficient, strict=True))  # type: ignore[attr-defined]
    name = row.name  # type: ignore[attr-defined]
    if lower == upper:
        return [make_linear_constraint(name, terms, "==", lower)]
    sides: list[tuple[Relation, float]] = [("<=", upper), (">=", lower)]
    bounded = [(relation, bound) for relation, bound in sides if math.isfinite(bound)]
    labels = [name] if len(bounded) == 1 else [f"{name} (at most)", f"{name} (at least)"]
    return [
        make_linear_constraint(label, terms, relation, bound)
        for label, (relation, bound) in zip(labels, bounded, strict=False)
    ]
