"""Looking at the calibrations of all devices and keeping every one that is new, so that drift can be seen."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.control.backends.routing import staleness
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.ledger.port import StoredCalibration
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.execution.calibration_summary import summarise_calibration


def store_calibrations(control_plane: ControlPlane) -> list[str]:
    """Keep the newest calibration of every backend; return one sentence for each provider that did not answer.

    A provider that nobody has set up is left alone, and one that did not answer is not asked for its other backends. Nor is a
    simulated device that no job names: its calibration never changes, and the first job on it keeps it.
    """
    dispatcher, problems = control_plane.dispatcher, {}
    used = control_plane.ledger.backends_used()
    for backend in control_plane.backends:
        provider = backend.partition(":")[0]
        if control_plane.is_immediate(backend) and backend not in used:
            continue
        if provider in problems or dispatcher.missing_setting(backend) is not None:
            continue
        try:
            calibration = dispatcher.calibration(backend)
        except ProviderError as error:
            problems[provider] = str(error)
        else:
            if calibration is not None:
                control_plane.ledger.add_calibration(backend, calibration)
    return list(problems.values())


def calibration_row(stored: StoredCalibration) -> dict[str, Any]:
    """Return a row of `backend_calibrations`."""
    calibration = stored.calibration
    return {
        "backend": stored.backend,
        "calibration_id": calibration.calibration_id,
        "measured_at": calibration.measured_at,
        "fetched_at": calibration.fetched_at,
        **summarise_calibration(calibration.payload).to_row(),
        "payload": canonical_json(calibration.payload),
    }


def stale_calibrations(control_plane: ControlPlane, *, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Return one sentence for each device whose newest calibration is older than the policy allows, or of the future."""
    newest = {stored.backend: stored.calibration for stored in control_plane.ledger.calibrations()}
    rules, now = control_plane.dispatcher.policy.routing.calibration, clock.now()
    found = {
        backend: staleness(calibration, rules, now)
        and staleness(calibration, rules, now, has_virtual_clock=_has_virtual_clock(control_plane, backend))
        for backend, calibration in newest.items()
    }
    # A fake device's calibration never changes, and is no worse for its age.
    return [
        f"{backend}: {problem}"
        for backend, problem in found.items()
        if problem and not control_plane.is_immediate(backend)
    ]


def _has_virtual_clock(control_plane: ControlPlane, backend: str) -> bool:
    """Tell whether a backend's time is an emulator's; one that does not answer is taken for a device."""
    try:
        return control_plane.dispatcher.capabilities(backend).mode == "emulator"
    except (InvalidInput, ProviderError):
        return False
