"""Is this installation well? One row per look."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

import numpy as np

from qhybrid_pipelines.control.lifecycle import OPEN
from qhybrid_pipelines.core.jobs import JobState
from qhybrid_pipelines.steps.rows import Row
from qhybrid_pipelines.steps.warehouse import is_stale
from qhybrid_pipelines.steps.workspace import Workspace


def findings(workspace: Workspace) -> list[Row]:
    """Return what was looked at, whether it is well, and what was seen."""
    home = workspace.home
    ledger = workspace.gateway.ledger
    chain = ledger.verify_chain()
    unknown = ledger.jobs(states=[JobState.SUBMIT_UNKNOWN])
    waiting = len(list(home.spool.glob("*.json"))) if home.spool.is_dir() else 0
    quarantined = len(list(home.quarantine.glob("*.error.json"))) if home.quarantine.is_dir() else 0
    # A library linked for fast mathematics can switch the whole process to flush-to-zero, which breaks transpilation.
    denormals = float(np.float64(5e-324) * np.float64(1.0)) != 0.0
    return [
        _row("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        _row(
            "packages", True, ", ".join(f"{name} {version(name)}" for name in ("dagster", "qiskit", "duckdb", "mlflow"))
        ),
        _row("floating point", denormals, "denormal numbers are kept" if denormals else "denormal numbers become zero"),
        _row("home", os.access(home.path, os.W_OK), f"{home.path} is writable"),
        _row("backends", bool(workspace.gateway.backends), ", ".join(workspace.gateway.backends)),
        _row("ledger chain", chain.whole, chain.problem or f"{chain.events} events, all links whole"),
        _row("open jobs", True, str(len(ledger.jobs(states=list(OPEN))))),
        _row("jobs that wait for a person", not unknown, ", ".join(job.job_id for job in unknown) or "none"),
        _row(
            "warehouse",
            True,
            "older than the lake; the next publish renews it" if is_stale(workspace) else "up to date",
        ),
        _row("MLflow spool", True, f"{waiting} records wait; `qhybrid sync` hands them over"),
        _row("quarantine", True, f"{quarantined} files; each has a .error.json beside it"),
    ]


def _row(look: str, ok: bool, seen: str) -> Row:  # noqa: FBT001  a private helper with an obvious second argument
    return {"look": look, "ok": ok, "seen": seen}
