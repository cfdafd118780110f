"""Histories of a home that nobody would want: experiments in every stage, files that appear, change and vanish, jobs that come back.

Each step does one thing that a person, a stage, a provider or a failing disk may do. Files are as the pipeline writes them where
somebody reads them, and only there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from qhybrid_pipelines.control.experiments.due_stages import deciding_tables
from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.specifications.experiment_specification import Lineage
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import ledger_plans, sample_execution_tables, sample_experiments
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

BACKENDS = ("ionq:simulator", "local:auto")
OPTIMISATION = "name: {}\nproblem: {{family: maxcut, source: 'networkx:petersen'}}\nbackends: {}\n"
LEARNING = "kind: qml\nname: {}\ndataset: {{source: 'sklearn:iris'}}\n"
#: How far a job has come, from a plan that waits to be sent to a result that is there.
LIVES = {
    "to be sent": (Event.PLAN, Event.APPROVE),
    "with its provider": (Event.PLAN, Event.APPROVE, Event.SUBMIT, Event.ACKNOWLEDGE, Event.QUEUE),
    "to be collected": (
        Event.PLAN,
        Event.APPROVE,
        Event.SUBMIT,
        Event.ACKNOWLEDGE,
        Event.QUEUE,
        Event.START,
        Event.COMPLETE,
    ),
}


@dataclass
class View:
    """As much of the gateway as what is due asks for."""

    ledger: MemoryLedger

    def is_immediate(self, backend: str) -> bool:
        return backend.startswith("local:")

    def may_need_approval(self, backend: str) -> bool:
        return False


@dataclass
class HomeHistory:
    """A home to which things happen; whatever a step cannot do to it, it leaves."""

    home: Home
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    counter: itertools.count = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.home.make()
        self.lake, self.specifications = Lake(self.home), Specifications(self.home)
        self.registration = Registration(self.specifications, BACKENDS)
        self.view, self.stops = View(self.ledger), Stops(self.home)

    def experiments(self) -> list[str]:
        return list(self.specifications)

    def register(self, *, both: bool = False, learning: bool = False) -> str:
        name = f"number {next(self.counter)}"
        text = (
            LEARNING.format(name) if learning else OPTIMISATION.format(name, list(BACKENDS if both else BACKENDS[:1]))
        )
        return self.registration.register_text(text, file="history", folder=Path()).key

    def write_next_table(self, key: str) -> None:
        """One table more of those that decide an experiment, in the order in which they are written."""
        for table, partition in deciding_tables(key, self.specifications.load_any(key)):
            if not self.lake.exists(table, partition):
                self.write(table, partition)
                return

    def decide(self, key: str) -> None:
        """Everything that decides an experiment is written."""
        for table, partition in deciding_tables(key, self.specifications.load_any(key)):
            if not self.lake.exists(table, partition):
                self.write(table, partition)

    def write(self, table: str, partition: PartitionKey, **values: object) -> None:
        if table in (schemas.DECISIONS.name, schemas.QPU_SUBMISSIONS.name):
            known = dict(sample_execution_tables.execution_tables(sample_experiments.SECOND, "local:auto"))
            described = schemas.BY_NAME[table]
            row = known[described][0] | {"experiment": partition.experiment, "backend": partition.backend}
            row |= {"job_id": self.job_of(partition)} if table == schemas.QPU_SUBMISSIONS.name else {}
            self.lake.write(described, partition, from_rows(described, [row | values]))
        else:
            self.overwrite(self.lake.path(table, partition))

    def write_job(self, key: str, life: str) -> None:
        """A job of an experiment, as the table of submissions names it, or a further one of the same work."""
        spec = self.specifications.load_any(key)
        if not spec.backends:
            return
        partition = PartitionKey(experiment=key, backend=spec.backends[0])
        number = len(self.ledger.jobs(experiment=key))
        first = self.job_of(partition)
        self.ledger.plan(
            ledger_plans.plan(
                f"{first}-{number}",
                events=LIVES[life],
                experiment=key,
                backend=partition.backend,
                requested_backend=partition.backend,
                provider=str(partition.backend).partition(":")[0],
                job_id=first if not number else f"{first}-{number}",
                payload_sha256=key,
                run_number=number + 1,
            )
        )

    def finish_jobs(self, key: str) -> None:
        """What waits to be sent is refused, and what a provider has is there."""
        for job in self.ledger.jobs(experiment=key):
            if str(job.state) == "APPROVED":
                ledger_plans.apply_events(self.ledger, job, Event.SUBMIT, Event.REJECT)
            elif str(job.state) == "QUEUED":
                ledger_plans.apply_events(self.ledger, job, Event.START, Event.COMPLETE)

    def continue_with_a_round(self, key: str) -> None:
        """Its decision, written or written again, says what is to follow."""
        spec = self.specifications.load_any(key)
        if not hasattr(spec, "lineage") or not spec.backends:
            return
        lineage = Lineage(round=spec.lineage.round + 1, parent=key, root=spec.lineage.root or key, incumbent="0" * 10)
        following = spec.model_copy(update={"lineage": lineage, "seed": next(self.counter) + 100})
        partition = PartitionKey(experiment=key, backend=spec.backends[0])
        text = canonical_json(following.model_dump(mode="json"))
        self.write(schemas.DECISIONS.name, partition, next_specification=text, decision="continue")

    def remove_a_table(self, key: str, number: int) -> None:
        tables = deciding_tables(key, self.specifications.load_any(key))
        table, partition = tables[number % len(tables)]
        self.lake.path(table, partition).unlink(missing_ok=True)

    def damage_a_decision(self, key: str) -> None:
        for backend in self.specifications.load_any(key).backends:
            path = self.lake.path(schemas.DECISIONS, PartitionKey(experiment=key, backend=backend))
            if path.exists():
                self.overwrite(path)

    def damage_specification(self, key: str) -> None:
        self.overwrite(self.home.specifications / f"{key}.json")

    def remove_specification(self, key: str) -> None:
        (self.home.specifications / f"{key}.json").unlink()

    def damage_requester(self, key: str) -> None:
        self.overwrite(self.home.requesters / f"{key}.json")

    def stop(self, key: str) -> None:
        self.stops.add([key], principal="a person", now=datetime.now(UTC), reason="test")

    def go_on(self, key: str) -> None:
        self.stops.remove([key])

    def damage_marks(self) -> None:
        self.overwrite(self.home.settled)

    def remove_marks(self) -> None:
        self.home.settled.unlink(missing_ok=True)

    def overwrite(self, path: Path) -> None:
        """Put something that cannot be read in place of a file, of another size each time: clocks of files are coarse."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"?" * (1 + next(self.counter)))

    def job_of(self, partition: PartitionKey) -> str:
        return f"job-{partition.backend}-{partition.experiment}"
