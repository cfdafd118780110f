"""Nothing is sent after a person says stop: the provider's own log of accepted jobs is the judge.

Two experiments in one command, the second on an emulated cloud that charges; the signal comes while the first is being
prepared. The negative control is the same command without a signal: it pays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.experiment_homes import make_launcher, register
from qhybrid_pipelines_tests.support.matrices import covered, others_are_long

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

GRAPH = {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 6, "degree": 3, "seed": 4}}
SMALL = {"ansatz": {"layers": 1}, "sweep": {"strategy": "fixed_angles", "points": 2}, "shots": 64, "repetitions": 2}
FREE = {"name": "free", "problem": GRAPH, "backends": ["local:auto"], **SMALL}
PAID = {"name": "paid", "problem": GRAPH, "backends": ["ionq:qpu.aria-1"], "budget": {"usd": 1000.0}, **SMALL}

CTRL_C, SIGTERM = (signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)
#: Both signals come up in the test command, each with other commands; `make test-long` tries both with every command.
CTRL_C_FIRST, SIGTERM_FIRST = (others_are_long([CTRL_C, SIGTERM], first) for first in (CTRL_C, SIGTERM))


#: Servers, and what each says when it ends.
SERVERS = {
    "serve --port 0": "stopped by {words}: nothing was sent afterwards.",
    "emulator start --port 0 --folder {folder}": "stopped by {name}",
}


@pytest.fixture
def cloud(tmp_path):
    with running_emulator(tmp_path / "cloud", key="some-key", speed=5000.0) as emulator:
        yield emulator


def accepted_jobs(cloud) -> list[dict]:
    """Return the provider's own log of what it accepted."""
    answer = httpx.get(f"{cloud.admin_url}/jobs", timeout=30)
    return answer.json()["jobs"]


def start(cloud, folder: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, **cloud.environment, "QHYBRID_HOME": str(folder / "home")}
    return subprocess.Popen(
        [sys.executable, "-c", "from qhybrid_pipelines.cli import main; main()", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def specifications(folder: Path) -> list[str]:
    paths = []
    for spec in (FREE, PAID):
        path = folder / f"{spec['name']}.yaml"
        path.write_text(yaml.safe_dump(spec))
        paths.append(str(path))
    return paths


def wait_for_first_table(process: subprocess.Popen, folder: Path) -> None:
    lake = folder / "home" / "lake"
    while process.poll() is None and not (lake.is_dir() and any(lake.iterdir())):
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("signals", SIGTERM_FIRST)
def test_nothing_is_sent_after_the_first_signal(cloud, tmp_path, signals):
    number, words, code = signals
    process = start(cloud, tmp_path, "run", *specifications(tmp_path))
    wait_for_first_table(process, tmp_path)
    assert accepted_jobs(cloud) == []
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert (
        f"stopped by {words}: nothing was sent afterwards; no job is with a provider. To go on: qhybrid run" in errors
    )
    assert "Traceback" not in errors
    time.sleep(1.0)
    assert accepted_jobs(cloud) == []
    home = Home(tmp_path / "home")
    stopped = list(Stops(home))
    assert [key.rpartition("-")[0] for key in stopped] == ["free", "paid"]
    assert Stops(home).get(stopped[0]).reason == words

    again = start(cloud, tmp_path, "run", "--wait", *stopped)  # by key: a person asks again
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert len(accepted_jobs(cloud)) == 1
    assert list(Stops(home)) == []


def test_the_second_signal_ends_the_process_at_once(cloud, tmp_path):
    process = start(cloud, tmp_path, "run", *specifications(tmp_path))
    wait_for_first_table(process, tmp_path)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode in (130, 143)
    assert time.monotonic() - began < 30
    assert accepted_jobs(cloud) == []


def test_cancel_ends_a_whole_experiment(cloud, tmp_path):
    paths = specifications(tmp_path)
    run = start(cloud, tmp_path, "run", paths[1])
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 0, errors
    assert len(accepted_jobs(cloud)) == 1
    key = next(iter(sorted(path.stem for path in Home(tmp_path / "home").specifications.glob("paid-*.json"))))
    cancelled = start(cloud, tmp_path, "cancel", key, "--json")
    output, errors = cancelled.communicate(timeout=120)
    assert cancelled.returncode == 0, errors
    assert yaml.safe_load(output)["experiment"] == key
    assert key in Stops(Home(tmp_path / "home"))
    assert len(accepted_jobs(cloud)) == 1


def test_an_unknown_key_is_named(cloud, tmp_path):
    register(make_launcher(tmp_path / "home"), [FREE])
    wrong = start(cloud, tmp_path, "cancel", "nobody-knows-0000")
    _, errors = wrong.communicate(timeout=60)
    assert wrong.returncode == 2
    assert "nobody-knows-0000" in errors


@pytest.mark.parametrize("signals", CTRL_C_FIRST)
def test_a_demonstration_goes_on_with_nothing(cloud, tmp_path, signals):
    """What would be printed at its end needs a warehouse, which does not exist yet."""
    number, words, code = signals
    process = start(cloud, tmp_path, "demo")
    wait_for_first_table(process, tmp_path)
    process.send_signal(number)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert f"stopped by {words}: nothing was sent afterwards" in errors
    assert "error" not in errors
    assert "Where the time of a job goes" not in output


@pytest.mark.parametrize("signals", SIGTERM_FIRST)
def test_a_query_that_would_never_end(cloud, tmp_path, signals):
    """DuckDB does not come back to Python by itself, and makes an error of its own of an interruption."""
    number, words, code = signals
    warehouse.publish(Home(tmp_path / "home"), {})
    process = start(cloud, tmp_path, "sql", "SELECT sum(a.range) FROM range(1000000000) a, range(1000000) b")
    while process.poll() is None and "duckdb" not in Path(f"/proc/{process.pid}/maps").read_text():
        time.sleep(0.05)
    time.sleep(2.0)  # whenever the signal comes, the end is the same; mostly it comes while the query runs
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (code, f"stopped by {words}: nothing was sent afterwards.\n")


@pytest.mark.parametrize(("command", "signals"), covered(list(SERVERS), [CTRL_C, SIGTERM]))
def test_a_server_ends_like_any_command(cloud, tmp_path, command, signals):
    (number, words, code), said = signals, SERVERS[command]
    process = start(cloud, tmp_path, *command.format(folder=tmp_path / "another").split())
    assert process.stdout.readline().startswith("ready http://")
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert errors.strip() == said.format(words=words, name=number.name)
