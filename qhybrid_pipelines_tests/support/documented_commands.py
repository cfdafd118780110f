"""What of the pages' commands cannot run in a test, and small things that the tests of the others share."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from sqlalchemy import URL

from qhybrid_pipelines_tests.support.page_commands import PAGES, Terminal, below

_SERVES = "serves until somebody stops it; acceptance/test_ui.py and pipeline/test_postgres.py start what it starts"
_NO_CONTAINERS = "needs a container engine, and there is none; acceptance/test_compose_commands.py starts what the containers would run"
_SUITE = "a suite of its own; it would run this test again"
_BENCHMARK = (
    "a measurement of minutes to hours; acceptance/test_docs_benchmarks.py compares its kept results with the page"
)
_WRITES = "writes a page of this checkout; unit/storage and acceptance/test_docs.py compare what it would write"
#: What cannot run in a test: the beginning of a command, and why.
NOT_RUN = {
    "make ui": _SERVES,
    "DAGSTER_HOME=$PWD/deploy/postgres dagster dev": _SERVES,
    "python3 -m venv .venv && .venv/bin/pip install": "makes an environment from the network, as `make demo` does",
    "DAGSTER_HOME=$PWD/deploy/postgres python -m qhybrid_pipelines.standby_daemon": "runs until somebody stops it; acceptance/test_standby_daemons.py starts two",
    "export POSTGRES_PASSWORD=$(openssl rand": _NO_CONTAINERS,
    "docker ": _NO_CONTAINERS,
    "kubectl ": "needs a cluster, and there is none; acceptance/test_deployment_files.py holds the manifests against schemas",
    "qhybrid report --serve": "serves until somebody stops it; unit/commands/test_report_server.py asks such a server",
    "qhybrid serve --interactive": "serves until somebody stops it; acceptance/test_service_interactive.py starts one",
    "qhybrid emulator start": "serves until somebody stops it; the same program is started by its other name below",
    "make demo": "makes an environment of 3.3 GB from the network; pipeline and acceptance tests run what `qhybrid demo` runs",
    "make": _SUITE,
    ".venv/bin/python -m pytest --ledger postgres": _SUITE,
    ".venv/bin/python -m pytest qhybrid_pipelines_tests/unit/control": _SUITE,
    ".venv/bin/python tools/mutants.py": _SUITE,
    "python tools/mutants.py --page": "writes a page of this checkout, from the outcomes of hours",
    "python benchmarks/": _BENCHMARK,
    "qhybrid run benchmarks/learning/": _BENCHMARK,
    "python -m qhybrid_pipelines.storage.": _WRITES,
    "python -m qhybrid_pipelines.problems.experiment_page": _WRITES,
    "python -m qhybrid_pipelines.commands.backends_page": "writes a page of this checkout; unit/commands/test_backends_page.py compares it",
    "qhybrid metrics > FILE.prom": "the command above it with a redirection",
    'qhybrid sql "..."': "stands for the questions of the page; unit/storage/test_analyst_questions.py asks each",
    "qhybrid export qoblib": "needs files of the library; pipeline/test_qoblib_export.py exports experiments on some",
    "pip install 'qhybrid-pipelines[objects]'": "installs from the network; the environment of the tests has the extra",
    "export QHYBRID_LAKE=s3://BUCKET": "names nobody's bucket; engines/test_object_lake.py runs an experiment on a server that imitates S3",
    "qhybrid new FILE": "`qhybrid new maxcut roads.mtx` below, with a file",
}
SMALL = {"shots": 64, "repetitions": 2, "sweep": {"points": 2}, "rounds": {"max": 1}}
PETERSEN = {"problem": {"family": "maxcut", "source": "networkx:petersen"}, **SMALL}


def cannot_run(line: str) -> bool:
    return any(line.startswith(beginning) for beginning in NOT_RUN)


def with_databases_of(server: URL, line: str) -> str:
    """Return a command with the addresses of a server's databases in place of those of a page."""
    for name in ("ledger", "dagster", "mlflow"):
        address = server.set(database=name, drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        line = line.replace(f"postgresql+psycopg2://USER:PASSWORD@HOST:5432/{name}", address)
    return line


def commands(page: str, heading: str) -> list[str]:
    """Return what can run of the commands below a heading."""
    return [line for line in below(page, heading) if not cannot_run(line)]


def shown_files(page: str) -> dict[str, str]:
    """Return the files that a page shows: the name stands in a line of its own above the block."""
    text = PAGES[page].read_text("utf-8")
    return dict(re.findall(r"^`([\w.-]+)`:\n\n```(?:text|yaml)\n(.*?)```", text, re.DOTALL | re.MULTILINE))


def write(folder: Path, name: str, **fields: object) -> str:
    """Write a small specification; return the name of its file."""
    file = f"{name.replace(' ', '-')}.yaml"
    (folder / file).write_text(yaml.safe_dump({"name": name, **PETERSEN, **fields}))
    return file


def jobs(terminal: Terminal, state: str) -> list[str]:
    listed = json.loads(terminal.run(f"qhybrid jobs list --json --state {state}"))
    return [job["job_id"] for job in listed]


def keys(terminal: Terminal) -> list[str]:
    return [row["experiment"] for row in json.loads(terminal.run("qhybrid experiments --json"))]
