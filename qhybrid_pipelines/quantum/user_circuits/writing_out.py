"""Every gate of a circuit written out into standard gates of Qiskit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qhybrid_pipelines.quantum.user_circuits.angles import Angle, Value
from qhybrid_pipelines.quantum.user_circuits.controls import controlled_steps
from qhybrid_pipelines.quantum.user_circuits.definitions import DefinedGate, Gate, Modifier, too_many_gates_error
from qhybrid_pipelines.quantum.user_circuits.evaluation import exponent_value
from qhybrid_pipelines.quantum.user_circuits.expressions import evaluate
from qhybrid_pipelines.quantum.user_circuits.gates import (
    StandardGate,
    Step,
    invert,
)
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_WORK
from qhybrid_pipelines.quantum.user_circuits.powers import raise_to_power

ValuedModifiers = tuple[tuple[Modifier, float], ...]


@dataclass(kw_only=True)
class GateWriter:
    """Collects the steps of a circuit; has the shape of `evaluation.Writer`.

    Attributes:
        version: of the language.
        max_gates: steps that are accepted.
        steps: so far, in their order.
        words: of the bodies that were carried out so far.
    """

    version: int
    max_gates: int
    steps: list[Step] = field(default_factory=list)
    words: int = 0
    _same: dict[DefinedGate, str | None] = field(default_factory=dict)

    def __call__(
        self,
        gate: Gate | None,
        modifiers: ValuedModifiers,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        line: int,
    ) -> None:
        """Write one gate out.

        Raises:
            InvalidInput: there are too many steps, or a power has no simple form; names the line.
        """
        self._write(gate, modifiers, angles, qubits, controls=(), inverted=False, line=line)

    def _write(
        self,
        gate: Gate | None,
        modifiers: ValuedModifiers,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        *,
        controls: tuple[int, ...],
        inverted: bool,
        line: int,
    ) -> None:
        if gate is None:
            self._add(Step("barrier", (), qubits), line)
            return
        own, negated = _controls(modifiers, qubits)
        for qubit in negated:
            self._add(Step("x", (), (qubit,)), line)
        targets, controls = qubits[len(own) :], (*controls, *own)
        if isinstance(gate, DefinedGate):
            turned = inverted ^ (sum(word == "inv" for (word, _, _), _ in modifiers) % 2 == 1)
            self._write_defined(gate, angles, targets, controls=controls, inverted=turned, line=line)
        else:
            self._write_standard(gate, modifiers, angles, targets, controls=controls, inverted=inverted, line=line)
        for qubit in negated:
            self._add(Step("x", (), (qubit,)), line)

    def _write_defined(
        self,
        gate: DefinedGate,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        *,
        controls: tuple[int, ...],
        inverted: bool,
        line: int,
    ) -> None:
        if not controls and not inverted and (name := self._standard_name(gate)):
            self._add(Step(name, angles, qubits), line)
            return
        self.write_body(gate, angles, qubits, controls=controls, inverted=inverted)

    def write_body(
        self,
        gate: DefinedGate,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        *,
        controls: tuple[int, ...] = (),
        inverted: bool = False,
    ) -> None:
        """Write out what a defined gate stands for; its angles go by place.

        Raises:
            InvalidInput: as a call of this object.
        """
        # Parameters of gates are angles, whatever is given for them: a half of 1 is not 0.
        given = (angle if isinstance(angle, Angle) else float(angle) for angle in angles)
        scopes = (dict(zip(gate.parameters, given, strict=True)), gate.constants)
        for step in reversed(gate.body) if inverted else gate.body:
            self.words += step.words
            if self.words > MAX_WORK:
                raise too_many_gates_error(self.max_gates, step.line)
            modifiers = tuple((modifier, exponent_value(modifier, scopes, self.version)) for modifier in step.modifiers)
            self._write(
                step.gate,
                modifiers,
                tuple(evaluate(angle, scopes, self.version) for angle in step.angles),
                tuple(qubits[place] for place in step.places),
                controls=controls,
                inverted=inverted,
                line=step.line,
            )

    def _write_standard(
        self,
        gate: StandardGate,
        modifiers: ValuedModifiers,
        angles: tuple[Value, ...],
        qubits: tuple[int, ...],
        *,
        controls: tuple[int, ...],
        inverted: bool,
        line: int,
    ) -> None:
        units = [gate.unit(*angles)]
        # The innermost modifier acts first; an inverse of a root is not the root of the inverse.
        for (word, _, _), exponent in reversed(modifiers):
            if word == "inv":
                units = [invert(unit) for unit in reversed(units)]
            elif word == "pow":
                units = [raised for unit in units for raised in raise_to_power(unit, exponent, line=line)]
        if inverted:
            units = [invert(unit) for unit in reversed(units)]
        places = (*controls, *qubits[: gate.n_controls])
        for unit in units:
            for step in controlled_steps(unit, places, qubits[gate.n_controls :]):
                self._add(step, line)

    def _add(self, step: Step, line: int) -> None:
        self.steps.append(step)
        if len(self.steps) > self.max_gates:
            raise too_many_gates_error(self.max_gates, line)

    def _standard_name(self, gate: DefinedGate) -> str | None:
        """Return the name of the standard gate that a definition is, because it has its name and its matrix."""
        if gate not in self._same:
            from qhybrid_pipelines.quantum.user_circuits.standard_names import is_standard

            self._same[gate] = None
            probe = GateWriter(version=self.version, max_gates=self.max_gates)
            self._same[gate] = gate.name if is_standard(gate, probe) else None
        return self._same[gate]


def _controls(modifiers: ValuedModifiers, qubits: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the qubits that control, and those among them that control by a 0."""
    own: list[int] = []
    negated: list[int] = []
    for (word, count, _), _ in modifiers:
        chosen = qubits[len(own) : len(own) + count]
        own += chosen
        if word == "negctrl":
            negated += chosen
    return tuple(own), tuple(negated)
