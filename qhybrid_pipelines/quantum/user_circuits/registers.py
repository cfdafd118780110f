"""Registers of qubits and bits: what their operands name, what was measured, and which qubit is which variable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import HARD_MAX_QUBITS
from qhybrid_pipelines.quantum.user_circuits.expressions import Expression
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_BITS, SHOTS
from qhybrid_pipelines.quantum.user_circuits.statements import Operand

WholeNumber = Callable[[Expression], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The qubits or bits that an operand names, counted over all registers; a single one is repeated over a register."""

    places: tuple[int, ...]
    single: bool


@dataclass(kw_only=True)
class Registers:
    """Qubits and bits of a circuit, in the order in which they were declared, and what has happened to them.

    Attributes:
        qubits: of each register; a single qubit has a size of None.
        bits: likewise.
        device: qubits of a device by their number, and the line where each was used first.
        touched: qubits on which a gate has acted.
        measured: bit that a qubit is measured into.
    """

    qubits: dict[str, tuple[range, bool]] = field(default_factory=dict)
    bits: dict[str, tuple[range, bool]] = field(default_factory=dict)
    device: dict[int, tuple[int, int]] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    measured: dict[int, int] = field(default_factory=dict)
    n_qubits: int = 0
    n_bits: int = 0

    def declare(self, name: str, size: int | None, *, quantum: bool, line: int) -> None:
        """Add a register, or a single qubit or bit where there is no size.

        Raises:
            InvalidInput: the name is taken, or there would be too many.
        """
        most, what = (HARD_MAX_QUBITS, "qubits") if quantum else (MAX_BITS, "bits")
        count = 1 if size is None else size
        total = count + (self.n_qubits if quantum else self.n_bits)
        if count < 1 or total > most:
            raise InvalidInput(
                f"the circuit declares {count if count < 1 else total} {what}",
                remedy=f"From 1 to {most} are accepted.",
                line=line,
            )
        if name in self.qubits or name in self.bits:
            raise InvalidInput(f"{name[:80]!r} is declared twice", remedy="Remove one.", line=line)
        if quantum:
            if self.device:
                raise _mixture_error(line)
            self.qubits[name] = range(self.n_qubits, total), size is None
            self.n_qubits = total
        else:
            self.bits[name] = range(self.n_bits, total), size is None
            self.n_bits = total

    def choose(self, operand: Operand, whole_number: WholeNumber, *, quantum: bool) -> Chosen:
        """Return what an operand names.

        Raises:
            InvalidInput: there is no such register, or an index is not in it.
        """
        if operand.name.startswith("$") and quantum and not operand.indices:
            return Chosen(places=(self._device_qubit(int(operand.name[1:]), operand.line),), single=True)
        registers, what = (self.qubits, "qubit") if quantum else (self.bits, "bit")
        if operand.name not in registers:
            raise InvalidInput(
                f"{operand.name[:80]!r} is not a declared {what} or register of {what}s",
                remedy="Declare it before it is used.",
                line=operand.line,
            )
        register, single = registers[operand.name]
        if not operand.indices and not operand.is_set:
            return Chosen(places=tuple(register), single=single)
        if single:
            raise InvalidInput(
                f"{operand.name[:80]!r} is a single {what} and has no index",
                remedy="Remove the index.",
                line=operand.line,
            )
        given = [None if index is None else whole_number(index) for index in operand.indices]
        places: Iterable[int] = (index for index in given if index is not None)
        if operand.is_range:
            places = range_values(given, len(register), operand.line)
        return Chosen(
            places=tuple(register[_in_range(index, len(register), operand)] for index in places),
            single=not operand.is_range and not operand.is_set,
        )

    def use(self, qubits: tuple[int, ...], line: int) -> None:
        """Note that a gate acts on qubits.

        Raises:
            InvalidInput: one of them was measured.
        """
        if not self.measured.keys().isdisjoint(qubits):
            raise InvalidInput(
                "a qubit is used after it was measured", remedy="Measure every qubit once, at the end.", line=line
            )
        self.touched.update(qubits)

    def measure(self, source: Chosen, target: Chosen, line: int) -> None:
        """Note a measurement.

        Raises:
            InvalidInput: the sizes differ, or a qubit or bit is measured twice.
        """
        if len(source.places) != len(target.places):
            raise InvalidInput(
                f"{len(source.places)} qubits are measured into {len(target.places)} bits",
                remedy="Name as many bits as qubits.",
                line=line,
            )
        for qubit, bit in zip(source.places, target.places, strict=True):
            if qubit in self.measured or bit in self.measured.values():
                raise InvalidInput(
                    f"a {'qubit' if qubit in self.measured else 'bit'} is measured twice",
                    remedy="Measure every qubit once, into a bit of its own.",
                    line=line,
                )
            self.measured[qubit] = bit

    def reset(self, qubits: tuple[int, ...], line: int) -> None:
        """Note that qubits become 0, which they are as long as nothing has acted on them.

        Raises:
            InvalidInput: something has.
        """
        if not self.touched.isdisjoint(qubits) or not self.measured.keys().isdisjoint(qubits):
            raise InvalidInput(
                f"{SHOTS} (found `reset` of a qubit that was used)",
                remedy="A reset may be in front of the first gate only.",
                line=line,
            )

    def variable_qubits(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the qubits whose outcomes are the variables, in the order of their bits, and the ancillas.

        Where nothing is measured, all qubits are variables. Ancillas are the qubits that are not measured though gates
        act on them; qubits that are neither measured nor touched are left out.

        Raises:
            InvalidInput: the qubits of a device are not one block.
        """
        if self.device:
            self._check_block()
        if not self.measured:
            order = (qubit for _, (qubit, _) in sorted(self.device.items()))
            return tuple(order) if self.device else tuple(range(self.n_qubits)), ()
        variables = sorted(self.measured, key=self.measured.__getitem__)
        return tuple(variables), tuple(sorted(self.touched - self.measured.keys()))

    def place(self, qubit: int) -> str:
        """Return what the file calls a qubit, such as ``q[0]``, ``a`` or ``$3``."""
        for name, (register, single) in self.qubits.items():
            if qubit in register:
                return name if single else f"{name}[{qubit - register[0]}]"
        return next(f"${number}" for number, (known, _) in self.device.items() if known == qubit)

    def qubit_at(self, place: str) -> int | None:
        """Return the qubit that a place names, or that is measured into the bit that it names."""
        name, _, index = place.rstrip("]").partition("[")
        if name.startswith("$"):
            return self.device.get(int(name[1:]), (None, 0))[0]
        registers = self.qubits if name in self.qubits else self.bits
        register, _ = registers.get(name, (range(0), True))
        number = int(index or 0)
        if number >= len(register) or (not index and len(register) > 1):
            return None
        if registers is self.qubits:
            return register[number]
        return next((qubit for qubit, bit in self.measured.items() if bit == register[number]), None)

    def _device_qubit(self, number: int, line: int) -> int:
        if self.qubits:
            raise _mixture_error(line)
        if number not in self.device:
            if self.n_qubits == HARD_MAX_QUBITS:
                raise InvalidInput(
                    f"the circuit uses more than {HARD_MAX_QUBITS} qubits of a device",
                    remedy=f"From 1 to {HARD_MAX_QUBITS} are accepted.",
                    line=line,
                )
            self.device[number] = self.n_qubits, line
            self.n_qubits += 1
        return self.device[number][0]

    def _check_block(self) -> None:
        used = self.touched | self.measured.keys() if self.measured else range(self.n_qubits)
        numbers = sorted(number for number, (qubit, _) in self.device.items() if qubit in used)
        for before, number in itertools.pairwise(numbers):
            if any(between not in self.device for between in range(before + 1, number)):
                raise InvalidInput(
                    f"the circuit uses the qubits ${before} and ${number} of a device and not all between them, so they "
                    "are not one block",
                    remedy="Export it before it is compiled for a device, or compile it with "
                    "`transpile(circuit, initial_layout=range(circuit.num_qubits), ...)`.",
                    line=self.device[number][1],
                )


def range_values(given: list[int | None], size: int | None, line: int) -> range:
    """Return the values of ``first:last`` or ``first:step:last``; both ends belong to it.

    Args:
        given: the two or three numbers.
        size: of the register whose places are meant, None for a loop.
        line: where it is.

    Raises:
        InvalidInput: the step is 0.
    """
    first, *middle, last = given
    step = middle[0] if middle and middle[0] is not None else 1
    if step == 0:
        raise InvalidInput("a range with step 0 never ends", remedy="Use another step.", line=line)
    if size is not None:
        ends = (0, size - 1) if step > 0 else (size - 1, 0)
        first = ends[0] if first is None else first + size * (first < 0)
        last = ends[1] if last is None else last + size * (last < 0)
    assert first is not None
    assert last is not None
    return range(first, last + (1 if step > 0 else -1), step)


def _in_range(index: int, size: int, operand: Operand) -> int:
    if not -size <= index < size:
        raise InvalidInput(
            f"{operand.name[:80]}[{index}] is out of range",
            remedy=f"The register has {size} places, from 0.",
            line=operand.line,
        )
    return index


def _mixture_error(line: int) -> InvalidInput:
    return InvalidInput(
        "the circuit uses registers and qubits of a device ($0, $1, ...)", remedy="Use one of the two.", line=line
    )
