"""What the service shows: experiments, jobs, results and events of a home, as plain values of the interface.

Everything is read where it is kept; nothing is asked of any provider, and nothing is kept here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.control.experiments.due_stages import NEEDS_A_PERSON, due_stages
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord
from qhybrid_pipelines.core.errors import InvalidInput, MissingUpstream
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT, KEY_PATTERN
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.service.intake.request_store import RequestStore
from qhybrid_pipelines.service.problem_documents import not_found
from qhybrid_pipelines.steps.learning.verdict_summary import learning_verdicts
from qhybrid_pipelines.steps.on_demand.answers import named_answers
from qhybrid_pipelines.steps.on_demand.summary import verdicts
from qhybrid_pipelines.steps.sampling.verdict_summary import sampling_verdicts
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.label_store import read_labels

Fields = dict[str, Any]
#: Tells whether somebody may see what belongs to an experiment.
MaySee = Callable[[str], bool]
#: Rows that are looked through for one page at most, where most of them belong to others.
MOST_ROWS_READ = 5_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some resources of a list, and where the next page begins; None at the end."""

    items: list[Fields]
    last: str | None


@dataclass
class Resources:
    """The resources of a home.

    Attributes:
        workspace: the home.
        requests: what was accepted.
    """

    workspace: Workspace
    requests: RequestStore
    _keys: tuple[int, tuple[str, ...]] = field(default=(-1, ()))

    def experiments(self, *, after: str, limit: int, may_see: MaySee, tag: str | None) -> Page:
        """Return a page of experiments by key, each as far as its files tell without asking the ledger."""
        keys = self._sorted_keys()
        found: list[Fields] = []
        last = None
        for key in keys[bisect_right(keys, after) :]:
            if not may_see(key):
                continue
            labels = read_labels(self.workspace.home, key)
            if tag is not None and tag not in labels.tags:
                continue
            if len(found) == limit:
                return Page(found, last)
            last = key
            found.append(
                {
                    "experiment": key,
                    "owner": labels.owner,
                    "tags": list(labels.tags),
                    "archived": labels.archived,
                    "href": f"/v1/experiments/{key}",
                }
            )
        return Page(found, None)

    def experiment(self, key: str) -> Fields:
        """Return an experiment with its state on every backend.

        Raises:
            ProblemError: 404, it is neither registered nor accepted.
            CorruptFile: its files are damaged.
        """
        accepted = self.requests.of_experiment(key)
        if not self._is_registered(key):
            if not accepted:
                raise not_found("experiment")
            first = accepted[0]
            return self._head(key) | {
                "state": "refused" if first.problem else "accepted",
                "reason": first.problem or "It was accepted, and is registered in a moment.",
                "accepted_at": first.accepted_at,
                "specification": None,
                "backends": [],
            }
        spec = self.workspace.specifications.load_any(key)
        ledger = self.workspace.control_plane.ledger
        jobs = ledger.jobs(experiment=key)
        damage = Damage()
        due = due_stages([(key, spec)], self.workspace.lake, self.workspace.control_plane, damage)
        for error in damage.errors:
            raise error
        stopped = Stops(self.workspace.home).get(key)
        backends = [
            {"backend": backend, **_state(backend, [job for job in jobs if job.requested_backend == backend], due)}
            for backend in spec.backends
        ]
        state, reason = _whole_state(due, jobs, stopped=stopped is not None)
        return self._head(key) | {
            "state": state,
            "reason": reason,
            "accepted_at": accepted[0].accepted_at if accepted else None,
            "specification": spec.model_dump(mode="json"),
            "backends": backends,
        }

    def results(self, key: str) -> Fields:
        """Return the verdicts of an experiment, and its answers by name.

        Raises:
            ProblemError: 404, there is no such experiment.
        """
        if not self._is_registered(key):
            if self.requests.of_experiment(key):
                return {"experiment": key, "verdicts": [], "answers": []}
            raise not_found("experiment")
        specifications, lake = self.workspace.specifications, self.workspace.lake
        damage = Damage()
        answers: list[Any] = []
        spec = specifications.load_any(key)
        if isinstance(spec, LearningSpec):
            rows = learning_verdicts([key], lake, specifications, damage)
        elif isinstance(spec, SamplingSpec):
            rows = sampling_verdicts([key], lake, specifications, damage)
        else:
            rows = verdicts([key], lake, specifications, damage)
            answers = self._answers(key)
        for error in damage.errors:
            raise error
        return {"experiment": key, "verdicts": [_plain(row) for row in rows], "answers": answers}

    def jobs(self, *, after: str, limit: int, may_see: MaySee, experiment: str | None) -> Page:
        """Return a page of jobs by id."""
        ledger = self.workspace.control_plane.ledger
        found: list[Fields] = []
        last, rows_read = after, 0
        while True:
            rows = ledger.page_of_jobs(after=last, limit=limit + 1, experiment=experiment)
            for job in rows:
                rows_read += 1
                if job.experiment != CANARY_EXPERIMENT and may_see(job.experiment):
                    if len(found) == limit:
                        return Page(found, last)
                    found.append(job_fields(job))
                last = job.job_id
            if len(rows) <= limit:
                return Page(found, None)
            if rows_read >= MOST_ROWS_READ:
                return Page(found, last)

    def job(self, job_id: str, may_see: MaySee) -> Fields:
        """Return a job with its events.

        Raises:
            ProblemError: 404, there is no such job, or it is somebody else's.
        """
        ledger = self.workspace.control_plane.ledger
        try:
            job = ledger.job(job_id)
        except InvalidInput:
            raise not_found("job") from None
        if not may_see(job.experiment):
            raise not_found("job")
        events = [event_fields(event, job.experiment) for event in ledger.events(job_id)]
        return job_fields(job) | {"events": events}

    def events(self, *, after: int, limit: int, may_see: MaySee, types: Collection[str] | None = None) -> EventPage:
        """Return the events after a position, in the order they were written.

        The position that is given back goes on also over events that were left out, so that nobody looks at them twice.
        """
        ledger = self.workspace.control_plane.ledger
        found: list[Fields] = []
        position, rows_read = after, 0
        experiments: dict[str, str] = {}
        while len(found) < limit and rows_read < MOST_ROWS_READ:
            rows = ledger.events(after=position, limit=limit)
            for row in rows:
                rows_read += 1
                if row.job_id not in experiments:
                    experiments[row.job_id] = ledger.job(row.job_id).experiment
                experiment = experiments[row.job_id]
                fields = event_fields(row, experiment)
                wanted = types is None or fields["type"] in types
                if wanted and experiment != CANARY_EXPERIMENT and may_see(experiment):
                    if len(found) == limit:
                        return EventPage(found, position, more=True)
                    found.append(fields)
                position = row.position
            if len(rows) < limit:
                return EventPage(found, position, more=False)
        return EventPage(found, position, more=True)

    def known(self, key: str) -> bool:
        """Tell whether an experiment is registered or accepted."""
        return self._is_registered(key) or bool(self.requests.of_experiment(key))

    def _head(self, key: str) -> Fields:
        labels = read_labels(self.workspace.home, key)
        return {
            "experiment": key,
            "owner": labels.owner,
            "tags": list(labels.tags),
            "archived": labels.archived,
            "href": f"/v1/experiments/{key}",
            "results": f"/v1/experiments/{key}/results",
            "jobs": f"/v1/jobs?experiment={key}",
        }

    def _answers(self, key: str) -> list[Fields]:
        try:
            answers = named_answers(key, self.workspace.specifications, self.workspace.lake)
        except MissingUpstream:
            return []
        return [_plain(asdict(answer)) for answer in answers]

    def _is_registered(self, key: str) -> bool:
        return KEY_PATTERN.fullmatch(key) is not None and key in self.workspace.specifications

    def _sorted_keys(self) -> tuple[str, ...]:
        """Return all keys; the folder is listed again only when it has changed."""
        changed = self.workspace.home.specifications.stat().st_mtime_ns
        # A folder that changed just now may change once more within the same tick of its clock.
        settled = datetime.now(UTC).timestamp() * 1e9 - changed > 2e9
        if self._keys[0] != changed or not settled:
            self._keys = (changed, self.workspace.specifications.keys())
        return self._keys[1]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, the position to go on from, and whether more may be there already."""

    items: list[Fields]
    position: int
    more: bool


def job_fields(job: JobRecord) -> Fields:
    """Return a job as the interface shows it."""
    return {
        "job": job.job_id,
        "experiment": job.experiment,
        "backend": job.backend,
        "requested_backend": job.requested_backend,
        "state": str(job.state),
        "error": job.error,
        "circuits": job.circuits,
        "shots": job.shots,
        "attempt": job.attempt,
        "provider_job_id": job.provider_job_id,
        "cost_quoted_usd": job.cost_quoted_usd,
        "cost_usd": job.cost_usd,
        "cost_charged_usd": job.cost_settled_usd,
        "principal": job.principal,
        "approved_by": job.approved_by,
        "created_at": job.created_at.isoformat(),
        "updated_at": job.updated_at.isoformat(),
        "correlation_id": job.correlation_id,
        "href": f"/v1/jobs/{job.job_id}",
    }


def event_fields(event: EventRecord, experiment: str) -> Fields:
    """Return an event as the interface shows it."""
    return {
        "position": event.position,
        "type": event.event,
        "job": event.job_id,
        "experiment": experiment,
        "sequence": event.sequence,
        "from_state": None if event.from_state is None else str(event.from_state),
        "to_state": str(event.to_state),
        "at": event.at.isoformat(),
        "clock": event.clock,
        "raw_status": event.raw_status,
        "detail": None if event.detail is None else dict(event.detail),
    }


def _state(backend: str, jobs: list[JobRecord], due: Iterable[Any]) -> Fields:
    """Return the state of an experiment on one backend: never one word for everything."""
    stages = [stage.job for stage in due if stage.backend in (None, backend)]
    waiting = [job for job in jobs if job.state in NEEDS_A_PERSON]
    held = [job for job in jobs if job.state in OPEN]
    if waiting:
        state, reason = "needs_a_person", f"{len(waiting)} of its jobs wait for a person."
    elif held:
        state, reason = "with_provider", f"{len(held)} of its jobs are with the provider."
    elif stages:
        state, reason = "due", f"Its stage {stages[0]!r} is due."
    else:
        state, reason = "decided", "Nothing is left to be done."
    return {
        "state": state,
        "reason": reason,
        "due": stages,
        "jobs": {str(name): sum(job.state == name for job in jobs) for name in sorted({job.state for job in jobs})},
        "problems": [job.error for job in jobs if job.error],
    }


def _whole_state(due: Collection[Any], jobs: Collection[JobRecord], *, stopped: bool) -> tuple[str, str]:
    if stopped:
        return "stopped", "A person stopped it; `qhybrid run` lets it go on."
    if any(job.state in NEEDS_A_PERSON for job in jobs):
        return "needs_a_person", "A job waits for a person."
    if any(job.state in OPEN for job in jobs):
        return "with_provider", "A provider has some of its jobs."
    if due:
        return "due", "A stage is due, and is begun by whoever runs the pipeline on this home."
    return "decided", "Nothing is left to be done: see its results."


def _plain(value: Any) -> Any:
    """Return a value with nothing in it that JSON cannot carry: NaN and infinities become null."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124  only NaN is not itself
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
