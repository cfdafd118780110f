"""Embeddings kept as files: found once per structure of a model, qubit graph, seed and version of the search."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.canonical import canonical_json, content_hash
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.system.files import make_folder, write_bytes
from qhybrid_pipelines.quantum.annealing.embedding import (
    CLIQUE_DENSITY,
    MAX_NO_IMPROVEMENT,
    SMALLEST_CLIQUE,
    TRIES,
    check_embedding,
    find_embedding,
)
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph


class EmbeddingCache:
    """Embeddings in one folder, safe for several processes; a file that does not fit is replaced.

    Args:
        folder: made when the first embedding is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def embedding(self, model: IsingModel, graph: QubitGraph, *, seed: int) -> Embedding:
        """Return the embedding of a model, kept or found now. Raises `InvalidInput` where none is found."""
        file = self._folder / f"{embedding_key(model, graph, seed=seed)}.json"
        kept = _read(file)
        if kept is not None:
            try:
                check_embedding(kept, model, graph)
            except InvalidInput:
                pass  # a damaged file, or a graph that changed under the same name
            else:
                return kept
        found = find_embedding(model, graph, seed=seed)
        make_folder(self._folder)
        write_bytes(file, canonical_json(found.to_dict()).encode())
        return found


def embedding_key(model: IsingModel, graph: QubitGraph, *, seed: int) -> str:
    """Return the hash of all that decides an embedding: not the numbers of the model, only which pairs are coupled."""
    return content_hash(
        {
            "size": model.size,
            "pairs": model.pairs.tolist(),
            "graph_id": graph.graph_id,
            "seed": seed,
            "search": [version("minorminer"), TRIES, MAX_NO_IMPROVEMENT, CLIQUE_DENSITY, SMALLEST_CLIQUE],
        }
    )


def _read(file: Path) -> Embedding | None:
    try:
        return Embedding.from_dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
