"""What is due among all experiments of a home, at the price of those that are not settled.

`control.experiments.due_stages` answers for the experiments that it is given. Here is decided which it is given: all but those that
carry a mark (`storage.settled_marks`) and have no job that somebody has to send or collect. An experiment is marked when it was
looked at whole, left nothing to do, and every table that decides it is written: then only a job of it, which the ledger
tells, or a change of its files, which the mark tells, can make anything of it due.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import (
    STAGE_ASSETS,
    Stage,
    deciding_tables,
    due_stages,
    unfinished_experiments,
)
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.steps.interpret.next_rounds import register_following
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.requesters import first_rounds_requester, requester_file
from qhybrid_pipelines.storage.settled_marks import FilesSeen, SettledMarks, stat_files

if TYPE_CHECKING:
    from pathlib import Path

    from qhybrid_pipelines.control.control_plane import ControlPlane
    from qhybrid_pipelines.control.experiments.registration import Registration
    from qhybrid_pipelines.control.ledger.port import Ledger
    from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
    from qhybrid_pipelines.storage.layout import Home
    from qhybrid_pipelines.storage.specifications import Specifications

#: Marks whose files are looked at in one tick: a quarter of a second. With more of them it takes some ticks to look at all.
CHECKED_MARKS = 5000
#: Experiments that are looked at together; what they came to is kept before the next ones begin.
TOGETHER = 250
#: A tick that takes longer than 60 s is ended by Dagster; what is left is looked at in the next one.
LIMIT_SECONDS = 25.0


def settled_marks(home: Home) -> SettledMarks:
    """Return the marks of a home as this release makes them."""
    assets = {job: list(names) for job, names in STAGE_ASSETS.items()}
    return SettledMarks(home, rules=f"{version('qhybrid-pipelines')} {content_hash(assets)}")


def open_experiments(specifications: Specifications, ledger: Ledger, settled: set[str]) -> list[str]:
    """Return the keys of the registered experiments of which something may be due, sorted; ``settled`` are marked."""
    known = settled - unfinished_experiments(ledger)
    return [key for key in specifications if key not in known]


def find_due_work(
    specifications: Specifications,
    lake: Lake,
    control_plane: ControlPlane,
    registration: Registration,
    damage: Damage,
    *,
    marks: SettledMarks,
    limit_seconds: float = LIMIT_SECONDS,
    checked_marks: int = CHECKED_MARKS,
) -> list[Stage]:
    """Return what is due, next rounds included, which are registered; experiments that a person stopped are left alone.

    Args:
        specifications: the registered experiments.
        lake: what was written of them.
        control_plane: has the ledger of their jobs.
        registration: the door for next rounds.
        damage: an experiment that cannot be read is noted here.
        marks: tell which experiments are settled; new ones are added, and what there was no time for is noted.
        limit_seconds: no further experiments are looked at after this time.
        checked_marks: marks whose files are looked at in this call.
    """
    end = time.monotonic() + limit_seconds
    marks.take_away_changed(checked_marks)
    left, marks.left = set(marks.left), ()
    keys = sorted(open_experiments(specifications, control_plane.ledger, marks.keys()), key=lambda key: key not in left)
    stops = Stops(specifications.home)
    stages: list[Stage] = []
    for start in range(0, len(keys), TOGETHER):
        if start and time.monotonic() > end:
            marks.left = tuple(keys[start:])
            break
        together = _not_stopped(keys[start : start + TOGETHER], stops, damage)
        known = _with_requester(load_readable(specifications, together, damage), specifications.home, damage)
        there = lake.knowing(key for one in known for key in _partitions(*one))
        seen = {key: _stat_decided(key, spec, there) for key, spec in known}
        following = register_following(known, there, registration, damage)
        new = [one.key for rounds in following.values() for one in rounds if one.new]
        due = due_stages([*known, *load_readable(specifications, new, damage)], there, control_plane, damage)
        stages += due
        left = {stage.experiment for stage in due} | set(damage.problems)
        settled = {key: files for key, files in seen.items() if files is not None and key not in left}
        marks.add(
            (key, _with_next_rounds(files, specifications.home, [one.key for one in following.get(key, ())]))
            for key, files in settled.items()
        )
    return stages


def _not_stopped(keys: Iterable[str], stops: Stops, damage: Damage) -> list[str]:
    going_on: list[str] = []
    for key in keys:
        with damage.of(key):
            going_on += [] if key in stops else [key]
    return going_on


def _with_requester(readable: Iterable[tuple[str, AnySpec]], home: Home, damage: Damage) -> list[tuple[str, AnySpec]]:
    """Return the experiments without those of which nobody can say who sent them: nothing of these is begun."""
    known = []
    for key, spec in readable:
        with damage.of(key):
            first_rounds_requester(home, key, spec)
            known.append((key, spec))
    return known


def _partitions(key: str, spec: AnySpec) -> list[PartitionKey]:
    """Return the partitions in which an experiment has tables."""
    trained_on = spec.trained_on_backend if isinstance(spec, LearningSpec) else ()
    backends: dict[str | None, None] = dict.fromkeys([None, *spec.backends, *trained_on])
    return [PartitionKey(experiment=key, backend=backend) for backend in backends]


def _stat_decided(key: str, spec: AnySpec, lake: Lake) -> FilesSeen | None:
    """Return size and time of the files of a decided experiment, or None where it is not decided."""
    tables, home = deciding_tables(key, spec), lake.home
    if not lake.exists(*tables[-1]):  # what is written last
        return None
    kept = (lake.place(*table) for table in tables if lake.exists(*table) or lake.removal(*table) is None)
    seen = stat_files(home, [*kept, *_below(home, [_specification(home, key)])])
    # Most experiments came another way than through the service, and nobody has noted who sent them.
    return seen.joined(stat_files(home, _below(home, [requester_file(home, key, spec)]))) if seen.all_there else None


def _with_next_rounds(seen: FilesSeen, home: Home, keys: Sequence[str]) -> FilesSeen:
    """Add the specifications of next rounds: one that is lost is registered again."""
    return seen.joined(stat_files(home, _below(home, [_specification(home, key) for key in keys])))


def _specification(home: Home, key: str) -> Path:
    return home.specifications / f"{key}.json"


def _below(home: Home, paths: Iterable[Path]) -> list[str]:
    return [path.relative_to(home.path).as_posix() for path in paths]
