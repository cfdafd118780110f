"""The whole classical side on public instances with known optima, and its laws over every family's generators."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, GeneratorSource, ProblemSpec
from qhybrid_pipelines.problems.baseline_runs import run_baselines
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.registry import all_families, family_named
from qhybrid_pipelines.problems.sources import load_instance, register_source
from qhybrid_pipelines_tests.support import known_optima
from qhybrid_pipelines_tests.support.family_cases import all_cases, published_optima
from qhybrid_pipelines_tests.support.instance_files import named
from qhybrid_pipelines_tests.support.known_optima import independent_set_as_qubo
from qhybrid_pipelines_tests.support.tiny_family import all_rows

PUBLISHED = published_optima()
#: Problems that annealing and tabu search solve alone, without a proof.
LARGE = ("medium30", "sparse100", "mc_040_003_000")
#: Graphs whose independent sets are also written as a QUBO, whose optimum is then published as well.
AS_QUBO = ("farm", "karate", "ibm32", "chesapeake", "johnson8-2-4")
OPTIMAL = (*PUBLISHED, *(f"{name} as QUBO" for name in AS_QUBO))
SOLVED_BY_REDUCTION = ("sparse50-1", "sparse50-2", "sparse50-3", "farm as QUBO")

GENERATED = [(family, source) for family, cases in all_cases().items() for source in cases.sources_to_reduce]


def make_spec(problem, **fields):
    defaults = {"name": "public", "shots": 256, "sweep": {"strategy": "fixed_angles", "points": 8}, "repetitions": 2}
    return ExperimentSpec.model_validate({**defaults, **fields, "problem": problem})


def public(name, folder):
    """Return the best known value, the family, the instance and its problem."""
    published = PUBLISHED[name.removesuffix(" as QUBO")]
    problem, best_known = published.problem, published.best_known
    if name.endswith(" as QUBO"):
        (folder / "graph.sparse").write_text(independent_set_as_qubo(named(published.name).text))
        problem, best_known = {"family": "qubo", "source": "graph.sparse"}, -best_known
    return best_known, *loaded(ProblemSpec.model_validate(problem), folder)


def large(graph, folder):
    (folder / "graph.rud").write_text(graph.rudy)
    return loaded(ProblemSpec(family="maxcut", source="graph.rud"), folder)


def loaded(written, folder):
    problem, content = register_source(written, folder)
    return family_named(written.family), load_instance(problem, lambda _: content), problem


def generated(family, source, seed):
    parameters, _ = family_named(family).generators[source["generator"]]
    drawn = {"seed": seed} if "seed" in parameters.model_fields else {}
    problem = ProblemSpec(family=family, source=GeneratorSource(**source, **drawn))
    return family_named(family), load_instance(problem, lambda _: b""), problem


def test_every_family_is_generated_here():
    assert {family for family, _ in GENERATED} == set(all_families())


@pytest.mark.parametrize("name", OPTIMAL)
def test_the_best_baseline_reaches_the_published_optimum(name, tmp_path):
    best_known, family, instance, problem = public(name, tmp_path)
    spec = make_spec(problem)
    reduction = reduce_instance(family, instance, spec)
    rows = run_baselines(family, instance, reduction.reduced_model, spec)
    feasible = [baseline["objective"] for baseline in rows if baseline["feasible"]]
    best = max(feasible) if family.sense == "max" else min(feasible)
    assert best == pytest.approx(best_known)
    for baseline in rows:
        assignment = assignment_array(baseline["assignment"])[None, :]
        assert baseline["objective"] == family.objective(instance, assignment)[0]
        assert not baseline["optimal"] or baseline["objective"] == pytest.approx(best_known)
    if reduction.reduced_model.exact:
        assert reduction.reduced_model_optimum == pytest.approx(best_known)
    if name in SOLVED_BY_REDUCTION:
        assert reduction.solved_by_reduction
        assert reduction.incumbent_objective == pytest.approx(best_known)


@pytest.mark.parametrize("name", LARGE)
def test_annealing_and_tabu_reach_published_values(name, tmp_path):
    best_known, family, instance, problem = public(name, tmp_path)
    spec = make_spec(problem, repetitions=1)
    rows = run_baselines(family, instance, reduce_instance(family, instance, spec).reduced_model, spec)
    reached = {baseline["solver"]: baseline["objective"] for baseline in rows}
    assert reached["simulated_annealing"] == reached["tabu"] == best_known


def test_a_cubic_graph_keeps_all_its_qubits(tmp_path):
    """Without fields the energy is the same after a global flip: no value can be proved, and none must be guessed."""
    _, family, instance, problem = public("mc_016_003_000", tmp_path)
    reduction = reduce_instance(family, instance, make_spec(problem))
    assert reduction.reduced_model.size == 16
    assert reduction.reduced_model.exact
    assert (reduction.reduced_model_optimum, reduction.reduced_model_minimum_energy) == (21.0, -21.0)


@pytest.mark.parametrize(
    "graph",
    [
        pytest.param(known_optima.random_graph(800, 19176, seed=1), id="random"),
        pytest.param(known_optima.planted_torus(100, 8, seed=1), id="torus"),
    ],
)
def test_a_large_graph_is_cut_down_to_a_subproblem(graph, tmp_path):
    family, instance, problem = large(graph, tmp_path)
    reduction = reduce_instance(family, instance, make_spec(problem))
    fixed = {step["step_name"]: step["variables_fixed"] for step in reduction.step_log}
    assert (fixed["roof_duality"], fixed["components"], fixed["subproblem"]) == (0, 0, 784)
    assert not reduction.reduced_model.exact
    assert reduction.reduced_model_optimum >= reduction.incumbent_objective
    bits = np.array([0, 1, 2**15, 2**16 - 1], dtype=np.uint64)
    expanded = reduction.reduced_model.expand(bits)
    assert np.allclose(reduction.reduced_model.model.energies(bits), -family.objective(instance, expanded))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("family", "source"), GENERATED)
def test_exact_reduced_models_hold_an_optimum_and_every_reduced_model_keeps_its_energies(family, source, seed):
    family, instance, problem = generated(family, source, seed)
    rows = all_rows(instance.size)
    values = family.objective(instance, rows)[family.feasible(instance, rows)]
    optimum = values.max() if family.sense == "max" else values.min()
    model = family.penalised_model(instance).model
    for qubits in (16, 4):
        reduction = reduce_instance(family, instance, make_spec(problem, reduce={"max_qubits": qubits}))
        reduced_model = reduction.reduced_model
        bits = np.arange(2**reduced_model.size, dtype=np.uint64)
        energies = model.assignment_energies(reduced_model.expand(bits))
        scale = np.abs(energies).max() + np.abs(model.couplings).sum()
        assert np.abs(reduced_model.model.energies(bits) - energies).max() <= 1e-12 * scale
        assert reduced_model.size <= qubits
        if reduced_model.exact:
            assert reduction.reduced_model_optimum == pytest.approx(optimum)
        else:
            sense = 1 if family.sense == "max" else -1
            assert sense * (optimum - reduction.reduced_model_optimum) >= -1e-9
