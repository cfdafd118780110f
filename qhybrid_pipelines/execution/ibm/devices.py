"""A device as its vendor describes it: configuration, dated properties, and the compiler's target made from both."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.execution.ibm.calibrations import calibration_from_properties

if TYPE_CHECKING:
    from qiskit.transpiler import Target

#: Most executions (circuits x shots) of one sampler job at the service, from the vendor's page on job limits.
MAX_EXECUTIONS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device as its vendor describes it.

    Attributes:
        gates: names of its own gates.
        target: gates, couplings and errors, for the compiler and the noise.
        target_digest: hash of all that ``target`` is made from.
        max_shots: per circuit, from its configuration.
        max_circuits: per job.
        seconds_per_shot: the wait between two shots, which is most of what a shot takes.
    """

    n_qubits: int
    gates: tuple[str, ...]
    target: Target
    target_digest: str
    calibration: Calibration
    max_shots: int
    max_circuits: int
    seconds_per_shot: float


def make_device(configuration: Any, properties: Mapping[str, Any], target: Target, *, max_circuits: int) -> Device:
    """Return a device.

    Args:
        configuration: the vendor's ``QasmBackendConfiguration``.
        properties: as a dictionary, dates as text or `datetime`.
        target: made of both.
        max_circuits: per job.
    """
    calibration = calibration_from_properties(properties, fetched_at=datetime.now(UTC))
    digest = content_hash(
        {
            "calibration": calibration.calibration_id,
            "gates": sorted(target.operation_names),
            "couplings": sorted(map(list, configuration.coupling_map)),
        }
    )
    return Device(
        n_qubits=configuration.n_qubits,
        gates=tuple(configuration.basis_gates),
        target=target,
        target_digest=digest,
        calibration=calibration,
        max_shots=configuration.max_shots,
        max_circuits=max_circuits,
        seconds_per_shot=configuration.default_rep_delay,
    )


def device_from_description(name: str, configuration: dict[str, Any], properties: dict[str, Any]) -> Device:
    """Return a device from the service's JSON, read by the vendor's own code."""
    from qiskit_ibm_runtime.utils.backend_converter import convert_to_target
    from qiskit_ibm_runtime.utils.backend_decoder import configuration_from_server_data, properties_from_server_data

    # Both readers write into what they are given.
    reported = configuration_from_server_data(deepcopy(configuration))
    target = convert_to_target(
        configuration=reported,
        properties=properties_from_server_data(deepcopy(properties)),
        include_fractional_gates=False,
    )
    return make_device(reported, {**properties, "backend_name": name}, target, max_circuits=MAX_EXECUTIONS)
