"""What the containers of the compose file would run, without containers: its commands, with its variables, on a Postgres made as it says."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from sqlalchemy import create_engine, make_url, text

from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.browser import answers, get_free_port, wait_until
from qhybrid_pipelines_tests.support.documented_commands import write
from qhybrid_pipelines_tests.support.page_commands import ROOT

#: Runs a command with a folder that nobody can write to, not even root.
READ_ONLY = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"')


def reason_against() -> str | None:
    """Return why nothing can be mounted here, or None."""
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run([*READ_ONLY, folder, "true"], capture_output=True, text=True, check=False)
    return (
        f"SKIPPED LOUDLY: no right to mount a folder read-only ({tried.stderr.strip()})" if tried.returncode else None
    )


REASON = reason_against()
pytestmark = [pytest.mark.acceptance, pytest.mark.long, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

CONTAINER = ROOT / "deploy" / "container"
#: The folder of the image in which everything is started.
PLACE = "/srv/qhybrid"
PATIENCE_SECONDS = 600.0


@pytest.fixture
def server():
    """Give a server with the databases that the shipped file makes."""
    opened = postgres_databases.LocalServer()
    engine = create_engine(opened.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in re.findall(r"^CREATE DATABASE \w+", (CONTAINER / "databases.sql").read_text(), re.MULTILINE):
            connection.execute(text(statement))
    engine.dispose()
    yield opened
    opened.remove()


def variables(service: dict, folder: Path, server: postgres_databases.LocalServer) -> dict[str, str]:
    """Return the variables of the image and of a service, at the places of the test."""
    image = dict(re.findall(r"([A-Z_]+)=(\S+)", (CONTAINER / "Dockerfile").read_text().partition("\nENV ")[2]))
    named = {name: value.replace(PLACE, str(folder)) for name, value in image.items() if name not in {"PATH", "HOME"}}
    url = make_url(server.url)
    for name, value in service["environment"].items():
        database = re.fullmatch(
            r"postgresql\+psycopg2://qhybrid:\$\{POSTGRES_PASSWORD[^}]*\}@postgres:5432/(\w+)", value
        )
        if database is not None:
            here = url.set(database=database[1], drivername="postgresql+psycopg2")
            named[name] = here.render_as_string(hide_password=False)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "QHYBRID", "IONQ"))
    }
    return {**inherited, **named, "HOME": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}


def test_a_file_in_the_inbox_gets_its_verdict_and_only_the_home_is_written_to(tmp_path, server):
    services = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
    folder, ports = tmp_path / "srv", {"4000": get_free_port(), "3000": get_free_port()}
    (folder / "data").mkdir(parents=True)
    (folder / "tmp").mkdir()
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    workspace = folder / "deploy" / "container" / "workspace.yaml"
    workspace.write_text(
        workspace.read_text().replace("host: code", "host: 127.0.0.1").replace("4000", str(ports["4000"]))
    )
    shipped = {path: path.stat().st_mtime_ns for path in (folder / "deploy").rglob("*")}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> None:
        words = [str(ports.get(word, word)).replace("0.0.0.0", "127.0.0.1") for word in services[name]["command"]]
        command = [*READ_ONLY, folder / "deploy", Path(sys.executable).with_name(words[0]), *words[1:]]
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    env=variables(services[name], folder, server),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def is_healthy() -> bool:
        check = services["code"]["healthcheck"]["test"][1:]
        words = [str(ports.get(word, word)) for word in check]
        asked = subprocess.run(
            [Path(sys.executable).with_name(words[0]), *words[1:]], capture_output=True, cwd=folder, check=False,
            env=variables(services["code"], folder, server),
        )  # fmt: skip
        return asked.returncode == 0

    try:
        start("code")
        wait_until(is_healthy, PATIENCE_SECONDS, "the code server to be healthy")
        start("web")
        start("daemon")
        wait_until(lambda: answers(f"http://127.0.0.1:{ports['3000']}/server_info"), PATIENCE_SECONDS, "the pages")
        inbox = folder / "data" / "inbox"
        inbox.mkdir(exist_ok=True)
        name = write(inbox, "experiment")
        os.utime(inbox / name, (time.time() - 60,) * 2)
        decided = folder / "data" / "lake" / "baseline_comparisons"
        wait_until(lambda: list(decided.rglob("*.parquet")), PATIENCE_SECONDS, "the verdict")
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert {path: path.stat().st_mtime_ns for path in (folder / "deploy").rglob("*")} == shipped
    assert {path.name for path in folder.iterdir()} == {"data", "tmp", "deploy"}
    assert not (folder / "data" / "ledger.db").exists()
