import numpy as np
import pytest
from dwave.graphs import zephyr_graph

from qhybrid_pipelines.emulator.sapi.solvers import SOLVERS, properties, run_times, working_graph


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=list(SOLVERS))
def test_what_works_is_a_part_of_the_zephyr_graph(solver):
    graph = working_graph(solver, 7, 0)
    whole = {tuple(sorted(edge)) for edge in zephyr_graph(solver.size).edges}
    pairs = [tuple(pair) for pair in graph.couplers.tolist()]
    assert len(set(graph.qubits.tolist())) == len(graph.qubits) == solver.working_qubits
    assert set(pairs) <= whole
    assert np.isin(graph.couplers, graph.qubits).all()
    possible = sum(set(pair) <= set(graph.qubits.tolist()) for pair in whole)
    assert 0.99 < len(pairs) / possible < 1
    assert pairs == sorted(set(pairs))


def test_seed_and_version_decide_what_works():
    solver = SOLVERS["Advantage2_system4"]
    graphs = [working_graph(solver, seed, version) for seed, version in ((7, 0), (8, 0), (7, 1))]
    assert len({graph.graph_id for graph in graphs}) == 3
    assert len({graph.qubits.tobytes() for graph in graphs}) == 3
    working_graph.cache_clear()
    assert working_graph(solver, 7, 0).graph_id == graphs[0].graph_id


def test_run_times_follow_the_published_model_written_out():
    stated = properties(SOLVERS["Advantage2_system4"], working_graph(SOLVERS["Advantage2_system4"], 7, 0))
    timing = stated["problem_timing_data"]
    times = run_times(100, {"num_reads": 50, "annealing_time": 40, "readout_thermalization": 5})
    read = 40 + 10 ** timing["readout_time_model_parameters"][7] + timing["qpu_delay_time_per_sample"] + 5
    assert timing["readout_time_model_parameters"][2] == 2.0, "log10 of 100 qubits"
    programming = timing["typical_programming_time"] + timing["default_programming_thermalization"]
    assert times.access == pytest.approx(programming + 50 * read)
    assert run_times(100, {}).access < times.access
