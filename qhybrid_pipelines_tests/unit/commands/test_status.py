"""``qhybrid status``: what is with providers, what waits, what it costs, and what happens next, on one screen."""

from __future__ import annotations

import json
from importlib.metadata import version

import pytest

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support import sample_experiments
from qhybrid_pipelines_tests.support.job_histories import (
    COMPLETE,
    NOON,
    UNKNOWN,
    WAITS_FOR_APPROVAL,
    noon_plus,
    write_job_history,
)


@pytest.fixture
def home(tmp_path):
    """A job that ended, one that a provider holds, one in doubt, one for approval; one experiment to do, one stopped."""
    place = Home(tmp_path / "home").make()
    registered = Specifications(place)
    registered.register(sample_experiments.FIRST.spec)
    Stops(place).add([registered.register(sample_experiments.SECOND.spec)], principal="ada", now=NOON, reason="Ctrl-C")
    ledger = SqlLedger.open_sqlite(place.ledger)
    write_job_history(ledger, "j1", COMPLETE, fields={"cost_usd": 0.4})
    write_job_history(ledger, "j2", COMPLETE[:5], deadline_at=noon_plus(4e9))
    write_job_history(ledger, "j3", UNKNOWN)
    write_job_history(ledger, "j4", WAITS_FOR_APPROVAL, backend="local:auto", deadline_at=noon_plus(4e9))
    ledger.close()
    return place.path


def test_one_screen(home, qhybrid):
    code, out, err = qhybrid("status", home=home)
    assert (code, err) == (0, "")
    assert "experiments  2 registered, 1 under way, 1 stopped\n" in out
    assert "j3 on ionq:simulator is SUBMIT_UNKNOWN: a person decides" in out
    assert "j4 on local:auto is AWAITING_APPROVAL: a person decides" in out
    assert f"{sample_experiments.FIRST.key}: prepare" in out
    assert out.index("a person decides") < out.index(": prepare") < out.index("j2 on ionq:simulator is")


def test_for_a_program(home, qhybrid):
    code, out, _ = qhybrid("status", "--json", home=home)
    found = json.loads(out)
    assert code == 0
    rows = {row["backend"]: row for row in found["backends"]}
    assert {name: rows["ionq:simulator"][name] for name in ("with_provider", "for_a_person", "ended")} == {
        "with_provider": 1,
        "for_a_person": 1,
        "ended": 1,
    }
    assert found["experiments"] == {
        "registered": 2,
        "decided": 0,
        "under_way": 1,
        "stopped": 1,
        "unreadable": 0,
    }
    ledger = SqlLedger.open_sqlite(Home(home).ledger)
    reserved = sum(job.cost_quoted_usd for job in ledger.jobs() if job.job_id != "j1")
    ledger.close()
    assert found["money"]["reserved_usd"] == pytest.approx(reserved)


def test_a_specification_that_cannot_be_read_is_named(home, qhybrid):
    (Home(home).specifications / f"{sample_experiments.FIRST.key}.json").write_text("{")
    code, out, _ = qhybrid("status", home=home)
    assert code == 0
    assert "1 unreadable" in out
    assert f"{sample_experiments.FIRST.key} cannot go on: " in out


def test_the_version(home, qhybrid, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["qhybrid", "--version"])
    from qhybrid_pipelines import cli

    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert capsys.readouterr().out == f"qhybrid {version('qhybrid-pipelines')}\n"
