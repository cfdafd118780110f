"""Routes by OR-Tools: its routing library for good ones, CP-SAT for whether customers fit at all and for proofs."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.routing import Routes, RoutingProblem, in_near_order

#: CP-SAT's own unit of work, close to a second; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 2.0

#: Routes that the guided local search may come to, one after the other.
MAX_SOLUTIONS = 2_000


def packing(problem: RoutingProblem) -> Routes | None:
    """Return routes that keep within capacity and stops, whatever their length, by CP-SAT; None if it finds none."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    rides = [[model.new_bool_var("") for _ in range(problem.vehicles)] for _ in range(problem.customers)]
    for ride in rides:
        model.add_exactly_one(ride)
    for vehicle in range(problem.vehicles):
        model.add(sum(ride[vehicle] for ride in rides) <= problem.stops)
        if problem.demands is not None and problem.capacity is not None:
            load = sum(demand * ride[vehicle] for demand, ride in zip(problem.demands, rides, strict=True))
            model.add(load <= problem.capacity)
    solver = repeatable_solver(seed=0, max_work=MAX_DETERMINISTIC_TIME)
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    routes: Routes = [[] for _ in range(problem.vehicles)]
    for customer, ride in enumerate(rides):
        routes[next(v for v, there in enumerate(ride) if solver.boolean_value(there))].append(customer)
    return [in_near_order(problem, route) for route in routes]


def route_search(problem: RoutingProblem, start: Routes, scale: float) -> Routes | None:
    """Return routes of OR-Tools' routing library: from a start, its guided local search for a number of steps.

    No limit of time is set, so the answer is the same on every machine. ``scale`` turns distances into whole numbers.
    """
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    manager = pywrapcp.RoutingIndexManager(problem.customers + 1, problem.vehicles, 0)
    model = pywrapcp.RoutingModel(manager)
    matrix = np.rint(problem.distances * scale).astype(np.int64).tolist()
    model.SetArcCostEvaluatorOfAllVehicles(model.RegisterTransitMatrix(matrix))
    ones = [0] + [1] * problem.customers
    model.AddDimension(model.RegisterUnaryTransitVector(ones), 0, problem.stops, True, "stops")
    if problem.demands is not None:
        loads = model.RegisterUnaryTransitVector([0, *problem.demands])
        model.AddDimension(loads, 0, problem.capacity, True, "load")
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.solution_limit = MAX_SOLUTIONS
    model.CloseModelWithParameters(parameters)
    nodes = [[customer + 1 for customer in route] for route in start]
    known = model.ReadAssignmentFromRoutes([*nodes, *[[]] * (problem.vehicles - len(nodes))], True)
    solution = None if known is None else model.SolveFromAssignmentWithParameters(known, parameters)
    if solution is None:
        return None
    routes: Routes = []
    for vehicle in range(problem.vehicles):
        route, index = [], solution.Value(model.NextVar(model.Start(vehicle)))
        while not model.IsEnd(index):
            route.append(manager.IndexToNode(index) - 1)
            index = solution.Value(model.NextVar(index))
        routes.append(route)
    return routes


@dataclass(frozen=True, kw_only=True)
class ProvedRoutes:
    """What CP-SAT ended with: routes, a bound on their length, and whether it is reached."""

    routes: Routes
    bound: float
    optimal: bool
    evaluations: int


def prove(problem: RoutingProblem, start: Routes, scale: float, seed: int) -> ProvedRoutes | None:
    """Return the best of CP-SAT's circuit constraint from a start, with a deterministic limit of work."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    nodes = range(problem.customers + 1)
    matrix = np.rint(problem.distances * scale).astype(np.int64).tolist()
    used = {arc for route in start if route for arc in itertools.pairwise([0, *(stop + 1 for stop in route), 0])}
    arcs = {(a, b): model.new_bool_var(f"{a}-{b}") for a in nodes for b in nodes if a != b}
    for arc, there in arcs.items():
        model.add_hint(there, arc in used)
    listed = [(a, b, there) for (a, b), there in arcs.items()]
    if problem.vehicles == 1:
        model.add_circuit(listed)
    else:
        model.add_multiple_circuit(listed)
        model.add(sum(there for (a, _), there in arcs.items() if a == 0) <= problem.vehicles)
    for amounts, most in _limits(problem):
        levels = [model.new_int_var(amount, most, "") for amount in amounts]
        for (a, b), there in arcs.items():
            if a and b:
                model.add(levels[b - 1] >= levels[a - 1] + amounts[b - 1]).only_enforce_if(there)
    model.minimize(sum(matrix[a][b] * there for (a, b), there in arcs.items()))
    solver = repeatable_solver(seed=derive_seed_31bit(seed, "routing", "cp_sat"), max_work=MAX_DETERMINISTIC_TIME)
    solver.parameters.absolute_gap_limit = 0.0  # a gap is a whole number
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return ProvedRoutes(
        routes=_follow({arc for arc, there in arcs.items() if solver.boolean_value(there)}),
        bound=math.ceil(solver.best_objective_bound - 1e-6) / scale,
        optimal=status == cp_model.OPTIMAL,
        evaluations=solver.num_branches,
    )


def _limits(problem: RoutingProblem) -> list[tuple[list[int], int]]:
    """Return what customers add to a route, and the most that a route holds of it: stops, and load."""
    limits = [([1] * problem.customers, problem.stops)] if problem.vehicles > 1 else []
    if problem.demands is not None and problem.capacity is not None:
        limits.append((list(problem.demands), problem.capacity))
    return limits


def _follow(arcs: set[tuple[int, int]]) -> Routes:
    """Return the routes that arcs between nodes make, the depot being 0."""
    following = {a: b for a, b in arcs if a}
    routes: Routes = []
    for first in sorted(b for a, b in arcs if not a):
        route, here = [], first
        while here:
            route.append(here - 1)
            here = following[here]
        routes.append(route)
    return routes
