"""The devices that IBM's client brings along: snapshots of real ones, with their couplings, limits and calibration."""

from __future__ import annotations

from functools import cache

from qhybrid_pipelines.execution.ibm.devices import Device, make_device

#: Our names, and the classes in `qiskit_ibm_runtime.fake_provider`.
FAKES = {
    "fake_manila": "FakeManilaV2",
    "fake_sherbrooke": "FakeSherbrooke",
    "fake_torino": "FakeTorino",
    "fake_fez": "FakeFez",
    "fake_marrakesh": "FakeMarrakesh",
}


@cache
def fake_device(name: str) -> Device:
    """Return a device of `FAKES`; the first call takes a second or two."""
    from qiskit_ibm_runtime import fake_provider

    backend = getattr(fake_provider, FAKES[name])()
    configuration = backend.configuration()
    return make_device(
        configuration, backend.properties().to_dict(), backend.target, max_circuits=configuration.max_experiments
    )
