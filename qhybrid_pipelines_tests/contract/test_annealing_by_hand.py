"""Embedding, programming and vote against the emulated annealer, with nothing of a provider in between.

What is sampled is an emulation: this shows that the pieces fit together, not what a device would answer.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.quantum.annealing.embedding import find_embedding
from qhybrid_pipelines.quantum.annealing.programming import program, random_gauge
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph
from qhybrid_pipelines.quantum.annealing.unembedding import majority_vote
from qhybrid_pipelines_tests.support.sapi_client import SapiClient, read_answer


@pytest.fixture(scope="module")
def sapi(tmp_path_factory):
    emulator = start_emulator(tmp_path_factory.mktemp("cloud"), speed=3600.0, seed=7)
    client = SapiClient(emulator, "Advantage2_system1")
    yield client
    client.close()
    emulator.stop()


@pytest.fixture(scope="module")
def device(sapi):
    definition = sapi.definition()
    stated = definition["properties"]
    return QubitGraph(
        graph_id=definition["identity"]["version"]["graph_id"],
        family=stated["topology"]["type"],
        shape=tuple(stated["topology"]["shape"]),
        qubits=np.array(stated["qubits"]),
        couplers=np.array(stated["couplers"]),
    )


def annealed(sapi, programmed, reads):
    """Submit, wait, and return the reads one by one, in the order of the embedding's qubits."""
    qubits = programmed.embedding.qubits
    fields = dict(zip(qubits.tolist(), programmed.fields.tolist(), strict=True))
    ends = np.sort(qubits[programmed.couplers], axis=1).tolist()
    couplings = {tuple(pair): value for pair, value in zip(ends, programmed.couplings.tolist(), strict=True)}
    (said,) = sapi.submit(sapi.problem(fields, couplings, num_reads=reads, answer_mode="raw", auto_scale=False))
    ended = sapi.session.get(f"problems/{said['id']}", params={"timeout": 30}).json()
    used, rows, energies, _ = read_answer(ended["answer"])
    assert used == sorted(fields)
    spins = (2 * np.array(rows, dtype=np.int8) - 1)[:, np.searchsorted(used, qubits)]
    own = spins @ programmed.fields + spins[:, programmed.couplers].prod(axis=2) @ programmed.couplings
    np.testing.assert_allclose(energies, own, atol=1e-9)
    return spins


def cut_model(graph):
    pairs = np.array(sorted(tuple(sorted(edge)) for edge in graph.edges), dtype=np.int32)
    return IsingModel(
        linear=np.zeros(len(graph)), pairs=pairs, couplings=np.full(len(pairs), 0.5), offset=-len(pairs) / 2
    )


def test_a_cut_of_200_vertices_comes_back_near_its_best(sapi, device):
    graph = nx.random_regular_graph(3, 200, seed=1)
    model = cut_model(graph)
    embedding = find_embedding(model, device, seed=1)
    broken = {}
    for factor in (0.25, 1.0):
        gauge = random_gauge(200, seed=1, number=3)
        programmed = program(model, embedding, device, chain_strength_factor=factor, gauge=gauge)
        found = majority_vote(annealed(sapi, programmed, 100), programmed.embedding, programmed.gauge)
        broken[factor] = found.broken_fraction
        energies = model.assignment_energies(found.assignments)
        cuts = [
            sum(row[a] != row[b] for a, b in graph.edges)
            for row in found.assignments[np.argsort(energies)[:3]].tolist()
        ]
        np.testing.assert_array_equal(np.sort(energies)[:3], np.negative(cuts))
        assert cuts[0] > 255, "of 300 edges; a random assignment cuts 150, the best known one between 270 and 275"
    assert broken[0.25] > broken[1.0], broken


def test_fields_of_a_known_ground_state_come_back_bit_by_bit(sapi, device):
    """Variables with fields and couplings that agree: one ground state, asymmetric, more than 64 variables wide."""
    rng = np.random.default_rng(5)
    wanted = rng.integers(0, 2, size=90, dtype=np.uint8)
    spins = 1.0 - 2.0 * wanted
    pairs = np.array(
        sorted(tuple(sorted(edge)) for edge in nx.random_regular_graph(3, 90, seed=2).edges), dtype=np.int32
    )
    couplings = -spins[pairs[:, 0]] * spins[pairs[:, 1]]
    model = IsingModel(linear=-spins, pairs=pairs, couplings=couplings, offset=0.0)
    programmed = program(model, find_embedding(model, device, seed=1), device, gauge=random_gauge(90, seed=2, number=1))
    found = majority_vote(annealed(sapi, programmed, 20), programmed.embedding, programmed.gauge)
    np.testing.assert_array_equal(found.assignments[np.argmin(model.assignment_energies(found.assignments))], wanted)
