r"""The Ising model: the small, deterministic, serialisable thing that may be sent to a QPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64, unpack
from qhybrid_pipelines.core.binary_models.energy_tables import EnergyTables, diagonal
from qhybrid_pipelines.core.binary_models.spin_products import NO_PRODUCTS, SpinProducts, sort_terms

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class IsingModel:
    r"""Energy :math:`E(s) = c + \sum_i h_i s_i + \sum_{i<j} J_{ij} s_i s_j`, to be minimised, :math:`s_i \in \{-1,+1\}`.

    Attributes:
        linear: ``h``, shape ``(n,)``, in cost units of the instance.
        pairs: ``(i, j)`` of each coupling, ``i < j``, shape ``(m, 2)``, sorted, without repeats.
        couplings: ``J``, shape ``(m,)``, same units.
        offset: ``c``, same units.
        products: terms of three and more spins, which few families have; what knows fields and couplings only asks
            :meth:`require_quadratic`.

    Bit ``i`` of a packed outcome is variable ``i``, and bit ``b`` is spin ``1 - 2 b``.
    Source: A. Lucas, Frontiers in Physics 2, 5 (2014), section 1.
    """

    linear: F64
    pairs: npt.NDArray[np.int32]
    couplings: F64
    offset: float
    products: SpinProducts = NO_PRODUCTS

    @property
    def size(self) -> int:
        """Number of variables."""
        return len(self.linear)

    @property
    def is_quadratic(self) -> bool:
        """There are fields and couplings only."""
        return not len(self.products)

    @property
    def is_mirrored(self) -> bool:
        """Every term has an even number of spins, so that an outcome and its complement have the same energy."""
        return not self.linear.any() and not (self.products.orders % 2).any()

    @property
    def term_sizes(self) -> F64:
        """Sizes of all coefficients but the constant, shape ``(n + m + t,)``."""
        return np.asarray(np.abs(np.concatenate([self.linear, self.couplings, self.products.weights])))

    def require_quadratic(self, what: str) -> None:
        """Return if there are fields and couplings only.

        Args:
            what: that knows nothing else, as the subject of a sentence.

        Raises:
            ValueError: there are terms of three or more spins.
        """
        if not self.is_quadratic:
            raise ValueError(f"{what} knows fields and couplings only, and the model has products of more spins")

    @classmethod
    def from_spin_terms(cls, size: int, members: npt.NDArray[np.integer[Any]], weights: F64) -> IsingModel:
        """Return the model of a sum of weighted products of spins; arguments as of `core.binary_models.spin_products.sort_terms`."""
        found = sort_terms(size, members, weights)
        return cls(
            linear=found.linear,
            pairs=found.pairs,
            couplings=found.couplings,
            offset=found.offset,
            products=found.products,
        )

    @classmethod
    def from_qubo(cls, linear: F64, pairs: npt.NDArray[np.integer[Any]], quadratic: F64, offset: float) -> IsingModel:
        """Return the Ising form of ``offset + sum a_i x_i + sum q_ij x_i x_j`` by ``x = (1 - s) / 2``.

        Repeated pairs are summed, orientation does not matter, couplings that cancel to zero are dropped.
        """
        n = len(linear)
        low, high = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
        flat, inverse = np.unique(low.astype(np.int64) * max(n, 1) + high, return_inverse=True)
        summed = np.bincount(inverse, weights=quadratic, minlength=len(flat)).astype(np.float64)
        flat, summed = flat[summed != 0], summed[summed != 0]
        ij = np.stack([flat // max(n, 1), flat % max(n, 1)], axis=1).astype(np.int32)
        field = -linear.astype(np.float64) / 2
        np.subtract.at(field, ij[:, 0], summed / 4)
        np.subtract.at(field, ij[:, 1], summed / 4)
        constant = float(offset + linear.sum() / 2 + summed.sum() / 4)
        return cls(linear=field, pairs=ij, couplings=summed / 4, offset=constant)

    def to_qubo(self) -> tuple[F64, npt.NDArray[np.int32], F64, float]:
        """Return ``(linear, pairs, quadratic, offset)`` over ``x = (1 - s) / 2``; the inverse of :meth:`from_qubo`."""
        self.require_quadratic("a QUBO")
        linear = -2 * self.linear
        np.subtract.at(linear, self.pairs[:, 0], 2 * self.couplings)
        np.subtract.at(linear, self.pairs[:, 1], 2 * self.couplings)
        offset = float(self.offset + self.linear.sum() + self.couplings.sum())
        return linear, self.pairs, 4 * self.couplings, offset

    @cached_property
    def diagonal(self) -> F64:
        """All ``2**n`` energies, indexed by the packed outcome. Needs ``8 * 2**n`` bytes: for ``n <= 24``."""
        energies = diagonal(self.linear, self._matrix, self.offset)
        if not self.is_quadratic:
            energies += self.products.diagonal(self.size)
        energies.flags.writeable = False
        return energies

    @cached_property
    def tables(self) -> EnergyTables:
        """What energies of larger models are looked up in, but for products of more spins."""
        return EnergyTables(self.linear, self._matrix, self.offset)

    @property
    def _matrix(self) -> F64:
        matrix = np.zeros((self.size, self.size))
        matrix[self.pairs[:, 0], self.pairs[:, 1]] = self.couplings
        return matrix

    def energies(self, bits: U64) -> F64:
        """Return the energy of each packed outcome, shape ``(m,)``.

        Looked up in the diagonal for up to 20 variables, above that in tables of parts of the model.

        Args:
            bits: shape ``(m,)``; for more than 64 variables ``(m, w)``, words with the lowest first
                (`core.binary_models.energy_tables.as_words`).
        """
        if self.size <= 20:
            return self.diagonal[bits.astype(np.int64)]
        energies = self.tables.energies(bits[:, None] if bits.ndim == 1 else bits)
        if not self.is_quadratic:
            energies += self.products.energies(1.0 - 2.0 * unpack(bits, self.size))
        return energies

    def assignment_energies(self, assignments: npt.NDArray[np.uint8]) -> F64:
        """Return the energy of each row of an ``(m, n)`` matrix of 0 and 1; any width."""
        spins = 1.0 - 2.0 * assignments
        products = spins[:, self.pairs[:, 0]] * spins[:, self.pairs[:, 1]]
        energies: F64 = np.asarray(self.offset + spins @ self.linear + products @ self.couplings, dtype=np.float64)
        if not self.is_quadratic:
            energies += self.products.energies(spins)
        return energies

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain lists, ready for canonical JSON; ``products`` only where there are any."""
        record = {
            "linear": self.linear.tolist(),
            "pairs": self.pairs.tolist(),
            "couplings": self.couplings.tolist(),
            "offset": self.offset,
        }
        return record if self.is_quadratic else record | {"products": self.products.to_list()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> IsingModel:
        """Return the model of :meth:`to_dict`."""
        return cls(
            linear=np.array(record["linear"], dtype=np.float64),
            pairs=np.array(record["pairs"], dtype=np.int32).reshape(-1, 2),
            couplings=np.array(record["couplings"], dtype=np.float64),
            offset=float(record["offset"]),
            products=SpinProducts.from_list(record["products"]) if record.get("products") else NO_PRODUCTS,
        )
