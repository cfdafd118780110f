"""A ledger that somebody changed with SQL: nothing is paid again for it, and the doctor's exit code says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.chain import chain_anchor
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.steps.operate.ledger_audit import audit_ledger
from qhybrid_pipelines.steps.operate.warehouse import publish
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.matrices import covered
from qhybrid_pipelines_tests.support.tampering import drop_guards, tamper

BACKEND = "ionq:simulator"

#: Each edit, and whether the job could be paid again if nobody looked.
EDITS = {
    "state back to APPROVED": ["UPDATE job SET state = 'APPROVED'"],
    "state back to SUBMITTING": ["UPDATE job SET state = 'SUBMITTING'", "UPDATE attempt SET outcome = 'open'"],
    "state, version and attempt back": [
        "UPDATE job SET state = 'APPROVED', version = 2",
        "UPDATE attempt SET provider_job_id = NULL, outcome = 'open'",
    ],
    "a token of its own": [
        "UPDATE job SET state = 'APPROVED'",
        "UPDATE attempt SET token = 'again', provider_job_id = NULL",
    ],
    "cost": ["UPDATE job SET cost_quoted_microusd = 1"],
    "provider's id": ["UPDATE attempt SET provider_job_id = 'other'"],
    "budget": ["UPDATE budget SET limit_microusd = 999000000"],
    "deleted job": ["DELETE FROM attempt", "DELETE FROM job"],
    "triggers dropped": [],
    "tail cut": [
        "DELETE FROM event WHERE position > 2",
        "UPDATE chain_head SET position = 2, hash = (SELECT hash FROM event WHERE position = 2)",
        "UPDATE job SET state = 'APPROVED', version = 2, updated_at_us = (SELECT observed_at_us FROM event WHERE position = 2)",
        "UPDATE attempt SET provider_job_id = NULL, outcome = 'open'",
    ],
    "tables emptied": [
        "DELETE FROM event",
        "DELETE FROM attempt",
        "DELETE FROM job",
        "DELETE FROM budget",
        f"UPDATE chain_head SET position = 0, hash = '{'0' * 64}'",
    ],
}


@pytest.fixture(params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    if request.param == "postgres":
        monkeypatch.setenv("QHYBRID_LEDGER_URL", request.getfixturevalue("postgres_url"))
    else:
        monkeypatch.delenv("QHYBRID_LEDGER_URL", raising=False)
    monkeypatch.setenv("IONQ_API_KEY", "some-key")  # its provider could be asked, so an open job is not a finding
    return Home(tmp_path / "home").make()


@pytest.fixture
def ledger(home: Home, request: pytest.FixtureRequest) -> Iterator[SqlLedger]:
    if request.node.callspec.params["home"] == "postgres":
        made = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"))
    else:
        made = SqlLedger.open_sqlite(home.ledger)
    yield made
    made.close()


def make_dispatcher(home: Home, ledger: SqlLedger, tmp_path: Path) -> tuple[Dispatcher, DurableVendor]:
    harness = DispatcherHarness(tmp_path, ledger)
    vendor = DurableVendor(tmp_path / "vendor", name="ionq", dedupe="tag_lookup", price_usd=10.0)
    vendor.backend = BACKEND  # one that every home knows, so that nothing else is a finding of the doctor
    usual = harness.dispatcher()
    made = Dispatcher(
        ledger,
        {"ionq": vendor},
        RawStore(home.raw),
        deployment=usual.deployment,
        policy=usual.policy,
        anchor=home.ledger_anchor,
    )
    return made, vendor


def doctor(home: Home, *options: str) -> int:
    return CliRunner().invoke(app, ["doctor", "--home", str(home.path), *options]).exit_code


@pytest.mark.parametrize(("edit", "home"), covered([*EDITS], ["sqlite", "postgres"]), indirect=["home"])
def test_what_was_changed_is_found_and_nothing_is_paid_again(
    edit: str, home: Home, ledger: SqlLedger, tmp_path: Path
) -> None:
    dispatcher, vendor = make_dispatcher(home, ledger, tmp_path)
    batch = make_batch(backend=BACKEND)
    assert dispatcher.submit(batch, SUBMIT_REQUEST).state is JobState.SUBMITTED
    chain_anchor.advance(home.ledger_anchor, ledger, now=NOON)
    assert doctor(home) == doctor(home, "--full") == 0
    drop_guards(ledger)
    tamper(ledger, *EDITS[edit])
    assert doctor(home) == doctor(home, "--full") == 3
    with suppress(Refused):  # a job that the edit leaves with its provider is returned as it is
        dispatcher.submit(batch, SUBMIT_REQUEST)
    assert len(vendor.book()) == 1
    chain_anchor.advance(home.ledger_anchor, ledger, now=NOON)
    assert doctor(home) == 3, "another publication does not make it well"


def test_a_publication_notes_where_the_ledger_ends(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").make()
    ledger = SqlLedger.open_sqlite(home.ledger)
    dispatcher, _ = make_dispatcher(home, ledger, tmp_path)
    dispatcher.submit(make_batch(backend=BACKEND), SUBMIT_REQUEST)
    publish(home, ledger)
    assert chain_anchor.read_link(home.ledger_anchor) == ledger.head()
    drop_guards(ledger)
    tamper(ledger, *EDITS["tail cut"])
    publish(home, ledger)
    assert audit_ledger(home, ledger).notes[0].startswith("event 4 (")
    with pytest.raises(Refused, match="is not sent, because the ledger is not what was written: event 4"):
        dispatcher.submit(make_batch(backend=BACKEND), SUBMIT_REQUEST)
    ledger.close()


def test_without_a_look_the_same_edit_pays_twice(tmp_path: Path) -> None:
    """The control: a vendor that lists nothing, and a dispatcher whose ledger says that all is well."""
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    vendor = DurableVendor(tmp_path / "vendor", dedupe="none", price_usd=10.0)
    usual = DispatcherHarness(tmp_path, ledger).dispatcher()
    settings = {"deployment": usual.deployment, "policy": usual.policy}
    batch = make_batch()
    Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), **settings).submit(batch, SUBMIT_REQUEST)
    tamper(ledger, *EDITS["a token of its own"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqlLedger, "audit_rows", lambda *_, **__: [])
        Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), **settings).submit(batch, SUBMIT_REQUEST)
    assert len(vendor.book()) == 2
    ledger.close()
