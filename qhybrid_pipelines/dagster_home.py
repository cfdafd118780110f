"""Where Dagster keeps its own state: below the home folder, or on a Postgres server that the environment names."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from filelock import FileLock

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.dagster_storage import sqlite_settings
from qhybrid_pipelines.settings import DAGSTER_POSTGRES_VARIABLE
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.postgres import DRIVER, postgres_url


def instance_ref(folder: Path) -> InstanceRef:
    """Return the reference of the Dagster instance in a folder, laid out as `dagster.yaml` says it for ``data/dagster``.

    Runs of the command line hold no slots of pools: a killed process would keep its slot, and the next one would wait
    for it for ever. What must not happen twice at once is locked below Dagster anyway. Nor is their output captured, which
    is on the terminal: Dagster starts two watching processes per step for that.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return InstanceRef.from_dir(
        str(folder),
        overrides={
            "telemetry": {"enabled": False},
            "concurrency": {"pools": {"granularity": "run"}},
            "compute_logs": {
                "module": "dagster._core.storage.noop_compute_log_manager",
                "class": "NoOpComputeLogManager",
            },
            **(_server_storage() or sqlite_settings(folder)),
        },
    )


def make_dagster_storage(home: Home) -> None:
    """Create Dagster's databases whole: beside their place, then renamed into it.

    Dagster creates their tables one by one and takes a file that exists for a finished one, so that a process killed
    in between would leave a home that can never be opened again. On a server there is nothing to do: what is missing is
    created there when it is opened, in transactions.
    """
    if _server_storage():
        return
    with FileLock(home.locks / "dagster.lock"):
        missing = [name for name in ("history", "schedules") if not (home.dagster / name).exists()]
        if not missing:
            return
        with files.scratch_folder(home.tmp) as built:
            dg.DagsterInstance.from_ref(instance_ref(built)).dispose()
            for name in missing:
                files.give_usual_permissions(built / name)
                _promote(built / name, home.dagster / name)


def _promote(built: Path, place: Path) -> None:
    """Put a folder in its place, unless a daemon of Dagster, which knows no lock of ours, has just made one there."""
    try:
        files.promote(built, place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def is_on_server() -> bool:
    """Tell whether Dagster's state is on a server."""
    return bool(_server_storage())


def _server_storage() -> dict[str, Any]:
    """Return the part of an instance's settings that puts its storage on a server, empty where none is named.

    The settings name the variable and not its value: they are handed on to processes on their command lines.

    Raises:
        InvalidInput: this is not an address, or it leaves the driver open. Dagster hands it to SQLAlchemy as it is, whose next
            release gives it to psycopg 3, under which the first event of a run fails (NOTIFY takes no parameters there).
    """
    address = os.environ.get(DAGSTER_POSTGRES_VARIABLE)
    if not address:
        return {}
    postgres_url(address, variable=DAGSTER_POSTGRES_VARIABLE)
    if not address.startswith(f"{DRIVER}://"):
        raise InvalidInput(
            "the address leaves the driver open, and Dagster works with one only",
            remedy=f"Let it begin with {DRIVER}://.",
            field=DAGSTER_POSTGRES_VARIABLE,
        )
    return {"storage": {"postgres": {"postgres_url": {"env": DAGSTER_POSTGRES_VARIABLE}}}}
