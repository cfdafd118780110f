"""Circuits whose outcome is certain, to prove an adapter's bit order: one known qubit is 1, all others are 0."""

from __future__ import annotations

from typing import Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, QaoaStructure, Template
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT

Shape = Literal["single", "batch", "qaoa"]


def canary_batch(
    shape: Shape, *, width: int, qubit: int, backend: str, shots: int = 64, repetitions: int = 1
) -> tuple[CircuitBatch, list[int]]:
    """Return a batch and, for each of its points, the one packed outcome that every shot must have.

    Args:
        shape: ``single`` is X on one qubit of a circuit without inputs; ``batch`` turns one qubit per point through the
            bindings, from ``qubit`` on, so that an adapter that sorts inputs differently is found out; ``qaoa`` is a QAOA
            layer without couplings that ends in a basis state, for backends that run nothing else.
        width: number of qubits; use the real width of the work to come.
        qubit: the known qubit.
        backend: full name.
        shots: per point and repetition.
        repetitions: runs per point.
    """
    structure = None
    if shape == "single":
        body, inputs = [f"x q[{qubit}];"], []
        bindings, outcomes = np.empty((1, 0)), [1 << qubit]
    elif shape == "batch":
        # Names that sort otherwise by text than by number, as soon as there are more than ten.
        inputs = sorted(f"turn_{i}" for i in range(width))
        body = [f"rx(turn_{i}) q[{i}];" for i in range(width)]
        turned = [(qubit + step) % width for step in range(min(width, 3))]
        bindings = np.zeros((len(turned), width))
        for point, which in enumerate(turned):
            bindings[point, inputs.index(f"turn_{which}")] = np.pi
        outcomes = [1 << which for which in turned]
    else:
        inputs, body = _qaoa_text(width, qubit)
        structure = _qaoa_structure(width, qubit)
        gammas = structure.angles[:, 0]
        bindings = np.stack([2 * gammas, -2 * gammas, 2 * structure.angles[:, 1]], axis=1)
        outcomes = [1 << qubit, ((1 << width) - 1) ^ (1 << qubit)]
    batch = CircuitBatch(
        experiment=CANARY_EXPERIMENT,
        backend=backend,
        template=_template(body, tuple(inputs), width),
        bindings=bindings,
        shots=shots,
        seeds=np.array(
            [[derive_seed(7, "canary", p, r) for r in range(repetitions)] for p in range(len(outcomes))],
            dtype=np.uint64,
        ),
        structure=structure,
    )
    return batch, outcomes


def _template(body: list[str], inputs: tuple[str, ...], width: int) -> Template:
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";', *(f"input float[64] {name};" for name in inputs)]
    lines += [f"bit[{width}] c;", f"qubit[{width}] q;", *body]
    lines += [f"c[{i}] = measure q[{i}];" for i in range(width)]
    return Template(text="\n".join([*lines, ""]), parameters=inputs, n_qubits=width)


def _qaoa_structure(width: int, qubit: int) -> QaoaStructure:
    """Return one layer of fields of -1 on the known qubit and 1 elsewhere, at quarter turns.

    A field of 1 with both angles at pi / 4 takes ``|+>`` over the equator to ``|0>``, one of -1 to ``|1>``; with gamma
    at -pi / 4 all outcomes are flipped.
    """
    fields: F64 = np.ones(width)
    fields[qubit] = -1.0
    model = IsingModel(linear=fields, pairs=np.empty((0, 2), dtype=np.int32), couplings=np.empty(0), offset=0.0)
    quarter = np.pi / 4
    angles = np.array([[quarter, quarter], [-quarter, quarter]])
    return QaoaStructure(model=model, mixer="x", cardinality=None, angles=angles)


def _qaoa_text(width: int, qubit: int) -> tuple[list[str], list[str]]:
    inputs = ["field_0", "field_1", "mixer"]
    body = [f"h q[{i}];" for i in range(width)]
    body += [f"rz(field_{int(i == qubit)}) q[{i}];" for i in range(width)]
    body += [f"rx(mixer) q[{i}];" for i in range(width)]
    return inputs, body
