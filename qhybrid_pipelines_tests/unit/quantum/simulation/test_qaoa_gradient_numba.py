"""The compiled gradient is that of NumPy, which other tests hold against dense matrices; so are the angles found with it."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.quantum import exact_state
from qhybrid_pipelines.quantum.angle_search import OptimumObjective, TailObjective, optimise_angles
from qhybrid_pipelines.quantum.exact_state import QaoaState
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, maxcut

pytest.importorskip("numba", reason="the compiled gradient needs numba: install the extra `fast`")


def dense(n: int, *, fields: bool, ones: int | None = None):
    rng = np.random.default_rng(n)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    couplings = dict(zip(pairs, rng.normal(size=len(pairs)), strict=True))
    return make_reduced_model(ising(rng.normal(size=n) if fields else np.zeros(n), couplings), ones)


def regular(n: int):
    """Few distinct energies, which both look up in tables."""
    return make_reduced_model(maxcut(n, nx.random_regular_graph(3, n, seed=3).edges))


#: Narrow ones too: each width has other groups of qubits, and a mirrored state of an even width other factors than of an odd one.
MODELS = {
    **{f"fields {n}": dense(n, fields=True) for n in (1, 2, 3, 5, 6, 8, 13, 14)},
    **{f"mirrored {n}": dense(n, fields=False) for n in (2, 3, 4, 5, 7, 14, 15)},
    **{f"regular {n}": regular(n) for n in (8, 14)},
    **{f"{ones} ones of {n}": dense(n, fields=True, ones=ones) for n, ones in ((3, 1), (4, 2), (7, 3), (15, 6))},
}


def both_ways(model, monkeypatch) -> tuple[QaoaState, QaoaState]:
    monkeypatch.setattr(exact_state, "NARROW_OUTCOMES", 0)
    mixer = "x" if model.cardinality is None else "xy"
    compiled = QaoaState(model, mixer)
    monkeypatch.setattr(exact_state, "can_compile", lambda: False)
    plain = QaoaState(model, mixer)
    assert (compiled.compiled, plain.compiled) == (True, False)
    return compiled, plain


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_value_gradient_and_probabilities_agree(name, layers, monkeypatch):
    compiled, plain = both_ways(MODELS[name], monkeypatch)
    energies = plain.energies
    point = np.random.default_rng(layers).normal(size=2 * layers) / np.sqrt(np.ptp(energies))
    for objective in (TailObjective(energies, 1.0), TailObjective(energies, 0.1), OptimumObjective(energies)):
        (value, slope), (expected, slope_by_numpy) = (
            compiled.gradient(objective)(point),
            plain.gradient(objective)(point),
        )
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert np.allclose(slope, slope_by_numpy, rtol=1e-8, atol=1e-8 * (1 + np.abs(slope_by_numpy).max()))
    found = compiled.mean_energy.probabilities(point)
    assert np.allclose(found, plain.mean_energy.probabilities(point), rtol=0, atol=1e-13)
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("name", "layers"), [("fields 13", 2), ("mirrored 14", 1)])
def test_the_optimum_is_the_same_with_and_without_compiled_loops(name, layers, monkeypatch):
    """What is stored with one of them is as good as with the other, so the stored angles need not say which it was."""
    compiled = optimise_angles(MODELS[name], "x", layers)
    monkeypatch.setattr(exact_state, "can_compile", lambda: False)
    plain = optimise_angles(MODELS[name], "x", layers)
    assert compiled.optimum_probability == pytest.approx(plain.optimum_probability, rel=1e-9)
    assert (compiled.start, compiled.angles.shape) == (plain.start, plain.angles.shape)
