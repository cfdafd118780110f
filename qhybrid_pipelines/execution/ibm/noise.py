"""The noise of a few qubits of a device, from the same figures and by the same functions as that of the whole device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qiskit.transpiler import Target


def noise_model_for(target: Target, used: tuple[int, ...]) -> Any:
    """Return Aer's noise model of a device (gate, relaxation and readout errors), for some of its qubits.

    It is what ``NoiseModel.from_backend`` gives for those qubits. That function works through the whole device, which
    takes seconds for a hundred qubits, and its answer is cut down afterwards; here the device is cut down first.
    Qubits that wait suffer nothing, as there: the circuits are not scheduled.

    Args:
        target: the device with its calibration.
        used: indices of qubits, ascending; the model's qubit ``i`` is ``used[i]``.
    """
    from qiskit_aer.noise import NoiseModel
    from qiskit_aer.noise.device import basic_device_gate_errors, basic_device_readout_errors

    narrow = narrow_target(target, used)
    model = NoiseModel(basis_gates=list(target.operation_names))
    for qubits, error in basic_device_readout_errors(target=narrow):
        model.add_readout_error(error, qubits)
    for name, qubits, error in basic_device_gate_errors(target=narrow):
        model.add_quantum_error(error, name, qubits)
    return model


def narrow_target(target: Target, used: tuple[int, ...]) -> Target:
    """Return the device that is left when only some of its qubits are kept, numbered from 0 in the order given."""
    from qiskit.transpiler import Target

    place = {qubit: position for position, qubit in enumerate(used)}
    narrow = Target(num_qubits=len(used), dt=target.dt, qubit_properties=[target.qubit_properties[q] for q in used])
    for name in target.operation_names:
        figures = target[name]
        if None in figures:  # control flow belongs to no qubit
            continue
        properties = {
            tuple(place[q] for q in qubits): reported
            for qubits, reported in figures.items()
            if all(q in place for q in qubits)
        }
        if properties:
            narrow.add_instruction(target.operation_from_name(name), properties, name=name)
    return narrow
