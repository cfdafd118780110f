"""The devices that IBM's client brings along: snapshots of real ones, with their couplings, limits and calibration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from qhybrid_pipelines.execution.ibm.devices import Device, make_device

#: Our names, and the classes in `qiskit_ibm_runtime.fake_provider`.
FAKES = {
    "fake_manila": "FakeManilaV2",
    "fake_sherbrooke": "FakeSherbrooke",
    "fake_torino": "FakeTorino",
    "fake_fez": "FakeFez",
    "fake_marrakesh": "FakeMarrakesh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeLimits:
    """What a device takes, as its configuration says it. The fields are those of `Device`."""

    n_qubits: int
    gates: tuple[str, ...]
    max_shots: int
    max_circuits: int


@cache
def fake_limits(name: str) -> FakeLimits:
    """Return the limits of a device of `FAKES`, from its configuration alone.

    The vendor's client is not imported where its files lie where we know them: with it and the calibrations of all five
    devices, which nobody asked about, that takes two seconds.
    """
    place = find_spec("qiskit_ibm_runtime")
    word = name.removeprefix("fake_")
    for folder in (place and place.submodule_search_locations) or ():
        path = Path(folder, "fake_provider", "backends", word, f"conf_{word}.json")
        if path.is_file():
            said = json.loads(path.read_bytes())
            return FakeLimits(
                n_qubits=said["n_qubits"],
                gates=tuple(said["basis_gates"]),
                max_shots=said["max_shots"],
                max_circuits=said["max_experiments"],
            )
    device = fake_device(name)
    return FakeLimits(
        n_qubits=device.n_qubits,
        gates=device.gates,
        max_shots=device.max_shots,
        max_circuits=device.max_circuits,
    )


@cache
def fake_device(name: str) -> Device:
    """Return a device of `FAKES`; the first call takes a second or two."""
    from qiskit_ibm_runtime import fake_provider

    backend = getattr(fake_provider, FAKES[name])()
    configuration = backend.configuration()
    return make_device(
        configuration, backend.properties().to_dict(), backend.target, max_circuits=configuration.max_experiments
    )
