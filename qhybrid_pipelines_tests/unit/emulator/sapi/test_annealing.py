"""Samples are held against enumeration, and the noise against what it is said to be."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from qhybrid_pipelines.emulator.sapi.annealing import answer_body, sample
from qhybrid_pipelines.emulator.sapi.problems import Problem
from qhybrid_pipelines.emulator.sapi.solvers import SOLVERS

QUIET = replace(SOLVERS["Advantage2_system4"], field_noise=0.0, coupling_noise=0.0)


def problem(kind="ising", n=7, solver=QUIET, seed=1, **params):
    rng = np.random.default_rng(seed)
    couplers = np.array([(i, j) for i in range(n) for j in range(i + 1, n)])
    return Problem(
        solver=solver,
        type=kind,
        label=None,
        params=params,
        qubits=np.arange(10, 10 + 3 * n, 3),
        linear=rng.normal(size=n),
        couplers=couplers,
        quadratic=rng.normal(size=len(couplers)),
        offset=0.0,
    )


def enumerated(asked):
    low = 0 if asked.type == "qubo" else -1
    rows = list(product([0, 1], repeat=len(asked.qubits)))
    energies = [
        sum(h * (1 if b else low) for h, b in zip(asked.linear, row, strict=True))
        + sum(
            q * (1 if row[i] else low) * (1 if row[j] else low)
            for (i, j), q in zip(asked.couplers.tolist(), asked.quadratic, strict=True)
        )
        for row in rows
    ]
    return dict(zip(rows, energies, strict=True))


@pytest.mark.parametrize("kind", ["ising", "qubo"])
def test_energies_are_those_enumerated_and_the_optimum_is_found(kind):
    asked = problem(kind, num_reads=200)
    found, energies = sample(asked, 1), enumerated(asked)
    assert found.occurrences.sum() == 200
    for row, energy in zip(found.ups.tolist(), found.energies.tolist(), strict=True):
        assert energy == pytest.approx(energies[tuple(row)])
    assert found.energies[0] == pytest.approx(min(energies.values()))
    assert (np.diff(found.energies) >= 0).all()
    assert len({tuple(row) for row in found.ups.tolist()}) == len(found.ups)


def test_raw_answers_are_the_reads_and_the_same_seed_gives_the_same():
    raw = sample(problem(num_reads=50, answer_mode="raw"), 3)
    assert len(raw.ups) == 50
    assert (raw.occurrences == 1).all()
    again = sample(problem(num_reads=50, answer_mode="raw"), 3)
    np.testing.assert_array_equal(raw.ups, again.ups)
    assert (sample(problem(num_reads=50, answer_mode="raw"), 4).ups != raw.ups).any()
    assert len(sample(problem(num_reads=50, answer_mode="raw", max_answers=5), 3).ups) == 5


def test_control_noise_is_fixed_for_all_reads_of_a_programming():
    """A spin without a field follows the error of its field, the same way in most reads, another way in another programming."""
    free = replace(
        problem(n=1, solver=replace(QUIET, field_noise=0.3), num_reads=400, answer_mode="raw"),
        linear=np.zeros(1),
        couplers=np.zeros((0, 2), dtype=np.int64),
        quadratic=np.zeros(0),
    )
    ups = np.array([sample(free, seed).ups.mean() for seed in range(30)])
    assert (np.minimum(ups, 1 - ups) < 0.1).sum() > 15, "most programmings lean far to one side"
    assert 5 < (ups > 0.5).sum() < 25, "which side differs"
    quiet = replace(free, solver=QUIET)
    assert all(0.4 < sample(quiet, seed).ups.mean() < 0.6 for seed in range(5))


def test_the_first_used_qubit_is_the_highest_bit_of_the_first_byte():
    asked = replace(problem(n=9, num_reads=4), linear=np.array([-4.0] + [4.0] * 8), quadratic=np.zeros(36))
    body = answer_body(asked, sample(asked, 1))
    assert body["solutions"] == "gAA="
    assert body["num_occurrences"] == "BAAAAA=="
    mirrored = replace(asked, linear=asked.linear[::-1])
    assert answer_body(mirrored, sample(mirrored, 1))["solutions"] == "AIA="


def test_weak_chains_break_and_strong_ones_hold():
    n = 12
    couplers = np.array([(i, i + 1) for i in range(n - 1)])
    ends = np.zeros(n)
    ends[0], ends[-1] = 1.0, -1.0
    broken = {}
    for strength in (0.05, 2.0):
        chain = replace(
            problem(n=n, solver=SOLVERS["Advantage2_system4"], num_reads=200, answer_mode="raw"),
            linear=ends,
            couplers=couplers,
            quadratic=np.full(n - 1, -strength),
        )
        ups = sample(chain, 5).ups
        broken[strength] = float((ups != ups[:, :1]).any(axis=1).mean())
    assert broken[0.05] > 0.9
    assert broken[2.0] < 0.2
