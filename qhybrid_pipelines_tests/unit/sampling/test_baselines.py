"""Baselines of a circuit."""

import numpy as np
import pytest

from qhybrid_pipelines.sampling.baselines import baselines
from qhybrid_pipelines.sampling.reference import reference_from_pairs, reference_from_vector

GHZ = reference_from_pairs({0: 0.5, 7: 0.5}, 3)


def test_a_ghz_state_against_uniform_outcomes_independent_bits_and_a_sampler():
    uniform, product, sampler = baselines(GHZ, shots=2000, repetitions=4, seed=7, point=0, seconds=0.5)
    by_name = {score.name: score.value for score in product.scores}
    # Its bits are fair coins: independent ones are uniform.
    assert by_name == pytest.approx({score.name: score.value for score in uniform.scores})
    assert by_name["hellinger_fidelity"] == pytest.approx(0.25)
    assert sampler.seconds > 0.5
    fidelity = sampler.scores[0]
    assert fidelity.low > 0.99
    assert fidelity.high == 1


def test_independent_bits_are_the_reference_where_its_bits_are_independent():
    one, other = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    reference = reference_from_vector(np.kron(one, other))
    product = baselines(reference, shots=10, repetitions=1, seed=1, point=0, seconds=None)[1]
    assert {score.name: score.value for score in product.scores}["hellinger_fidelity"] == pytest.approx(1)


def test_without_a_computed_state_there_is_no_sampler():
    assert len(baselines(GHZ, shots=10, repetitions=1, seed=1, point=0, seconds=None)) == 2
