"""The process behind `qhybrid serve --interactive`: warm, niced, and at work on what callers wait for.

It reads the table of accepted requests and runs the stages of those experiments that asked for it (`tier: interactive`), one after the
other, without a run of Dagster; Dagster is told afterwards what was written. It takes no orders, and nothing waits for it: what it does
not finish is due for whoever runs the pipeline on this home. It ends with the service, whose end closes its input.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import Stage, due_stages
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.policy.deployment import (
    ENVIRONMENT_VARIABLE,
    LEDGER_URL_VARIABLE,
    POLICY_VARIABLE,
)
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.system.files import scratch_folder
from qhybrid_pipelines.core.system.process_priority import run_when_idle
from qhybrid_pipelines.steps.interpret.next_rounds import register_next_rounds
from qhybrid_pipelines.steps.plain_stages import PLAIN_STAGES, PlainStages, WrittenTable
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.requesters import first_rounds_requester

if TYPE_CHECKING:
    import dagster as dg

TIER = "interactive"
#: Between two polls of the table; one that finds nothing new costs some tens of microseconds.
POLL_SECONDS = 0.02
#: Accepted requests that are checked when the worker starts: what an earlier one has left.
MOST_EARLIER_REQUESTS = 500
NICENESS = 10
#: Said on the output once the first experiment would be as fast as all others.
WARM = "warm"
_WARM_UP = {
    "name": "warm-up",
    "problem": {"family": "maxcut", "source": "networkx:bull"},
    "shots": 32,
    "repetitions": 2,
    "rounds": {"max": 1},
    "tier": TIER,
}


class InteractiveWorker:
    """Runs what callers wait for in one home.

    Args:
        workspace: the home.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._stages = workspace, PlainStages(workspace)
        self._unreported: list[tuple[Stage, WrittenTable]] = []
        self._instance: dg.DagsterInstance | None = None

    def run(self, key: str, requested_at: datetime) -> bool:
        """Run what is due of an experiment and of the rounds that follow; return whether anything was.

        Nothing is run of an experiment that is not for this worker, that a person has stopped, or whose stages need a provider or a
        person in between.

        Raises:
            QHybridError: as the steps; what was written before stays, and the stage is due for whoever comes next.
        """
        ran, known = set[Stage](), [key]
        for experiment in known:
            # One that is due again after it was run is for somebody who says why.
            while (stage := self._next_stage(experiment)) is not None and stage not in ran:
                ran.add(stage)
                self._run_stage(stage, requested_at)
            known += [following for following in self._following(experiment) if following not in known]
        return bool(ran)

    def report(self) -> None:
        """Tell Dagster what was written since the last time, where it keeps its records in this home."""
        if not self._unreported:
            return
        from qhybrid_pipelines.plain_stage_reports import open_instance, report_tables

        self._instance = self._instance or open_instance(self._workspace.home)
        report_tables(self._instance, self._unreported)
        self._unreported = []

    def _next_stage(self, experiment: str) -> Stage | None:
        workspace, damage = self._workspace, Damage()
        if experiment in Stops(workspace.home):
            return None
        readable = list(load_readable(workspace.specifications, [experiment], damage))
        if not all(isinstance(spec, ExperimentSpec) and self._is_ours(spec) for _, spec in readable):
            return None
        due = due_stages(readable, workspace.lake, workspace.control_plane, damage)
        return next((stage for stage in due if stage.job in PLAIN_STAGES), None)

    def _is_ours(self, spec: ExperimentSpec) -> bool:
        control_plane = self._workspace.control_plane
        return spec.tier == TIER and all(
            control_plane.is_immediate(backend) and not control_plane.may_need_approval(backend)
            for backend in spec.backends
        )

    def _run_stage(self, stage: Stage, requested_at: datetime) -> None:
        workspace = self._workspace
        spec = workspace.specifications.load(stage.experiment)
        principal = first_rounds_requester(workspace.home, stage.experiment, spec)
        run_id = str(uuid.uuid4())
        for table in self._stages.run(
            stage,
            principal=principal or workspace.control_plane.deployment.principal,
            requested_at=requested_at,
            run_id=run_id,
        ):
            self._unreported.append((stage, table))

    def _following(self, experiment: str) -> list[str]:
        workspace, damage = self._workspace, Damage()
        readable = list(load_readable(workspace.specifications, [experiment], damage))
        before = set(workspace.specifications.keys())
        new = register_next_rounds(readable, workspace.lake, workspace.registration, damage)
        return [key for key in new if key not in before]


class RequestTable:
    """The accepted requests of a home, read only.

    Args:
        path: the database of the service.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        self._version, self._seen = -1, set[int]()
        newest = self._connection.execute("SELECT coalesce(max(number), 0) FROM request").fetchone()[0]
        self._after = max(newest - MOST_EARLIER_REQUESTS, 0)

    def new(self) -> list[tuple[str, datetime]]:
        """Return the experiments that were registered since the last look, first accepted first, and when each was accepted."""
        [version] = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return []
        rows = self._connection.execute(
            "SELECT number, experiment, accepted_at, registered_at, problem FROM request WHERE number > ? ORDER BY number",
            (self._after,),
        ).fetchall()
        self._version = version
        found = []
        for number, experiment, accepted_at, registered_at, _ in rows:
            if registered_at is not None and number not in self._seen:
                self._seen.add(number)
                found.append((experiment, datetime.fromisoformat(accepted_at)))
        # Up to here nothing can be registered any more.
        for number, *_, registered_at, problem in rows:
            if registered_at is None and problem is None:
                break
            self._after = number
            self._seen.discard(number)
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def main() -> None:
    """Be the worker of a home until the service ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--idle", action="store_true", help="run only while nobody else wants the processor")
    given = parser.parse_args()
    home = Home(given.home)
    if given.idle:
        run_when_idle()
    else:
        os.nice(NICENESS)
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    warm_up(home)
    print(WARM, flush=True)  # noqa: T201 - what the service waits for
    with closing(RequestTable(home.requests)) as table:
        _work(InteractiveWorker(Workspace(home)), table)


def _work(worker: InteractiveWorker, table: RequestTable) -> None:
    while True:
        new = table.new()
        for key, requested_at in new:
            try:
                worker.run(key, requested_at)
            except QHybridError as error:  # it stays due, and whoever runs the pipeline says the same
                print(f"{key}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the log of the service
        if not new:
            try:
                worker.report()
            except Exception as error:  # noqa: BLE001  Dagster's record is for people to look at; what was run stays
                print(f"Dagster was not told: {error}", file=sys.stderr, flush=True)  # noqa: T201 - as above
            time.sleep(POLL_SECONDS)


def warm_up(home: Home) -> None:
    """Run a small experiment in a folder of its own, so that libraries are loaded and compiled before anybody waits."""
    with scratch_folder(home.tmp) as folder, _ordinary_environment():
        workspace = Workspace(Home(folder / "home").make())
        key = workspace.registration.register(ExperimentSpec.model_validate(_WARM_UP), folder=Path()).key
        InteractiveWorker(workspace).run(key, datetime.now().astimezone())
        workspace.control_plane.ledger.close()


@contextmanager
def _ordinary_environment() -> Iterator[None]:
    """Let the warm-up have a ledger and a policy of its own, wherever the service keeps its ledger."""
    names = (ENVIRONMENT_VARIABLE, LEDGER_URL_VARIABLE, POLICY_VARIABLE)
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _end_with_the_service() -> None:
    sys.stdin.buffer.read()
    os._exit(0)  # in the middle of whatever it does: a stage that was cut off is run again


if __name__ == "__main__":
    main()
