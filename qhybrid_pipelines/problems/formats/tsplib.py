"""TSPLIB and CVRPLIB files (``.tsp``, ``.atsp``, ``.vrp``): a depot, customers, distances, and perhaps demands and a capacity.

Read are the types TSP, ATSP and CVRP with EDGE_WEIGHT_TYPE EUC_2D, CEIL_2D, MAN_2D, MAX_2D, ATT, GEO or EXPLICIT, rounded to
whole numbers as TSPLIB prescribes. Lines that start with ``#`` are comments. The start of a tour is the first node.

Source: G. Reinelt, "TSPLIB 95" (1995); E. Uchoa et al., European Journal of Operational Research 257, 845 (2017) for CVRPLIB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import Row, split_rows

#: More nodes than anything here could work with.
MAX_NODES = 1_000

#: TSPLIB prescribes these digits and this radius, in kilometres.
_PI = 3.141592
_RADIUS = 6378.388

_TYPES = ("TSP", "ATSP", "CVRP")
_SECTIONS = ("NODE_COORD_SECTION", "EDGE_WEIGHT_SECTION", "DEMAND_SECTION", "DEPOT_SECTION", "DISPLAY_DATA_SECTION")
_FORMATS = ("FULL_MATRIX", "UPPER_ROW", "LOWER_ROW", "UPPER_DIAG_ROW", "LOWER_DIAG_ROW")

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RoutingFile:
    """What a file says.

    Attributes:
        names: of the nodes, the depot first.
        distances: from row to column, shape ``(n, n)``, the depot first, zeros on the diagonal.
        demands: of the nodes, 0 for the depot; None where the file has no capacity.
        capacity: of one vehicle, or None.
        vehicles: their number, where the file states it.
    """

    names: tuple[str, ...]
    distances: F64
    demands: tuple[int, ...] | None
    capacity: int | None
    vehicles: int | None


def _geo(point: Point) -> Point:
    """Return latitude and longitude in radians of degrees and minutes written as ``DDD.MM``."""
    degrees = (math.trunc(point[0]), math.trunc(point[1]))
    latitude, longitude = (_PI * (d + 5 * (x - d) / 3) / 180 for x, d in zip(point, degrees, strict=True))
    return latitude, longitude


def _geo_distance(a: Point, b: Point) -> float:
    (latitude_a, longitude_a), (latitude_b, longitude_b) = _geo(a), _geo(b)
    q1 = math.cos(longitude_a - longitude_b)
    q2, q3 = math.cos(latitude_a - latitude_b), math.cos(latitude_a + latitude_b)
    return math.floor(_RADIUS * math.acos(0.5 * ((1 + q1) * q2 - (1 - q1) * q3)) + 1)


def _att_distance(a: Point, b: Point) -> float:
    return math.ceil(math.sqrt(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / 10))


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


_DISTANCES: Mapping[str, Callable[[Point, Point], float]] = MappingProxyType(
    {
        "EUC_2D": lambda a, b: _nearest(math.hypot(a[0] - b[0], a[1] - b[1])),
        "CEIL_2D": lambda a, b: math.ceil(math.hypot(a[0] - b[0], a[1] - b[1])),
        "MAN_2D": lambda a, b: _nearest(abs(a[0] - b[0]) + abs(a[1] - b[1])),
        "MAX_2D": lambda a, b: max(_nearest(abs(a[0] - b[0])), _nearest(abs(a[1] - b[1]))),
        "ATT": _att_distance,
        "GEO": _geo_distance,
    }
)


def read(text: str, *, file: str) -> RoutingFile:
    """Return nodes, distances, demands and the capacity of a file.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, sections = _split(split_rows(text, file=file))
    kind = _word(header, "TYPE", _TYPES, file)
    size = _count(header, "DIMENSION", file)
    weights = _word(header, "EDGE_WEIGHT_TYPE", (*_DISTANCES, "EXPLICIT"), file)
    if weights == "EXPLICIT":
        names = tuple(map(str, range(1, size + 1)))
        distances = _matrix(header, _section(sections, "EDGE_WEIGHT_SECTION", file), size, file)
    else:
        names, distances = _from_coordinates(_section(sections, "NODE_COORD_SECTION", file), size, weights)
    capacity = vehicles = demands = None
    order = list(range(size))
    if kind == "CVRP":
        capacity = _count(header, "CAPACITY", file)
        vehicles = _count(header, "VEHICLES", file) if "VEHICLES" in header else None
        by_node = _demands(_section(sections, "DEMAND_SECTION", file), names, capacity)
        depot = _depot(_section(sections, "DEPOT_SECTION", file), names, by_node)
        order.insert(0, order.pop(depot))
        demands = tuple(by_node[names[node]] for node in order)
    return RoutingFile(
        names=tuple(names[node] for node in order),
        distances=distances[np.ix_(order, order)],
        demands=demands,
        capacity=capacity,
        vehicles=vehicles,
    )


def _split(rows: list[Row]) -> tuple[dict[str, tuple[Row, str]], dict[str, list[Row]]]:
    """Return the specification part, and the lines of each section with its opening line first."""
    header: dict[str, tuple[Row, str]] = {}
    sections: dict[str, list[Row]] = {}
    current: list[Row] | None = None
    for row in rows:
        text = " ".join(row.fields)
        key, colon, value = (part.strip() for part in text.partition(":"))
        word = key.upper()
        if word == "EOF":
            break
        if word.endswith("_SECTION"):
            if word not in _SECTIONS:
                raise row.invalid(f"the section {key} is not read", f"Read are {', '.join(_SECTIONS)}.")
            if word in sections:
                raise row.invalid(f"a second section {key}", "Join it with the first.")
            current = sections[word] = [row]
        elif colon:
            header[word] = (row, value)
            current = None
        elif current is None:
            raise row.invalid(f"{text[:40]!r} is neither `KEYWORD : value` nor a section", "Correct the line.")
        else:
            current.append(row)
    return header, sections


def _word(header: Mapping[str, tuple[Row, str]], key: str, known: tuple[str, ...], file: str) -> str:
    row, value = _entry(header, key, file)
    word = value.split()[0].upper() if value else ""
    if word not in known:
        raise row.invalid(f"{key} is {value!r}", f"Read are {', '.join(known)}.")
    return word


def _entry(header: Mapping[str, tuple[Row, str]], key: str, file: str) -> tuple[Row, str]:
    if key not in header:
        raise InvalidInput(f"the file has no {key}", remedy=f"Add the line `{key} : value`.", file=file)
    return header[key]


def _count(header: Mapping[str, tuple[Row, str]], key: str, file: str) -> int:
    row, value = _entry(header, key, file)
    number = Row(row.file, row.line, tuple(value.split())).integer(0, key)
    least, most = (2, MAX_NODES) if key == "DIMENSION" else (1, 2**31)
    if not least <= number <= most:
        raise row.invalid(f"{key} is {number}", f"It must be from {least} to {most}.")
    return number


def _section(sections: Mapping[str, list[Row]], key: str, file: str) -> list[Row]:
    if key not in sections:
        raise InvalidInput(f"the file has no {key}", remedy="Complete the file; it may be half-written.", file=file)
    return sections[key]


def _from_coordinates(rows: list[Row], size: int, kind: str) -> tuple[tuple[str, ...], F64]:
    points: dict[str, Point] = {}
    for row in rows[1:]:
        if len(row.fields) != 3:
            raise row.invalid(f"the line has {len(row.fields)} fields", "Write a node and its two coordinates.")
        if row.fields[0] in points:
            raise row.invalid(f"node {row.fields[0]} has coordinates already", "Give each node one line.")
        points[row.fields[0]] = (row.number(1, "the coordinate"), row.number(2, "the coordinate"))
    if len(points) != size:
        raise rows[-1].invalid(
            f"there are coordinates of {len(points)} nodes, and DIMENSION is {size}",
            "Complete the file (it may be half-written), or correct DIMENSION.",
        )
    places = list(points.values())
    distances = [[_DISTANCES[kind](a, b) if i != j else 0 for j, b in enumerate(places)] for i, a in enumerate(places)]
    return tuple(points), np.array(distances, dtype=np.float64)


def _matrix(header: Mapping[str, tuple[Row, str]], rows: list[Row], size: int, file: str) -> F64:
    kind = _word(header, "EDGE_WEIGHT_FORMAT", _FORMATS, file)
    numbers = [(row, row.number(column, "the distance")) for row in rows[1:] for column in range(len(row.fields))]
    places = list(_places(kind, size))
    if len(numbers) != len(places):
        raise rows[-1].invalid(
            f"{kind} of {size} nodes are {len(places)} numbers, and the section holds {len(numbers)}",
            "Complete the section (the file may be half-written), or correct EDGE_WEIGHT_FORMAT or DIMENSION.",
        )
    matrix = np.zeros((size, size))
    for (i, j), (row, value) in zip(places, numbers, strict=True):
        if i == j:
            continue  # files write 0 or a large number for the way from a node to itself
        if value < 0:
            raise row.invalid(f"the distance {value:g} is negative", "Add the same number to all distances.")
        matrix[i, j] = value
        if kind != "FULL_MATRIX":
            matrix[j, i] = value
    return matrix


def _places(kind: str, size: int) -> Iterator[tuple[int, int]]:
    """Yield the place of each number of a section in the matrix."""
    for i in range(size):
        first, last = {
            "FULL_MATRIX": (0, size),
            "UPPER_ROW": (i + 1, size),
            "UPPER_DIAG_ROW": (i, size),
            "LOWER_ROW": (0, i),
            "LOWER_DIAG_ROW": (0, i + 1),
        }[kind]
        yield from ((i, j) for j in range(first, last))


def _demands(rows: list[Row], names: tuple[str, ...], capacity: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows[1:]:
        node, demand = row.fields[0], row.integer(1, "the demand")
        if node not in names:
            raise row.invalid(f"there is no node {node}", "Correct the node.")
        if node in found:
            raise row.invalid(f"node {node} has a demand already", "Give each node one line.")
        if not 0 <= demand <= capacity:
            raise row.invalid(
                f"the demand {demand} is not from 0 to the capacity of a vehicle, {capacity}",
                "Split the customer, or correct the number.",
            )
        found[node] = demand
    if len(found) != len(names):
        raise rows[-1].invalid(
            f"there are demands of {len(found)} nodes, and DIMENSION is {len(names)}",
            "Complete the file; it may be half-written.",
        )
    return found


def _depot(rows: list[Row], names: tuple[str, ...], demands: Mapping[str, int]) -> int:
    fields = [(row, field) for row in rows[1:] for field in row.fields]
    listed = [(row, field) for row, field in fields if field != "-1"]
    if len(listed) != 1 or len(fields) != 2:
        last = listed[-1][0] if len(listed) > 1 else rows[-1]
        raise last.invalid("the section does not hold one depot and -1", "Several depots are not supported.")
    row, depot = listed[0]
    if depot not in names:
        raise row.invalid(f"there is no node {depot}", "Correct the depot.")
    if demands[depot]:
        raise row.invalid(f"the depot has the demand {demands[depot]}", "Its demand is 0.")
    return names.index(depot)
