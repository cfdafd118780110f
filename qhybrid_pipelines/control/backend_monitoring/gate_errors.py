"""The gate errors that a backend reports now, for what has to be decided before a circuit is made."""

from __future__ import annotations

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.execution.calibration_summary import summarise_calibration


def two_qubit_error(dispatcher: Dispatcher, backend: str) -> float | None:
    """Return the median error of a backend's two-qubit gates; None for a simulator, and where its vendor does not say.

    Raises:
        InvalidInput: there is no such provider.
        ProviderError: it did not answer.
    """
    calibration = dispatcher.calibration(backend)
    return None if calibration is None else summarise_calibration(calibration.payload).two_qubit_error


def two_qubit_error_if_known(dispatcher: Dispatcher, backend: str) -> float | None:
    """Return the same, and None where the provider is not set up or does not answer: for what can do without it."""
    if dispatcher.missing_setting(backend) is not None:
        return None
    try:
        return two_qubit_error(dispatcher, backend)
    except ProviderError:
        return None
