r"""The QAOA template of an Ising model, in the convention of `core.jobs.circuit_jobs.QaoaStructure`.

Layer ``l`` is :math:`\exp(-i\gamma_l (E - c))`, written as one RZZ per coupling, one RZ per field and one RZ between rows of CX per
product of more spins, then the mixer.
With ``RZZ(t) = exp(-i t ZZ / 2)`` a coupling needs ``t = 2 gamma J``. The model is minimised, and the start state is
the mixer's highest level, so good angles have opposite signs: here gammas are positive and betas negative.

Sources: E. Farhi, J. Goldstone, S. Gutmann, arXiv:1411.4028; the ring mixer: S. Hadfield et al., arXiv:1709.03489,
section 4.2; the warm start: see `quantum.simulation.warm_start`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.jobs.circuit_jobs import Mixer, ring_pairs
from qhybrid_pipelines.quantum.ansatz import Ansatz, make_ansatz
from qhybrid_pipelines.quantum.dicke import DickePreparation
from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.quantum.simulation.warm_start import warm_start_turns

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter


def qaoa_ansatz(model: IsingModel, layers: int, *, mixer: Mixer = "x", cardinality: int | None = None) -> Ansatz:
    """Return the QAOA ansatz of a model; its angles are ``layers`` gammas, then ``layers`` betas, in radians.

    Equal coefficients share one input per layer, so unweighted MaxCut has one cost input a layer. The text depends only
    on which couplings and fields there are and which of them are equal: the numbers are in the map to the bindings.

    Args:
        model: the cost.
        layers: depth ``p``.
        mixer: ``x`` starts from the uniform superposition; ``xy`` from the Dicke state of ``cardinality`` ones; ``warm_start`` near the
            minimum of a relaxation.
        cardinality: needed by ``xy`` only.

    Raises:
        ValueError: ``xy`` without a cardinality between 0 and the number of variables, or ``warm_start`` with products of more spins.
    """
    n = model.size
    circuit = empty_circuit(n)
    inputs: dict[str, tuple[int | None, float]] = {}
    if mixer == "x":
        circuit.h(range(n))
    elif mixer == "warm_start":
        forward, back = _named_inputs("warm", n), _named_inputs("warm_back", n)
        for sign, turned in ((1, forward), (-1, back)):
            turns = sign * warm_start_turns(model)
            inputs |= {p.name: (None, float(turn)) for p, turn in zip(turned, turns, strict=True)}
        _append_turns(circuit, forward)
    else:
        if cardinality is None or not 0 <= cardinality <= n:
            raise ValueError(f"the xy mixer keeps the number of ones, and {cardinality} of {n} is none")
        preparation = DickePreparation(circuit)
        preparation.append(cardinality)
        inputs |= {name: (None, radians) for name, radians in preparation.inputs.items()}
    terms, values, groups = _terms(model)
    for layer in range(layers):
        costs = _named_inputs(f"cost_{layer}", len(values))
        inputs |= {p.name: (layer, 2 * float(value)) for p, value in zip(costs, values, strict=True)}
        for term, group in zip(terms, groups.tolist(), strict=True):
            if len(term) == 2:
                circuit.rzz(costs[group], *term)
            else:
                _append_parity_rotation(circuit, costs[group], term)
        if mixer == "warm_start":
            _append_turns(circuit, back)
        inputs |= _append_mixer(circuit, mixer, layer=layer, angle=layers + layer)
        if mixer == "warm_start":
            _append_turns(circuit, forward)
    return make_ansatz(circuit, inputs, 2 * layers)


def _append_parity_rotation(circuit: QuantumCircuit, angle: Parameter, qubits: tuple[int, ...]) -> None:
    """Append ``exp(-i angle Z...Z / 2)``: the parity of all qubits is written to the last by a row of CX, turned, and taken back.

    A single qubit is its own parity. Source: M. Nielsen, I. Chuang, Quantum Computation and Quantum Information (2010), section 4.7.3.
    """
    joined = list(pairwise(qubits))
    for control, target in joined:
        circuit.cx(control, target)
    circuit.rz(angle, qubits[-1])
    for control, target in reversed(joined):
        circuit.cx(control, target)


def _terms(model: IsingModel) -> tuple[list[tuple[int, ...]], F64, npt.NDArray[np.intp]]:
    """Return the qubits of each term of the cost, the distinct coefficients, and which one each term has.

    Coefficients are numbered in the order of their first term, so that the template does not know their values.
    """
    coupled, fields = np.flatnonzero(model.couplings), np.flatnonzero(model.linear)
    terms = [*map(tuple, model.pairs[coupled].tolist()), *((i,) for i in fields.tolist()), *model.products]
    values = np.concatenate([model.couplings[coupled], model.linear[fields], model.products.weights])
    distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return terms, distinct[order], rank[inverse]


def _append_mixer(
    circuit: QuantumCircuit, mixer: Mixer, *, layer: int, angle: int
) -> dict[str, tuple[int | None, float]]:
    from qiskit.circuit import Parameter

    n = circuit.num_qubits
    beta = Parameter(f"mixer_{layer}")
    if mixer == "x":
        circuit.rx(beta, range(n))
        return {beta.name: (angle, 2.0)}
    if mixer == "warm_start":  # between the turns to its axis and back
        circuit.rz(beta, range(n))
        return {beta.name: (angle, 2.0)}
    for i, j in ring_pairs(n):
        # XX and YY commute: together they are exp(-i beta (XX + YY) / 2).
        circuit.rxx(beta, i, j)
        circuit.ryy(beta, i, j)
    return {beta.name: (angle, 1.0)}


def _named_inputs(stem: str, count: int) -> list[Parameter]:
    from qiskit.circuit import Parameter

    return [Parameter(f"{stem}_{index}") for index in range(count)]


def _append_turns(circuit: QuantumCircuit, angles: list[Parameter]) -> None:
    for qubit, angle in enumerate(angles):
        circuit.ry(angle, qubit)
