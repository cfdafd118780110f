"""How a command ends after an error: one sentence and an exit code of the table, never a traceback."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from qhybrid_pipelines.commands.common import echo
from qhybrid_pipelines.commands.output_streams import (
    READER_WENT_AWAY,
    OutputFailed,
    discard_output,
    explain_failure,
    flush_output,
)
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.system.stop_request import StopRequested, stop_requested


def run_to_end(app: Callable[[], Any]) -> None:
    """Run a command, and end the process as its errors say.

    Raises:
        SystemExit: with the exit code.
        Exception: what is neither an error of ours nor a failure of this machine is a bug, and shows its traceback.
    """
    try:
        try:
            app()
        finally:
            flush_output()
    except StopRequested as request:
        _end_stopped(request)
    except QHybridError as error:
        _end_if_stopped()
        _end_with(error, as_json="--json" in sys.argv)
    except BrokenPipeError:
        discard_output()
        raise SystemExit(READER_WENT_AWAY) from None
    except Exception as error:
        # Libraries that are interrupted make errors of their own of it.
        _end_if_stopped()
        failure = explain_failure(error)
        if failure is None:
            raise
        if isinstance(error, OutputFailed):
            discard_output()
        _end_with(failure, as_json="--json" in sys.argv and not isinstance(error, OutputFailed))


def _end_if_stopped() -> None:
    """End as a signal asked; errors that only follow from it are not reported."""
    if (request := stop_requested()) is not None:
        _end_stopped(request)


def _end_stopped(request: StopRequested) -> NoReturn:
    echo(f"stopped by {request.reason}: nothing was sent afterwards.", err=True)
    raise SystemExit(request.exit_code) from None


def _end_with(error: QHybridError, *, as_json: bool) -> NoReturn:
    with contextlib.suppress(OSError):
        try:
            from qhybrid_pipelines.terminal import print_error
        except (ImportError, MemoryError):  # not enough memory is left for the libraries that draw tables
            echo(json.dumps(error.details()) if as_json else f"error: {error}", err=not as_json)
        else:
            print_error(error, as_json=as_json)
    raise SystemExit(error.exit_code) from None
