import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.bits import pack
from qhybrid_pipelines.quantum.annealing.embedding import find_embedding
from qhybrid_pipelines.quantum.annealing.programming import program, random_gauge
from qhybrid_pipelines.quantum.annealing.unembedding import majority_vote
from qhybrid_pipelines_tests.support.qubit_graphs import random_model, zephyr_with_holes

GRAPH = zephyr_with_holes(3)


def programmed_model(n=9, density=0.4, number=0):
    model = random_model(n, density, seed=2)
    embedding = find_embedding(model, GRAPH, seed=1)
    return program(model, embedding, GRAPH, gauge=random_gauge(n, seed=4, number=number))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_whole_chains_come_back_as_they_were(number):
    programmed = programmed_model(number=number)
    assignments = np.random.default_rng(1).integers(0, 2, size=(50, 9), dtype=np.uint8)
    spins = ((1 - 2 * assignments.astype(np.int8)) * programmed.gauge)[:, programmed.embedding.variables]
    found = majority_vote(spins.astype(np.int8), programmed.embedding, programmed.gauge)
    np.testing.assert_array_equal(found.assignments, assignments)
    assert found.broken_fraction == 0.0


@pytest.mark.parametrize("number", [0, 1])
def test_votes_are_those_counted_one_by_one(number):
    programmed = programmed_model(10, 1.0, number)
    chains = programmed.embedding.chains
    spins = np.random.default_rng(2).choice(
        np.array([-1, 1], dtype=np.int8), size=(40, len(programmed.embedding.qubits))
    )
    found = majority_vote(spins, programmed.embedding, programmed.gauge)
    for read, row in enumerate(spins.tolist()):
        qubits = iter(row)
        for variable, chain in enumerate(chains):
            votes = [next(qubits) for _ in chain]
            ups, downs = votes.count(1), votes.count(-1)
            spin = (votes[0] if ups == downs else 1 if ups > downs else -1) * int(programmed.gauge[variable])
            assert found.assignments[read, variable] == (1 - spin) // 2
            assert found.broken[read, variable] == (ups > 0 < downs)
    assert 0 < found.broken_fraction < 1
    np.testing.assert_allclose(found.broken_by_variable, found.broken.sum(axis=0) / 40)


def test_golden_vector_of_the_bit_order():
    """Variable 0 alone down is the packed word 1; variable 8 alone down is 256."""
    programmed = programmed_model(9, 0.0)
    spins = np.ones((2, 9), dtype=np.int8)
    spins[0, 0] = spins[1, 8] = -1
    assert pack(majority_vote(spins, programmed.embedding, programmed.gauge).assignments).tolist() == [1, 256]


def test_other_widths_and_other_values_are_refused():
    programmed = programmed_model()
    k = len(programmed.embedding.qubits)
    for spins in (np.ones((2, k + 1), dtype=np.int8), np.ones(k, dtype=np.int8), np.zeros((2, k), dtype=np.int8)):
        with pytest.raises(ValueError, match="spin"):
            majority_vote(spins, programmed.embedding, programmed.gauge)
    assert majority_vote(np.ones((0, k), dtype=np.int8), programmed.embedding, programmed.gauge).broken_fraction == 0.0
