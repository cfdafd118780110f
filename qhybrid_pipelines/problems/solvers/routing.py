"""Routes of vehicles from a depot and back, as 0 and 1: which customer is which stop of which route.

Variable ``x(v, s, i)`` says that customer ``i`` is stop ``s`` of route ``v``; after them come the bits of what each route leaves unused
of the capacity. Where there are as many stops as customers, one for each, every stop is taken (the travelling salesman);
otherwise routes may be shorter, and no stop follows an empty one.

Source of the formulation of the travelling salesman: A. Lucas, Frontiers in Physics 2, 5 (2014), section 7.2; the penalty
weights are argued where they are computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64

#: Penalty weight in units of the least for which it is argued that every minimum is a best set of routes.
PENALTY_FACTOR = 1.05

#: Two customers at one stop cost this many penalties, so that what an overfull stop may gain elsewhere is outweighed.
CROWDED = 3.0

Pairs = npt.NDArray[np.int32]
#: Customers (from 0) of each route, in order.
Routes = list[list[int]]


@dataclass(frozen=True, kw_only=True)
class RoutingProblem:
    """Distances, demands and the frame of the routes.

    Attributes:
        distances: from row to column, shape ``(n + 1, n + 1)``, the depot first.
        demands: of the ``n`` customers, whole numbers; None where the capacity binds nobody.
        capacity: of one vehicle, in the same units; None with ``demands``.
        vehicles: most routes.
        stops: most customers of one route.
    """

    distances: F64
    demands: tuple[int, ...] | None
    capacity: int | None
    vehicles: int
    stops: int

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> RoutingProblem:
        """Return the problem of an instance's payload."""
        return cls(
            distances=np.array(payload["distances"], dtype=np.float64),
            demands=None if payload["demands"] is None else tuple(payload["demands"]),
            capacity=payload["capacity"],
            vehicles=payload["vehicles"],
            stops=payload["stops"],
        )

    @property
    def customers(self) -> int:
        """Number of customers, ``n``."""
        return len(self.distances) - 1

    @property
    def is_full(self) -> bool:
        """Whether there are no more stops than customers, so that all are taken."""
        return self.vehicles * self.stops == self.customers

    @property
    def visits(self) -> int:
        """Number of variables that say who is where."""
        return self.vehicles * self.stops * self.customers

    @cached_property
    def unused_weights(self) -> tuple[int, ...]:
        """What the bits of a route's unused capacity count, so that every amount up to the most has a sum of them.

        The most is what is left where all other routes are full.
        """
        if self.demands is None or self.capacity is None:
            return ()
        most = self.capacity - max(0, sum(self.demands) - (self.vehicles - 1) * self.capacity)
        weights: list[int] = []
        while most > sum(weights):
            weights.append(min(2 ** len(weights), most - sum(weights)))
        return tuple(weights)

    @property
    def size(self) -> int:
        """Number of variables."""
        return self.visits + self.vehicles * len(self.unused_weights)

    def variable(self, vehicle: int, stop: int, customer: int) -> int:
        """Return the index of a visit."""
        return (vehicle * self.stops + stop) * self.customers + customer

    def unused_bits(self, vehicle: int) -> range:
        """Return the indices of the bits of a route's unused capacity."""
        first = self.visits + vehicle * len(self.unused_weights)
        return range(first, first + len(self.unused_weights))

    def length(self, routes: Routes) -> float:
        """Return the length of routes, from the depot and back."""
        legs = (pairwise_legs for route in routes if route for pairwise_legs in itertools.pairwise([-1, *route, -1]))
        return math.fsum(self.distances[a + 1, b + 1] for a, b in legs)

    def load(self, route: list[int]) -> int:
        """Return the demand of the customers of a route."""
        return sum(self.demands[customer] for customer in route) if self.demands else 0

    def fits(self, route: list[int], customer: int) -> bool:
        """Return whether a customer can join a route."""
        if len(route) >= self.stops:
            return False
        return self.capacity is None or self.load([*route, customer]) <= self.capacity

    def encode(self, routes: Routes) -> U8:
        """Return the assignment ``(size,)`` of routes that keep within capacity and stops."""
        row = np.zeros(self.size, dtype=np.uint8)
        for vehicle, route in enumerate(routes):
            for stop, customer in enumerate(route):
                row[self.variable(vehicle, stop, customer)] = 1
        for vehicle in range(self.vehicles if self.unused_weights else 0):
            assert self.capacity is not None
            left = self.capacity - self.load(routes[vehicle] if vehicle < len(routes) else [])
            for bit, weight in reversed(list(zip(self.unused_bits(vehicle), self.unused_weights, strict=True))):
                if weight <= left:
                    row[bit] = 1
                    left -= weight
        return row

    def decode(self, row: U8) -> Routes:
        """Return the routes that an assignment ``(size,)`` names, feasible or not, in the order of stops and customers."""
        routes: Routes = [[] for _ in range(self.vehicles)]
        for place in np.flatnonzero(row[: self.visits]).tolist():
            routes[place // (self.stops * self.customers)].append(place % self.customers)
        return routes

    def objective(self) -> tuple[F64, Pairs, F64]:
        """Return ``(linear, pairs, quadratic)`` of the length over 0 and 1, without constraints.

        Each visit pays its way back to the depot, and a visit that follows replaces it by the way between the two.
        """
        linear = np.zeros(self.size)
        pairs, values = [], []
        out, back, between = self.distances[0, 1:], self.distances[1:, 0], self.distances[1:, 1:]
        customers = np.arange(self.customers)
        here, there = (part.ravel() for part in np.meshgrid(customers, customers, indexing="ij"))
        apart = here != there
        here, there = here[apart], there[apart]
        # Where all stops are taken only the last one leads home, which leaves positive distances alone.
        saving = between if self.is_full else between - back[:, None]
        for vehicle in range(self.vehicles):
            for stop in range(self.stops):
                first = self.variable(vehicle, stop, 0)
                places = slice(first, first + self.customers)
                if stop == 0:
                    linear[places] += out
                if not self.is_full or stop == self.stops - 1:
                    linear[places] += back
                if stop + 1 < self.stops:
                    pairs.append(np.stack([first + here, first + self.customers + there], axis=1))
                    values.append(saving[here, there])
        if not pairs:
            return linear, np.zeros((0, 2), dtype=np.int32), np.zeros(0)
        return linear, np.concatenate(pairs).astype(np.int32), np.concatenate(values)

    def violations(self) -> tuple[F64, Pairs, F64, float]:
        """Return ``(linear, pairs, quadratic, offset)`` of a whole number that is 0 where routes are allowed, else 1 at least.

        ``(visits - 1)^2`` for each customer; for each stop the same where all are taken, else ``CROWDED`` for each pair of
        customers and ``visits * (1 - visits at the stop before)``; ``(load + unused - capacity)^2`` for each route.
        """
        linear, offset = np.zeros(self.size), 0.0
        pairs, values = [], []

        def squared(places: npt.NDArray[np.int64], weights: npt.NDArray[np.int64], target: int) -> None:
            nonlocal offset
            linear[places] += weights * weights - 2 * target * weights
            i, j = np.triu_indices(len(places), k=1)
            pairs.append(np.stack([places[i], places[j]], axis=1))
            values.append(2.0 * weights[i] * weights[j])
            offset += target**2

        visits = np.arange(self.visits).reshape(self.vehicles, self.stops, self.customers)
        one = np.ones(max(self.visits, 1), dtype=np.int64)
        for customer in range(self.customers):
            places = visits[:, :, customer].ravel()
            squared(places, one[: len(places)], 1)
        for stop in visits.reshape(-1, self.customers):
            if self.is_full:
                squared(stop, one[: self.customers], 1)
            else:
                i, j = np.triu_indices(self.customers, k=1)
                pairs.append(np.stack([stop[i], stop[j]], axis=1))
                values.append(np.full(len(i), CROWDED))
        for before in range(0 if self.is_full else self.stops - 1):
            for vehicle in range(self.vehicles):
                linear[visits[vehicle, before + 1]] += 1
                grid = np.meshgrid(visits[vehicle, before], visits[vehicle, before + 1], indexing="ij")
                pairs.append(np.stack([part.ravel() for part in grid], axis=1))
                values.append(np.full(self.customers**2, -1.0))
        if self.demands is not None and self.capacity is not None:
            weights = np.array([*self.demands * self.stops, *self.unused_weights], dtype=np.int64)
            for vehicle in range(self.vehicles):
                squared(np.array([*visits[vehicle].ravel(), *self.unused_bits(vehicle)]), weights, self.capacity)
        return linear, np.concatenate(pairs).astype(np.int32), np.concatenate(values), offset

    def penalty(self, known_length: float) -> float:
        """Return the penalty weight, given the length of some allowed routes.

        Where all stops are taken: a row with ``v`` violations becomes a tour by dropping what is double and placing at most ``v / 2``
        customers (Kőnig's theorem, for customers and for stops), each for at most two ways. Elsewhere the length of a row may be
        negative, but not below ``-D W``, with ``D`` the longest way back and ``W`` the sum over stops of visits times the visits
        too many at the next one; and ``W <= 2 v``, because of ``CROWDED``. So ``known_length + 2 D`` is enough.
        """
        if self.is_full and self.demands is None:
            return PENALTY_FACTOR * float(self.distances.max()) or 1.0
        return PENALTY_FACTOR * (known_length + 2 * float(self.distances[1:, 0].max())) or 1.0

    def allowed(self, rows: U8) -> npt.NDArray[np.bool_]:
        """Return which rows are routes that keep every rule."""
        visits = rows[:, : self.visits].reshape(len(rows), self.vehicles, self.stops, self.customers)
        filled = visits.sum(axis=3, dtype=np.int64)
        good = (visits.sum(axis=(1, 2), dtype=np.int64) == 1).all(axis=1) & (filled <= 1).all(axis=(1, 2))
        good &= (filled[:, :, 1:] <= filled[:, :, :-1]).all(axis=(1, 2))
        if self.demands is not None:
            load = visits.sum(axis=2, dtype=np.int64) @ np.array(self.demands, dtype=np.int64)
            bits = rows[:, self.visits :].reshape(len(rows), self.vehicles, len(self.unused_weights))
            unused = bits.astype(np.int64) @ np.array(self.unused_weights, dtype=np.int64)
            good &= (load + unused == self.capacity).all(axis=1)
        return np.asarray(good)


def variable_names(problem: RoutingProblem, customers: tuple[str, ...], capacity: int | None) -> tuple[str, ...]:
    """Return the names of the variables, given those of the customers and the capacity in its own unit."""

    def of_route(vehicle: int) -> str:
        return f" of route {vehicle + 1}" if problem.vehicles > 1 else ""

    visits = [
        f"{customer} as stop {stop + 1}{of_route(vehicle)}"
        for vehicle in range(problem.vehicles)
        for stop in range(problem.stops)
        for customer in customers
    ]
    unit = 1 if capacity is None or not problem.capacity else capacity // problem.capacity
    unused = [
        f"bit {place + 1} ({weight * unit} unused){of_route(vehicle)}"
        for vehicle in range(problem.vehicles)
        for place, weight in enumerate(problem.unused_weights)
    ]
    return tuple(visits + unused)


def customer_names(problem: RoutingProblem, variables: Sequence[str]) -> list[str]:
    """Return the names of the customers, given those of the variables."""
    ending = f" as stop 1{' of route 1' if problem.vehicles > 1 else ''}"
    return [name.removesuffix(ending) for name in variables[: problem.customers]]


def routes_in_words(problem: RoutingProblem, assignment: U8, variables: Sequence[str]) -> str:
    """Return the customers of each route of an assignment ``(size,)`` in their order, or what the one vehicle visits."""
    names = customer_names(problem, variables)
    routes = [", ".join(names[customer] for customer in route) for route in problem.decode(assignment)]
    if problem.vehicles == 1:
        return f"from the depot to {routes[0]} and back"
    return "; ".join(f"route {number}: {route}" for number, route in enumerate(routes, start=1) if route)


def first_violation(problem: RoutingProblem, assignment: U8, names: tuple[str, ...]) -> str:
    """Return the first broken rule of an assignment ``(size,)`` and how often it is broken; empty when feasible."""
    if problem.allowed(assignment[None])[0]:
        return ""
    visits = assignment[: problem.visits].reshape(problem.vehicles * problem.stops, problem.customers)
    times = visits.sum(axis=0, dtype=np.int64)
    wrong = np.flatnonzero(times != 1)
    if len(wrong):
        customer = names[wrong[0]].rpartition(" as stop ")[0]
        return f"customer {customer}: {times[wrong[0]]} visits instead of 1; {len(wrong)} customers in all"
    crowded = np.flatnonzero(visits.sum(axis=1, dtype=np.int64) > 1)
    if len(crowded):
        stop = names[crowded[0] * problem.customers].rpartition(" as ")[2]
        return f"{stop}: more than one customer; {len(crowded)} stops in all"
    routes = problem.decode(assignment)
    for vehicle, route in enumerate(routes):
        load = problem.load(route)
        bits = zip(problem.unused_bits(vehicle), problem.unused_weights, strict=True)
        unused = sum(weight for bit, weight in bits if assignment[bit])
        if problem.capacity is not None and load + unused != problem.capacity:
            return f"route {vehicle + 1}: load {load} and {unused} unused do not make {problem.capacity}"
    return "a stop follows an empty one"


def nearest_neighbours(problem: RoutingProblem, order: npt.NDArray[np.int64]) -> Routes | None:
    """Return routes that always go on to the nearest customer who still fits, ties by ``order``; None if somebody is left."""
    left = set(range(problem.customers))
    routes: Routes = []
    for _ in range(problem.vehicles):
        route: list[int] = []
        while True:
            here = route[-1] + 1 if route else 0
            able = [customer for customer in left if problem.fits(route, customer)]
            if not able:
                break
            nearest = min(able, key=lambda customer: (problem.distances[here, customer + 1], order[customer]))
            route.append(nearest)
            left.remove(nearest)
        routes.append(route)
    return None if left else routes


def in_near_order(problem: RoutingProblem, route: list[int]) -> list[int]:
    """Return the customers of a route in the order of always going on to the nearest."""
    left = list(route)
    ordered: list[int] = []
    while left:
        here = ordered[-1] + 1 if ordered else 0
        nearest = min(left, key=lambda customer: (problem.distances[here, customer + 1], customer))
        left.remove(nearest)
        ordered.append(nearest)
    return ordered


def made_allowed(problem: RoutingProblem, named: Routes, fallback: Routes) -> Routes:
    """Return allowed routes close to those that a row names: first visits that fit stay, the others join where it costs least.

    ``fallback`` is taken where somebody fits nowhere.
    """
    seen: set[int] = set()
    routes: Routes = []
    for wanted in named:
        route: list[int] = []
        for customer in wanted:
            if customer not in seen and problem.fits(route, customer):
                route.append(customer)
                seen.add(customer)
        routes.append(route)
    for customer in sorted(set(range(problem.customers)) - seen):
        place = _cheapest_place(problem, routes, customer)
        if place is None:
            return fallback
        routes[place[0]].insert(place[1], customer)
    return routes


def _cheapest_place(problem: RoutingProblem, routes: Routes, customer: int) -> tuple[int, int] | None:
    """Return the route, and the place in it, where a customer costs the shortest detour; None where it fits nowhere."""
    found: list[tuple[float, int, int]] = []
    distances, node = problem.distances, customer + 1
    for vehicle, route in enumerate(routes):
        if problem.fits(route, customer):
            nodes = [0, *(stop + 1 for stop in route), 0]
            for place, (a, b) in enumerate(itertools.pairwise(nodes)):
                found.append((float(distances[a, node] + distances[node, b] - distances[a, b]), vehicle, place))
    return min(found)[1:] if found else None


def window(problem: RoutingProblem, routes: Routes, size: int, rng: np.random.Generator) -> list[int]:
    """Return the variables that re-order a few consecutive stops: as many as ``size`` allows, where most can be won.

    A window of ``k`` stops has ``k * k`` variables. All orders of each are tried; where none is shorter, one is drawn.
    """
    longest = max(map(len, routes))
    k = max(1, min(math.isqrt(size), longest, 6))
    found: list[tuple[float, int, int]] = []
    for vehicle, route in enumerate(routes):
        for first in range(len(route) - k + 1):
            before, inside, after = route[:first], route[first : first + k], route[first + k :]
            ends = [[*before[-1:], *order, *after[:1]] for order in itertools.permutations(inside)]
            at_start, at_end = not before, not after
            lengths = [_path(problem, stops, at_start, at_end) for stops in ends]
            found.append((min(lengths) - lengths[0], vehicle, first))
    gain, vehicle, first = min(found)
    if gain >= -1e-9:
        _, vehicle, first = found[int(rng.integers(len(found)))]
    inside = routes[vehicle][first : first + k]
    return [problem.variable(vehicle, first + place, customer) for place in range(k) for customer in inside]


def _path(problem: RoutingProblem, stops: list[int], from_depot: bool, to_depot: bool) -> float:  # noqa: FBT001 - two ends
    nodes = [*([0] if from_depot else []), *(stop + 1 for stop in stops), *([0] if to_depot else [])]
    return math.fsum(problem.distances[a, b] for a, b in itertools.pairwise(nodes))
