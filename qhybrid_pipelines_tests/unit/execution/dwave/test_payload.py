"""The format ``qp`` against bytes packed with `struct`, and against the published example."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.execution.dwave.decoding import read_samples
from qhybrid_pipelines.execution.dwave.payload import label_of, problem_body, programmed, read_label
from qhybrid_pipelines.execution.dwave.solvers import Annealer
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph
from qhybrid_pipelines_tests.support.sapi_client import packed_problem
from qhybrid_pipelines_tests.unit.core.jobs.test_anneal_batch import anneal_batch

GRAPH = QubitGraph(
    graph_id="01ab",
    family="zephyr",
    shape=(1, 4),
    qubits=np.array([1, 4, 7, 8, 9, 12]),
    couplers=np.array([[1, 4], [4, 7], [4, 9], [7, 8], [7, 9], [9, 12]]),
)
ANNEALER = Annealer(
    name="Advantage2_system4",
    graph=GRAPH,
    most_reads=1000,
    annealing_times=(0.5, 2000.0),
    longest_run=1e6,
    timing={},
    quota_conversion_rate=1.0,
)


def one_problem():
    return anneal_batch(points=1, repetitions=1)


def test_fields_and_couplings_stand_in_the_order_of_the_solver():
    batch = one_problem()
    [problem] = json.loads(problem_body(batch, ANNEALER, "t", home_id="h"))
    driven = programmed(batch, GRAPH)
    fields = dict(zip(driven.embedding.qubits.tolist(), driven.fields.tolist(), strict=True))
    ends = np.sort(driven.embedding.qubits[driven.couplers], axis=1).tolist()
    couplings = {tuple(pair): value for pair, value in zip(ends, driven.couplings.tolist(), strict=True)}
    properties = {"qubits": GRAPH.qubits.tolist(), "couplers": GRAPH.couplers.tolist()}
    expected = packed_problem(properties, fields, couplings)
    assert problem["data"] == expected | {"offset": 0.0}
    assert np.isnan(np.frombuffer(base64.b64decode(expected["lin"]))).tolist() == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    assert problem["params"]["auto_scale"] is False
    assert problem["solver"] == {"name": "Advantage2_system4", "version": {"graph_id": "01ab"}}


def test_a_label_has_token_home_and_digest_and_nothing_else():
    batch = one_problem()
    label = label_of("token", "home", batch)
    assert read_label(label) == ("token", "home", batch.payload_sha256[:16])
    assert label_of("token", "home", replace(batch, shots=99)) != label
    assert [read_label(other) for other in (None, "", "a", "a/b", "/b/c", 7)] == [None] * 6


def qp(solutions: bytes, active: list[int], occurrences: list[int]) -> dict:
    def integers(values):
        return base64.b64encode(np.array(values, dtype="<i4").tobytes()).decode()

    return {
        "format": "qp",
        "solutions": base64.b64encode(solutions).decode(),
        "active_variables": integers(active),
        "num_occurrences": integers(occurrences),
    }


def test_the_first_variable_is_in_the_highest_bit_of_the_first_byte():
    """Golden vector: nine active variables, rows ``80 00`` and ``00 80`` are the first and the last variable up."""
    found = read_samples(qp(bytes.fromhex("80000080"), list(range(9)), [3, 1]))
    assert found.spins.tolist() == [[1] + [-1] * 8, [-1] * 8 + [1]]
    assert found.occurrences.tolist() == [3, 1]


def test_the_published_example_reads_as_its_page_says_of_its_variables():
    """``AMA=``: the row ``00 C0``, in which the ninth and tenth of ten variables are up."""
    found = read_samples(qp(base64.b64decode("AMA="), list(range(10)), [1]))
    assert found.spins.tolist() == [[-1] * 8 + [1, 1]]


@pytest.mark.parametrize(
    ("solutions", "active", "occurrences"),
    [("8000", 9, [1, 1]), ("800000", 9, [1]), ("8000", 9, [0]), ("", 0, [])],
)
def test_rows_of_another_size_are_refused(solutions, active, occurrences):
    with pytest.raises(CorruptResult):
        read_samples(qp(bytes.fromhex(solutions), list(range(active)), occurrences))
