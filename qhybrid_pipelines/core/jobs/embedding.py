"""Which qubits of an annealer stand for which variable of a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.canonical import content_hash


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Which qubits stand for which variable, on one qubit graph.

    Attributes:
        chains: per variable the numbers of its qubits, ascending.
        graph_id: of the qubit graph; on any other the embedding means nothing.
    """

    chains: tuple[tuple[int, ...], ...]
    graph_id: str

    @cached_property
    def qubits(self) -> npt.NDArray[np.int64]:
        """Numbers of all qubits used, chain after chain, in the order of the variables."""
        return np.fromiter((qubit for chain in self.chains for qubit in chain), dtype=np.int64)

    @cached_property
    def variables(self) -> npt.NDArray[np.int64]:
        """The variable of each of `qubits`."""
        return np.repeat(np.arange(len(self.chains)), [len(chain) for chain in self.chains])

    @property
    def longest(self) -> int:
        """Number of qubits of the longest chain."""
        return max(map(len, self.chains), default=0)

    @property
    def sha256(self) -> str:
        """Hash of graph and chains."""
        return content_hash(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the embedding ready for canonical JSON."""
        return {"graph_id": self.graph_id, "chains": [list(chain) for chain in self.chains]}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Embedding:
        """Return the embedding of :meth:`to_dict`."""
        return cls(graph_id=str(record["graph_id"]), chains=tuple(tuple(map(int, chain)) for chain in record["chains"]))
