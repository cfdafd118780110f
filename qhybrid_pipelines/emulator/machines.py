"""What the emulated machines are: sizes, limits, prices, speeds and how good they are on an average day.

The figures are plausible ones for trapped-ion machines, kept as data; a price or a fidelity here is not a statement about
the real product. Prices follow the published shape of a gate-shot tariff with a minimum per job (Azure Quantum's
price list for Aria and Forte, documentation of December 2024). How fidelities move from day to day is `drift`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PAGE_LIMIT = 25
"""Jobs per page of a listing, the published maximum of the parameter ``limit``."""

WIDEST_SIMULATION_QUBITS = 22
"""A circuit may touch this many qubits; more would outlast a client's patience."""

DEBIASING_MINIMUM_SHOTS = 500
"""Published lower bound of shots for error mitigation by debiasing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Median fidelities of one day, each a probability of success.

    Attributes:
        one_qubit: of a single-qubit gate.
        two_qubit: of an entangling gate.
        spam: of preparing and reading one qubit.
    """

    one_qubit: float
    two_qubit: float
    spam: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One backend.

    Attributes:
        name: as in the interface.
        qubits: largest circuit.
        max_shots: per circuit of a job.
        max_circuits: per job.
        average_fidelity: fidelities around which the daily ones wander; None on a machine without noise.
        serial: jobs run one after the other, in the order of acceptance.
        average_wait_seconds: virtual seconds that other customers' work takes before an idle machine turns to a job.
        one_qubit_gate_usd: price per gate and shot.
        two_qubit_gate_usd: price per gate and shot.
        minimum_usd: least price of a job.
        noise_name: name by which the simulator imitates this machine; None where it cannot.
    """

    name: str
    qubits: int
    max_shots: int
    max_circuits: int
    average_fidelity: Fidelity | None
    serial: bool
    average_wait_seconds: float
    one_qubit_gate_usd: float
    two_qubit_gate_usd: float
    minimum_usd: float
    noise_name: str | None = None

    def price_usd(self, *, one_qubit_gates: int, two_qubit_gates: int, shots: int) -> float:
        """Return what a job costs; gates are those of all its circuits together, shots those of each."""
        work = shots * (one_qubit_gates * self.one_qubit_gate_usd + two_qubit_gates * self.two_qubit_gate_usd)
        return round(max(self.minimum_usd, work), 4)

    def execution_seconds(self, *, circuits: int, one_qubit_gates: int, two_qubit_gates: int, shots: int) -> float:
        """Return how long the machine is busy, virtual seconds; gates are those of all circuits together."""
        if not self.serial:
            return 0.5 * circuits
        per_shot = (
            _SHOT_SECONDS * circuits + _ONE_QUBIT_SECONDS * one_qubit_gates + _TWO_QUBIT_SECONDS * two_qubit_gates
        )
        return 1.0 + shots * per_shot


# trapped-ion orders of magnitude: gates are slow, coherence is long
_SHOT_SECONDS = 320e-6
_ONE_QUBIT_SECONDS = 10e-6
_TWO_QUBIT_SECONDS = 100e-6
TIMING: Mapping[str, float] = MappingProxyType(
    {
        "1q": _ONE_QUBIT_SECONDS,
        "2q": _TWO_QUBIT_SECONDS,
        "readout": 300e-6,
        "reset": 20e-6,
        "t1": 100.0,
        "t2": 1.0,
    }
)
"""Seconds, as the characterization names them."""

MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        machine.name: machine
        for machine in (
            Machine(
                name="simulator",
                qubits=29,
                max_shots=1_000_000,
                max_circuits=500,
                average_fidelity=None,
                serial=False,
                average_wait_seconds=1.0,
                one_qubit_gate_usd=0.0,
                two_qubit_gate_usd=0.0,
                minimum_usd=0.0,
            ),
            Machine(
                name="qpu.aria-1",
                qubits=25,
                max_shots=10_000,
                max_circuits=300,
                average_fidelity=Fidelity(one_qubit=0.9998, two_qubit=0.9880, spam=0.9940),
                serial=True,
                average_wait_seconds=20.0,
                one_qubit_gate_usd=0.000220,
                two_qubit_gate_usd=0.000975,
                minimum_usd=12.4166,
                noise_name="aria-1",
            ),
            Machine(
                name="qpu.forte-1",
                qubits=36,
                max_shots=10_000,
                max_circuits=300,
                average_fidelity=Fidelity(one_qubit=0.9998, two_qubit=0.9950, spam=0.9960),
                serial=True,
                average_wait_seconds=40.0,
                one_qubit_gate_usd=0.0001645,
                two_qubit_gate_usd=0.001121,
                minimum_usd=25.7899,
                noise_name="forte-1",
            ),
            Machine(
                name="qpu.forte-enterprise-1",
                qubits=36,
                max_shots=10_000,
                max_circuits=300,
                average_fidelity=Fidelity(one_qubit=0.9998, two_qubit=0.9945, spam=0.9955),
                serial=True,
                average_wait_seconds=30.0,
                one_qubit_gate_usd=0.0001645,
                two_qubit_gate_usd=0.001121,
                minimum_usd=25.7899,
                noise_name="forte-enterprise-1",
            ),
        )
    }
)
"""Every backend by name; which of them are listed is said by `interface`."""

NOISE_MODELS: Mapping[str, str] = MappingProxyType(
    {machine.noise_name: name for name, machine in MACHINES.items() if machine.noise_name is not None}
)
"""The simulator's noise models other than ``ideal``, and the machine that each imitates."""
