"""Sweeps: the best guess comes first, neighbours are deterministic, and the source of every angle is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import (
    AnsatzSpec,
    ExperimentSpec,
    Lineage,
    ProblemSpec,
    SweepSpec,
)
from qhybrid_pipelines.quantum.fixed_angles import table_angles
from qhybrid_pipelines.quantum.hardware_efficient import count_angles
from qhybrid_pipelines.quantum.ramps import cost_scale, ramp
from qhybrid_pipelines.quantum.sweeps import RAMP_TIMES, plan_sweep
from qhybrid_pipelines.storage.schemas import PARAMETER_SWEEPS
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, make_spec, maxcut

STRATEGIES = ["fixed_angles", "ramp", "grid", "random", "refine"]
CUBE = maxcut(8, [(i, i ^ bit) for i in range(8) for bit in (1, 2, 4)])
PATH = ising([0.5, 0, 0, 0], {(0, 1): 1.0, (1, 2): -2.0, (2, 3): 0.5})


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("model", [CUBE, PATH], ids=["regular", "other"])
@pytest.mark.parametrize("points", [1, 2, 3, 16])
def test_point_0_is_the_best_guess_and_the_rest_differ_from_it(strategy, model, points):
    plan = plan_sweep(make_reduced_model(model), make_spec(strategy=strategy, points=points, layers=3))
    assert plan.angles.shape == (points, 6)
    best = ramp(3, scale=cost_scale(model))
    if strategy != "ramp" and model is CUBE:
        best = table_angles(model, 3)[0]
    assert np.array_equal(plan.angles[0], best)
    assert len(np.unique(plan.angles, axis=0)) == points
    assert (plan.angles[:, :3] >= 0).all()
    assert (plan.angles[:, 3:] <= 0).all()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(STRATEGIES), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**31 - 1))
def test_the_same_question_has_the_same_answer(strategy, points, layers, seed):
    spec = make_spec(strategy=strategy, points=points, layers=layers, seed=seed)
    first, again = (plan_sweep(make_reduced_model(CUBE), spec) for _ in range(2))
    assert np.array_equal(first.angles, again.angles)
    assert first.angle_source == again.angle_source


def test_only_seeded_strategies_look_at_the_seed():
    for strategy in STRATEGIES:
        one, two = (
            plan_sweep(make_reduced_model(CUBE), make_spec(strategy=strategy, points=9, seed=seed)) for seed in (1, 2)
        )
        assert np.array_equal(one.angles, two.angles) == (strategy not in ("random", "refine"))


def test_the_source_says_table_or_why_not():
    def sources(model, **changes):
        return plan_sweep(
            make_reduced_model(model, changes.pop("cardinality", None)),
            make_spec(**{"strategy": "fixed_angles", "points": 2, **changes}),
        ).angle_source

    assert sources(CUBE) == ("table: degree 3", "near table: degree 3")
    assert sources(PATH)[0] == "ramp: there are fields"
    assert sources(CUBE, layers=20)[0] == "ramp: degree 3 with 20 layers is not in the table"
    assert sources(CUBE, cardinality=4)[0] == "ramp: the table is for the x mixer"
    assert sources(CUBE, strategy="ramp") == ("ramp", "ramp")
    assert sources(CUBE, strategy="grid") == ("table: degree 3", "grid")
    assert sources(CUBE, strategy="random") == ("table: degree 3", "random")


def test_ramp_points_are_total_times():
    plan = plan_sweep(make_reduced_model(PATH), make_spec(strategy="ramp", points=8, layers=4))
    factors = plan.angles / plan.angles[0]
    assert np.ptp(factors, axis=1).max() < 1e-12
    assert (factors[1:, 0] >= RAMP_TIMES[0] - 1e-12).all()
    assert (factors[1:, 0] <= RAMP_TIMES[1] + 1e-12).all()


def test_grid_at_one_layer_is_a_lattice_of_gamma_and_beta():
    plan = plan_sweep(make_reduced_model(CUBE), make_spec(strategy="grid", points=17, layers=1))
    gammas, betas = (np.unique(np.round(plan.angles[1:, i], 12)) for i in range(2))
    assert len(gammas) == len(betas) == 4
    assert 0 < gammas.min() < gammas.max() < 1.5
    assert -np.pi / 4 < betas.min() < betas.max() < 0


def test_refine_stays_in_the_box_around_the_centre():
    center = (0.4, 0.8, 0.0, -0.2)
    plan = plan_sweep(make_reduced_model(CUBE), make_spec(strategy="refine", center=center, spread=0.25, points=200))
    assert plan.angle_source[:2] == ("centre", "near centre")
    assert np.array_equal(plan.angles[0], center)
    offsets = np.abs(plan.angles - center)
    assert (offsets <= 0.25 * np.array([0.4, 0.8, 1.0, 0.2]) + 1e-15).all()
    assert (offsets.max(axis=0) > 0.2 * np.array([0.4, 0.8, 1.0, 0.2])).all()


def test_a_centre_of_an_earlier_round_is_called_so():
    spec = ExperimentSpec(
        name="case",
        problem=ProblemSpec(family="maxcut", source="x"),
        ansatz=AnsatzSpec(layers=1),
        sweep=SweepSpec(strategy="refine", center=(0.4, -0.3), points=2),
        lineage=Lineage(round=2, parent="case-00000000", root="case-00000000"),
    )
    assert plan_sweep(make_reduced_model(CUBE), spec).angle_source == ("parent round", "near parent round")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_free_ansatz(strategy):
    plan = plan_sweep(make_reduced_model(PATH), make_spec(kind="hardware_efficient", strategy=strategy, points=5))
    assert plan.angles.shape == (5, count_angles(4, 2))
    assert plan.layers == 0
    assert len(np.unique(plan.angles, axis=0)) == 5
    if strategy in ("fixed_angles", "ramp"):
        assert all(
            source.startswith(f"random near zero: {strategy} has no meaning") for source in plan.angle_source[1:]
        )
    assert [row["gammas"] for row in plan.rows()] == [[]] * 5


def test_free_ansatz_checks_its_centre():
    spec = make_spec(kind="hardware_efficient", strategy="refine", center=(0.1,) * count_angles(4, 2), points=3)
    assert np.array_equal(plan_sweep(make_reduced_model(PATH), spec).angles[0], [0.1] * count_angles(4, 2))
    with pytest.raises(InvalidInput, match=r"sweep.center"):
        plan_sweep(make_reduced_model(PATH), make_spec(kind="hardware_efficient", strategy="refine", center=(0.1,)))


def test_the_ring_mixer_needs_a_cardinality():
    with pytest.raises(InvalidInput, match=r"ansatz.mixer"):
        plan_sweep(make_reduced_model(CUBE), make_spec(mixer="xy"))


@pytest.mark.parametrize("kind", ["qaoa", "hardware_efficient"])
def test_an_empty_reduced_model_has_no_points(kind):
    plan = plan_sweep(make_reduced_model(ising([], {})), make_spec(kind=kind))
    assert plan.rows() == []


def test_rows_fit_the_table():
    plan = plan_sweep(make_reduced_model(CUBE), make_spec(strategy="fixed_angles", points=4))
    table = from_rows(
        PARAMETER_SWEEPS, [{"experiment": "case-00000000", "depth_reason": None, **row} for row in plan.rows()]
    )
    assert table.num_rows == 4
    assert np.array_equal(np.array(table.column("angles").to_pylist()), plan.angles)


def test_angles_that_overflow_are_refused():
    # A box this wide leaves the range of float64.
    spec = make_spec(strategy="refine", center=(1e308, 1e308, -1e308, -1e308), spread=4.0)
    with np.errstate(over="ignore"), pytest.raises(InvalidInput, match="not finite"):
        plan_sweep(make_reduced_model(CUBE), spec)
