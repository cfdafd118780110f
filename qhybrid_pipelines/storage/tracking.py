"""MLflow, kept at arm's length: one run per execution, best effort, and never in the way of a paid job.

Whatever goes wrong with the store (not reachable, locked, corrupt, read-only), the record waits in the home's spool and
`Tracker.sync` replays it. By default the store is SQLite under the home; the variable QHYBRID_MLFLOW_URI names another:
a Postgres database, an MLflow server, or whatever else MLflow understands.
A person looks at it with the command that `Tracker.ui_command` gives.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from filelock import FileLock

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.storage import mlflow_rows
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.mlflow_client import import_mlflow, log_dataset, silence_mlflow
from qhybrid_pipelines.storage.mlflow_paths import follow_home, local_folder
from qhybrid_pipelines.storage.mlflow_rows import KEY_TAG, PARENT_TAG, StoredRun
from qhybrid_pipelines.storage.postgres import postgres_url
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

URI_VARIABLE = "QHYBRID_MLFLOW_URI"

#: How long a record waits for others that are being recorded before it is spooled.
LOCK_SECONDS = 60.0

#: How long a record waits for another program that holds the store's file.
BUSY_SECONDS = 5.0

#: Most entries of one MLflow request, which may hold 1000 in all.
MAX_PARAMS, MAX_TAGS, MAX_METRICS = 100, 100, 800

_Entry = TypeVar("_Entry")
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingResult:
    """Where a record went: to a run, or to the spool."""

    run_id: str | None
    url: str | None
    spooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """What a replay of the spool came to: keys that were recorded, and how many records still wait."""

    recorded: tuple[str, ...]
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRecord:
    """A record in the store: MLflow's id of its run, the experiment it is of, when it ended, and the size of its files."""

    run_id: str
    experiment: str
    ended_at: datetime
    bytes: int


class Tracker:
    """The reproducibility records of one home.

    Args:
        home: where the store and the spool are.
        uri: another MLflow store; the variable QHYBRID_MLFLOW_URI when omitted, else SQLite under ``home``.
    """

    def __init__(self, home: Home, uri: str | None = None) -> None:
        self._home = home
        self._database = home.mlflow / "mlflow.db"
        self._foreign_uri = uri or os.environ.get(URI_VARIABLE)
        self._on_postgres = (self._foreign_uri or "").startswith("postgres")
        self._prepared = False

    @property
    def uri(self) -> str:
        """The store, as MLflow names it; it may hold a password."""
        if self._foreign_uri is None:
            return f"sqlite:///{self._database}"
        if self._on_postgres:
            return postgres_url(self._foreign_uri, variable=URI_VARIABLE).render_as_string(hide_password=False)
        return self._foreign_uri

    @property
    def ui_command(self) -> str:
        """What a person runs to look at the store; the links of `TrackingResult` then work."""
        # The command is shown in places that many people see, and the address may hold a password.
        store = f'"${URI_VARIABLE}"' if self._foreign_uri else self.uri
        return f"mlflow ui --backend-store-uri {store}"

    def record(self, record: TrackingRecord) -> TrackingResult:
        """Record an execution, once: a repetition finds its run by the key and brings it up to date. Never raises."""
        try:
            with self._hold_store():
                run = self._store(record)
            (self._home.spool / record.file_name).unlink(missing_ok=True)
        except Exception as error:  # noqa: BLE001  a tracking failure of any kind must not fail a paid job
            _log.warning("MLflow is not available (%s); %s waits in the spool", _first_line(error), record.key)
            return self._spool(record)
        return TrackingResult(run_id=run.run_id, url=self._url(run), spooled=False)

    def sync(self) -> SyncResult:
        """Record what waits in the spool. Never raises; stops at the first record that the store does not take.

        After a home was moved, the addresses of its files follow, whether anything waits or not.
        """
        waiting = sorted(self._home.spool.glob("*.json"))
        if not waiting and self._foreign_uri is None and self._database.exists():
            try:
                with self._hold_store():
                    pass
            except Exception as error:  # noqa: BLE001  see `record`
                _log.warning("MLflow is not available (%s)", _first_line(error))
        recorded: list[str] = []
        for path in waiting:
            try:
                text = path.read_text(encoding="utf-8")
                record = TrackingRecord.from_json(text)
            except (OSError, ValueError) as error:
                _log.warning("%s is passed over: %s", path, _first_line(error))
                continue
            try:
                with self._hold_store():
                    self._store(record)
                if path.read_text(encoding="utf-8") == text:  # else a newer record of the same key has come meanwhile
                    path.unlink()
            except Exception as error:  # noqa: BLE001  see `record`
                _log.warning("MLflow is not available (%s); the spool is kept", _first_line(error))
                break
            recorded.append(record.key)
        return SyncResult(recorded=tuple(recorded), waiting=len(list(self._home.spool.glob("*.json"))))

    def ended_records(self) -> list[EndedRecord]:
        """Return the records in the home's own store; none where it is elsewhere, which has rules of its own."""
        if self._foreign_uri is not None or not self._database.exists():
            return []
        with self._hold_store():
            import_mlflow()
            from mlflow import MlflowClient

            with silence_mlflow():
                client = MlflowClient(tracking_uri=self.uri)
                found: list[EndedRecord] = []
                for experiment in client.search_experiments():
                    token = None
                    while True:
                        page = client.search_runs([experiment.experiment_id], page_token=token)
                        found += [self._ended(run) for run in page if run.info.end_time and KEY_TAG in run.data.tags]
                        if not (token := page.token):
                            break
        return found

    def delete_records(self, run_ids: Iterable[str]) -> None:
        """Remove records of the home's own store for good, as ``mlflow gc`` does; those that are gone are passed over."""
        names = list(run_ids)
        if not names:
            return
        with self._hold_store():
            import_mlflow()
            from mlflow.exceptions import MlflowException
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            with silence_mlflow():
                store = SqlAlchemyStore(self.uri, self._artifacts("Default"))  # type: ignore[no-untyped-call]  # as above
                for run_id in names:
                    with suppress(MlflowException):
                        folder = local_folder(store.get_run(run_id).info.artifact_uri)  # type: ignore[no-untyped-call]  # as above
                        shutil.rmtree(folder, ignore_errors=True)
                        store._hard_delete_run(run_id)  # type: ignore[no-untyped-call]  # noqa: SLF001  what `mlflow gc` calls
                store.engine.dispose()

    def add_files(self, run_id: str, folder: str, contents: Mapping[str, bytes]) -> None:
        """Add files to a run that is there, or replace them.

        Args:
            run_id: MLflow's id of the run.
            folder: among its artefacts.
            contents: by file name.

        Raises:
            InvalidInput: the store has no such run, or cannot be written.
        """
        with self._hold_store():
            import_mlflow()
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            with silence_mlflow(), files.scratch_folder(self._home.tmp) as scratch:
                for name, content in contents.items():
                    (scratch / name).write_bytes(content)
                try:
                    MlflowClient(tracking_uri=self.uri).log_artifacts(run_id, str(scratch), folder)
                except MlflowException as error:
                    raise InvalidInput(
                        f"MLflow does not accept files for the run {run_id}: {_first_line(error)}",
                        remedy="`qhybrid doctor` says whether records wait in the spool, and `qhybrid sync` sends them.",
                    ) from None

    def _ended(self, run: Run) -> EndedRecord:
        folder = local_folder(run.info.artifact_uri)
        return EndedRecord(
            run_id=run.info.run_id,
            experiment=run.data.tags[KEY_TAG].partition("|")[0],
            ended_at=datetime.fromtimestamp(run.info.end_time / 1000, UTC),
            bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        )

    def _spool(self, record: TrackingRecord) -> TrackingResult:
        try:
            path = self._home.spool / record.file_name
            files.write_bytes(path, record.to_json().encode(), tmp=self._home.tmp)
        except Exception as error:  # noqa: BLE001  with no disk to write to, the run's own tables say what happened
            _log.error("the tracking record %s is lost: %s", record.key, _first_line(error))
            return TrackingResult(run_id=None, url=None, spooled=False)
        return TrackingResult(run_id=None, url=None, spooled=True)

    @contextmanager
    def _hold_store(self) -> Iterator[None]:
        """Hold the store: one record at a time per home, which also makes the search for a key and the creation one step."""
        files.make_folder(self._home.locks)
        with FileLock(self._home.locks / "mlflow.lock", timeout=LOCK_SECONDS):
            if self._foreign_uri is None:
                self._prepare_database()
            elif self._on_postgres and not self._prepared:
                self._prepare_server()
                self._prepared = True
            yield

    def _prepare_database(self) -> None:
        """Make the SQLite store if there is none, and fail early if it cannot be written; its addresses follow the home.

        MLflow's first use makes its tables; two processes at once, or a crash on the way, leave a store that is broken
        for good. So they are made in a file beside, which is renamed when it is complete.
        """
        if not self._database.exists():
            with files.scratch_folder(self._home.tmp) as folder:
                built = folder / self._database.name
                if not mlflow_rows.make_store(built, self._artifacts("Default")):
                    self._migrate(f"sqlite:///{built}")
                files.give_usual_permissions(built)
                files.promote(built, self._database)
        with closing(sqlite3.connect(self._database, timeout=BUSY_SECONDS)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            follow_home(connection, self._artifacts_folder)

    def _migrate(self, uri: str) -> None:
        """Make the tables of a store as MLflow does it, by its migrations."""
        import_mlflow()
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        with silence_mlflow():
            SqlAlchemyStore(uri, self._artifacts("Default")).engine.dispose()  # type: ignore[no-untyped-call]  # no types upstream

    def _prepare_server(self) -> None:
        """Make the tables on the server if there are none: once, whoever else on any machine wants to do the same."""
        from sqlalchemy import NullPool, create_engine

        engine = create_engine(self.uri, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('qhybrid mlflow', 0))")
                self._migrate(self.uri)
        finally:
            engine.dispose()

    def _store(self, record: TrackingRecord) -> StoredRun:
        """Bring the run of a record up to date, whatever of it is there already."""
        if self._foreign_uri is None:
            artifacts = self._artifacts(record.family)
            new = mlflow_rows.write_new_run(self._database, record, artifacts=artifacts, busy_seconds=BUSY_SECONDS)
            if new is not None:
                return new
        import_mlflow()
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag

        with silence_mlflow():
            client = MlflowClient(tracking_uri=self.uri)
            run = self._find_or_create(client, record)
            run_id, known = run.info.run_id, run.data
            params = {name: str(value) for name, value in record.params.items() if value is not None}
            tags = dict(record.tags)
            # MLflow's parameters can be written once; what differs now must not get lost.
            tags |= {f"now.{name}": text for name, text in params.items() if known.params.get(name, text) != text}
            if record.dagster_run_id:
                tags["dagster/run_id"] = record.dagster_run_id
            now = int(time.time() * 1000)
            missing = [Param(name, text) for name, text in params.items() if name not in known.params]
            changed = _changed(record.metrics, known.metrics)
            metrics = [Metric(name, value, now, 0) for name, value in changed.items()]
            metrics += [
                Metric(name, value, now, step)
                for name, steps in record.series.items()
                if name not in known.metrics
                for step, value in steps
            ]
            all_tags = [RunTag(name, text) for name, text in tags.items()]
            # A request costs as much as hundreds of numbers in it, so everything goes together.
            for some_params, some_tags, some_metrics in zip_longest(
                _chunks(missing, MAX_PARAMS), _chunks(all_tags, MAX_TAGS), _chunks(metrics, MAX_METRICS), fillvalue=()
            ):
                client.log_batch(run_id, params=some_params, tags=some_tags, metrics=some_metrics)
            if record.dataset and not (run.inputs and run.inputs.dataset_inputs):
                log_dataset(client, run_id, record.dataset)
            with files.scratch_folder(self._home.tmp) as folder:
                record.write_files(folder)
                client.log_artifacts(run_id, str(folder))
            client.set_terminated(run_id)
        return StoredRun(run_id=run_id, experiment_id=run.info.experiment_id)

    def _find_or_create(self, client: MlflowClient, record: TrackingRecord) -> Run:
        name = f"qhybrid/{record.family}"
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            has_own_location = self._foreign_uri is not None and not self._on_postgres
            location = None if has_own_location else self._artifacts(record.family)
            experiment_id = client.create_experiment(name, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        found = client.search_runs([experiment_id], f'tags.`{KEY_TAG}` = "{record.key}"', max_results=1)
        if found:
            return found[0]
        tags = {KEY_TAG: record.key}
        parent = record.parent_run_id
        if parent is None and record.parent_key is not None:
            above = client.search_runs([experiment_id], f'tags.`{KEY_TAG}` = "{record.parent_key}"', max_results=1)
            parent = above[0].info.run_id if above else None
        if parent is not None:
            tags[PARENT_TAG] = parent
        return client.create_run(experiment_id, run_name=record.name, tags=tags)

    @property
    def _artifacts_folder(self) -> str:
        return (self._home.mlflow / "artifacts").as_uri()

    def _artifacts(self, family: str) -> str:
        return f"{self._artifacts_folder}/{quote(family)}"

    def _url(self, run: StoredRun) -> str:
        """Return the run's page: on the server, or on the one that `ui_command` starts. It is kept and shown to many."""
        server = _redact_credentials(self.uri) if self.uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{server.rstrip('/')}/#/experiments/{run.experiment_id}/runs/{run.run_id}"


def _changed(metrics: Mapping[str, float | None], known: Mapping[str, float]) -> dict[str, float]:
    """Return the metrics whose value is not yet the recorded one; MLflow keeps every value that it is sent."""
    return {name: float(value) for name, value in metrics.items() if value is not None and known.get(name) != value}


def _chunks(entries: Sequence[_Entry], size: int) -> Iterator[Sequence[_Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def _first_line(error: Exception) -> str:
    return _redact_credentials(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _redact_credentials(text: str) -> str:
    """Return a text whose addresses name no user and no password; MLflow's errors repeat the address of the store."""
    return _URL_CREDENTIALS.sub("", text)
