"""Clauses of satisfiability problems: DIMACS CNF (``.cnf``), and WCNF with weights in its old and its 2022 form (``.wcnf``).

CNF: ``p cnf variables clauses``, then clauses of literals ``3 -7`` ended by 0, over as many lines as they take. Old WCNF:
``p wcnf variables clauses [top]``, each clause starts with its weight, and one that weighs ``top`` or more is hard. WCNF of
2022 has no header: a hard clause starts with ``h``, another one with its weight. ``c`` starts a comment; ``%`` ends a file of
SATLIB.

Sources: DIMACS, "Satisfiability: Suggested Format" (1993); MaxSAT Evaluation 2022, "Input format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES, Row, size_field, split_rows

#: Literals of one clause, distinct and sorted by variable: ``v`` says that variable ``v`` (from 1) is true, ``-v`` that it is false.
Clause = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Clauses over the variables ``1 .. size``; those that are always satisfied are left out.

    Attributes:
        size: number of variables.
        hard: clauses that have to be satisfied.
        soft: weight, a whole number from 1, and clause; repeated clauses count each time.
    """

    size: int
    hard: tuple[Clause, ...]
    soft: tuple[tuple[int, Clause], ...]


def read_cnf(text: str, *, file: str) -> Formula:
    """Return the clauses of a CNF file, each of weight 1.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, rows = _header(split_rows(text, file=file, comments=("#", "c")), "cnf")
    if len(header.fields) != 4:
        raise header.invalid("the header is not `p cnf variables clauses`", "Write it with exactly these four fields.")
    size = size_field(header, 2, "the number of variables")
    clauses = list(_clauses(rows, size, weighted=False))
    _check_number(header, clauses)
    return _formula(size, clauses, top=None)


def read_wcnf(text: str, *, file: str) -> Formula:
    """Return the clauses of a WCNF file: of the old form where it has a header, of the form of 2022 where it has none.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    rows = split_rows(text, file=file, comments=("#", "c"))
    if rows[0].fields[0] != "p":
        clauses = list(_clauses(rows, MAX_VARIABLES, weighted=True))
        size = max((abs(literal) for _, _, clause in clauses for literal in clause), default=0)
        return _formula(size, clauses, top=None)
    header, rows = _header(rows, "wcnf")
    if len(header.fields) not in (4, 5):
        raise header.invalid(
            "the header is not `p wcnf variables clauses top`", "Write these five fields, or four without hard clauses."
        )
    size = size_field(header, 2, "the number of variables")
    top = header.integer(4, "the weight of hard clauses") if len(header.fields) == 5 else None
    clauses = list(_clauses(rows, size, weighted=True))
    for row, weight, _ in clauses:
        if weight is None:
            raise row.invalid("a file with a header does not mark hard clauses by h", "Write top as their weight.")
    _check_number(header, clauses)
    return _formula(size, clauses, top=top)


def _header(rows: list[Row], kind: str) -> tuple[Row, list[Row]]:
    first = rows[0]
    if first.fields[:2] != ("p", kind):
        other = " ".join(first.fields[:2]) in ("p cnf", "p wcnf")
        raise first.invalid(
            f"the first line does not start with `p {kind}`",
            f"Declare the format {'wcnf' if kind == 'cnf' else 'dimacs_cnf'} for this file."
            if other
            else "Put the header in front of the clauses, after comments.",
        )
    return first, rows[1:]


def _clauses(rows: list[Row], size: int, *, weighted: bool) -> Iterator[tuple[Row, int | None, Clause]]:
    """Yield the first line, the weight (None for a hard one) and the clause of each."""
    start: Row | None = None
    weight: int | None = 1
    literals: list[int] = []
    for row in rows:
        if row.fields[0] == "%":
            break
        for column, text in enumerate(row.fields):
            if start is None:
                start, weight, literals = row, 1, []
                if weighted:
                    weight = None if text == "h" else _weight(row, column)
                    continue
            value = row.integer(column, "the literal")
            if value == 0:
                yield start, weight, _clause(start, literals)
                start = None
            elif abs(value) > size:
                raise row.invalid(
                    f"the literal {value} names variable {abs(value)} of {size}",
                    "Correct the literal, or the number of variables in the header.",
                )
            else:
                literals.append(value)
    if start is not None:
        raise rows[-1].invalid("the last clause is not ended by 0", "Complete the file; it may be half-written.")


def _weight(row: Row, column: int) -> int:
    weight = row.integer(column, "the weight of the clause")
    if weight < 1:
        raise row.invalid(
            f"the clause weighs {weight}",
            "Leave out a clause that weighs nothing; a negative weight has no meaning in this format.",
        )
    return weight


def _clause(row: Row, literals: list[int]) -> Clause:
    if not literals:
        raise row.invalid("the clause has no literals, so nothing satisfies it", "Remove it.")
    return tuple(sorted(set(literals), key=lambda literal: (abs(literal), literal)))


def _check_number(header: Row, clauses: list[tuple[Row, int | None, Clause]]) -> None:
    announced = header.integer(3, "the number of clauses")
    if len(clauses) != announced:
        last = clauses[-1][0] if clauses else header
        raise last.invalid(
            f"the file holds {len(clauses)} clauses, its header announces {announced}",
            f"Complete the file (it may be half-written), or correct the header in line {header.line}.",
        )


def _formula(size: int, clauses: list[tuple[Row, int | None, Clause]], *, top: int | None) -> Formula:
    hard: list[Clause] = []
    soft: list[tuple[int, Clause]] = []
    for _, weight, clause in clauses:
        if any(-literal in clause for literal in clause):
            continue
        if weight is None or (top is not None and weight >= top):
            hard.append(clause)
        else:
            soft.append((weight, clause))
    if not clauses:
        raise InvalidInput("the file has no clauses", remedy="Give at least one.")
    return Formula(size=size, hard=tuple(hard), soft=tuple(soft))
