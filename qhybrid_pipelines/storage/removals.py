"""What was removed because its time was over: which artefact, when and by which rule. SQLite; a row is written before its file goes.

A file that is gone and has a row was removed on purpose: its experiment stays decided, and whoever asks for it is told. Who is killed
between row and file leaves both, and the next time the file is removed under the same rules.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.errors import CorruptFile, MissingUpstream
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.schemas.descriptions import I64, TEXT, TIME, Column, Table

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.layout import Home

BUSY_TIMEOUT_SECONDS = 10.0

#: Tables of the lake that may go, by class of artefact. Never: what was asked for, problem instances and reduced models, in
#: which an answer is written, classical baselines, comparisons, submissions, decisions and verdicts, provenance.
LAKE_CLASSES: dict[str, tuple[Table, ...]] = {
    "circuits": (schemas.CIRCUIT_BATCHES, schemas.SAMPLING_CIRCUITS),
    "counts": (schemas.QPU_RESULT_SETS, schemas.QML_MEASUREMENTS, schemas.QML_KERNEL_ENTRIES),
    "features": (
        schemas.FEATURES,
        schemas.PARAMETER_SWEEPS,
        schemas.PARAMETER_SENSITIVITY,
        schemas.OPTIMISER_STEPS,
        schemas.QML_DATASETS,
        schemas.QML_FOLDS,
        schemas.QML_ITERATIONS,
        schemas.QML_TRAINING_STEPS,
        schemas.QML_GRADIENTS,
        schemas.QML_KERNELS,
        schemas.QML_PREDICTIONS,
    ),
    "metrics": (
        schemas.POINT_SCORES,
        schemas.SCORED_SOLUTIONS,
        schemas.SAMPLING_SCORES,
        schemas.QML_SCORES,
        schemas.ESTIMATES,
    ),
}
#: All classes, in the order in which they are shown.
CLASSES = ("circuits", "counts", "raw_payloads", "features", "metrics", "logs", "mlflow", "dagster_runs")

REMOVED_ARTEFACTS = Table(
    name="removed_artefacts",
    meaning="What was removed because its time was over: files of the lake, raw results, records and runs, each with the rule",
    key=("place",),
    order=("removed_at", "place"),
    columns=(
        Column(name="place", type=TEXT, meaning="Where it was: a file below the home, or the id of a run"),
        Column(name="artefact_class", type=TEXT, meaning="Class of artefact", words=CLASSES),
        Column(name="asset", type=TEXT, meaning="Table of the lake that it was of", nullable=True),
        Column(name="experiment", type=TEXT, meaning="Experiment that it was of", nullable=True),
        Column(name="backend", type=TEXT, meaning="Backend of its execution", nullable=True),
        Column(name="bytes", type=I64, meaning="Size", unit="bytes", nullable=True),
        Column(name="sha256", type=TEXT, meaning="Hash of its bytes; null for what is not one file", nullable=True),
        Column(name="rule", type=TEXT, meaning="Field of the policy that said so"),
        Column(name="days", type=I64, meaning="Period of that field", unit="days"),
        Column(name="since", type=TIME, meaning="From when on the period counted: the verdict, or the end of the run"),
        Column(name="removed_at", type=TIME, meaning="When it was removed"),
    ),
)

_COLUMNS = ", ".join(column.name for column in REMOVED_ARTEFACTS.columns)
_TABLE = f"CREATE TABLE IF NOT EXISTS removal ({_COLUMNS}, PRIMARY KEY (place))"
_WRITE = f"INSERT OR REPLACE INTO removal VALUES ({', '.join('?' * len(REMOVED_ARTEFACTS.columns))})"  # noqa: S608  our own names


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A row of `REMOVED_ARTEFACTS`, which says what its fields mean."""

    place: str
    artefact_class: str
    asset: str | None
    experiment: str | None
    backend: str | None
    bytes: int | None
    sha256: str | None
    rule: str
    days: int
    since: datetime
    removed_at: datetime

    def __str__(self) -> str:
        """Say when it went, and by which rule."""
        what = self.artefact_class if self.backend is None else f"{self.artefact_class} of {self.backend}"
        table = "" if self.asset is None else f" (table {self.asset})"
        return (
            f"{what}{table} removed on {self.removed_at:%Y-%m-%d} by the policy's {self.rule}: {self.days} "
            f"{'day' if self.days == 1 else 'days'} after {self.since:%Y-%m-%d}"
        )


class RemovedArtefact(MissingUpstream):
    """A table that was written, and removed because its time was over."""

    def __init__(self, asset: str, key: str, removal: Removal) -> None:
        super().__init__(asset, key)
        self.args = (f"asset '{asset}' of '{key}' is not there any more: {removal}. What it decided stands.",)


@dataclass(frozen=True, slots=True)
class RemovalStore:
    """The removals of one home; the file is there once something was removed."""

    home: Home

    def find(self, place: str) -> Removal | None:
        """Return why an artefact was removed; None where nothing says so."""
        return next(iter(self._read("WHERE place = ?", place)), None)

    def of_experiment(self, experiment: str) -> list[Removal]:
        """Return what was removed of an experiment, by place."""
        return self._read("WHERE experiment = ? ORDER BY place", experiment)

    def all(self) -> list[Removal]:
        """Return everything that was removed, by place."""
        return self._read("ORDER BY place")

    def changed_ns(self) -> int:
        """Return when something was noted last, in nanoseconds since 1970; 0 for never."""
        try:
            return self.home.removals.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def note(self, removals: Iterable[Removal]) -> None:
        """Note what is removed next; it is on the disk when this returns."""
        rows = [tuple(_stored(value) for value in astuple(removal)) for removal in removals]
        if rows:
            with self._connection("rwc") as connection:
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_TABLE)
                connection.execute("CREATE INDEX IF NOT EXISTS removal_by_experiment ON removal (experiment)")
                connection.executemany(_WRITE, rows)
                connection.execute("COMMIT")

    def _read(self, condition: str, *values: str) -> list[Removal]:
        if not self.home.removals.exists():
            return []
        with self._connection("ro") as connection:
            try:
                rows = connection.execute(f"SELECT {_COLUMNS} FROM removal {condition}", values).fetchall()  # noqa: S608  our own names
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):  # killed before the first row
                    return []
                raise
        return [_removal(row) for row in rows]

    @contextmanager
    def _connection(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open the file for the length of a ``with`` block.

        Raises:
            CorruptFile: it cannot be read or written.
        """
        address = f"{self.home.removals.absolute().as_uri()}?mode={mode}"
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
            ) as connection:
                yield connection
        except sqlite3.Error as error:
            raise CorruptFile(
                str(self.home.removals), f"it cannot be used: {error}", remedy="Put the newest backup of it back."
            ) from error


def _stored(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _removal(row: tuple[object, ...]) -> Removal:
    times = {"since", "removed_at"}
    return Removal(
        **{
            field.name: datetime.fromisoformat(str(value)) if field.name in times else value
            for field, value in zip(fields(Removal), row, strict=True)
        }  # type: ignore[arg-type]  # as they were written
    )
