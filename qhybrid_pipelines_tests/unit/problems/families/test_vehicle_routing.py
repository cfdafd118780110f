"""Vehicle routing against all orders, the dynamic programme of Held and Karp, and a published optimum."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.problems.families.vehicle_routing import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.formats.tsplib import RoutingFile
from qhybrid_pipelines.problems.named_answer import name_answer
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import FOLDER, named


def unused_counts(payload):
    """What the bits of a route's unused capacity count: powers of two, the last one cut so that they end at the most."""
    if payload["capacity"] is None:
        return []
    left = payload["capacity"] - max(0, sum(payload["demands"]) - (payload["vehicles"] - 1) * payload["capacity"])
    counts = []
    while left > 0:
        counts.append(min(2 ** len(counts), left))
        left -= counts[-1]
    return counts


def objective_and_feasibility(payload, x):
    d, vehicles, stops = payload["distances"], payload["vehicles"], payload["stops"]
    n = len(d) - 1
    full = vehicles * stops == n
    length, allowed, counts = 0, True, unused_counts(payload)
    visited = [0] * n
    for v in range(vehicles):
        route = [[i for i in range(n) if x[(v * stops + s) * n + i]] for s in range(stops)]
        length += sum(d[0][i + 1] for i in route[0])
        for s in range(stops):
            for i in route[s]:
                visited[i] += 1
                following = [j for j in route[s + 1] if j != i] if s + 1 < stops else []
                if full:
                    length += sum(d[i + 1][j + 1] for j in following) if s + 1 < stops else d[i + 1][0]
                else:
                    length += d[i + 1][0] + sum(d[i + 1][j + 1] - d[i + 1][0] for j in following)
        lengths = [len(here) for here in route]
        allowed = allowed and max(lengths) <= 1 and lengths == sorted(lengths, reverse=True)
        if payload["capacity"] is not None:
            load = sum(payload["demands"][i] for here in route for i in here)
            first = vehicles * stops * n + v * len(counts)
            unused = sum(count for k, count in enumerate(counts) if x[first + k])
            allowed = allowed and load + unused == payload["capacity"]
    return length, allowed and visited == [1] * n


CASES = FamilyCases(
    small={
        "random_tour": [{"customers": 3, "seed": 1}, {"customers": 2, "side": 9, "seed": 2}],
        "random_routes": [
            {"customers": 2, "vehicles": 2, "seed": 3},
            {"customers": 3, "vehicles": 3, "max_stops": 1, "seed": 4},
            {"customers": 2, "vehicles": 2, "capacity": 3, "demand_max": 3, "max_stops": 1, "seed": 5},
        ],
    },
    reduced=[
        {"generator": "random_tour", "customers": 3},
        {"generator": "random_routes", "customers": 2, "vehicles": 2},
    ],
    definition=objective_and_feasibility,
)


def build(distances, demands=None, capacity=None, vehicles=1, max_stops=None):
    found = RoutingFile(
        names=tuple(map(str, range(len(distances)))),
        distances=np.array(distances, dtype=float),
        demands=None if demands is None else (0, *demands),
        capacity=capacity,
        vehicles=None,
    )
    return make_instance(
        found, vehicles=vehicles, max_stops=max_stops, name="by hand", source="generator:by hand", best_known=None
    )


def generate(generator, **parameters):
    source = {"generator": generator, **parameters}
    return load_instance(ProblemSpec.model_validate({"family": "vehicle_routing", "source": source}), lambda _: b"")


def held_karp(distances):
    """The shortest tour through all nodes by M. Held, R. Karp, J. SIAM 10, 196 (1962)."""
    n = len(distances)
    best = {(1 << (j - 1), j): distances[0][j] for j in range(1, n)}
    for size in range(2, n):
        for chosen in itertools.combinations(range(1, n), size):
            word = sum(1 << (j - 1) for j in chosen)
            for last in chosen:
                rest = word & ~(1 << (last - 1))
                best[word, last] = min(best[rest, k] + distances[k][last] for k in chosen if k != last)
    everyone = (1 << (n - 1)) - 1
    return min(best[everyone, j] + distances[j][0] for j in range(1, n))


def shortest_routes(distances, demands, capacity, vehicles, max_stops):
    """The shortest routes by trying every order of the customers and every place to go home."""
    n = len(distances) - 1
    best = None
    for order in itertools.permutations(range(1, n + 1)):
        for ends in itertools.product((0, 1), repeat=n - 1):
            routes, route = [], []
            for customer, end in zip(order, (*ends, 1), strict=True):
                route.append(customer)
                if end:
                    routes.append(route)
                    route = []
            if len(routes) > vehicles or any(max_stops and len(route) > max_stops for route in routes):
                continue
            if capacity and any(sum(demands[c - 1] for c in route) > capacity for route in routes):
                continue
            legs = [leg for route in routes for leg in itertools.pairwise([0, *route, 0])]
            length = sum(distances[a][b] for a, b in legs)
            best = length if best is None else min(best, length)
    return best


@st.composite
def fleets(draw):
    n = draw(st.integers(1, 4))
    cell = st.integers(0, 30)
    distances = [[0 if i == j else draw(cell) for j in range(n + 1)] for i in range(n + 1)]
    demands = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    capacity = draw(st.one_of(st.none(), st.integers(max(demands), 12)))
    return distances, demands, capacity, draw(st.integers(1, 3)), draw(st.one_of(st.none(), st.integers(1, 3)))


@settings(deadline=None, max_examples=80)
@given(fleets(), st.integers(0, 3))
def test_solver_greedy_and_lowest_energy_against_all_routes(fleet, seed):
    least = shortest_routes(*fleet)
    distances, demands, capacity, vehicles, max_stops = fleet
    if least is None:
        with pytest.raises(InvalidInput, match="do not fit into"):
            build(distances, demands if capacity else None, capacity, vehicles, max_stops)
        return
    instance = build(distances, demands if capacity else None, capacity, vehicles, max_stops)
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert objective_and_feasibility(instance.payload, answer.assignment.tolist()) == (least, True)
    assert answer.bound == least
    greedy, allowed = objective_and_feasibility(instance.payload, FAMILY.greedy(instance, seed).tolist())
    assert allowed
    assert greedy >= least
    if instance.size <= 16:
        rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
        energies = FAMILY.penalised_model(instance).model.assignment_energies(rows)
        assert energies.min() == pytest.approx(least, abs=1e-6)
        lowest = rows[energies <= energies.min() + 1e-6]
        assert all(objective_and_feasibility(instance.payload, row)[1] for row in lowest.tolist())


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tour_is_proved_that_the_dynamic_programme_finds(seed):
    instance = generate("random_tour", customers=11, seed=seed)
    answer = FAMILY.solve(instance, seed)
    assert (answer.optimal, answer.bound) == (True, held_karp(instance.payload["distances"]))
    assert FAMILY.objective(instance, answer.assignment[None])[0] == answer.bound


def test_the_own_file_has_the_optimum_that_the_dynamic_programme_finds():
    file = named("towns10")
    instance = FAMILY.parsers["tsplib"](file.text, Options(), file.path.name)
    assert held_karp(instance.payload["distances"]) == file.best_known


def test_the_published_routes_have_the_published_length():
    path = FOLDER / "qoblib" / "routing" / "XSH-n20-k4-01.vrp"
    instance = FAMILY.parsers["tsplib"](path.read_text(), Options(vehicles=4), path.name)
    # The solution file counts customers from 1, without the depot.
    published = [[15, 2, 18, 1, 8], [10, 11, 7, 9, 6], [17, 4, 5, 19, 3], [20, 12, 13, 14, 16]]
    row = np.zeros(instance.size, dtype=np.uint8)
    stops = instance.payload["stops"]
    for vehicle, route in enumerate(published):
        for stop, customer in enumerate(route):
            row[(vehicle * stops + stop) * 20 + customer - 1] = 1
    assert unused_counts(instance.payload) == []  # all four vehicles are full
    assert FAMILY.feasible(instance, row[None])[0]
    assert FAMILY.objective(instance, row[None])[0] == 646
    # Nodes by their names in the file, where the depot is node 1.
    assert FAMILY.describe(instance, row).startswith("route 1: 16, 3, 19, 2, 9; route 2: 11, 12,")
    decision = {
        "experiment": "routes",
        "backend": "local:auto",
        "final_assignment": "".join(map(str, row)),
        "final_source": "published",
        "final_objective": 646.0,
        "final_feasible": True,
    }
    [(words, visits)] = name_answer(instance, decision).groups
    assert (words, len(visits), visits[0]) == ("...: yes", 20, "16 as stop 1 of route 1")


def test_one_vehicle_has_a_tour():
    instance = generate("random_tour", customers=3)
    row = np.array([name in {"2 as stop 1", "1 as stop 2", "3 as stop 3"} for name in instance.variables], np.uint8)
    assert FAMILY.describe(instance, row) == "from the depot to 2, 1, 3 and back"


@pytest.mark.parametrize(
    ("generator", "parameters"),
    [
        ("random_tour", {"customers": 14}),
        ("random_routes", {"customers": 9, "vehicles": 3, "capacity": 12, "demand_max": 5}),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reduced_model_re_orders_four_stops_of_the_incumbent(generator, parameters, seed):
    instance = generate(generator, **parameters, seed=seed)
    problem = {"family": "vehicle_routing", "source": {"generator": generator, **parameters, "seed": seed}}
    spec = ExperimentSpec.model_validate({"name": "window", "problem": problem, "reduce": {"windows": 1}})
    reduction = reduce_instance(FAMILY, instance, spec)
    k = {16: 4, 9: 3, 4: 2}[reduction.reduced_model.size]
    free = np.flatnonzero(reduction.reduced_model.root >= 0)
    incumbent = reduction.incumbent
    assert incumbent[free].sum() == k
    # All orders of these stops, written out by hand.
    taken = free[incumbent[free] == 1]
    n = len(instance.payload["distances"]) - 1
    places, customers = taken // n, taken % n
    lengths = []
    for order in itertools.permutations(customers.tolist()):
        row = incumbent.copy()
        row[free] = 0
        row[places * n + np.array(order)] = 1
        length, allowed = objective_and_feasibility(instance.payload, row.tolist())
        assert allowed
        lengths.append(length)
    assert reduction.reduced_model_optimum == pytest.approx(min(lengths))


def test_a_violation_says_what_is_wrong():
    instance = build([[0, 1, 2], [1, 0, 3], [2, 3, 0]], [1, 2], 2, vehicles=2)
    assert instance.payload["stops"] == 1
    words = {
        (0, 0, 0, 0): "customer 1: 0 visits instead of 1; 2 customers in all",
        (1, 1, 0, 0): "stop 1 of route 1: more than one customer; 1 stops in all",
    }
    for visits, expected in words.items():
        row = np.array([*visits, *[0] * (instance.size - 4)], dtype=np.uint8)
        assert FAMILY.violation(instance, row) == expected
    row = np.array([1, 0, 0, 1, *[0] * (instance.size - 4)], dtype=np.uint8)
    assert FAMILY.violation(instance, row) == "route 1: load 1 and 0 unused do not make 2"


def test_units_that_all_demands_share_need_no_bits():
    fine = build([[0, 1, 2], [1, 0, 3], [2, 3, 0]], [100, 200], 250, vehicles=2)
    coarse = build([[0, 1, 2], [1, 0, 3], [2, 3, 0]], [1, 2], 2, vehicles=2)
    assert fine.payload == coarse.payload


def test_what_can_not_be_driven_is_refused():
    square = np.ones((4, 4)) - np.eye(4)
    with pytest.raises(InvalidInput, match="number of vehicles is missing"):
        build(square, [1, 1, 1], 2, vehicles=None)
    with pytest.raises(InvalidInput, match="3 customers do not fit into 1 routes of at most 2 stops"):
        build(square, [1, 1, 1], 2, vehicles=1)
    with pytest.raises(InvalidInput, match="do not fit into 1 routes of at most 2 stops"):
        build(square, max_stops=2)
    with pytest.raises(InvalidInput, match="products of two variables"):
        build(np.ones((91, 91)) - np.eye(91))
    with pytest.raises(InvalidInput, match="more digits"):
        build((np.ones((3, 3)) - np.eye(3)) * [[0, 1e-12, 1], [1e9, 0, 1], [1, 1, 0]])
