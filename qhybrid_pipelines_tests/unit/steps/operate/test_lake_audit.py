"""The lake and the kept results against the ledger: each contradiction is named, whichever side was changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import StoredResult
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.steps.operate.lake_audit import compare_lake, compare_raw_results
from qhybrid_pipelines.steps.operate.ledger_audit import audit_ledger
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import QPU_SUBMISSIONS
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.support.tampering import drop_guards, tamper

EXPERIMENT, BACKEND, RAW = "maxcut-small-00000000", "v:d", b'{"0": 1.0}'
SUBMITTED: dict[str, Any] = {
    "experiment": EXPERIMENT,
    "backend": BACKEND,
    "sub_batch": 0,
    "first_point": 0,
    "first_repetition": 0,
    "points": 1,
    "repetitions": 1,
    "job_id": "j-a",
    "token": "token-a",
    "provider_job_id": "p-a",
    "payload_sha256": "a",
    "shots_total": 2000,
    "cost_quoted_usd": 0.0,
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").make()


@pytest.fixture
def ledger(home: Home) -> Iterator[SqlLedger]:
    """One job with its result, and what the lake says of it."""
    made = SqlLedger.open_sqlite(home.ledger)
    job = apply_events(made, made.plan(plan("a")), Event.ACKNOWLEDGE, provider_job_id="p-a")
    job = apply_events(made, job, Event.QUEUE, Event.START, Event.COMPLETE)
    kept = StoredResult(sha256=RawStore(home.raw).put(RAW), size_bytes=len(RAW), content_type="application/json")
    apply_events(made, job, Event.FETCH, result=kept)
    write_lake(home)
    yield made
    made.close()


def write_lake(home: Home, **changed: Any) -> None:
    key = PartitionKey(experiment=EXPERIMENT, backend=BACKEND)
    Lake(home).write(QPU_SUBMISSIONS, key, from_rows(QPU_SUBMISSIONS, [SUBMITTED | changed]))


def test_nothing_is_found_where_both_say_the_same(home: Home, ledger: SqlLedger) -> None:
    assert compare_lake(home, ledger) == compare_raw_results(home, ledger) == []
    write_lake(home, provider_job_id=None)  # written before the provider had answered
    assert compare_lake(home, ledger) == []
    assert audit_ledger(home, ledger, full=True).findings == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"job_id": "j-b"}, "names job j-b, which the ledger does not have"),
        ({"provider_job_id": "p-z"}, "was submitted as 'p-z', which the ledger does not know"),
        ({"token": "token-z"}, "has a token that the ledger does not know"),
        ({"payload_sha256": "z"}, "payload_sha256 of job j-a is z, and the ledger says a"),
    ],
)
def test_a_row_of_the_lake_that_says_otherwise_is_named(
    home: Home, ledger: SqlLedger, changed: dict[str, Any], words: str
) -> None:
    write_lake(home, **changed)
    [finding] = compare_lake(home, ledger)
    assert words in finding
    assert words in audit_ledger(home, ledger).lake[0]


def test_an_emptied_ledger_beside_a_lake_is_named(home: Home, ledger: SqlLedger) -> None:
    drop_guards(ledger)
    tables = ("event", "attempt", "result_ref", "job", "budget")
    tamper(
        ledger,
        *(f"DELETE FROM {table}" for table in tables),
        f"UPDATE chain_head SET position = 0, hash = '{'0' * 64}'",
    )
    assert "which the ledger does not have" in compare_lake(home, ledger)[0]


def test_only_what_changed_is_read_again(home: Home, ledger: SqlLedger) -> None:
    """The full audit finds what the quick one leaves out."""
    end = ledger.head().position
    write_lake(home, token="token-z")
    assert compare_lake(home, ledger, after=end) == []
    assert len(compare_lake(home, ledger)) == 1
    ledger.plan(plan("b"))
    assert len(compare_lake(home, ledger, after=end)) == 1


@pytest.mark.parametrize("way", ["missing", "changed", "another size"])
def test_a_kept_result_that_is_not_what_was_received_is_named(home: Home, ledger: SqlLedger, way: str) -> None:
    path = home.raw / sha256_hex(RAW)
    if way == "missing":
        path.unlink()
    elif way == "changed":
        path.chmod(0o644)
        path.write_bytes(RAW.replace(b"1", b"2"))
    else:
        tamper(ledger, "UPDATE result_ref SET size_bytes = 9")
    [finding] = compare_raw_results(home, ledger)
    assert finding.startswith("the result of job j-a")
    assert finding in audit_ledger(home, ledger, full=True).lake
