"""Removing what is older than the policy wants it kept: what would go, and what went.

Only of experiments that are decided on all backends, have no open job, and of which no later round is open; the period counts from the
newest verdict. Ledger, specifications, verdicts and what an answer is written in belong to no class of artefact, and are never removed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import deciding_tables, due_stages
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.policy.retention import Retention
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.lake_store import FolderStore, PartitionStore, open_store
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import CLASSES, LAKE_CLASSES, Removal, RemovalStore
from qhybrid_pipelines.storage.specifications import Specifications

NOT_ENDED = frozenset(JobState) - TERMINAL
JOBS_PER_PAGE = 5000
#: Artefacts that are noted together before they are removed one by one.
TOGETHER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """What of a class has outlived its period.

    Attributes:
        artefact_class: of them.
        days: the period; None keeps everything.
        artefacts: how many.
        bytes: of them, as far as that is known.
        oldest: from when on the period counted for the oldest one; None where there is none.
    """

    artefact_class: str
    days: int | None
    artefacts: int
    bytes: int
    oldest: datetime | None


def decided_experiments(
    specifications: Specifications, lake: Lake, control_plane: ControlPlane, damage: Damage
) -> dict[str, datetime]:
    """Return the experiments that nothing is open of, with the time of their newest verdict.

    Args:
        specifications: the registered experiments.
        lake: what was written of them.
        control_plane: where their jobs stand.
        damage: an experiment that cannot be read is noted here, and is none of them.
    """
    stops = Stops(specifications.home)
    known = list(load_readable(specifications, specifications, damage))
    busy = {job.experiment for job in control_plane.ledger.jobs(states=NOT_ENDED)}
    busy |= {stage.experiment for stage in due_stages(known, lake, control_plane, damage)} | set(damage.problems)
    parents = {key: parent for key, spec in known if (parent := _parent(spec)) is not None}
    found: dict[str, datetime] = {}
    for key, spec in known:
        if key not in busy:
            at = _decided_at(key, spec, lake)
            if at is None and key not in stops:
                busy.add(key)
            elif at is not None:
                found[key] = at
    for key in busy | set(damage.problems):
        ancestor = parents.get(key)
        while ancestor is not None:
            found.pop(ancestor, None)
            ancestor = parents.get(ancestor)
    return found


def find_expired(
    rules: Retention,
    decided: Mapping[str, datetime],
    lake: Lake,
    ledger: Ledger,
    *,
    now: datetime,
) -> Iterator[Removal]:
    """Yield what has outlived its period of lake and raw results, as it would be noted.

    Args:
        rules: the periods.
        decided: experiments of which something may go, with the time of their verdict.
        lake: has the tables.
        ledger: says whose the raw results are.
        now: the present.
    """
    home = lake.home
    for artefact_class, tables in LAKE_CLASSES.items():
        days = rules.days(artefact_class)
        old = _older_than(decided, days, now)
        for table in tables if old else ():
            for key in lake.keys(table):
                if key.experiment in old and (found := lake.find(table, key)) is not None:
                    yield _removal(
                        found.place,
                        artefact_class,
                        days,
                        decided[key.experiment],
                        now,
                        asset=table.name,
                        experiment=key.experiment,
                        backend=key.backend,
                        size=found.bytes,
                    )
    days = rules.days("raw_payloads")
    if old := _older_than(decided, days, now):
        yield from _expired_raw_results(home, ledger, old, decided, days, now)


def remove(home: Home, removals: Iterable[Removal]) -> list[Removal]:
    """Remove files, each noted before; return them with their hashes. Killed in between, the rest is found again."""
    store, done = RemovalStore(home), []
    for some in _chunks(list(removals), TOGETHER):
        present = [
            replace(one, sha256=sha256_hex(content), bytes=len(content))
            for one in some
            if (content := _read(home, one)) is not None
        ]
        store.note(present)
        failpoint("retention.noted")
        for one in present:
            _store_of(home, one).remove(one.place)
            failpoint("retention.removed")
        done += present
    return done


def write_receipt(home: Home, removals: Sequence[Removal], *, principal: str, now: datetime) -> Path:
    """Write down what went, and who asked for it; return the file."""
    path = home.retention / f"{now.astimezone(UTC):%Y-%m-%dT%H-%M-%S-%f}.json"
    rows = [
        asdict(one) | {"since": one.since.isoformat(), "removed_at": one.removed_at.isoformat()} for one in removals
    ]
    document = {"asked_by": principal, "at": now.astimezone(UTC).isoformat(), "removed": rows}
    write_bytes(path, json.dumps(document, indent=1).encode(), tmp=home.tmp)
    return path


def summarise(rules: Retention, removals: Iterable[Removal]) -> list[ClassSummary]:
    """Return one line per class of artefact."""
    by_class: dict[str, list[Removal]] = defaultdict(list)
    for one in removals:
        by_class[one.artefact_class].append(one)
    return [
        ClassSummary(
            artefact_class=name,
            days=rules.days(name),
            artefacts=len(by_class[name]),
            bytes=sum(one.bytes or 0 for one in by_class[name]),
            oldest=min((one.since for one in by_class[name]), default=None),
        )
        for name in CLASSES
    ]


def _expired_raw_results(  # noqa: PLR0917  what `find_expired` is given
    home: Home, ledger: Ledger, old: Collection[str], decided: Mapping[str, datetime], days: int | None, now: datetime
) -> Iterator[Removal]:
    """Yield the raw results all of whose jobs are of old experiments; equal answers are one file."""
    owners: dict[str, set[str]] = defaultdict(set)
    after = ""
    while jobs := ledger.page_of_jobs(after=after, limit=JOBS_PER_PAGE):
        for job in jobs:
            if job.result_sha256 is not None:
                owners[job.result_sha256].add(job.experiment)
        after = jobs[-1].job_id
    for digest, experiments in sorted(owners.items()):
        if experiments <= set(old):
            with suppress(FileNotFoundError):
                size = (home.raw / digest).stat().st_size
                since = max(decided[name] for name in experiments)
                whose = next(iter(experiments)) if len(experiments) == 1 else None
                yield _removal(f"raw/{digest}", "raw_payloads", days, since, now, experiment=whose, size=size)


def _removal(
    place: str,
    artefact_class: str,
    days: int | None,
    since: datetime,
    now: datetime,
    *,
    asset: str | None = None,
    experiment: str | None = None,
    backend: str | None = None,
    size: int | None = None,
) -> Removal:
    assert days is not None
    return Removal(
        place=place,
        artefact_class=artefact_class,
        asset=asset,
        experiment=experiment,
        backend=backend,
        bytes=size,
        sha256=None,
        rule=f"retention.{artefact_class}_days",
        days=days,
        since=since,
        removed_at=now,
    )


def _older_than(decided: Mapping[str, datetime], days: int | None, now: datetime) -> set[str]:
    """Return the experiments whose period is over; none where everything is kept."""
    if days is None:
        return set()
    return {key for key, at in decided.items() if now - at > timedelta(days=days)}


def _decided_at(key: str, spec: AnySpec, lake: Lake) -> datetime | None:
    """Return when the newest verdict was written; None where one is missing."""
    verdicts = [(asset, partition) for asset, partition in deciding_tables(key, spec) if asset in VERDICTS]
    found = [lake.find(asset, partition) for asset, partition in verdicts]
    times = [one.written_at for one in found if one is not None]
    if len(times) < len(verdicts):
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None


#: Tables of verdicts, whose files say since when an experiment is decided.
VERDICTS = frozenset({"decisions", "sampling_verdicts", "qml_verdicts"})


def _parent(spec: AnySpec) -> str | None:
    lineage = getattr(spec, "lineage", None)  # learning experiments have no rounds
    return lineage.parent if lineage is not None else None


def _read(home: Home, one: Removal) -> bytes | None:
    try:
        with _store_of(home, one).open(one.place) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _store_of(home: Home, one: Removal) -> PartitionStore:
    """Return what holds an artefact: tables are where the lake is, raw results are files of the home."""
    return FolderStore(home) if one.asset is None else open_store(home)


def _chunks(values: Sequence[Removal], size: int) -> Iterator[Sequence[Removal]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
