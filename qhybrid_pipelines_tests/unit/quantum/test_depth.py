"""The depth that gate errors carry, against its definition by a second way, and its limits."""

from functools import lru_cache

import numpy as np
import pytest

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.quantum.angle_search import optimise_angles
from qhybrid_pipelines.quantum.depth import DEEPEST, LEAST_GAIN, choose_depth
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, make_reduced_model, maxcut

RING = make_reduced_model(maxcut(7, [(i, (i + 1) % 7) for i in range(7)] + [(0, 3)]))
GATES = 8  # two-qubit gates of a layer: one for each edge


@lru_cache
def angles(layers):
    """Optimised once for all of this module, and not where it is only collected."""
    return optimise_angles(RING, "x", layers)


def optimise(model, mixer, layers):
    assert (model, mixer) == (RING, "x")
    return angles(layers)


def choose(error):
    return choose_depth(RING, "x", optimise, backend="some:backend", two_qubit_error=error)


def expected_shares(error):
    """The definition, with probabilities by dense matrices."""
    energies = RING.model.diagonal
    lowest = np.isclose(energies, energies.min())
    shares = []
    for layers in range(1, DEEPEST[0][1] + 1):
        survival = (1 - error) ** (GATES * layers)
        right = dense_qaoa(RING.model, angles(layers).angles, "x", None)[lowest].sum()
        shares.append(survival * right + (1 - survival) / 2**7)
    return shares


@pytest.mark.parametrize("error", [0.0, 0.003, 0.01, 0.02, 0.05, 0.2])
def test_no_other_depth_has_a_clearly_larger_share(error):
    shares, chosen = expected_shares(error), choose(error)
    assert max(shares) <= shares[chosen.layers - 1] * (1 + LEAST_GAIN) ** len(shares)
    assert f"{shares[chosen.layers - 1]:.3g} with {chosen.layers}" in chosen.reason


def test_more_errors_never_ask_for_a_deeper_circuit_and_simulators_get_the_deepest():
    depths = [choose(error).layers for error in (None, 0.003, 0.01, 0.02, 0.05, 0.2)]
    assert depths == sorted(depths, reverse=True)
    assert depths[0] > depths[-1] == 1
    assert "has no gate errors" in choose(None).reason
    assert "fail with 0.02" in choose(0.02).reason


def test_a_model_that_is_not_simulated():
    wide = make_reduced_model(maxcut(DEEPEST[-1][0] + 1, [(0, 1)]))
    with pytest.raises(ValueError, match="21 qubits"):
        choose_depth(wide, "x", optimise, backend="a:b", two_qubit_error=None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sweep": {"strategy": "ramp"}}, "optimised angles"),
        ({"ansatz": {"kind": "hardware_efficient", "layers": "auto"}}, "optimised angles"),
        ({"backends": ["local:auto", "ibm:fake_torino"]}, "2 are named"),
    ],
)
def test_what_it_needs(fields, says):
    problem = {"family": "maxcut", "source": "networkx:petersen"}
    base = {"name": "a", "problem": problem, "ansatz": {"layers": "auto"}}
    assert ExperimentSpec.model_validate(base).ansatz.layers == "auto"
    with pytest.raises(ValueError, match=says):
        ExperimentSpec.model_validate({**base, **fields})
