"""A vendor that repeats the key where nobody expects it, in an id, a date or the name of a unit: the key is kept and said nowhere.

Each member was found by repeating the key in every text of every answer, one after the other, and searching what was left behind.
"""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.http import transport
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.leak_scan import files_containing
from qhybrid_pipelines_tests.support.recording_proxy import RecordedRequest, proxy
from qhybrid_pipelines_tests.support.scripted_server import Reply

KEY = "planted-Key-2c91f7e0a4zz"
BACKEND = "ionq:qpu.forte-1"
NEEDLES = [KEY, KEY[1:], base64.b64encode(KEY.encode()).decode()[:-1], "\x1b[31m"]
POLICY = Policy.model_validate(
    {
        "rules": [{"name": "all", "then": "allow", "reason": "a test"}],
        "routing": {"calibration": {"stale": "accept"}},
    }
)
#: What ends the address of an answer, and the way to the text in it that repeats the key.
MEMBERS = {
    "name of a backend": ("/backends", (0, "backend")),
    "id of a calibration": ("/characterizations", ("characterizations", 0, "id")),
    "word in a calibration": ("/characterizations", ("characterizations", 0, "fidelity", "2q", "stderr")),
    "date of an estimate": ("/jobs/estimate", ("estimated_at",)),
    "unit of a price": ("/jobs/estimate", ("cost_unit",)),
    "id of a listed job": ("/jobs", ("jobs", 0, "id")),
    "home of a listed job": ("/jobs", ("jobs", 0, "metadata", "qhybrid_home")),
    "id of a new job": ("/jobs", ("id",)),
}


def add_key(told: Any, way: tuple[Any, ...]) -> None:
    """Repeat the key in one text of an answer, where the answer has it."""
    try:
        for step in way[:-1]:
            told = told[step]
        told[way[-1]] = f"{told[way[-1]] or ''} {KEY} {base64.b64encode(KEY.encode()).decode()} {KEY[1:]} \x1b[31m"
    except (KeyError, IndexError, TypeError):
        return


def life(folder: Path, cloud: Client) -> str:
    """Submit, poll and collect one job through an adapter that has read the key; return everything that was said."""
    said: list[str] = []
    ledger, provider = SqlLedger.open_sqlite(folder / "ledger.db"), IonQProvider(folder / "ionq")
    dispatcher = Dispatcher(
        ledger,
        {"ionq": provider},
        RawStore(folder / "raw"),
        deployment=Deployment(principal="ada"),
        policy=POLICY,
        home_id="0123456789abcdef",
    )
    batch = replace(canary_batch("batch", width=3, qubit=1, backend=BACKEND)[0], experiment="echoes-00000000")

    def keep_calibration() -> bool:
        calibration = dispatcher.calibration(BACKEND)
        return calibration is not None and ledger.add_calibration(BACKEND, calibration)

    steps = [
        lambda: dispatcher.capabilities(BACKEND),
        keep_calibration,
        lambda: dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1e4)),
        lambda: cloud.advance(1e7),
        dispatcher.poll_due,
        lambda: [dispatcher.collect(job.job_id, batch) for job in ledger.jobs()],
    ]
    for step in steps:
        try:
            said.append(repr(step()))
        except QHybridError as error:
            said.append(str(error))
    said += [repr(ledger.jobs()), repr(ledger.events()), repr(ledger.calibrations()), repr(provider.backends())]
    ledger.close()
    return "\n".join(said)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("cloud"), key=KEY, speed=1000.0, seed=3) as running:
        yield running


@pytest.fixture
def found(emulator, tmp_path, monkeypatch):
    """Return what was said and left behind by a life in which a member repeats the key."""

    def live(member: str) -> tuple[str, set[str]]:
        ending, way = MEMBERS[member]

        def change(asked: RecordedRequest, answered: Reply) -> Reply:
            status, headers, content = answered
            told = json.loads(content) if content else None
            if asked.target.partition("?")[0].endswith(ending):
                add_key(told, way)
            return status, headers, content if told is None else json.dumps(told).encode()

        with proxy(emulator.url, change) as between, closing(Client(emulator)) as cloud:
            for name, value in {
                "IONQ_API_URL": between.url,
                "IONQ_API_KEY": KEY,
                "IONQ_LISTING_LAG_SECONDS": "0.05",
                "IONQ_ACCEPTANCE_SECONDS": "0.1",
            }.items():
                monkeypatch.setenv(name, value)
            said = life(tmp_path, cloud)
        # A database and a packed file hold any short bytes; the sequence that steers a terminal is looked for in words.
        return said, files_containing(tmp_path, NEEDLES[:-1])

    return live


@pytest.mark.parametrize("member", MEMBERS)
def test_a_key_in_any_field_is_said_and_kept_nowhere(found, member):
    said, files = found(member)
    assert files == set()
    assert [needle for needle in NEEDLES if needle in said] == []


@pytest.mark.parametrize("member", ["name of a backend", "id of a listed job"])
def test_without_the_search_of_every_answer_the_key_is_kept(found, member, monkeypatch):
    """The negative control: the same field, and only messages are searched."""
    monkeypatch.setattr(transport, "redact_content", lambda content: content)
    said, files = found(member)
    assert KEY in said or files
