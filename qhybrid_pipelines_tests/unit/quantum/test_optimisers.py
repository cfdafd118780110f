"""Optimisers of angles: found minima, the same questions after every interruption, and the written rule of when to stop."""

import numpy as np
import pytest
from scipy.optimize import minimize

from qhybrid_pipelines.quantum.optimisers import cobyla
from qhybrid_pipelines.quantum.optimisers.choice import OPTIMISERS
from qhybrid_pipelines.quantum.optimisers.measured_objective import tail_mean
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep, cosine_modes, free_search, qaoa_search
from qhybrid_pipelines.quantum.optimisers.stopping import ALL_STEPS, patience, stop_reason

START = np.array([0.2, 0.6, -0.6, -0.2])
BEST = np.array([0.35, 0.65, -0.45, -0.3])


def bowl(angles):
    """A quadratic valley, a few times steeper in one direction than in another."""
    return np.sum(np.array([3.0, 1.0, 2.0, 1.0]) * (angles - BEST) ** 2, axis=-1)


def measured(angles, error=0.01):
    return MeasuredStep(angles=angles, values=bowl(angles), errors=np.full(len(angles), error))


def search(points, steps=24, seed=5):
    return qaoa_search(START, 1.0, points=points, steps=steps, seed=seed)


POINTS = {"cobyla": 1, "spsa": 2, "bayesian": 1}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_valley_is_found(name):
    where, history = search(POINTS[name], steps=16), []
    for _ in range(16):
        asked = OPTIMISERS[name](where, history)
        assert asked.shape == (POINTS[name], 4)
        history.append(measured(asked))
    best = min(step.values.min() for step in history)
    assert best < bowl(START) / 4


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_same_answers_lead_to_the_same_question(name):
    """Nothing is kept between two steps: another process that has the history asks for the very same points."""
    where, history = search(POINTS[name]), []
    for _ in range(7):
        history.append(measured(OPTIMISERS[name](where, history)))
    copied = [
        MeasuredStep(angles=step.angles.copy(), values=step.values.copy(), errors=step.errors) for step in history
    ]
    again = OPTIMISERS[name](search(POINTS[name]), copied)
    assert again.tobytes() == OPTIMISERS[name](where, history).tobytes()


def test_cobyla_asks_for_what_scipy_itself_would_look_at():
    where, looked_at, history = free_search(START, points=1, steps=99, seed=1), [], []

    def look(point):
        looked_at.append(START + point)
        return float(bowl(START + point))

    options = {"rhobeg": cobyla.FIRST_RADIUS, "tol": cobyla.LAST_RADIUS}
    minimize(look, np.zeros(4), method="COBYLA", options=options)
    while (asked := cobyla.ask(where, history)) is not None:
        history.append(measured(asked))
    assert len(history) == len(looked_at)
    np.testing.assert_allclose(np.concatenate([step.angles for step in history]), looked_at, atol=1e-12)


def test_points_of_another_version_are_not_lost():
    """The first steps were asked for by something else: COBYLA goes on from the best of them, and stays there when asked again."""
    where = search(1)
    others = np.random.default_rng(3).uniform(-0.5, 0.5, (5, 4)) + START
    history = [measured(point[None]) for point in others]
    best = others[np.argmin(bowl(others))]
    seen = []
    for _ in range(12):
        asked = cobyla.ask(where, history)
        seen.append(asked)
        history.append(measured(asked))
    assert np.abs(seen[0] - best).max() == pytest.approx(cobyla.FIRST_RADIUS * np.abs(where.modes[0]).max())
    assert min(bowl(np.concatenate(seen))) < bowl(best)


def test_pairs_of_spsa_lie_on_both_sides_of_one_point():
    where = search(4)
    asked = where.to_coordinates(OPTIMISERS["spsa"](where, []))
    np.testing.assert_allclose(asked[:2] + asked[2:], 0, atol=1e-12)
    assert len(np.unique(np.round(np.abs(asked), 12))) == 1


def test_bayesian_looks_along_every_coordinate_first_and_at_several_points_a_step():
    where, history = search(3), []
    for _ in range(3):
        history.append(measured(OPTIMISERS["bayesian"](where, history)))
    first = where.to_coordinates(np.concatenate([step.angles for step in history]))[:5]
    np.testing.assert_allclose(first, np.vstack([np.zeros(4), 0.3 * np.eye(4)]), atol=1e-12)
    assert len(np.unique(np.concatenate([step.angles for step in history]), axis=0)) == 9


def test_bayesian_stays_near_the_best_point_and_nearer_after_every_step_in_vain():
    where, history, farthest = search(1), [], []
    for number in range(10):
        asked = OPTIMISERS["bayesian"](where, history)
        farthest.append(np.abs(where.to_coordinates(asked)).max())
        history.append(MeasuredStep(angles=asked, values=np.array([float(number)]), errors=np.full(1, 0.01)))
    assert (np.array(farthest[5:]) <= 0.4 * 0.8 ** np.arange(5) + 1e-9).all()


def test_coordinates_are_an_orthonormal_change_of_the_angles():
    modes = cosine_modes(5)
    np.testing.assert_allclose(modes @ modes.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(modes[0], np.full(5, 5**-0.5))
    where = qaoa_search(START, 0.3, points=1, steps=1, seed=1)
    there = np.array([[0.1, -0.2, 0.3, 0.05]])
    np.testing.assert_allclose(where.to_coordinates(where.to_angles(there)), there)
    np.testing.assert_allclose(
        where.to_angles(np.array([[1.0, 0, 0, 0]]))[0] - START, [0.3 / 2**0.5, 0.3 / 2**0.5, 0, 0]
    )


@pytest.mark.parametrize("fraction", [1.0, 0.5, 0.1, 0.013])
def test_the_mean_of_the_best_shots_is_that_of_the_sorted_shots(fraction):
    rng = np.random.default_rng(4)
    energies, counts = rng.normal(size=40).round(1), rng.integers(1, 30, 40)
    shots = np.sort(np.repeat(energies, counts))
    share = fraction * len(shots)
    whole = int(share)
    expected = (shots[:whole].sum() + (share - whole) * (shots[whole] if whole < len(shots) else 0)) / share
    value, error = tail_mean(energies, counts.astype(float), fraction)
    assert value == pytest.approx(expected)
    if fraction < 0.1:  # all of the best shots have the lowest energy, and the shots alone show no spread
        assert error == 0
        return
    draws = [tail_mean(*np.unique(rng.choice(shots, len(shots)), return_counts=True), fraction)[0] for _ in range(400)]
    assert error == pytest.approx(np.std(draws), rel=0.25)


def flat(steps, value=1.0, error=0.1):
    return [
        MeasuredStep(angles=np.zeros((1, 2)), values=np.array([value]), errors=np.array([error])) for _ in range(steps)
    ]


def test_a_loop_ends_when_its_steps_are_done():
    assert stop_reason(flat(3), steps=3, angles=2) == ALL_STEPS
    assert stop_reason(flat(2), steps=3, angles=2) is None


def test_a_loop_ends_when_nothing_better_is_found():
    waited = patience(2)
    assert stop_reason(flat(waited), steps=99, angles=2) is None
    assert "nothing better" in stop_reason(flat(waited + 1), steps=99, angles=2)
    # Lower, and yet within two standard errors of the difference: not told from noise.
    assert stop_reason([*flat(1), *flat(waited, value=0.75)], steps=99, angles=2)
    assert stop_reason([*flat(1), *flat(waited, value=0.7)], steps=99, angles=2) is None
