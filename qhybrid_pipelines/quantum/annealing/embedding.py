"""Minor embedding: each variable becomes a chain of coupled qubits, so that every coupling of the model has a coupler.

Found by `minorminer` (J. Cai, W. G. Macready, A. Roy, arXiv:1406.2741), and for dense models by its clique embedder
(T. Boothby, A. D. King, A. Roy, Quantum Information Processing 15, 495 (2016)). The search is bounded by numbers of tries
and never by the wall clock, so that a seed gives the same embedding on a busy machine as on an idle one.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.quantum.annealing.qubit_graph import I64, QubitGraph

#: Restarts of the search, and rounds without improvement after which one of them ends.
TRIES, MAX_NO_IMPROVEMENT = 4, 10
#: From this share of all pairs on a model is embedded as a clique, which takes no search.
CLIQUE_DENSITY = 0.5
#: Below this size even dense models are searched: the clique embedder of minorminer 0.2.22 takes all memory for cliques of
#: 5 to 8 on Zephyr graphs, and never ends.
SMALLEST_CLIQUE = 16
#: The library's bound in seconds of the wall clock, set where it never decides.
_NEVER_SECONDS = 10**8


def find_embedding(model: IsingModel, graph: QubitGraph, *, seed: int, tries: int = TRIES) -> Embedding:
    """Find an embedding of a model.

    Args:
        model: only its size and its pairs matter.
        graph: of the device.
        seed: the same seed gives the same embedding.
        tries: restarts of the search at most.

    Raises:
        InvalidInput: the model has more variables or couplings than the device, or no embedding was found.
    """
    if model.size > len(graph.qubits) or len(model.pairs) > len(graph.couplers):
        raise _does_not_fit(
            model, f"the device has {len(graph.qubits)} working qubits and {len(graph.couplers)} couplers"
        )
    pairs_of_all = model.size * (model.size - 1) / 2
    is_dense = model.size >= SMALLEST_CLIQUE and len(model.pairs) >= CLIQUE_DENSITY * pairs_of_all
    chains = _as_clique(model, graph, seed) if is_dense else {}
    chains = chains or _searched(model, graph, seed, tries)
    if not chains and len(model.pairs):
        raise _does_not_fit(model, f"no embedding was found in {tries} tries")
    free = iter(np.setdiff1d(graph.qubits, [qubit for chain in chains.values() for qubit in chain]).tolist())
    try:
        found = tuple(
            tuple(sorted(chains[variable])) if variable in chains else (int(next(free)),)
            for variable in range(model.size)
        )
    except StopIteration:
        raise _does_not_fit(model, "its chains leave no qubit for the variables without couplings") from None
    embedding = Embedding(chains=found, graph_id=graph.graph_id)
    check_embedding(embedding, model, graph)
    return embedding


def check_embedding(embedding: Embedding, model: IsingModel, graph: QubitGraph) -> None:
    """Check that an embedding is one of this model, on this graph.

    Raises:
        InvalidInput: it was made for another graph or number of variables, uses a qubit twice or one that does not work,
            has a chain that is empty or not connected, or lacks a coupler for a coupling.
    """
    problem = _fault(embedding, model, graph)
    if problem is not None:
        raise InvalidInput(
            f"the embedding does not fit the device: {problem}",
            remedy="Embed the model anew; the qubits of a device change now and then.",
        )


def coupler_groups(embedding: Embedding, graph: QubitGraph) -> tuple[I64, I64, I64, I64]:
    """Return the couplers between the used qubits, and which variables each of them joins.

    Returns:
        ``(first, second, low, high)``, each of shape ``(k,)``: places of the two qubits in `Embedding.qubits`, and their
        variables with ``low <= high``; those of equal variables lie within a chain.
    """
    place = np.full(graph.stride, -1, dtype=np.int64)
    place[embedding.qubits] = np.arange(len(embedding.qubits))
    first, second = place[graph.couplers[:, 0]], place[graph.couplers[:, 1]]
    used = (first >= 0) & (second >= 0)
    first, second = first[used], second[used]
    a, b = embedding.variables[first], embedding.variables[second]
    return first, second, np.minimum(a, b), np.maximum(a, b)


def _fault(embedding: Embedding, model: IsingModel, graph: QubitGraph) -> str | None:
    if embedding.graph_id != graph.graph_id:
        return f"it was made for the graph {embedding.graph_id}, and the device has {graph.graph_id} now"
    if len(embedding.chains) != model.size:
        return f"it has {len(embedding.chains)} chains for {model.size} variables"
    return _faulty_qubits(embedding, graph) or _faulty_couplers(embedding, model, graph)


def _faulty_qubits(embedding: Embedding, graph: QubitGraph) -> str | None:
    qubits = embedding.qubits
    if any(not chain for chain in embedding.chains):
        return "a chain is empty"
    if len(np.unique(qubits)) < len(qubits):
        return "two chains share a qubit"
    return None if np.isin(qubits, graph.qubits).all() else "it uses a qubit that does not work"


def _faulty_couplers(embedding: Embedding, model: IsingModel, graph: QubitGraph) -> str | None:
    first, second, low, high = coupler_groups(embedding, graph)
    if not _chains_are_connected(len(embedding.qubits), first[low == high], second[low == high], model.size):
        return "a chain is not connected"
    joined = np.unique(low * model.size + high)
    wanted = model.pairs[:, 0].astype(np.int64) * model.size + model.pairs[:, 1]
    return None if np.isin(wanted, joined).all() else "a coupling of the model has no coupler"


def _chains_are_connected(n_qubits: int, first: I64, second: I64, n_chains: int) -> bool:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    within = coo_array((np.ones(len(first)), (first, second)), shape=(n_qubits, n_qubits))
    return bool(n_qubits == 0 or connected_components(within, directed=False)[0] == n_chains)


def _searched(model: IsingModel, graph: QubitGraph, seed: int, tries: int) -> dict[int, list[int]]:
    if not len(model.pairs):
        return {}
    import minorminer

    found: dict[int, list[int]] = minorminer.find_embedding(
        model.pairs.tolist(),
        graph.couplers.tolist(),
        random_seed=derive_seed_31bit(seed, "embedding"),
        tries=tries,
        max_no_improvement=MAX_NO_IMPROVEMENT,
        timeout=_NEVER_SECONDS,
        threads=1,
    )
    return found


def _as_clique(model: IsingModel, graph: QubitGraph, seed: int) -> dict[int, list[int]]:
    """Return chains of which every two are coupled; empty where the device has no clique of this size."""
    from minorminer import busclique

    found = busclique.find_clique_embedding(
        model.size, graph.as_networkx(), seed=derive_seed_31bit(seed, "clique"), use_cache=False
    )
    return {int(variable): [int(qubit) for qubit in chain] for variable, chain in found.items()}


def _does_not_fit(model: IsingModel, reason: str) -> InvalidInput:
    return InvalidInput(
        f"the model of {model.size} variables and {len(model.pairs)} couplings cannot be embedded: {reason}",
        remedy="Take a smaller or sparser model, or a device with more couplers.",
    )
