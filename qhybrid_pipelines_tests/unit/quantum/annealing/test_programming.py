from itertools import product

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.quantum.annealing.embedding import find_embedding
from qhybrid_pipelines.quantum.annealing.programming import program, random_gauge, torque_compensation
from qhybrid_pipelines_tests.support.qubit_graphs import random_model, zephyr_with_holes

GRAPH = zephyr_with_holes(3)
MODELS = [
    random_model(1, 0.0, seed=0),
    random_model(5, 0.0, seed=1),
    random_model(9, 0.4, seed=2),
    random_model(7, 1.0, seed=3),
]


def device_energies(programmed, spins):
    return (
        spins @ programmed.fields
        + (spins[:, programmed.couplers[:, 0]] * spins[:, programmed.couplers[:, 1]]) @ programmed.couplings
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("number", [0, 1])
def test_whole_chains_have_the_models_energies_up_to_one_factor_and_one_constant(model, number):
    embedding = find_embedding(model, GRAPH, seed=1)
    gauge = random_gauge(model.size, seed=3, number=number)
    programmed = program(model, embedding, GRAPH, gauge=gauge)
    assignments = np.array(list(product([0, 1], repeat=model.size)), dtype=np.uint8)
    spins = ((1.0 - 2.0 * assignments) * gauge)[:, embedding.variables]
    energies = model.assignment_energies(assignments)
    seen = device_energies(programmed, spins) / programmed.scale
    np.testing.assert_allclose(seen - seen[0], energies - energies[0], atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_the_ranges_are_kept_and_used_to_the_full(model):
    graph = zephyr_with_holes(3, coupling_sum_range=(-5.0, 4.0))
    programmed = program(model, find_embedding(model, graph, seed=1), graph, chain_strength_factor=0.7)
    variables = programmed.embedding.variables
    within = variables[programmed.couplers[:, 0]] == variables[programmed.couplers[:, 1]]
    sums = np.zeros((2, len(variables)))
    for (a, b), coupling in zip(programmed.couplers.tolist(), programmed.couplings.tolist(), strict=True):
        sums[int(coupling > 0), [a, b]] += coupling
    shares = [
        np.abs(programmed.fields).max(initial=0) / 4,
        np.abs(programmed.couplings[~within]).max(initial=0) / 1,
        -programmed.couplings[within].min(initial=0) / 2,
        -sums[0].min() / 5,
        sums[1].max() / 4,
    ]
    assert max(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_one_broken_coupler_of_a_chain_costs_twice_its_strength(factor):
    model = IsingModel(
        linear=np.zeros(2), pairs=np.array([[0, 1]], dtype=np.int32), couplings=np.array([3.0]), offset=0.0
    )
    lone = next(
        (a, b, c)
        for a, b in GRAPH.couplers.tolist()
        for x, c in GRAPH.couplers.tolist()
        if x == b and [a, c] not in GRAPH.couplers.tolist()
    )
    embedding = Embedding(chains=((lone[0], lone[1]), (lone[2],)), graph_id=GRAPH.graph_id)
    programmed = program(model, embedding, GRAPH, chain_strength_factor=factor)
    assert programmed.chain_strength == pytest.approx(factor * 1.414 * 3.0)
    whole, broken = device_energies(programmed, np.array([[1.0, 1.0, -1.0], [-1.0, 1.0, -1.0]])) / programmed.scale
    assert broken - whole == pytest.approx(2 * programmed.chain_strength)


def test_torque_compensation_is_oceans():
    # The formula written out; Ocean's own function is asked in clients/test_ocean_embedding.py.
    model = IsingModel(
        linear=np.zeros(4),
        pairs=np.array([[0, 1], [0, 2], [1, 2]], dtype=np.int32),
        couplings=np.array([1.0, 3.0, -2.0]),
        offset=1.0,
    )
    assert torque_compensation(model) == pytest.approx(1.414 * np.sqrt(14 / 3) * np.sqrt(6 / 4))
    assert torque_compensation(random_model(3, 0.0, seed=1)) == 1.0


def test_gauges_turn_whole_variables_and_chains_stay_ferromagnetic():
    model = random_model(9, 0.4, seed=2)
    embedding = find_embedding(model, GRAPH, seed=1)
    gauges = [random_gauge(9, seed=1, number=number) for number in range(5)]
    assert (gauges[0] == 1).all()
    assert len({gauge.tobytes() for gauge in gauges}) == 5
    for gauge in gauges:
        programmed = program(model, embedding, GRAPH, gauge=gauge)
        within = embedding.variables[programmed.couplers[:, 0]] == embedding.variables[programmed.couplers[:, 1]]
        assert (programmed.couplings[within] < 0).all()


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_chain_strength_that_holds_nothing_is_refused(factor):
    model = random_model(4, 0.5, seed=2)
    with pytest.raises(InvalidInput, match="chain strength") as refused:
        program(model, find_embedding(model, GRAPH, seed=1), GRAPH, chain_strength_factor=factor)
    assert refused.value.field == "annealing.chain_strength"


def test_an_embedding_of_another_graph_is_refused():
    model = random_model(4, 0.5, seed=2)
    with pytest.raises(InvalidInput, match="the device has test-3-2 now"):
        program(model, find_embedding(model, GRAPH, seed=1), zephyr_with_holes(3, seed=2))
