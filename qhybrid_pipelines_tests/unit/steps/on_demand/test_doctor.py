"""The doctor warns before it hurts, and one look that fails hides no other."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import NamedTuple

import pytest
from filelock import FileLock

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.system.clock import boot_seconds
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.steps.on_demand.doctor import FREE_BYTES, findings
from qhybrid_pipelines.steps.on_demand.status import read_status
from qhybrid_pipelines.steps.operate.audits import everything_paid_is_collected
from qhybrid_pipelines.steps.operate.warehouse import publish
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, FAILED, NOON, E, noon_plus, write_job_history

LATER = noon_plus(400)


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Home(tmp_path / "home").make())


def stat_files(workspace, **options):
    options = {"now": LATER} | options
    return findings(workspace.home, workspace.control_plane, workspace.specifications, **options)


def failed_checks(workspace, now=LATER) -> dict[str, str]:
    return {row["check"]: row["finding"] for row in stat_files(workspace, now=now) if not row["ok"]}


def test_a_fresh_home_is_well(workspace):
    assert failed_checks(workspace) == {}


def test_a_disk_that_is_nearly_full(workspace, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 2**40 - FREE_BYTES, FREE_BYTES - 1))
    assert failed_checks(workspace)["disk"].startswith("2.0 GiB free of 1024 GiB; make room")


def test_a_clock_that_was_set_back(workspace):
    write_job_history(workspace.control_plane.ledger, "j1", COMPLETE)
    assert "the ledger has an event of 2026-05-01 12:05:20" in failed_checks(workspace, now=NOON)["clock"]
    assert failed_checks(workspace) == {}


def test_jobs_that_nobody_ends(workspace, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "some-key")  # its provider could be asked
    ledger = workspace.control_plane.ledger
    write_job_history(ledger, "j1", COMPLETE[:5], deadline_at=noon_plus(60))
    write_job_history(ledger, "j2", COMPLETE[:3])
    assert set(failed_checks(workspace)) == {"jobs past their deadline"}
    found = failed_checks(workspace, now=NOON + timedelta(hours=2))
    assert found["jobs past their deadline"].startswith("j1: the sensor qpu_poll ends them")
    assert found["unacknowledged submissions"].startswith("j2: their process is gone")


def test_open_jobs_of_a_provider_whose_key_is_not_set_any_more(workspace, monkeypatch):
    for name in ("IONQ_API_KEY", "IONQ_API_KEY_FILE", "IONQ_API_URL"):
        monkeypatch.delenv(name, raising=False)
    backend = next(name for name in workspace.control_plane.backends if name.startswith("ionq:"))
    write_job_history(workspace.control_plane.ledger, "j1", COMPLETE[:5], backend=backend, provider="ionq")
    found = failed_checks(workspace)["open jobs"]
    assert found.startswith(f"those on '{backend}' cannot be polled or collected: ")
    assert "IONQ_API_KEY" in found
    monkeypatch.setenv("IONQ_API_KEY", "some-key")
    assert "open jobs" not in failed_checks(workspace)


def test_many_jobs_make_a_short_row(workspace):
    for number in range(8):
        write_job_history(
            workspace.control_plane.ledger, f"j{number}", COMPLETE[:5], deadline_at=noon_plus(60), budget_usd=9.0
        )
    assert "j4 and 3 more: " in failed_checks(workspace)["jobs past their deadline"]


@pytest.mark.parametrize(("quote", "well"), [(0.79, True), (0.8, False)])
def test_a_budget_of_the_policy_that_is_nearly_used_up(workspace, quote, well):
    (workspace.home.path / "policy.yaml").write_text("budgets: {usd: 1.0, provider: ionq}\n")
    write_job_history(workspace.control_plane.ledger, "j1", COMPLETE[:3], cost_quoted_usd=quote, budget_usd=1.0)
    seen = {row["check"]: row for row in stat_files(workspace)}["budgets of the policy"]
    assert seen["ok"] is well
    assert seen["finding"].startswith(
        f"provider 'ionq' in 2026-05: ${quote:.2f} of $1.00 spent or reserved ({quote:.0%})"
    )
    status = read_status(workspace.home, workspace.control_plane, workspace.specifications, workspace.lake, now=LATER)
    assert status.budgets[0] == f"provider 'ionq' in 2026-05: ${quote:.2f} of $1.00 spent or reserved ({quote:.0%})"
    assert (status.budgets_near == ()) is well


def test_a_breaker_is_named_at_once_and_a_finding_after_an_hour(workspace):
    opened = Breaker(
        backend="ionq:simulator",
        state="open",
        failures=6,
        opened_at=NOON,
        retry_at=noon_plus(500),
        reason="no answer",
    )
    workspace.control_plane.ledger.save_breaker(opened)
    seen = {row["check"]: row for row in stat_files(workspace)}["breakers"]
    assert seen["ok"]
    assert seen["finding"] == "ionq:simulator is open after 6 failures (no answer), tried again at 12:08:20 UTC"
    assert "breakers" in failed_checks(workspace, now=NOON + timedelta(hours=2))


def test_what_is_written_wrong_is_a_finding_and_hides_nothing(workspace, monkeypatch):
    (workspace.home.path / "policy.yaml").write_text("rules: []\n")
    monkeypatch.setenv("QHYBRID_LOG", "xml")
    found = failed_checks(workspace)
    assert "policy" in found
    assert "field 'rules'" in found["policy"]
    assert "QHYBRID_LOG=xml" in found["log and collector"]
    assert len(stat_files(workspace)) == len(stat_files(Workspace(workspace.home))) > 15


def test_prod_with_an_unsafe_setting(workspace, monkeypatch):
    monkeypatch.setenv("QHYBRID_ENV", "prod")
    assert "prod does not keep its ledger in SQLite" in failed_checks(workspace)["environment"]


def test_what_a_person_stopped_is_named_and_is_not_a_finding(workspace):
    assert {row["check"]: row["finding"] for row in stat_files(workspace)}["stopped experiments"] == "none"
    Stops(workspace.home).add(["toy-12345678"], principal="ada", now=LATER, reason="Ctrl-C")
    (row,) = (row for row in stat_files(workspace) if row["check"] == "stopped experiments")
    assert row["ok"]
    assert row["finding"] == "toy-12345678 (by ada, Ctrl-C): `qhybrid run KEY` goes on with one"


def test_a_held_lock_is_named(workspace):
    with FileLock(workspace.home.locks / "warehouse.lock"):
        seen = {row["check"]: row["finding"] for row in stat_files(workspace)}
    assert seen["locks"] == "held by running processes: warehouse"


def test_a_damaged_snapshot_is_named(workspace):
    publish(workspace.home, workspace.control_plane.ledger)
    assert failed_checks(workspace) == {}
    path = workspace.home.warehouse
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    assert "delete it and publish again" in failed_checks(workspace)["warehouse"]
    publish(workspace.home, workspace.control_plane.ledger)
    assert failed_checks(workspace) == {}


def test_one_look_at_every_backend_when_asked_for(workspace, monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("IONQ_API_KEY", "planted-secret")
    rows = {row["check"]: row for row in stat_files(workspace, online=True)}
    assert rows["ask local:auto"]["finding"].startswith("takes jobs")
    assert rows["ask ionq:simulator"]["ok"]
    assert rows["ask ionq:simulator"]["finding"].endswith("; no experiment names it")
    write_job_history(workspace.control_plane.ledger, "j1", COMPLETE[:5])
    rows = {row["check"]: row for row in stat_files(workspace, online=True)}
    assert not rows["ask ionq:simulator"]["ok"]
    assert "planted-secret" not in str(rows)


def test_a_key_that_the_cloud_does_not_accept_is_a_finding(workspace, tmp_path, monkeypatch):
    emulator = start_emulator(tmp_path / "cloud", key="of-today")
    try:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        write_job_history(workspace.control_plane.ledger, "j1", COMPLETE[:5])
        rows = {row["check"]: row for row in stat_files(workspace, online=True)}
        assert rows["key of ionq"] == {"check": "key of ionq", "ok": True, "finding": "accepted"}
        for key, why in (("of-yesterday", "401"), ("", "there is no key")):
            monkeypatch.setenv("IONQ_API_KEY", key)
            rows = {row["check"]: row for row in stat_files(workspace, online=True)}
            assert not rows["key of ionq"]["ok"]
            assert why in rows["key of ionq"]["finding"]
            assert "of-yesterday" not in str(rows)
            assert rows["ask ionq:simulator"]["ok"], "everybody may ask for that"
    finally:
        emulator.stop()


@pytest.mark.parametrize(
    ("steps", "fields", "later"),
    [
        (COMPLETE[:7], {}, 3600 + 311),  # nobody fetches it
        (COMPLETE[:8], {}, 3600 + 321),  # nobody reads it
        ((*COMPLETE[:7], (E.DOUBT_RESULT, 320, "observed")), {"error": "shots are missing"}, 321),
        ((*COMPLETE[:8], (E.DOUBT_RESULT, 320, "observed")), {"error": "shots are missing"}, 321),
        (FAILED, {"error": "the machine failed", "cost_usd": 0.25}, 400),
    ],
)
def test_what_was_paid_and_not_collected(workspace, steps, fields, later):
    ledger = workspace.control_plane.ledger
    write_job_history(ledger, "j2", COMPLETE)
    job = write_job_history(ledger, "j1", steps, fields=fields)
    before = failed_checks(workspace, now=job.updated_at + timedelta(seconds=1))
    assert ("paid and not collected" in before) == bool(fields), "a result on its way is not a finding"
    seen = failed_checks(workspace, now=noon_plus(later))["paid and not collected"]
    assert seen.startswith("job j1 of 'karate-0a1b2c3d' on 'ionq:simulator' is ")
    assert "`qhybrid jobs fetch j1` fetches its result, which is free" in seen
    assert fields.get("error", "") in seen
    assert "j2" not in seen
    assert everything_paid_is_collected(ledger) == [seen]


def test_what_failed_for_free_or_was_run_again_is_not_owed(workspace):
    ledger = workspace.control_plane.ledger
    write_job_history(ledger, "j1", FAILED, fields={"cost_usd": 0.0})
    write_job_history(ledger, "j3", FAILED, fields={"cost_usd": 0.25}, payload_sha256="f" * 64)
    write_job_history(ledger, "j4", COMPLETE, payload_sha256="f" * 64, run_number=2)
    assert "paid and not collected" not in failed_checks(workspace)


@pytest.mark.parametrize(
    ("minutes", "word"), [(11, "ahead of"), (-11, "behind"), (1440, "ahead of"), (-1440, "behind")]
)
def test_the_skew_to_the_ledgers_server_is_shown(minutes, word, tmp_path, monkeypatch, postgres_url):
    monkeypatch.setenv("QHYBRID_LEDGER_URL", postgres_url)
    workspace = Workspace(Home(tmp_path / "home").make())
    seen = failed_checks(workspace, now=datetime.now(UTC) + timedelta(minutes=minutes))["clock"]
    assert re.search(rf", \d+\.\d s {word} the ledger's server, whose clock decides", seen)
    assert "clock" not in failed_checks(workspace, now=datetime.now(UTC))


def test_the_skew_to_a_provider_is_shown(workspace):
    heard = boot_seconds()
    wrong = {"Date": format_datetime(datetime.now(UTC) - timedelta(minutes=11), usegmt=True)}
    try:
        with provider_time.asking("ionq"):
            provider_time.note_answer(wrong, sent=heard, received=heard)
        found = failed_checks(workspace, now=None)
        assert re.search(
            r"the clock of this machine is 6[56]\d s ahead of the clock of provider 'ionq'", found["clock"]
        )
        rows = {row["check"]: row for row in stat_files(workspace, now=None, online=True)}
        assert not rows["clock of ionq"]["ok"]
        assert "nothing is sent there" in rows["clock of ionq"]["finding"]
    finally:
        provider_time.forget()
