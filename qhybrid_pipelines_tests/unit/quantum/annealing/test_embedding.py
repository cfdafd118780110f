import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.quantum.annealing.embedding import check_embedding, find_embedding
from qhybrid_pipelines_tests.support.qubit_graphs import random_model, zephyr_with_holes

GRAPH = zephyr_with_holes(3)


def is_minor_embedding(embedding, model, graph):
    """The definition, by NetworkX and sets."""
    device = nx.Graph(graph.couplers.tolist())
    device.add_nodes_from(graph.qubits.tolist())
    chains = [set(chain) for chain in embedding.chains]
    return (
        all(chain and nx.is_connected(device.subgraph(chain)) for chain in chains)
        and sum(map(len, chains)) == len(set().union(*chains))
        and all(nx.edge_boundary(device, chains[i], chains[j]) for i, j in model.pairs.tolist())
    )


def model_of(graph):
    pairs = np.array(sorted(tuple(sorted(edge)) for edge in graph.edges), dtype=np.int32).reshape(-1, 2)
    return IsingModel(linear=np.zeros(len(graph)), pairs=pairs, couplings=np.ones(len(pairs)), offset=0.0)


@pytest.mark.parametrize(
    "model",
    [
        random_model(1, 0.0, seed=0),
        random_model(9, 0.0, seed=0),
        random_model(12, 0.3, seed=1),
        random_model(7, 1.0, seed=2),
        random_model(20, 1.0, seed=2),
        model_of(nx.random_regular_graph(3, 40, seed=3)),
    ],
    ids=["one variable", "no couplings", "sparse", "small clique", "clique", "3-regular"],
)
def test_it_is_a_minor_embedding_and_the_same_for_the_same_seed(model):
    found = find_embedding(model, GRAPH, seed=5)
    assert is_minor_embedding(found, model, GRAPH)
    assert find_embedding(model, GRAPH, seed=5) == found
    assert Embedding.from_dict(found.to_dict()) == found


def test_two_hundred_variables_of_a_cubic_graph_fit_a_device_of_today():
    model = model_of(nx.random_regular_graph(3, 200, seed=1))
    graph = zephyr_with_holes(12)
    found = find_embedding(model, graph, seed=7)
    assert is_minor_embedding(found, model, graph)
    assert len(found.qubits) < 450
    assert found.longest <= 5


def test_a_variable_without_couplings_beside_coupled_ones_has_a_qubit_of_its_own():
    model = model_of(nx.disjoint_union(nx.path_graph(4), nx.empty_graph(3)))
    found = find_embedding(model, GRAPH, seed=1)
    assert is_minor_embedding(found, model, GRAPH)
    assert [len(chain) for chain in found.chains[4:]] == [1, 1, 1]


@pytest.mark.parametrize("n", [60, 500])
def test_what_does_not_fit_is_said(n):
    with pytest.raises(InvalidInput, match="cannot be embedded"):
        find_embedding(random_model(n, 1.0, seed=1), zephyr_with_holes(2), seed=1, tries=1)


def test_nothing_is_written_to_the_users_folders(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    find_embedding(random_model(20, 1.0, seed=2), GRAPH, seed=5)
    find_embedding(random_model(12, 0.3, seed=2), GRAPH, seed=5)
    assert not list(tmp_path.iterdir())


def test_every_fault_of_an_embedding_is_found():
    model = random_model(12, 0.3, seed=1)
    good = find_embedding(model, GRAPH, seed=5)
    long = next(v for v, chain in enumerate(good.chains) if len(chain) > 1)
    outside = next(q for q in range(GRAPH.stride) if q not in set(GRAPH.qubits.tolist()))

    def with_chain(variable, chain):
        return (*good.chains[:variable], tuple(chain), *good.chains[variable + 1 :])

    far = next(q for q in GRAPH.qubits[::-1].tolist() if q not in set(good.qubits.tolist()))
    faults = {
        "it was made for the graph": Embedding(chains=good.chains, graph_id="yesterday"),
        "chains for 12 variables": Embedding(chains=good.chains[1:], graph_id=GRAPH.graph_id),
        "empty": Embedding(chains=with_chain(long, ()), graph_id=GRAPH.graph_id),
        "share a qubit": Embedding(chains=with_chain(long, good.chains[long - 1]), graph_id=GRAPH.graph_id),
        "does not work": Embedding(chains=with_chain(long, (outside,)), graph_id=GRAPH.graph_id),
        "not connected": Embedding(chains=with_chain(long, (*good.chains[long], far)), graph_id=GRAPH.graph_id),
        "no coupler": Embedding(chains=with_chain(int(model.pairs[0, 0]), (far,)), graph_id=GRAPH.graph_id),
    }
    check_embedding(good, model, GRAPH)
    for words, embedding in faults.items():
        with pytest.raises(InvalidInput, match=words):
            check_embedding(embedding, model, GRAPH)
