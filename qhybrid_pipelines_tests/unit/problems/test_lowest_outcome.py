import networkx as nx
import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.bits import ones, unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.lowest_outcome import lowest_outcome


def magnet(rows: int, columns: int) -> ReducedModel:
    """A ferromagnet on a grid in a weak field that wants ones: its minimum is all ones."""
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns))
    pairs = np.array(sorted(tuple(sorted(edge)) for edge in graph.edges), dtype=np.int32)
    size = rows * columns
    model = IsingModel(linear=np.full(size, 0.1), pairs=pairs, couplings=np.full(len(pairs), -1.0), offset=0.0)
    return ReducedModel(
        model=model,
        root=np.arange(size, dtype=np.int32),
        value=np.zeros(size, dtype=np.uint8),
        cardinality=None,
        exact=True,
    )


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (5, 6), (10, 10)])
def test_a_magnet_in_a_field_is_all_ones(rows, columns):
    reduced_model = magnet(rows, columns)
    size, edges = rows * columns, len(reduced_model.model.pairs)
    found = lowest_outcome(reduced_model, seed=3)
    assert found.energy == pytest.approx(-edges - 0.1 * size)
    assert found.proved == (size <= 20)
    assert unpack(found.bits, size).tolist() == [[1] * size]


def test_the_number_of_ones_is_kept_where_it_is_fixed():
    """The penalty of a family that fixes it is part of the model: here, (sum s)^2 / 2, which wants as many ones as zeros."""
    size = 30
    pairs = np.array([(i, j) for i in range(size) for j in range(i + 1, size)], dtype=np.int32)
    model = IsingModel(linear=np.linspace(-1, 1, size), pairs=pairs, couplings=np.ones(len(pairs)), offset=size / 2)
    wide = ReducedModel(
        model=model,
        root=np.arange(size, dtype=np.int32),
        value=np.zeros(size, dtype=np.uint8),
        cardinality=size // 2,
        exact=True,
    )
    found = lowest_outcome(wide, seed=3)
    assert ones(found.bits).tolist() == [size // 2]
    assert found.energy == pytest.approx(-np.abs(model.linear).sum())
