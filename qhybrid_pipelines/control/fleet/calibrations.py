"""Looking at the calibrations of all devices and keeping every one that is new, so that drift can be seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.control.backends.routing import staleness
from qhybrid_pipelines.control.control_plane import Gateway
from qhybrid_pipelines.control.ledger.port import KeptCalibration
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.execution.figures import figures_of


def keep_calibrations(gateway: Gateway) -> list[str]:
    """Keep the newest calibration of every backend; return one sentence for each provider that did not answer.

    A provider that nobody has set up is left alone.
    """
    problems = []
    for provider in gateway.providers.values():
        if gateway.needs(provider.name) is not None:
            continue
        try:
            for backend in provider.backends():
                calibration = provider.calibration(backend)
                if calibration is not None:
                    gateway.ledger.add_calibration(backend, calibration)
        except ProviderError as error:
            problems.append(str(error))
    return problems


def calibration_row(kept: KeptCalibration) -> dict[str, Any]:
    """Return a row of `calibrations`."""
    calibration = kept.calibration
    return {
        "backend": kept.backend,
        "calibration_id": calibration.calibration_id,
        "measured_at": calibration.measured_at,
        "fetched_at": calibration.fetched_at,
        **figures_of(calibration.payload).to_row(),
        "payload": canonical_json(calibration.payload),
    }


def stale_calibrations(gateway: Gateway) -> list[str]:
    """Return one sentence for each device whose newest calibration is older than the policy allows, or of the future."""
    newest = {kept.backend: kept.calibration for kept in gateway.ledger.calibrations()}
    rules, now = gateway.dispatcher.policy.routing.calibration, datetime.now(UTC)
    found = {
        backend: staleness(calibration, rules, now)
        and staleness(calibration, rules, now, runs_ahead=_runs_ahead(gateway, backend))
        for backend, calibration in newest.items()
    }
    # A fake device's calibration never changes, and is no worse for its age.
    return [
        f"{backend}: {problem}" for backend, problem in found.items() if problem and not gateway.is_immediate(backend)
    ]


def _runs_ahead(gateway: Gateway, backend: str) -> bool:
    """Tell whether a backend's time is an emulator's; one that does not answer is taken for a device."""
    provider = gateway.providers.get(backend.partition(":")[0])
    try:
        return provider is not None and provider.capabilities(backend).mode == "emulator"
    except ProviderError:
        return False
