"""Devices that the service, or QRMI in its place, describes: read once in some minutes, with the limits that follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs.backend_declaration import Declaration
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration, Capabilities
from qhybrid_pipelines.core.specifications.mitigation_specification import DECOUPLING, TWIRLING
from qhybrid_pipelines.execution.ibm.calibrations import calibration_from_properties
from qhybrid_pipelines.execution.ibm.devices import MAX_EXECUTIONS, Device, device_from_description

#: A device's description is asked for again after this time.
REMEMBERED_SECONDS = 300.0


class DescribedDevices:
    """The devices that were described to this process, each for `REMEMBERED_SECONDS`."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, Device]] = {}

    def device(
        self, key: Hashable, name: str, describe: Callable[[], tuple[dict[str, Any], dict[str, Any]]], *, backend: str
    ) -> Device:
        """Return a device.

        Args:
            key: what its description depends on.
            name: the vendor's.
            describe: asks for its configuration and its properties.
            backend: its full name, for messages.

        Raises:
            Unavailable: the description cannot be read. What ``describe`` raises is passed on.
        """
        described_at, known = self._known.get(key, (0.0, None))
        if known and time.monotonic() - described_at < REMEMBERED_SECONDS:
            return known
        configuration, properties = describe()
        with _reading(backend):
            device = device_from_description(name, configuration, properties)
        self._known[key] = (time.monotonic(), device)
        return device


def described_calibration(name: str, properties: dict[str, Any], *, backend: str) -> Calibration:
    """Return the calibration that a device's properties state. Raises `Unavailable` where they cannot be read."""
    with _reading(backend):
        return calibration_from_properties({**properties, "backend_name": name}, fetched_at=datetime.now(UTC))


def device_capabilities(
    backend: str, device: Device, declaration: Declaration, *, on_this_machine: bool, region: str
) -> Capabilities:
    """Return limits as the device's configuration states them, and what is declared of its kind.

    Args:
        backend: its full name.
        device: as it is described.
        declaration: of the adapter, for this kind of backend.
        on_this_machine: whether the service is an emulated one.
        region: where jobs are processed.
    """
    return Capabilities(
        backend=backend,
        max_qubits=device.n_qubits,
        max_shots=device.max_shots,
        max_circuits_per_job=MAX_EXECUTIONS,
        max_executions_per_job=MAX_EXECUTIONS,
        native_gates=device.gates,
        parametric=True,
        simulator=False,
        noisy=True,
        runs_as_compiled=True,
        suppression=(DECOUPLING, TWIRLING),
        listing_lag_seconds=0.0,
        mode="emulator" if on_this_machine else "hardware",
        region=region,
        **declaration.capability_fields(),
    )


@contextmanager
def _reading(backend: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  the vendor's code on a description of any form; its own exceptions are many
        raise Unavailable(f"the description of {backend} cannot be read: {type(error).__name__}: {error}") from None
