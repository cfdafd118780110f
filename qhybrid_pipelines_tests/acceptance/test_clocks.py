"""Machines whose clocks are wrong, as real processes against a real ledger and a cloud with a right clock.

The emulator's book is the judge: each work accepted once, and nothing that was paid is cancelled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.matrices import covered
from qhybrid_pipelines_tests.support.skewed_process import LIBRARY, OFFSET_VARIABLE

pytestmark = pytest.mark.skipif(
    not LIBRARY.exists(), reason="NO libfaketime ON THIS MACHINE: wrong clocks are not tried (apt-get install faketime)"
)

#: Lists show nothing, and what was accepted stays in the queue.
HIDDEN = (
    {"route": "GET /jobs", "fault": "listing_lag", "params": {"seconds": 3600}},
    {"fault": "stuck", "params": {"state": "ready"}},
)
WAITS = HIDDEN[1:]
#: The next job is accepted, and the answer never comes.
LOST = {"route": "POST /jobs", "fault": "after_accept", "params": {"drop": True}, "times": 1}
SKEWS = ("+11m", "-11m", "-1d", "+1d")
#: Each database meets a clock that is ahead and one that is behind, by minutes and by a day; `make test-long` tries all.
EVERY_SKEW = covered(SKEWS, ("sqlite", "postgres"))
#: The same with one clock on each database, in tests that share what they show with the first.
TWO_SKEWS = [
    pytest.param(*pair, marks=[pytest.mark.long] * (pair not in {("-11m", "postgres"), ("+1d", "sqlite")}))
    for pair in product(SKEWS, ("sqlite", "postgres"))
]

Work = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running_emulator(tmp_path_factory.mktemp("clocks") / "cloud", speed=60.0, seed=7) as emulator:
        client = Client(emulator)
        yield client
        client.close()


@pytest.fixture(scope="module")
def machines(cloud: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Run a command of ``skewed_process.py`` on a machine with a clock of its own."""
    offset = tmp_path_factory.mktemp("clock") / "offset"
    offset.write_text("+0\n")
    settings = {
        "LD_PRELOAD": str(LIBRARY),
        OFFSET_VARIABLE: str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "IONQ_LISTING_LAG_SECONDS": "0.05",
        "IONQ_ACCEPTANCE_SECONDS": "600",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "qhybrid_pipelines_tests.support.skewed_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | cloud.emulator.environment | settings,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def work(home: Path, url: str | None, qubit: int, *offsets: str, **more: Any) -> dict[str, Any]:
            command = {"home": str(home), "url": url, "qubit": qubit, "offsets": offsets or ("+0",), **more}
            print(json.dumps(command), file=process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield work
        process.stdin.close()


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if database == "postgres" else None


def accepted(cloud: Client, before: int) -> list[str]:
    """Return the states of what was accepted since."""
    return [job["state"] for job in cloud.book()[before:]]


@pytest.mark.parametrize(("skew", "database"), EVERY_SKEW)
def test_a_machine_whose_clock_is_wrong_pays_nothing_twice_and_cancels_nothing(
    skew: str, url: str | None, cloud: Client, machines: Work, tmp_path: Path
) -> None:
    """One job is with its provider, of another one the answer was lost; then a machine with a wrong clock looks at both."""
    before, one, two = len(cloud.book()), tmp_path / "one", tmp_path / "two"
    cloud.faults(*HIDDEN)
    assert machines(one, url, 1)["states"] in (["SUBMITTED"], ["QUEUED"]), "the cloud takes its time to queue it"
    cloud.faults(*HIDDEN, LOST)
    assert machines(two, url, 2)["errors"] == ["Ambiguous"]
    cloud.faults(*HIDDEN)
    machines(one, url, 1, skew)
    wrong = machines(two, url, 2, skew)
    assert wrong["states"][-1:] == ["SUBMITTING"] or wrong["states"][0] == "SUBMITTING"
    if url is None:
        assert wrong["errors"] == ["ClockDisagreement"]
        assert "the clock of provider 'ionq'. Nothing is sent" in wrong["clock"][0]
    else:
        assert wrong["errors"] == ["Ambiguous"], "by the server's clock a moment has passed"
        assert wrong["clock"] == []
    assert accepted(cloud, before) == ["ready", "ready"]
    cloud.faults(*WAITS)
    right = machines(two, url, 2)
    assert (right["errors"], right["clock"]) == ([], [])
    assert set(right["states"]) <= {"SUBMITTED", "QUEUED"}
    assert accepted(cloud, before) == ["ready", "ready"]


@pytest.mark.parametrize(("skew", "database"), TWO_SKEWS)
def test_what_a_wrong_clock_has_dated_misleads_no_right_one(
    skew: str, url: str | None, cloud: Client, machines: Work, tmp_path: Path
) -> None:
    """On one ledger: a job is queued, the answer to another is lost, and a machine with a wrong clock plans a third one.

    The machine with the right clock must not take today's windows and deadlines for over.
    """
    before, own = len(cloud.book()), {"experiment": f"misdated{skew}{url is None}"}
    cloud.faults(*WAITS)
    assert set(machines(tmp_path, url, 1, **own)["states"]) <= {"SUBMITTED", "QUEUED"}
    cloud.faults(LOST, {"fault": "lost", "times": 1}, *WAITS)
    assert machines(tmp_path, url, 2, **own)["errors"] == ["Ambiguous"]
    cloud.faults(*WAITS)
    wrong = machines(tmp_path, url, 3, skew, **own)
    assert wrong["errors"] == (["ClockDisagreement"] if url is None else [])
    right = machines(tmp_path, url, 2, **own)
    assert right["errors"] == ["Ambiguous"], "it may still be accepted"
    assert right["clock"] == []
    assert "EXPIRED" not in right["states"]
    assert "canceled" not in accepted(cloud, before)
    assert len(accepted(cloud, before)) == (2 if url is None else 3)
    assert machines(tmp_path, url, 3, **own)["errors"] == [], "and the third one is sent"
    assert len(accepted(cloud, before)) == 3
    cloud.faults({"route": "POST /jobs", "fault": "before_accept", "params": {"drop": True}, "times": 1}, *WAITS)
    assert machines(tmp_path, url, 4, **own)["errors"] == ["Ambiguous"], "it may still be accepted"
    waits = {"IONQ_ACCEPTANCE_SECONDS": "0.01"}
    assert machines(tmp_path, url, 4, environment=waits, **own)["errors"] == [], "today's window ends today"
    assert len(accepted(cloud, before)) == 4


@pytest.mark.parametrize(("step", "database"), TWO_SKEWS)
def test_a_clock_that_is_set_in_the_middle_of_a_run(
    step: str, url: str | None, cloud: Client, machines: Work, tmp_path: Path
) -> None:
    """The answer to a submission is lost, the clock is set, and the same process tries again."""
    before = len(cloud.book())
    cloud.faults(*HIDDEN, LOST)
    stepped = machines(tmp_path, url, 3, "+0", step)
    assert stepped["exit"] == 0
    assert stepped["states"] == ["SUBMITTING"]
    assert stepped["errors"] == (["Ambiguous", "ClockDisagreement"] if url is None else ["Ambiguous", "Ambiguous"])
    assert len(accepted(cloud, before)) == 1
    if url is None:
        assert "while this process was running" in stepped["clock"][0]
    cloud.faults(*WAITS)
    assert set(machines(tmp_path, url, 3)["states"]) <= {"SUBMITTED", "QUEUED"}
    assert len(accepted(cloud, before)) == 1


def test_whoever_trusts_any_clock_pays_twice_and_cancels_paid_work(
    cloud: Client, machines: Work, tmp_path: Path
) -> None:
    """The control, on SQLite, without the check: lists show what was accepted before, and never the job that was lost."""
    before = len(cloud.book())
    own = {"experiment": "control"}  # a token follows from the work: that of other tests would be adopted
    cloud.faults(*WAITS)
    assert set(machines(tmp_path, None, 1, **own)["states"]) <= {"SUBMITTED", "QUEUED"}
    cloud.faults(LOST, {"fault": "lost", "times": 1}, *WAITS)
    assert machines(tmp_path, None, 2, **own)["errors"] == ["Ambiguous"]
    cloud.faults(*WAITS)
    assert machines(tmp_path, None, 2, "+11m", **own)["errors"] == ["ClockDisagreement"]
    assert len(accepted(cloud, before)) == 2
    machines(tmp_path, None, 2, "+11m", trusts_any_clock=True, **own)
    assert len(accepted(cloud, before)) == 3
    machines(tmp_path, None, 1, "+1d", **own)
    assert "canceled" not in accepted(cloud, before)
    machines(tmp_path, None, 1, "+1d", trusts_any_clock=True, **own)
    assert "canceled" in accepted(cloud, before)
