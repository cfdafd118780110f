"""The devices that IBM's client brings along: snapshots of real ones, with their couplings, limits and calibration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.jobs import Calibration
from qhybrid_pipelines.execution.ibm.calibrations import calibration_of

if TYPE_CHECKING:
    from qiskit.transpiler import Target

#: Our names, and the classes in `qiskit_ibm_runtime.fake_provider`.
FAKES = {
    "fake_manila": "FakeManilaV2",
    "fake_sherbrooke": "FakeSherbrooke",
    "fake_torino": "FakeTorino",
    "fake_fez": "FakeFez",
    "fake_marrakesh": "FakeMarrakesh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as its vendor describes it.

    Attributes:
        gates: names of its own gates.
        target: gates, couplings and errors, for the compiler and the noise.
        target_digest: hash of all that ``target`` is made from.
        max_shots: per circuit, from its configuration.
        max_circuits: per job, from its configuration.
    """

    n_qubits: int
    gates: tuple[str, ...]
    target: Target
    target_digest: str
    calibration: Calibration
    max_shots: int
    max_circuits: int


@cache
def fake_device(name: str) -> Device:
    """Return a device of `FAKES`; the first call takes a second or two."""
    from qiskit_ibm_runtime import fake_provider

    backend = getattr(fake_provider, FAKES[name])()
    configuration = backend.configuration()
    calibration = calibration_of(backend.properties().to_dict(), fetched_at=datetime.now(UTC))
    digest = content_hash(
        {
            "calibration": calibration.calibration_id,
            "gates": sorted(backend.operation_names),
            "couplings": sorted(map(list, configuration.coupling_map)),
        }
    )
    return Device(
        n_qubits=backend.num_qubits,
        gates=tuple(configuration.basis_gates),
        target=backend.target,
        target_digest=digest,
        calibration=calibration,
        max_shots=configuration.max_shots,
        max_circuits=configuration.max_experiments,
    )
