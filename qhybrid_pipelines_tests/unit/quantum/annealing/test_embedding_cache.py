from dataclasses import replace

from qhybrid_pipelines.quantum.annealing.embedding import check_embedding
from qhybrid_pipelines.quantum.annealing.embedding_cache import EmbeddingCache, embedding_key
from qhybrid_pipelines_tests.support.qubit_graphs import random_model, zephyr_with_holes

GRAPH = zephyr_with_holes(2)
MODEL = random_model(8, 0.5, seed=1)


def test_an_embedding_is_found_once_and_numbers_of_the_model_do_not_matter(tmp_path):
    cache = EmbeddingCache(tmp_path / "embeddings")
    first = cache.embedding(MODEL, GRAPH, seed=1)
    (file,) = (tmp_path / "embeddings").iterdir()
    written = file.stat().st_mtime_ns
    assert (
        EmbeddingCache(tmp_path / "embeddings").embedding(replace(MODEL, couplings=-MODEL.couplings), GRAPH, seed=1)
        == first
    )
    assert [f.stat().st_mtime_ns for f in (tmp_path / "embeddings").iterdir()] == [written]


def test_model_graph_and_seed_have_embeddings_of_their_own():
    keys = {
        embedding_key(MODEL, GRAPH, seed=1),
        embedding_key(MODEL, GRAPH, seed=2),
        embedding_key(random_model(8, 0.5, seed=2), GRAPH, seed=1),
        embedding_key(MODEL, replace(GRAPH, graph_id="other"), seed=1),
    }
    assert len(keys) == 4


def test_a_damaged_or_outdated_file_is_replaced(tmp_path):
    cache = EmbeddingCache(tmp_path)
    good = cache.embedding(MODEL, GRAPH, seed=1)
    (file,) = tmp_path.iterdir()
    other = zephyr_with_holes(2, seed=9)
    for content in (b"", b"[]", b'{"graph_id": "x", "chains": [[1]]}', b'{"graph_id": "x", "chains": 3}'):
        file.write_bytes(content)
        assert cache.embedding(MODEL, GRAPH, seed=1) == good
    shrunk = replace(other, graph_id=GRAPH.graph_id)  # qubits were lost, and the vendor kept the name
    check_embedding(cache.embedding(MODEL, shrunk, seed=1), MODEL, shrunk)
