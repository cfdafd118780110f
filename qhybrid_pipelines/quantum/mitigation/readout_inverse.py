r"""Readout errors taken out of the expectation of an Ising cost, shot by shot.

Where each bit is read wrongly on its own, reading multiplies the vector of the two probabilities of bit ``i`` by
:math:`A_i = ((1 - e_i, f_i), (e_i, 1 - f_i))`, ``e`` the probability to read 1 for 0 and ``f`` to read 0 for 1. The inverse of the whole is the
product of the inverses of its factors, and an operator on two qubits needs those of the two only. Applied to the operator instead
of the distribution, it replaces the spin :math:`s_i = \pm 1` that was read by

.. math:: g_i(s) = \frac{s - (f_i - e_i)}{1 - e_i - f_i},

whose mean is the spin before reading, and :math:`s_i s_j` by :math:`g_i g_j`. So the corrected expectation is the plain mean over
shots of :math:`c + \sum h_i g_i + \sum J_{ij} g_i g_j`: exact for the calibration that is given, without bias at any number of shots, and
with the standard error of a mean.

Source: S. Bravyi, S. Sheldon, A. Kandala, D. C. McKay and J. M. Gambetta, Physical Review A 103, 042605 (2021), equations 3 to 6 and the tensor product
noise of section III; a term costs a factor of at most :math:`1 / \prod (1 - e_i - f_i)` of standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8, U64, unpack
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors

#: Outcomes whose corrected spins are in memory at a time.
_CHUNK = 1 << 15
#: A bit that is read rightly less often than this more than wrongly says too little about its state.
LEAST_CONTRAST = 0.05


def correctable(errors: ReadoutErrors) -> bool:
    """Tell whether every bit says enough about its qubit for its errors to be taken out."""
    return bool((contrast(errors) >= LEAST_CONTRAST).all())


def contrast(errors: ReadoutErrors) -> F64:
    """Return how much of the spin of each bit is left after reading, shape ``(bits,)``; 1 without errors."""
    return np.asarray(1.0 - errors.zero_as_one - errors.one_as_zero)


def corrected_spins(outcomes: U64, errors: ReadoutErrors) -> F64:
    """Return the spin that stands for each bit of each outcome, shape ``(m, bits)``; its mean has no readout error in it.

    Args:
        outcomes: packed, shape ``(m,)`` or ``(m, w)``; bits above those of ``errors`` do not count.
        errors: of each bit.
    """
    return _spins(unpack(outcomes, len(errors.zero_as_one)), errors)


def _spins(bits: U8, errors: ReadoutErrors) -> F64:
    """Return the same of a matrix of 0 and 1, shape ``(m, bits)``."""
    return np.asarray((1.0 - 2.0 * bits - (errors.one_as_zero - errors.zero_as_one)) / contrast(errors))


def of_bits(errors: ReadoutErrors, bits: Sequence[int]) -> ReadoutErrors:
    """Return the errors of some bits, in their order."""
    chosen = list(bits)
    return replace(errors, zero_as_one=errors.zero_as_one[chosen], one_as_zero=errors.one_as_zero[chosen])


def corrected_product(bits: U8, errors: ReadoutErrors) -> F64:
    """Return the number that stands for the product of the spins of each row, shape ``(m,)``: its mean is that before reading.

    Args:
        bits: that were read, 0 and 1, shape ``(m, bits)``.
        errors: of these bits; `correctable`.
    """
    return np.asarray(_spins(bits, errors).prod(axis=1))


def largest_product(errors: ReadoutErrors) -> float:
    """Return the largest number, in magnitude, that may stand for a product of spins; 1 without errors."""
    return float(_largest(errors).prod())


def _largest(errors: ReadoutErrors) -> F64:
    return np.asarray((1.0 + np.abs(errors.one_as_zero - errors.zero_as_one)) / contrast(errors))


def corrected_energies(model: IsingModel, outcomes: U64, errors: ReadoutErrors) -> F64:
    """Return the number that stands for the energy of each outcome, shape ``(m,)``, in cost units: its mean is the energy before reading.

    Args:
        model: the cost.
        outcomes: packed, as for `corrected_spins`.
        errors: of each variable's bit; `correctable`.
    """
    couplings = np.zeros((model.size, model.size))
    couplings[model.pairs[:, 0], model.pairs[:, 1]] = model.couplings
    energies = np.empty(len(outcomes))
    for first in range(0, len(outcomes), _CHUNK):
        spins = corrected_spins(outcomes[first : first + _CHUNK], errors)
        part = slice(first, first + _CHUNK)
        energies[part] = model.offset + spins @ model.linear + ((spins @ couplings) * spins).sum(1)
        if not model.is_quadratic:
            energies[part] += model.products.energies(spins)
    return energies


def widest_difference(model: IsingModel, errors: ReadoutErrors | None = None) -> float:
    """Return a bound on the difference between the numbers of any two outcomes, in cost units; without errors, of their energies."""
    largest = np.ones(model.size) if errors is None else _largest(errors)
    terms = np.abs(model.linear) @ largest + np.abs(model.couplings) @ largest[model.pairs].prod(axis=1)
    return 2.0 * (float(terms) + float(np.abs(model.products.weights) @ model.products.values(largest[None])[0]))
