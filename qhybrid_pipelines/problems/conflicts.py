"""Graphs of conflicts, made by seed: random ones, a day of jobs on machines, a round of dispatch.

Nodes are candidates with a weight above 0; an edge says that two of them exclude each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


class RandomGraph(StrictModel):
    """Parameters of `random_graph`: every pair is in conflict with the same probability."""

    nodes: int = Field(ge=1, le=2_000, description="Number of candidates.")
    probability: float = Field(ge=0, le=1, description="Probability that two candidates are in conflict.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")
    weighted: bool = Field(default=False, description="Integer weights from 1 to 10 instead of 1.")


class IntervalScheduling(StrictModel):
    """Parameters of `interval_scheduling`: which jobs of a day to accept, and on which machine."""

    jobs: int = Field(ge=1, le=200, description="Number of jobs; each may run once.")
    machines: int = Field(default=1, ge=1, le=10, description="Number of equal machines; each runs one job at a time.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


class Dispatch(StrictModel):
    """Parameters of `dispatch`: which vehicle takes which job next."""

    vehicles: int = Field(ge=1, le=40, description="Number of vehicles; each takes at most one job.")
    jobs: int = Field(ge=1, le=40, description="Number of jobs; each is given at most once.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def random_graph(parameters: RandomGraph) -> WeightedGraph:
    """Return a random graph with independent edges (Erdős-Rényi)."""
    size = parameters.nodes
    random = generator(parameters.seed, "conflicts", "random_graph")
    left, right = np.triu_indices(size, k=1)
    drawn = random.random(len(left)) < parameters.probability
    weights = random.integers(1, 11, size=size).astype(np.float64) if parameters.weighted else None
    pairs = [(i, j, 1.0) for i, j in zip(left[drawn].tolist(), right[drawn].tolist(), strict=True)]
    return make_weighted_graph(map(str, range(size)), pairs, weights)


def interval_scheduling(parameters: IntervalScheduling) -> WeightedGraph:
    """Return a day's requests as candidates (job, machine).

    A job lasts one to four hours, in minutes, and starts at any minute that lets it end by midnight. Its value is its
    length in hours times a rate from 0.5 to 1.5, rounded to cents. Two candidates are in conflict when they are the
    same job, or when they share the machine and overlap; a job may start in the minute in which another ends.
    """
    jobs, machines = parameters.jobs, parameters.machines
    random = generator(parameters.seed, "conflicts", "interval_scheduling")
    minutes = random.integers(60, 241, size=jobs)
    start = random.integers(0, 24 * 60 - minutes + 1)
    end = start + minutes
    value = np.round(minutes / 60 * random.uniform(0.5, 1.5, size=jobs), 2)

    job, machine = (axis.ravel() for axis in np.indices((jobs, machines)))
    overlap = (start[:, None] < end) & (start < end[:, None])
    conflict = (job[:, None] == job) | ((machine[:, None] == machine) & overlap[np.ix_(job, job)])
    names = [f"job{j}" if machines == 1 else f"job{j}@machine{m}" for j, m in zip(job, machine, strict=True)]
    return _conflict_graph(names, conflict, value[job])


def dispatch(parameters: Dispatch) -> WeightedGraph:
    """Return one round of dispatch as candidates (job, vehicle).

    Vehicles and jobs lie in a unit square; a candidate is worth the job's reward, 1 to 2, less half the distance,
    rounded to 4 decimals. Two candidates are in conflict when they share the vehicle or the job. This is an assignment
    problem, which classical methods solve in no time: it shows the path of a decision, not a hard instance.
    """
    random = generator(parameters.seed, "conflicts", "dispatch")
    here, there = random.random((parameters.vehicles, 2)), random.random((parameters.jobs, 2))
    reward = random.uniform(1, 2, size=parameters.jobs)
    distance = np.sqrt(((here[:, None] - there) ** 2).sum(axis=2))
    worth = np.round(reward - distance / 2, 4).ravel()

    vehicle, job = (axis.ravel() for axis in np.indices((parameters.vehicles, parameters.jobs)))
    conflict = (vehicle[:, None] == vehicle) | (job[:, None] == job)
    names = [f"job{j}@vehicle{v}" for v, j in zip(vehicle, job, strict=True)]
    return _conflict_graph(names, conflict, worth)


def _conflict_graph(names: list[str], conflict: npt.NDArray[np.bool_], weights: F64) -> WeightedGraph:
    left, right = np.nonzero(np.triu(conflict, k=1))
    pairs = [(i, j, 1.0) for i, j in zip(left.tolist(), right.tolist(), strict=True)]
    return make_weighted_graph(names, pairs, weights)
