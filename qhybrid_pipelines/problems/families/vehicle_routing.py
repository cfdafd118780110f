"""Vehicle routing: the shortest routes from a depot to all customers and back; with one vehicle, the travelling salesman.

Every customer is visited once, by at most as many vehicles as there are, each with at most its capacity. Variables say which
customer is which stop of which route; a route's unused capacity has bits of its own, so that a row says all that counts. A
problem of 17 nodes has 256 variables already: what a quantum computer gets of it is a window of the incumbent, some
consecutive stops of one route that are put into another order.

Sources: G. B. Dantzig, J. H. Ramser, Management Science 6, 80 (1959); `solvers.routing` names that of the formulation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import gcd
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.classical.exact import EXACT_FLOAT_TOTAL, integers_as_written
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Family, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.formats import tsplib
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.quadratic import pair_sums
from qhybrid_pipelines.problems.solvers import route_solvers, routing
from qhybrid_pipelines.problems.solvers.routing import RoutingProblem
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks, weighted_sums

if TYPE_CHECKING:
    import dimod

#: Most products of two variables in the unconstrained form; 58 customers of one vehicle have so many.
MAX_PRODUCTS = 400_000


class Options(StrictModel):
    """What a specification may say about routes."""

    best_known: float | None = Field(default=None, description="Least known length, where a source states one.")
    vehicles: int | None = Field(
        default=None, ge=1, description="Most routes; needed where a file with a capacity does not state it."
    )
    max_stops: int | None = Field(
        default=None, ge=1, description="Most customers of one route; as many as the capacity allows if not given."
    )


class RandomTour(StrictModel):
    """Parameters of `random_tour`: points drawn evenly from a square, one vehicle."""

    customers: int = Field(ge=1, le=58, description="Number of customers, without the depot.")
    side: int = Field(default=100, ge=1, le=10_000, description="Side of the square; distances are whole numbers.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


class RandomRoutes(StrictModel):
    """Parameters of `random_routes`: points drawn evenly from a square of side 100, several vehicles."""

    customers: int = Field(ge=1, le=58, description="Number of customers, without the depot.")
    vehicles: int = Field(ge=1, le=20, description="Most routes.")
    capacity: int | None = Field(default=None, ge=1, description="Capacity of a vehicle; none if not given.")
    demand_max: int = Field(default=1, ge=1, le=1_000, description="Demands are drawn from 1 to this.")
    max_stops: int | None = Field(default=None, ge=1, description="Most customers of one route.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def make_instance(
    found: tsplib.RoutingFile,
    *,
    vehicles: int | None,
    max_stops: int | None,
    name: str,
    source: str,
    best_known: float | None,
) -> Instance:
    """Return the instance of distances, demands and vehicles.

    Raises:
        InvalidInput: the number of vehicles is missing, the customers do not fit, distances have too many digits to be added
            exactly, or there are too many variables.
    """
    vehicles = vehicles or found.vehicles or (1 if found.capacity is None else None)
    if vehicles is None:
        raise InvalidInput(
            "the number of vehicles is missing",
            remedy="Declare options.vehicles; names such as P-n16-k8 say how many: 8.",
            field="problem.options.vehicles",
        )
    customers = len(found.names) - 1
    written = integers_as_written(found.distances.ravel().tolist())
    if written.total * customers >= EXACT_FLOAT_TOTAL:
        raise InvalidInput(
            "the distances have more digits than sums of them can keep",
            remedy="Round them to fewer digits.",
            field="problem.source",
        )
    demands, capacity = _binding(found)
    stops = customers
    if demands is not None and capacity is not None:
        stops = int((np.cumsum(sorted(demands)) <= capacity).sum())
    stops = min(stops, max_stops or stops)
    payload = {
        "distances": found.distances.tolist(),
        "demands": demands,
        "capacity": capacity,
        "vehicles": vehicles,
        "stops": stops,
    }
    products = (
        vehicles * stops * customers * (vehicles * stops + customers * (3 if demands is None else 2 + stops)) // 2
    )
    if products > MAX_PRODUCTS:
        raise InvalidInput(
            f"the routes need about {products:,} products of two variables, and at most {MAX_PRODUCTS:,} are supported",
            remedy="Take fewer customers, or declare a smaller options.max_stops.",
            field="problem.source",
        )
    names = found.names[1:]
    instance = Instance(
        name=name,
        family="vehicle_routing",
        variables=routing.variable_names(_problem_of(json.dumps(payload)), names, found.capacity),
        payload=payload,
        best_known=best_known,
        source=source,
    )
    if _allowed_routes(instance.canonical) is None:
        load = (
            "" if capacity is None else f", which can carry {vehicles} times {capacity} of {sum(demands or ())} units"
        )
        raise InvalidInput(
            f"{customers} customers do not fit into {vehicles} routes of at most {stops} stops{load}",
            remedy="Declare more options.vehicles, or a larger options.max_stops.",
            field="problem.options.vehicles",
        )
    return instance


def _binding(found: tsplib.RoutingFile) -> tuple[list[int] | None, int | None]:
    """Return demands of the customers and the capacity over their common divisor; None where one vehicle carries all."""
    if found.demands is None or found.capacity is None:
        return None, None
    demands = list(found.demands[1:])
    if sum(demands) <= found.capacity:
        return None, None
    divisor = gcd(*demands)
    return [demand // divisor for demand in demands], found.capacity // divisor


def _points(random: np.random.Generator, customers: int, side: int) -> F64:
    points = random.integers(0, side + 1, size=(customers + 1, 2)).astype(np.float64)
    apart = points[:, None, :] - points[None, :, :]
    return np.asarray(np.floor(np.sqrt((apart**2).sum(axis=2)) + 0.5))


def random_tour(parameters: BaseModel) -> Instance:
    """Return a random travelling salesman; distances are rounded as in TSPLIB."""
    assert isinstance(parameters, RandomTour)
    random = generator(parameters.seed, "vehicle_routing", "random_tour")
    return make_instance(
        tsplib.RoutingFile(
            names=tuple(map(str, range(parameters.customers + 1))),
            distances=_points(random, parameters.customers, parameters.side),
            demands=None,
            capacity=None,
            vehicles=1,
        ),
        vehicles=1,
        max_stops=None,
        name="random_tour-n{customers}-a{side}-s{seed}".format(**parameters.model_dump()),
        source="generator:random_tour",
        best_known=None,
    )


def random_routes(parameters: BaseModel) -> Instance:
    """Return random routes; distances are rounded as in TSPLIB."""
    assert isinstance(parameters, RandomRoutes)
    random = generator(parameters.seed, "vehicle_routing", "random_routes")
    distances = _points(random, parameters.customers, 100)
    demands = random.integers(1, parameters.demand_max + 1, size=parameters.customers).tolist()
    return make_instance(
        tsplib.RoutingFile(
            names=tuple(map(str, range(parameters.customers + 1))),
            distances=distances,
            demands=None if parameters.capacity is None else (0, *demands),
            capacity=parameters.capacity,
            vehicles=parameters.vehicles,
        ),
        vehicles=parameters.vehicles,
        max_stops=parameters.max_stops,
        name="random_routes-n{customers}-k{vehicles}-c{capacity}-d{demand_max}-m{max_stops}-s{seed}".format(
            **parameters.model_dump()
        ),
        source="generator:random_routes",
        best_known=None,
    )


def _from_file(text: str, options: BaseModel, file: str) -> Instance:
    assert isinstance(options, Options)
    return make_instance(
        tsplib.read(text, file=file),
        vehicles=options.vehicles,
        max_stops=options.max_stops,
        name=name_without_ending(file),
        source=f"file:{file}",
        best_known=options.best_known,
    )


@lru_cache(maxsize=16)
def _problem_of(canonical: str) -> RoutingProblem:
    return RoutingProblem.from_payload(json.loads(canonical))


@lru_cache(maxsize=16)
def _allowed_routes(canonical: str) -> routing.Routes | None:
    """Return routes that keep every rule, the same each time; None where none were found."""
    problem = _problem_of(canonical)
    routes = routing.nearest_neighbours(problem, np.arange(problem.customers))
    return route_solvers.packing(problem) if routes is None else routes


def _allowed(instance: Instance) -> routing.Routes:
    routes = _allowed_routes(instance.canonical)
    assert routes is not None, instance.name
    return routes


def _problem(instance: Instance) -> RoutingProblem:
    return _problem_of(instance.canonical)


class VehicleRouting(FamilyDefaults):
    """The family; see the module."""

    name = "vehicle_routing"
    title = "Vehicle routing and the travelling salesman"
    sense: Sense = "min"
    unit = "length"
    answer_words = ("{name}: no", "{name}: yes")
    names_zeros = False
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({"tsplib": _from_file})
    file_suffixes: Mapping[str, str] = MappingProxyType({".tsp": "tsplib", ".atsp": "tsplib", ".vrp": "tsplib"})
    native_suffixes: frozenset[str] = frozenset({".tsp", ".atsp", ".vrp"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random_tour": (RandomTour, random_tour), "random_routes": (RandomRoutes, random_routes)}
    )
    solver_name = "or_tools_routing+cp_sat"

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the length; customers once, stops once at most and without gaps, loads within the capacity."""
        import dimod

        problem, names = _problem(instance), list(instance.variables)
        linear, pairs, quadratic = problem.objective()
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        terms = (pairs[:, 0], pairs[:, 1], quadratic)
        model.set_objective(
            dimod.BinaryQuadraticModel.from_numpy_vectors(linear, terms, 0.0, dimod.BINARY, variable_order=names)
        )
        vehicles, stops, customers = range(problem.vehicles), range(problem.stops), range(problem.customers)

        def visit(vehicle: int, stop: int, customer: int) -> str:
            return names[problem.variable(vehicle, stop, customer)]

        for i in customers:
            places = [(visit(v, s, i), 1) for v in vehicles for s in stops]
            model.add_constraint_from_iterable(places, "==", 1, label=f"customer_{i + 1}")
        for v in vehicles:
            for s in stops:
                here = [(visit(v, s, i), 1) for i in customers]
                model.add_constraint_from_iterable(here, "<=", 1, label=f"stop_{v + 1}_{s + 1}")
                if s:
                    before = [(visit(v, s - 1, i), -1) for i in customers]
                    model.add_constraint_from_iterable([*here, *before], "<=", 0, label=f"gap_{v + 1}_{s}")
            if problem.demands is not None and problem.capacity is not None:
                load = [(visit(v, s, i), problem.demands[i]) for s in stops for i in customers]
                bits = zip(problem.unused_bits(v), problem.unused_weights, strict=True)
                load += [(names[bit], weight) for bit, weight in bits]
                model.add_constraint_from_iterable(load, "==", problem.capacity, label=f"load_{v + 1}")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the length with a penalty for each violation; see ``routing.RoutingProblem.penalty`` for its weight."""
        problem = _problem(instance)
        linear, pairs, quadratic = problem.objective()
        wrong, wrong_pairs, wrong_quadratic, offset = problem.violations()
        penalty = problem.penalty(problem.length(_allowed(instance)))
        model = IsingModel.from_qubo(
            linear + penalty * wrong,
            np.concatenate([pairs, wrong_pairs]),
            np.concatenate([quadratic, penalty * wrong_quadratic]),
            penalty * offset,
        )
        return PenalisedModel(model=model, penalty_weight=penalty, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the length of each row; for rows that break a rule, what the quadratic form of it gives."""
        linear, pairs, quadratic = _problem(instance).objective()
        return weighted_sums(linear, assignments) + pair_sums(assignments, pairs, quadratic)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows are routes that keep every rule."""
        return apply_in_blocks(_problem(instance).allowed, assignments, bytes_per_row=16 * instance.size)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first broken rule and how often it is broken; empty when feasible."""
        return routing.first_violation(_problem(instance), assignment, instance.variables)

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows of allowed routes close to those that they name; see ``routing.made_allowed``."""
        problem, fallback = _problem(instance), _allowed(instance)
        repaired = assignments.copy()
        for place in np.flatnonzero(~self.feasible(instance, assignments)).tolist():
            routes = routing.made_allowed(problem, problem.decode(assignments[place]), fallback)
            repaired[place] = problem.encode(routes)
        return repaired

    def cardinality(self, instance: Instance) -> int | None:
        """Return the number of customers, where there are only visits and no bits of unused capacity."""
        problem = _problem(instance)
        return None if problem.unused_weights else problem.customers

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:
        """Return that whole distances are added without any, else that of the unconstrained form."""
        distances = _problem(instance).distances
        if np.array_equal(distances, np.rint(distances)):
            return ObjectiveRounding(error=0.0, step=1.0)
        return super().objective_rounding(instance)

    def subproblem(self, instance: Instance, incumbent: U8, size: int, rng: np.random.Generator) -> list[int] | None:
        """Return the visits that re-order some consecutive stops of one route; see ``routing.window``."""
        problem = _problem(instance)
        if not problem.allowed(incumbent[None])[0]:
            return None
        return routing.window(problem, problem.decode(incumbent), size, rng)

    def greedy(self, instance: Instance, seed: int) -> U8:
        """Return routes that always go on to the nearest customer who fits; others where that leaves somebody over."""
        problem = _problem(instance)
        order = generator(seed, "vehicle_routing", "greedy").permutation(problem.customers)
        return problem.encode(routing.nearest_neighbours(problem, order) or _allowed(instance))

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run OR-Tools' routing library, then CP-SAT from its answer, both with limits of work and none of time."""
        problem = _problem(instance)
        scale = float(1 / integers_as_written(problem.distances.ravel().tolist()).unit)
        start = problem.decode(self.greedy(instance, seed))
        candidates = [start, route_solvers.route_search(problem, start, scale)]
        proved = route_solvers.prove(problem, min(filter(None, candidates), key=problem.length), scale, seed)
        candidates.append(proved.routes if proved else None)
        best = min((routes for routes in candidates if routes is not None), key=problem.length)
        return SolverResult(
            assignment=problem.encode(best),
            optimal=proved is not None and proved.optimal,
            bound=proved.bound if proved else None,
            evaluations=proved.evaluations if proved else None,
        )

    def describe(self, instance: Instance, assignment: U8) -> str:
        """Return the customers of each route in their order, or what the one vehicle visits."""
        return routing.routes_in_words(_problem(instance), assignment, instance.variables)

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, loads and distances."""
        problem = _problem(instance)
        apart = problem.distances[~np.eye(problem.customers + 1, dtype=bool)]
        full = 0.0 if problem.capacity is None else sum(problem.demands or ()) / (problem.vehicles * problem.capacity)
        return {
            "customers": float(problem.customers),
            "vehicles": float(problem.vehicles),
            "stops_max": float(problem.stops),
            "unused_capacity_bits": float(problem.size - problem.visits),
            "load_share": float(full),
            "distance_mean": float(apart.mean()),
            "distance_max": float(apart.max()),
            "asymmetric": float(not np.array_equal(problem.distances, problem.distances.T)),
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


FAMILY: Family = VehicleRouting()
