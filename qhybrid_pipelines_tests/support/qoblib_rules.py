"""What QOBLIB checks of a submission, from its guidelines and checkers (commit de698d45), in our own words.

A submission has a folder per instance: ``NAME_summary.csv`` with exactly the template's columns and at least a row whose problem is NAME,
and either ``NAME_solution.EXT`` or a folder ``solutions`` with ``NAME_solution_0.EXT``, ``NAME_solution_1.EXT`` and so on.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from pathlib import Path

HEADER = (
    "Problem,Submitter,Date,Reference,Best Objective Value,Optimality Bound,Modeling Approach,# Decision Variables,"
    "# Binary Variables,# Integer Variables,# Continuous Variables,# Non-Zero Coefficients,Coefficients Type,"
    "Coefficients Range,Workflow,Algorithm Type,# Runs,# Feasible Runs,# Successful Runs,Success Threshold,"
    "Hardware Specifications,Total Runtime,CPU Runtime,GPU Runtime,QPU Runtime,Other HW Runtime,Remarks"
)
_WHOLE = [name for name in HEADER.split(",") if name.startswith("#")]
_NUMBERS = [
    "Best Objective Value",
    "Optimality Bound",
    "Success Threshold",
    *(n for n in HEADER.split(",") if "Runtime" in n),
]

#: Seven customers, of whom two vehicles can carry some ways to share and not others.
SMALL_ROUTES = """NAME : small-k3
TYPE : CVRP
DIMENSION : 8
EDGE_WEIGHT_TYPE : EUC_2D
CAPACITY : 10
NODE_COORD_SECTION
1 0 0
2 3 4
3 6 1
4 2 9
5 7 7
6 9 2
7 1 5
8 4 8
DEMAND_SECTION
1 0
2 4
3 3
4 5
5 2
6 4
7 1
8 3
DEPOT_SECTION
1
-1
EOF
"""


def check_row(row: dict[str, str]) -> list[str]:
    """Return the columns whose text is neither a number of the right kind nor N/A nor empty."""
    wrong = []
    for names, kind in ((_WHOLE, int), (_NUMBERS, float)):
        for name in names:
            text = row[name].strip().replace(",", "")
            if text.upper() not in {"", "N/A", "NA"}:
                try:
                    kind(text)
                except ValueError:
                    wrong.append(name)
    return wrong


def check_submission(folder: Path) -> list[str]:
    """Return what is wrong with a submission; empty where nothing is."""
    problems = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = place.name
        raw = (place / f"{name}_summary.csv").read_bytes()
        rows = list(csv.reader(raw.decode().splitlines()))
        if ",".join(rows[0]) != HEADER:
            problems.append(f"{name}: header")
        if len(rows) < 2 or any(row[0] != name for row in rows[1:]):
            problems.append(f"{name}: rows")
        problems += [
            f"{name}: {column}" for row in rows[1:] for column in check_row(dict(zip(rows[0], row, strict=True)))
        ]
        one = [path for path in place.iterdir() if re.fullmatch(rf"{re.escape(name)}_solution\.\w+", path.name)]
        many = sorted(
            int(found[1])
            for path in place.glob("solutions/*")
            if (found := re.fullmatch(rf"{re.escape(name)}_solution_(\d+)\.\w+", path.name))
        )
        if bool(one) == bool(many) or many != list(range(len(many))):
            problems.append(f"{name}: solutions")
    return problems


def _chosen(solution: str) -> dict[int, int]:
    """Return values by number of the variable, from lines ``x#NUMBER VALUE``."""
    return {int(number): int(value) for number, value in re.findall(r"^x#(\d+)\s+([01])$", solution, re.MULTILINE)}


def independent_set_errors(graph: str, solution: str) -> list[str]:
    """Return the edges of a DIMACS file both of whose ends are chosen."""
    chosen = _chosen(solution)
    edges = re.findall(r"^e (\d+) (\d+)", graph, re.MULTILINE)
    return [f"{i}-{j}" for i, j in edges if chosen.get(int(i)) and chosen.get(int(j))]


def market_split_errors(instance: str, solution: str) -> list[str]:
    """Return the rows of a file whose chosen numbers do not add up to the last one."""
    chosen = _chosen(solution)
    lines = [
        line.replace(",", " ").split() for line in instance.splitlines() if line.strip() and not line.startswith("#")
    ]
    rows, _ = map(int, lines[0])
    assert len(lines) == rows + 1
    return [
        f"row {number}"
        for number, (*weights, target) in enumerate(lines[1:], start=1)
        if sum(int(w) for i, w in enumerate(weights, start=1) if chosen.get(i)) != int(target)
    ]


def sequence_energy(size: int, solution: str) -> int:
    """Return the energy that a solution file of a sequence has: 0 is +1 and 1 is -1, and every element is named."""
    chosen = _chosen(solution)
    assert sorted(chosen) == list(range(1, size + 1))
    spins = [1 - 2 * chosen[number] for number in range(1, size + 1)]
    return sum(sum(spins[i] * spins[i + shift] for i in range(size - shift)) ** 2 for shift in range(1, size))


def routing_errors(instance: str, solution: str) -> list[str]:
    """Return what is wrong with routes: a customer visited twice or never or unknown, a load, a length that is not the one claimed.

    Customer ``k`` is node ``k + 1``, as node 1 is the depot; distances are Euclidean, each rounded.
    """
    sections = dict(re.findall(r"^(\w+)_SECTION\s*$([^A-Z]*)", instance, re.MULTILINE))
    places = [tuple(map(float, line.split()[1:])) for line in sections["NODE_COORD"].strip().splitlines()]
    demands = [int(line.split()[1]) for line in sections["DEMAND"].strip().splitlines()]
    [capacity] = map(int, re.findall(r"^CAPACITY\s*:\s*(\d+)", instance, re.MULTILINE))
    assert sections["DEPOT"].split() == ["1", "-1"]
    routes = [list(map(int, text.split())) for text in re.findall(r"^Route #\d+: (.+)$", solution, re.MULTILINE)]
    visits = sorted(itertools.chain.from_iterable(routes))
    wrong = [] if visits == list(range(1, len(places))) else ["visits"]
    wrong += [f"route {n}" for n, route in enumerate(routes, 1) if sum(demands[k] for k in route) > capacity]
    length = sum(
        math.floor(math.dist(places[a], places[b]) + 0.5)
        for route in routes
        for a, b in itertools.pairwise([0, *route, 0])
    )
    if re.findall(r"^Cost (\S+)$", solution, re.MULTILINE) != [str(length)]:
        wrong.append("cost")
    return wrong
