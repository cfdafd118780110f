r"""Phases of all outcomes of an Ising model by multiplication alone, qubit after qubit.

With one qubit more the phases are those of before times a factor for its spin, up and down,

.. math:: q_x^{\pm 1}, \qquad q_x = e^{-i \gamma (h_k + \sum_{i<k} J_{ik} s_i)},

and ``q`` is a product over the lower qubits, so it grows the same way. All in all these are five products of an outcome, a small part of
what its sine and cosine cost.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.quantum.simulation.qaoa_phases import C128


class QuadraticPhases:
    """Gives the phases of one model; for one thread.

    Args:
        model: its energies are the angles' generator.
        kept: how many of its qubits vary, the lowest; of the others every spin is up.
        origin: the energy whose phase is 1.
    """

    def __init__(self, model: IsingModel, *, kept: int, origin: float) -> None:
        matrix = np.zeros((model.size, model.size))
        matrix[model.pairs[:, 1], model.pairs[:, 0]] = model.couplings
        above = matrix[kept:]
        self._couplings = matrix[:kept, :kept]
        # A sum over the lower spins, as long as all of them are up.
        self._fields = model.linear[:kept] + above[:, :kept].sum(axis=0) + self._couplings.sum(axis=1)
        self._constant = model.offset - origin + float(model.linear[kept:].sum() + above[:, kept:].sum())
        self._factors = np.empty(max(1, (1 << kept) // 2), dtype=np.complex128)

    def __call__(self, gamma: float, out: C128) -> None:
        """Write ``exp(-i gamma (E - origin))`` of the kept outcomes to ``out``, shape ``(2**kept,)``.

        Args:
            gamma: radians per unit of energy.
            out: by packed outcome.
        """
        fields, flips = np.exp(-1j * gamma * self._fields), np.exp(2j * gamma * self._couplings)
        out[0] = np.exp(-1j * gamma * self._constant)
        for qubit, field in enumerate(fields):
            factors = self._factors[: 1 << qubit]
            factors[0] = field
            for lower in range(qubit):
                below = 1 << lower
                np.multiply(factors[:below], flips[qubit, lower], out=factors[below : 2 * below])
            up, down = out[: 1 << qubit], out[1 << qubit : 2 << qubit]
            up *= factors
            np.conjugate(factors, out=factors)
            factors *= factors
            np.multiply(up, factors, out=down)
