"""Devices of IBM that a cluster has given to this job: what the QPU plug-ins of Slurm, PBS, LSF and Flux put into its environment."""

from __future__ import annotations

import os

#: Names and kinds of the devices, in the same order; the second of each is that of earlier plug-ins.
RESOURCES_VARIABLES = ("QRMI_JOB_QPU_RESOURCES", "SLURM_JOB_QPU_RESOURCES")
TYPES_VARIABLES = ("QRMI_JOB_QPU_TYPES", "SLURM_JOB_QPU_TYPES")
#: The kinds of device behind the service that this adapter speaks to, by its earlier and its present name.
SERVICE_TYPES = frozenset({"qiskit-runtime-service", "ibm-quantum-compute-service"})


def allocated_devices() -> tuple[str, ...]:
    """Return the names of IBM's devices that this job may use; none outside of an allocation with ``--qpu``.

    A device whose kind is not told, or that is of another vendor or another service, is not one of them.
    """
    pairs = zip(_listed(RESOURCES_VARIABLES), _listed(TYPES_VARIABLES), strict=False)
    return tuple(name for name, kind in pairs if name and kind in SERVICE_TYPES)


def _listed(variables: tuple[str, ...]) -> list[str]:
    text = next(filter(None, map(os.environ.get, variables)), "")
    separator = os.environ.get("QRMI_LIST_DELIMITER") or ","
    return [part.strip() for part in text.split(separator)]
