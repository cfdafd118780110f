"""What all tests share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from qhybrid_pipelines.core.text import redaction
from qhybrid_pipelines_tests.support import ledgers, postgres_databases, temporary_files

# How quickly examples are made says how busy the machine is. What a property asserts, and on how many examples, stays.
# The same commit is tried with the same examples, so that a failure belongs to it; `make test-examples` tries new ones.
settings.register_profile(
    "any-machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="QHYBRID_NEW_EXAMPLES" not in os.environ,
)
settings.load_profile("any-machine")


TEMPORARY_FILES = pytest.StashKey[temporary_files.TemporaryFiles]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose where temporary files lie, and one thread for linear algebra; workers find the choice of their controller."""
    # Nothing has imported NumPy yet. Threads that wait for each other spin, and take the processor from other workers.
    for library in ("OPENBLAS", "OMP"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    config.stash[TEMPORARY_FILES] = chosen = temporary_files.choose(os.environ)
    chosen.use()


@pytest.hookimpl(trylast=True)  # pytest removes its own folder first
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[TEMPORARY_FILES].end(keep=exitstatus not in (0, pytest.ExitCode.NO_TESTS_COLLECTED))


def pytest_report_header(config: pytest.Config) -> str:
    chosen = config.stash[TEMPORARY_FILES]
    return f"temporary files: {chosen.folder or tempfile.gettempdir()} ({chosen.reason})"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a real Postgres server: one for each worker, or the one that is named."""
    with postgres_databases.server_url() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_home(postgres_server: str) -> Iterator[str]:
    """Address of a database that tests share, each in a schema of its own."""
    with postgres_databases.database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_home: str) -> Iterator[str]:
    """Address of an empty schema on a real Postgres server."""
    with postgres_databases.schema(postgres_home) as url:
        yield url


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[str]:
    """Address of an empty database on a real Postgres server."""
    with postgres_databases.database(postgres_server) as url:
        yield url


@pytest.hookimpl(optionalhook=True)  # a run without workers, as that of mutants, does not know it
@pytest.fixture(scope="module", autouse=True)
def _keys_of_this_module() -> Iterator[None]:
    """A process remembers every key that it has used, to hide it; those of one module hide no words of the next one."""
    yield
    redaction._known_secrets.clear()


@pytest.hookimpl(optionalhook=True)  # `make mutants` runs without xdist
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than cores: a quarter of the time goes into waiting, for disks and for processes to end."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--ledger", choices=["sqlite", "postgres"], default="sqlite", help="where the ledgers of tests are kept"
    )


@pytest.fixture(scope="session", autouse=True)
def _ledgers(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``--ledger postgres``, a database on a real server for the ledgers of tests."""
    if request.config.getoption("--ledger") == "sqlite":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ledgers.DATABASE_VARIABLE, request.getfixturevalue("postgres_home"))
        yield
