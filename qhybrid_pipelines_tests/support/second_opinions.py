"""What a circuit file means to the project, and to others that share no code with it: distributions of outcomes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines_tests.support.openqasm3_reference import Program

#: Largest total variation between two exact distributions that are called equal.
TOLERANCE = 1e-9


def our_distribution(text: str, inputs: Mapping[str, float]) -> np.ndarray:
    """Return the probabilities of the outcomes of the template that is run, ancillas summed out."""
    from qiskit.quantum_info import Statevector

    checked = check_circuit(text)
    found = to_canonical(checked)
    numbers = [inputs[name] for name in checked.inputs]
    values = {
        name: angle.constant + sum(factor * numbers[index] for index, factor in angle.slopes)
        for name, angle in zip(found.parameters, found.angles, strict=True)
    }
    circuit = read_circuit(found.text).remove_final_measurements(inplace=False)
    circuit = circuit.assign_parameters({parameter: values[parameter.name] for parameter in circuit.parameters})
    probabilities = np.abs(Statevector(circuit).data) ** 2
    return probabilities.reshape(-1, 2 ** len(checked.variables)).sum(axis=0)


def distribution_by_syntax_tree(text: str, inputs: Mapping[str, float]) -> np.ndarray:
    """Return what an OpenQASM 3 program means to the evaluator over its syntax tree."""
    return Program(text, dict(inputs)).distribution()


def distribution_by_pytket(text: str) -> np.ndarray:
    """Return what an OpenQASM 2 program means to pytket."""
    from pytket.qasm import circuit_from_qasm_str

    # pytket takes a definition of iswap for its own operation of that name; under another name it reads its body.
    text = re.sub(r"\biswap\b", "own_iswap", text)
    readout = circuit_from_qasm_str(text).qubit_to_bit_map
    # The generated programs reset at the beginning only, which changes nothing and has no state vector.
    circuit = circuit_from_qasm_str(re.sub(r"(measure|reset)[^;]*;", "", text))
    # pytket sorts registers by name; what counts is the order of their declarations.
    qubits = _declared(text, "qreg")
    bits = _declared(text, "creg")
    measured = {(bit.reg_name, bit.index[0]): (qubit.reg_name, qubit.index[0]) for qubit, bit in readout.items()}
    order = [measured[bit] for bit in bits if bit in measured] or qubits
    axes = {(qubit.reg_name, qubit.index[0]): axis for axis, qubit in enumerate(circuit.qubits)}
    state = circuit.get_statevector().reshape([2] * len(axes))
    rest = [axis for qubit, axis in axes.items() if qubit not in order]
    probabilities = np.abs(np.transpose(state, [*(axes[qubit] for qubit in order[::-1]), *rest])) ** 2
    return probabilities.reshape(2 ** len(order), -1).sum(axis=1)


def _declared(text: str, word: str) -> list[tuple[str, int]]:
    found = re.findall(rf"\b{word} (\w+)\[(\d+)\];", text)
    return [(name, index) for name, size in found for index in range(int(size))]


def total_variation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the total variation between two distributions of equal length."""
    assert one.shape == other.shape, f"{one.shape} and {other.shape} outcomes"
    return float(np.abs(one - other).sum() / 2)


def distribution_by_qiskit(text: str, version: int) -> np.ndarray:
    """Return what Qiskit's own readers make of a program without measurements, as they come."""
    from qiskit import qasm2, qasm3
    from qiskit.quantum_info import Statevector

    legacy = {
        "custom_instructions": qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
        "custom_classical": qasm2.LEGACY_CUSTOM_CLASSICAL,
    }
    circuit = qasm2.loads(text, **legacy) if version == 2 else qasm3.loads(text)
    return np.abs(Statevector(circuit).data) ** 2
