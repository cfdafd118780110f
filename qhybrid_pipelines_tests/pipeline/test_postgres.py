"""Everything that can be on a Postgres server is: Dagster's state, the ledger, MLflow. One experiment, to its verdict."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import NullPool, create_engine

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.dagster_home import instance_ref
from qhybrid_pipelines.dagster_storage import sqlite_settings
from qhybrid_pipelines_tests.support import experiment_homes, postgres_databases

# What Dagster and MLflow do inside their own Postgres code is not ours to repair either.
pytestmark = [
    experiment_homes.RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

VARIABLES = ("QHYBRID_LEDGER_URL", "QHYBRID_DAGSTER_POSTGRES_URL", "QHYBRID_MLFLOW_URI")
SPEC = {
    "name": "on-a-server",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "shots": 64,
    "repetitions": 1,
    "sweep": {"strategy": "fixed_angles", "points": 1},
    "ansatz": {"layers": 1},
}
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ran(postgres_server: str, tmp_path_factory: pytest.TempPathFactory):
    """One experiment that ran with all three on the server: its home, its key, and the addresses."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        urls = {variable: stack.enter_context(postgres_databases.database(postgres_server)) for variable in VARIABLES}
        for variable, url in urls.items():
            patch.setenv(variable, url)
        home = tmp_path_factory.mktemp("server") / "home"
        launcher = experiment_homes.make_launcher(home)
        [key] = experiment_homes.register(launcher, [SPEC])
        experiment_homes.run(launcher, [key])
        yield home, key, urls
        launcher.workspace.control_plane.ledger.close()
        launcher.instance.dispose()


def scalars(url: str, sql: str) -> list:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(sql).scalars())


@pytest.mark.slow
class TestAllThree:
    def test_the_ledger_on_the_server_has_the_job(self, ran) -> None:
        home, key, urls = ran
        ledger = SqlLedger.open_postgres(urls["QHYBRID_LEDGER_URL"])
        [job] = ledger.jobs(experiment=key)
        assert job.state is JobState.VERIFIED
        assert ledger.verify_chain().is_intact
        ledger.close()
        assert not (home / "ledger.db").exists()

    def test_dagster_keeps_its_runs_and_events_there(self, ran) -> None:
        home, _, urls = ran
        with dg.DagsterInstance.from_ref(instance_ref(home / "dagster")) as instance:
            assert type(instance.event_log_storage).__name__ == "PostgresEventLogStorage"
            assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
            assert "tracking_runs" in {key.path[-1] for key in instance.all_asset_keys()}
        stored = scalars(urls["QHYBRID_DAGSTER_POSTGRES_URL"], "SELECT count(*) FROM event_logs")
        assert stored[0] > 50
        assert not list((home / "dagster").rglob("*.db"))

    def test_mlflow_has_the_run_there_and_its_files_in_the_home(self, ran) -> None:
        home, key, urls = ran
        [name] = scalars(urls["QHYBRID_MLFLOW_URI"], "SELECT value FROM tags WHERE key = 'qhybrid.key'")
        assert key in name
        [place] = scalars(urls["QHYBRID_MLFLOW_URI"], "SELECT artifact_uri FROM runs")
        assert place.startswith((home / "mlflow" / "artifacts").as_uri())
        assert list((home / "spool").iterdir()) == []
        assert not (home / "mlflow" / "mlflow.db").exists()


def test_both_ways_to_start_dagster_differ_in_the_storage_only() -> None:
    own, server = (
        yaml.safe_load((CHECKOUT / name).read_text()) for name in ("dagster.yaml", "deploy/postgres/dagster.yaml")
    )
    files = sqlite_settings(Path("data/dagster"))
    assert {name: own.pop(name) for name in files} == files
    assert server.pop("storage") == {"postgres": {"postgres_url": {"env": "QHYBRID_DAGSTER_POSTGRES_URL"}}}
    assert own == server


def test_the_instance_names_the_variable_and_not_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster hands its settings to other processes on their command lines."""
    monkeypatch.setenv("QHYBRID_DAGSTER_POSTGRES_URL", "postgresql+psycopg2://bob:planted-secret@127.0.0.1/dagster")
    settings = str(instance_ref(tmp_path).to_dict())
    assert "QHYBRID_DAGSTER_POSTGRES_URL" in settings
    assert "planted-secret" not in settings


@pytest.mark.parametrize(
    "url",
    ["postgresql://bob:planted-secret@127.0.0.1/d", "postgresql+psycopg://bob:planted-secret@h/d", "planted-secret"],
)
def test_an_address_that_dagster_could_misread_is_wrong_input(url: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("QHYBRID_DAGSTER_POSTGRES_URL", url)
    with pytest.raises(InvalidInput, match=r"postgresql\+psycopg2://") as error:
        instance_ref(tmp_path)
    assert "planted-secret" not in str(error.value)
