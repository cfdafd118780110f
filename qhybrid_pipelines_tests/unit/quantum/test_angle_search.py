"""Optimised angles: nothing that a crowd of random starts finds is better, and the optimum becomes likelier."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize

from qhybrid_pipelines.core.jobs.circuit_jobs import QaoaStructure
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.quantum.angle_search import AngleSearch, optimise_angles, stretch
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.ramps import cost_scale
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import exact_probabilities
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, make_spec, maxcut

LAYERS = 2


def dense_model(seed: int, n: int = 8):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    return ising(rng.normal(size=n), dict(zip(pairs, rng.normal(size=len(pairs)), strict=True)))


def weighted_graph(seed: int, n: int = 9):
    rng = np.random.default_rng(seed)
    edges = nx.gnm_random_graph(n, 16, seed=seed).edges
    return ising(np.zeros(n), {tuple(sorted(edge)): rng.uniform(0.2, 1.0) for edge in edges})


MODELS = {
    **{f"dense {seed}": make_reduced_model(dense_model(seed)) for seed in range(4)},
    **{f"weighted {seed}": make_reduced_model(weighted_graph(seed)) for seed in range(4)},
    **{f"cardinality {seed}": make_reduced_model(dense_model(seed + 10, 7), 3) for seed in range(4)},
}
#: Two of each kind in the test command.
FEW = tuple(name for name in MODELS if name.endswith((" 0", " 1")))


def best_of_random_starts(model, mixer: str, starts: int = 20) -> float:
    """The same objective from random angles, with derivatives by differences."""
    search, rng = AngleSearch(model, mixer), np.random.default_rng(5)
    scale = np.repeat([cost_scale(model.model, constant_ones=mixer == "xy"), 1.0], LAYERS)
    found = [
        minimize(lambda x: search._gradient(x * scale)[0], rng.uniform(-1.5, 1.5, 2 * LAYERS), method="L-BFGS-B").fun
        for _ in range(starts)
    ]
    return min(found)


def optimum_probability(model, angles, mixer: str) -> float:
    """By the engine of the sweeps, which other tests hold against dense matrices."""
    ones = model.cardinality if mixer == "xy" else None
    structure = QaoaStructure(model=model.model, mixer=mixer, cardinality=ones, angles=np.array([angles]))
    outcomes, every = exact_probabilities(structure)
    energies = model.model.diagonal if outcomes is None else model.model.diagonal[outcomes.astype(int)]
    return float(next(iter(every))[np.isclose(energies, energies.min())].sum())


@pytest.mark.parametrize("name", others_are_long([*MODELS], *FEW))
def test_no_crowd_of_random_starts_finds_better_angles(name):
    model = MODELS[name]
    mixer = choose_mixer(model, make_spec())
    found = AngleSearch(model, mixer).optimise(LAYERS)
    spread = np.ptp(model.model.diagonal)
    assert found.tail_energy <= best_of_random_starts(model, mixer) + 1e-6 * spread


@pytest.mark.parametrize("names", others_are_long([FEW, tuple(MODELS)], FEW))
def test_the_optimum_is_likelier_than_at_any_point_of_the_default_sweep(names):
    """The best of sixteen points is chosen with hindsight; one point, chosen before, has to be likelier, by far in the median."""
    ratios = []
    for model in (MODELS[name] for name in names):
        mixer = choose_mixer(model, make_spec())
        default = plan_sweep(model, make_spec(strategy="fixed_angles", layers=LAYERS))
        optimised = plan_sweep(model, make_spec(strategy="auto", layers=LAYERS))
        assert optimised.angles.shape == (1, 2 * LAYERS)
        before = max(optimum_probability(model, point, mixer) for point in default.angles)
        ratios.append(optimum_probability(model, optimised.angles[0], mixer) / before)
    assert min(ratios) > 1
    assert np.median(ratios) > 2


def test_the_same_model_has_the_same_angles_and_a_constant_changes_nothing():
    model = MODELS["weighted 0"]
    first, again = (optimise_angles(model, "x", 2) for _ in range(2))
    assert np.array_equal(first.angles, again.angles)
    assert (first.tail_energy, first.start) == (again.tail_energy, again.start)


def test_a_deeper_circuit_is_never_worse():
    tails = [
        AngleSearch(MODELS["dense 1"], "x", tail_fraction=0.8).optimise(layers).tail_energy for layers in (1, 2, 3)
    ]
    assert tails == sorted(tails, reverse=True)
    shares = [optimise_angles(MODELS["dense 1"], "x", layers).optimum_probability for layers in (1, 2, 3)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("name", ["dense 1", "weighted 0"])
def test_the_optimum_is_as_likely_as_the_engine_says_and_likelier_than_with_the_best_tail(name):
    model = MODELS[name]
    found, tail = optimise_angles(model, "x", 2), AngleSearch(model, "x").optimise(2)
    assert found.optimum_probability == pytest.approx(optimum_probability(model, found.angles, "x"), rel=1e-9)
    assert tail.optimum_probability == pytest.approx(optimum_probability(model, tail.angles, "x"), rel=1e-9)
    assert found.optimum_probability >= tail.optimum_probability * (1 - 1e-9)


def test_stretched_angles_follow_the_same_curve():
    assert np.allclose(stretch(np.array([1.0, -2.0])), [1.0, 1.0, -2.0, -2.0])
    line = np.concatenate([np.linspace(0, 1, 4), np.linspace(-1, 0, 4)])
    stretched = stretch(line)
    assert np.allclose(stretched[[0, 4, 5, 9]], [0, 1, -1, 0])
    assert (np.diff(stretched[:5]) > 0).all()


def test_one_variable_and_an_empty_cost_have_angles_too():
    one = optimise_angles(make_reduced_model(ising([1.0], {})), "x", 1)
    assert one.tail_energy == pytest.approx(-0.75, abs=1e-6)  # the field is -1 at its best, the constant 0.25
    flat = optimise_angles(make_reduced_model(maxcut(3, [])), "x", 2)
    assert np.isfinite(flat.angles).all()


def test_a_wide_model_keeps_the_angles_that_are_known_and_says_so():
    wide = make_reduced_model(maxcut(22, [(i, (i + 1) % 22) for i in range(22)]))
    plan = plan_sweep(wide, make_spec(strategy="auto", layers=1))
    assert "not optimised: 22 qubits" in plan.angle_source[0]


def test_what_was_optimised_is_told():
    [source] = plan_sweep(MODELS["dense 0"], make_spec(strategy="auto", layers=1)).angle_source
    assert source.startswith("optimised: best 10% of the shots at ")


def test_auto_is_one_point_and_needs_qaoa():
    problem = {"family": "maxcut", "source": "networkx:karate_club"}
    short = ExperimentSpec.model_validate({"name": "a", "problem": problem, "sweep": "auto"})
    assert (short.sweep.strategy, short.sweep.points) == ("auto", 1)
    more = ExperimentSpec.model_validate({"name": "a", "problem": problem, "sweep": {"strategy": "auto", "points": 5}})
    assert more.sweep.points == 5
    with pytest.raises(ValidationError, match="optimises the angles of QAOA"):
        ExperimentSpec.model_validate(
            {"name": "a", "problem": problem, "sweep": "auto", "ansatz": {"kind": "hardware_efficient"}}
        )


def tail_mean(energies, probabilities, alpha: float) -> float:
    """The mean of the best share, filled up outcome by outcome."""
    left, total = alpha, 0.0
    for index in np.argsort(energies, kind="stable"):
        taken = min(left, probabilities[index])
        total, left = total + taken * energies[index], left - taken
    return total / alpha


@pytest.mark.parametrize(("objective", "alpha"), [("cvar", 0.1), ("cvar", 0.4), ("expectation", 1.0)])
@pytest.mark.parametrize("name", ["dense 1", "cardinality 2"])
def test_what_is_asked_for_is_what_a_fine_grid_of_one_layer_does_not_beat(name, objective, alpha):
    """P. Barkoutsos et al., Quantum 4, 256 (2020): the tail; with all shots it is the mean energy."""
    model = MODELS[name]
    mixer = choose_mixer(model, make_spec())
    found = optimise_angles(model, mixer, 1, objective=objective, alpha=alpha)
    energies, ones = model.model.diagonal, model.cardinality if mixer == "xy" else None
    scale = cost_scale(model.model, constant_ones=mixer == "xy")
    gammas, betas = np.meshgrid(scale * np.linspace(0, 3, 40), np.linspace(-np.pi, np.pi, 80))
    grid = np.stack([gammas.ravel(), betas.ravel()], axis=1)
    _, every = exact_probabilities(QaoaStructure(model=model.model, mixer=mixer, cardinality=ones, angles=grid))
    if ones is not None:
        energies = energies[np.bitwise_count(np.arange(len(energies))) == ones]
    best = min(tail_mean(energies, probabilities, alpha) for probabilities in every)
    assert found.tail_energy <= best + 1e-9
    _, [own] = exact_probabilities(
        QaoaStructure(model=model.model, mixer=mixer, cardinality=ones, angles=found.angles[None])
    )
    assert tail_mean(energies, own, alpha) == pytest.approx(found.tail_energy)


def test_each_objective_is_better_at_its_own_than_the_mean_energy_is():
    model = MODELS["weighted 2"]
    by_name = {name: optimise_angles(model, "x", 2, objective=name) for name in ("optimum", "cvar", "expectation")}
    assert max(by_name, key=lambda name: by_name[name].optimum_probability) == "optimum"
    assert min(by_name, key=lambda name: by_name[name].expectation) == "expectation"
    tails = {name: AngleSearch(model, "x")._tail(found.angles)[0] for name, found in by_name.items()}
    # The search for the optimum scatters wider, and on this model meets a tail that is better still: docs/limits.md says so.
    assert tails["cvar"] < tails["expectation"]
