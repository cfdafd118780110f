r"""LP files with a quadratic objective and linear constraints over binary variables; the objective is read through dimod.

dimod's reader is lenient where that is dangerous: it turns the name of an unknown section into a variable, drops what
is in others, and returns an empty model for a text without any section. So the file is first cut into sections and
its tokens are checked, with lines; dimod then reads a clean text of exactly these tokens.

Accepted: ``Minimize`` or ``Maximize`` (negated, so that energies are minimised) with linear terms, a constant and
``[ ... ] / 2``, ``Subject To`` with linear terms, one relation and a number each, then ``Binary`` with every variable, ``End``;
``Bounds`` that say no more than ``0 <= x <= 1``; ``General`` only where it is empty. Comments start with a backslash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES
from qhybrid_pipelines.problems.linear_constraints import (
    BinaryProgram,
    LinearConstraint,
    Relation,
    make_linear_constraint,
)
from qhybrid_pipelines.problems.quadratic import QuadraticForm, make_quadratic_form

#: Section -> the words that open it, at the start of a line, in any case.
_SECTIONS = {
    "minimize": r"minimi[sz]e|minimum|min",
    "maximize": r"maximi[sz]e|maximum|max",
    "constraints": r"subject\s+to|such\s+that|s\.t\.|st",
    "bounds": r"bounds?",
    "binary": r"binar(?:y|ies)|bin",
    "general": r"generals?|gen|integers?|int",
    "other": r"semi-?continuous|semis?|sc|sos[12]?|lazy\s+constraints|user\s+cuts|general\s+constraints|pwlobj",
    "end": r"end",
}
_OBJECTIVE_OPENING = re.compile(
    rf"\s*(?:{'|'.join(f'(?P<{name}>{words})' for name, words in _SECTIONS.items())})(?=\s|$)", re.IGNORECASE
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_.!"\#$%&(),;?@'{}~]*)
    |(?P<sign>[+-])|(?P<relation><=|>=|=<|=>|<|>|=)|(?P<other>[*^/\[\]:]))""",
    re.VERBOSE | re.ASCII,
)

#: Bounds that every binary variable has anyway, as CPLEX, docplex and Qiskit write them.
_HARMLESS = re.compile(
    r"\s*(?:[+-]?0(?:\.0*)?\s*<=?\s*)?[A-Za-z_]\S*\s*<=?\s*\+?1(?:\.0*)?\s*"
    r"|\s*[A-Za-z_]\S*\s*>=?\s*[+-]?0(?:\.0*)?\s*|\s*[+-]?0(?:\.0*)?\s*<=?\s*[A-Za-z_]\S*\s*|\s*",
    re.ASCII,
)

#: Words that other readers take for numbers, and the forms that look like exponents.
_NO_NAME = re.compile(r"(?:nan|inf|infinity|[eE][0-9]*)$", re.IGNORECASE)

#: Kinds of tokens that cannot follow each other: (before, after).
_NEVER_TOGETHER = {
    ("number", "number"),
    ("name", "number"),
    ("name", "name"),
    ("sign", "sign"),
    ("sign", "end"),
}

#: What a relation is written as -> what it means; LP knows no strict ones.
_RELATIONS: dict[str, Relation] = {
    "<=": "<=",
    "=<": "<=",
    "<": "<=",
    ">=": ">=",
    "=>": ">=",
    ">": ">=",
    "=": "==",
}
_CONSTRAINT = "Write a constraint as `name: 2 x - y <= 3`, with its variables on the left and one number on the right."

_BRACKETS = "Write terms such as 3 x - y, and quadratic ones as [ 4 x * y + 2 x ^ 2 ] / 2."


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


class _LpSource:
    """The name of the file, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name

    def invalid(self, problem: str, remedy: str, line: int | None) -> InvalidInput:
        return InvalidInput(problem, remedy=remedy, file=self.name, line=line)


def read(text: str, *, file: str) -> QuadraticForm:
    """Return the objective of a file without constraints; variables are in the order of their first appearance.

    Raises:
        InvalidInput: names the line and the remedy. Constraints, bounds that fix or free a variable, integer or continuous
            variables and unknown sections are refused.
    """
    source = _LpSource(file)
    sections = _sections(text, source)
    for number, line in sections.get("constraints", []):
        if line.strip():
            raise source.invalid(
                "a QUBO has no constraints",
                "Take family binary_program, which has linear ones, or put them into the objective as a penalty.",
                number,
            )
    return _program(sections, source).objective


def read_program(text: str, *, file: str) -> BinaryProgram:
    """Return objective and constraints; variables are in the order of their first appearance.

    Raises:
        InvalidInput: names the line and the remedy. Bounds that fix or free a variable, integer or continuous variables,
            quadratic constraints and unknown sections are refused.
    """
    source = _LpSource(file)
    return _program(_sections(text, source), source)


def _program(sections: dict[str, list[tuple[int, str]]], source: _LpSource) -> BinaryProgram:
    maximised = "maximize" in sections
    objective = list(_tokens(sections.pop("maximize" if maximised else "minimize"), source))
    sections["bounds"] = [
        (number, line) for number, line in sections.get("bounds", []) if not _HARMLESS.fullmatch(line)
    ]
    binary = list(_tokens(sections.pop("binary", []), source))
    restricting = list(_tokens(sections.pop("constraints", []), source))
    for name, lines in sections.items():
        for number, line in lines:
            if line.strip():
                raise _not_empty(name, number, source)
    if len(objective) > 1 and objective[1].text == ":":
        objective = objective[2:]
    _check_grammar(objective, source)
    written = list(_constraints(restricting, source))
    used = [token for _, terms, _, _ in written for token, _ in terms]
    names = _variables([*objective, *used], binary, source)
    form = _parse_with_dimod(objective, names, source)
    if maximised:
        form = form.negative()
    places = {name: place for place, name in enumerate(names)}
    return BinaryProgram(
        objective=form,
        constraints=tuple(_made(places, name, terms, relation, bound) for name, terms, relation, bound in written),
    )


_Written = tuple[str, list[tuple["_Token", float]], Relation, float]


def _made(
    places: dict[str, int], name: str, terms: list[tuple[_Token, float]], relation: Relation, bound: float
) -> LinearConstraint:
    return make_linear_constraint(name, [(places[token.text], value) for token, value in terms], relation, bound)


def _constraints(tokens: list[_Token], source: _LpSource) -> Iterator[_Written]:
    """Yield name, terms, relation and right-hand side of each constraint, in the order of the file."""
    left = tokens
    number = 0
    while left:
        number += 1
        start, name = left[0], f"constraint {number}"
        if len(left) > 1 and left[1].text == ":":
            if start.kind != "name":
                raise source.invalid(f"{start.text!r} does not name a constraint", _CONSTRAINT, start.line)
            name, left = start.text, left[2:]
        end = next((place for place, token in enumerate(left) if token.kind == "relation"), None)
        if end is None:
            raise source.invalid("a constraint has no relation", _CONSTRAINT, start.line)
        terms = list(_linear_terms(left[:end], source, start.line))
        bound, length = _right_hand_side(left[end + 1 :], source, left[end].line)
        yield name, terms, _RELATIONS[left[end].text], bound
        left = left[end + 1 + length :]
        if left and left[0].kind in ("relation", "sign", "number") and left[0].line == tokens[-len(left) - 1].line:
            raise source.invalid(f"{left[0].text!r} follows a whole constraint", _CONSTRAINT, left[0].line)


def _linear_terms(tokens: list[_Token], source: _LpSource, line: int) -> Iterator[tuple[_Token, float]]:
    """Yield variable and coefficient of ``2 x - y``."""
    expected, factor = "term", 1.0
    for token in tokens:
        if token.kind == "sign" and expected in ("term", "sign"):
            expected, factor = "number", -1.0 if token.text == "-" else 1.0
        elif token.kind == "number" and expected in ("term", "number"):
            expected, factor = "name", factor * float(token.text)
        elif token.kind == "name" and expected in ("term", "number", "name"):
            yield token, factor
            expected, factor = "sign", 1.0
        else:
            quadratic = token.text in ("[", "*", "^")
            raise source.invalid(
                "quadratic constraints are not accepted" if quadratic else f"{token.text!r} is out of place",
                "Put the constraint into the objective as a penalty." if quadratic else _CONSTRAINT,
                token.line,
            )
    if expected != "sign":
        raise source.invalid("the left side of a constraint is not complete", _CONSTRAINT, line)


def _right_hand_side(tokens: list[_Token], source: _LpSource, line: int) -> tuple[float, int]:
    """Return the number, and how many tokens it takes."""
    signed = bool(tokens) and tokens[0].kind == "sign"
    number = tokens[1] if signed and len(tokens) > 1 else tokens[0] if tokens and not signed else None
    if number is None or number.kind != "number":
        raise source.invalid("the right side of a constraint is not a number", _CONSTRAINT, line)
    return (-1.0 if signed and tokens[0].text == "-" else 1.0) * float(number.text), 1 + signed


def _sections(text: str, source: _LpSource) -> dict[str, list[tuple[int, str]]]:
    """Return the numbered lines of each section, without comments and opening words."""
    found: dict[str, list[tuple[int, str]]] = {}
    current: str | None = None
    for number, whole in enumerate(text.split("\n"), start=1):
        line = whole.split("\\", 1)[0]
        opening = _OBJECTIVE_OPENING.match(line)
        if opening and current != "end":
            current = str(opening.lastgroup)
            if current in found:
                raise source.invalid(f"a second section {opening[0].strip()!r}", "Join it with the first.", number)
            if current == "other":
                raise source.invalid(
                    f"the section {opening[0].strip()!r} is not accepted",
                    "Only an objective over binary variables is.",
                    number,
                )
            found[current] = []
            line = line[opening.end() :]
        if current is None and line.strip() and not line.lstrip().startswith("#"):
            raise source.invalid(
                f"{line.strip()[:40]!r} comes before any section", "Start the file with Minimize.", number
            )
        if current is not None:
            found[current].append((number, line))
    if "minimize" in found and "maximize" in found:
        raise source.invalid("the file has two objectives", "Keep one of them.", found["maximize"][0][0])
    if "minimize" not in found and "maximize" not in found:
        raise source.invalid("the file has no objective", "Start it with Minimize or Maximize.", None)
    if "end" not in found:
        raise source.invalid("the file does not stop with End", "Complete it; it may be half-written.", number)
    return found


def _not_empty(section: str, line: int, source: _LpSource) -> InvalidInput:
    problem, remedy = {
        "bounds": (
            "bounds that say more than 0 <= x <= 1 are not accepted",
            "Put fixed values into the objective; other bounds have no meaning for a binary variable.",
        ),
        "general": ("integer variables are not accepted", "Write them as sums of binary variables."),
        "end": ("something follows End", "Remove it."),
    }[section]
    return source.invalid(problem, remedy, line)


def _tokens(lines: list[tuple[int, str]], source: _LpSource) -> Iterator[_Token]:
    for number, line in lines:
        place = 0
        while line[place:].strip():
            match = _TOKEN.match(line, place)
            if match is None:
                rest = line[place:].split()[0]
                comma = rest.startswith(",")
                raise source.invalid(
                    f"{rest[:40]!r} does not belong here",
                    "Write a decimal point instead of the comma." if comma else "Write terms such as + 2.5 x3.",
                    number,
                )
            place = match.end()
            token = _Token(str(match.lastgroup), match[match.lastgroup or 0], number)
            if token.kind == "number" and not math.isfinite(float(token.text)):
                raise source.invalid(f"{token.text!r} is not finite", "Scale the objective.", number)
            if token.kind == "name" and _NO_NAME.match(token.text):
                raise source.invalid(
                    f"{token.text!r} is neither a number nor a name", "Write a plain number, or rename it.", number
                )
            yield token


def _check_grammar(objective: list[_Token], source: _LpSource) -> None:
    """Check that every two neighbouring tokens make sense together, and that brackets match."""
    inside = False
    start, end = _Token("start", "", 0), _Token("end", "the end", objective[-1].line if objective else 0)
    for before, token in pairwise([start, *objective, end]):
        if token.text in ("[", "]"):
            if inside == (token.text == "["):
                raise source.invalid("brackets do not match", _BRACKETS, token.line)
            inside = token.text == "["
        if (
            token.text == ":"
            or token.kind == "relation"
            or (token.text in ("*", "^") and (not inside or before.kind != "name"))
        ):
            raise source.invalid(f"{token.text!r} is out of place", _BRACKETS, token.line)
        if (before.kind, token.kind) in _NEVER_TOGETHER or (before.kind == "sign" and token.text == "]"):
            raise source.invalid(
                f"{before.text!r} is followed by {token.text!r}",
                "Put one sign between terms; if this is the name of a section, it is not accepted.",
                token.line,
            )
    if inside:
        raise source.invalid("a bracket is not closed", _BRACKETS, end.line)


def _variables(objective: list[_Token], binary: list[_Token], source: _LpSource) -> list[str]:
    """Return the variables in order of first appearance; each must be declared binary."""
    for token in binary:
        if token.kind != "name":
            raise source.invalid(f"{token.text!r} is not a variable", "List names only.", token.line)
    declared = {token.text for token in binary}
    for token in objective:
        if token.kind == "name" and token.text not in declared:
            raise source.invalid(
                f"the variable {token.text!r} is continuous",
                "List it under Binary; other kinds are not accepted.",
                token.line,
            )
    names = list(dict.fromkeys(token.text for token in [*objective, *binary] if token.kind == "name"))
    if not 1 <= len(names) <= MAX_VARIABLES:
        raise source.invalid(f"the file has {len(names)} variables", f"It must have 1 to {MAX_VARIABLES}.", None)
    return names


def _parse_with_dimod(objective: list[_Token], names: list[str], source: _LpSource) -> QuadraticForm:
    import dimod

    clean = f"Minimize\n obj: {' '.join(t.text for t in objective)}\nBinary\n {' '.join(names)}\nEnd\n"
    try:
        model = dimod.lp.loads(clean)
    except ValueError:
        raise source.invalid(
            "the objective is not understood",
            _BRACKETS,
            objective[0].line if objective else None,
        ) from None
    index = {name: i for i, name in enumerate(names)}
    found = model.objective
    entries = [(index[v], index[v], float(bias)) for v, bias in found.linear.items()]
    entries += [
        (min(index[u], index[v]), max(index[u], index[v]), float(bias)) for (u, v), bias in found.quadratic.items()
    ]
    return make_quadratic_form(names, entries, offdiagonal_factor=1.0, offset=float(found.offset))
