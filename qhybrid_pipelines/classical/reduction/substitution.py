"""Fixing variables and replacing them by copies: a smaller model, and the source of every old variable's value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.product_search import all_terms
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel

I32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableMap:
    """Where each of ``n`` variables gets its value from, in terms of ``size`` remaining ones.

    Attributes:
        root: shape ``(n,)``; the remaining variable that is copied, -1 for a constant. Every remaining variable
            occurs.
        value: shape ``(n,)``; the constant where ``root`` is -1, else 1 when the copy is negated.
    """

    root: I32
    value: U8

    @property
    def size(self) -> int:
        """Number of remaining variables."""
        return int(self.root.max(initial=-1)) + 1

    @classmethod
    def identity(cls, size: int) -> Self:
        """Return the map that changes nothing."""
        return cls(root=np.arange(size, dtype=np.int32), value=np.zeros(size, dtype=np.uint8))

    @classmethod
    def from_constants(cls, size: int, constants: Mapping[int, int]) -> Self:
        """Return the map that fixes some of ``size`` variables to 0 or 1 and keeps the order of the others."""
        source = np.arange(size, dtype=np.int32)
        value = np.zeros(size, dtype=np.uint8)
        fixed = np.fromiter(constants, dtype=np.int32, count=len(constants))
        source[fixed] = -1
        value[fixed] = np.fromiter(constants.values(), dtype=np.uint8, count=len(constants))
        return cls.from_sources(source, value)

    @classmethod
    def from_sources(cls, source: I32, value: U8) -> Self:
        """Return the map of ``x_i = x_source[i] XOR value[i]``, or the constant ``value[i]`` where the source is -1.

        A source must be its own source. Remaining variables are numbered in ascending order of their old index.
        """
        representatives, root = np.unique(source[source >= 0], return_inverse=True)
        if not np.array_equal(source[representatives], representatives) or value[representatives].any():
            raise ValueError("a variable that others copy has to stand for itself")
        renumbered = np.full(len(source), -1, dtype=np.int32)
        renumbered[source >= 0] = root
        return cls(root=renumbered, value=value)

    def compose(self, inner: VariableMap) -> VariableMap:
        """Return this map followed by ``inner``, which maps this map's remaining variables further."""
        copied = self.root >= 0
        root, value = self.root.copy(), self.value.copy()
        root[copied] = inner.root[self.root[copied]]
        value[copied] ^= inner.value[self.root[copied]]
        return VariableMap(root=root, value=value)


def substitute(model: IsingModel, variables: VariableMap) -> IsingModel:
    r"""Return the model over the remaining variables; its energy equals the old one at the mapped assignment.

    A variable becomes a sign times a remaining spin, :math:`s_i = \sigma_i t_{r(i)}`, with :math:`t = 1` for
    constants. Couplings whose ends meet turn into constants, those with one constant end into fields; products of more spins likewise.
    """
    size, root = variables.size, variables.root
    if not model.is_quadratic:
        return _substitute_products(model, variables)
    sign = 1.0 - 2.0 * variables.value
    field = model.linear * sign
    i, j = root[model.pairs[:, 0]].astype(np.int64), root[model.pairs[:, 1]].astype(np.int64)
    strength = model.couplings * sign[model.pairs[:, 0]] * sign[model.pairs[:, 1]]

    # A constant spin is 1: its coupling acts as a field on the other end; two equal ends (also two constants) cancel.
    linear = np.bincount(root[root >= 0], weights=field[root >= 0], minlength=size).astype(np.float64)
    half = (i < 0) ^ (j < 0)
    linear += np.bincount(np.maximum(i, j)[half], weights=strength[half], minlength=size)
    offset = model.offset + field[root < 0].sum() + strength[i == j].sum()

    apart = (i >= 0) & (j >= 0) & (i != j)
    flat, place = np.unique(np.minimum(i, j)[apart] * max(size, 1) + np.maximum(i, j)[apart], return_inverse=True)
    couplings = np.bincount(place, weights=strength[apart], minlength=len(flat)).astype(np.float64)
    flat, couplings = flat[couplings != 0], couplings[couplings != 0]
    pairs = np.stack([flat // max(size, 1), flat % max(size, 1)], axis=1).astype(np.int32)
    return IsingModel(linear=linear, pairs=pairs, couplings=couplings, offset=float(offset))


def _substitute_products(model: IsingModel, variables: VariableMap) -> IsingModel:
    terms = all_terms(model)
    # One place more stands for the number 1, which -1 of shorter terms means.
    root, sign = np.append(variables.root, -1), np.append(1.0 - 2.0 * variables.value, 1.0)
    weights = terms.weights * sign[terms.members].prod(axis=1)
    found = IsingModel.from_spin_terms(variables.size, root[terms.members], weights)
    return dataclasses.replace(found, offset=model.offset + found.offset)
