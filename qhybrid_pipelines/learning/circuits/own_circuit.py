"""A circuit that somebody wrote as the model: which of its inputs are features, which are weights, and where each turns a gate.

Every gate that an input turns becomes rotations about Pauli operators, each with an input of its own. The two turned circuits of
the parameter-shift rule are then exact for each rotation, and the slope of a weight is the sum over the rotations it turns, by the
chain rule: a weight may stand in several gates, in a multiple, in a sum with a feature, and under a control.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.core.specifications.features_specification import MAX_LEARNING_QUBITS
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.learning.circuits.amplitude_encoding import preparation_angles
from qhybrid_pipelines.learning.circuits.kernel_feature_map import embedding_angles
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.quantum.qasm import empty_circuit, write_circuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit

#: Rotations about a Pauli operator, whose slope is half the difference of the circuits turned by +-pi/2.
ROTATIONS: Mapping[str, str] = {"rx": "X", "ry": "Y", "rz": "Z", "rxx": "XX", "ryy": "YY", "rzz": "ZZ"}
#: What other gates with an angle are written out in.
_BASIS = ("rx", "ry", "rz", "cx")

#: Which names an angle is a sum of, as places in their list, each with its factor.
Terms = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCircuitShape:
    """Which circuit it is, without its weights.

    Attributes:
        text: its template; every input of it is one angle of one rotation.
        inputs: names of these, in the order of the template.
        n_qubits: width; all qubits are measured.
        constants: the part of each input that is a number, radians.
        feature_terms: the part of each input that is made of features.
        weight_terms: the part that is made of weights.
        features: what the file calls the features, in their order.
        weights: what it calls the weights.
        pairs: after the features, the products of each pair of them are features too, as `kernel_feature_map.embedding_angles` has
            them.
        amplitudes: instead, the features that angles are made of are those of `amplitude_encoding.preparation_angles`.
    """

    text: str
    inputs: tuple[str, ...]
    n_qubits: int
    constants: tuple[float, ...]
    feature_terms: tuple[Terms, ...]
    weight_terms: tuple[Terms, ...]
    features: tuple[str, ...]
    weights: tuple[str, ...]
    pairs: bool = False
    amplitudes: bool = False

    @property
    def n_features(self) -> int:
        """Angles of a sample."""
        return len(self.features)

    @property
    def n_weights(self) -> int:
        """Number of trainable angles."""
        return len(self.weights)

    @property
    def weights_shape(self) -> tuple[int]:
        """One row."""
        return (len(self.weights),)

    @property
    def turned(self) -> tuple[int, ...]:
        """Places of the inputs that hang on a weight."""
        return tuple(place for place, terms in enumerate(self.weight_terms) if terms)

    @property
    def template(self) -> Template:
        """The circuit that backends run."""
        return Template(text=self.text, parameters=self.inputs, n_qubits=self.n_qubits)

    def bindings(self, features: F64, weights: F64) -> F64:
        """Return the values of the inputs, shape ``(points, inputs)``.

        Args:
            features: shape ``(points, n_features)``, radians.
            weights: shape ``(n_weights,)`` or ``(points, n_weights)``, radians.
        """
        if self.pairs:
            features = embedding_angles(features, bandwidth=1.0)
        if self.amplitudes:
            features = preparation_angles(features)
        values = np.tile(np.array(self.constants, dtype=np.float64), (len(features), 1))
        for terms, numbers in ((self.feature_terms, features), (self.weight_terms, np.atleast_2d(weights))):
            # Term by term in a fixed order: the same numbers for any number of points, which a matrix product does not promise.
            for place, of_input in enumerate(terms):
                for name, factor in of_input:
                    values[:, place] += factor * numbers[:, name]
        return values

    def unrolled(self) -> OwnCircuitShape:
        """Return the same circuit with a weight for each rotation that hangs on weights, in the order of :attr:`turned`."""
        place = {of_input: number for number, of_input in enumerate(self.turned)}
        terms: tuple[Terms, ...] = tuple(
            ((place[number], 1.0),) if number in place else () for number in range(len(self.inputs))
        )
        return replace(self, weight_terms=terms, weights=tuple(self.inputs[number] for number in self.turned))

    def rotation_angles(self, weights: F64) -> F64:
        """Return the part of each rotation of :meth:`unrolled` that is made of weights, radians."""
        # In a fixed order, so that no machine asks for other circuits than another.
        sums = [sum(factor * float(weights[name]) for name, factor in self.weight_terms[of]) for of in self.turned]
        return np.array(sums, dtype=np.float64)

    def weight_matrix(self) -> F64:
        """Return how far each rotation of :meth:`unrolled` is turned by each weight, shape ``(rotations, n_weights)``."""
        matrix = np.zeros((len(self.turned), self.n_weights))
        for row, of_input in enumerate(self.turned):
            for name, factor in self.weight_terms[of_input]:
                matrix[row, name] += factor
        return matrix

    def without_entanglement(self) -> OwnCircuitShape:
        """Return the circuit without the gates on several qubits; weights that were only in these stay, and move nothing."""
        circuit = read_circuit(self.text).remove_final_measurements(inplace=False)
        left = [(one.operation, _qubits(circuit, one)) for one in circuit.data if len(one.qubits) == 1]
        kept = {operation.params[0].name for operation, _ in left if _is_turned(operation)}
        places = [place for place, name in enumerate(self.inputs) if name in kept]
        return replace(
            self,
            text=template_text(left, self.n_qubits),
            inputs=tuple(self.inputs[place] for place in places),
            constants=tuple(self.constants[place] for place in places),
            feature_terms=tuple(self.feature_terms[place] for place in places),
            weight_terms=tuple(self.weight_terms[place] for place in places),
        )

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> OwnCircuitShape:
        """Return the shape that ``dataclasses.asdict`` wrote, from JSON."""
        return cls(
            text=record["text"],
            inputs=tuple(record["inputs"]),
            n_qubits=record["n_qubits"],
            constants=tuple(record["constants"]),
            feature_terms=_terms_from_record(record["feature_terms"]),
            weight_terms=_terms_from_record(record["weight_terms"]),
            features=tuple(record["features"]),
            weights=tuple(record["weights"]),
            pairs=record.get("pairs", False),
            amplitudes=record.get("amplitudes", False),
        )


#: Which circuit a model trains.
AnyCircuitShape: TypeAlias = CircuitShape | OwnCircuitShape


def read_own_circuit(
    content: bytes, *, file: str, data: Sequence[str], weights: Sequence[str] | None
) -> OwnCircuitShape:
    """Return the circuit of an OpenQASM file as a model; arguments and errors as those of :func:`own_circuit_shape`.

    Raises:
        InvalidInput: the file holds no circuit that can be read.
    """
    from qhybrid_pipelines.quantum.user_circuits.reader import read_user_circuit

    return own_circuit_shape(read_user_circuit(content, file=file), data=data, weights=weights)


def own_circuit_shape(circuit: UserCircuit, *, data: Sequence[str], weights: Sequence[str] | None) -> OwnCircuitShape:
    """Return a circuit from a file as a model.

    Args:
        circuit: as it was read.
        data: its inputs that are features, in the order of these.
        weights: its inputs that are trained; None for all others.

    Raises:
        InvalidInput: it has no such input, one is named twice or not at all, a named one moves nothing, it has qubits that are not
            measured, or too many.
    """
    from qiskit.circuit import Parameter

    _check_names(circuit, data, weights)
    if circuit.n_qubits != circuit.n_variables:
        raise InvalidInput(
            f"{circuit.n_qubits - circuit.n_variables} of the circuit's {circuit.n_qubits} qubits are not measured",
            remedy="Measure every qubit, or none: all of them are read, and the readout learns which of them count.",
            file=circuit.file,
            field="circuit.file",
        )
    if circuit.n_qubits > MAX_LEARNING_QUBITS:
        raise InvalidInput(
            f"the circuit has {circuit.n_qubits} qubits, and at most {MAX_LEARNING_QUBITS} are trained",
            remedy="Write it for fewer.",
            file=circuit.file,
            field="circuit.file",
        )
    trained = tuple(name for name in circuit.inputs if name not in data) if weights is None else tuple(weights)
    ansatz = circuit.ansatz
    column = {name: number for number, name in enumerate(ansatz.template.parameters)}
    steps = list(_rotations(read_circuit(ansatz.template.text)))
    names = input_names(sum(_is_turned(operation) for operation, _ in steps))
    gates: list[tuple[Any, tuple[int, ...]]] = []
    constants: list[float] = []
    by_input: list[F64] = []
    for operation, qubits in steps:
        if not _is_turned(operation):
            gates.append((operation, qubits))
            continue
        [angle] = operation.params
        constant, slopes = _linear(angle)
        mixture = np.zeros(len(circuit.inputs))
        for name, factor in slopes.items():
            constant += factor * ansatz.offset[column[name]]
            mixture += factor * ansatz.matrix[:, column[name]]
        gates.append((type(operation)(Parameter(names[len(constants)])), qubits))
        constants.append(float(constant))
        by_input.append(mixture)
    place = {name: number for number, name in enumerate(circuit.inputs)}
    return OwnCircuitShape(
        text=template_text(gates, circuit.n_qubits),
        inputs=names,
        n_qubits=circuit.n_qubits,
        constants=tuple(constants),
        feature_terms=tuple(_terms(mixture, [place[name] for name in data]) for mixture in by_input),
        weight_terms=tuple(_terms(mixture, [place[name] for name in trained]) for mixture in by_input),
        features=tuple(data),
        weights=trained,
    )


def _check_names(circuit: UserCircuit, data: Sequence[str], weights: Sequence[str] | None) -> None:
    for field, names in (("circuit.data", data), ("circuit.weights", weights or ())):
        for name in names:
            if name not in circuit.inputs:
                raise InvalidInput(
                    f"the circuit has no input {name!r}",
                    remedy=remedy_for_unknown(name, circuit.inputs, "Its inputs are")
                    if circuit.inputs
                    else "It has none: declare those that are features and weights, `input float[64] NAME;`.",
                    file=circuit.file,
                    field=field,
                )
            if name in circuit.idle_inputs:
                raise InvalidInput(
                    f"the input {name!r} turns no gate",
                    remedy="Use it in the circuit, or remove it from the file.",
                    file=circuit.file,
                    field=field,
                )
    twice = next((name for name in weights or () if name in data), None)
    if twice is not None:
        raise InvalidInput(
            f"the input {twice!r} is a feature and a weight",
            remedy="Name it in one of the two.",
            file=circuit.file,
            field="circuit.weights",
        )
    neither = [name for name in circuit.inputs if name not in data and weights is not None and name not in weights]
    if neither:
        raise InvalidInput(
            f"the inputs {', '.join(neither)} are neither features nor weights",
            remedy="Name them in circuit.data or circuit.weights; without circuit.weights, all that are not features are weights.",
            file=circuit.file,
            field="circuit.weights",
        )
    if not any(name not in data and name not in circuit.idle_inputs for name in circuit.inputs):
        raise InvalidInput(
            "the circuit has no weights, so there is nothing to train",
            remedy="Leave an input for them, `input float[64] NAME;`, that circuit.data does not name.",
            file=circuit.file,
            field="circuit.data",
        )


def _rotations(circuit: QuantumCircuit) -> Iterator[tuple[Any, tuple[int, ...]]]:
    """Yield the gates of a circuit with their qubits; those that an input turns as rotations about Pauli operators."""
    from qiskit import QuantumCircuit, transpile

    for instruction in circuit.remove_final_measurements(inplace=False).data:
        operation, qubits = instruction.operation, _qubits(circuit, instruction)
        if operation.name == "barrier":
            continue
        if operation.name in ROTATIONS or not _is_turned(operation):
            yield operation, qubits
            continue
        alone = QuantumCircuit(len(qubits))
        alone.append(operation, range(len(qubits)))
        written = transpile(alone, basis_gates=list(_BASIS), optimization_level=0)
        yield from ((step.operation, tuple(qubits[place] for place in _qubits(written, step))) for step in written.data)


def _qubits(circuit: QuantumCircuit, instruction: Any) -> tuple[int, ...]:
    return tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)


def _is_turned(operation: Any) -> bool:
    """Tell whether an input turns a gate."""
    return any(getattr(value, "parameters", ()) for value in operation.params)


def _linear(angle: Any) -> tuple[float, dict[str, float]]:
    """Return the constant of a sum of multiples of inputs, and the factor of each."""
    parameters = list(angle.parameters)
    constant = float(angle.bind(dict.fromkeys(parameters, 0.0)).numeric())
    return constant, {
        one.name: float(angle.bind({other: float(other is one) for other in parameters}).numeric()) - constant
        for one in parameters
    }


def _terms(mixture: F64, places: Sequence[int]) -> Terms:
    return tuple((number, float(mixture[place])) for number, place in enumerate(places) if mixture[place])


def _terms_from_record(record: Sequence[Sequence[Sequence[float]]]) -> tuple[Terms, ...]:
    return tuple(tuple((int(place), float(factor)) for place, factor in of_input) for of_input in record)


def input_names(count: int) -> tuple[str, ...]:
    """Return names of a template's inputs, which Qiskit sorts: their alphabetical order is that of their numbers."""
    digits = len(str(count))
    return tuple(f"a_{number:0{digits}d}" for number in range(count))


def named_gates(
    steps: Sequence[tuple[str, tuple[int, ...]]], inputs: Sequence[str]
) -> list[tuple[Any, tuple[int, ...]]]:
    """Return gates by their names in Qiskit with their qubits; those of `ROTATIONS` are turned by the inputs, in their order."""
    from qiskit.circuit import Parameter
    from qiskit.circuit.library import get_standard_gate_name_mapping

    gates, angles = get_standard_gate_name_mapping(), {name: Parameter(name) for name in inputs}
    places = iter(inputs)
    return [
        (gates[name].base_class(angles[next(places)]) if name in ROTATIONS else gates[name], qubits)
        for name, qubits in steps
    ]


def template_text(gates: Sequence[tuple[Any, tuple[int, ...]]], n_qubits: int) -> str:
    """Return the text of gates with their qubits; every qubit is measured into the bit of its number."""
    circuit = empty_circuit(n_qubits)
    for gate, qubits in gates:
        circuit.append(gate, qubits)
    circuit.measure(range(n_qubits), range(n_qubits))
    return write_circuit(circuit)


@cache
def gate_sequence(shape: OwnCircuitShape) -> tuple[tuple[str | F64, tuple[int, ...], int | None], ...]:
    """Return the gates in their order: the Pauli operator of a rotation or the matrix of a gate, its qubits, and its input.

    A matrix has shape ``(2**k, 2**k)`` for ``k`` qubits, the first of them in the lowest bit of an index, as in Qiskit; its input is None.
    """
    from qiskit.quantum_info import Operator

    circuit = read_circuit(shape.text).remove_final_measurements(inplace=False)
    place = {name: number for number, name in enumerate(shape.inputs)}
    found: list[tuple[str | F64, tuple[int, ...], int | None]] = []
    for instruction in circuit.data:
        operation, qubits = instruction.operation, _qubits(circuit, instruction)
        if _is_turned(operation):
            found.append((ROTATIONS[operation.name], qubits, place[operation.params[0].name]))
        else:
            found.append((Operator(operation).data, qubits, None))
    return tuple(found)
